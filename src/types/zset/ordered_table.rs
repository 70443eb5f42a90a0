//! A large sorted set: a table of its members by name, and a tree of them in order.
//!
//! The table owns the members; the tree refers to just these. So a reference found in the tree is
//! good for as long as the whole is borrowed, and a member leaves the tree before the table.
#![allow(unsafe_code)]

use super::member::{Member, MemberRef};
use super::range::Interval;
use crate::encoding::btree::BTree;
use crate::encoding::hash::hash;
use crate::encoding::hashtable::{Element, HashTable};
use std::ops::Range;

#[derive(Default)]
pub struct OrderedTable {
    members: HashTable<Member>,
    order: BTree<MemberRef>,
}

/// Whether the first of two entries comes before the second, which is `(score, name)`.
#[inline]
fn before<'a>(score: f64, name: &'a [u8]) -> impl Fn(f64, MemberRef) -> bool + 'a {
    // SAFETY: this is called on entries of the tree, whose members live.
    move |other, reference| other < score || other == score && unsafe { reference.name() } < name
}

#[inline]
fn up_to<'a>(score: f64, name: &'a [u8]) -> impl Fn(f64, MemberRef) -> bool + 'a {
    // SAFETY: as above.
    move |other, reference| other < score || other == score && unsafe { reference.name() } <= name
}

impl OrderedTable {
    /// A table with room for `members` members.
    pub fn with_capacity(members: usize) -> Self {
        OrderedTable { members: HashTable::with_capacity(members), order: BTree::new() }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn score(&self, name: &[u8]) -> Option<f64> {
        self.members.get(name).map(|member| member.score())
    }

    /// Adds a member that comes after all others.
    pub fn push(&mut self, name: &[u8], score: f64) {
        let member = Member::new(name, score);
        self.order.push(score, member.reference());
        self.members.insert_new(member);
    }

    /// See [`ZSet::update`](super::ZSet::update).
    pub fn update(&mut self, name: &[u8], decide: impl FnOnce(Option<f64>) -> Option<f64>) {
        let hash = hash(name);
        match self.members.find(hash, name).map(|(slot, member)| (slot, member.score(), member.reference())) {
            None => {
                let Some(score) = decide(None) else { return };
                let member = Member::new(name, score);
                self.order.insert(score, member.reference(), before(score, name));
                self.members.insert_new_hashed(hash, member);
            }
            Some((slot, old, reference)) => {
                let Some(score) = decide(Some(old)).filter(|&score| score != old) else { return };
                self.order.remove_last(up_to(old, name));
                self.order.insert(score, reference, before(score, name));
                self.members.at_mut(slot).set_score(score);
            }
        }
    }

    /// Removes a member; true if it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let hash = hash(name);
        let Some(score) = self.members.get_hashed(hash, name).map(|member| member.score()) else { return false };
        self.order.remove_last(up_to(score, name));
        self.members.remove_hashed(hash, name);
        true
    }

    /// Removes the members of these ranks.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        for _ in 0..ranks.len() {
            let (_, reference) = self.order.remove_at(ranks.start);
            // SAFETY: the table still has the member; its name is compared before it goes.
            let name = unsafe { reference.name() };
            self.members.remove(name);
        }
    }

    /// The rank of a member, and its score.
    pub fn rank(&self, name: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(name)?;
        Some((self.order.partition_point(before(score, name)), score))
    }

    /// The ranks of the members within `interval`.
    pub fn ranks(&self, interval: &impl Interval) -> Range<usize> {
        // SAFETY: the members of the tree live.
        let start = self.order.partition_point(|score, r| interval.starts_after(score, || unsafe { r.name() }));
        // SAFETY: as above.
        let end = self.order.partition_point(|score, r| interval.ends_after(score, || unsafe { r.name() }));
        start..end.max(start)
    }

    /// The members of these ranks in order, with their scores.
    pub fn range(&self, ranks: Range<usize>) -> impl DoubleEndedIterator<Item = (&[u8], f64)> {
        // SAFETY: the members of the tree live as long as `self` is borrowed.
        self.order.range(ranks).map(|(score, reference)| (unsafe { reference.name() }, score))
    }

    /// As [`HashTable::scan_at_least`].
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        self.members.scan_at_least(cursor, count, |member| visit(member.key(), member.score()))
    }

    pub fn memory_usage(&self) -> usize {
        size_of::<Self>() + self.members.memory_usage(Member::allocated) + self.order.bytes()
    }

    /// Prefetches the bucket of a member's hash.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        self.members.prefetch_bucket(hash);
    }

    /// Prefetches the member that a hash may mean.
    #[inline]
    pub fn prefetch_member(&self, hash: u64) {
        self.members.prefetch_element(hash);
    }

    /// See [`ZSet::prefetch_places`](super::ZSet::prefetch_places).
    #[inline]
    pub fn prefetch_places(&self, hash: u64, score: f64) {
        self.order.prefetch(|other, _| other < score);
        if let Some(member) = self.members.candidate(hash) {
            let old = member.score();
            self.order.prefetch(|other, _| other < old);
        }
    }
}

impl Clone for OrderedTable {
    fn clone(&self) -> Self {
        let mut copy = Self::with_capacity(self.len());
        self.range(0..self.len()).for_each(|(name, score)| copy.push(name, score));
        copy
    }
}
