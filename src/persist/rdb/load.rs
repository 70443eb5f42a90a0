//! A value, read in any form that there ever was. Whatever the bytes are, what comes of them is a
//! value as commands could have made it: elements are added one by one, and those that are not
//! possible (a member twice, a score that is no number) are refused.

use super::packed::{Packed, parse_listpack, parse_ziplist, parse_zipmap};
use super::{NODE_PACKED, NODE_PLAIN, RdbError, Reader, ValueType, stream};
use crate::config::Config;
use crate::encoding::intset::Intset;
use crate::encoding::listpack::Listpack;
use crate::encoding::number::parse_f64;
use crate::keyspace::Entry;
use crate::types::hash::Hash;
use crate::types::list::{Element, End, List};
use crate::types::set::{MemberRef, Set};
use crate::types::stream::Stream;
use crate::types::string::NewString;
use crate::types::zset::ZSet;
use bytes::Bytes;

/// A value without its key.
pub enum Value {
    String(Bytes),
    List(List),
    Set(Set),
    ZSet(ZSet),
    Hash(Hash),
    Stream(Box<Stream>),
}

impl Value {
    /// The value at a key.
    pub fn into_entry(self, key: &[u8], expire_at: Option<i64>, clock: u32) -> Entry {
        match self {
            Value::String(text) => Entry::with_string(key, NewString::from_bytes(&text), expire_at, clock),
            Value::List(list) => Entry::with_collection(key, list, expire_at, clock),
            Value::Set(set) => Entry::with_collection(key, set, expire_at, clock),
            Value::ZSet(zset) => Entry::with_collection(key, zset, expire_at, clock),
            Value::Hash(hash) => Entry::with_collection(key, hash, expire_at, clock),
            Value::Stream(stream) => Entry::with_collection(key, stream, expire_at, clock),
        }
    }
}

const TWICE: RdbError = RdbError::Corrupt("an element that is there twice");
const EMPTY: RdbError = RdbError::Corrupt("an empty collection");
const ODD: RdbError = RdbError::Corrupt("a pair without its second half");

/// Room is made for so many elements at most before they are there.
const EXPECTED_MAX: u64 = 1 << 16;

/// Reads a value of this type.
pub fn load_value(value_type: ValueType, reader: &mut Reader, config: &Config) -> Result<Value, RdbError> {
    Ok(match value_type {
        ValueType::String => Value::String(Bytes::copy_from_slice(reader.string()?)),
        ValueType::List => Value::List(load_list(reader, config)?),
        ValueType::ListZiplist => {
            let mut list = List::new();
            push_all(&mut list, &parse_ziplist(reader.string()?)?, config);
            Value::List(not_empty(list, List::is_empty)?)
        }
        ValueType::ListQuicklist | ValueType::ListQuicklist2 => {
            Value::List(load_quicklist(reader, config, value_type == ValueType::ListQuicklist2)?)
        }
        ValueType::Set => Value::Set(load_set(reader, config)?),
        ValueType::SetIntset => Value::Set(load_intset(reader, config)?),
        ValueType::SetListpack => Value::Set(packed_set(&parse_listpack(reader.string()?)?, config)?),
        ValueType::ZSet | ValueType::ZSet2 => Value::ZSet(load_zset(reader, config, value_type == ValueType::ZSet2)?),
        ValueType::ZSetZiplist => Value::ZSet(packed_zset(&parse_ziplist(reader.string()?)?, config)?),
        ValueType::ZSetListpack => Value::ZSet(packed_zset(&parse_listpack(reader.string()?)?, config)?),
        ValueType::Hash => Value::Hash(load_hash(reader, config)?),
        ValueType::HashZipmap => Value::Hash(packed_hash(&parse_zipmap(reader.string()?)?, config)?),
        ValueType::HashZiplist => Value::Hash(packed_hash(&parse_ziplist(reader.string()?)?, config)?),
        ValueType::HashListpack => Value::Hash(packed_hash(&parse_listpack(reader.string()?)?, config)?),
        ValueType::StreamListpacks | ValueType::StreamListpacks2 | ValueType::StreamListpacks3 => {
            Value::Stream(Box::new(stream::load(value_type, reader, config)?))
        }
    })
}

fn not_empty<C>(collection: C, is_empty: impl FnOnce(&C) -> bool) -> Result<C, RdbError> {
    if is_empty(&collection) { Err(EMPTY) } else { Ok(collection) }
}

fn push(list: &mut List, element: &[u8], config: &Config) {
    let limits = config.list_limits();
    list.expect(End::Tail, 1, element.len(), limits);
    list.push(End::Tail, Element::Slice(element), limits);
}

fn push_all(list: &mut List, elements: &[Packed], config: &Config) {
    let mut digits = itoa::Buffer::new();
    elements.iter().for_each(|element| push(list, element.bytes(&mut digits), config));
}

fn load_list(reader: &mut Reader, config: &Config) -> Result<List, RdbError> {
    let mut list = List::new();
    for _ in 0..reader.count()? {
        push(&mut list, reader.string()?, config);
    }
    Ok(list)
}

fn load_quicklist(reader: &mut Reader, config: &Config, listpacks: bool) -> Result<List, RdbError> {
    let mut list = List::new();
    for _ in 0..reader.count()? {
        let kind = if listpacks { reader.len()? } else { NODE_PACKED };
        match kind {
            NODE_PLAIN => push(&mut list, reader.string()?, config),
            NODE_PACKED if listpacks => push_all(&mut list, &parse_listpack(reader.string()?)?, config),
            NODE_PACKED => push_all(&mut list, &parse_ziplist(reader.string()?)?, config),
            _ => return Err(RdbError::Corrupt("unknown kind of quicklist node")),
        }
    }
    not_empty(list, List::is_empty)
}

fn load_set(reader: &mut Reader, config: &Config) -> Result<Set, RdbError> {
    let limits = config.set_limits();
    let count = reader.count()?;
    let mut set = None;
    for _ in 0..count {
        let member = reader.string()?;
        let set = set.get_or_insert_with(|| Set::with_capacity(count.min(EXPECTED_MAX) as usize, member, limits));
        if !set.insert(MemberRef::Text(member), limits) {
            return Err(TWICE);
        }
    }
    set.ok_or(EMPTY)
}

fn load_intset(reader: &mut Reader, config: &Config) -> Result<Set, RdbError> {
    let integers = Intset::from_bytes(reader.string()?).ok_or(RdbError::Corrupt("invalid intset"))?;
    let mut set = Set::Intset(integers);
    set.expect(set.len(), config.set_limits());
    Ok(set)
}

fn packed_set(members: &[Packed], config: &Config) -> Result<Set, RdbError> {
    let limits = config.set_limits();
    let mut digits = itoa::Buffer::new();
    // COMPAT: one that holds only integers stays a listpack.
    let mut set = Set::Listpack(Listpack::new());
    set.expect(members.len(), limits);
    for member in members {
        if !set.insert(MemberRef::Text(member.bytes(&mut digits)), limits) {
            return Err(TWICE);
        }
    }
    not_empty(set, Set::is_empty)
}

fn add_scored(zset: &mut ZSet, member: &[u8], score: f64, config: &Config) -> Result<(), RdbError> {
    if score.is_nan() {
        return Err(RdbError::Corrupt("a score that is no number"));
    }
    let mut is_new = false;
    zset.update(member, config.zset_limits(), |before| {
        is_new = before.is_none();
        Some(score)
    });
    if is_new { Ok(()) } else { Err(TWICE) }
}

fn load_zset(reader: &mut Reader, config: &Config, binary: bool) -> Result<ZSet, RdbError> {
    let count = reader.count()?;
    let mut zset = ZSet::with_capacity(count.min(EXPECTED_MAX) as usize, 0, config.zset_limits());
    let mut member = Vec::new();
    for _ in 0..count {
        member.clear();
        member.extend_from_slice(reader.string()?);
        let score = if binary { reader.double()? } else { reader.text_double()? };
        add_scored(&mut zset, &member, score, config)?;
    }
    Ok(zset)
}

fn packed_zset(elements: &[Packed], config: &Config) -> Result<ZSet, RdbError> {
    let mut zset = ZSet::with_capacity(elements.len() / 2, 0, config.zset_limits());
    let mut digits = (itoa::Buffer::new(), itoa::Buffer::new());
    for pair in elements.chunks(2) {
        let [member, score] = pair else { return Err(ODD) };
        let score = match score {
            Packed::Int(score) => *score as f64,
            score => parse_f64(score.bytes(&mut digits.1)).ok_or(RdbError::Corrupt("invalid score"))?,
        };
        add_scored(&mut zset, member.bytes(&mut digits.0), score, config)?;
    }
    not_empty(zset, ZSet::is_empty)
}

fn load_hash(reader: &mut Reader, config: &Config) -> Result<Hash, RdbError> {
    let limits = config.hash_limits();
    let count = reader.count()?;
    let mut hash = Hash::with_capacity(count.min(EXPECTED_MAX) as usize, 0, limits);
    let mut field = Vec::new();
    for _ in 0..count {
        field.clear();
        field.extend_from_slice(reader.string()?);
        if !hash.set(&field, reader.string()?, limits) {
            return Err(TWICE);
        }
    }
    Ok(hash)
}

fn packed_hash(elements: &[Packed], config: &Config) -> Result<Hash, RdbError> {
    let limits = config.hash_limits();
    let mut hash = Hash::with_capacity(elements.len() / 2, 0, limits);
    let mut digits = (itoa::Buffer::new(), itoa::Buffer::new());
    for pair in elements.chunks(2) {
        let [field, value] = pair else { return Err(ODD) };
        if !hash.set(field.bytes(&mut digits.0), value.bytes(&mut digits.1), limits) {
            return Err(TWICE);
        }
    }
    not_empty(hash, Hash::is_empty)
}
