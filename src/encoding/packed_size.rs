//! What Redis's listpack would take. Ours is smaller, but a user sees where Redis starts a new node of a list or a
//! stream: by their limits, and by what `XTRIM ... ~` leaves.

use super::number::parse_i64;

/// A header of six bytes, and one byte at the end.
pub const EMPTY_SIZE: usize = 7;

/// The bytes that an element takes.
pub fn entry_size(element: &[u8]) -> usize {
    let is_number = || match element {
        [b'0'..=b'9' | b'-', ..] => parse_i64(element),
        _ => None,
    };
    if let Some(number) = is_number() {
        return int_size(number);
    }
    let encoded = match element.len() {
        len @ 0..64 => 1 + len,
        len @ 64..4096 => 2 + len,
        len => 5 + len,
    };
    encoded + back_len_size(encoded)
}

/// The bytes that an integer takes.
pub fn int_size(number: i64) -> usize {
    let encoded = match number {
        0..=127 => 1,
        -4096..=4095 => 2,
        -0x8000..=0x7fff => 3,
        -0x80_0000..=0x7f_ffff => 4,
        -0x8000_0000..=0x7fff_ffff => 5,
        _ => 9,
    };
    encoded + back_len_size(encoded)
}

/// The bytes that an element's size takes, which stands once more behind the element: seven bits a byte.
pub fn back_len_size(encoded: usize) -> usize {
    // COMPAT: from the second on the limits are one too low.
    match encoded {
        0..128 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}
