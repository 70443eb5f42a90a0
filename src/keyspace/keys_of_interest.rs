//! Keys that clients wait for or watch. The keyspace does not know these clients; it leaves word in
//! [`Effects`](super::Effects) when something happens to one of them.

use super::Keyspace;
use super::effects::ChangedKey;
use std::collections::HashSet;

/// A set of keys, by database. They stay with the number of a database when databases are swapped.
#[derive(Default)]
pub struct KeySet {
    by_db: Vec<HashSet<Box<[u8]>>>,
    len: usize,
}

impl KeySet {
    pub fn insert(&mut self, db: usize, key: &[u8]) {
        if self.by_db.len() <= db {
            self.by_db.resize_with(db + 1, HashSet::new);
        }
        self.len += self.by_db[db].insert(key.into()) as usize;
    }

    pub fn remove(&mut self, db: usize, key: &[u8]) {
        self.len -= self.by_db[db].remove(key) as usize;
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn contains(&self, db: usize, key: &[u8]) -> bool {
        self.by_db.get(db).is_some_and(|keys| keys.contains(key))
    }

    fn of_db(&self, db: usize) -> impl Iterator<Item = &[u8]> {
        self.by_db.get(db).into_iter().flatten().map(|key| &key[..])
    }
}

impl Keyspace {
    /// Says that `key` of the selected database has something new for blocked clients, or is gone. Creating a
    /// key says so by itself.
    #[inline]
    pub fn made_ready(&mut self, key: &[u8]) {
        if !self.awaited.is_empty() {
            self.tell_if_awaited(key);
        }
    }

    #[cold]
    fn tell_if_awaited(&mut self, key: &[u8]) {
        if self.awaited.contains(self.selected, key) {
            self.effects.ready.push_back((self.selected, key.into()));
        }
    }

    /// Tells that `key` of the selected database changed.
    #[inline]
    pub fn signal_modified(&mut self, key: &[u8]) {
        if self.tells_changes | !self.watched.is_empty() {
            self.record_modified(key, true);
        }
    }

    #[cold]
    fn record_modified(&mut self, key: &[u8], by_command: bool) {
        if self.tells_changes {
            self.effects.tracked_changes.push(ChangedKey { key: key.into(), by_command });
        }
        if self.watched.contains(self.selected, key) {
            self.effects.watched_changes.push((self.selected, key.into()));
        }
    }

    /// `key` of the selected database comes or goes.
    #[inline]
    pub(super) fn added_or_deleted(&mut self, key: &[u8]) {
        self.made_ready(key);
        self.signal_modified(key);
    }

    /// As [`Self::added_or_deleted`] for a key that goes by itself.
    pub(super) fn expired_or_evicted(&mut self, key: &[u8]) {
        self.made_ready(key);
        if self.tells_changes | !self.watched.is_empty() {
            self.record_modified(key, false);
        }
    }

    /// The keys of database `db` are about to be replaced by those of `other`, or deleted.
    pub(super) fn database_replaced(&mut self, db: usize, other: Option<usize>) {
        self.effects.ready.extend(self.awaited.of_db(db).map(|key| (db, key.into())));
        let is_in = |db: usize, key: &[u8]| {
            let entry = self.dbs[db].table().get(key);
            entry.is_some_and(|entry| self.is_live(&entry))
        };
        let changed =
            self.watched.of_db(db).filter(|key| is_in(db, key) || other.is_some_and(|other| is_in(other, key)));
        let changed: Vec<_> = changed.map(|key| (db, key.into())).collect();
        self.effects.watched_changes.extend(changed);
    }
}
