use super::*;
use fastrand::Rng;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

const LIMITS: SetLimits = SetLimits { integers: 6, members: 5, text_bytes: 4 };
const TABLE: SetLimits = SetLimits { integers: 0, members: 0, text_bytes: 0 };
const UNLIMITED: SetLimits = SetLimits { integers: usize::MAX, members: usize::MAX, text_bytes: usize::MAX };

#[derive(Clone, Debug)]
enum Operation {
    Insert(Vec<u8>),
    InsertAll(Vec<Vec<u8>>),
    /// So many integers from one on.
    InsertMany(u8, u8),
    RemoveMany(u8, u8),
    Remove(Vec<u8>),
    Expect(usize),
    Pop,
    PopMany(usize),
    Copy,
    Move,
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (-5..15i64).prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        4 => "[a-d]",
        1 => "[a-d]{0,9}",
        1 => prop::sample::select(vec!["-0", "01", "+1"]).prop_map(str::to_string),
    ]
    .prop_map(String::into_bytes)
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        12 => member().prop_map(Operation::Insert),
        2 => prop::collection::vec(member(), 0..8).prop_map(Operation::InsertAll),
        6 => member().prop_map(Operation::Remove),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(from, count)| Operation::InsertMany(from, count)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(from, count)| Operation::RemoveMany(from, count)),
        1 => (0..9usize).prop_map(Operation::Expect),
        2 => Just(Operation::Pop),
        1 => (1..300usize).prop_map(Operation::PopMany),
        1 => Just(Operation::Copy),
        1 => Just(Operation::Move),
    ]
}

fn range(from: u8, count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|i| from.wrapping_add(i).to_string().into_bytes()).collect()
}

fn text(member: MemberRef) -> Vec<u8> {
    member.bytes(&mut itoa::Buffer::new()).to_vec()
}

fn contents(set: &Set) -> BTreeSet<Vec<u8>> {
    let mut contents = BTreeSet::new();
    set.iter().for_each(|member| assert!(contents.insert(text(member))));
    contents
}

fn encoding(set: &Set) -> Encoding {
    match set {
        Set::Intset(_) => Encoding::SetIntset,
        Set::Listpack(_) => Encoding::SetListpack,
        Set::Table(_) => Encoding::SetTable,
    }
}

/// The encoding of a set with these members that had `before`, `members` containing one more.
fn encoding_after(before: Encoding, members: &BTreeSet<Vec<u8>>, new: &[u8], limits: SetLimits) -> Encoding {
    let fits = members.len() <= limits.members && members.iter().all(|member| member.len() <= limits.text_bytes);
    match before {
        Encoding::SetIntset if parse_i64(new).is_some() && members.len() <= limits.integers => before,
        Encoding::SetIntset if parse_i64(new).is_some() => Encoding::SetTable,
        Encoding::SetIntset | Encoding::SetListpack if fits => Encoding::SetListpack,
        // What a listpack has already may be longer, if the limits were higher.
        _ => Encoding::SetTable,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// With a scan running alongside: what was there throughout is seen.
    #[test]
    fn behaves_as_a_set(operations in prop::collection::vec(operation(), 0..60), seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let (mut set, mut oracle) = (Set::default(), BTreeSet::<Vec<u8>>::new());
        let mut expected = Encoding::SetIntset;
        let (mut cursor, mut seen, mut throughout) = (0, BTreeSet::new(), oracle.clone());
        for operation in operations {
            let (inserted, removed): (Vec<Vec<u8>>, Vec<Vec<u8>>) = match operation.clone() {
                Operation::Insert(member) => {
                    prop_assert_eq!(set.insert(MemberRef::Text(&member), LIMITS), !oracle.contains(&member));
                    (vec![member], vec![])
                }
                Operation::InsertAll(members) => (members, vec![]),
                Operation::InsertMany(from, count) => (range(from, count), vec![]),
                Operation::Remove(member) => {
                    prop_assert_eq!(set.remove(MemberRef::Text(&member)), oracle.remove(&member));
                    (vec![], vec![member])
                }
                Operation::RemoveMany(from, count) => {
                    let members = range(from, count);
                    let removed = set.remove_all(members.iter().map(|member| MemberRef::Text(member)));
                    prop_assert_eq!(removed, members.iter().filter(|member| oracle.remove(*member)).count());
                    (vec![], members)
                }
                Operation::Expect(members) => {
                    set.prepare_for(members, LIMITS);
                    if members > if expected == Encoding::SetIntset { LIMITS.integers } else { LIMITS.members } {
                        expected = Encoding::SetTable;
                    }
                    (vec![], vec![])
                }
                Operation::Pop => {
                    let mut popped = Vec::new();
                    if set.pop(&mut rng, |text| popped.push(text.to_vec())) {
                        prop_assert!(oracle.remove(&popped[0]));
                    } else {
                        prop_assert!(oracle.is_empty() && popped.is_empty());
                    }
                    (vec![], popped)
                }
                Operation::PopMany(count) if count < oracle.len() => {
                    let popped = set.pop_many(count, &mut rng, LIMITS);
                    let popped: Vec<Vec<u8>> = popped.iter().map(|member| member.text().to_vec()).collect();
                    prop_assert_eq!(popped.len(), count);
                    prop_assert!(popped.iter().all(|member| oracle.remove(member)));
                    if expected == Encoding::SetTable && oracle.len() * 5 <= count {
                        // The set was made anew.
                        let fits = oracle.len() <= LIMITS.members
                            && oracle.iter().all(|member| member.len() <= LIMITS.text_bytes);
                        expected = if fits { Encoding::SetListpack } else { Encoding::SetTable };
                        (cursor, throughout) = (0, BTreeSet::new());
                    }
                    (vec![], popped)
                }
                Operation::PopMany(_) => (vec![], vec![]),
                Operation::Copy => {
                    set = set.clone();
                    // A copy is made anew, so a scan of the original means nothing to it.
                    (cursor, throughout) = (0, BTreeSet::new());
                    (vec![], vec![])
                }
                Operation::Move => {
                    let (encoding, pointer) = set.into_raw();
                    prop_assert_eq!(encoding, expected);
                    // SAFETY: the parts just came from `into_raw`.
                    set = unsafe { Set::from_raw(encoding, pointer) };
                    (vec![], vec![])
                }
            };
            if !matches!(operation, Operation::Insert(_)) {
                let new = set.insert_all(inserted.iter().map(|member| MemberRef::Text(member)), LIMITS);
                let distinct: BTreeSet<_> = inserted.iter().filter(|&member| !oracle.contains(member)).collect();
                prop_assert_eq!(new, distinct.len());
            }
            for member in inserted {
                if oracle.insert(member.clone()) {
                    expected = encoding_after(expected, &oracle, &member, LIMITS);
                }
            }
            removed.iter().for_each(|member| { throughout.remove(member); });
            prop_assert_eq!(set.len(), oracle.len());
            prop_assert_eq!(encoding(&set), expected);

            if cursor == 0 {
                seen.clear();
                throughout = oracle.clone();
            }
            cursor = set.scan(cursor, 3, |member| { seen.insert(text(member)); });
            if cursor == 0 {
                prop_assert!(throughout.is_subset(&seen));
            }
        }
        prop_assert_eq!(contents(&set), oracle.clone());
        let asked: Vec<Vec<u8>> = range(0, 255).into_iter().chain(oracle.iter().cloned()).collect();
        let mut answers = Vec::new();
        set.contains_each(asked.iter().map(|member| MemberRef::Text(member)), |answer| answers.push(answer));
        prop_assert_eq!(answers, asked.iter().map(|member| oracle.contains(member)).collect::<Vec<_>>());
        prop_assert!(asked.iter().all(|member| set.contains(MemberRef::Text(member)) == oracle.contains(member)));
    }

    #[test]
    fn algebra_is_that_of_sets(
        members in prop::collection::vec(prop::collection::vec(member(), 0..40), 1..7),
        limits in prop::collection::vec(prop::sample::select(vec![LIMITS, TABLE, UNLIMITED]), 7),
    ) {
        let oracles: Vec<BTreeSet<Vec<u8>>> = members.iter().map(|set| set.iter().cloned().collect()).collect();
        let sets: Vec<Set> = members.iter().zip(limits).map(|(members, limits)| {
            let mut set = Set::default();
            set.insert_all(members.iter().map(|member| MemberRef::Text(member)), limits);
            set
        }).collect();
        let sets: Vec<&Set> = sets.iter().collect();
        let collect = |member: MemberRef, seen: &mut BTreeSet<Vec<u8>>| assert!(seen.insert(text(member)), "twice");

        let expected: BTreeSet<_> = oracles.iter().flatten().cloned().collect();
        prop_assert_eq!(contents(&union(sets.iter().copied(), LIMITS)), expected.clone());
        let mut seen = BTreeSet::new();
        for_each_of_union(&sets, |member| collect(member, &mut seen));
        prop_assert_eq!(seen, expected);

        let mut expected = oracles[0].clone();
        expected.retain(|member| !oracles[1..].iter().any(|other| other.contains(member)));
        prop_assert_eq!(contents(&difference(sets[0], &sets[1..], LIMITS)), expected.clone());
        let mut seen = BTreeSet::new();
        for_each_of_difference(sets[0], &sets[1..], LIMITS, |member| collect(member, &mut seen));
        prop_assert_eq!(seen, expected);

        let mut ascending = sets.clone();
        ascending.sort_by_key(|set| set.len());
        let mut expected = oracles[0].clone();
        expected.retain(|member| oracles.iter().all(|other| other.contains(member)));
        let common = intersection(&ascending, LIMITS);
        prop_assert_eq!(contents(&common), expected.clone());
        let only_integers = expected.iter().all(|member| parse_i64(member).is_some());
        let fits = expected.len() <= LIMITS.members && expected.iter().all(|member| member.len() <= LIMITS.text_bytes);
        match encoding(&common) {
            Encoding::SetIntset => prop_assert!(only_integers && expected.len() <= LIMITS.integers),
            Encoding::SetListpack => prop_assert!(fits),
            _ => prop_assert!(!fits),
        }
        let (mut seen, limit) = (BTreeSet::new(), expected.len() / 2 + 1);
        for_each_common(&ascending, |member| {
            collect(member, &mut seen);
            if seen.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        prop_assert_eq!(seen.len(), limit.min(expected.len()));
        prop_assert!(seen.is_subset(&expected));
    }
}

/// A set of this many integers in this encoding.
fn set_of(members: u32, wanted: Encoding) -> Set {
    let (mut set, limits) = match wanted {
        Encoding::SetIntset => (Set::default(), UNLIMITED),
        Encoding::SetListpack => (Set::Listpack(Listpack::new()), UNLIMITED),
        _ => (Set::default(), TABLE),
    };
    (0..members).for_each(|n| assert!(set.insert(MemberRef::Integer(n.into()), limits)));
    assert_eq!(encoding(&set), wanted);
    set
}

const ENCODINGS: [Encoding; 3] = [Encoding::SetIntset, Encoding::SetListpack, Encoding::SetTable];

fn number(text: &[u8]) -> usize {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

/// How often each of some members came, and that this is fair: each about `mean` times.
fn assert_fair(counts: &[u32], mean: f64) {
    // The sum of squares is about normal, with mean n and variance 2 n at most.
    let deviation: f64 = counts.iter().map(|&count| (count as f64 - mean).powi(2) / mean).sum();
    let members = counts.len() as f64;
    assert!(deviation < members + 8.0 * (2.0 * members).sqrt(), "{deviation} for {members} members");
}

#[test]
fn every_member_is_as_likely() {
    let mut rng = Rng::with_seed(7);
    for set in ENCODINGS.map(|encoding| set_of(300, encoding)) {
        let mut counts = vec![0; 300];
        (0..300 * 100).for_each(|_| counts[number(&text(set.random(&mut rng).unwrap()))] += 1);
        assert_fair(&counts, 100.0);
        let mut counts = vec![0; 300];
        (0..300 * 20).for_each(|_| assert!(set.clone().pop(&mut rng, |text| counts[number(text)] += 1)));
        assert_fair(&counts, 20.0);
        for wanted in [1, 20, 99, 150, 250, 299] {
            let (mut sampled, mut popped) = (vec![0; 300], vec![0; 300]);
            let rounds = 30_000 / wanted;
            for _ in 0..rounds {
                let mut picked = BTreeSet::new();
                set.sample(wanted, &mut rng, |member| assert!(picked.insert(text(member))));
                assert_eq!(picked.len(), wanted);
                picked.iter().for_each(|text| sampled[number(text)] += 1);
            }
            assert_fair(&sampled, (rounds * wanted) as f64 / 300.0);
            for _ in 0..rounds {
                let mut set = set.clone();
                set.pop_many(wanted, &mut rng, UNLIMITED).iter().for_each(|member| popped[number(member.text())] += 1);
                assert_eq!(set.len(), 300 - wanted);
            }
            assert_fair(&popped, (rounds * wanted) as f64 / 300.0);
        }
        let mut all = BTreeMap::new();
        set.sample(usize::MAX, &mut rng, |member| *all.entry(text(member)).or_insert(0) += 1);
        assert_eq!((all.len(), all.values().max()), (300, Some(&1)));
    }
}

#[test]
fn a_set_begins_as_what_its_first_member_suggests() {
    for (members, first, expected) in [
        (6, "17", Encoding::SetIntset),
        (7, "17", Encoding::SetTable),
        (5, "x", Encoding::SetListpack),
        (6, "x", Encoding::SetTable),
        (1, "long enough for a table", Encoding::SetListpack),
    ] {
        assert_eq!(encoding(&Set::with_capacity(members, first.as_bytes(), LIMITS)), expected, "{members} {first}");
    }
    let few = SetLimits { integers: 2, ..LIMITS };
    assert_eq!(encoding(&Set::with_capacity(3, b"17", few)), Encoding::SetListpack);
}

#[test]
fn a_difference_is_looked_up_or_taken_away_as_redis_does() {
    // The encoding tells: what is taken away was there.
    let numbers = set_of(5, Encoding::SetIntset);
    let mut mixed = numbers.clone();
    mixed.insert(MemberRef::Text(b"x"), UNLIMITED);
    let mut x = Set::default();
    x.insert(MemberRef::Text(b"x"), UNLIMITED);
    assert_eq!(encoding(&difference(&mixed, &[&x], UNLIMITED)), Encoding::SetIntset);
    assert_eq!(encoding(&difference(&mixed, &[&x, &x, &x], UNLIMITED)), Encoding::SetListpack);
}

#[test]
fn memory_usage_counts_members_and_slots() {
    let mut set = set_of(20_000, Encoding::SetTable);
    (20_000..40_000).for_each(|n: u32| {
        set.insert(MemberRef::Text(format!("{n:0100}").as_bytes()), TABLE);
    });
    let Set::Table(table) = &set else { panic!("beyond the limits") };
    let exact = table.array_bytes() + 20_000 * (8 + 112);
    let estimate = set.memory_usage();
    assert!(estimate.abs_diff(exact) < exact / 10, "{estimate} for {exact}");
    for small in [Encoding::SetIntset, Encoding::SetListpack] {
        assert!((8 + 2 * 100..1000).contains(&set_of(100, small).memory_usage()));
    }
}
