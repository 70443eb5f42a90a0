//! The 80-bit floats of the x87, which Redis adds INCRBYFLOAT's increments in.

use super::I64_TEXT_MAX;
use super::literal::{Literal, literal};
use rustc_apfloat::ieee::X87DoubleExtended;
use rustc_apfloat::{Float, StatusAnd};
use std::io::Write;

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
    use super::super::parse_f64;
    use super::*;
    use proptest::prelude::*;

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
