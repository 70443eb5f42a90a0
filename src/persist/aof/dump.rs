//! The data set as commands: what a base file in AOF form holds.

use crate::encoding::number::{F64Text, format_f64};
use crate::keyspace::{Entry, Keyspace};
use crate::resp::encode_request;
use crate::types::Type;
use crate::types::hash::Hash;
use crate::types::zset::ZSet;
use std::io::{self, Write};

/// A collection is written in commands of up to so many elements, so that loading one does not need
/// a request as large as the collection.
const ELEMENTS_MAX: usize = 64;

/// Writes the commands that make the data set anew.
pub fn write_data_set(keyspace: &Keyspace, out: &mut dyn Write) -> io::Result<()> {
    let mut request = Vec::new();
    for (index, db) in keyspace.dbs().iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        command(out, &mut request, &[b"SELECT", index.to_string().as_bytes()])?;
        for entry in db.table().iter() {
            write_entry(&entry, out, &mut request)?;
        }
    }
    Ok(())
}

fn write_entry(entry: &Entry, out: &mut dyn Write, request: &mut Vec<u8>) -> io::Result<()> {
    match entry.type_() {
        Type::String => {
            let string = entry.string().expect("it is one");
            command(out, request, &[b"SET", entry.key(), string.bytes(&mut itoa::Buffer::new())])?;
        }
        Type::Hash => {
            let hash = entry.collection::<Hash>().expect("it is one");
            let mut pairs: Vec<&[u8]> = Vec::new();
            hash.for_each(|field, value| pairs.extend([field, value]));
            for chunk in pairs.chunks(2 * ELEMENTS_MAX) {
                command(out, request, &[&[b"HMSET", entry.key()], chunk].concat())?;
            }
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
    }
    if let Some(at) = entry.expire_at() {
        command(out, request, &[b"PEXPIREAT", entry.key(), at.to_string().as_bytes()])?;
    }
    Ok(())
}

fn command(out: &mut dyn Write, request: &mut Vec<u8>, arguments: &[&[u8]]) -> io::Result<()> {
    request.clear();
    encode_request(request, arguments.iter().copied());
    out.write_all(request)
}
