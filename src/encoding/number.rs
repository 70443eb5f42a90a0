//! Numbers as Redis reads and prints them: 64-bit integers, doubles and x87 long doubles.
//!
//! What always holds here:
//!
//! * Parsing is strict: the whole slice is the number, or it is not a number. No spaces, no NUL.
//! * Integers have exactly one spelling, so a string that parses can be stored as the integer and
//!   printed again without a difference.
//! * A double parses as C's `strtod` reads it, hexadecimal included, and prints with the fewest
//!   digits that read back as the same double.
//! * INCRBYFLOAT and HINCRBYFLOAT work in [`LongDouble`], bit for bit what an x86-64 CPU does with
//!   80-bit floats, because their result is text that clients compare.

use std::io::Write;

use rustc_apfloat::ieee::{Double, X87DoubleExtended};
use rustc_apfloat::{Float, StatusAnd};
use smallvec::SmallVec;

/// Longest text of an `i64`: the 19 digits of its minimum and the sign.
pub const I64_TEXT_MAX: usize = 20;

/// Parses a decimal `u64` written as [`format_i64`] would write it: no sign, no leading zeros.
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

/// Parses a decimal `i64` in the one spelling [`format_i64`] gives it: an optional `-`, then
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

/// Writes `value` in decimal into `buffer` and returns the part that was written.
#[inline]
pub fn format_i64(value: i64, buffer: &mut [u8; I64_TEXT_MAX]) -> &[u8] {
    let mut scratch = itoa::Buffer::new();
    let text = scratch.format(value).as_bytes();
    let written = &mut buffer[..text.len()];
    written.copy_from_slice(text);
    written
}

/// The number of bytes [`format_i64`] writes for `value`.
#[inline]
pub fn i64_text_len(value: i64) -> usize {
    let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
    digits as usize + usize::from(value < 0)
}

/// What a slice that has the shape of a C floating-point literal spells.
enum Literal<'a> {
    Infinite {
        negative: bool,
    },
    /// Digits with an optional point and an optional exponent; the text has its sign.
    Decimal {
        text: &'a str,
        zero: bool,
    },
    /// The same in hexadecimal, completed with the `p` exponent that C lets one leave out.
    Hexadecimal {
        text: String,
        zero: bool,
    },
}

/// Recognises what C's `strtod` would consume entirely, except for NaN, which Redis refuses.
fn literal(text: &[u8]) -> Option<Literal<'_>> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
        return Some(Literal::Infinite { negative });
    }
    let hexadecimal = matches!(unsigned, [b'0', b'x' | b'X', ..]);
    let number = if hexadecimal { &unsigned[2..] } else { unsigned };

    let exponent_mark = if hexadecimal { b'p' } else { b'e' };
    let exponent_at = number.iter().position(|byte| byte.to_ascii_lowercase() == exponent_mark);
    let (significand, exponent) = match exponent_at {
        Some(at) => (&number[..at], Some(&number[at + 1..])),
        None => (number, None),
    };
    let (mut digits, mut points, mut zero) = (0, 0, true);
    for &byte in significand {
        match byte {
            b'.' => points += 1,
            b'0' => digits += 1,
            b'1'..=b'9' => (digits, zero) = (digits + 1, false),
            b'a'..=b'f' | b'A'..=b'F' if hexadecimal => (digits, zero) = (digits + 1, false),
            _ => return None,
        }
    }
    if digits == 0 || points > 1 {
        return None;
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+"));
        let digits = digits.unwrap_or(exponent);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
    }

    // Every byte was one of the ASCII ones above.
    let text = str::from_utf8(text).ok()?;
    Some(match (hexadecimal, exponent) {
        (false, _) => Literal::Decimal { text, zero },
        (true, Some(_)) => Literal::Hexadecimal { text: text.to_owned(), zero },
        (true, None) => Literal::Hexadecimal { text: format!("{text}p0"), zero },
    })
}

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
/// A whole number within ±2^62 prints as an integer. Otherwise the fewest digits that read back
/// as `value` are laid out plainly when that costs few zeros, else as `1.5e+300`. Zero keeps its
/// sign; the rest are `inf`, `-inf` and `nan`.
///
/// COMPAT: about three doubles in a thousand print in Redis with digits that read back right but
/// are not the shortest or the nearest (1.234e22 as 12339999999999999000000); here they always are.
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

    let ShortestDigits { digits, count, exponent } = ShortestDigits::of(value);
    let digits = &digits[..count];
    // value = digits * 10^scale.
    let scale = exponent - (count as i32 - 1);
    if scale >= 0 && exponent < count as i32 + 7 {
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
        if count > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        let magnitude = exponent.unsigned_abs();
        out.extend_from_slice(itoa::Buffer::new().format(magnitude).as_bytes());
    }
    out
}

/// The fewest digits that read back as a number.
struct ShortestDigits {
    digits: [u8; 17],
    count: usize,
    /// The power of ten of the first digit.
    exponent: i32,
}

impl ShortestDigits {
    /// Of a number that is positive and finite.
    fn of(value: f64) -> ShortestDigits {
        // The standard library's shortest form is `d.ddde-ddd`.
        let mut shortest = [0; 32];
        let mut unused = &mut shortest[..];
        write!(unused, "{value:e}").expect("17 digits and an exponent fit");
        let unused = unused.len();
        let text = &shortest[..shortest.len() - unused];
        let mark = memchr::memchr(b'e', text).expect("the format has an exponent");
        let exponent: i32 = match &text[mark + 1..] {
            [b'-', digits @ ..] => -(parse_u64(digits).expect("digits") as i32),
            digits => parse_u64(digits).expect("digits") as i32,
        };
        let mut digits = [0; 17];
        let mut count = 0;
        for &digit in text[..mark].iter().filter(|&&byte| byte != b'.') {
            digits[count] = digit;
            count += 1;
        }
        ShortestDigits { digits, count, exponent }
    }
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

/// An x87 80-bit float: 64 bits of significand, 15 of exponent, rounding to nearest even.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LongDouble(X87DoubleExtended);

impl LongDouble {
    /// Longer texts are refused, as Redis does: its buffer for one holds this and a NUL.
    pub const TEXT_MAX: usize = 5 * 1024 - 1;

    const FRACTION_DIGITS: usize = 17;

    /// Parses with the rules of [`parse_f64`] at the wider range.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > Self::TEXT_MAX {
            return None;
        }
        let (value, zero): (X87DoubleExtended, bool) = match literal(text)? {
            Literal::Infinite { negative } => {
                let infinity = X87DoubleExtended::INFINITY;
                return Some(Self(if negative { -infinity } else { infinity }));
            }
            Literal::Decimal { text, zero } => (text.parse().ok()?, zero),
            Literal::Hexadecimal { text, zero } => (text.parse().ok()?, zero),
        };
        (value.is_finite() && (!value.is_zero() || zero)).then_some(Self(value))
    }

    /// The sum, which may be infinite or NaN.
    #[expect(clippy::should_implement_trait, reason = "a method call shows this is not a plain +")]
    pub fn add(self, other: Self) -> Self {
        let StatusAnd { value, .. } = self.0 + other.0;
        Self(value)
    }

    /// Neither infinite nor NaN.
    pub fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// Prints as C's `%.17Lf` without trailing zeros and without the sign of a zero.
    ///
    /// All digits before the point are exact, so this can be 4933 bytes long. Infinity and NaN
    /// print as `inf`, `-inf` and `nan`.
    pub fn format(&self) -> Vec<u8> {
        if self.0.is_nan() {
            return b"nan".to_vec();
        }
        let mut out = Vec::with_capacity(2 * I64_TEXT_MAX);
        if self.0.is_negative() {
            out.push(b'-');
        }
        if self.0.is_infinite() {
            out.extend_from_slice(b"inf");
            return out;
        }

        // value = significand * 2^exponent; a subnormal is far too small to leave a digit, so its
        // exponent needs no care.
        let bits = self.0.to_bits();
        let significand = bits as u64;
        let exponent = ((bits >> 64) & 0x7fff) as i32 - 16383 - 63;
        if exponent > 0 {
            write_shifted(significand, exponent as u32, &mut out);
            return out;
        }

        let shift = exponent.unsigned_abs();
        let (mut whole, fraction) = match shift {
            0..=63 => (significand >> shift, significand & ((1u64 << shift) - 1)),
            _ => (0, significand),
        };
        // fraction / 2^shift, times 10^17: at most 64 + 57 bits.
        const ONE: u128 = 10u128.pow(LongDouble::FRACTION_DIGITS as u32);
        let mut decimals = shift_right_to_even(u128::from(fraction) * ONE, shift);
        if decimals == ONE {
            (whole, decimals) = (whole + 1, 0);
        }
        if (whole, decimals) == (0, 0) {
            return b"0".to_vec();
        }
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        if decimals != 0 {
            let width = Self::FRACTION_DIGITS;
            write!(out, ".{decimals:0width$}").expect("a Vec takes all");
            while out.last() == Some(&b'0') {
                out.pop();
            }
        }
        out
    }
}

/// `value / 2^shift`, rounded to nearest, ties to even. `value` is below 2^127.
fn shift_right_to_even(value: u128, shift: u32) -> u128 {
    if shift == 0 {
        return value;
    }
    if shift > 127 {
        return 0;
    }
    let quotient = value >> shift;
    let remainder = value & ((1 << shift) - 1);
    let half = 1 << (shift - 1);
    let up = remainder > half || (remainder == half && quotient % 2 == 1);
    quotient + u128::from(up)
}

/// Appends the decimal digits of `significand * 2^shift`.
fn write_shifted(significand: u64, shift: u32, out: &mut Vec<u8>) {
    // Schoolbook: limbs of 32 bits, lowest first, divided by 10^9 until nothing is left.
    const GROUP: u64 = 1_000_000_000;
    let mut limbs = vec![0u32; shift as usize / 32];
    let high = u128::from(significand) << (shift % 32);
    limbs.extend([high as u32, (high >> 32) as u32, (high >> 64) as u32]);
    let mut groups = Vec::new();
    while let Some(&top) = limbs.last() {
        if top == 0 {
            limbs.pop();
            continue;
        }
        let mut remainder = 0;
        for limb in limbs.iter_mut().rev() {
            let dividend = remainder << 32 | u64::from(*limb);
            *limb = (dividend / GROUP) as u32;
            remainder = dividend % GROUP;
        }
        groups.push(remainder);
    }
    let mut groups = groups.into_iter().rev();
    let first = groups.next().unwrap_or(0);
    write!(out, "{first}").expect("a Vec takes all");
    for group in groups {
        write!(out, "{group:09}").expect("a Vec takes all");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn f64_text(value: f64) -> String {
        String::from_utf8(format_f64(value).to_vec()).unwrap()
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
            (1.234e22, "1.234e+22"),
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
    fn long_doubles_print_as_redis_prints_them() {
        for (a, b, sum) in [
            ("3.0", "0", "3"),
            ("0.1", "0.2", "0.3"),
            ("1e17", "0.5", "100000000000000000.5"),
            ("1e21", "0", "1000000000000000000000"),
            ("1e22", "1", "10000000000000000000000"),
            ("5e-324", "0", "0"),
            ("1e-17", "0", "0.00000000000000001"),
            ("5e-18", "0", "0"),
            ("15e-18", "0", "0.00000000000000002"),
            ("0.99999999999999999999", "0", "1"),
            ("-1e-30", "0", "0"),
            ("-0", "0", "0"),
            ("5", "-5", "0"),
            ("0x1p3", "0x.8", "8.5"),
            ("10.5", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("inf", "1", "inf"),
            ("-inf", "1", "-inf"),
            ("inf", "-inf", "nan"),
            ("1e4932", "1e4932", "inf"),
        ] {
            let value = |text: &str| LongDouble::parse(text.as_bytes()).unwrap();
            let result = value(a).add(value(b));
            assert_eq!(result.is_finite(), sum.parse::<f64>().unwrap().is_finite());
            assert_eq!(String::from_utf8(result.format()).unwrap(), sum);
        }
        let text = LongDouble::parse(b"1e4932").unwrap().format();
        assert_eq!(text.len(), 4933);
        assert!(text.starts_with(b"100000000000000000000601894938796389132383777425453311477378"));
    }

    #[test]
    fn long_doubles_refuse_what_redis_refuses() {
        for bad in ["", "nan", "1e", "1.2e4932", "1e-4951", "0x1p16384", "0x1p-16446", "1 ", "0x"] {
            assert_eq!(LongDouble::parse(bad.as_bytes()), None, "{bad}");
        }
        for good in ["3e-4951", "0x1p-16445", "0x1.8p-16446", "0x1p16383"] {
            assert!(LongDouble::parse(good.as_bytes()).is_some(), "{good}");
        }
        let mut long = vec![b'0'; LongDouble::TEXT_MAX];
        assert!(LongDouble::parse(&long).is_some());
        long.push(b'1');
        assert_eq!(LongDouble::parse(&long), None);
    }

    proptest! {
        #[test]
        fn integers_round_trip(value: i64, shift in 0..64u32) {
            let value = value >> shift;
            let mut buffer = [0; I64_TEXT_MAX];
            let text = format_i64(value, &mut buffer);
            prop_assert_eq!(text.to_vec(), value.to_string().into_bytes());
            prop_assert_eq!(text.len(), i64_text_len(value));
            prop_assert_eq!(parse_i64(text), Some(value));
        }

        #[test]
        fn any_text_parses_only_if_it_prints_the_same(text in "[-+0-9 ]{0,21}") {
            let expected = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
            prop_assert_eq!(parse_i64(text.as_bytes()), expected);
        }

        #[test]
        fn doubles_round_trip(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(parse_f64(f64_text(value).as_bytes()), Some(value));
        }

        #[test]
        fn arbitrary_bytes_never_panic(text in "[-+0-9a-fA-FxXpPin.]{0,24}") {
            let double = parse_f64(text.as_bytes());
            prop_assert!(double.is_none() || LongDouble::parse(text.as_bytes()).is_some());
        }

        /// These sums are exact at either precision and have at most ten decimals.
        #[test]
        fn long_doubles_agree_with_exact_sums(
            a in -1i64 << 40..1 << 40,
            b in -1i64 << 40..1 << 40,
        ) {
            let (x, y) = (a as f64 / 1024.0, b as f64 / 1024.0);
            let value = |v: f64| LongDouble::parse(format!("{v:.10}").as_bytes()).unwrap();
            let exact = format!("{:.10}", x + y + 0.0);
            let exact = exact.trim_end_matches('0').trim_end_matches('.');
            prop_assert_eq!(String::from_utf8(value(x).add(value(y)).format()).unwrap(), exact);
        }
    }
}
