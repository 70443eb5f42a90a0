//! Doubles and their texts.

use super::grisu::Digits;
use super::literal::{Literal, literal};
use super::parse_i64;
use rustc_apfloat::Float;
use rustc_apfloat::ieee::Double;
use smallvec::SmallVec;

/// Parses a double as `strtod` does: decimal or hexadecimal, `inf` and `infinity` in any case.
///
/// Refuses NaN and, as Redis does, a number that overflows to infinity or underflows to zero.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (value, exact) = read_f64(text)?;
    exact.then_some(value)
}

/// As [`parse_f64`], but a number that is too large is infinite and one that is too small is zero.
pub fn parse_f64_saturating(text: &[u8]) -> Option<f64> {
    read_f64(text).map(|(value, _)| value)
}

/// The value, and whether it is in the range of doubles.
fn read_f64(text: &[u8]) -> Option<(f64, bool)> {
    let (value, zero) = match literal(text)? {
        Literal::Infinite { negative } => {
            return Some((if negative { f64::NEG_INFINITY } else { f64::INFINITY }, true));
        }
        Literal::Decimal { text, zero } => (text.parse().ok()?, zero),
        Literal::Hexadecimal { text, zero } => {
            let parsed: Double = text.parse().ok()?;
            (f64::from_bits(parsed.to_bits() as u64), zero)
        }
    };
    Some((value, value.is_finite() && (value != 0.0 || zero)))
}

/// The text of a double.
pub type F64Text = SmallVec<[u8; 32]>;

/// `value` as Redis 7.2 prints scores and RESP3 doubles.
///
/// A whole number within ±2^62 prints as an integer. Otherwise the digits that [`Digits`] finds are
/// laid out plainly when that costs few zeros, else as `1.5e+300`. Zero keeps its sign; the rest are
/// `inf`, `-inf` and `nan`.
pub fn format_f64(value: f64) -> F64Text {
    const INTEGER_MAX: f64 = (1u64 << 62) as f64;
    let mut out = F64Text::new();
    if value.is_nan() {
        out.extend_from_slice(b"nan");
        return out;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let value = value.abs();
    if value.is_infinite() {
        out.extend_from_slice(b"inf");
        return out;
    }
    if value <= INTEGER_MAX && value.trunc() == value {
        out.extend_from_slice(itoa::Buffer::new().format(value as u64).as_bytes());
        return out;
    }

    // value = digits * 10^scale, and its first digit is that of 10^exponent.
    let found = Digits::of(value);
    let (digits, scale) = (found.as_slice(), found.scale());
    let exponent = scale + digits.len() as i32 - 1;
    if (0..8).contains(&scale) {
        out.extend_from_slice(digits);
        out.resize(out.len() + scale as usize, b'0');
    } else if scale < 0 && (scale > -7 || exponent.abs() < 4) {
        if exponent >= 0 {
            let (whole, fraction) = digits.split_at(exponent as usize + 1);
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        } else {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + (-exponent - 1) as usize, b'0');
            out.extend_from_slice(digits);
        }
    } else {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        let magnitude = exponent.unsigned_abs();
        out.extend_from_slice(itoa::Buffer::new().format(magnitude).as_bytes());
    }
    out
}

/// Parses the text of [`format_f64`].
#[inline]
pub fn parse_formatted_f64(text: &[u8]) -> Option<f64> {
    /// Integers of at most this many characters are exact as doubles.
    const EXACT_CHARS: usize = 15;
    if text.len() <= EXACT_CHARS
        && let Some(integer) = parse_i64(text)
    {
        return Some(integer as f64);
    }
    str::from_utf8(text).ok()?.parse().ok()
}

/// `value` as C's `%.17g` prints it.
pub fn format_f64_17g(value: f64) -> F64Text {
    format_f64_digits(value, 17)
}

/// `value` as C's `%.*g` prints it with up to `digits` significant digits, from 1 to 17.
pub fn format_f64_digits(value: f64, digits: i32) -> F64Text {
    let precision = digits;
    if !value.is_finite() {
        return format_f64(value);
    }
    let mut out = F64Text::new();
    if value.is_sign_negative() {
        out.push(b'-');
    }
    // `d.dddde-ddd`, exact to the last digit.
    let text = format!("{:.*e}", precision as usize - 1, value.abs());
    let (digits, exponent) = text.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    let digits: SmallVec<[u8; 17]> = digits.bytes().filter(|&byte| byte != b'.').collect();
    let significant = digits.iter().rposition(|&digit| digit != b'0').map_or(1, |last| last + 1);
    let digits = &digits[..significant];
    if !(-4..precision).contains(&exponent) {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        let sign = if exponent < 0 { "-" } else { "+" };
        out.extend_from_slice(format!("e{sign}{:02}", exponent.abs()).as_bytes());
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-exponent - 1) as usize, b'0');
        out.extend_from_slice(digits);
    } else {
        let whole = exponent as usize + 1;
        out.extend_from_slice(&digits[..whole.min(digits.len())]);
        out.resize(out.len() + whole.saturating_sub(digits.len()), b'0');
        if digits.len() > whole {
            out.push(b'.');
            out.extend_from_slice(&digits[whole..]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn f64_text(value: f64) -> String {
        String::from_utf8(format_f64(value).to_vec()).unwrap()
    }

    #[test]
    fn doubles_parse_as_redis_parses_them() {
        for (text, value) in [
            ("3.0", 3.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("+1", 1.0),
            ("1E5", 1e5),
            ("0000000000000001", 1.0),
            ("inf", f64::INFINITY),
            ("+inf", f64::INFINITY),
            ("-INFINITY", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("0X1P-2", 0.25),
            ("-0x1.8p1", -3.0),
            ("0x.8", 0.5),
            ("0x1p-1074", 5e-324),
            ("0x1.8p-1075", 5e-324),
            ("0x1.fffffffffffff7p1023", f64::MAX),
            ("3e-324", 5e-324),
            ("1e-320", 1e-320),
            ("0e99999999999999999999", 0.0),
            ("0e-99999", 0.0),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text}");
        }
        assert!(parse_f64(b"-0").is_some_and(|zero| zero == 0.0 && zero.is_sign_negative()));
        for bad in [
            "",
            "-",
            ".",
            "nan",
            "-nan",
            "nan(1)",
            "infinit",
            " 1",
            "1 ",
            "\t1",
            "1\0",
            "1e",
            "1e+",
            "1e5x",
            "+-1",
            "1.2.3",
            "0x",
            "0x.",
            "0xp1",
            "0x1p",
            "0x1p+",
            "0b1",
            "1_0",
            "1e400",
            "-1e400",
            "1e-400",
            "2e-324",
            "0x1p1024",
            "0x1p-1075",
            "0x1.fffffffffffff8p1023",
            "1e99999999999999999999",
            "1e-99999999999999999999",
        ] {
            assert_eq!(parse_f64(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn doubles_print_as_redis_prints_them() {
        for (value, text) in [
            (3.0, "3"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (0.30000000000000004, "0.30000000000000004"),
            (123456789.123, "123456789.123"),
            (-1234567890000000.0, "-1234567890000000"),
            (1e18, "1000000000000000000"),
            (4611686018427387904.0, "4611686018427387904"),
            (4611686018427388928.0, "4611686018427389000"),
            (4.7e18, "4.7e+18"),
            (1e21, "1e+21"),
            (123456789012345678901.0, "123456789012345680000"),
            (1.234e22, "12339999999999999000000"),
            (1364.945245, "1364.9452450000001"),
            (1.5e300, "1.5e+300"),
            (1e-5, "0.00001"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.23e-6, "1.23e-6"),
            (43184.1996746237, "4.31841996746237e+4"),
            (0.0012345678, "0.0012345678"),
            (0.00012345678, "1.2345678e-4"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(f64_text(value), text);
        }
    }

    #[test]
    fn doubles_print_with_17_digits_as_c_prints_them() {
        for (value, text) in [
            (0.1, "0.10000000000000001"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-2.5, "-2.5"),
            (1e-4, "0.0001"),
            (1e-5, "1.0000000000000001e-05"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (123456789.125, "123456789.125"),
            (1e300, "1.0000000000000001e+300"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(format_f64_17g(value).as_slice(), text.as_bytes());
            assert_eq!(parse_formatted_f64(text.as_bytes()), Some(value));
        }
    }

    proptest! {
        #[test]
        fn doubles_round_trip(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(parse_f64(f64_text(value).as_bytes()), Some(value));
        }
    }
}
