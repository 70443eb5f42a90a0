//! Streams, as Redis's files hold them.
//!
//! ```text
//! nodes: id of the node, 16 bytes big-endian | listpack
//! node   live, deleted, field count, field names ..., 0 | entry ...
//! entry  flags | ms and seq minus those of the node | [field count] fields | elements of the entry
//! ```

use super::load::elements;
use super::packed::{ListpackBuilder, Packed};
use super::write::Writer;
use super::{RdbError, Reader, VERSION_7_0, ValueType};
use crate::config::Config;
use crate::encoding::stream_log::{LogEntry, StreamId, StreamLog};
use crate::types::stream::Stream;
use crate::types::stream::entries::Entries;
use crate::types::stream::group::{Group, Pending};
use std::collections::{BTreeMap, HashMap};
use std::io;

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// Stands for a number of entries that nobody knows.
const UNKNOWN: u64 = u64::MAX;

pub fn save(stream: &Stream, writer: &mut Writer) -> io::Result<()> {
    let Stream { entries, groups } = stream;
    let log = entries.log();
    writer.len(log.nodes() as u64)?;
    for node_entries in log.by_node() {
        let node_entries: Vec<LogEntry> = node_entries.collect();
        let first = node_entries[0];
        writer.string(&id_bytes(first.id))?;
        writer.string(&node(first, &node_entries))?;
    }
    writer.len(entries.len())?;
    id(entries.last_id(), writer)?;
    id(log.first_id().unwrap_or_default(), writer)?;
    id(entries.max_deleted_id(), writer)?;
    writer.len(entries.added())?;
    writer.len(groups.len() as u64)?;
    for (name, group) in groups {
        writer.string(name)?;
        id(group.last_id, writer)?;
        writer.len(group.entries_read.unwrap_or(UNKNOWN))?;
        save_pending(group, writer)?;
    }
    Ok(())
}

fn save_pending(group: &Group, writer: &mut Writer) -> io::Result<()> {
    writer.len(group.pending().len() as u64)?;
    for (&id, pending) in group.pending() {
        writer.bytes(&id_bytes(id))?;
        writer.bytes(&pending.delivered_ms.to_le_bytes())?;
        writer.len(pending.deliveries)?;
    }
    writer.len(group.consumers().len() as u64)?;
    for consumer in group.consumers() {
        writer.string(&consumer.name)?;
        writer.bytes(&consumer.seen_ms.to_le_bytes())?;
        if writer.version() > VERSION_7_0 {
            writer.bytes(&consumer.active_ms.unwrap_or(-1).to_le_bytes())?;
        }
        writer.len(consumer.pending().len() as u64)?;
        consumer.pending().iter().try_for_each(|&id| writer.bytes(&id_bytes(id)))?;
    }
    Ok(())
}

fn id_bytes(id: StreamId) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&id.ms.to_be_bytes());
    bytes[8..].copy_from_slice(&id.seq.to_be_bytes());
    bytes
}

fn id(id: StreamId, writer: &mut Writer) -> io::Result<()> {
    writer.len(id.ms)?;
    writer.len(id.seq)
}

/// The listpack of a node with these entries, of which there is at least one.
fn node(first: LogEntry, entries: &[LogEntry]) -> Vec<u8> {
    let mut builder = ListpackBuilder::new();
    builder.push_int(entries.len() as i64);
    builder.push_int(0);
    builder.push_int(first.len() as i64);
    first.fields().for_each(|(name, _)| builder.push(name));
    builder.push_int(0);
    for entry in entries {
        let same = entry.fields().map(|(name, _)| name).eq(first.fields().map(|(name, _)| name));
        builder.push_int(if same { SAME_FIELDS } else { 0 });
        builder.push_int(entry.id.ms.wrapping_sub(first.id.ms) as i64);
        builder.push_int(entry.id.seq.wrapping_sub(first.id.seq) as i64);
        if !same {
            builder.push_int(entry.len() as i64);
        }
        for (name, value) in entry.fields() {
            if !same {
                builder.push(name);
            }
            builder.push(value);
        }
        let elements = if same { entry.len() + 3 } else { 2 * entry.len() + 4 };
        builder.push_int(elements as i64);
    }
    builder.finish()
}

const CORRUPT: RdbError = RdbError::Corrupt("invalid stream");
const CORRUPT_NODE: RdbError = RdbError::Corrupt("Stream listpack integrity check failed");

/// A stream that is read part by part. Parts come in runs, all of one kind; [`Self::next_parts`] reads
/// what is between two runs.
pub struct StreamLoad {
    value_type: ValueType,
    log: StreamLog,
    entries: Option<Entries>,
    groups: BTreeMap<Box<[u8]>, Group>,
    groups_left: u64,
    /// The group that is read.
    group: Option<GroupLoad>,
    /// What the parts of the current run are.
    part: StreamPart,
}

/// A group, and what is known of its entries before their consumers are.
struct GroupLoad {
    name: Vec<u8>,
    group: Group,
    pending: HashMap<StreamId, Pending>,
    consumers_left: u64,
    consumer: usize,
}

#[derive(Clone, Copy)]
enum StreamPart {
    Node,
    /// Entries that a group waits for.
    Pending,
    /// Those of one consumer.
    ConsumerPending,
}

impl StreamLoad {
    /// First come the nodes.
    pub fn new(value_type: ValueType) -> StreamLoad {
        StreamLoad {
            value_type,
            log: StreamLog::default(),
            entries: None,
            groups: BTreeMap::new(),
            groups_left: 0,
            group: None,
            part: StreamPart::Node,
        }
    }

    /// The number of parts in the next run, perhaps 0; None if there are no more.
    pub fn next_parts(&mut self, reader: &mut Reader) -> Result<Option<u64>, RdbError> {
        if self.entries.is_none() {
            let (entries, groups) = self.load_entries(reader)?;
            (self.entries, self.groups_left) = (Some(entries), groups);
            return Ok(Some(0));
        }
        if let Some(group) = &mut self.group {
            match self.part {
                StreamPart::Node => unreachable!("before the groups"),
                // All are known, and then there is one consumer after the other.
                StreamPart::Pending => {
                    group.consumers_left = reader.length()?;
                    self.part = StreamPart::ConsumerPending;
                    return Ok(Some(0));
                }
                StreamPart::ConsumerPending if group.consumers_left > 0 => {
                    let left = group.load_consumer(self.value_type, reader)?;
                    group.consumers_left -= 1;
                    return Ok(Some(left));
                }
                StreamPart::ConsumerPending => {
                    let GroupLoad { name, group, pending, .. } = self.group.take().expect("looked at above");
                    if !pending.is_empty() || self.groups.insert(name.into(), group).is_some() {
                        return Err(CORRUPT);
                    }
                }
            }
        }
        if self.groups_left == 0 {
            return Ok(None);
        }
        let (group, left) = self.load_group(reader)?;
        self.groups_left -= 1;
        (self.group, self.part) = (Some(group), StreamPart::Pending);
        Ok(Some(left))
    }

    /// Reads one part of the current run.
    pub fn load_part(&mut self, reader: &mut Reader, config: &Config) -> Result<(), RdbError> {
        match (self.part, &mut self.group) {
            (StreamPart::Pending, Some(group)) => group.load_pending(reader),
            (StreamPart::ConsumerPending, Some(group)) => group.load_consumer_pending(reader),
            _ => {
                let first: [u8; 16] = reader.string()?.try_into().map_err(|_| CORRUPT)?;
                load_node(id_from(first), elements(self.value_type, reader.string()?)?, &mut self.log, config)
            }
        }
    }

    /// The stream; there must be no more parts.
    pub fn finish(self) -> Stream {
        Stream { entries: self.entries.expect("read before the groups"), groups: self.groups }
    }

    /// Also gives the number of groups.
    fn load_entries(&mut self, reader: &mut Reader) -> Result<(Entries, u64), RdbError> {
        let len = reader.length()?;
        let last_id = load_id(reader)?;
        let log = &self.log;
        if log.len() != len || log.last_id().is_some_and(|top| top > last_id) {
            return Err(CORRUPT);
        }
        let (mut max_deleted_id, mut entries_added) = (StreamId::MIN, len);
        if self.value_type != ValueType::StreamListpacks {
            // The first id is known from the entries.
            load_id(reader)?;
            max_deleted_id = load_id(reader)?;
            entries_added = load_count(reader)?;
            if entries_added < len {
                return Err(CORRUPT);
            }
        }
        let groups = reader.length()?;
        let log = std::mem::take(&mut self.log);
        Ok((Entries::from_parts(log, last_id, max_deleted_id, entries_added), groups))
    }

    /// Also gives the number of entries that it waits for.
    fn load_group(&self, reader: &mut Reader) -> Result<(GroupLoad, u64), RdbError> {
        let name = reader.string()?.to_vec();
        let last_id = load_id(reader)?;
        let entries_read = match self.value_type {
            ValueType::StreamListpacks => self.entries.as_ref().and_then(|entries| entries.count_up_to(last_id)),
            _ => match reader.length()? {
                UNKNOWN => None,
                read => Some(counted(read)?),
            },
        };
        let left = reader.length()?;
        let group = Group::new(last_id, entries_read);
        Ok((GroupLoad { name, group, pending: HashMap::new(), consumers_left: 0, consumer: 0 }, left))
    }
}

impl GroupLoad {
    fn load_pending(&mut self, reader: &mut Reader) -> Result<(), RdbError> {
        let id = id_from(reader.array()?);
        let delivered_ms = load_ms(reader)?;
        let pending = Pending { consumer: 0, delivered_ms, deliveries: load_count(reader)? };
        if self.pending.insert(id, pending).is_some() { Err(CORRUPT) } else { Ok(()) }
    }

    /// Gives the number of entries that it was given.
    fn load_consumer(&mut self, value_type: ValueType, reader: &mut Reader) -> Result<u64, RdbError> {
        let name = reader.string()?.to_vec();
        let seen_ms = load_ms(reader)?;
        let active_ms = match value_type {
            ValueType::StreamListpacks3 => load_ms(reader)?,
            // Before it was kept: the best that is known.
            _ => seen_ms,
        };
        let left = reader.length()?;
        self.consumer =
            self.group.add_consumer(&name, seen_ms).ok_or(RdbError::Corrupt("Duplicate stream consumer detected"))?;
        self.group.consumer_mut(self.consumer).active_ms = Some(active_ms).filter(|&ms| ms >= 0);
        Ok(left)
    }

    fn load_consumer_pending(&mut self, reader: &mut Reader) -> Result<(), RdbError> {
        let id = id_from(reader.array()?);
        let pending = self.pending.remove(&id).ok_or(CORRUPT)?;
        self.group.deliver(id, Pending { consumer: self.consumer, ..pending });
        Ok(())
    }
}

fn id_from(bytes: [u8; 16]) -> StreamId {
    let number = |half: &[u8]| u64::from_be_bytes(half.try_into().expect("eight bytes"));
    StreamId::new(number(&bytes[..8]), number(&bytes[8..]))
}

fn load_id(reader: &mut Reader) -> Result<StreamId, RdbError> {
    Ok(StreamId::new(reader.length()?, reader.length()?))
}

/// A number of things that there can be.
fn load_count(reader: &mut Reader) -> Result<u64, RdbError> {
    counted(reader.length()?)
}

fn counted(count: u64) -> Result<u64, RdbError> {
    if i64::try_from(count).is_ok() { Ok(count) } else { Err(CORRUPT) }
}

/// A time; all before 1970 are -1.
fn load_ms(reader: &mut Reader) -> Result<i64, RdbError> {
    Ok(i64::from_le_bytes(reader.array()?).max(-1))
}

fn load_node(first: StreamId, elements: Vec<Packed>, log: &mut StreamLog, config: &Config) -> Result<(), RdbError> {
    let mut elements = elements.into_iter();
    let mut take = |count: usize| (elements.len() >= count).then(|| elements.by_ref().take(count).collect::<Vec<_>>());
    let mut last = log.last_id();
    let count = |element: Packed| element.integer().and_then(|n| usize::try_from(n).ok());
    let mut parse = || {
        let header = take(3)?;
        let (live, deleted, fields) = (count(header[0])?, count(header[1])?, count(header[2])?);
        let names = take(fields)?;
        if take(1)?[0].integer()? != 0 {
            return None;
        }
        let (mut seen_live, mut seen_deleted) = (0, 0);
        while let Some(head) = take(3) {
            let flags = head[0].integer()?;
            let ms = first.ms.wrapping_add(head[1].integer()? as u64);
            let seq = first.seq.wrapping_add(head[2].integer()? as u64);
            let texts = if flags & SAME_FIELDS != 0 {
                let values = take(names.len())?;
                names.iter().copied().zip(values).flat_map(|(name, value)| [name, value]).collect()
            } else {
                let fields = count(take(1)?[0])?;
                take(fields.checked_mul(2)?)?
            };
            let elements = if flags & SAME_FIELDS != 0 { names.len() + 3 } else { texts.len() + 4 };
            if count(take(1)?[0])? != elements {
                return None;
            }
            if flags & DELETED != 0 {
                seen_deleted += 1;
                continue;
            }
            seen_live += 1;
            let id = StreamId::new(ms, seq);
            if last.is_some_and(|last| id <= last) {
                return None;
            }
            last = Some(id);
            let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.bytes(&mut itoa::Buffer::new()).to_vec()).collect();
            log.push(id, texts.chunks(2).map(|pair| (&pair[0][..], &pair[1][..])), config.stream_node_limits());
        }
        (take(1).is_none() && (seen_live, seen_deleted) == (live, deleted)).then_some(())
    };
    parse().ok_or(CORRUPT_NODE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::stream_log::NodeLimits;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// So that nodes end where Redis's do.
        #[test]
        fn a_node_is_as_large_as_the_log_says(
            entries in prop::collection::vec((0..1u64 << 40, any::<u16>(), any::<bool>(), "[0-9x]{0,80}|-?[1-9][0-9]{0,20}"), 1..200),
            bytes in 0..5000usize,
        ) {
            let mut log = StreamLog::default();
            let mut ms = 0;
            for (delta, seq, usual, value) in &entries {
                ms += delta + 1;
                let name: &[u8] = if *usual { b"name" } else { value.as_bytes() };
                let fields = [(name, value.as_bytes()), (b"n", &seq.to_le_bytes())];
                let count = if *usual { 2 } else { 1 };
                log.push(StreamId::new(ms, *seq as u64), fields[..count].iter().copied(), NodeLimits { bytes, entries: 150 });
            }
            let sizes: Vec<usize> = log.by_node().map(|node_entries| {
                let node_entries: Vec<LogEntry> = node_entries.collect();
                node(node_entries[0], &node_entries).len()
            }).collect();
            prop_assert_eq!(sizes, log.packed_sizes());
        }
    }
}
