//! The word grammar that redis.conf, the command line and inline commands share.
//!
//! Words are separated by blanks. A word may be quoted:
//!
//! ```text
//! "..."   \n \r \t \b \a, \xHH for any byte, and \c for c itself
//! '...'   only \' is an escape
//! ```
//!
//! A closing quote must be followed by a blank or the end of the line.
//!
//! Always holds: `split_words(&join_words(words)) == Some(words)` for any bytes.

/// Splits `line` into words; `None` if its quotes are unbalanced.
///
/// A NUL byte ends the line, as it does in Redis.
pub fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let line = line.split(|&byte| byte == 0).next().unwrap_or_default();
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let Some(start) = rest.iter().position(|&byte| !is_blank(byte)) else {
            return Some(words);
        };
        let (word, after) = first_word(&rest[start..])?;
        words.push(word);
        rest = after;
    }
}

/// `word` as it must stand in a line for [`split_words`] to give it back: bare where that is
/// safe, otherwise in double quotes.
pub fn quote_if_needed(word: &[u8]) -> Vec<u8> {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    // A leading '#' would turn a line that starts with this word into a comment.
    if !word.is_empty() && word[0] != b'#' && word.iter().all(is_plain) { word.to_vec() } else { quote(word) }
}

/// `word` in double quotes, with everything unprintable escaped.
pub fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for &byte in word {
        match byte {
            b'"' | b'\\' => quoted.extend([b'\\', byte]),
            b'\n' => quoted.extend(br"\n"),
            b'\r' => quoted.extend(br"\r"),
            b'\t' => quoted.extend(br"\t"),
            0x07 => quoted.extend(br"\a"),
            0x08 => quoted.extend(br"\b"),
            b' '..=b'~' => quoted.push(byte),
            _ => quoted.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    quoted.push(b'"');
    quoted
}

/// One line of `words`, each quoted where it needs to be.
pub fn join_words<W: AsRef<[u8]>>(words: impl IntoIterator<Item = W>) -> Vec<u8> {
    let mut line = Vec::new();
    for (index, word) in words.into_iter().enumerate() {
        if index > 0 {
            line.push(b' ');
        }
        line.extend(quote_if_needed(word.as_ref()));
    }
    line
}

/// C's `isspace`, which unlike Rust's ASCII one counts the vertical tab.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// The word `text` starts with, and what follows it. `text` is not empty and starts with no blank.
fn first_word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            // COMPAT: only these end a bare word; \v and \f separate words but may stand in one.
            b' ' | b'\n' | b'\r' | b'\t' => break,
            b'"' | b'\'' => {
                let used = quoted_part(&text[at..], &mut word)?;
                return Some((word, &text[at + used..]));
            }
            _ => {
                word.push(byte);
                at += 1;
            }
        }
    }
    Some((word, &text[at..]))
}

/// Appends the quoted text that `text` starts with to `word`; gives its length with both quotes.
fn quoted_part(text: &[u8], word: &mut Vec<u8>) -> Option<usize> {
    let quote = text[0];
    let mut at = 1;
    loop {
        match (text.get(at)?, text.get(at + 1)) {
            (&byte, next) if byte == quote => {
                return next.is_none_or(|&next| is_blank(next)).then_some(at + 1);
            }
            (b'\\', Some(b'\'')) if quote == b'\'' => {
                word.push(b'\'');
                at += 2;
            }
            (b'\\', Some(&escape)) if quote == b'"' => {
                let (byte, used) = match (escape, text.get(at + 2), text.get(at + 3)) {
                    (b'x', Some(&high), Some(&low)) => match (hex_digit(high), hex_digit(low)) {
                        (Some(high), Some(low)) => (high << 4 | low, 4),
                        _ => (b'x', 2),
                    },
                    (b'n', ..) => (b'\n', 2),
                    (b'r', ..) => (b'\r', 2),
                    (b't', ..) => (b'\t', 2),
                    (b'b', ..) => (0x08, 2),
                    (b'a', ..) => (0x07, 2),
                    (other, ..) => (other, 2),
                };
                word.push(byte);
                at += used;
            }
            (&byte, _) => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &str) -> Option<Vec<String>> {
        let words = split_words(line.as_bytes())?;
        Some(words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect())
    }

    fn words(list: &[&str]) -> Option<Vec<String>> {
        Some(list.iter().map(|word| word.to_string()).collect())
    }

    #[test]
    fn splits_at_blanks() {
        assert_eq!(split(""), words(&[]));
        assert_eq!(split("  \t\r\n"), words(&[]));
        assert_eq!(split(" port\t 6379\r\n"), words(&["port", "6379"]));
        assert_eq!(split("a b\0c \""), words(&["a", "b"]));
    }

    #[test]
    fn quoted_words() {
        assert_eq!(split(r#""a b" 'c d'"#), words(&["a b", "c d"]));
        assert_eq!(split(r#""" ''"#), words(&["", ""]));
        assert_eq!(split(r#"foo"bar baz""#), words(&["foobar baz"]));
        assert_eq!(split(r#"'it\'s' '\n'"#), words(&["it's", r"\n"]));
        assert_eq!(split(r#""\n\r\t\b\a\q\"\\""#), words(&["\n\r\t\x08\x07q\"\\"]));
        assert_eq!(split(r#""\x41\x4a\x4J""#), words(&["AJx4J"]));
    }

    #[test]
    fn unbalanced_quotes() {
        for line in ["\"", "'", "\"a", "\"a\"b", "'a'b", "\"a\\\"", "a \"b\0\""] {
            assert_eq!(split(line), None, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn joined_words_split_back(words: Vec<Vec<u8>>) {
            prop_assert_eq!(split_words(&join_words(&words)), Some(words));
        }

        #[test]
        fn splitting_never_panics(line: Vec<u8>) {
            let _ = split_words(&line);
        }
    }
}
