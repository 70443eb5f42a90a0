use super::*;
use crate::encoding::packed_size::entry_size;
use proptest::prelude::*;

const ALONE_FROM: usize = 6000;

#[derive(Clone, Debug)]
enum Operation {
    Push(End, Vec<u8>),
    PushMany(End, u8),
    Pop(End),
    PopMany(End, u8),
    Insert(u16, bool, Vec<u8>),
    Replace(u16, Vec<u8>),
    RemoveRange(u16, u16),
    RemoveEqual(Vec<u8>, bool, u8),
    Copy,
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    let text = |len: usize| b"element-".iter().cycle().take(len).copied().collect();
    prop_oneof![
        6 => (0..20usize).prop_map(text),
        4 => any::<i64>().prop_map(|n| (n >> (n & 63)).to_string().into_bytes()),
        1 => (0..300usize).prop_map(text),
        1 => prop::collection::vec(any::<u8>(), 0..5000),
        1 => (4000..10_000usize).prop_map(text),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Head), Just(End::Tail)]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (end(), element()).prop_map(|(end, element)| Operation::Push(end, element)),
        3 => (end(), any::<u8>()).prop_map(|(end, count)| Operation::PushMany(end, count)),
        3 => end().prop_map(Operation::Pop),
        2 => (end(), any::<u8>()).prop_map(|(end, count)| Operation::PopMany(end, count)),
        4 => (any::<u16>(), any::<bool>(), element()).prop_map(|(at, after, new)| Operation::Insert(at, after, new)),
        4 => (any::<u16>(), element()).prop_map(|(at, new)| Operation::Replace(at, new)),
        2 => (any::<u16>(), any::<u16>()).prop_map(|(from, count)| Operation::RemoveRange(from, count)),
        2 => (element(), any::<bool>(), any::<u8>()).prop_map(|(e, back, max)| Operation::RemoveEqual(e, back, max)),
        1 => Just(Operation::Copy),
    ]
}

fn contents(list: &Quicklist, range: Range<usize>, backward: bool) -> Vec<(usize, Vec<u8>)> {
    let mut contents = Vec::new();
    let broke_off = list.visit::<()>(range, backward, |index, element| {
        contents.push((index, element.to_vec()));
        ControlFlow::Continue(())
    });
    assert!(broke_off.is_none());
    contents
}

fn check(list: &Quicklist, oracle: &VecDeque<Vec<u8>>) {
    let expected: Vec<(usize, Vec<u8>)> = oracle.iter().cloned().enumerate().collect();
    assert_eq!(list.len(), oracle.len());
    assert_eq!(contents(list, 0..list.len(), false), expected);
    for (number, node) in list.nodes.iter().enumerate() {
        assert!(node.count() > 0);
        assert!(list.is_inner(number) || !node.is_compressed(), "node {number} of {}", list.nodes.len());
        let mut size = EMPTY_SIZE;
        let _ = node.visit::<()>(0..node.count(), false, &mut |_, element| {
            size += entry_size(&element);
            ControlFlow::Continue(())
        });
        assert_eq!(node.size(), size);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_deque(
        fill in prop_oneof![-5..=-1i32, 0..40i32],
        depth in 0..4usize,
        operations in prop::collection::vec(operation(), 0..60),
    ) {
        let mut list = Quicklist::new(Fill::new(fill), depth);
        let mut oracle: VecDeque<Vec<u8>> = VecDeque::new();
        for operation in operations {
            let len = oracle.len();
            match operation {
                Operation::Push(end, element) => push(&mut list, &mut oracle, end, element),
                Operation::PushMany(end, count) => {
                    (0..count).for_each(|n| push(&mut list, &mut oracle, end, format!("element-{n}").into()))
                }
                Operation::Pop(end) => pop(&mut list, &mut oracle, end),
                Operation::PopMany(end, count) => (0..count).for_each(|_| pop(&mut list, &mut oracle, end)),
                Operation::Insert(at, after, new) if len > 0 => {
                    let at = at as usize % len;
                    list.insert(at, after, Element::Slice(&new), ALONE_FROM);
                    oracle.insert(at + after as usize, new);
                }
                Operation::Replace(at, new) if len > 0 => {
                    let at = at as usize % len;
                    list.replace(at, Element::Slice(&new), ALONE_FROM);
                    oracle[at] = new;
                }
                Operation::RemoveRange(from, count) if len > 0 => {
                    let from = from as usize % len;
                    let range = from..len.min(from + count as usize % len);
                    list.remove_range(range.clone());
                    oracle.drain(range);
                }
                Operation::RemoveEqual(element, backward, max) => {
                    let equal = |i: &usize| oracle[*i] == element;
                    let max = 1 + max as usize % 5;
                    let mut found: Vec<usize> = if backward {
                        (0..len).rev().filter(equal).take(max).collect()
                    } else {
                        (0..len).filter(equal).take(max).collect()
                    };
                    prop_assert_eq!(list.remove_equal(&element, backward, max), found.len());
                    found.sort();
                    found.iter().rev().for_each(|&i| drop(oracle.remove(i)));
                }
                Operation::Copy => list = list.clone(),
                _ => (),
            }
            check(&list, &oracle);
        }
        let len = oracle.len();
        for range in [0..len, len / 3..len / 2, len / 2..len, len..len] {
            let mut expected: Vec<(usize, Vec<u8>)> = range.clone().map(|i| (i, oracle[i].clone())).collect();
            prop_assert_eq!(contents(&list, range.clone(), false), expected.clone());
            expected.reverse();
            prop_assert_eq!(contents(&list, range, true), expected);
        }
    }
}

fn push(list: &mut Quicklist, oracle: &mut VecDeque<Vec<u8>>, end: End, element: Vec<u8>) {
    list.push(end, Element::Slice(&element), ALONE_FROM);
    match end {
        End::Head => oracle.push_front(element),
        End::Tail => oracle.push_back(element),
    }
}

fn pop(list: &mut Quicklist, oracle: &mut VecDeque<Vec<u8>>, end: End) {
    let popped = match end {
        End::Head => oracle.pop_front(),
        End::Tail => oracle.pop_back(),
    };
    assert_eq!(list.pop(end, |element| element.to_vec()), popped);
}

#[test]
fn inner_nodes_are_compressed() {
    let mut list = Quicklist::new(Fill::new(100), 2);
    for n in 0..2000 {
        list.push(End::Tail, Element::Slice(format!("element number {n}").as_bytes()), usize::MAX);
    }
    let compressed: Vec<bool> = list.nodes.iter().map(Node::is_compressed).collect();
    assert_eq!(compressed, (0..20).map(|n| (2..18).contains(&n)).collect::<Vec<_>>());
    assert!(list.memory_usage() < 2000 * 14);
}

#[test]
fn an_inner_node_that_ends_up_empty_goes() {
    let mut list = Quicklist::new(Fill::new(2), 1);
    for n in 0..10 {
        let element = if n / 2 == 2 { "x".repeat(100) } else { n.to_string() };
        list.push(End::Tail, Element::Slice(element.as_bytes()), usize::MAX);
    }
    assert_eq!(list.remove_equal("x".repeat(100).as_bytes(), false, usize::MAX), 2);
    assert_eq!((list.nodes(), list.len()), (4, 8));
}

/// The sizes are those that DUMP of Redis 7.0 shows.
#[test]
fn sizes_are_those_of_a_listpack() {
    for (element, size) in [
        ("", 2),
        ("0", 2),
        ("127", 2),
        ("128", 3),
        ("-1", 3),
        ("-4096", 3),
        ("4096", 4),
        ("32768", 5),
        ("-8388608", 5),
        ("8388608", 6),
        ("2147483648", 10),
        ("9223372036854775808", 21),
        ("007", 5),
        ("-0", 4),
    ] {
        assert_eq!(entry_size(element.as_bytes()), size, "{element}");
    }
    for (len, size) in [(63, 65), (64, 67), (125, 128), (126, 130), (4095, 4099), (4096, 4103), (70_000, 70_008)] {
        assert_eq!(entry_size(&vec![b'x'; len]), size, "{len}");
    }
}
