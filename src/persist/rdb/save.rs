//! A value, written.

use super::file::FUNCTION;
use super::packed::ListpackBuilder;
use super::write::Writer;
use super::{NODE_PACKED, NODE_PLAIN, VERSION_7_0, ValueType, stream};
use crate::encoding::quicklist::Quicklist;
use crate::keyspace::Entry;
use crate::types::hash::Hash;
use crate::types::list::List;
use crate::types::set::Set;
use crate::types::stream::Stream;
use crate::types::string::StringRef;
use crate::types::zset::ZSet;
use crate::types::{Encoding, Type};
use std::io;
use std::ops::ControlFlow;

/// How the value of an entry is written in this version of the format.
pub fn value_type(entry: &Entry, version: u16) -> ValueType {
    match entry.encoding() {
        Encoding::SetListpack if version <= VERSION_7_0 => ValueType::Set,
        Encoding::Stream if version <= VERSION_7_0 => ValueType::StreamListpacks2,
        Encoding::SetIntset => ValueType::SetIntset,
        Encoding::SetListpack => ValueType::SetListpack,
        Encoding::SetTable => ValueType::Set,
        Encoding::ZSetListpack => ValueType::ZSetListpack,
        Encoding::ZSetTable => ValueType::ZSet2,
        Encoding::HashListpack => ValueType::HashListpack,
        Encoding::HashTable => ValueType::Hash,
        encoding => match encoding.type_() {
            Type::String => ValueType::String,
            Type::List => ValueType::ListQuicklist2,
            Type::Stream => ValueType::StreamListpacks3,
            Type::Set | Type::ZSet | Type::Hash => unreachable!("each of their encodings is above"),
        },
    }
}

/// Writes the code of a library of functions.
pub fn save_library(code: &[u8], writer: &mut Writer) -> io::Result<()> {
    writer.bytes(&[FUNCTION])?;
    writer.string(code)
}

/// Writes the value of an entry, without its type.
pub fn save_value(entry: &Entry, writer: &mut Writer) -> io::Result<()> {
    match entry.type_() {
        Type::String => match entry.string().expect("it is one") {
            StringRef::Int(value) => writer.int(value),
            string => writer.string(string.bytes(&mut itoa::Buffer::new())),
        },
        Type::List => save_list(&entry.collection::<List>().expect("it is one"), writer),
        Type::Set => save_set(&entry.collection::<Set>().expect("it is one"), writer),
        Type::ZSet => save_zset(&entry.collection::<ZSet>().expect("it is one"), writer),
        Type::Hash => save_hash(&entry.collection::<Hash>().expect("it is one"), writer),
        Type::Stream => stream::save(&entry.collection::<Box<Stream>>().expect("it is one"), writer),
    }
}

/// COMPAT: what Redis keeps in one listpack is one node, for it takes several nodes for a quicklist.
fn save_list(list: &List, writer: &mut Writer) -> io::Result<()> {
    let one_node = list.quicklist().is_none().then_some((list.len(), false));
    let mut nodes = list.quicklist().into_iter().flat_map(Quicklist::node_counts).chain(one_node);
    writer.len(list.quicklist().map_or(1, Quicklist::nodes) as u64)?;
    let mut builder = ListpackBuilder::new();
    // Elements of this node that are to come, and whether it is one element by itself.
    let (mut left, mut is_alone) = (0, false);
    let failed = list.visit(0..list.len(), false, |_, element| {
        if left == 0 {
            (left, is_alone) = nodes.next().expect("the counts add up to the length");
        }
        left -= 1;
        let written = if is_alone {
            writer.len(NODE_PLAIN).and_then(|()| writer.string(&element))
        } else {
            builder.push(&element);
            match left {
                0 => writer.len(NODE_PACKED).and_then(|()| writer.string(&std::mem::take(&mut builder).finish())),
                _ => Ok(()),
            }
        };
        written.map_or_else(ControlFlow::Break, ControlFlow::Continue)
    });
    failed.map_or(Ok(()), Err)
}

fn save_set(set: &Set, writer: &mut Writer) -> io::Result<()> {
    let mut digits = itoa::Buffer::new();
    match set {
        Set::Intset(integers) => {
            let mut block = Vec::new();
            integers.to_bytes(&mut block);
            writer.string(&block)
        }
        Set::Listpack(_) if writer.version() > VERSION_7_0 => {
            let mut builder = ListpackBuilder::new();
            set.iter().for_each(|member| builder.push(member.bytes(&mut digits)));
            writer.string(&builder.finish())
        }
        Set::Listpack(_) | Set::Table(_) => {
            writer.len(set.len() as u64)?;
            set.iter().try_for_each(|member| writer.string(member.bytes(&mut digits)))
        }
    }
}

fn save_zset(zset: &ZSet, writer: &mut Writer) -> io::Result<()> {
    match zset {
        ZSet::Listpack(pairs) => {
            let mut builder = ListpackBuilder::new();
            pairs.iter().for_each(|text| builder.push(text));
            writer.string(&builder.finish())
        }
        ZSet::Table(_) => {
            writer.len(zset.len() as u64)?;
            // From the last to the first, as Redis, which can then put each in front.
            let mut result = Ok(());
            zset.for_each_in(0..zset.len(), true, |member, score| {
                if result.is_ok() {
                    result = writer.string(member).and_then(|()| writer.bytes(&score.to_le_bytes()));
                }
            });
            result
        }
    }
}

fn save_hash(hash: &Hash, writer: &mut Writer) -> io::Result<()> {
    match hash {
        Hash::Listpack(pairs) => {
            let mut builder = ListpackBuilder::new();
            pairs.iter().for_each(|text| builder.push(text));
            writer.string(&builder.finish())
        }
        Hash::Table(_) => {
            writer.len(hash.len() as u64)?;
            let mut result = Ok(());
            hash.for_each(|field, value| {
                if result.is_ok() {
                    result = writer.string(field).and_then(|()| writer.string(value));
                }
            });
            result
        }
    }
}
