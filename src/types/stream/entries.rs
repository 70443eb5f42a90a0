//! The entries of a stream with what is remembered of those that are gone.

use crate::encoding::stream_log::{LogEntry, NodeLimits, StreamId, StreamLog, Trim};
use std::cmp::Ordering;

/// Counts are kept within what commands and files can express.
const COUNT_MAX: u64 = i64::MAX as u64;

/// Entries are only appended; a deleted one's id is never used again.
#[derive(Clone, Default)]
pub struct Entries {
    log: StreamLog,
    /// The greatest id there ever was, or XSETID set.
    last_id: StreamId,
    /// The greatest id that was deleted, 0-0 if none was.
    max_deleted_id: StreamId,
    /// How many entries there ever were.
    added: u64,
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

impl Entries {
    /// As they were saved.
    pub fn from_parts(log: StreamLog, last_id: StreamId, max_deleted_id: StreamId, added: u64) -> Entries {
        Entries { log, last_id, max_deleted_id, added }
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

    /// How many there ever were, those that are gone included.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// The id an entry gets that is added now.
    pub fn next_id(&self, id: NewId, now_ms: i64) -> Result<StreamId, AddError> {
        let last = self.last_id;
        let next = last.next().ok_or(AddError::Exhausted)?;
        let id = match id {
            // The clock may have stood still, or gone back.
            NewId::Auto => next.max(StreamId::new(now_ms.max(0) as u64, 0)),
            NewId::AutoSeq(ms) if ms == last.ms => {
                StreamId::new(ms, last.seq.checked_add(1).ok_or(AddError::NotGreater)?)
            }
            NewId::AutoSeq(ms) => StreamId::new(ms, 0),
            NewId::Is(id) => id,
        };
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
        self.added = (self.added + 1).min(COUNT_MAX);
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
    pub fn set_id(&mut self, last_id: StreamId, added: Option<u64>, max_deleted_id: Option<StreamId>) {
        self.last_id = last_id;
        self.added = added.unwrap_or(self.added);
        self.max_deleted_id = max_deleted_id.unwrap_or(self.max_deleted_id);
    }

    /// The entries after `id`.
    pub fn after(&self, id: StreamId) -> impl Iterator<Item = LogEntry<'_>> {
        // If the last id is not greater there are none, without a look at the entries.
        let next = id.next().filter(|_| self.last_id > id);
        next.into_iter().flat_map(|from| self.log.range(from, StreamId::MAX))
    }

    /// How many of all entries there ever were come up to `id`; None if that cannot be told.
    pub fn count_up_to(&self, id: StreamId) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if id == self.last_id || (self.is_empty() && id < self.last_id) {
            return Some(self.added);
        }
        if id > self.last_id {
            return None;
        }
        let first = self.log.first_id()?;
        // Without a gap, all that are missing came before the first.
        if self.has_gap_from(first) {
            return None;
        }
        let before = self.added - self.len();
        match id.cmp(&first) {
            Ordering::Less => Some(before),
            Ordering::Equal => Some(before + 1),
            Ordering::Greater => None,
        }
    }

    /// Whether an entry from `id` on was deleted behind the first entry that is left, so that counting
    /// on from there would go wrong.
    fn has_gap_from(&self, id: StreamId) -> bool {
        self.max_deleted_id >= id && self.log.first_id().is_some_and(|first| self.max_deleted_id >= first)
    }

    /// How many entries come up to `id`, the next one after the first `read`.
    pub fn count_after_reading(&self, read: Option<u64>, id: StreamId) -> Option<u64> {
        match read {
            Some(count) if !self.has_gap_from(id) => Some((count + 1).min(COUNT_MAX)),
            read if self.added == 0 => read,
            _ => self.count_up_to(id),
        }
    }

    /// How many entries come after `id`, the last of the first `read`; None if that cannot be told.
    /// Negative where somebody said that more were read than there ever were.
    pub fn lag(&self, id: StreamId, read: Option<u64>) -> Option<i64> {
        if self.added == 0 {
            return Some(0);
        }
        let read = match read {
            Some(read) if !self.has_gap_from(id) => read,
            _ => self.count_up_to(id)?,
        };
        Some(self.added.wrapping_sub(read) as i64)
    }
}
