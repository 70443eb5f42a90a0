//! A value, read in any form that there ever was. Whatever the bytes are, what comes of them is a
//! value as commands could have made it: elements are added one by one, and those that are not
//! possible (a member twice, a score that is no number) are refused.
//!
//! A value that is one string is read as a whole. One whose elements are strings of their own grows
//! by them, so that neither bytes that have not come yet nor a large value keep anybody waiting.

use super::packed::{Packed, parse_listpack, parse_ziplist, parse_zipmap};
use super::stream::StreamLoad;
use super::{NODE_PACKED, NODE_PLAIN, RdbError, Reader, ValueType};
use crate::config::Config;
use crate::encoding::intset::Intset;
use crate::encoding::listpack::Listpack;
use crate::encoding::number::parse_f64;
use crate::encoding::quicklist::Quicklist;
use crate::keyspace::Entry;
use crate::types::Collection;
use crate::types::hash::{Hash, HashLimits};
use crate::types::list::{Element, End, List};
use crate::types::set::{MemberRef, Set, SetLimits};
use crate::types::string::NewString;
use crate::types::zset::{ZSet, ZSetLimits};

/// All of a key but its value.
pub struct KeyFacts<'k> {
    pub name: &'k [u8],
    pub expire_at: Option<i64>,
    /// When it was used last.
    pub clock: u32,
}

const TWICE: RdbError = RdbError::Corrupt("integrity check failed: an element is there twice");
const ODD: RdbError = RdbError::Corrupt("integrity check failed: a pair lacks its second half");

/// Room is made in advance for this many elements at most.
const EXPECTED_MAX: u64 = 1 << 20;

impl KeyFacts<'_> {
    fn entry<C: Collection>(&self, value: C) -> Entry {
        Entry::with_collection(self.name, value, self.expire_at, self.clock)
    }
}

/// Reads the value of a key.
pub fn load_value(
    key: &KeyFacts,
    value_type: ValueType,
    reader: &mut Reader,
    config: &Config,
) -> Result<Entry, RdbError> {
    match begin_value(key, value_type, reader, config)? {
        Begun::Whole(entry) => Ok(entry),
        Begun::Growing(mut value) => {
            let is_whole = value.grow(u64::MAX, reader, config)?;
            assert!(is_whole, "no bound was set");
            value.finish(key, config)
        }
    }
}

/// A value that was begun.
pub enum Begun {
    Whole(Entry),
    Growing(Growing),
}

/// Reads the value of a key, or what comes before its first element.
pub fn begin_value(
    key: &KeyFacts,
    value_type: ValueType,
    reader: &mut Reader,
    config: &Config,
) -> Result<Begun, RdbError> {
    let &KeyFacts { name, expire_at, clock } = key;
    let growing = |value, left| Ok(Begun::Growing(Growing { value, left }));
    Ok(Begun::Whole(match value_type {
        ValueType::String => Entry::with_string(name, NewString::new(reader.string()?), expire_at, clock),
        ValueType::ListZiplist => key.entry(load_list_node(reader, config)?),
        ValueType::SetIntset => key.entry(load_intset(reader, config)?),
        ValueType::SetListpack => key.entry(packed_set(&elements(value_type, reader.string()?)?, config)?),
        ValueType::ZSetZiplist | ValueType::ZSetListpack => {
            key.entry(packed_zset(&elements(value_type, reader.string()?)?, config)?)
        }
        ValueType::HashZipmap => {
            key.entry(packed_hash(&elements(value_type, reader.string()?)?, config.hash_limits())?)
        }
        ValueType::HashZiplist | ValueType::HashListpack => {
            // COMPAT: as for sets, however long its fields and values are.
            let limits = HashLimits { text_bytes: usize::MAX, ..config.hash_limits() };
            key.entry(packed_hash(&elements(value_type, reader.string()?)?, limits)?)
        }
        ValueType::List | ValueType::ListQuicklist | ValueType::ListQuicklist2 => {
            let left = reader.count()?;
            return growing(Partial::List(value_type, new_quicklist(config)), left);
        }
        ValueType::Set => {
            let left = reader.count()?;
            return growing(Partial::Set(None), left);
        }
        ValueType::ZSet | ValueType::ZSet2 => {
            let left = reader.count()?;
            let zset = ZSet::with_capacity(expected(left), 0, config.zset_limits());
            return growing(Partial::ZSet(value_type, zset), left);
        }
        ValueType::Hash => {
            let left = reader.count()?;
            return growing(Partial::Hash(Hash::with_capacity(expected(left), 0, config.hash_limits())), left);
        }
        ValueType::StreamListpacks | ValueType::StreamListpacks2 | ValueType::StreamListpacks3 => {
            let left = reader.length()?;
            return growing(Partial::Stream(Box::new(StreamLoad::new(value_type))), left);
        }
    }))
}

/// For this many elements at most room is made in advance.
fn expected(count: u64) -> usize {
    count.min(EXPECTED_MAX) as usize
}

/// A value that grows by its elements.
pub struct Growing {
    value: Partial,
    /// Elements, or parts of a stream, that are still to be read.
    left: u64,
}

enum Partial {
    List(ValueType, Quicklist),
    /// What it is made as depends on the first member.
    Set(Option<Set>),
    ZSet(ValueType, ZSet),
    Hash(Hash),
    Stream(Box<StreamLoad>),
}

impl Growing {
    /// Reads on until the value is whole, which it then says, or until the reader is at `until`. The
    /// reader's mark is where it has come to.
    pub fn grow(&mut self, until: u64, reader: &mut Reader, config: &Config) -> Result<bool, RdbError> {
        let mut first = Vec::new();
        loop {
            reader.mark();
            if self.left == 0 {
                match &mut self.value {
                    Partial::Stream(stream) => match stream.next_parts(reader)? {
                        Some(left) => self.left = left,
                        None => return Ok(true),
                    },
                    _ => return Ok(true),
                }
                continue;
            }
            if reader.position() >= until {
                return Ok(false);
            }
            match &mut self.value {
                Partial::List(value_type, list) => load_element(*value_type, list, reader, config)?,
                Partial::Set(set) => load_member(set, self.left, reader, config)?,
                Partial::ZSet(value_type, zset) => load_scored(*value_type, zset, &mut first, reader, config)?,
                Partial::Hash(hash) => load_pair(hash, &mut first, reader, config)?,
                Partial::Stream(stream) => stream.load_part(reader, config)?,
            }
            self.left -= 1;
        }
    }

    /// The key with its value, which is whole.
    pub fn finish(self, key: &KeyFacts, config: &Config) -> Result<Entry, RdbError> {
        Ok(match self.value {
            Partial::List(_, list) => key.entry(finished(list, config)?),
            Partial::Set(set) => key.entry(set.ok_or(RdbError::EmptyCollection)?),
            Partial::ZSet(_, zset) => key.entry(zset),
            Partial::Hash(hash) => key.entry(hash),
            Partial::Stream(stream) => key.entry(Box::new(stream.finish())),
        })
    }
}

/// The elements of a block in which a value of this type is kept, or a part of it.
pub fn elements(value_type: ValueType, block: &[u8]) -> Result<Vec<Packed<'_>>, RdbError> {
    let (elements, failed) = match value_type {
        ValueType::ListZiplist => (parse_ziplist(block), "List ziplist integrity check failed"),
        ValueType::ListQuicklist => (parse_ziplist(block), "Quicklist ziplist integrity check failed"),
        ValueType::ListQuicklist2 => (parse_listpack(block), "Quicklist listpack integrity check failed"),
        ValueType::SetListpack => (parse_listpack(block), "Set listpack integrity check failed"),
        ValueType::ZSetZiplist => (parse_ziplist(block), "Zset ziplist integrity check failed"),
        ValueType::ZSetListpack => (parse_listpack(block), "Zset listpack integrity check failed"),
        ValueType::HashZipmap => (parse_zipmap(block), "Zipmap integrity check failed"),
        ValueType::HashZiplist => (parse_ziplist(block), "Hash ziplist integrity check failed"),
        ValueType::HashListpack => (parse_listpack(block), "Hash listpack integrity check failed"),
        ValueType::StreamListpacks | ValueType::StreamListpacks2 | ValueType::StreamListpacks3 => {
            (parse_listpack(block), "Stream listpack integrity check failed")
        }
        ValueType::String
        | ValueType::List
        | ValueType::Set
        | ValueType::SetIntset
        | ValueType::ZSet
        | ValueType::ZSet2
        | ValueType::Hash => unreachable!("kept otherwise"),
    };
    elements.ok_or(RdbError::Corrupt(failed))
}

fn not_empty<C>(collection: C, is_empty: impl FnOnce(&C) -> bool) -> Result<C, RdbError> {
    if is_empty(&collection) { Err(RdbError::EmptyCollection) } else { Ok(collection) }
}

fn new_quicklist(config: &Config) -> Quicklist {
    let limits = config.list_limits();
    Quicklist::new(limits.fill, limits.compress_depth)
}

/// A list that is not empty.
fn finished(list: Quicklist, config: &Config) -> Result<List, RdbError> {
    Ok(List::from_quicklist(not_empty(list, Quicklist::is_empty)?, config.list_limits()))
}

fn load_list_node(reader: &mut Reader, config: &Config) -> Result<List, RdbError> {
    let mut list = new_quicklist(config);
    append_node(&mut list, &elements(ValueType::ListZiplist, reader.string()?)?);
    finished(list, config)
}

/// COMPAT: its nodes stay as they are, for whether a list counts as a quicklist may depend on them.
fn load_element(
    value_type: ValueType,
    list: &mut Quicklist,
    reader: &mut Reader,
    config: &Config,
) -> Result<(), RdbError> {
    let kind = match value_type {
        ValueType::List => {
            list.push(End::Tail, Element::Slice(reader.string()?), config.quicklist_packed_threshold);
            return Ok(());
        }
        ValueType::ListQuicklist2 => reader.length()?,
        _ => NODE_PACKED,
    };
    match kind {
        NODE_PLAIN => match reader.string()? {
            b"" => return Err(RdbError::Corrupt("an element by itself is empty")),
            element => list.append_alone(element),
        },
        NODE_PACKED => append_node(list, &elements(value_type, reader.string()?)?),
        _ => return Err(RdbError::Corrupt("unknown kind of quicklist node")),
    }
    Ok(())
}

/// An empty listpack that need not grow for these elements.
fn room_for(elements: &[Packed]) -> Listpack {
    Listpack::with_capacity(elements.len(), elements.iter().map(|element| element.len()).sum())
}

fn append_node(list: &mut Quicklist, elements: &[Packed]) {
    let mut digits = itoa::Buffer::new();
    let mut node = room_for(elements);
    for element in elements {
        let element = element.bytes(&mut digits);
        if !node.fits(1, element.len()) {
            list.append_node(std::mem::take(&mut node));
        }
        node.push(element);
    }
    list.append_node(node);
}

/// `left`: with this one.
fn load_member(set: &mut Option<Set>, left: u64, reader: &mut Reader, config: &Config) -> Result<(), RdbError> {
    let limits = config.set_limits();
    let member = reader.string()?;
    let set = set.get_or_insert_with(|| Set::with_capacity(expected(left), member, limits));
    if set.insert(MemberRef::Text(member), limits) { Ok(()) } else { Err(TWICE) }
}

fn load_intset(reader: &mut Reader, config: &Config) -> Result<Set, RdbError> {
    let integers = Intset::from_bytes(reader.string()?).ok_or(RdbError::Corrupt("invalid intset"))?;
    let mut set = Set::Intset(integers);
    set.prepare_for(set.len(), config.set_limits());
    Ok(set)
}

/// COMPAT: what came as a listpack stays one, even if its elements are longer than the limit, or all
/// integers.
fn packed_set(members: &[Packed], config: &Config) -> Result<Set, RdbError> {
    let limits = SetLimits { text_bytes: usize::MAX, ..config.set_limits() };
    let mut digits = itoa::Buffer::new();
    let mut set = Set::Listpack(room_for(members));
    set.prepare_for(members.len(), limits);
    for member in members {
        if !set.insert(MemberRef::Text(member.bytes(&mut digits)), limits) {
            return Err(TWICE);
        }
    }
    not_empty(set, Set::is_empty)
}

fn add_scored(zset: &mut ZSet, member: &[u8], score: f64, limits: ZSetLimits) -> Result<(), RdbError> {
    if score.is_nan() {
        return Err(RdbError::Corrupt("a score that is no number"));
    }
    let mut is_new = false;
    zset.update(member, limits, |before| {
        is_new = before.is_none();
        Some(score)
    });
    if is_new { Ok(()) } else { Err(TWICE) }
}

fn load_scored(
    value_type: ValueType,
    zset: &mut ZSet,
    member: &mut Vec<u8>,
    reader: &mut Reader,
    config: &Config,
) -> Result<(), RdbError> {
    member.clear();
    member.extend_from_slice(reader.string()?);
    let score = if value_type == ValueType::ZSet2 { reader.double()? } else { reader.text_double()? };
    add_scored(zset, member, score, config.zset_limits())
}

/// COMPAT: as for sets, however long its members are.
fn packed_zset(elements: &[Packed], config: &Config) -> Result<ZSet, RdbError> {
    let limits = ZSetLimits { member_bytes: usize::MAX, ..config.zset_limits() };
    let mut zset = ZSet::Listpack(room_for(elements));
    zset.prepare_for(elements.len() / 2, limits);
    let mut digits = (itoa::Buffer::new(), itoa::Buffer::new());
    for pair in elements.chunks(2) {
        let [member, score] = pair else { return Err(ODD) };
        let score = match score {
            Packed::Int(score) => *score as f64,
            score => parse_f64(score.bytes(&mut digits.1)).ok_or(RdbError::Corrupt("invalid score"))?,
        };
        add_scored(&mut zset, member.bytes(&mut digits.0), score, limits)?;
    }
    not_empty(zset, ZSet::is_empty)
}

fn load_pair(hash: &mut Hash, field: &mut Vec<u8>, reader: &mut Reader, config: &Config) -> Result<(), RdbError> {
    field.clear();
    field.extend_from_slice(reader.string()?);
    if hash.set(field, reader.string()?, config.hash_limits()) { Ok(()) } else { Err(TWICE) }
}

fn packed_hash(elements: &[Packed], limits: HashLimits) -> Result<Hash, RdbError> {
    let mut hash = Hash::Listpack(room_for(elements));
    hash.prepare_for(elements.len() / 2, limits);
    let mut digits = (itoa::Buffer::new(), itoa::Buffer::new());
    for pair in elements.chunks(2) {
        let [field, value] = pair else { return Err(ODD) };
        if !hash.set(field.bytes(&mut digits.0), value.bytes(&mut digits.1), limits) {
            return Err(TWICE);
        }
    }
    not_empty(hash, Hash::is_empty)
}
