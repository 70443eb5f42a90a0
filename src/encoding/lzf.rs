//! Compressing to LZF: quick, and enough for what repeats itself. The `lzf-rust` crate reads it; its own
//! compressor clears a table of 256 KiB for each text, which is most of what saving small values takes.
//!
//! ```text
//! 000lllll                 l + 1 bytes follow as they are
//! lllooooo         oooooooo  copy l + 2 bytes from o + 1 bytes ago
//! 111ooooo llllllll oooooooo  copy l + 9 bytes from o + 1 bytes ago
//! ```

/// The longest run of literals.
const LITERALS_MAX: usize = 32;
const OFFSET_MAX: usize = 1 << 13;
const MATCH_MIN: usize = 3;
const MATCH_MAX: usize = 264;

/// Compresses one text after the other.
#[derive(Default)]
pub struct Compressor {
    /// Where three bytes with this hash were last, plus one.
    table: Vec<u32>,
}

impl Compressor {
    /// Puts the compressed text in the place of what is in `out`; false if it would be longer than `max`.
    pub fn compress(&mut self, text: &[u8], max: usize, out: &mut Vec<u8>) -> bool {
        // About a place for each position, so that short texts do not clear a large table.
        let bits = text.len().max(1 << 6).ilog2().min(14) + 1;
        self.table.clear();
        self.table.resize(1 << bits, 0);
        out.clear();
        let (mut at, mut literals_from) = (0, 0);
        while let Some(&[a, b, c]) = text.get(at..at + MATCH_MIN).and_then(|three| three.first_chunk()) {
            let hash = u32::from_le_bytes([a, b, c, 0]).wrapping_mul(0x9e37_79b1) >> (32 - bits);
            let before = std::mem::replace(&mut self.table[hash as usize], (at as u32).wrapping_add(1)) as usize;
            // Beyond 4 GiB positions wrap, and look too far away to be used.
            let distance = at.wrapping_add(1).wrapping_sub(before);
            if before == 0 || distance > OFFSET_MAX || text[before - 1..before + 2] != [a, b, c] {
                at += 1;
                continue;
            }
            let longest = text.len().min(at + MATCH_MAX) - at;
            let rest = text[at..at + longest].iter().zip(&text[before - 1..]);
            let len = rest.take_while(|(new, old)| new == old).count();
            push_literals(&text[literals_from..at], out);
            push_match(distance - 1, len, out);
            at += len;
            literals_from = at;
            if out.len() > max {
                return false;
            }
        }
        push_literals(&text[literals_from..], out);
        out.len() <= max
    }
}

fn push_literals(text: &[u8], out: &mut Vec<u8>) {
    for run in text.chunks(LITERALS_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn push_match(offset: usize, len: usize, out: &mut Vec<u8>) {
    let high = (offset >> 8) as u8;
    match len - 2 {
        len @ ..7 => out.push((len as u8) << 5 | high),
        len => out.extend_from_slice(&[7 << 5 | high, (len - 7) as u8]),
    }
    out.push(offset as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_can_be_read(
            parts in prop::collection::vec((prop::collection::vec(0..4u8, 0..40), 0..60usize), 0..40),
            noise in prop::collection::vec(any::<u8>(), 0..9000),
        ) {
            let mut text: Vec<u8> = parts.iter().flat_map(|(part, times)| part.repeat(*times)).collect();
            let (mut compressor, mut lzf) = (Compressor::default(), Vec::new());
            for _ in 0..2 {
                prop_assert!(compressor.compress(&text, usize::MAX, &mut lzf));
                let mut read = vec![0; text.len()];
                prop_assert_eq!(lzf_rust::decompress(&lzf, &mut read), Ok(text.len()));
                prop_assert!(read == text);
                prop_assert!(compressor.compress(&text, lzf.len(), &mut Vec::new()));
                prop_assert!(lzf.is_empty() || !compressor.compress(&text, lzf.len() - 1, &mut Vec::new()));
                // With something that cannot be compressed between two equal parts.
                text = [&text[..], &noise, &text].concat();
            }
        }
    }

    #[test]
    fn what_repeats_itself_gets_short() {
        let (mut compressor, mut lzf) = (Compressor::default(), Vec::new());
        for (text, len_max) in [(vec![b'a'; 100_000], 1200), (b"all work and no play ".repeat(10), 30)] {
            assert!(compressor.compress(&text, len_max, &mut lzf), "{}", lzf.len());
        }
    }
}
