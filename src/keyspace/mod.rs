//! The keyspace: all databases, and what every command does to them.
//!
//! A command works on the selected database. It looks keys up with [`Keyspace::read`] or
//! [`Keyspace::write`] and their typed forms, changes them by the methods here or through the
//! guards these return, and reports each change by [`Keyspace::changed`]. The keyspace calls no other layer:
//! what happened is left in [`Effects`].
//!
//! * `access`  how entries remember their use
//! * `entry`   one key, its value, expiry and access clock, in one allocation
//! * `arrivals` keys of a data set that is loaded
//! * `db`      one database: the table and the index of due times
//! * `digest`  what tests compare data by
//! * `keys_of_interest` keys that clients wait for or watch
//! * `evict`   deleting keys to make room
//! * `expire`  deleting keys whose time has come
//! * `prefetch` what a batch of requests will look at
//! * `string`  strings that are changed in place
//! * `effects` what a command did

mod access;
mod arrivals;
mod db;
mod digest;
mod effects;
mod entry;
mod evict;
mod expire;
mod keys_of_interest;
mod prefetch;
mod string;

pub use access::{AccessClock, Frequency, LastUse};
pub use arrivals::{AlreadyThere, Arrivals};
pub use db::Db;
pub use digest::Digest;
pub use effects::{ChangedKey, Commands, Effects, Event, EventClass, Propagate};
pub use entry::{CollectionMut, CollectionRef, Entry};
pub use evict::{EvictionPolicy, EvictionPool, Rank};
pub use expire::ExpiryMode;
pub use keys_of_interest::KeySet;
pub use string::StringMut;

use crate::encoding::hash::hash;
use crate::encoding::hashtable::{Ref, RefMut, Slot};
use crate::types::Collection;
use crate::types::string::{NewString, StringRef};
use smallvec::SmallVec;

/// The key holds a value of another type than the command is for.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongType;

/// Counters for INFO.
#[derive(Default)]
pub struct KeyspaceStats {
    pub hits: u64,
    pub misses: u64,
    pub expired: u64,
    pub evicted: u64,
}

/// Choices of the configuration that the keyspace needs.
#[derive(Default, Clone)]
pub struct KeyspaceOptions {
    pub lazy_expire: bool,
    pub lazy_server_del: bool,
    pub lazy_user_del: bool,
    pub lazy_user_flush: bool,
}

/// What becomes of a key's expiry when its value is replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewExpiry {
    None,
    Keep,
    /// In milliseconds of the Unix epoch.
    At(i64),
}

pub struct Keyspace {
    dbs: Vec<Db>,
    selected: usize,
    /// Keys that clients wait for.
    pub awaited: KeySet,
    /// Keys that clients watch.
    pub watched: KeySet,
    /// Some client tracks keys: all changed keys are recorded.
    pub tells_changes: bool,
    pub effects: Effects,
    pub stats: KeyspaceStats,
    pub options: KeyspaceOptions,
    pub expiry_mode: ExpiryMode,
    /// The time of the command that runs, in milliseconds of the Unix epoch.
    pub now_ms: i64,
    /// What entries are stamped with when they are made, and when they are looked up.
    pub access: AccessClock,
    /// Lookups leave stamps alone where this is false (CLIENT NO-TOUCH, a live child).
    pub stamps: bool,
    pub rng: fastrand::Rng,
    pub evictable: EvictionPool,
    /// Values to be freed off the loop.
    pub lazy_free: Vec<Garbage>,
    /// The first key of the request that runs and its hash, computed when the request was batched.
    /// The pointer is compared, never followed.
    hint: (*const u8, usize, u64),
}

impl Keyspace {
    pub fn new(databases: usize, seed: u64) -> Keyspace {
        Keyspace {
            dbs: (0..databases).map(|_| Db::default()).collect(),
            selected: 0,
            awaited: KeySet::default(),
            watched: KeySet::default(),
            tells_changes: false,
            effects: Effects::default(),
            stats: KeyspaceStats::default(),
            options: KeyspaceOptions::default(),
            expiry_mode: ExpiryMode::Delete,
            now_ms: 0,
            access: AccessClock::default(),
            evictable: EvictionPool::default(),
            stamps: true,
            rng: fastrand::Rng::with_seed(seed),
            lazy_free: Vec::new(),
            hint: (std::ptr::null(), 0, 0),
        }
    }

    pub fn databases(&self) -> usize {
        self.dbs.len()
    }

    pub fn selected(&self) -> usize {
        self.selected
    }

    #[inline]
    pub fn select(&mut self, db: usize) {
        assert!(db < self.dbs.len());
        self.selected = db;
    }

    /// Runs `f` with another database selected.
    pub fn in_db<R>(&mut self, db: usize, f: impl FnOnce(&mut Keyspace) -> R) -> R {
        assert!(db < self.dbs.len());
        let selected = std::mem::replace(&mut self.selected, db);
        let result = f(self);
        self.selected = selected;
        result
    }

    /// The selected database.
    #[inline]
    pub fn db(&self) -> &Db {
        &self.dbs[self.selected]
    }

    #[inline]
    fn db_mut(&mut self) -> &mut Db {
        &mut self.dbs[self.selected]
    }

    pub fn dbs(&self) -> &[Db] {
        &self.dbs
    }

    /// The hash of `key` was computed before; it is good until the next hint.
    #[inline]
    pub fn hint_hash(&mut self, key: &[u8], hash: u64) {
        self.hint = (key.as_ptr(), key.len(), hash);
    }

    pub fn clear_hint(&mut self) {
        self.hint = (std::ptr::null(), 0, 0);
    }

    #[inline]
    fn hash(&self, key: &[u8]) -> u64 {
        if std::ptr::eq(key.as_ptr(), self.hint.0) && key.len() == self.hint.1 { self.hint.2 } else { hash(key) }
    }

    /// Calls `f` with each key and its index. The keys are brought towards the cache some ahead, so
    /// that `f` finds them there, and are hashed only once.
    pub fn for_each_key<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
        mut f: impl FnMut(&mut Keyspace, usize, &'k [u8]),
    ) {
        /// As many misses of the cache as a core can have under way, and some more.
        const AHEAD: usize = 32;
        let hint = self.hint;
        let mut keys = keys.enumerate().fuse();
        let mut ahead: SmallVec<[(usize, &[u8], u64); AHEAD]> = SmallVec::new();
        loop {
            ahead.extend(keys.by_ref().take(AHEAD).map(|(i, key)| (i, key, self.hash(key))));
            if ahead.is_empty() {
                break;
            }
            ahead.iter().for_each(|&(.., hash)| self.prefetch_bucket(self.selected, hash));
            ahead.iter().for_each(|&(.., hash)| self.prefetch_entry(self.selected, hash));
            for (i, key, hash) in ahead.drain(..) {
                self.hint_hash(key, hash);
                f(self, i, key);
            }
        }
        self.hint = hint;
    }

    // ---- looking up

    /// Finds a live key; one found expired is deleted on the way.
    #[inline]
    fn find_live(&mut self, key: &[u8]) -> Option<(u64, Slot)> {
        let hash = self.hash(key);
        let (slot, entry) = self.db().table.find(hash, key)?;
        if let Some(at) = entry.expire_at()
            && self.is_expired(at)
        {
            self.found_expired(hash, key);
            return None;
        }
        Some((hash, slot))
    }

    /// A key for a command that only reads it: counts a hit or a miss, and marks the key used.
    #[inline]
    pub fn read(&mut self, key: &[u8]) -> Option<Ref<'_, Entry>> {
        let slot = self.find_counted(key)?;
        self.mark_used(slot);
        Some(self.db().table.at(slot))
    }

    /// As [`Self::read`] for a command that asks about the key only: it is not marked used.
    pub fn inspect(&mut self, key: &[u8]) -> Option<Ref<'_, Entry>> {
        let slot = self.find_counted(key)?;
        Some(self.db().table.at(slot))
    }

    /// Finds a live key and counts a hit or a miss.
    #[inline]
    fn find_counted(&mut self, key: &[u8]) -> Option<Slot> {
        match self.find_live(key) {
            Some((_, slot)) => {
                self.stats.hits += 1;
                Some(slot)
            }
            None => {
                self.stats.misses += 1;
                self.notify(EventClass::KEY_MISS, "keymiss", key);
                None
            }
        }
    }

    /// A key for a command that may change it. The expiry must not be changed through this.
    #[inline]
    pub fn write(&mut self, key: &[u8]) -> Option<RefMut<'_, Entry>> {
        let (_, slot) = self.find_live(key)?;
        self.mark_used(slot);
        Some(self.db_mut().table.at_mut(slot))
    }

    /// A key for a look that is neither counted nor marks it used. As with all of these, one found expired is deleted.
    pub fn peek(&mut self, key: &[u8]) -> Option<Ref<'_, Entry>> {
        let (_, slot) = self.find_live(key)?;
        Some(self.db().table.at(slot))
    }

    /// As [`Self::peek`], so that several can be had at once: one that is past its time is hidden, but stays.
    pub fn get(&self, key: &[u8]) -> Option<Ref<'_, Entry>> {
        let (_, entry) = self.db().table.find(self.hash(key), key)?;
        Some(entry).filter(|entry| self.is_live(entry))
    }

    fn is_live(&self, entry: &Entry) -> bool {
        !entry.expire_at().is_some_and(|at| self.is_expired(at))
    }

    #[inline]
    fn mark_used(&mut self, slot: Slot) {
        if self.stamps {
            let kept = self.db().table.at(slot).clock();
            let clock = self.access.used(kept, &mut self.rng);
            if kept != clock {
                self.db_mut().table.at_mut(slot).set_clock(clock);
            }
        }
    }

    pub fn exists(&mut self, key: &[u8]) -> bool {
        self.find_live(key).is_some()
    }

    /// The string at `key`, to be read.
    #[inline]
    pub fn read_string<R>(&mut self, key: &[u8], f: impl FnOnce(Option<StringRef>) -> R) -> Result<R, WrongType> {
        match self.read(key) {
            None => Ok(f(None)),
            Some(entry) => Ok(f(Some(entry.string().ok_or(WrongType)?))),
        }
    }

    /// The collection at `key`, to be read: `f` gets None if there is no such key.
    #[inline]
    pub fn read_collection<C: Collection, R>(
        &mut self,
        key: &[u8],
        f: impl FnOnce(Option<&C>) -> R,
    ) -> Result<R, WrongType> {
        match self.read(key) {
            None => Ok(f(None)),
            Some(entry) => Ok(f(Some(&*entry.collection::<C>().ok_or(WrongType)?))),
        }
    }

    /// As [`Self::read_collection`], for a look that leaves no trace.
    pub fn peek_collection<C: Collection, R>(
        &mut self,
        key: &[u8],
        f: impl FnOnce(Option<&C>) -> R,
    ) -> Result<R, WrongType> {
        match self.peek(key) {
            None => Ok(f(None)),
            Some(entry) => Ok(f(Some(&*entry.collection::<C>().ok_or(WrongType)?))),
        }
    }

    /// The string at `key`, to be changed.
    #[inline]
    pub fn write_string(&mut self, key: &[u8]) -> Result<Option<StringMut<'_>>, WrongType> {
        match self.write(key) {
            None => Ok(None),
            Some(entry) => StringMut::new(entry).ok_or(WrongType).map(Some),
        }
    }

    /// As [`Self::write_string`]; a missing key gets an empty string first.
    pub fn write_string_or_empty(&mut self, key: &[u8]) -> Result<StringMut<'_>, WrongType> {
        if !self.exists(key) {
            self.set_string(key, NewString::Raw(b""), NewExpiry::None);
        }
        let entry = self.write(key).expect("set above");
        StringMut::new(entry).ok_or(WrongType)
    }

    /// The collection at `key`, to be changed. Delete the key if it ends up empty.
    #[inline]
    pub fn write_collection<C: Collection>(&mut self, key: &[u8]) -> Result<Option<CollectionMut<'_, C>>, WrongType> {
        match self.write(key) {
            None => Ok(None),
            Some(entry) => CollectionMut::new(entry).ok_or(WrongType).map(Some),
        }
    }

    /// As [`Self::write_collection`]; a missing key gets the value `new` first.
    pub fn write_collection_or<C: Collection>(
        &mut self,
        key: &[u8],
        new: impl FnOnce() -> C,
    ) -> Result<CollectionMut<'_, C>, WrongType> {
        let slot = match self.find_live(key) {
            Some((_, slot)) => slot,
            None => {
                let hash = self.hash(key);
                self.add(hash, Entry::with_collection(key, new(), None, self.access.stamp()));
                self.notify(EventClass::NEW, "new", key);
                self.db().table.find(hash, key).expect("just added").0
            }
        };
        self.mark_used(slot);
        CollectionMut::new(self.db_mut().table.at_mut(slot)).ok_or(WrongType)
    }

    // ---- changing

    /// Reports one change of `key`: it counts, and whoever cares hears of it.
    #[inline]
    pub fn changed(&mut self, class: EventClass, event: &'static str, key: &[u8]) {
        self.effects.dirty += 1;
        self.signal_modified(key);
        self.notify(class, event, key);
    }

    /// Reports an event that is not a change of its own.
    #[inline]
    pub fn notify(&mut self, class: EventClass, event: &'static str, key: &[u8]) {
        self.effects.notify(class, event, self.selected, key);
    }

    /// Adds an entry whose key is not there.
    fn add(&mut self, hash: u64, entry: Entry) {
        let now_ms = self.now_ms;
        if self.expiry_mode == ExpiryMode::Hide {
            // It may be there all the same, past its time and hidden.
            self.db_mut().take(hash, entry.key());
        }
        self.added_or_deleted(entry.key());
        self.db_mut().insert_new(hash, entry, now_ms);
    }

    /// Sets `key` to a string, whatever it was.
    #[inline]
    pub fn set_string(&mut self, key: &[u8], value: NewString, expiry: NewExpiry) {
        self.added_or_deleted(key);
        let Some((hash, slot)) = self.find_live(key) else {
            let expire_at = expiry.after(None);
            self.add(self.hash(key), Entry::with_string(key, value, expire_at, self.access.stamp()));
            self.notify(EventClass::NEW, "new", key);
            return;
        };
        let (lazy, now_ms) = (self.options.lazy_server_del, self.now_ms);
        let mut entry = self.dbs[self.selected].table.at_mut(slot);
        let before = entry.expire_at();
        let after = expiry.after(before);
        // COMPAT: a new value inherits how often the old one was used.
        let clock = self.access.used(entry.clock(), &mut self.rng);
        if lazy && entry.is_costly_to_free() {
            drop(entry);
            let old = self.db_mut().take(hash, key).expect("just found");
            self.lazy_free.push(Garbage::Entry(old));
            self.add(hash, Entry::with_string(key, value, after, clock));
            return;
        }
        entry.set_clock(clock);
        entry.set_string(value);
        drop(entry);
        if before != after {
            self.db_mut().set_expire_at(hash, key, after, now_ms);
        }
    }

    /// Sets `key` to a collection, whatever it was; it does not expire.
    pub fn set_collection<C: Collection>(&mut self, key: &[u8], value: C) {
        if !self.delete_implicitly(key) {
            self.notify(EventClass::NEW, "new", key);
        }
        self.add(self.hash(key), Entry::with_collection(key, value, None, self.access.stamp()));
    }

    /// Deletes `key`; true if it was there. Reports nothing: see [`Self::changed`].
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let Some(entry) = self.take(key) else { return false };
        let lazy = self.options.lazy_user_del;
        self.discard(entry, lazy);
        true
    }

    /// As [`Self::delete`], the value being freed off the loop if that takes long (UNLINK).
    pub fn unlink(&mut self, key: &[u8]) -> bool {
        let Some(entry) = self.take(key) else { return false };
        self.discard(entry, true);
        true
    }

    /// As [`Self::delete`] for a key that a command replaces, or whose collection it left empty.
    pub fn delete_implicitly(&mut self, key: &[u8]) -> bool {
        let Some(entry) = self.take(key) else { return false };
        let lazy = self.options.lazy_server_del;
        self.discard(entry, lazy);
        true
    }

    /// Deletes a key whose collection has nothing left, and reports that.
    pub fn delete_emptied(&mut self, key: &[u8]) {
        self.delete_implicitly(key);
        self.notify(EventClass::GENERIC, "del", key);
    }

    fn discard(&mut self, entry: Entry, lazy: bool) {
        if lazy && entry.is_costly_to_free() {
            self.lazy_free.push(Garbage::Entry(entry));
        }
    }

    /// Takes a live entry out, to move or rename it.
    pub fn take(&mut self, key: &[u8]) -> Option<Entry> {
        let (hash, _) = self.find_live(key)?;
        self.added_or_deleted(key);
        self.db_mut().take(hash, key)
    }

    /// Puts an entry in, in the place of any that has its key.
    pub fn put(&mut self, entry: Entry) {
        self.delete_implicitly(entry.key());
        self.notify(EventClass::NEW, "new", entry.key());
        self.add(hash(entry.key()), entry);
    }

    /// Sets (in milliseconds of the Unix epoch) or removes the expiry; false if there is no such key.
    pub fn set_expire_at(&mut self, key: &[u8], expire_at: Option<i64>) -> bool {
        let (hash, now_ms) = (self.hash(key), self.now_ms);
        self.db_mut().set_expire_at(hash, key, expire_at, now_ms)
    }

    /// Empties one database, or all; gives the number of keys that went.
    pub fn flush(&mut self, db: Option<usize>, lazy: bool) -> usize {
        let range = match db {
            Some(db) => db..db + 1,
            None => 0..self.dbs.len(),
        };
        self.effects.flushed |= self.tells_changes;
        let mut removed = 0;
        range.clone().for_each(|db| self.database_replaced(db, None));
        for db in &mut self.dbs[range] {
            removed += db.len();
            let old = std::mem::take(db);
            if lazy && !old.is_empty() {
                self.lazy_free.push(Garbage::Db(old));
            }
        }
        removed
    }

    /// An empty one beside this, for a data set that may take its place.
    pub fn spare(&self) -> Keyspace {
        let mut spare = Keyspace::new(self.dbs.len(), self.rng.clone().u64(..));
        spare.options = self.options.clone();
        spare.expiry_mode = ExpiryMode::Ignore;
        (spare.now_ms, spare.access) = (self.now_ms, self.access);
        spare
    }

    /// Takes the databases of a [spare](Self::spare) one in the place of its own.
    pub fn replace_databases(&mut self, spare: Keyspace, lazy: bool) {
        self.flush(None, lazy);
        self.dbs = spare.dbs;
        (0..self.dbs.len()).for_each(|db| self.database_replaced(db, None));
    }

    pub fn swap_databases(&mut self, a: usize, b: usize) {
        if a == b {
            return;
        }
        self.database_replaced(a, Some(b));
        self.database_replaced(b, Some(a));
        self.dbs.swap(a, b);
    }

    // ---- walking

    /// Calls `visit` for live entries from `cursor` on, until about `count` were seen; gives the
    /// cursor to go on with, 0 at the end. Every key that is there throughout is visited.
    pub fn scan(&mut self, cursor: u64, count: usize, mut visit: impl FnMut(&Entry)) -> u64 {
        let mut expired = Vec::new();
        let cursor = self.db().table.scan_at_least(cursor, count, |entry| {
            if self.is_live(entry) {
                visit(entry);
            } else {
                expired.push(entry.key().to_vec());
            }
        });
        for key in expired {
            // To find a key expired deletes it.
            self.exists(&key);
        }
        self.set_deleted_apart();
        cursor
    }

    /// All live entries of the selected database.
    pub fn iter(&self) -> impl Iterator<Item = Ref<'_, Entry>> {
        self.db().table.iter().filter(|entry| self.is_live(entry))
    }

    /// A random live key of the selected database.
    pub fn random_key(&mut self) -> Option<Vec<u8>> {
        // Where all keys are expired but may not be deleted, give up after a while.
        const TRIES: usize = 100;
        let mut found = None;
        for _ in 0..TRIES {
            let rng = &mut self.rng;
            let Some(entry) = self.dbs[self.selected].table.random(|| rng.u64(..)) else { break };
            let key = entry.key().to_vec();
            if self.exists(&key) {
                found = Some(key);
                break;
            }
        }
        self.set_deleted_apart();
        found
    }

    /// Deletions so far stand alone: see [`Effects::deleted_apart`].
    fn set_deleted_apart(&mut self) {
        self.effects.deleted_apart = !self.effects.deleted.is_empty();
    }

    /// Moves a little of any rehash under way; true if there is more to do.
    pub fn step_rehash(&mut self, buckets: usize) -> bool {
        self.dbs.iter_mut().fold(false, |more, db| db.step_rehash(buckets) | more)
    }

    /// While a forked child lives, what is written to is copied: elements stay where they are.
    pub fn allow_resize(&mut self, allowed: bool) {
        self.dbs.iter_mut().for_each(|db| db.table.allow_resize(allowed));
    }
}

impl NewExpiry {
    /// The expiry of a key that has `before` so far.
    #[inline]
    fn after(self, before: Option<i64>) -> Option<i64> {
        match self {
            NewExpiry::None => None,
            NewExpiry::Keep => before,
            NewExpiry::At(at) => Some(at),
        }
    }
}

/// Values to be freed off the loop.
pub enum Garbage {
    Entry(Entry),
    Db(Db),
}

impl Garbage {
    /// For INFO's `lazyfree_pending_objects`.
    pub fn objects(&self) -> usize {
        match self {
            Garbage::Entry(_) => 1,
            Garbage::Db(db) => db.len(),
        }
    }
}
