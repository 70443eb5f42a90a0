//! Sorted sets: a listpack of members and scores while small, a table and a tree beyond.
//!
//! Members are in the order of their scores, those of equal scores byte by byte. Ranks count from 0
//! in this order.
#![allow(unsafe_code)]

mod member;
mod ordered_table;
mod range;

pub use range::{Interval, LexBound, LexRange, ScoreBound, ScoreRange};

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
        let rank = Pairs::of(pairs).take_while(|&(name, other)| (other, name) < (score, member)).count();
        pairs.insert_pair(2 * rank, member, &score_text(score));
    }

    /// [`Self::update`] with a score that does not depend on the one before.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: ZSetLimits) {
        self.update(member, limits, |_| Some(score));
    }

    /// Prepares for `members` members to be added, any of which may be new.
    ///
    /// COMPAT: as for hashes, so many at once make a table even if the same was meant repeatedly.
    pub fn expect(&mut self, members: usize, limits: ZSetLimits) {
        if members > limits.members {
            self.table_mut(members);
        }
    }

    /// The table, which a listpack becomes first, with room for `members` more members.
    fn table_mut(&mut self, members: usize) -> &mut OrderedTable {
        if let ZSet::Listpack(pairs) = self {
            let mut table = OrderedTable::with_capacity(pairs.len() / 2 + members);
            Pairs::of(pairs).for_each(|(member, score)| table.push(member, score));
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
                let start = Pairs::of(pairs).take_while(starts_after).count();
                let ends_after = |&(name, score): &(_, f64)| interval.ends_after(score, || name);
                let within = Pairs(pairs.range(2 * start..pairs.len())).take_while(ends_after).count();
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
            (ZSet::Listpack(pairs), false) => Pairs(pairs.range(2 * ranks.start..2 * ranks.end)).for_each(visit),
            (ZSet::Listpack(pairs), true) => Pairs(pairs.range(2 * ranks.start..2 * ranks.end)).rev().for_each(visit),
            (ZSet::Table(table), false) => table.range(ranks).for_each(visit),
            (ZSet::Table(table), true) => table.range(ranks).rev().for_each(visit),
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
                Pairs::of(pairs).for_each(|(member, score)| visit(member, &score_text(score)));
                0
            }
            ZSet::Table(table) => table.scan(cursor, count, |member, score| visit(member, &format_f64_17g(score))),
        }
    }

    /// Calls `visit` for a random member and its score, each being as likely as any other.
    pub fn random<'a>(&'a self, rng: &mut fastrand::Rng, visit: impl FnMut(&'a [u8], f64)) {
        if !self.is_empty() {
            let rank = rng.usize(..self.len());
            self.for_each_in(rank..rank + 1, false, visit);
        }
    }

    /// Calls `visit` for `count` different members at random (all of them, if there are fewer), each
    /// set of so many being as likely as any other.
    pub fn sample<'a>(&'a self, count: usize, rng: &mut fastrand::Rng, mut visit: impl FnMut(&'a [u8], f64)) {
        /// Picking one of many at random costs about as much as passing by so many in order.
        const PASSED_PER_PICK: usize = 3;
        if count.saturating_mul(PASSED_PER_PICK) < self.len() {
            let mut picked = HashSet::with_capacity(count);
            while picked.len() < count {
                let rank = rng.usize(..self.len());
                if picked.insert(rank) {
                    self.for_each_in(rank..rank + 1, false, &mut visit);
                }
            }
            return;
        }
        // Each in turn is taken with the probability that is left for it.
        let (mut wanted, mut left) = (count.min(self.len()), self.len());
        self.for_each(|member, score| {
            if rng.usize(..left) < wanted {
                visit(member, score);
                wanted -= 1;
            }
            left -= 1;
        });
    }

    /// Brings the place where a member with this hash would be found towards the cache.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        if let ZSet::Table(table) = self {
            table.prefetch_bucket(hash);
        }
    }

    /// Brings the member that a hash may mean towards the cache; best some time after
    /// [`Self::prefetch_bucket`].
    #[inline]
    pub fn prefetch_element(&self, hash: u64) {
        if let ZSet::Table(table) = self {
            table.prefetch_member(hash);
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
    fn of(pairs: &'a Listpack) -> Self {
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
