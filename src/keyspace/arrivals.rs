//! Keys of a data set that is loaded: put in one after the other, none of them by a command. They wait
//! some moments until their buckets are in the cache: nearly all of the time that putting one in takes is
//! waiting for memory.

use super::{Entry, Keyspace};
use crate::encoding::hash::hash;

/// As many misses of the cache as a core can have under way, and some more.
const WAITING_MAX: usize = 32;

/// A key that arrived is there already.
#[derive(Debug, PartialEq, Eq)]
pub struct AlreadyThere;

/// Keys on their way into one database, with their hashes. None may be left when this is dropped: see
/// [`Keyspace::settle`].
#[derive(Default)]
pub struct Arrivals(Vec<(u64, Entry)>);

impl Keyspace {
    /// The selected database is about to get this many keys. Does nothing for one that has keys.
    pub fn reserve_keys(&mut self, count: usize) {
        self.db_mut().table.reserve_if_empty(count);
    }

    /// A key for the selected database, which has to be the same for all that wait. `replace`: it
    /// takes the place of any that is there. Watchers and waiters hear of it, but there is no event.
    #[inline]
    pub fn arrive(&mut self, entry: Entry, replace: bool, arrivals: &mut Arrivals) -> Result<(), AlreadyThere> {
        let hash = hash(entry.key());
        self.db().table.prefetch_bucket(hash);
        arrivals.0.push((hash, entry));
        if arrivals.0.len() < WAITING_MAX { Ok(()) } else { self.settle(replace, arrivals) }
    }

    /// Puts in all that wait.
    pub fn settle(&mut self, replace: bool, arrivals: &mut Arrivals) -> Result<(), AlreadyThere> {
        let now_ms = self.now_ms;
        for (hash, entry) in arrivals.0.drain(..) {
            if self.db().table.find(hash, entry.key()).is_some() {
                if !replace {
                    return Err(AlreadyThere);
                }
                self.db_mut().take(hash, entry.key());
            }
            self.added_or_deleted(entry.key());
            self.db_mut().insert_new(hash, entry, now_ms);
        }
        Ok(())
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        debug_assert!(self.0.is_empty() || std::thread::panicking(), "keys were forgotten");
    }
}
