//! The digits that a double is printed with, by Florian Loitsch's Grisu2 ("Printing Floating-Point Numbers Quickly
//! and Accurately with Integers", 2010).
//!
//! They read back as the same double. About one double in fifty has fewer or nearer digits, which this does not
//! find; but it is what Redis prints with.

use rustc_apfloat::Float;
use rustc_apfloat::ieee::X87DoubleExtended;
use std::sync::LazyLock;

/// No double needs more.
const DIGITS_MAX: usize = 18;

/// Digits of a number, which is that integer times a power of ten.
pub struct Digits {
    digits: [u8; DIGITS_MAX],
    count: usize,
    scale: i32,
}

/// `significand * 2^exponent`.
#[derive(Clone, Copy)]
struct Binary {
    significand: u64,
    exponent: i32,
}

impl Binary {
    /// With the highest bit of the significand set.
    fn normalized(self) -> Binary {
        let shift = self.significand.leading_zeros();
        Binary { significand: self.significand << shift, exponent: self.exponent - shift as i32 }
    }

    /// The upper half of the product, rounded.
    fn times(self, other: Binary) -> Binary {
        let product = u128::from(self.significand) * u128::from(other.significand) + (1 << 63);
        Binary { significand: (product >> 64) as u64, exponent: self.exponent + other.exponent + 64 }
    }
}

/// The powers of ten that bring a double's exponent into the range that digits are generated in: 10^-348, 10^-340
/// and so on up to 10^340.
static POWERS: LazyLock<Vec<Binary>> = LazyLock::new(|| {
    let powers = (0..POWER_COUNT).map(|index| {
        let power: X87DoubleExtended = format!("1e{}", decimal_exponent(index)).parse().expect("it is a number");
        let bits = power.to_bits();
        Binary { significand: bits as u64, exponent: (bits >> 64) as i32 - 16383 - 63 }
    });
    powers.collect()
});
const POWER_COUNT: usize = 87;

fn decimal_exponent(index: usize) -> i32 {
    -348 + 8 * index as i32
}

/// How far the digits are from the double, in units that shrink with each digit.
struct Distance {
    /// From the largest number that reads back as the double to the double.
    to_value: u64,
    /// From the same to the smallest such number.
    to_smallest: u64,
}

impl Digits {
    /// Of a number that is positive and finite.
    pub fn of(value: f64) -> Digits {
        let value_and_bounds = bounds(value);
        let exponent = value_and_bounds[0].exponent;
        // The first that leaves the integer part 32 bits, and the fraction 60 at most, so that it can be multiplied
        // by ten.
        let in_range = |power: &Binary| (-60..=-32).contains(&(exponent + power.exponent + 64));
        let index = POWERS.iter().position(in_range).expect("the powers cover all doubles");
        let [value, largest, smallest] = value_and_bounds.map(|bound| bound.times(POWERS[index]));
        // Products are right but for one unit: stay within the bounds.
        let largest = Binary { significand: largest.significand - 1, ..largest };
        let smallest = smallest.significand + 1;
        let distance = Distance {
            to_value: largest.significand.wrapping_sub(value.significand),
            to_smallest: largest.significand - smallest,
        };
        let mut digits = Digits { digits: [0; DIGITS_MAX], count: 0, scale: -decimal_exponent(index) };
        digits.generate(largest, distance);
        digits
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.digits[..self.count]
    }

    /// The power of ten of the last digit.
    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// The digits of `largest`, until the rest is within the distance.
    fn generate(&mut self, largest: Binary, mut distance: Distance) {
        let fraction_bits = -largest.exponent as u32;
        let fraction_mask = (1 << fraction_bits) - 1;
        let mut integer = largest.significand >> fraction_bits;
        let mut fraction = largest.significand & fraction_mask;
        for power in (0..10).rev() {
            let unit = 10u64.pow(power);
            self.push(integer / unit);
            integer %= unit;
            let rest = (integer << fraction_bits) + fraction;
            if rest <= distance.to_smallest {
                self.scale += power as i32;
                return self.approach(&distance, rest, unit << fraction_bits);
            }
        }
        loop {
            fraction *= 10;
            distance.to_smallest *= 10;
            distance.to_value = distance.to_value.wrapping_mul(10);
            self.scale -= 1;
            self.push(fraction >> fraction_bits);
            fraction &= fraction_mask;
            if fraction < distance.to_smallest {
                return self.approach(&distance, fraction, 1 << fraction_bits);
            }
        }
    }

    /// Leaves out zeros at the front.
    fn push(&mut self, digit: u64) {
        if digit != 0 || self.count > 0 {
            self.digits[self.count] = b'0' + digit as u8;
            self.count += 1;
        }
    }

    /// Lowers the last digit, which is worth `unit`, while that brings the digits nearer to the double. They are `rest`
    /// below the largest number.
    fn approach(&mut self, distance: &Distance, mut rest: u64, unit: u64) {
        let &Distance { to_value, to_smallest } = distance;
        while rest < to_value
            && to_smallest - rest >= unit
            && (rest + unit < to_value || to_value - rest > rest + unit - to_value)
        {
            self.digits[self.count - 1] -= 1;
            rest += unit;
        }
    }
}

/// The double, and the numbers halfway to its neighbours, above and below; all with one exponent.
fn bounds(value: f64) -> [Binary; 3] {
    const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    let fraction = value.to_bits() & ((1 << FRACTION_BITS) - 1);
    let biased = (value.to_bits() >> FRACTION_BITS) as i32;
    let (significand, exponent) = match biased {
        0 => (fraction, -1074),
        _ => (fraction | 1 << FRACTION_BITS, biased - 1075),
    };
    let above = Binary { significand: 2 * significand + 1, exponent: exponent - 1 }.normalized();
    // Below a power of two doubles are twice as close.
    let below = match fraction == 0 && biased > 1 {
        true => Binary { significand: 4 * significand - 1, exponent: exponent - 2 },
        false => Binary { significand: 2 * significand - 1, exponent: exponent - 1 },
    };
    let shift = below.exponent - above.exponent;
    let below = Binary { significand: below.significand << shift, exponent: above.exponent };
    [Binary { significand, exponent }.normalized(), above, below]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let digits = Digits::of(value);
        format!("{}e{}", str::from_utf8(digits.as_slice()).unwrap(), digits.scale())
    }

    #[test]
    fn digits_are_those_that_redis_prints() {
        for (value, digits) in [
            (0.1, "1e-1"),
            (1.0, "1e0"),
            (1e300, "1e300"),
            (5e-324, "5e-324"),
            (f64::MAX, "17976931348623157e292"),
            (f64::MIN_POSITIVE, "22250738585072014e-324"),
            // Not the fewest.
            (1364.945245, "13649452450000001e-13"),
            (1.234e22, "12339999999999999e6"),
            (3.757236227946291e-169, "37572362279462907e-185"),
            // Not the nearest.
            (92581284705668.62, "9258128470566863e-2"),
            (608944825508566.8, "6089448255085667e-1"),
            (3.412957910072911e16, "34129579100729112e0"),
        ] {
            assert_eq!(text(value), digits);
        }
    }

    proptest! {
        #[test]
        fn digits_read_back_as_the_double(bits in 1..f64::INFINITY.to_bits()) {
            let value = f64::from_bits(bits);
            prop_assert_eq!(text(value).parse(), Ok(value));
        }
    }
}
