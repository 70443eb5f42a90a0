//! Sorted sets: a listpack of members and scores while small, a table and a tree beyond.
//!
//! Members are in the order of their scores, those of equal scores byte by byte. Ranks count from 0
//! in this order.
#![allow(unsafe_code)]

mod member;
mod ordered_table;
mod range;

pub use range::{Interval, LexBound, LexRange, ScoreBound, ScoreRange};

use super::sampling::{Selection, is_few};
use super::{Collection, Encoding, Type};
use crate::encoding::listpack::{self, Listpack};
use crate::encoding::number::{F64Text, format_f64, format_f64_17g, parse_formatted_f64};
use ordered_table::OrderedTable;
use std::collections::HashSet;
use std::ops::Range;
use std::ptr::NonNull;

/// Up to where a sorted set is a listpack: `zset-max-listpack-entries` and `zset-max-listpack-value`.
#[derive(Clone, Copy, Debug)]
pub struct ZSetLimits {
    pub members: usize,
    pub member_bytes: usize,
}

/// A sorted set. Once it is a table it stays one, however small it gets.
#[derive(Clone)]
pub enum ZSet {
    /// Each member followed by its score as text.
    Listpack(Listpack),
    Table(Box<OrderedTable>),
}

impl ZSet {
    pub fn new() -> ZSet {
        ZSet::Listpack(Listpack::new())
    }

    /// A sorted set that is about to get `members` members, one of them of `member_bytes` bytes.
    pub fn with_capacity(members: usize, member_bytes: usize, limits: ZSetLimits) -> ZSet {
        if members > limits.members || member_bytes > limits.member_bytes {
            return ZSet::Table(Box::new(OrderedTable::with_capacity(members)));
        }
        ZSet::new()
    }

    /// A sorted set of members that come in order, none of them twice.
    pub fn from_ordered<'m>(
        members: impl ExactSizeIterator<Item = (&'m [u8], f64)> + Clone,
        limits: ZSetLimits,
    ) -> ZSet {
        let longest = members.clone().map(|(member, _)| member.len()).max().unwrap_or(0);
        let mut zset = ZSet::with_capacity(members.len(), longest, limits);
        members.for_each(|(member, score)| match &mut zset {
            ZSet::Listpack(pairs) => pairs.push_pair(member, &score_text(score)),
            ZSet::Table(table) => table.push(member, score),
        });
        zset
    }

    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            ZSet::Listpack(pairs) => pairs.len() / 2,
            ZSet::Table(table) => table.len(),
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            ZSet::Listpack(pairs) => pairs.get_pair(member).map(|(_, score)| parse_score(score)),
            ZSet::Table(table) => table.score(member),
        }
    }

    /// Adds a member or changes its score: `decide` gets its score so far, and gives the new one or
    /// None to leave all as it is.
    pub fn update(&mut self, member: &[u8], limits: ZSetLimits, decide: impl FnOnce(Option<f64>) -> Option<f64>) {
        let pairs = match self {
            ZSet::Table(table) => return table.update(member, decide),
            ZSet::Listpack(pairs) => pairs,
        };
        let found = pairs.get_pair(member).map(|(index, score)| (index, parse_score(score)));
        let old = found.map(|(_, score)| score);
        let Some(score) = decide(old) else { return };
        if old == Some(score) {
            return;
        }
        let fits = pairs.len() / 2 < limits.members && member.len() <= limits.member_bytes;
        if found.is_none() && !fits || !pairs.fits(2, member.len() + SCORE_TEXT_MAX) {
            return self.table_mut(1).update(member, |_| Some(score));
        }
        if let Some((index, _)) = found {
            pairs.remove_range(index..index + 2);
        }
        let is_before = |&(name, other): &(&[u8], f64)| (other, name) < (score, member);
        // Many come in order.
        let rank = match Pairs::all_of(pairs).next_back() {
            Some(last) if is_before(&last) => pairs.len() / 2,
            _ => Pairs::all_of(pairs).take_while(is_before).count(),
        };
        pairs.insert_pair(2 * rank, member, &score_text(score));
    }

    /// [`Self::update`] with a score that does not depend on the one before.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: ZSetLimits) {
        self.update(member, limits, |_| Some(score));
    }

    /// Prepares for `members` members to be added, any of which may be new.
    ///
    /// COMPAT: as for hashes, this many at once make a table even if the same was meant repeatedly.
    pub fn prepare_for(&mut self, members: usize, limits: ZSetLimits) {
        if members > limits.members {
            self.table_mut(members);
        }
    }

    /// The table, which a listpack becomes first, with room for `members` more members.
    fn table_mut(&mut self, members: usize) -> &mut OrderedTable {
        if let ZSet::Listpack(pairs) = self {
            let mut table = OrderedTable::with_capacity(pairs.len() / 2 + members);
            Pairs::all_of(pairs).for_each(|(member, score)| table.push(member, score));
            *self = ZSet::Table(Box::new(table));
        }
        match self {
            ZSet::Table(table) => table,
            ZSet::Listpack(_) => unreachable!("just converted"),
        }
    }

    /// Removes a member; true if it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            ZSet::Listpack(pairs) => match pairs.find_pair(member) {
                Some(index) => {
                    pairs.remove_range(index..index + 2);
                    true
                }
                None => false,
            },
            ZSet::Table(table) => table.remove(member),
        }
    }

    /// Removes the members of these ranks.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        match self {
            ZSet::Listpack(pairs) => pairs.remove_range(2 * ranks.start..2 * ranks.end),
            ZSet::Table(table) => table.remove_range(ranks),
        }
    }

    /// The rank of a member, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            ZSet::Listpack(pairs) => {
                let (index, score) = pairs.get_pair(member)?;
                Some((index / 2, parse_score(score)))
            }
            ZSet::Table(table) => table.rank(member),
        }
    }

    /// The ranks of the members within `interval`.
    pub fn ranks(&self, interval: &impl Interval) -> Range<usize> {
        match self {
            ZSet::Listpack(pairs) => {
                let starts_after = |&(name, score): &(_, f64)| interval.starts_after(score, || name);
                let start = Pairs::all_of(pairs).take_while(starts_after).count();
                let ends_after = |&(name, score): &(_, f64)| interval.ends_after(score, || name);
                let within = Pairs::of(pairs, start..self.len()).take_while(ends_after).count();
                start..start + within
            }
            ZSet::Table(table) => table.ranks(interval),
        }
    }

    /// Calls `visit` with the member and score of each of these ranks, the last one first if
    /// `reverse`.
    pub fn for_each_in<'a>(&'a self, ranks: Range<usize>, reverse: bool, mut visit: impl FnMut(&'a [u8], f64)) {
        let visit = |(member, score)| visit(member, score);
        match (self, reverse) {
            (ZSet::Listpack(pairs), false) => Pairs::of(pairs, ranks).for_each(visit),
            (ZSet::Listpack(pairs), true) => Pairs::of(pairs, ranks).rev().for_each(visit),
            (ZSet::Table(table), false) => table.range(ranks).for_each(visit),
            (ZSet::Table(table), true) => table.range(ranks).rev().for_each(visit),
        }
    }

    /// Calls `visit` with the members and scores of these ranks until it gives false.
    pub fn visit_in<'a>(&'a self, ranks: Range<usize>, mut visit: impl FnMut(&'a [u8], f64) -> bool) {
        let mut visit = |(member, score)| visit(member, score);
        match self {
            ZSet::Listpack(pairs) => _ = Pairs::of(pairs, ranks).all(&mut visit),
            ZSet::Table(table) => _ = table.range(ranks).all(&mut visit),
        }
    }

    /// Calls `visit` with each member and its score, in order.
    pub fn for_each<'a>(&'a self, visit: impl FnMut(&'a [u8], f64)) {
        self.for_each_in(0..self.len(), false, visit);
    }

    /// Calls `visit` for about `count` members and the texts of their scores from `cursor` on; gives
    /// the cursor to go on with, 0 at the end. Every member that is there throughout is visited. A
    /// listpack is visited at once.
    ///
    /// COMPAT: the scores of a table have 17 digits here and nowhere else.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], &[u8])) -> u64 {
        match self {
            ZSet::Listpack(pairs) => {
                Pairs::all_of(pairs).for_each(|(member, score)| visit(member, &score_text(score)));
                0
            }
            ZSet::Table(table) => table.scan(cursor, count, |member, score| visit(member, &format_f64_17g(score))),
        }
    }

    /// Calls `visit` for a random member and its score, all being equally likely.
    pub fn random<'a>(&'a self, rng: &mut fastrand::Rng, visit: impl FnMut(&'a [u8], f64)) {
        if !self.is_empty() {
            let rank = rng.usize(..self.len());
            self.for_each_in(rank..rank + 1, false, visit);
        }
    }

    /// Calls `visit` for `count` different members at random (all of them, if there are fewer), each
    /// choice of that many being equally likely.
    pub fn sample<'a>(&'a self, count: usize, rng: &mut fastrand::Rng, mut visit: impl FnMut(&'a [u8], f64)) {
        if is_few(count, self.len()) {
            let mut picked = HashSet::with_capacity(count);
            while picked.len() < count {
                let rank = rng.usize(..self.len());
                if picked.insert(rank) {
                    self.for_each_in(rank..rank + 1, false, &mut visit);
                }
            }
            return;
        }
        let mut selection = Selection::new(count, self.len());
        self.for_each(|member, score| {
            if selection.takes_next(rng) {
                visit(member, score);
            }
        });
    }

    /// Prefetches the bucket of a member with this hash.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        if let ZSet::Table(table) = self {
            table.prefetch_bucket(hash);
        }
    }

    /// Prefetches the member that a hash may mean; best some time after [`Self::prefetch_bucket`].
    #[inline]
    pub fn prefetch_element(&self, hash: u64) {
        if let ZSet::Table(table) = self {
            table.prefetch_member(hash);
        }
    }

    /// Prefetches the places in the order that change when the member that a hash may mean gets this
    /// score; best some time after [`Self::prefetch_element`].
    #[inline]
    pub fn prefetch_places(&self, hash: u64, score: f64) {
        if let ZSet::Table(table) = self {
            table.prefetch_places(hash, score);
        }
    }
}

impl Default for ZSet {
    fn default() -> Self {
        Self::new()
    }
}

/// A score's text is never longer.
const SCORE_TEXT_MAX: usize = 32;

/// COMPAT: a listpack takes the sign of a zero away, as Redis's does.
fn score_text(score: f64) -> F64Text {
    format_f64(if score == 0.0 { 0.0 } else { score })
}

fn parse_score(text: &[u8]) -> f64 {
    parse_formatted_f64(text).expect("every second text of a sorted set's listpack is a score")
}

/// Members and scores of a listpack.
struct Pairs<'a>(listpack::Iter<'a>);

impl<'a> Pairs<'a> {
    fn of(pairs: &'a Listpack, ranks: Range<usize>) -> Self {
        Pairs(pairs.range(2 * ranks.start..2 * ranks.end))
    }

    fn all_of(pairs: &'a Listpack) -> Self {
        Pairs(pairs.iter())
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, parse_score(self.0.next()?)))
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let score = parse_score(self.0.next_back()?);
        Some((self.0.next_back()?, score))
    }
}

// SAFETY: each encoding goes with its kind of pointer, and only sorted sets have these encodings.
unsafe impl Collection for ZSet {
    const TYPE: Type = Type::ZSet;

    #[inline]
    fn into_raw(self) -> (Encoding, NonNull<u8>) {
        match self {
            ZSet::Listpack(pairs) => (Encoding::ZSetListpack, pairs.into_raw()),
            ZSet::Table(table) => (Encoding::ZSetTable, NonNull::from(Box::leak(table)).cast()),
        }
    }

    #[inline]
    unsafe fn from_raw(encoding: Encoding, pointer: NonNull<u8>) -> Self {
        // SAFETY: by the contract the pointer came from `into_raw` above, with this encoding.
        unsafe {
            match encoding {
                Encoding::ZSetListpack => ZSet::Listpack(Listpack::from_raw(pointer)),
                Encoding::ZSetTable => ZSet::Table(Box::from_raw(pointer.as_ptr().cast())),
                _ => unreachable!("not a sorted set's encoding"),
            }
        }
    }

    fn free_effort(&self) -> usize {
        match self {
            ZSet::Listpack(_) => 1,
            ZSet::Table(table) => table.len(),
        }
    }

    fn memory_usage(&self) -> usize {
        match self {
            ZSet::Listpack(pairs) => pairs.bytes(),
            ZSet::Table(table) => table.memory_usage(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const LIMITS: ZSetLimits = ZSetLimits { members: 8, member_bytes: 10 };
    const UNLIMITED: ZSetLimits = ZSetLimits { members: usize::MAX, member_bytes: usize::MAX };

    #[derive(Clone, Debug)]
    enum Operation {
        Insert(u8, f64),
        /// So many members from one on.
        InsertMany(u8, u8),
        Remove(u8),
        RemoveRange(u8, u8),
        Copy,
        Move,
    }

    fn score() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => (-3..4i8).prop_map(f64::from),
            2 => (-9..9i8).prop_map(|n| f64::from(n) / 4.0),
            1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(1e300), Just(5e-324)],
            1 => any::<f64>().prop_filter("no score is NaN", |score| !score.is_nan()),
        ]
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            10 => (0..24u8, score()).prop_map(|(n, score)| Operation::Insert(n, score)),
            4 => (0..24u8).prop_map(Operation::Remove),
            1 => (any::<u8>(), any::<u8>()).prop_map(|(from, count)| Operation::InsertMany(from, count)),
            1 => (any::<u8>(), 0..20u8).prop_map(|(at, count)| Operation::RemoveRange(at, count)),
            1 => Just(Operation::Copy),
            1 => Just(Operation::Move),
        ]
    }

    /// Two in eight are too long for a listpack.
    fn name(n: u8) -> Vec<u8> {
        let name = format!("m{n}");
        if n % 16 > 13 { name.repeat(5).into_bytes() } else { name.into_bytes() }
    }

    type Entry = (Vec<u8>, f64);

    fn in_order(oracle: &BTreeMap<Vec<u8>, f64>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = oracle.iter().map(|(name, score)| (name.clone(), *score)).collect();
        // Stable, so that those of equal scores stay in order.
        entries.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap());
        entries
    }

    fn contents(zset: &ZSet, ranks: Range<usize>, reverse: bool) -> Vec<Entry> {
        let mut contents = Vec::new();
        zset.for_each_in(ranks, reverse, |member, score| contents.push((member.to_vec(), score)));
        contents
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// With a scan running alongside: what was there throughout is seen.
        #[test]
        fn behaves_as_a_sorted_vector(
            operations in prop::collection::vec(operation(), 0..60),
            bounds in prop::collection::vec((score(), any::<bool>(), score(), any::<bool>()), 8),
        ) {
            let (mut zset, mut oracle) = (ZSet::new(), BTreeMap::new());
            let mut is_table = false;
            let (mut cursor, mut seen, mut throughout) = (0, HashSet::new(), oracle.clone());
            for operation in operations {
                let mut insert = |zset: &mut ZSet, n, score| {
                    let old = oracle.insert(name(n), score);
                    zset.update(&name(n), LIMITS, |found| {
                        assert_eq!(found, old);
                        Some(score)
                    });
                    is_table |= oracle.len() > LIMITS.members || old.is_none() && name(n).len() > LIMITS.member_bytes;
                };
                match operation {
                    Operation::Insert(n, score) => insert(&mut zset, n, score),
                    Operation::InsertMany(from, count) => {
                        (0..count).for_each(|i| insert(&mut zset, from.wrapping_add(i), f64::from(i / 3)));
                    }
                    Operation::Remove(n) => {
                        prop_assert_eq!(zset.remove(&name(n)), oracle.remove(&name(n)).is_some());
                        throughout.remove(&name(n));
                    }
                    Operation::RemoveRange(at, count) => {
                        let start = usize::from(at) % (oracle.len() + 1);
                        let end = oracle.len().min(start + usize::from(count));
                        for (name, _) in in_order(&oracle).drain(start..end) {
                            oracle.remove(&name);
                            throughout.remove(&name);
                        }
                        zset.remove_range(start..end);
                    }
                    Operation::Copy => {
                        zset = zset.clone();
                        // A copy is made anew, so a scan of the original means nothing to it.
                        (cursor, throughout) = (0, BTreeMap::new());
                    }
                    Operation::Move => {
                        let (encoding, pointer) = zset.into_raw();
                        prop_assert_eq!(encoding == Encoding::ZSetTable, is_table);
                        // SAFETY: the parts just came from `into_raw`.
                        zset = unsafe { ZSet::from_raw(encoding, pointer) };
                    }
                }
                prop_assert_eq!(zset.len(), oracle.len());
                prop_assert_eq!(matches!(zset, ZSet::Table(_)), is_table);

                if cursor == 0 {
                    seen.clear();
                    throughout = oracle.clone();
                }
                cursor = zset.scan(cursor, 3, |member, _| { seen.insert(member.to_vec()); });
                if cursor == 0 {
                    prop_assert!(throughout.keys().all(|name| seen.contains(name)));
                }
            }

            let entries = in_order(&oracle);
            prop_assert_eq!(contents(&zset, 0..zset.len(), false), entries.clone());
            let reversed: Vec<Entry> = entries.iter().rev().cloned().collect();
            prop_assert_eq!(contents(&zset, 0..zset.len(), true), reversed);
            for n in 0..=u8::MAX {
                let rank = entries.iter().position(|entry| entry.0 == name(n));
                prop_assert_eq!(zset.rank(&name(n)), rank.map(|rank| (rank, entries[rank].1)));
                prop_assert_eq!(zset.score(&name(n)), rank.map(|rank| entries[rank].1));
            }
            for (min, min_excluded, max, max_excluded) in bounds {
                let range = ScoreRange {
                    min: ScoreBound { score: min, excluded: min_excluded },
                    max: ScoreBound { score: max, excluded: max_excluded },
                };
                let within = |score: f64| {
                    (if min_excluded { score > min } else { score >= min }) && if max_excluded { score < max } else { score <= max }
                };
                let expected: Vec<Entry> = entries.iter().filter(|entry| within(entry.1)).cloned().collect();
                prop_assert_eq!(contents(&zset, zset.ranks(&range), false), expected);
            }
            let ordered = ZSet::from_ordered(entries.iter().map(|(name, score)| (&name[..], *score)), LIMITS);
            prop_assert_eq!(contents(&ordered, 0..entries.len(), false), entries);
        }

        #[test]
        fn ranges_of_members(
            members in prop::collection::btree_set(prop::collection::vec(0..3u8, 0..4), 0..20),
            min in prop::collection::vec(0..3u8, 0..4), max in prop::collection::vec(0..3u8, 0..4),
            excluded in any::<(bool, bool)>(),
        ) {
            for limits in [LIMITS, UNLIMITED] {
                let mut zset = ZSet::new();
                members.iter().for_each(|member| zset.insert(member, 1.5, limits));
                let range = LexRange {
                    min: if excluded.0 { LexBound::Excluded(&min) } else { LexBound::Included(&min) },
                    max: if excluded.1 { LexBound::Excluded(&max) } else { LexBound::Included(&max) },
                };
                let within = |member: &Vec<u8>| {
                    (if excluded.0 { *member > min } else { *member >= min }) && if excluded.1 { *member < max } else { *member <= max }
                };
                let expected: Vec<Entry> = members.iter().filter(|member| within(member)).map(|member| (member.clone(), 1.5)).collect();
                prop_assert_eq!(contents(&zset, zset.ranks(&range), false), expected);
                let all = LexRange { min: LexBound::Lowest, max: LexBound::Highest };
                prop_assert_eq!(zset.ranks(&all), 0..members.len());
                let none = LexRange { min: LexBound::Highest, max: LexBound::Lowest };
                prop_assert!(zset.ranks(&none).is_empty());
            }
        }
    }

    fn zset_of(members: u32, limits: ZSetLimits) -> ZSet {
        let mut zset = ZSet::new();
        (0..members).for_each(|n| zset.insert(&n.to_le_bytes(), f64::from(n % 7), limits));
        zset
    }

    #[test]
    fn every_member_is_as_likely() {
        let number = |member: &[u8]| u32::from_le_bytes(member.try_into().unwrap()) as usize;
        for zset in [zset_of(300, UNLIMITED), zset_of(300, LIMITS)] {
            let mut rng = fastrand::Rng::with_seed(7);
            for wanted in [1, 20, 99, 150, 299] {
                let mut counts = vec![0u32; zset.len()];
                for _ in 0..30_000 / wanted {
                    let mut picked = HashSet::new();
                    zset.sample(wanted, &mut rng, |member, _| assert!(picked.insert(number(member))));
                    assert_eq!(picked.len(), wanted);
                    picked.into_iter().for_each(|n| counts[n] += 1);
                }
                // The sum of squares is about normal, with mean n and variance 2 n at most.
                let mean = (30_000 / wanted * wanted) as f64 / 300.0;
                let deviation: f64 = counts.iter().map(|&count| (f64::from(count) - mean).powi(2) / mean).sum();
                assert!(deviation < 300.0 + 8.0 * 600f64.sqrt(), "{deviation} for {wanted}");
            }
        }
    }

    #[test]
    fn many_members_expected_at_once_make_a_table() {
        let mut zset = zset_of(3, LIMITS);
        zset.prepare_for(8, LIMITS);
        assert!(matches!(zset, ZSet::Listpack(_)));
        zset.prepare_for(9, LIMITS);
        assert!(matches!(zset, ZSet::Table(_)));
        assert_eq!(zset.len(), 3);
        assert!(matches!(ZSet::with_capacity(9, 0, LIMITS), ZSet::Table(_)));
        assert!(matches!(ZSet::with_capacity(1, 11, LIMITS), ZSet::Table(_)));
    }

    #[test]
    fn a_zero_has_a_sign_in_a_table_only() {
        for (limits, negative) in [(UNLIMITED, false), (ZSetLimits { members: 0, ..LIMITS }, true)] {
            let mut zset = ZSet::new();
            zset.insert(b"m", -0.0, limits);
            assert_eq!(zset.score(b"m").map(f64::is_sign_negative), Some(negative));
        }
    }

    #[test]
    fn a_large_set_takes_about_sixty_bytes_a_member() {
        let mut zset = ZSet::new();
        let mut rng = fastrand::Rng::with_seed(1);
        (0..100_000).for_each(|n| zset.insert(format!("member:{n:010}").as_bytes(), rng.f64(), LIMITS));
        let each = zset.memory_usage() as f64 / 100_000.0;
        assert!((55.0..65.0).contains(&each), "{each}");
    }
}
