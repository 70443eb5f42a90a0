//! The data set as commands: what a base file in AOF form holds.

use crate::encoding::number::{F64Text, format_f64};
use crate::encoding::stream_log::StreamId;
use crate::keyspace::{Entry, Keyspace};
use crate::resp::encode_request;
use crate::types::Type;
use crate::types::hash::Hash;
use crate::types::list::List;
use crate::types::set::{MemberRef, Set};
use crate::types::stream::Stream;
use crate::types::zset::ZSet;
use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

/// A collection is written in commands of up to this many elements, so that loading one does not need
/// a request as large as the collection.
const ELEMENTS_MAX: usize = 64;

/// Bytes written at a time.
const CHUNK: usize = 256 << 10;

/// Writes the commands that load libraries of functions.
pub fn write_libraries(codes: &[&[u8]], out: &mut dyn Write) -> io::Result<()> {
    let mut request = Vec::new();
    codes.iter().try_for_each(|code| command(out, &mut request, &[b"FUNCTION", b"LOAD", code]))
}

/// Writes the commands that make the data set anew. `each_key` is called after each key.
pub fn write_data_set(keyspace: &Keyspace, out: &mut dyn Write, each_key: &mut dyn FnMut()) -> io::Result<()> {
    let out = &mut BufWriter::with_capacity(CHUNK, out);
    let mut request = Vec::new();
    for (index, db) in keyspace.dbs().iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        command(out, &mut request, &[b"SELECT", index.to_string().as_bytes()])?;
        for entry in db.table().iter() {
            write_entry(&entry, out, &mut request)?;
            each_key();
        }
    }
    out.flush()
}

fn write_entry(entry: &Entry, out: &mut dyn Write, request: &mut Vec<u8>) -> io::Result<()> {
    match entry.type_() {
        Type::String => {
            let string = entry.string().expect("it is one");
            command(out, request, &[b"SET", entry.key(), string.bytes(&mut itoa::Buffer::new())])?;
        }
        Type::Set => {
            let set = entry.collection::<Set>().expect("it is one");
            let members: Vec<MemberRef> = set.iter().collect();
            let mut digits = [itoa::Buffer::new(); ELEMENTS_MAX];
            for chunk in members.chunks(ELEMENTS_MAX) {
                let mut arguments: Vec<&[u8]> = vec![b"SADD", entry.key()];
                arguments.extend(chunk.iter().zip(&mut digits).map(|(member, digits)| member.bytes(digits)));
                command(out, request, &arguments)?;
            }
        }
        Type::Hash => {
            let hash = entry.collection::<Hash>().expect("it is one");
            let mut pairs: Vec<&[u8]> = Vec::new();
            hash.for_each(|field, value| pairs.extend([field, value]));
            for chunk in pairs.chunks(2 * ELEMENTS_MAX) {
                command(out, request, &[&[b"HMSET", entry.key()], chunk].concat())?;
            }
        }
        Type::Stream => {
            let stream = entry.collection::<Box<Stream>>().expect("it is one");
            write_stream(entry.key(), &stream, out, request)?;
        }
        Type::ZSet => {
            let zset = entry.collection::<ZSet>().expect("it is one");
            let mut pairs: Vec<(F64Text, &[u8])> = Vec::new();
            zset.for_each(|member, score| pairs.push((format_f64(score), member)));
            for chunk in pairs.chunks(ELEMENTS_MAX) {
                let texts = chunk.iter().flat_map(|(score, member)| [score.as_slice(), member]);
                let arguments: Vec<&[u8]> = [b"ZADD", entry.key()].into_iter().chain(texts).collect();
                command(out, request, &arguments)?;
            }
        }
        Type::List => {
            let list = entry.collection::<List>().expect("it is one");
            let mut chunk: Vec<Vec<u8>> = Vec::with_capacity(ELEMENTS_MAX);
            let failed = list.visit(0..list.len(), false, |index, element| {
                chunk.push(element.to_vec());
                if chunk.len() < ELEMENTS_MAX && index + 1 < list.len() {
                    return ControlFlow::Continue(());
                }
                let elements: Vec<&[u8]> = chunk.iter().map(Vec::as_slice).collect();
                let written = command(out, request, &[&[b"RPUSH", entry.key()], &elements[..]].concat());
                chunk.clear();
                written.map_or_else(ControlFlow::Break, ControlFlow::Continue)
            });
            failed.map_or(Ok(()), Err)?;
        }
    }
    if let Some(at) = entry.expire_at() {
        command(out, request, &[b"PEXPIREAT", entry.key(), at.to_string().as_bytes()])?;
    }
    Ok(())
}

fn write_stream(key: &[u8], stream: &Stream, out: &mut dyn Write, request: &mut Vec<u8>) -> io::Result<()> {
    let text = |n: &dyn Display| n.to_string().into_bytes();
    let Stream { entries, groups } = stream;
    let last = text(&entries.last_id());
    for entry in entries.log().range(StreamId::MIN, StreamId::MAX) {
        let id = text(&entry.id);
        let mut arguments: Vec<&[u8]> = vec![b"XADD", key, &id];
        entry.fields().for_each(|(name, value)| arguments.extend([name, value]));
        command(out, request, &arguments)?;
    }
    if entries.is_empty() {
        // An entry that is gone at once leaves an empty stream behind.
        let id = text(&entries.last_id().max(StreamId::new(0, 1)));
        command(out, request, &[b"XADD", key, b"MAXLEN", b"0", &id, b"x", b"y"])?;
    }
    let (added, deleted) = (text(&entries.added()), text(&entries.max_deleted_id()));
    command(out, request, &[b"XSETID", key, &last, b"ENTRIESADDED", &added, b"MAXDELETEDID", &deleted])?;
    for (name, group) in groups {
        let read = group.entries_read.map_or(-1, |read| read as i64);
        let (id, read) = (text(&group.last_id), text(&read));
        command(out, request, &[b"XGROUP", b"CREATE", key, name, &id, b"ENTRIESREAD", &read])?;
        for consumer in group.consumers() {
            command(out, request, &[b"XGROUP", b"CREATECONSUMER", key, name, &consumer.name])?;
        }
        for (id, pending) in group.pending() {
            let consumer = &group.consumer(pending.consumer).name;
            let (id, time, count) = (text(id), text(&pending.delivered_ms), text(&pending.deliveries));
            let to: [&[u8]; 5] = [b"XCLAIM", key, name, consumer, b"0"];
            let how: [&[u8]; 7] = [&id, b"TIME", &time, b"RETRYCOUNT", &count, b"JUSTID", b"FORCE"];
            command(out, request, &[&to[..], &how[..]].concat())?;
        }
    }
    Ok(())
}

fn command(out: &mut dyn Write, request: &mut Vec<u8>, arguments: &[&[u8]]) -> io::Result<()> {
    request.clear();
    encode_request(request, arguments.iter().copied());
    out.write_all(request)
}
