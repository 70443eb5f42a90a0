//! Reads the input as an intset in its file form, and then as changes to it, which are made to a
//! `BTreeSet` too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::encoding::intset::Intset;
use std::collections::BTreeSet;

fn bytes_of(intset: &Intset) -> Vec<u8> {
    let mut bytes = Vec::new();
    intset.to_bytes(&mut bytes);
    bytes
}

fuzz_target!(|input: &[u8]| {
    let Some((&len, input)) = input.split_first() else { return };
    let (file, changes) = input.split_at(input.len().min(len as usize));
    let mut intset = match Intset::from_bytes(file) {
        Some(intset) => {
            assert_eq!(bytes_of(&intset), file);
            intset
        }
        None => Intset::new(),
    };
    let mut oracle: BTreeSet<i64> = intset.iter().collect();
    assert!(intset.iter().eq(oracle.iter().copied()));
    for change in changes.chunks_exact(9) {
        let (kind, value) = (change[0], i64::from_le_bytes(change[1..].try_into().unwrap()));
        // Narrow values are the most, so that they meet.
        let value = value >> [0, 32, 48, 60][kind as usize / 64];
        match kind % 4 {
            0 | 1 => assert_eq!(intset.insert(value), oracle.insert(value)),
            2 => assert_eq!(intset.remove(value), oracle.remove(&value)),
            _ => assert_eq!(intset.contains(value), oracle.contains(&value)),
        }
        assert!(intset.iter().eq(oracle.iter().copied()));
    }
    if !oracle.is_empty() {
        assert!(Intset::from_bytes(&bytes_of(&intset)).unwrap().iter().eq(oracle));
    }
});
