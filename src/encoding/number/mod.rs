//! Numbers as Redis reads and prints them: 64-bit integers, doubles and x87 long doubles.
//!
//! What always holds here:
//!
//! * Parsing is strict: the whole slice is the number, or it is not a number. No spaces, no NUL.
//! * Integers have exactly one spelling, so a string that parses can be stored as the integer and
//!   printed again without a difference.
//! * A double parses as C's `strtod` reads it, hexadecimal included, and prints digit for digit as
//!   in Redis, so that it reads back as the same double.
//! * INCRBYFLOAT and HINCRBYFLOAT work in [`LongDouble`], bit for bit what an x86-64 CPU does with
//!   80-bit floats, because their result is text that clients compare.

mod double;
mod grisu;
mod literal;
mod long_double;

pub use double::{
    F64Text, format_f64, format_f64_17g, format_f64_digits, parse_f64, parse_f64_saturating, parse_formatted_f64,
};
pub use long_double::LongDouble;

/// Longest text of an `i64`: the 19 digits of its minimum and the sign.
pub const I64_TEXT_MAX: usize = 20;

/// Parses a decimal `u64` in the one spelling that printing gives it: no sign, no leading zeros.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    // 19 digits always fit; only a twentieth can overflow.
    const SAFE_DIGITS: usize = 19;
    let (&first, rest) = text.split_first()?;
    if first == b'0' {
        return rest.is_empty().then_some(0);
    }
    let (safe, last) = text.split_at(text.len().min(SAFE_DIGITS));
    let mut value = 0u64;
    for &byte in safe {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    match *last {
        [] => Some(value),
        [byte @ b'0'..=b'9'] => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    }
}

/// Parses a decimal `i64` in the one spelling that printing gives it: an optional `-`, then
/// digits without a leading zero; `-0` and `+1` are refused.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => match parse_u64(digits)? {
            0 => None,
            magnitude => 0i64.checked_sub_unsigned(magnitude),
        },
        _ => parse_u64(text)?.try_into().ok(),
    }
}

/// The number of bytes of `value` in decimal.
#[inline]
pub fn i64_text_len(value: i64) -> usize {
    let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
    digits as usize + usize::from(value < 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_have_one_spelling() {
        for good in ["0", "7", "-1", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(parse_i64(good.as_bytes()), good.parse().ok(), "{good}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        for bad in [
            "",
            "-",
            "+1",
            "-0",
            "00",
            "01",
            "-01",
            " 1",
            "1 ",
            "1a",
            "1\0",
            "0x1",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999",
            "111111111111111111111",
        ] {
            assert_eq!(parse_i64(bad.as_bytes()), None, "{bad}");
        }
        for bad in ["18446744073709551616", "99999999999999999999", "-1", "00"] {
            assert_eq!(parse_u64(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn integers_round_trip(value: i64, shift in 0..64u32) {
            let value = value >> shift;
            let text = value.to_string();
            prop_assert_eq!(text.len(), i64_text_len(value));
            prop_assert_eq!(parse_i64(text.as_bytes()), Some(value));
        }

        #[test]
        fn any_text_parses_only_if_it_prints_the_same(text in "[-+0-9 ]{0,21}") {
            let expected = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
            prop_assert_eq!(parse_i64(text.as_bytes()), expected);
        }
    }
}
