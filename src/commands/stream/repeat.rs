//! How reading and claiming are propagated: as what came of them (XCLAIM, XGROUP), because they depend on
//! the time and on entries that a replica may no longer have.

use super::{IdText, changed_aside};
use crate::encoding::stream_log::StreamId;
use crate::keyspace::Keyspace;
use crate::types::stream::group::Pending;

/// The consumer that read or claimed.
#[derive(Clone, Copy)]
pub struct Actor<'a> {
    pub key: &'a [u8],
    pub group: &'a [u8],
    pub consumer: &'a [u8],
}

impl Actor<'_> {
    /// The command created the consumer. Propagates XGROUP CREATECONSUMER, unless an XCLAIM follows that creates the
    /// consumer on replicas anyway.
    pub fn was_made(&self, keyspace: &mut Keyspace, got_nothing: bool) {
        let Actor { key, group, consumer } = *self;
        changed_aside(keyspace, "xgroup-createconsumer", key);
        if !got_nothing {
            return;
        }
        let db = keyspace.selected();
        keyspace.effects.propagate_instead(db, &[b"XGROUP", b"CREATECONSUMER", key, group, consumer]);
    }

    /// The consumer has an entry pending; `last_id` is the last that its group was delivered.
    pub fn got(&self, keyspace: &mut Keyspace, id: StreamId, pending: Pending, last_id: StreamId) {
        let Actor { key, group, consumer } = *self;
        let (mut time, mut deliveries) = (itoa::Buffer::new(), itoa::Buffer::new());
        let time = time.format(pending.delivered_ms).as_bytes();
        let deliveries = deliveries.format(pending.deliveries).as_bytes();
        let (id, last_id) = (IdText::new(id), IdText::new(last_id));
        #[rustfmt::skip]
        let request: [&[u8]; 14] = [
            b"XCLAIM", key, group, consumer, b"0", &id,
            b"TIME", time, b"RETRYCOUNT", deliveries, b"FORCE", b"JUSTID", b"LASTID", &last_id,
        ];
        let db = keyspace.selected();
        keyspace.effects.propagate_instead(db, &request);
    }

    /// The group's last delivered id changed.
    pub fn group_read(&self, keyspace: &mut Keyspace, last_id: StreamId, entries_read: Option<u64>) {
        let mut count = itoa::Buffer::new();
        let count = count.format(entries_read.map_or(-1, |read| read as i64)).as_bytes();
        let last_id = IdText::new(last_id);
        let request: [&[u8]; 7] = [b"XGROUP", b"SETID", self.key, self.group, &last_id, b"ENTRIESREAD", count];
        let db = keyspace.selected();
        keyspace.effects.propagate_instead(db, &request);
    }
}
