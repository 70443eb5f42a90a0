//! Streams.
//!
//! * `id`      ids as people write them
//! * `entries` adding, deleting and trimming entries
//! * `range`   entries by id
//! * `read`    XREAD and XREADGROUP
//! * `group`   making and removing groups and consumers
//! * `pending` entries delivered and not acknowledged
//! * `info`    XINFO
//! * `repeat`  how the commands about groups are propagated

mod entries;
mod group;
mod id;
mod info;
mod pending;
mod range;
mod read;
mod repeat;

use super::prelude::*;
use crate::encoding::stream_log::{LogEntry, StreamId};
use crate::keyspace::Keyspace;
use crate::resp::text::text_of;
use crate::types::stream::Stream;

pub const COMMANDS: &[&Command] = &[
    &entries::XADD,
    &entries::XDEL,
    &entries::XLEN,
    &entries::XSETID,
    &entries::XTRIM,
    &group::XGROUP,
    &info::XINFO,
    &pending::XACK,
    &pending::XAUTOCLAIM,
    &pending::XCLAIM,
    &pending::XPENDING,
    &range::XRANGE,
    &range::XREVRANGE,
    &read::XREAD,
    &read::XREADGROUP,
];

/// An id as text.
struct IdText {
    /// Two numbers of 20 digits and the hyphen.
    text: [u8; 41],
    len: usize,
}

impl IdText {
    fn new(id: StreamId) -> IdText {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (ms, seq) = (ms.format(id.ms).as_bytes(), seq.format(id.seq).as_bytes());
        let mut text = [b'-'; 41];
        text[..ms.len()].copy_from_slice(ms);
        text[ms.len() + 1..][..seq.len()].copy_from_slice(seq);
        IdText { text, len: ms.len() + 1 + seq.len() }
    }
}

impl std::ops::Deref for IdText {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

fn reply_id(reply: &mut Reply, id: StreamId) {
    reply.bulk(&IdText::new(id));
}

fn reply_entry(reply: &mut Reply, entry: LogEntry) {
    reply.array(2);
    reply_id(reply, entry.id);
    reply.array(2 * entry.len());
    for (name, value) in entry.fields() {
        reply.bulk(name);
        reply.bulk(value);
    }
}

fn reply_entries<'a>(reply: &mut Reply, entries: impl Iterator<Item = LogEntry<'a>>) {
    reply.array_of(|reply| entries.map(|entry| reply_entry(reply, entry)).count());
}

/// A COUNT as a bound, where 0 or less asks for all.
fn max_of(count: i64) -> usize {
    if count <= 0 { usize::MAX } else { count as usize }
}

fn no_such_group(group: &[u8], key: &[u8]) -> CommandError {
    let (group, key) = (text_of(group), text_of(key));
    CommandError::coded(format!("NOGROUP No such consumer group '{group}' for key name '{key}'"))
}

/// As [`no_such_group`], where the key may be missing too.
fn no_such_key_or_group(key: &[u8], group: &[u8], rest: &str) -> CommandError {
    let (group, key) = (text_of(group), text_of(key));
    CommandError::coded(format!("NOGROUP No such key '{key}' or consumer group '{group}'{rest}"))
}

/// Reports a change of a stream's groups.
/// COMPAT: clients that watch the key do not notice it.
fn changed_aside(keyspace: &mut Keyspace, event: &'static str, key: &[u8]) {
    keyspace.effects.dirty += 1;
    keyspace.notify(EventClass::STREAM, event, key);
}

/// The stream at a key.
type StreamAt<'a> = Option<&'a Box<Stream>>;
