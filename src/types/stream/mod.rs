//! Streams: a log of entries, and the groups that consume it.
//!
//! * `group` consumer groups

pub mod group;

use super::{Collection, Encoding, Type};
use crate::encoding::stream_log::{LogEntry, NodeLimits, StreamId, StreamLog, Trim};
use group::Group;
use std::collections::BTreeMap;
use std::ptr::NonNull;

/// A stream. Entries are only appended; a deleted one's id is never used again.
#[derive(Clone, Default)]
pub struct Stream {
    log: StreamLog,
    /// The greatest id there ever was, or XSETID set.
    last_id: StreamId,
    /// The greatest id that was deleted, 0-0 if none was.
    max_deleted_id: StreamId,
    /// How many entries there ever were.
    entries_added: u64,
    groups: BTreeMap<Box<[u8]>, Group>,
}

/// What XADD is given as id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewId {
    /// `*`
    Auto,
    /// `ms-*`
    AutoSeq(u64),
    Is(StreamId),
}

/// Why an entry cannot be added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddError {
    /// The id is not greater than the last.
    NotGreater,
    /// There is no greater id.
    Exhausted,
}

impl Stream {
    pub fn new() -> Stream {
        Stream::default()
    }

    /// As it was saved. `entries_added` and ids are taken as they are.
    pub fn from_parts(log: StreamLog, last_id: StreamId, max_deleted_id: StreamId, entries_added: u64) -> Stream {
        Stream { log, last_id, max_deleted_id, entries_added, groups: BTreeMap::new() }
    }

    pub fn len(&self) -> u64 {
        self.log.len()
    }

    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    pub fn log(&self) -> &StreamLog {
        &self.log
    }

    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// The id an entry gets that is added now.
    pub fn next_id(&self, id: NewId, now_ms: i64) -> Result<StreamId, AddError> {
        let last = self.last_id;
        let id = match id {
            NewId::Auto => {
                let now = StreamId::new(now_ms.max(0) as u64, 0);
                // The clock may have stood still, or gone back.
                if now > last { now } else { last.next().ok_or(AddError::Exhausted)? }
            }
            NewId::AutoSeq(ms) if ms == last.ms => {
                StreamId::new(ms, last.seq.checked_add(1).ok_or(AddError::NotGreater)?)
            }
            NewId::AutoSeq(ms) => StreamId::new(ms, 0),
            NewId::Is(id) => id,
        };
        if last == StreamId::MAX {
            return Err(AddError::Exhausted);
        }
        if id > last { Ok(id) } else { Err(AddError::NotGreater) }
    }

    /// Adds an entry with an id that [`Self::next_id`] gave.
    pub fn add<'f>(
        &mut self,
        id: StreamId,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
        limits: NodeLimits,
    ) {
        self.log.push(id, fields, limits);
        self.last_id = id;
        self.entries_added += 1;
    }

    /// Deletes an entry; true if it was there.
    pub fn remove(&mut self, id: StreamId) -> bool {
        let removed = self.log.remove(id);
        if removed {
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
        removed
    }

    /// See [`StreamLog::trim`].
    pub fn trim(&mut self, trim: Trim, approximate: bool, limit: u64) -> u64 {
        self.log.trim(trim, approximate, limit)
    }

    /// XSETID.
    pub fn set_id(&mut self, last_id: StreamId, entries_added: Option<u64>, max_deleted_id: Option<StreamId>) {
        self.last_id = last_id;
        self.entries_added = entries_added.unwrap_or(self.entries_added);
        self.max_deleted_id = max_deleted_id.unwrap_or(self.max_deleted_id);
    }

    /// The first entry after `id`.
    pub fn first_after(&self, id: StreamId) -> Option<LogEntry<'_>> {
        self.log.range(id.next()?, StreamId::MAX).next()
    }

    // ---- groups

    pub fn groups(&self) -> &BTreeMap<Box<[u8]>, Group> {
        &self.groups
    }

    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.groups.get_mut(name)
    }

    /// The log beside one of its groups, to deliver from one to the other.
    pub fn log_and_group(&mut self, name: &[u8]) -> Option<(&StreamLog, &mut Group)> {
        Some((&self.log, self.groups.get_mut(name)?))
    }

    /// Adds a group; false if there is one of this name.
    pub fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        self.groups.insert(name.into(), group);
        true
    }

    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        self.groups.remove(name).is_some()
    }

    /// How many of all entries there ever were come up to `id`; None if that cannot be told.
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if id == self.last_id || (self.is_empty() && id < self.last_id) {
            return Some(self.entries_added);
        }
        if id > self.last_id {
            return None;
        }
        let first = self.log.first_id()?;
        // With nothing deleted behind the first entry, all that are missing came before it.
        if self.max_deleted_id != StreamId::MIN && self.max_deleted_id >= first {
            return None;
        }
        let before = self.entries_added - self.len();
        match id.cmp(&first) {
            std::cmp::Ordering::Less => Some(before),
            std::cmp::Ordering::Equal => Some(before + 1),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// Whether an entry from `id` on was deleted, so that counting on from there would go wrong.
    fn has_deleted_from(&self, id: StreamId) -> bool {
        !self.is_empty() && self.max_deleted_id != StreamId::MIN && self.max_deleted_id >= id
    }

    /// What [`Group::entries_read`] is after the entry `id` was read, having been `before`.
    pub fn entries_read_after(&self, before: Option<u64>, id: StreamId) -> Option<u64> {
        match before {
            Some(count) if !self.has_deleted_from(id) => Some(count + 1),
            before if self.entries_added == 0 => before,
            _ => self.entries_up_to(id),
        }
    }

    /// How many entries a group has still to read; None if that cannot be told.
    pub fn lag(&self, group: &Group) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_deleted_from(group.last_id) => read,
            _ => self.entries_up_to(group.last_id)?,
        };
        Some(self.entries_added.saturating_sub(read))
    }
}

// SAFETY: there is one encoding, and only streams have it.
unsafe impl Collection for Box<Stream> {
    const TYPE: Type = Type::Stream;

    #[inline]
    fn into_raw(self) -> (Encoding, NonNull<u8>) {
        (Encoding::Stream, NonNull::from(Box::leak(self)).cast())
    }

    #[inline]
    unsafe fn from_raw(_: Encoding, pointer: NonNull<u8>) -> Self {
        // SAFETY: by the contract the pointer came from `into_raw` above.
        unsafe { Box::from_raw(pointer.as_ptr().cast()) }
    }

    fn free_effort(&self) -> usize {
        self.log.nodes() + self.groups.values().map(|group| group.pending().len()).sum::<usize>()
    }

    fn memory_usage(&self) -> usize {
        let groups: usize = self.groups.iter().map(|(name, group)| name.len() + group.memory_usage()).sum();
        size_of::<Stream>() + self.log.bytes() + groups
    }
}
