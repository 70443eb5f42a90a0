//! Reads the input as changes to a B+tree with small nodes and makes the same ones to a `Vec`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::encoding::btree::BTree;

type Entry = (f64, u16);

fn change(input: &mut &[u8], tree: &mut BTree<u16, 8>, oracle: &mut Vec<Entry>) -> Option<()> {
    let (&[operation, low, high], rest) = input.split_first_chunk()?;
    *input = rest;
    let number = u16::from_le_bytes([low, high]);
    let at = usize::from(number) % oracle.len().max(1);
    match operation % 4 {
        0 | 1 => {
            let new = (f64::from(number % 5), number);
            let before = |score, reference| (score, reference) < new;
            let at = oracle.partition_point(|&(score, reference)| before(score, reference));
            if oracle.get(at) != Some(&new) {
                oracle.insert(at, new);
                tree.insert(new.0, new.1, before);
            }
        }
        2 if !oracle.is_empty() => {
            let old = oracle.remove(at);
            assert_eq!(tree.remove_last(|score, reference| (score, reference) <= old), old);
        }
        3 if !oracle.is_empty() => assert_eq!(tree.remove_at(at), oracle.remove(at)),
        _ => {}
    }
    Some(())
}

fuzz_target!(|bytes: &[u8]| {
    let (mut tree, mut oracle) = (BTree::new(), Vec::new());
    let mut input = bytes;
    while change(&mut input, &mut tree, &mut oracle).is_some() {
        assert_eq!(tree.len(), oracle.len());
    }
    assert!(tree.iter().eq(oracle.iter().copied()));
    assert!(tree.iter().rev().eq(oracle.iter().rev().copied()));
    for (rank, &entry) in oracle.iter().enumerate() {
        assert_eq!(tree.get(rank), Some(entry));
        assert_eq!(tree.partition_point(|score, reference| (score, reference) < entry), rank);
    }
});
