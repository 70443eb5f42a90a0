//! The one hash function of the process: SipHash-1-3 under a random 128-bit key, so that clients
//! cannot choose keys that collide. Everything that hashes a key calls [`hash`].

use siphasher::sip::SipHasher13;
use std::sync::OnceLock;

static HASHER: OnceLock<SipHasher13> = OnceLock::new();

/// Hashes `key`. Stable within one process only.
#[inline]
pub fn hash(key: &[u8]) -> u64 {
    hasher().hash(key)
}

#[inline]
fn hasher() -> &'static SipHasher13 {
    HASHER.get_or_init(|| {
        let mut key = [0; 16];
        getrandom::fill(&mut key).expect("the operating system gives random bytes");
        SipHasher13::new_with_key(&key)
    })
}
