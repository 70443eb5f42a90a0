//! Bringing what a request will look at towards the cache, step by step, while other requests of its
//! batch are looked at: the key's bucket, its entry; where the entry holds a large collection the
//! member's bucket, the member, and its places in the order of a sorted set.

use super::{Entry, Keyspace};
use crate::encoding::hashtable::Ref;
use crate::types::Encoding;
use crate::types::hash::Hash;
use crate::types::set::Set;
use crate::types::zset::ZSet;

impl Keyspace {
    #[inline]
    pub fn prefetch_bucket(&self, db: usize, hash: u64) {
        self.dbs[db].table.prefetch_bucket(hash);
    }

    /// Some time after [`Self::prefetch_bucket`].
    #[inline]
    pub fn prefetch_entry(&self, db: usize, hash: u64) {
        self.dbs[db].table.prefetch_element(hash);
    }

    /// The entry at `key`, for prefetching within it: nothing is counted, and it may have expired.
    #[inline]
    pub fn entry_to_prefetch(&self, db: usize, hash: u64, key: &[u8]) -> Option<Ref<'_, Entry>> {
        self.dbs[db].table.get_hashed(hash, key)
    }
}

impl Entry {
    /// Whether the value is a table of members that are worth prefetching.
    #[inline]
    pub fn has_members_to_prefetch(&self) -> bool {
        matches!(self.encoding(), Encoding::SetTable | Encoding::ZSetTable | Encoding::HashTable)
    }

    #[inline]
    pub fn prefetch_member_bucket(&self, hash: u64) {
        if let Some(set) = self.collection::<Set>() {
            set.prefetch_bucket(hash);
        } else if let Some(zset) = self.collection::<ZSet>() {
            zset.prefetch_bucket(hash);
        } else if let Some(fields) = self.collection::<Hash>() {
            fields.prefetch_bucket(hash);
        }
    }

    /// Some time after [`Self::prefetch_member_bucket`].
    #[inline]
    pub fn prefetch_member(&self, hash: u64) {
        if let Some(set) = self.collection::<Set>() {
            set.prefetch_element(hash);
        } else if let Some(zset) = self.collection::<ZSet>() {
            zset.prefetch_element(hash);
        } else if let Some(fields) = self.collection::<Hash>() {
            fields.prefetch_element(hash);
        }
    }

    /// For a member of a sorted set that is about to get this score; some time after
    /// [`Self::prefetch_member`].
    #[inline]
    pub fn prefetch_places(&self, hash: u64, score: f64) {
        if let Some(zset) = self.collection::<ZSet>() {
            zset.prefetch_places(hash, score);
        }
    }
}
