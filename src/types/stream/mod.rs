//! Streams: a log of entries, and the groups that consume it.
//!
//! * `entries` the log, and what is remembered of entries that are gone
//! * `group`   consumer groups

pub mod entries;
pub mod group;

use super::{Collection, Encoding, Type};
use entries::Entries;
use group::Group;
use std::collections::BTreeMap;
use std::ptr::NonNull;

/// A stream. Groups may have read up to, and have pending, entries that are gone.
#[derive(Clone, Default)]
pub struct Stream {
    pub entries: Entries,
    pub groups: BTreeMap<Box<[u8]>, Group>,
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
        self.entries.log().nodes() + self.groups.values().map(|group| group.pending().len()).sum::<usize>()
    }

    fn memory_usage(&self) -> usize {
        let groups: usize = self.groups.iter().map(|(name, group)| name.len() + group.memory_usage()).sum();
        size_of::<Stream>() + self.entries.log().bytes() + groups
    }
}
