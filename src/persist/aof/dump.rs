//! The data set as commands: what a base file in AOF form holds.

use crate::keyspace::{Entry, Keyspace};
use crate::resp::encode_request;
use crate::types::Type;
use crate::types::hash::Hash;
use crate::types::list::List;
use std::io::{self, Write};
use std::ops::ControlFlow;

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

fn command(out: &mut dyn Write, request: &mut Vec<u8>, arguments: &[&[u8]]) -> io::Result<()> {
    request.clear();
    encode_request(request, arguments.iter().copied());
    out.write_all(request)
}
