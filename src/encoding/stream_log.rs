//! The entries of a stream: an append-only log of ids and fields, in nodes.
//!
//! ```text
//! node     field names of the first entry: count, names | entry | entry ...
//! entry    head u8 | [ms delta] | [seq] | fields
//! head     bit 0      DELETED
//!          bit 1      SAME_FIELDS: the names are those of the node, only values follow
//!          bits 2..4  seq: 0 = it is 0, 1 = the one before plus 1, 2 = follows
//!          bits 4..8  ms minus that of the entry before, 15 = follows
//! fields   SAME_FIELDS: values | else: count, then names and values in turn
//! ```
//!
//! Numbers are LEB128; names and values have their length in front. The entry before the first one
//! of a node counts as having the node's `first` id, seq and all.
//!
//! Always: nodes are in order and none is without a live entry; ids rise. A deleted entry is marked
//! and leaves with its node. Walking backwards reads a node forwards first: nodes are short.

use super::packed_size::{EMPTY_SIZE, entry_size, int_size};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::fmt;

/// An entry's id: milliseconds and a sequence number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

impl StreamId {
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    pub fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// The id right after this one; None if it is the last.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id right before this one; None if it is the first.
    pub fn previous(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// When a node is full; 0 means no limit. The bytes are those that Redis would take.
#[derive(Clone, Copy, Debug)]
pub struct NodeLimits {
    pub bytes: usize,
    pub entries: usize,
}

/// What is to be trimmed from the front.
#[derive(Clone, Copy, Debug)]
pub enum Trim {
    /// All but this many entries.
    ToLen(u64),
    /// Those with smaller ids.
    Before(StreamId),
}

const DELETED: u8 = 1;
const SAME_FIELDS: u8 = 2;
const SEQ_SHIFT: u32 = 2;
const SEQ_ZERO: u8 = 0;
const SEQ_NEXT: u8 = 1;
const SEQ_FOLLOWS: u8 = 2;
const MS_SHIFT: u32 = 4;
const MS_FOLLOWS: u8 = 15;

#[derive(Clone)]
struct Node {
    first: StreamId,
    last: StreamId,
    live: u32,
    total: u32,
    /// What Redis would take for it, but for the numbers of entries.
    packed_size: usize,
    bytes: Vec<u8>,
}

/// The entries of one stream, in the order of their ids.
#[derive(Clone, Default)]
pub struct StreamLog {
    nodes: VecDeque<Node>,
    len: u64,
}

/// Reads what [`push_number`] and [`push_text`] wrote.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn number(&mut self) -> u64 {
        let byte = self.bytes[self.at];
        self.at += 1;
        if byte < 0x80 { byte as u64 } else { self.long_number(byte) }
    }

    #[cold]
    fn long_number(&mut self, first: u8) -> u64 {
        let (mut value, mut shift) = ((first & 0x7f) as u64, 7);
        loop {
            let byte = self.bytes[self.at];
            self.at += 1;
            value |= ((byte & 0x7f) as u64) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }

    #[inline]
    fn text(&mut self) -> &'a [u8] {
        let len = self.number() as usize;
        let text = &self.bytes[self.at..self.at + len];
        self.at += len;
        text
    }

    fn skip_texts(&mut self, count: usize) {
        for _ in 0..count {
            let len = self.number() as usize;
            self.at += len;
        }
    }
}

fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn push_text(bytes: &mut Vec<u8>, text: &[u8]) {
    push_number(bytes, text.len() as u64);
    bytes.extend_from_slice(text);
}

/// An entry, in place.
#[derive(Clone, Copy)]
pub struct LogEntry<'a> {
    pub id: StreamId,
    /// The names, if they are those of the node.
    names: Option<Cursor<'a>>,
    /// Values, or names and values in turn.
    texts: Cursor<'a>,
    fields: usize,
}

impl<'a> LogEntry<'a> {
    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields
    }

    pub fn is_empty(&self) -> bool {
        self.fields == 0
    }

    /// Each field's name and value.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut entry = *self;
        (0..entry.fields).map(move |_| {
            let name = match &mut entry.names {
                Some(names) => names.text(),
                None => entry.texts.text(),
            };
            (name, entry.texts.text())
        })
    }
}

/// Walks a node's entries, deleted ones too.
struct NodeCursor<'a> {
    cursor: Cursor<'a>,
    names: Cursor<'a>,
    name_count: usize,
    previous: StreamId,
}

/// Where an entry is, and what it is.
#[derive(Clone, Copy)]
struct Found<'a> {
    entry: LogEntry<'a>,
    deleted: bool,
    /// The offset of its head.
    at: usize,
}

impl<'a> NodeCursor<'a> {
    fn new(node: &'a Node) -> Self {
        let mut cursor = Cursor { bytes: &node.bytes, at: 0 };
        let name_count = cursor.number() as usize;
        let names = cursor;
        cursor.skip_texts(name_count);
        NodeCursor { cursor, names, name_count, previous: node.first }
    }

    #[inline]
    fn next(&mut self) -> Option<Found<'a>> {
        let cursor = &mut self.cursor;
        let at = cursor.at;
        let head = *cursor.bytes.get(at)?;
        cursor.at += 1;
        let delta = match head >> MS_SHIFT {
            MS_FOLLOWS => cursor.number(),
            delta => delta as u64,
        };
        let seq = match head >> SEQ_SHIFT & 3 {
            SEQ_ZERO => 0,
            SEQ_NEXT => self.previous.seq + 1,
            _ => cursor.number(),
        };
        let id = StreamId { ms: self.previous.ms + delta, seq };
        self.previous = id;
        let same = head & SAME_FIELDS != 0;
        let fields = if same { self.name_count } else { cursor.number() as usize };
        let texts = *cursor;
        cursor.skip_texts(if same { fields } else { 2 * fields });
        let entry = LogEntry { id, names: same.then_some(self.names), texts, fields };
        Some(Found { entry, deleted: head & DELETED != 0, at })
    }
}

impl Node {
    fn new<'f>(first: StreamId, fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone) -> Node {
        let mut bytes = Vec::new();
        let count = fields.clone().count();
        push_number(&mut bytes, count as u64);
        let mut packed_size = EMPTY_SIZE + int_size(count as i64) + int_size(0);
        for (name, _) in fields {
            push_text(&mut bytes, name);
            packed_size += entry_size(name);
        }
        Node { first, last: first, live: 0, total: 0, packed_size, bytes }
    }

    /// What Redis would take for it.
    fn packed_size(&self) -> usize {
        self.packed_size + int_size(self.live.into()) + int_size((self.total - self.live).into())
    }

    /// Whether an entry with these fields needs no names.
    fn has_names<'f>(&self, mut fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> bool {
        let mut cursor = Cursor { bytes: &self.bytes, at: 0 };
        let count = cursor.number();
        (0..count).all(|_| fields.next().is_some_and(|(name, _)| name == cursor.text())) && fields.next().is_none()
    }

    fn push<'f>(&mut self, id: StreamId, fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone) {
        let delta = id.ms - self.last.ms;
        let seq = match id.seq {
            0 => SEQ_ZERO,
            seq if self.last.seq.checked_add(1) == Some(seq) => SEQ_NEXT,
            _ => SEQ_FOLLOWS,
        };
        let same = self.has_names(fields.clone());
        let short = delta.min(MS_FOLLOWS as u64) as u8;
        let from_first = |number: u64, first: u64| int_size(number.wrapping_sub(first) as i64);
        let mut packed_size = int_size(0) + from_first(id.ms, self.first.ms) + from_first(id.seq, self.first.seq);
        let bytes = &mut self.bytes;
        bytes.push(short << MS_SHIFT | seq << SEQ_SHIFT | if same { SAME_FIELDS } else { 0 });
        if short == MS_FOLLOWS {
            push_number(bytes, delta);
        }
        if seq == SEQ_FOLLOWS {
            push_number(bytes, id.seq);
        }
        let mut count = 0;
        if !same {
            count = fields.clone().count();
            push_number(bytes, count as u64);
            packed_size += int_size(count as i64);
        }
        let mut elements = if same { 3 } else { 4 + count as i64 };
        for (name, value) in fields {
            if !same {
                push_text(bytes, name);
                packed_size += entry_size(name);
            }
            push_text(bytes, value);
            packed_size += entry_size(value);
            elements += 1;
        }
        self.packed_size += packed_size + int_size(elements);
        self.last = id;
        self.live += 1;
        self.total += 1;
    }

    fn find(&self, id: StreamId) -> Option<Found<'_>> {
        let mut cursor = NodeCursor::new(self);
        while let Some(found) = cursor.next() {
            if found.entry.id >= id {
                return (found.entry.id == id && !found.deleted).then_some(found);
            }
        }
        None
    }
}

impl StreamLog {
    /// The number of entries.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Allocated bytes.
    pub fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.nodes.iter().map(|node| node.bytes.capacity()).sum::<usize>()
    }

    /// Appends an entry; its id must be greater than those of all before.
    pub fn push<'f>(
        &mut self,
        id: StreamId,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
        limits: NodeLimits,
    ) {
        let size: usize = fields.clone().map(|(name, value)| name.len() + value.len()).sum();
        let fits = self.nodes.back().is_some_and(|node| {
            assert!(id > node.last, "ids rise");
            (limits.bytes == 0 || node.packed_size() + size < limits.bytes)
                && (limits.entries == 0 || (node.total as usize) < limits.entries)
        });
        if !fits {
            if let Some(full) = self.nodes.back_mut() {
                full.bytes.shrink_to_fit();
            }
            self.nodes.push_back(Node::new(id, fields.clone()));
        }
        self.nodes.back_mut().expect("there is one now").push(id, fields);
        self.len += 1;
    }

    /// The index of the node that has `id`, if any has.
    fn node_of(&self, id: StreamId) -> usize {
        self.nodes.partition_point(|node| node.last < id)
    }

    pub fn get(&self, id: StreamId) -> Option<LogEntry<'_>> {
        Some(self.nodes.get(self.node_of(id))?.find(id)?.entry)
    }

    pub fn first_id(&self) -> Option<StreamId> {
        self.range(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id)
    }

    pub fn last_id(&self) -> Option<StreamId> {
        self.range_back(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id)
    }

    /// The entries from one id to another, both included.
    pub fn range(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = LogEntry<'_>> {
        let mut node = self.node_of(from);
        let mut cursor = self.nodes.get(node).map(NodeCursor::new);
        std::iter::from_fn(move || {
            loop {
                match cursor.as_mut()?.next() {
                    Some(found) if found.entry.id > to => cursor = None,
                    Some(found) if found.deleted || found.entry.id < from => (),
                    Some(found) => return Some(found.entry),
                    None => {
                        node += 1;
                        cursor = self.nodes.get(node).map(NodeCursor::new);
                    }
                }
            }
        })
    }

    /// As [`Self::range`], from the last to the first.
    pub fn range_back(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = LogEntry<'_>> {
        // The node after the next one to be read.
        let mut node = self.nodes.partition_point(|node| node.first <= to);
        let mut entries: SmallVec<[LogEntry<'_>; 8]> = SmallVec::new();
        std::iter::from_fn(move || {
            while entries.is_empty() {
                node = node.checked_sub(1)?;
                if self.nodes[node].last < from {
                    node = 0;
                    return None;
                }
                let mut cursor = NodeCursor::new(&self.nodes[node]);
                while let Some(found) = cursor.next() {
                    if !found.deleted && (from..=to).contains(&found.entry.id) {
                        entries.push(found.entry);
                    }
                }
            }
            entries.pop()
        })
    }

    /// Deletes an entry; true if it was there.
    pub fn remove(&mut self, id: StreamId) -> bool {
        let index = self.node_of(id);
        let Some(at) = self.nodes.get(index).and_then(|node| node.find(id)).map(|found| found.at) else { return false };
        let node = &mut self.nodes[index];
        node.bytes[at] |= DELETED;
        node.live -= 1;
        self.len -= 1;
        if node.live == 0 {
            self.nodes.remove(index);
        }
        true
    }

    /// Trims from the front; gives how many entries went. `approximate` takes whole nodes only, and no
    /// more than `limit` entries if that is not 0.
    pub fn trim(&mut self, trim: Trim, approximate: bool, limit: u64) -> u64 {
        let len = self.len;
        while let Some(node) = self.nodes.front_mut() {
            if let Trim::ToLen(max) = trim
                && self.len <= max
            {
                break;
            }
            let live = node.live as u64;
            if limit > 0 && len - self.len + live > limit {
                break;
            }
            let whole = match trim {
                Trim::ToLen(max) => self.len - live >= max,
                Trim::Before(min) => node.last < min,
            };
            if whole {
                self.len -= live;
                self.nodes.pop_front();
                continue;
            }
            if !approximate {
                let too_many = match trim {
                    Trim::ToLen(max) => self.len - max,
                    Trim::Before(_) => u64::MAX,
                };
                self.len -= node.trim(trim, too_many);
                if node.live == 0 {
                    self.nodes.pop_front();
                }
            }
            break;
        }
        len - self.len
    }

    #[cfg(test)]
    pub fn packed_sizes(&self) -> Vec<usize> {
        self.nodes.iter().map(Node::packed_size).collect()
    }

    /// The live entries of each node, for formats that keep nodes.
    pub fn by_node(&self) -> impl Iterator<Item = impl Iterator<Item = LogEntry<'_>>> {
        self.nodes.iter().map(|node| {
            let mut cursor = NodeCursor::new(node);
            std::iter::from_fn(move || {
                loop {
                    let found = cursor.next()?;
                    if !found.deleted {
                        return Some(found.entry);
                    }
                }
            })
        })
    }
}

impl Node {
    /// Deletes up to `count` entries from the front, as far as `trim` asks; gives how many.
    fn trim(&mut self, trim: Trim, count: u64) -> u64 {
        let mut heads: SmallVec<[usize; 64]> = SmallVec::new();
        let mut cursor = NodeCursor::new(self);
        while let Some(found) = cursor.next() {
            let kept = matches!(trim, Trim::Before(min) if found.entry.id >= min);
            if kept || heads.len() as u64 == count {
                break;
            }
            if !found.deleted {
                heads.push(found.at);
            }
        }
        heads.iter().for_each(|&at| self.bytes[at] |= DELETED);
        self.live -= heads.len() as u32;
        heads.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Fields = Vec<(Vec<u8>, Vec<u8>)>;

    #[derive(Clone, Debug)]
    enum Operation {
        /// Milliseconds and sequence number beyond the last.
        Push(u64, u64, Fields),
        Remove(u64),
        TrimToLen(u64, bool, u64),
        TrimBefore(u64, bool, u64),
        Copy,
    }

    fn fields() -> impl Strategy<Value = Fields> {
        let usual = prop::collection::vec(any::<u8>(), 0..20)
            .prop_map(|value| vec![(b"name".to_vec(), value), (b"other".to_vec(), b"1".to_vec())]);
        let text = || prop::collection::vec(any::<u8>(), 0..200);
        prop_oneof![3 => usual, 1 => prop::collection::vec((text(), text()), 0..4)]
    }

    fn operation() -> impl Strategy<Value = Operation> {
        let ms = prop_oneof![3 => 0..3u64, 1 => 0..1000u64, 1 => 0..1u64 << 40];
        let seq = prop_oneof![3 => 0..2u64, 1 => any::<u64>()];
        prop_oneof![
            10 => (ms, seq, fields()).prop_map(|(ms, seq, fields)| Operation::Push(ms, seq, fields)),
            3 => any::<u64>().prop_map(Operation::Remove),
            1 => (0..30u64, any::<bool>(), 0..10u64).prop_map(|(n, about, limit)| Operation::TrimToLen(n, about, limit)),
            1 => (any::<u64>(), any::<bool>(), 0..10u64)
                .prop_map(|(n, about, limit)| Operation::TrimBefore(n, about, limit)),
            1 => Just(Operation::Copy),
        ]
    }

    fn pairs(fields: &Fields) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        fields.iter().map(|(name, value)| (&name[..], &value[..]))
    }

    fn collect<'a>(entries: impl Iterator<Item = LogEntry<'a>>) -> Vec<(StreamId, Fields)> {
        entries
            .map(|entry| (entry.id, entry.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()))
            .collect()
    }

    /// The id of the n-th entry, or one near it.
    fn pick(oracle: &BTreeMap<StreamId, Fields>, n: u64) -> StreamId {
        let id = oracle.keys().nth(n as usize % oracle.len().max(1)).copied().unwrap_or_default();
        match n >> 60 {
            0 => id.next().unwrap_or(id),
            1 => id.previous().unwrap_or(id),
            _ => id,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn behaves_as_an_ordered_map(
            operations in prop::collection::vec(operation(), 0..80),
            bytes in prop_oneof![Just(0usize), 0..600usize],
            entries in 0..8usize,
            (from, to) in any::<(u64, u64)>(),
        ) {
            let limits = NodeLimits { bytes, entries };
            let (mut log, mut oracle) = (StreamLog::default(), BTreeMap::new());
            let mut last = StreamId::new(0, 0);
            for operation in operations {
                match operation {
                    Operation::Push(ms, seq, fields) => {
                        let id = match ms {
                            0 => StreamId::new(last.ms, last.seq.saturating_add(1 + seq % 100)),
                            _ => StreamId::new(last.ms.saturating_add(ms), seq),
                        };
                        if id <= last {
                            continue;
                        }
                        log.push(id, pairs(&fields), limits);
                        oracle.insert(id, fields);
                        last = id;
                    }
                    Operation::Remove(n) => {
                        let id = pick(&oracle, n);
                        prop_assert_eq!(log.remove(id), oracle.remove(&id).is_some());
                    }
                    Operation::TrimToLen(..) | Operation::TrimBefore(..) => {
                        let (trim, about, limit) = match operation {
                            Operation::TrimToLen(n, about, limit) => (Trim::ToLen(n), about, limit),
                            Operation::TrimBefore(n, about, limit) => (Trim::Before(pick(&oracle, n)), about, limit),
                            _ => unreachable!("one of both"),
                        };
                        let limit = if about { limit } else { 0 };
                        let removed = log.trim(trim, about, limit);
                        let too_many = match trim {
                            Trim::ToLen(max) => (oracle.len() as u64).saturating_sub(max),
                            Trim::Before(min) => oracle.range(..min).count() as u64,
                        };
                        if about {
                            prop_assert!(removed <= too_many && (limit == 0 || removed <= limit));
                        } else {
                            prop_assert_eq!(removed, too_many);
                        }
                        (0..removed).for_each(|_| { oracle.pop_first(); });
                    }
                    Operation::Copy => log = log.clone(),
                }
                prop_assert_eq!(log.len(), oracle.len() as u64);
                prop_assert_eq!(log.first_id(), oracle.keys().next().copied());
                prop_assert_eq!(log.last_id(), oracle.keys().next_back().copied());
            }
            let all: Vec<_> = oracle.clone().into_iter().collect();
            prop_assert_eq!(collect(log.by_node().flatten()), all);
            let (from, to) = (pick(&oracle, from), pick(&oracle, to));
            let mut part: Vec<_> = all_between(&oracle, from, to);
            prop_assert_eq!(collect(log.range(from, to)), part.clone());
            part.reverse();
            prop_assert_eq!(collect(log.range_back(from, to)), part);
            prop_assert_eq!(log.get(from).map(|entry| entry.id), oracle.contains_key(&from).then_some(from));
        }
    }

    fn all_between(oracle: &BTreeMap<StreamId, Fields>, from: StreamId, to: StreamId) -> Vec<(StreamId, Fields)> {
        if from > to {
            return Vec::new();
        }
        oracle.range(from..=to).map(|(id, fields)| (*id, fields.clone())).collect()
    }

    #[test]
    fn usual_entries_are_small() {
        let mut log = StreamLog::default();
        for n in 0..10_000u64 {
            let (sensor, value) = ((n % 100).to_string(), (n * 7919 % 100_000).to_string());
            let fields: [(&[u8], &[u8]); 2] = [(b"sensor", sensor.as_bytes()), (b"value", value.as_bytes())];
            log.push(StreamId::new(n + 1, 0), fields.into_iter(), NodeLimits { bytes: 4096, entries: 100 });
        }
        assert!(log.bytes() / 10_000 < 12, "{}", log.bytes());
    }
}
