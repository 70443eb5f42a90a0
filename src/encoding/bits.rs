//! Strings as arrays of bits, the highest bit of the first byte being bit 0.
//!
//! Ranges are in bits and lie within the bytes; fields, integers of up to 64 bits at any offset, may
//! reach beyond the end, where all bits are 0.

use std::ops::Range;

/// The number of set bits in `range`.
pub fn count(bytes: &[u8], range: Range<usize>) -> usize {
    let Some(parts) = Parts::new(bytes, range) else { return 0 };
    let ends = (parts.first & parts.first_mask).count_ones() + (parts.last & parts.last_mask).count_ones();
    let (words, rest) = parts.between.as_chunks::<8>();
    let words: usize = words.iter().map(|word| u64::from_ne_bytes(*word).count_ones() as usize).sum();
    let rest: usize = rest.iter().map(|byte| byte.count_ones() as usize).sum();
    ends as usize + words + rest
}

/// The first bit in `range` that is `bit`.
pub fn find(bytes: &[u8], bit: bool, range: Range<usize>) -> Option<usize> {
    // A clear bit is found as a set one of inverted bytes.
    let flip = if bit { 0 } else { 0xff };
    let parts = Parts::new(bytes, range)?;
    let found = |at: usize, byte: u8| Some(at * 8 + byte.leading_zeros() as usize);
    let first = (parts.first ^ flip) & parts.first_mask;
    if first != 0 {
        return found(parts.at, first);
    }
    let at = parts.at + 1;
    let dull = u64::from_ne_bytes([flip; 8]);
    let (words, _) = parts.between.as_chunks::<8>();
    let skipped = 8 * words.iter().position(|word| u64::from_ne_bytes(*word) != dull).unwrap_or(words.len());
    if let Some(i) = parts.between[skipped..].iter().position(|&byte| byte != flip) {
        return found(at + skipped + i, parts.between[skipped + i] ^ flip);
    }
    let last = (parts.last ^ flip) & parts.last_mask;
    if last != 0 { found(at + parts.between.len(), last) } else { None }
}

/// A range of bits as the bytes it touches: the first and the last may be in it in part, those
/// between are whole. A single byte is the first.
struct Parts<'a> {
    /// The index of `first`.
    at: usize,
    first: u8,
    first_mask: u8,
    between: &'a [u8],
    last: u8,
    last_mask: u8,
}

impl<'a> Parts<'a> {
    /// None if the range is empty.
    fn new(bytes: &'a [u8], range: Range<usize>) -> Option<Self> {
        if range.is_empty() {
            return None;
        }
        let (at, end) = (range.start / 8, (range.end - 1) / 8);
        let from_start = 0xff >> (range.start % 8);
        let to_end = 0xff << (7 - (range.end - 1) % 8);
        let first = bytes[at];
        Some(if at == end {
            Parts { at, first, first_mask: from_start & to_end, between: &[], last: 0, last_mask: 0 }
        } else {
            Parts {
                at,
                first,
                first_mask: from_start,
                between: &bytes[at + 1..end],
                last: bytes[end],
                last_mask: to_end,
            }
        })
    }
}

/// How [`combine`] combines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    And,
    Or,
    Xor,
}

/// Combines `target` with `other`, zeros being added to the shorter one.
pub fn combine(operation: Operation, target: &mut Vec<u8>, other: &[u8]) {
    if target.len() < other.len() {
        target.resize(other.len(), 0);
    }
    let (common, beyond) = target.split_at_mut(other.len());
    let pairs = common.iter_mut().zip(other);
    match operation {
        Operation::And => {
            pairs.for_each(|(target, other)| *target &= other);
            beyond.fill(0);
        }
        Operation::Or => pairs.for_each(|(target, other)| *target |= other),
        Operation::Xor => pairs.for_each(|(target, other)| *target ^= other),
    }
}

/// Inverts every bit.
pub fn invert(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|byte| *byte = !*byte);
}

/// One bit; 0 beyond the end.
pub fn get_bit(bytes: &[u8], offset: usize) -> bool {
    bytes.get(offset / 8).is_some_and(|byte| byte >> (7 - offset % 8) & 1 == 1)
}

/// Sets a bit, which must be there, and gives its old value.
pub fn set_bit(bytes: &mut [u8], offset: usize, bit: bool) -> bool {
    let before = get_bit(bytes, offset);
    let mask = 1 << (7 - offset % 8);
    let byte = &mut bytes[offset / 8];
    *byte = if bit { *byte | mask } else { *byte & !mask };
    before
}

/// The kind of integer in a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldType {
    pub signed: bool,
    /// In bits: 1 to 64 if signed, 1 to 63 if not, so that an `i64` holds every value.
    pub width: u32,
}

/// What to do with a number that does not fit its field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overflow {
    /// Its low bits are stored.
    Wrap,
    /// The nearest number that fits is stored.
    Saturate,
    /// Nothing is stored.
    Fail,
}

impl FieldType {
    /// The number in the field at `offset`.
    pub fn get(self, bytes: &[u8], offset: usize) -> i64 {
        let window = u128::from_be_bytes(window(bytes, offset));
        self.wrap((window << (offset % 8) >> (128 - self.width)) as i128)
    }

    /// Writes a number that fits to the field at `offset`, all of which must be there.
    pub fn set(self, bytes: &mut [u8], offset: usize, value: i64) {
        let shift = 128 - self.width - (offset % 8) as u32;
        let mask = (u128::MAX >> (128 - self.width)) << shift;
        let before = u128::from_be_bytes(window(bytes, offset));
        let after = before & !mask | (value as u128) << shift & mask;
        let target = &mut bytes[offset / 8..=(offset + self.width as usize - 1) / 8];
        target.copy_from_slice(&after.to_be_bytes()[..target.len()]);
    }

    /// The number as it is stored; None if it does not fit and `overflow` refuses it.
    pub fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = match self.signed {
            true => (-1 << (self.width - 1), (1 << (self.width - 1)) - 1),
            false => (0, (1 << self.width) - 1),
        };
        if (min..=max).contains(&value) {
            return Some(value as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.wrap(value)),
            Overflow::Saturate => Some(value.clamp(min, max) as i64),
            Overflow::Fail => None,
        }
    }

    /// The low bits of a number, as a number of this type.
    fn wrap(self, value: i128) -> i64 {
        let unused = 64 - self.width;
        match self.signed {
            true => (value as i64) << unused >> unused,
            false => ((value as u64) << unused >> unused) as i64,
        }
    }
}

/// 16 bytes from the byte of bit `offset` on: any field that begins there lies within them.
fn window(bytes: &[u8], offset: usize) -> [u8; 16] {
    let mut window = [0; 16];
    let there = bytes.get(offset / 8..).unwrap_or_default();
    let len = there.len().min(window.len());
    window[..len].copy_from_slice(&there[..len]);
    window
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bits(bytes: &[u8]) -> Vec<bool> {
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1 == 1)).collect()
    }

    /// Mostly runs of bytes that are all 0 or all 1.
    fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
        let run = (prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 1..30usize);
        prop::collection::vec(run, 0..6).prop_map(|runs| runs.into_iter().flat_map(|(b, n)| vec![b; n]).collect())
    }

    fn field_type() -> impl Strategy<Value = FieldType> {
        prop_oneof![
            (1..=64u32).prop_map(|width| FieldType { signed: true, width }),
            (1..=63u32).prop_map(|width| FieldType { signed: false, width }),
        ]
    }

    proptest! {
        #[test]
        fn count_and_find_look_at_every_bit(bytes in some_bytes(), a: usize, b: usize, bit: bool) {
            let all = bits(&bytes);
            let (a, b) = (a % (all.len() + 1), b % (all.len() + 1));
            let range = a.min(b)..a.max(b);
            let expected = all[range.clone()].iter().filter(|&&bit| bit).count();
            prop_assert_eq!(count(&bytes, range.clone()), expected);
            let expected = all[range.clone()].iter().position(|&found| found == bit).map(|i| range.start + i);
            prop_assert_eq!(find(&bytes, bit, range), expected);
        }

        #[test]
        fn combine_works_bit_by_bit(a in some_bytes(), b in some_bytes()) {
            let byte = |bytes: &[u8], i: usize| bytes.get(i).copied().unwrap_or(0);
            for (operation, f) in [
                (Operation::And, (|a, b| a & b) as fn(u8, u8) -> u8),
                (Operation::Or, |a, b| a | b),
                (Operation::Xor, |a, b| a ^ b),
            ] {
                let expected: Vec<u8> = (0..a.len().max(b.len())).map(|i| f(byte(&a, i), byte(&b, i))).collect();
                let mut target = a.clone();
                combine(operation, &mut target, &b);
                prop_assert_eq!(target, expected);
            }
        }

        #[test]
        fn a_field_is_its_bits(bytes in some_bytes(), offset in 0..1000usize, kind in field_type(), value: i64) {
            let width = kind.width as usize;
            let mut all = bits(&bytes);
            all.resize(all.len().max(offset + width).next_multiple_of(8), false);
            let mut expected = 0i128;
            for (i, &bit) in all[offset..offset + width].iter().enumerate() {
                let weight = 1 << (width - 1 - i);
                expected += if !bit { 0 } else if kind.signed && i == 0 { -weight } else { weight };
            }
            prop_assert_eq!(kind.get(&bytes, offset) as i128, expected);

            let mut changed = bytes.clone();
            changed.resize(all.len() / 8, 0);
            let value = kind.fit(value as i128, Overflow::Wrap).unwrap();
            kind.set(&mut changed, offset, value);
            prop_assert_eq!(kind.get(&changed, offset), value);
            for (i, bit) in all[offset..offset + width].iter_mut().enumerate() {
                *bit = value >> (width - 1 - i) & 1 == 1;
            }
            prop_assert_eq!(bits(&changed), all);
        }

        #[test]
        fn numbers_are_made_to_fit(kind in field_type(), value in -(1i128 << 66)..1i128 << 66) {
            let range = 1i128 << kind.width;
            let min = if kind.signed { -range / 2 } else { 0 };
            let fits = value >= min && value < min + range;
            let wrapped = (value - min).rem_euclid(range) + min;
            prop_assert_eq!(kind.fit(value, Overflow::Wrap).unwrap() as i128, wrapped);
            prop_assert_eq!(kind.fit(value, Overflow::Saturate).unwrap() as i128, value.clamp(min, min + range - 1));
            prop_assert_eq!(kind.fit(value, Overflow::Fail), fits.then_some(value as i64));
        }

        #[test]
        fn one_bit_is_a_field_of_one(mut bytes in some_bytes(), offset in 0..2000usize, bit: bool) {
            let kind = FieldType { signed: false, width: 1 };
            let before = kind.get(&bytes, offset) == 1;
            prop_assert_eq!(get_bit(&bytes, offset), before);
            bytes.resize(bytes.len().max(offset / 8 + 1), 0);
            let mut expected = bytes.clone();
            kind.set(&mut expected, offset, bit as i64);
            prop_assert_eq!(set_bit(&mut bytes, offset, bit), before);
            prop_assert_eq!(bytes, expected);
        }
    }
}
