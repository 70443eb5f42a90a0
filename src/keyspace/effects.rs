//! What a command did, as data. The keyspace calls no other layer: `engine::call` drains the effects of each
//! command once, into the append-only file and the stream to replicas, to subscribers of keyspace events, and to
//! clients that watch, cache or wait for keys.

use bitflags::bitflags;
use std::collections::VecDeque;

bitflags! {
    /// Classes of keyspace events, as `notify-keyspace-events` names them.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct EventClass: u16 {
        /// `K`: publish on `__keyspace@<db>__:<key>`.
        const KEYSPACE = 1;
        /// `E`: publish on `__keyevent@<db>__:<event>`.
        const KEYEVENT = 1 << 1;
        /// `g`: DEL, EXPIRE, RENAME and others that suit every type.
        const GENERIC = 1 << 2;
        /// `$`: string commands.
        const STRING = 1 << 3;
        /// `l`: list commands.
        const LIST = 1 << 4;
        /// `s`: set commands.
        const SET = 1 << 5;
        /// `h`: hash commands.
        const HASH = 1 << 6;
        /// `z`: sorted set commands.
        const ZSET = 1 << 7;
        /// `x`: a key expired.
        const EXPIRED = 1 << 8;
        /// `e`: a key was evicted.
        const EVICTED = 1 << 9;
        /// `t`: stream commands.
        const STREAM = 1 << 10;
        /// `d`: module types.
        const MODULE = 1 << 11;
        /// `m`: a command asked for a key that is not there.
        const KEY_MISS = 1 << 12;
        /// `n`: a key was created.
        const NEW = 1 << 13;
        /// `A`: every class but `m` and `n`.
        const ALL = Self::GENERIC.bits() | Self::STRING.bits() | Self::LIST.bits()
            | Self::SET.bits() | Self::HASH.bits() | Self::ZSET.bits() | Self::EXPIRED.bits()
            | Self::EVICTED.bits() | Self::STREAM.bits() | Self::MODULE.bits();
    }
}

/// One keyspace event, such as `set` of class [`EventClass::STRING`].
#[derive(Debug)]
pub struct Event {
    pub class: EventClass,
    pub name: &'static str,
    pub db: usize,
    pub key: Box<[u8]>,
}

/// A key that changed.
pub struct ChangedKey {
    pub key: Box<[u8]>,
    /// The command that ran did it, and not time or the lack of memory.
    pub by_command: bool,
}

/// How the command that ran is to be repeated by the append-only file and by replicas.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Propagate {
    /// As it came, if it changed anything.
    #[default]
    Request,
    /// As the commands in [`Effects::rewritten`] alone.
    Instead,
}

/// More than this is given back once it was propagated: a command may have a large value.
const KEPT_MAX: usize = 16 * 1024;

/// Commands to propagate, laid out flat so that a steady state allocates nothing.
#[derive(Default)]
pub struct Commands {
    bytes: Vec<u8>,
    argument_ends: Vec<usize>,
    /// For each command its database and the end of its arguments in `argument_ends`.
    commands: Vec<(usize, usize)>,
}

impl Commands {
    pub fn push(&mut self, db: usize, arguments: &[&[u8]]) {
        self.push_all(db, arguments.iter().copied());
    }

    /// As [`Self::push`].
    pub fn push_all<'a>(&mut self, db: usize, arguments: impl Iterator<Item = &'a [u8]>) {
        for argument in arguments {
            self.bytes.extend_from_slice(argument);
            self.argument_ends.push(self.bytes.len());
        }
        self.commands.push((db, self.argument_ends.len()));
    }

    /// Moves all of `other` to the end.
    pub fn append(&mut self, other: &mut Commands) {
        other.iter().for_each(|(db, arguments)| self.push_all(db, arguments));
        other.clear();
    }

    pub fn len(&self) -> usize {
        self.commands.len()
    }

    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Each command's database and arguments.
    pub fn iter(&self) -> impl Iterator<Item = (usize, impl ExactSizeIterator<Item = &[u8]> + Clone)> {
        let starts = std::iter::once(0).chain(self.commands.iter().map(|c| c.1));
        self.commands.iter().zip(starts).map(move |(&(db, end), start)| {
            let argument = move |i: usize| {
                let from = if i == 0 { 0 } else { self.argument_ends[i - 1] };
                &self.bytes[from..self.argument_ends[i]]
            };
            (db, (start..end).map(argument))
        })
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.argument_ends.clear();
        self.commands.clear();
        if self.bytes.capacity() > KEPT_MAX {
            *self = Commands::default();
        }
    }
}

/// What the command that runs has done so far, until `engine::call` drains it.
#[derive(Default)]
pub struct Effects {
    /// Changes to the data set; a command that made none is not propagated.
    pub dirty: u64,
    pub propagate: Propagate,
    /// Deletions of keys found expired or evicted; they go before the command itself.
    pub deleted: Commands,
    /// The deletions come from expiry, eviction or a walk over arbitrary keys: each deletion is propagated
    /// on its own, not in the command's MULTI.
    pub deleted_apart: bool,
    /// What to propagate with [`Propagate::Instead`].
    pub rewritten: Commands,
    pub events: Vec<Event>,
    /// Keys, with their databases, that may have something for a blocked client.
    pub ready: VecDeque<(usize, Box<[u8]>)>,
    /// Watched keys, with their databases, that changed.
    pub watched_changes: Vec<(usize, Box<[u8]>)>,
    /// All keys that changed, of whatever database, while some client tracks keys.
    pub tracked_changes: Vec<ChangedKey>,
    /// A database was emptied, while some client tracks keys.
    pub flushed: bool,
    /// The classes of events that are to be recorded.
    pub wanted_events: EventClass,
}

impl Effects {
    /// Whether there is anything to drain.
    #[inline]
    pub fn are_any(&self) -> bool {
        self.dirty > 0
            || !self.deleted.is_empty()
            || !self.rewritten.is_empty()
            || !self.events.is_empty()
            || !self.ready.is_empty()
            || !self.watched_changes.is_empty()
            || !self.tracked_changes.is_empty()
            || self.flushed
    }

    /// Propagate `arguments` instead of the command as it came. Several calls add up.
    pub fn propagate_instead(&mut self, db: usize, arguments: &[&[u8]]) {
        self.propagate = Propagate::Instead;
        self.rewritten.push(db, arguments);
    }

    #[inline]
    pub fn notify(&mut self, class: EventClass, name: &'static str, db: usize, key: &[u8]) {
        if self.wanted_events.intersects(class) {
            self.events.push(Event { class, name, db, key: key.into() });
        }
    }
}
