//! Sets: an intset while all members are integers, a listpack while few and short, a table beyond.
//!
//! A set only ever goes on to a larger encoding, and exactly where Redis does, for OBJECT ENCODING
//! tells. What several sets have in common is in `algebra`.
#![allow(unsafe_code)]

mod algebra;
mod member;

pub use algebra::{difference, for_each_common, for_each_of_difference, for_each_of_union, intersection, union};
pub use member::Member;

use super::sampling::{Selection, is_few};
use super::{Collection, Encoding, Type};
use crate::encoding::hash::hash;
use crate::encoding::hashtable::HashTable;
use crate::encoding::intset::Intset;
use crate::encoding::listpack::Listpack;
use crate::encoding::number::{i64_text_len, parse_i64};
use fastrand::Rng;
use smallvec::SmallVec;
use std::collections::HashSet;
use std::ptr::NonNull;

/// The limits of an intset and of a listpack: `set-max-intset-entries`, `set-max-listpack-entries`
/// and `set-max-listpack-value`.
#[derive(Clone, Copy, Debug)]
pub struct SetLimits {
    /// Members of an intset.
    pub integers: usize,
    /// Members of a listpack.
    pub members: usize,
    /// Bytes of a listpack's member.
    pub text_bytes: usize,
}

/// A set.
#[derive(Clone)]
pub enum Set {
    Intset(Intset),
    Listpack(Listpack),
    Table(Box<HashTable<Member>>),
}

/// A member, borrowed. Equal members may look different: compare their bytes.
#[derive(Clone, Copy, Debug)]
pub enum MemberRef<'a> {
    Integer(i64),
    Text(&'a [u8]),
}

impl<'a> MemberRef<'a> {
    /// The text; that of an integer is written into `digits` first.
    #[inline]
    pub fn bytes<'b>(self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            MemberRef::Integer(n) => digits.format(n).as_bytes(),
            MemberRef::Text(text) => text,
        }
    }

    /// The integer whose canonical form the text is.
    #[inline]
    fn integer(self) -> Option<i64> {
        match self {
            MemberRef::Integer(n) => Some(n),
            MemberRef::Text(text) => parse_i64(text),
        }
    }
}

/// Some members and their hashes, looked up in tables together: the time that one member's lines of
/// memory take to arrive is hidden behind the others'.
type Batch<'m> = SmallVec<[(MemberRef<'m>, u64); BATCH]>;

/// A few more than the cache misses that a core can have under way.
const BATCH: usize = 32;

/// Puts the next members in the place of those in `batch`; false at the end.
#[inline]
fn next_batch<'m>(batch: &mut Batch<'m>, members: &mut impl Iterator<Item = MemberRef<'m>>) -> bool {
    batch.clear();
    let hashed = |member: MemberRef<'m>| (member, hash(member.bytes(&mut itoa::Buffer::new())));
    batch.extend(members.take(BATCH).map(hashed));
    !batch.is_empty()
}

fn prefetch(table: &HashTable<Member>, batch: &Batch) {
    if batch.len() > 1 {
        batch.iter().for_each(|&(_, hash)| table.prefetch_bucket(hash));
        batch.iter().for_each(|&(_, hash)| table.prefetch_element(hash));
    }
}

impl Set {
    /// An empty set that is about to get `members` members, one of which is `first`.
    pub fn with_capacity(members: usize, first: &[u8], limits: SetLimits) -> Set {
        if members <= limits.integers && parse_i64(first).is_some() {
            Set::Intset(Intset::new())
        } else if members <= limits.members {
            Set::Listpack(Listpack::new())
        } else {
            Set::Table(Box::new(HashTable::with_capacity(members)))
        }
    }

    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Set::Intset(integers) => integers.len(),
            Set::Listpack(texts) => texts.len(),
            Set::Table(table) => table.len(),
        }
    }

    /// The slots of the table, if it is one: see [`HashTable::slots`].
    pub fn table_slots(&self) -> Option<(usize, Option<usize>)> {
        match self {
            Set::Table(table) => Some(table.slots()),
            _ => None,
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub fn contains(&self, member: MemberRef) -> bool {
        match self {
            Set::Intset(integers) => member.integer().is_some_and(|n| integers.contains(n)),
            Set::Listpack(texts) => texts.find(member.bytes(&mut itoa::Buffer::new()), 1, 0).is_some(),
            Set::Table(table) => table.get(member.bytes(&mut itoa::Buffer::new())).is_some(),
        }
    }

    /// [`Self::contains`] for a caller that has the hash already.
    #[inline]
    fn contains_hashed(&self, member: MemberRef, hash: u64) -> bool {
        match self {
            Set::Table(table) => table.get_hashed(hash, member.bytes(&mut itoa::Buffer::new())).is_some(),
            _ => self.contains(member),
        }
    }

    /// Calls `visit` for each of `members`, in order, with whether the set contains it.
    pub fn contains_each<'m>(&self, mut members: impl Iterator<Item = MemberRef<'m>>, mut visit: impl FnMut(bool)) {
        match self {
            Set::Table(table) => {
                let mut batch = Batch::new();
                while next_batch(&mut batch, &mut members) {
                    prefetch(table, &batch);
                    batch.iter().for_each(|&(member, hash)| visit(self.contains_hashed(member, hash)));
                }
            }
            _ => members.for_each(|member| visit(self.contains(member))),
        }
    }

    /// Adds a member; true if it is new.
    #[inline]
    pub fn insert(&mut self, member: MemberRef, limits: SetLimits) -> bool {
        let mut digits = itoa::Buffer::new();
        if let Set::Table(table) = self {
            let text = member.bytes(&mut digits);
            return insert_hashed(table, text, hash(text));
        }
        self.insert_small(member, limits)
    }

    /// [`Self::insert`] into a set that is no table yet.
    fn insert_small(&mut self, member: MemberRef, limits: SetLimits) -> bool {
        let mut digits = itoa::Buffer::new();
        let text = member.bytes(&mut digits);
        match self {
            Set::Intset(integers) => {
                if let Some(n) = member.integer() {
                    let is_new = integers.insert(n);
                    if is_new && integers.len() > limits.integers.min(Intset::LEN_MAX - 1) {
                        self.table_mut(0);
                    }
                    return is_new;
                }
                // The longest is the least or the greatest.
                let ends = [integers.get(0), integers.iter().next_back()];
                let longest = ends.into_iter().flatten().map(i64_text_len).max().unwrap_or(0);
                if integers.len() < limits.members && text.len().max(longest) <= limits.text_bytes {
                    let mut texts = Listpack::with_capacity(integers.len() + 1, integers.len() * longest + text.len());
                    integers.iter().for_each(|n| texts.push(itoa::Buffer::new().format(n).as_bytes()));
                    texts.push(text);
                    *self = Set::Listpack(texts);
                    return true;
                }
            }
            Set::Listpack(texts) => {
                if texts.find(text, 1, 0).is_some() {
                    return false;
                }
                if texts.len() < limits.members && text.len() <= limits.text_bytes && texts.fits(1, text.len()) {
                    texts.push(text);
                    return true;
                }
            }
            Set::Table(_) => (),
        }
        insert_hashed(self.table_mut(1), text, hash(text))
    }

    /// Adds members; gives the number of new ones.
    pub fn insert_all<'m>(&mut self, mut members: impl Iterator<Item = MemberRef<'m>>, limits: SetLimits) -> usize {
        let mut inserted = 0;
        while !matches!(self, Set::Table(_)) {
            let Some(member) = members.next() else { return inserted };
            inserted += self.insert_small(member, limits) as usize;
        }
        let table = self.table_mut(0);
        let mut batch = Batch::new();
        while next_batch(&mut batch, &mut members) {
            prefetch(table, &batch);
            for &(member, hash) in &batch {
                inserted += insert_hashed(table, member.bytes(&mut itoa::Buffer::new()), hash) as usize;
            }
        }
        inserted
    }

    /// Prepares for up to `members` new members.
    ///
    /// COMPAT: if that many could exceed the limit, the set becomes a table, even if it turns out
    /// that the same member was meant repeatedly.
    pub fn prepare_for(&mut self, members: usize, limits: SetLimits) {
        let limit = match self {
            Set::Intset(_) => limits.integers,
            Set::Listpack(_) => limits.members,
            Set::Table(_) => return,
        };
        if members > limit {
            self.table_mut(members);
        }
    }

    /// The table, which a smaller encoding becomes first, with room for `members` more members.
    fn table_mut(&mut self, members: usize) -> &mut HashTable<Member> {
        if !matches!(self, Set::Table(_)) {
            let mut table = HashTable::with_capacity(self.len() + members);
            let mut digits = itoa::Buffer::new();
            self.iter().for_each(|member| table.insert_new(Member::new(member.bytes(&mut digits))));
            *self = Set::Table(Box::new(table));
        }
        match self {
            Set::Table(table) => table,
            _ => unreachable!("just converted"),
        }
    }

    /// Removes a member; true if it was there.
    pub fn remove(&mut self, member: MemberRef) -> bool {
        let mut digits = itoa::Buffer::new();
        match self {
            Set::Intset(integers) => member.integer().is_some_and(|n| integers.remove(n)),
            Set::Listpack(texts) => {
                let found = texts.find(member.bytes(&mut digits), 1, 0);
                found.map(|index| texts.remove(index)).is_some()
            }
            Set::Table(table) => table.remove(member.bytes(&mut digits)).is_some(),
        }
    }

    /// Removes members; gives the number of those that were there.
    pub fn remove_all<'m>(&mut self, mut members: impl Iterator<Item = MemberRef<'m>>) -> usize {
        let Set::Table(table) = self else { return members.filter(|&member| self.remove(member)).count() };
        let (mut removed, mut batch) = (0, Batch::new());
        while next_batch(&mut batch, &mut members) {
            prefetch(table, &batch);
            for &(member, hash) in &batch {
                removed += table.remove_hashed(hash, member.bytes(&mut itoa::Buffer::new())).is_some() as usize;
            }
        }
        removed
    }

    /// All members: integers in ascending order, those of a listpack in the order they came in.
    pub fn iter(&self) -> impl Iterator<Item = MemberRef<'_>> {
        let (integers, texts, table) = match self {
            Set::Intset(integers) => (Some(integers), None, None),
            Set::Listpack(texts) => (None, Some(texts), None),
            Set::Table(table) => (None, None, Some(table)),
        };
        let integers = integers.into_iter().flat_map(Intset::iter).map(MemberRef::Integer);
        let texts = texts.into_iter().flat_map(Listpack::iter);
        let table = table.into_iter().flat_map(|table| table.iter()).map(Member::text_in);
        integers.chain(texts.chain(table).map(MemberRef::Text))
    }

    /// Calls `visit` for about `count` members from `cursor` on; gives the cursor to go on with, 0 at
    /// the end. Every member that is there throughout is visited. All but a table are visited at once.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(MemberRef)) -> u64 {
        match self {
            Set::Table(table) => table.scan_at_least(cursor, count, |member| visit(MemberRef::Text(member.text()))),
            _ => {
                self.iter().for_each(visit);
                0
            }
        }
    }

    /// A random member; all are equally likely.
    pub fn random(&self, rng: &mut Rng) -> Option<MemberRef<'_>> {
        if self.is_empty() {
            return None;
        }
        match self {
            Set::Intset(integers) => integers.get(rng.usize(..integers.len())).map(MemberRef::Integer),
            Set::Listpack(texts) => texts.get(rng.usize(..texts.len())).map(MemberRef::Text),
            Set::Table(table) => table.random(|| rng.u64(..)).map(|member| MemberRef::Text(Member::text_in(member))),
        }
    }

    /// Calls `visit` for `count` different members at random (all of them, if there are fewer), each
    /// choice of that many being equally likely.
    pub fn sample<'a>(&'a self, count: usize, rng: &mut Rng, mut visit: impl FnMut(MemberRef<'a>)) {
        if let Set::Table(table) = self
            && is_few(count, table.len())
        {
            let mut picked = HashSet::with_capacity(count);
            while picked.len() < count {
                let text = Member::text_in(table.random(|| rng.u64(..)).expect("more than are wanted"));
                if picked.insert(text) {
                    visit(MemberRef::Text(text));
                }
            }
            return;
        }
        let mut selection = Selection::new(count, self.len());
        self.iter().filter(|_| selection.takes_next(rng)).for_each(visit);
    }

    /// Removes a random member, all being equally likely, and passes it to `visit` first. False if there
    /// is none.
    pub fn pop(&mut self, rng: &mut Rng, visit: impl FnOnce(&[u8])) -> bool {
        if self.is_empty() {
            return false;
        }
        match self {
            Set::Intset(integers) => {
                let n = integers.get(rng.usize(..integers.len())).expect("below the length");
                visit(itoa::Buffer::new().format(n).as_bytes());
                integers.remove(n);
            }
            Set::Listpack(texts) => {
                let index = rng.usize(..texts.len());
                visit(texts.get(index).expect("below the length"));
                texts.remove(index);
            }
            Set::Table(table) => visit(table.remove_random(|| rng.u64(..)).expect("it is not empty").text()),
        }
        true
    }

    /// Removes `count` random members, of which there must be more, each choice of that many being as
    /// likely as any other.
    ///
    /// COMPAT: where nearly all members of a table go, those that stay make a new set, and its
    /// encoding is chosen anew.
    pub fn pop_many(&mut self, count: usize, rng: &mut Rng, limits: SetLimits) -> Vec<Member> {
        /// More members go than this for each one that stays.
        const GONE_PER_LEFT: usize = 5;
        let left = self.len() - count;
        let mut popped = Vec::with_capacity(count);
        if let Set::Table(table) = self {
            let mut remove = || table.remove_random(|| rng.u64(..)).expect("more than are wanted");
            if left.saturating_mul(GONE_PER_LEFT) > count {
                popped.extend((0..count).map(|_| remove()));
                return popped;
            }
            let mut rest = Set::Listpack(Listpack::new());
            (0..left).for_each(|_| assert!(rest.insert(MemberRef::Text(remove().text()), limits)));
            table.drain(|member| popped.push(member));
            *self = rest;
            return popped;
        }
        let mut selection = Selection::new(count, self.len());
        let mut goes = |text: &[u8]| {
            let goes = selection.takes_next(rng);
            if goes {
                popped.push(Member::new(text));
            }
            goes
        };
        match self {
            Set::Intset(integers) => integers.retain(|n| !goes(itoa::Buffer::new().format(n).as_bytes())),
            Set::Listpack(texts) => {
                let mut rest = Listpack::new();
                texts.iter().filter(|text| !goes(text)).for_each(|text| rest.push(text));
                *texts = rest;
            }
            Set::Table(_) => unreachable!("done above"),
        }
        popped
    }

    /// Prefetches what `hash` may find, in two stages: see [`HashTable::prefetch_bucket`].
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        if let Set::Table(table) = self {
            table.prefetch_bucket(hash);
        }
    }

    #[inline]
    pub fn prefetch_element(&self, hash: u64) {
        if let Set::Table(table) = self {
            table.prefetch_element(hash);
        }
    }
}

impl Default for Set {
    fn default() -> Self {
        Set::Intset(Intset::new())
    }
}

/// Adds a member to a table; true if it is new.
#[inline]
fn insert_hashed(table: &mut HashTable<Member>, text: &[u8], hash: u64) -> bool {
    let is_new = table.get_hashed(hash, text).is_none();
    if is_new {
        table.insert_new_hashed(hash, Member::new(text));
    }
    is_new
}

// SAFETY: each encoding goes with its kind of pointer, and only sets have these encodings.
unsafe impl Collection for Set {
    const TYPE: Type = Type::Set;

    #[inline]
    fn into_raw(self) -> (Encoding, NonNull<u8>) {
        match self {
            Set::Intset(integers) => (Encoding::SetIntset, integers.into_raw()),
            Set::Listpack(texts) => (Encoding::SetListpack, texts.into_raw()),
            Set::Table(table) => (Encoding::SetTable, NonNull::from(Box::leak(table)).cast()),
        }
    }

    #[inline]
    unsafe fn from_raw(encoding: Encoding, pointer: NonNull<u8>) -> Self {
        // SAFETY: by the contract the pointer came from `into_raw` above, with this encoding.
        unsafe {
            match encoding {
                Encoding::SetIntset => Set::Intset(Intset::from_raw(pointer)),
                Encoding::SetListpack => Set::Listpack(Listpack::from_raw(pointer)),
                Encoding::SetTable => Set::Table(Box::from_raw(pointer.as_ptr().cast())),
                _ => unreachable!("not a set's encoding"),
            }
        }
    }

    fn free_effort(&self) -> usize {
        match self {
            Set::Intset(_) | Set::Listpack(_) => 1,
            Set::Table(table) => table.len(),
        }
    }

    fn memory_usage(&self) -> usize {
        match self {
            Set::Intset(integers) => integers.bytes(),
            Set::Listpack(texts) => texts.bytes(),
            Set::Table(table) => size_of::<HashTable<Member>>() + table.memory_usage(|member| member.allocated()),
        }
    }
}

#[cfg(test)]
mod tests;
