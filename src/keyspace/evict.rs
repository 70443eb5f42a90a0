//! Choosing the keys that go when there are too many: a few are looked at, and the best candidates
//! of these and of earlier looks go first.

use super::access::AccessClock;
use super::{Db, Entry, EventClass, Garbage, Keyspace};
use crate::encoding::hash::hash;

/// Which keys go first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rank {
    /// Those that were not used for longest.
    LeastRecent,
    LeastFrequent,
    /// Those that expire soonest.
    SoonestExpiry,
    Random,
}

/// `maxmemory-policy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EvictionPolicy {
    pub rank: Rank,
    /// Only keys that expire may go.
    pub volatile_only: bool,
}

/// A key that went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Evicted {
    pub bytes: usize,
    /// They are free only when the helper thread has come to it.
    pub later: bool,
}

/// A key that may go.
struct Candidate {
    /// The higher, the sooner it goes.
    score: u64,
    db: usize,
    hash: u64,
}

/// The best candidates met so far, the best last. Some may have gone or been used since.
#[derive(Default)]
pub struct EvictionPool(Vec<Candidate>);

/// More would be remembered for longer than they are good candidates.
const POOL: usize = 16;

impl EvictionPool {
    /// What was learnt under another policy says nothing under this one.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn offer(&mut self, score: u64, db: usize, hash: impl FnOnce() -> u64) {
        let at = self.0.partition_point(|candidate| candidate.score < score);
        if self.0.len() < POOL {
            self.0.insert(at, Candidate { score, db, hash: hash() });
        } else if at > 0 {
            self.0[..at].rotate_left(1);
            self.0[at - 1] = Candidate { score, db, hash: hash() };
        }
    }
}

impl EvictionPolicy {
    fn may_go(&self, entry: &Entry) -> bool {
        !self.volatile_only || entry.expire_at().is_some()
    }

    fn score(&self, entry: &Entry, clock: &AccessClock) -> u64 {
        match self.rank {
            Rank::LeastRecent => clock.idle_seconds_of(entry.clock()) as u64,
            Rank::LeastFrequent => (u8::MAX - clock.frequency_of(entry.clock())) as u64,
            Rank::SoonestExpiry => u64::MAX - entry.expire_at().unwrap_or(i64::MAX).max(0) as u64,
            Rank::Random => 0,
        }
    }
}

impl Keyspace {
    /// Deletes the best candidate; None if no key may go.
    pub fn evict(&mut self, policy: EvictionPolicy, samples: usize, lazy: bool) -> Option<Evicted> {
        loop {
            let (db, hash) = match policy.rank {
                Rank::Random => self.any_key(policy)?,
                _ => self.best_key(policy, samples)?,
            };
            // Keys that share these 48 bits cannot be told apart here; any of them will do.
            let entry = self.dbs[db].table.find_by_position(hash >> 16, |entry| policy.may_go(entry));
            if let Some(key) = entry.map(|entry| entry.key().to_vec()) {
                return self.in_db(db, |keyspace| keyspace.evict_key(&key, lazy));
            }
        }
    }

    fn evict_key(&mut self, key: &[u8], lazy: bool) -> Option<Evicted> {
        let entry = self.db_mut().take(hash(key), key)?;
        self.expired_or_evicted(key);
        let evicted = Evicted { bytes: entry.memory_usage(), later: lazy && entry.is_costly_to_free() };
        if evicted.later {
            self.lazy_free.push(Garbage::Entry(entry));
        }
        self.stats.evicted += 1;
        let delete: &[u8] = if lazy { b"UNLINK" } else { b"DEL" };
        self.effects.deleted.push(self.selected, &[delete, key]);
        self.effects.deleted_apart = true;
        self.effects.notify(EventClass::EVICTED, "evicted", self.selected, key);
        Some(evicted)
    }

    /// The database and the hash of the best candidate, which may have gone since it was seen.
    fn best_key(&mut self, policy: EvictionPolicy, samples: usize) -> Option<(usize, u64)> {
        let Keyspace { dbs, access, rng, evictable, .. } = self;
        for (number, db) in dbs.iter().enumerate() {
            sample(db, policy, samples, rng, |entry| {
                evictable.offer(policy.score(entry, access), number, || hash(entry.key()));
            });
        }
        evictable.0.pop().map(|Candidate { db, hash, .. }| (db, hash))
    }

    /// Some key: each database is as likely as another.
    fn any_key(&mut self, policy: EvictionPolicy) -> Option<(usize, u64)> {
        let count = self.dbs.len();
        let first = self.rng.usize(..count);
        (first..first + count).map(|db| db % count).find_map(|db| {
            let mut found = None;
            sample(&self.dbs[db], policy, 1, &mut self.rng, |entry| found = Some(hash(entry.key())));
            Some((db, found?))
        })
    }
}

/// Visits up to `samples` keys of a database that may go, and at least one if there is any.
fn sample(db: &Db, policy: EvictionPolicy, samples: usize, rng: &mut fastrand::Rng, mut visit: impl FnMut(&Entry)) {
    /// Where fewer of all keys expire than one in this many, they are looked for by their times.
    const VOLATILE_MIN: usize = 4;
    let may_go = if policy.volatile_only { db.volatile() } else { db.len() };
    if may_go == 0 {
        return;
    }
    if may_go * VOLATILE_MIN < db.len() {
        return db.sample_volatile(samples, rng, visit);
    }
    let mut seen = 0;
    let mut visit_some = |entry: &Entry| {
        if seen < samples && policy.may_go(entry) {
            seen += 1;
            visit(entry);
        }
    };
    // Neighbours in the table are no more alike than others.
    db.table.scan_at_least(rng.u64(..), samples * db.len().div_ceil(may_go), &mut visit_some);
    if seen == 0 {
        let mut others = std::iter::from_fn(|| db.table.random(|| rng.u64(..)));
        visit(&others.find(|entry| policy.may_go(entry)).expect("there is one"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::string::NewString;
    use proptest::prelude::*;

    fn keyspace(keys: usize, volatile_one_in: usize) -> Keyspace {
        let mut keyspace = Keyspace::new(3, 7);
        for key in 0..keys {
            keyspace.select(key % 2);
            let expiry = if key % volatile_one_in == 0 {
                super::super::NewExpiry::At(1_000_000 + key as i64)
            } else {
                super::super::NewExpiry::None
            };
            keyspace.access.set_time(key as i64 * 1000);
            keyspace.set_string(key.to_string().as_bytes(), NewString::Raw(b"x"), expiry);
        }
        keyspace
    }

    proptest! {
        /// All that may go goes, one by one, and nothing else.
        #[test]
        fn all_that_may_go_goes(
            keys in 0..400usize,
            one_in in 1..40usize,
            volatile_only in any::<bool>(),
            samples in 1..8usize,
            rank in prop_oneof![Just(Rank::LeastRecent), Just(Rank::LeastFrequent), Just(Rank::SoonestExpiry), Just(Rank::Random)],
        ) {
            let mut keyspace = keyspace(keys, one_in);
            let policy = EvictionPolicy { rank, volatile_only };
            let volatile: usize = keyspace.dbs().iter().map(Db::volatile).sum();
            let may_go = if volatile_only { volatile } else { keys };
            for left in (0..may_go).rev() {
                prop_assert!(keyspace.evict(policy, samples, false).is_some_and(|evicted| !evicted.later));
                let there: usize = keyspace.dbs().iter().map(Db::len).sum();
                prop_assert_eq!(there, keys - may_go + left);
            }
            prop_assert_eq!(keyspace.evict(policy, samples, false), None);
            prop_assert_eq!(keyspace.stats.evicted as usize, may_go);
        }
    }

    /// Of 2000 keys, those that go first are mostly of the half that was not used for longest.
    #[test]
    fn old_keys_go_first() {
        let mut keyspace = keyspace(2000, 1);
        let policy = EvictionPolicy { rank: Rank::LeastRecent, volatile_only: false };
        (0..500).for_each(|_| assert!(keyspace.evict(policy, 5, false).is_some()));
        keyspace.now_ms = 0;
        let young = (1000..2000).filter(|key: &usize| {
            keyspace.select(key % 2);
            keyspace.get(key.to_string().as_bytes()).is_some()
        });
        assert!(young.count() > 970);
    }
}
