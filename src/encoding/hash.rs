//! The one hash function of the process: SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast
//! short-input PRF") under a random 128-bit key, so that clients cannot choose keys that collide.
//! Everything that hashes a key calls [`hash`].
//!
//! Ours and not a crate's because it is most of what looking a key up costs: this takes less than half
//! of the instructions of the `siphasher` crate, which is the oracle of its test.

use std::sync::OnceLock;

static KEY: OnceLock<[u64; 2]> = OnceLock::new();

/// Hashes `bytes`. Stable within one process only.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    let &[k0, k1] = KEY.get_or_init(|| {
        let mut half = [0; 8];
        [(); 2].map(|()| {
            getrandom::fill(&mut half).expect("the operating system gives random bytes");
            u64::from_ne_bytes(half)
        })
    });
    siphash_1_3(k0, k1, bytes)
}

#[inline]
fn siphash_1_3(k0: u64, k1: u64, bytes: &[u8]) -> u64 {
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        compress(&mut v, u64::from_le_bytes(*word));
    }
    // The last word: what is left, and the length in its highest byte.
    let mut last = (bytes.len() as u64) << 56;
    if let Some(low) = rest.first_chunk::<4>() {
        last |= u32::from_le_bytes(*low) as u64;
        rest[4..].iter().enumerate().for_each(|(i, &byte)| last |= (byte as u64) << (32 + 8 * i));
    } else {
        rest.iter().enumerate().for_each(|(i, &byte)| last |= (byte as u64) << (8 * i));
    }
    compress(&mut v, last);
    v[2] ^= 0xff;
    round(&mut v);
    round(&mut v);
    round(&mut v);
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[inline(always)]
fn compress(v: &mut [u64; 4], word: u64) {
    v[3] ^= word;
    round(v);
    v[0] ^= word;
}

#[inline(always)]
fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_siphash_1_3(k0: u64, k1: u64, bytes in prop::collection::vec(any::<u8>(), 0..70)) {
            let expected = siphasher::sip::SipHasher13::new_with_keys(k0, k1).hash(&bytes);
            prop_assert_eq!(siphash_1_3(k0, k1, &bytes), expected);
        }
    }
}
