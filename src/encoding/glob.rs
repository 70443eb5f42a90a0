//! Glob patterns as KEYS, SCAN, PSUBSCRIBE, CONFIG GET and ACL rules read them.
//!
//! ```text
//! *        any bytes, none included        [abc]    one of these bytes
//! ?        any one byte                    [a-z]    a range, in either direction
//! \x       x itself                        [^a]     one byte not in the class
//! ```
//!
//! A class may hold `\]`. One that is never closed ends with the pattern, and a `\` that ends the
//! pattern stands for itself. A class closes at the first `]`, so `[]` matches nothing.
//!
//! Matching takes at most `pattern.len() * text.len()` steps: everything but `*` matches exactly
//! one byte, so when a match fails only the last `*` can help by taking one byte more, and there
//! is nothing to retry before it. That keeps `a*a*a*b` from being a way to stall the server.

/// Whether `pattern` matches all of `text`. `nocase` ignores the case of ASCII letters.
pub fn glob_match(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when a match fails: after the last `*`, and the text it has not taken yet.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            while pattern.get(p) == Some(&b'*') {
                p += 1;
            }
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t));
        }
        if t == text.len() {
            return p == pattern.len();
        }
        if p < pattern.len() {
            let (matched, token_len) = match_one(&pattern[p..], text[t], nocase);
            if matched {
                p += token_len;
                t += 1;
                continue;
            }
        }
        let Some((after_star, taken)) = retry else {
            return false;
        };
        // Take one byte more, or up to the next one that what follows the star can match.
        let mut resume = taken + 1;
        let next = pattern[after_star];
        if !nocase && !matches!(next, b'?' | b'[' | b'\\') {
            match memchr::memchr(next, &text[resume..]) {
                Some(skip) => resume += skip,
                None => return false,
            }
        }
        retry = Some((after_star, resume));
        (p, t) = (after_star, resume);
    }
}

/// Matches `byte` against the token that `pattern` (not empty, not at a `*`) begins with.
/// Returns whether it matched and the token's length.
#[inline]
fn match_one(pattern: &[u8], byte: u8, nocase: bool) -> (bool, usize) {
    match pattern {
        [b'?', ..] => (true, 1),
        [b'[', ..] => match_class(pattern, byte, nocase),
        [b'\\', escaped, ..] => (same(*escaped, byte, nocase), 2),
        _ => (same(pattern[0], byte, nocase), 1),
    }
}

/// [`match_one`] for a class.
fn match_class(pattern: &[u8], byte: u8, nocase: bool) -> (bool, usize) {
    let fold = |byte: u8| {
        if nocase { byte.to_ascii_lowercase() } else { byte }
    };
    let negated = pattern.get(1) == Some(&b'^');
    let mut at = 1 + usize::from(negated);
    let mut found = false;
    loop {
        at += match pattern[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                // COMPAT: an escaped byte in a class always matches case-sensitively.
                found |= escaped == byte;
                2
            }
            [from, b'-', to, ..] => {
                let (low, high) = (fold(from.min(to)), fold(from.max(to)));
                found |= (low..=high).contains(&fold(byte));
                3
            }
            [literal, ..] => {
                found |= same(literal, byte, nocase);
                1
            }
        };
    }
    (found != negated, at)
}

#[inline]
fn same(a: u8, b: u8, nocase: bool) -> bool {
    a == b || (nocase && a.eq_ignore_ascii_case(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same language by plain recursion over every length a `*` could take.
    fn oracle(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|taken| oracle(rest, &text[taken..])),
            ([], _) => text.is_empty(),
            (_, []) => false,
            (_, [byte, text @ ..]) => {
                let (matched, token_len) = match_one(pattern, *byte, false);
                matched && oracle(&pattern[token_len..], text)
            }
        }
    }

    #[test]
    fn tokens() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "abc", true),
            ("a*", "a", true),
            ("*a", "bca", true),
            ("a*b*c", "aXbYbZc", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            (r"a\", r"a\", true),
            (r"[\]]", "]", true),
            ("[]", "]", false),
            ("[]a]", "a]", false),
            ("[a", "a", true),
            ("[a-", "-", true),
            ("[a-]", "b", false),
            ("[^", "x", true),
            ("[", "[", false),
            ("[^]", "x", true),
        ] {
            let matched = glob_match(pattern.as_bytes(), text.as_bytes(), false);
            assert_eq!(matched, expected, "{pattern} on {text}");
        }
        assert!(glob_match(b"MAX*[A-M]emory", b"maxmemory", true));
        assert!(!glob_match(b"MAX*", b"maxmemory", false));
        assert!(glob_match(br"\Max", b"max", true));
        assert!(!glob_match(br"[\M]ax", b"max", true));
    }

    #[test]
    fn many_stars_stay_cheap() {
        let pattern = [b"a*".repeat(1000), b"b".to_vec()].concat();
        assert!(!glob_match(&pattern, &b"a".repeat(100_000), false));
    }

    proptest! {
        #[test]
        fn agrees_with_plain_recursion(pattern in r"[ab?*\[\]\\^-]{0,9}", text in "[abc]{0,9}") {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(glob_match(pattern, text, false), oracle(pattern, text));
        }
    }
}
