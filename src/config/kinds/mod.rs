//! The kinds of values: how each is read from words, shown by CONFIG GET and written to a file.
//!
//! A row of the table in `directives.rs` names one of these: `plain.rs` has numbers, switches,
//! texts and paths, `special.rs` those that serve one directive. Reasons for refusal are Redis's
//! own texts, because clients and its test suite look for them.
//!
//! Always holds: what `lines` writes, `parse` and then `parse_further` read back as the same value, and
//! what `further_lines` writes, `parse_further` does.

mod plain;
mod special;

use std::io;

pub use plain::*;
pub use special::*;

use crate::encoding::words::quote_if_needed;

/// The greatest C `int`, a frequent upper bound.
pub const INT_MAX: i128 = i32::MAX as i128;
/// The greatest C `long` (or `long long`), another one.
pub const LONG_MAX: i128 = i64::MAX as i128;

/// One kind of value, as the type `T` of a field of `Config`.
pub trait Kind<T> {
    /// Reads a value from the words after the directive's name, or says why it is refused.
    /// `current` is what the field holds now.
    fn parse(&self, words: &[Vec<u8>], current: &T) -> Result<T, String>;

    /// The same for a further line of a file that repeats a directive: as a rule the last one
    /// counts.
    fn parse_further(&self, words: &[Vec<u8>], current: &T) -> Result<T, String> {
        self.parse(words, current)
    }

    /// What CONFIG GET shows.
    fn show(&self, value: &T) -> Vec<u8>;

    /// What follows the directive's name in a file: one text a line, already quoted. Never empty,
    /// so that a file can take back what another one set.
    fn lines(&self, value: &T) -> Vec<Vec<u8>> {
        vec![quote_if_needed(&self.show(value))]
    }

    /// As [`Self::lines`], for where other lines have set the directive and stay.
    fn further_lines(&self, value: &T) -> Vec<Vec<u8>> {
        self.lines(value)
    }
}

/// The only word there is.
fn single(words: &[Vec<u8>]) -> Result<&[u8], String> {
    match words {
        [word] => Ok(word),
        _ => Err(WRONG_NUMBER.into()),
    }
}

const WRONG_NUMBER: &str = "wrong number of arguments";

/// An integer as Redis takes it: no sign but one minus, no blanks, no leading zeros.
fn parse_integer(word: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(word).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == word).then_some(number)
}

/// A memory size in bytes: digits and perhaps a unit. `1k` is 1000 and `1kb` is 1024, likewise
/// `m`, `mb`, `g` and `gb`; what doesn't fit into 64 bits is the greatest number that does.
pub fn parse_memory(word: &[u8]) -> Option<u64> {
    let unit_at = word.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(word.len());
    let (digits, unit) = word.split_at(unit_at);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number =
        digits.iter().fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    // COMPAT: no digits at all are a zero.
    Some(number.saturating_mul(factor))
}

/// `bytes` with the largest unit that divides it.
fn format_memory(bytes: u64) -> Vec<u8> {
    let units: [(u64, &str); 3] = [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")];
    match units.into_iter().find(|(size, _)| bytes != 0 && bytes.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", bytes / size).into_bytes(),
        None => bytes.to_string().into_bytes(),
    }
}

/// Fields that hold whole numbers.
pub trait Integer: Copy + TryFrom<i128> + TryInto<i128> {
    /// The number in a type that fits all of them.
    fn wide(self) -> i128 {
        self.try_into().unwrap_or_else(|_| unreachable!("an integer of 64 bits fits into 128"))
    }
}

impl<T: Copy + TryFrom<i128> + TryInto<i128>> Integer for T {}

fn bounded<T: Integer>(number: i128, min: i128, max: i128) -> Result<T, String> {
    let number = if (min..=max).contains(&number) { T::try_from(number).ok() } else { None };
    number.ok_or_else(|| format!("argument must be between {min} and {max} inclusive"))
}

fn must_be_one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    format!("argument(s) must be one of the following: {}", names.join(", "))
}

/// What the system says about an error, as C's `strerror` words it.
pub fn os_reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_units() {
        let cases: [(&str, Option<u64>); 11] = [
            ("1k", Some(1000)),
            ("1KB", Some(1024)),
            ("2m", Some(2_000_000)),
            ("2mb", Some(2 << 20)),
            ("3g", Some(3_000_000_000)),
            ("3gb", Some(3 << 30)),
            ("10b", Some(10)),
            ("", Some(0)),
            ("18446744073709551616", Some(u64::MAX)),
            ("1.5gb", None),
            ("-1", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_memory(text.as_bytes()), bytes, "{text:?}");
        }
        for (bytes, text) in [(0, "0"), (1000, "1000"), (1024, "1kb"), (100 << 20, "100mb"), (1 << 40, "1024gb")] {
            assert_eq!(format_memory(bytes), text.as_bytes());
        }
    }

    #[test]
    fn integers_have_one_spelling() {
        assert_eq!(parse_integer(b"-5"), Some(-5));
        for word in ["", "+5", "05", "-0", " 5", "5 ", "9223372036854775808"] {
            assert_eq!(parse_integer(word.as_bytes()), None, "{word:?}");
        }
    }
}
