//! One database: its keys, and the index of those that expire.

use super::entry::Entry;
use crate::encoding::due_index::DueIndex;
use crate::encoding::hashtable::HashTable;

/// The keys are in `table`; every key with an expiry is also in `due`, by its hash. Only this file
/// changes an expiry or takes an entry out of the table, so the two agree.
#[derive(Default)]
pub struct Db {
    pub(super) table: HashTable<Entry>,
    due: Option<Box<DueIndex>>,
    volatile: usize,
    /// The sum of all expiry times, for INFO's average.
    expiry_sum: i128,
}

/// What the due index keeps of a key's hash.
fn hash48(hash: u64) -> u64 {
    hash >> 16
}

/// The due index has no negative times; what expired before 1970 expired.
fn due(expire_at: i64) -> u64 {
    expire_at.max(0) as u64
}

impl Db {
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Keys with an expiry.
    pub fn volatile(&self) -> usize {
        self.volatile
    }

    /// The mean time to live of the keys with an expiry, in milliseconds.
    pub fn average_ttl(&self, now_ms: i64) -> i64 {
        match self.volatile {
            0 => 0,
            n => ((self.expiry_sum / n as i128) as i64 - now_ms).max(0),
        }
    }

    /// Bytes of the index of those keys.
    pub fn volatile_bytes(&self) -> usize {
        self.due.as_ref().map_or(0, |index| index.bytes())
    }

    /// To look at and to prefetch from; entries go in and out by the methods below.
    pub fn table(&self) -> &HashTable<Entry> {
        &self.table
    }

    /// Moves up to `buckets` buckets of a rehash; true if there are more.
    pub fn step_rehash(&mut self, buckets: usize) -> bool {
        self.table.step(buckets);
        self.table.is_rehashing()
    }

    /// Adds an entry whose key is not there yet.
    pub(super) fn insert_new(&mut self, hash: u64, entry: Entry, now_ms: i64) {
        if let Some(expire_at) = entry.expire_at() {
            self.index(hash, expire_at, now_ms);
        }
        self.table.insert_new_hashed(hash, entry);
    }

    pub(super) fn take(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        let entry = self.table.remove_hashed(hash, key)?;
        if let Some(expire_at) = entry.expire_at() {
            self.no_longer_expires(expire_at);
            self.forget(expire_at);
        }
        Some(entry)
    }

    /// As [`Self::take`] for a key whose item of the index was just popped.
    pub(super) fn take_popped(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        let entry = self.table.remove_hashed(hash, key)?;
        if let Some(expire_at) = entry.expire_at() {
            self.no_longer_expires(expire_at);
        }
        Some(entry)
    }

    /// Sets, changes or removes the expiry of a key; false if there is no such key.
    pub(super) fn set_expire_at(&mut self, hash: u64, key: &[u8], expire_at: Option<i64>, now_ms: i64) -> bool {
        let Some(mut entry) = self.table.get_mut_hashed(hash, key) else { return false };
        let before = entry.expire_at();
        if before != expire_at {
            entry.set_expire_at(expire_at);
            drop(entry);
            if let Some(before) = before {
                self.no_longer_expires(before);
                self.forget(before);
            }
            if let Some(expire_at) = expire_at {
                self.index(hash, expire_at, now_ms);
            }
        }
        true
    }

    fn index(&mut self, hash: u64, expire_at: i64, now_ms: i64) {
        self.volatile += 1;
        self.expiry_sum += expire_at as i128;
        let index = self.due.get_or_insert_with(|| Box::new(DueIndex::new(due(now_ms))));
        index.insert(due(expire_at), hash48(hash));
    }

    /// Counts a key less that expires.
    fn no_longer_expires(&mut self, expire_at: i64) {
        self.volatile -= 1;
        self.expiry_sum -= expire_at as i128;
        if self.volatile == 0 {
            self.due = None;
        }
    }

    /// Tells the index that one of its items no longer means anything.
    fn forget(&mut self, expire_at: i64) {
        if let Some(index) = &mut self.due {
            let table = &self.table;
            index.forget(due(expire_at), |at, hash48| is_due_at(table, at, hash48));
        }
    }

    /// The next item of the index that is due at `now_ms`: its time and what the index keeps of the
    /// key's hash. It may be stale, and it may stand for several keys; see [`Self::key_due_at`]. None
    /// if there are no more or `budget` was used up.
    pub(super) fn pop_due(&mut self, now_ms: i64, budget: usize) -> Option<(u64, u64)> {
        self.due.as_mut()?.pop_due(due(now_ms), budget)
    }

    /// A key that such an item stands for.
    pub(super) fn key_due_at(&self, (at, hash48): (u64, u64)) -> Option<Vec<u8>> {
        let entry = self.table.find_by_position(hash48, |e| e.expire_at().is_some_and(|t| due(t) == at))?;
        Some(entry.key().to_vec())
    }

    /// Visits up to `samples` random keys with an expiry, and at least one if there is any.
    pub(super) fn sample_volatile(&self, samples: usize, rng: &mut fastrand::Rng, mut visit: impl FnMut(&Entry)) {
        /// Items of the index may be stale: this many are tried for each key.
        const TRIES: usize = 8;
        let Some(index) = &self.due else { return };
        let find = |(at, hash48)| self.table.find_by_position(hash48, |e| e.expire_at().is_some_and(|t| due(t) == at));
        let tried = (0..samples * TRIES).filter_map(|_| find(index.nth(rng.usize(..index.len()))?));
        let mut seen = 0;
        for entry in tried.take(samples) {
            seen += 1;
            visit(&entry);
        }
        if seen == 0
            && let Some(entry) = index.iter().find_map(find)
        {
            visit(&entry);
        }
    }

    /// When to look for due keys again.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.due.as_ref().and_then(|index| index.next_due_ms())
    }
}

fn is_due_at(table: &HashTable<Entry>, at: u64, hash48: u64) -> bool {
    table.find_by_position(hash48, |e| e.expire_at().is_some_and(|t| due(t) == at)).is_some()
}
