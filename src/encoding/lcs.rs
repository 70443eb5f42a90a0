//! The longest common subsequence of two byte strings.
//!
//! Of several longest ones the one that LCS of Redis gives: going backwards through the table of
//! `L(i, j)`, the lengths for the first `i` bytes of `a` and `j` of `b`, a pair of equal bytes is
//! always taken; else a byte of `a` is passed over only where that is strictly better than one of `b`.

/// Bytes that follow each other in both strings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// Offset in the first string.
    pub a: usize,
    /// Offset in the second string.
    pub b: usize,
    pub len: usize,
}

/// The length of the subsequence. Takes `a.len() * b.len()` steps.
pub fn length(a: &[u8], b: &[u8]) -> usize {
    fill(a, b, |_, _| ()) as usize
}

/// The runs that make up the subsequence, the last one first.
pub fn runs(a: &[u8], b: &[u8]) -> Vec<Run> {
    // All that the way back needs of the table: whether L(i - 1, j) > L(i, j - 1), a bit each.
    let mut skip_a = vec![0u64; (a.len() * b.len()).div_ceil(64)];
    fill(a, b, |i, j| {
        let at = i * b.len() + j;
        skip_a[at / 64] |= 1 << (at % 64);
    });
    let mut runs: Vec<Run> = Vec::new();
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        let at = (i - 1) * b.len() + j - 1;
        if a[i - 1] == b[j - 1] {
            match runs.last_mut() {
                Some(run) if (run.a, run.b) == (i, j) => *run = Run { a: i - 1, b: j - 1, len: run.len + 1 },
                _ => runs.push(Run { a: i - 1, b: j - 1, len: 1 }),
            }
            (i, j) = (i - 1, j - 1);
        } else if skip_a[at / 64] >> (at % 64) & 1 == 1 {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    runs
}

/// Goes through the table row by row and gives its last number. Calls `up` with the indices of each
/// pair of different bytes for which passing over the byte of `a` is strictly better.
fn fill(a: &[u8], b: &[u8], mut up: impl FnMut(usize, usize)) -> u32 {
    let mut row = vec![0u32; b.len() + 1];
    for (i, &byte_a) in a.iter().enumerate() {
        let (mut diagonal, mut left) = (0, 0);
        for (j, &byte_b) in b.iter().enumerate() {
            let above = row[j + 1];
            let here = if byte_a == byte_b {
                diagonal + 1
            } else {
                if above > left {
                    up(i, j);
                }
                above.max(left)
            };
            (diagonal, left) = (above, here);
            row[j + 1] = here;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The textbook's table.
    fn table_length(a: &[u8], b: &[u8]) -> usize {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] = match a[i - 1] == b[j - 1] {
                    true => table[i - 1][j - 1] + 1,
                    false => table[i - 1][j].max(table[i][j - 1]),
                };
            }
        }
        table[a.len()][b.len()]
    }

    proptest! {
        #[test]
        fn runs_are_common_and_longest(a in "[abc]{0,60}", b in "[abc]{0,60}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            let runs = runs(a, b);
            let expected = table_length(a, b);
            prop_assert_eq!(length(a, b), expected);
            prop_assert_eq!(runs.iter().map(|run| run.len).sum::<usize>(), expected);
            for run in &runs {
                prop_assert_eq!(&a[run.a..run.a + run.len], &b[run.b..run.b + run.len]);
            }
            for pair in runs.windows(2) {
                let (later, earlier) = (pair[0], pair[1]);
                let gaps = (later.a - (earlier.a + earlier.len), later.b - (earlier.b + earlier.len));
                prop_assert!(gaps != (0, 0), "two runs that are one");
            }
        }
    }

    #[test]
    fn ties_are_broken_as_redis_does() {
        let runs = runs(b"ohmytext", b"mynewtext");
        assert_eq!(runs, [Run { a: 4, b: 5, len: 4 }, Run { a: 2, b: 0, len: 2 }]);
    }
}
