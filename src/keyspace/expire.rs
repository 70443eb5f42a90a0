//! Keys whose time has come: deleted when found, and actively in the order of their due times.

use super::{Entry, EventClass, Garbage, Keyspace};

/// What to do about a key that is past its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExpiryMode {
    /// It is gone: delete it and tell.
    Delete,
    /// It is hidden, but not deleted yet: the primary, or the end of a pause, decides when.
    Hide,
    /// It is there: while loading, time stands still.
    Ignore,
}

impl Keyspace {
    #[inline]
    pub(super) fn is_expired(&self, expire_at: i64) -> bool {
        expire_at < self.now_ms && self.expiry_mode != ExpiryMode::Ignore
    }

    /// Deletes a key that a lookup found past its time, if that is ours to do.
    #[cold]
    pub(super) fn found_expired(&mut self, hash: u64, key: &[u8]) {
        if self.expiry_mode == ExpiryMode::Delete {
            let entry = self.dbs[self.selected].take(hash, key);
            self.expired(key, entry);
        }
    }

    /// Tells of a key of the selected database that expired, and frees what was taken out.
    fn expired(&mut self, key: &[u8], entry: Option<Entry>) {
        let selected = self.selected;
        let Some(entry) = entry else { return };
        self.expired_or_evicted(key);
        let lazy = self.options.lazy_expire;
        if lazy && entry.is_costly_to_free() {
            self.lazy_free.push(Garbage::Entry(entry));
        }
        self.stats.expired += 1;
        let delete: &[u8] = if lazy { b"UNLINK" } else { b"DEL" };
        self.effects.deleted.push(selected, &[delete, key]);
        self.effects.notify(EventClass::EXPIRED, "expired", selected, key);
    }

    /// Deletes a key if its time has come, whoever else has a say in that. True if it will not expire
    /// (any more).
    pub fn expire_now(&mut self, key: &[u8]) -> bool {
        let hash = crate::encoding::hash::hash(key);
        let expire_at = self.db().table().get(key).map(|entry| entry.expire_at());
        match expire_at {
            Some(Some(at)) if at < self.now_ms => {
                let entry = self.dbs[self.selected].take(hash, key);
                self.expired(key, entry);
                true
            }
            Some(Some(_)) => false,
            Some(None) | None => true,
        }
    }

    /// Deletes due keys of one database, looking at up to `count` items of its index. Where more are
    /// due, [`Self::next_due_ms`] is not after now.
    pub fn expire_due(&mut self, db: usize, count: usize) {
        if self.expiry_mode != ExpiryMode::Delete {
            return;
        }
        let selected = std::mem::replace(&mut self.selected, db);
        for _ in 0..count {
            // Due means before now, as for lookups: a key lives through its last millisecond.
            let Some(item) = self.dbs[db].pop_due(self.now_ms - 1, count) else { break };
            while let Some(key) = self.dbs[db].key_due_at(item) {
                let entry = self.dbs[db].take_popped(crate::encoding::hash::hash(&key), &key);
                self.expired(&key, entry);
            }
        }
        self.selected = selected;
        self.set_deleted_apart();
    }

    /// When [`Self::expire_due`] has work again, in milliseconds of the Unix epoch.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.dbs.iter().filter_map(|db| db.next_due_ms()).min()
    }
}
