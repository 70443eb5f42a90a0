use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

const ALONE_FROM: usize = 1 << 30;

fn limits(fill: i32, compress_depth: usize) -> ListLimits {
    ListLimits { fill: Fill::new(fill), compress_depth, alone_from: ALONE_FROM }
}

#[derive(Clone, Debug)]
enum Operation {
    /// So many elements of this length at once.
    Push(End, u8, usize),
    Pop(End, u8),
    Insert(u16, bool, usize),
    Replace(u16, usize),
    RemoveRange(u16, u16),
    RemoveEqual(usize, bool, u8),
    Move,
}

fn element(len: usize) -> Vec<u8> {
    vec![b'a' + (len % 3) as u8; len]
}

fn operation() -> impl Strategy<Value = Operation> {
    let end = || prop_oneof![Just(End::Head), Just(End::Tail)];
    let len = || prop_oneof![8 => 0..20usize, 2 => 20..400usize, 1 => 400..6000usize];
    prop_oneof![
        6 => (end(), 1..20u8, len()).prop_map(|(end, count, len)| Operation::Push(end, count, len)),
        4 => (end(), 1..40u8).prop_map(|(end, count)| Operation::Pop(end, count)),
        3 => (any::<u16>(), any::<bool>(), len()).prop_map(|(at, after, len)| Operation::Insert(at, after, len)),
        3 => (any::<u16>(), len()).prop_map(|(at, len)| Operation::Replace(at, len)),
        2 => (any::<u16>(), any::<u16>()).prop_map(|(from, count)| Operation::RemoveRange(from, count)),
        2 => (len(), any::<bool>(), 1..5u8).prop_map(|(len, back, max)| Operation::RemoveEqual(len, back, max)),
        1 => Just(Operation::Move),
    ]
}

fn contents(list: &List, range: Range<usize>) -> Vec<Vec<u8>> {
    let mut contents = Vec::new();
    list.for_each(range, |element| contents.push(element.to_vec()));
    contents
}

/// Whether the list is one that Redis would have turned into a quicklist, or back.
fn is_quicklist(list: &List) -> bool {
    list.quicklist().is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_deque(
        fill in prop_oneof![-5..0i32, 1..200i32],
        depth in 0..3usize,
        operations in prop::collection::vec(operation(), 0..60),
    ) {
        let limits = limits(fill, depth);
        let (mut list, mut oracle) = (List::new(), VecDeque::<Vec<u8>>::new());
        for operation in operations {
            let len = oracle.len();
            let before = is_quicklist(&list);
            match operation {
                Operation::Push(end, count, bytes) => {
                    let new = element(bytes);
                    list.prepare_for(end, count as usize, count as usize * bytes, limits);
                    for _ in 0..count {
                        list.push(end, Element::Slice(&new), limits);
                        if end == End::Head { oracle.push_front(new.clone()) } else { oracle.push_back(new.clone()) }
                    }
                    prop_assert!(is_quicklist(&list) >= before);
                }
                Operation::Pop(end, count) => {
                    for _ in 0..count {
                        let popped = if end == End::Head { oracle.pop_front() } else { oracle.pop_back() };
                        prop_assert_eq!(list.pop(end, |element| element.to_vec()), popped);
                    }
                    list.shrink(limits);
                    prop_assert!(is_quicklist(&list) <= before);
                }
                Operation::Insert(at, after, bytes) if len > 0 => {
                    let (at, new) = (at as usize % len, element(bytes));
                    list.prepare_for(End::Tail, 1, bytes, limits);
                    list.insert(at, after, Element::Slice(&new), limits);
                    oracle.insert(at + after as usize, new);
                }
                Operation::Replace(at, bytes) if len > 0 => {
                    let (at, new) = (at as usize % len, element(bytes));
                    list.prepare_for(End::Tail, 1, bytes, limits);
                    list.replace(at, Element::Slice(&new), limits);
                    list.shrink(limits);
                    oracle[at] = new;
                }
                Operation::RemoveRange(from, count) if len > 0 => {
                    let from = from as usize % len;
                    let range = from..len.min(from + count as usize % len);
                    list.remove_range(range.clone());
                    list.shrink(limits);
                    oracle.drain(range);
                }
                Operation::RemoveEqual(bytes, backward, max) => {
                    let wanted = element(bytes);
                    let mut found: Vec<usize> = (0..len).filter(|&i| oracle[i] == wanted).collect();
                    if backward {
                        found.reverse();
                    }
                    found.truncate(max as usize);
                    prop_assert_eq!(list.remove_equal(&wanted, backward, max as usize), found.len());
                    list.shrink(limits);
                    found.sort();
                    found.iter().rev().for_each(|&i| drop(oracle.remove(i)));
                }
                Operation::Move => {
                    let (encoding, pointer) = list.clone().into_raw();
                    prop_assert_eq!(encoding == Encoding::ListQuicklist, before);
                    // SAFETY: the parts just came from `into_raw`.
                    list = unsafe { List::from_raw(encoding, pointer) };
                }
                _ => (),
            }
            prop_assert_eq!(list.len(), oracle.len());
            prop_assert_eq!(contents(&list, 0..list.len()), Vec::from(oracle.clone()));
            // Counts above the limit are those of a quicklist.
            prop_assert!(is_quicklist(&list) || list.len() <= limits.fill.count);
        }
        for (index, element) in oracle.iter().enumerate() {
            prop_assert_eq!(list.get(index, |found| found.to_vec()), Some(element.clone()));
            prop_assert_eq!(list.find(element), oracle.iter().position(|other| other == element));
        }
        prop_assert_eq!(list.get(oracle.len(), |_| ()), None);
        prop_assert!(depth > 0 || list.memory_usage() >= oracle.iter().map(Vec::len).sum());
    }
}

#[test]
fn a_long_list_takes_little_more_than_its_elements() {
    let limits = limits(-2, 0);
    for end in [End::Head, End::Tail] {
        let mut list = List::new();
        for n in 0..100_000 {
            let element = format!("item-{n:010}");
            list.prepare_for(end, 1, element.len(), limits);
            list.push(end, Element::Slice(element.as_bytes()), limits);
        }
        let bytes = list.memory_usage() as f64 / list.len() as f64;
        assert!(bytes < 17.3, "{bytes}");
    }
}
