//! Consumer groups of a stream: the entries delivered to each consumer and not acknowledged yet.
//!
//! Always: an entry that is pending in a group is pending in exactly one of its consumers, or in none
//! while it changes hands within a command.

use super::entries::Entries;
use crate::encoding::stream_log::StreamId;
use slab::Slab;
use std::collections::{BTreeMap, BTreeSet};

/// Names a consumer within its group.
pub type ConsumerId = usize;

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pending {
    pub consumer: ConsumerId,
    /// When it was last delivered, in milliseconds of the Unix epoch.
    pub delivered_ms: i64,
    pub deliveries: u64,
}

#[derive(Clone, Debug)]
pub struct Consumer {
    pub name: Box<[u8]>,
    /// When it last asked for anything, in milliseconds of the Unix epoch.
    pub seen_ms: i64,
    /// When it last got anything; None if it never has.
    pub active_ms: Option<i64>,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    /// The entries delivered to it and not acknowledged.
    pub fn pending(&self) -> &BTreeSet<StreamId> {
        &self.pending
    }
}

#[derive(Clone, Debug)]
pub struct Group {
    /// The last entry delivered.
    pub last_id: StreamId,
    /// How many entries were read up to `last_id`, of all there ever were; None if nobody knows.
    pub entries_read: Option<u64>,
    pending: BTreeMap<StreamId, Pending>,
    consumers: Slab<Consumer>,
    by_name: BTreeMap<Box<[u8]>, ConsumerId>,
}

impl Group {
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Group {
        Group { last_id, entries_read, pending: BTreeMap::new(), consumers: Slab::new(), by_name: BTreeMap::new() }
    }

    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        &self.consumers[id]
    }

    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        &mut self.consumers[id]
    }

    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerId> {
        self.by_name.get(name).copied()
    }

    /// The consumer of this name, marked as seen now, and whether it was created.
    pub fn consumer_seen(&mut self, name: &[u8], now_ms: i64) -> (ConsumerId, bool) {
        match self.find_consumer(name) {
            Some(id) => {
                self.consumers[id].seen_ms = now_ms;
                (id, false)
            }
            None => (self.insert_consumer(name, now_ms), true),
        }
    }

    /// Adds a consumer; None if there is one of this name.
    pub fn add_consumer(&mut self, name: &[u8], seen_ms: i64) -> Option<ConsumerId> {
        if self.by_name.contains_key(name) {
            return None;
        }
        Some(self.insert_consumer(name, seen_ms))
    }

    fn insert_consumer(&mut self, name: &[u8], seen_ms: i64) -> ConsumerId {
        let consumer = Consumer { name: name.into(), seen_ms, active_ms: None, pending: BTreeSet::new() };
        let id = self.consumers.insert(consumer);
        self.by_name.insert(name.into(), id);
        id
    }

    /// Removes a consumer and what is pending for it; gives how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(self.by_name.remove(name)?);
        consumer.pending.iter().for_each(|id| {
            self.pending.remove(id);
        });
        Some(consumer.pending.len())
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.by_name.values().map(|&id| &self.consumers[id])
    }

    /// All that is pending, by id.
    pub fn pending(&self) -> &BTreeMap<StreamId, Pending> {
        &self.pending
    }

    /// The next entry was read.
    pub fn read(&mut self, entries: &Entries, id: StreamId) {
        self.entries_read = entries.count_after_reading(self.entries_read, id);
        self.last_id = id;
    }

    /// Makes an entry pending, in the place of what was pending for it before.
    pub fn deliver(&mut self, id: StreamId, pending: Pending) {
        if let Some(before) = self.pending.insert(id, pending)
            && before.consumer != pending.consumer
        {
            self.consumers[before.consumer].pending.remove(&id);
        }
        self.consumers[pending.consumer].pending.insert(id);
    }

    /// Delivers a pending entry once more to the consumer that has it.
    pub fn deliver_again(&mut self, id: StreamId, now_ms: i64) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.delivered_ms = now_ms;
            pending.deliveries += 1;
        }
    }

    /// Forgets a pending entry; true if it was one.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        self.consumers[pending.consumer].pending.remove(&id);
        true
    }

    /// Allocated bytes, roughly.
    pub fn memory_usage(&self) -> usize {
        /// What a B-tree takes for each element besides it: its nodes are not full.
        const SPARE: usize = 12;
        let consumers: usize = self.consumers().map(|consumer| size_of::<Consumer>() + 2 * consumer.name.len()).sum();
        let pending = 2 * size_of::<StreamId>() + size_of::<Pending>() + 2 * SPARE;
        size_of::<Group>() + consumers + self.pending.len() * pending
    }
}
