//! Keys that somebody waits for. The keyspace does not know who; it leaves word in
//! [`Effects::ready`](super::Effects) when one of them may have what they wait for.

use super::Keyspace;
use std::collections::HashSet;

/// The keys, by database. They stay with the number of a database when databases are swapped.
#[derive(Default)]
pub(super) struct Awaited {
    by_db: Vec<HashSet<Box<[u8]>>>,
    count: usize,
}

impl Awaited {
    #[inline]
    fn contains(&self, db: usize, key: &[u8]) -> bool {
        self.count > 0 && self.by_db.get(db).is_some_and(|keys| keys.contains(key))
    }
}

impl Keyspace {
    /// From now on it is to be told when `key` of `db` gets a value, loses it, or [`Self::made_ready`].
    pub fn await_key(&mut self, db: usize, key: &[u8]) {
        let awaited = &mut self.awaited;
        if awaited.by_db.len() <= db {
            awaited.by_db.resize_with(db + 1, HashSet::new);
        }
        awaited.count += awaited.by_db[db].insert(key.into()) as usize;
    }

    pub fn no_longer_await_key(&mut self, db: usize, key: &[u8]) {
        let awaited = &mut self.awaited;
        awaited.count -= awaited.by_db[db].remove(key) as usize;
    }

    /// Tells that `key` of the selected database has something new to offer, or is gone. New keys tell
    /// of themselves.
    #[inline]
    pub fn made_ready(&mut self, key: &[u8]) {
        if self.awaited.contains(self.selected, key) {
            self.effects.ready.push_back((self.selected, key.into()));
        }
    }

    /// Any key of a database may be another now.
    pub(super) fn made_all_ready(&mut self, db: usize) {
        if let Some(keys) = self.awaited.by_db.get(db) {
            self.effects.ready.extend(keys.iter().map(|key| (db, key.clone())));
        }
    }
}
