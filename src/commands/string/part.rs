//! Parts of strings: APPEND, GETRANGE and SETRANGE.

use super::super::prelude::*;
use super::given;
use crate::config::Config;
use crate::keyspace::NewExpiry;
use crate::resp::reply::BY_REFERENCE_MIN;
use crate::types::string::StringRef;
use std::ops::Range;

pub const APPEND: Command = Command {
    name: "append",
    summary: "Appends to a string",
    since: "2.0.0",
    group: Group::String,
    arity: 3,
    flags: WRITE | DENYOOM | FAST,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RW | INSERT)],
    args: "key:key#0 value",
    handler: Handler::Data(append),
    ..Command::DEFAULT
};

fn append(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (key, value) = (&args[1], &args[2]);
    let len = if let Some(mut string) = ctx.keyspace.write_string(key)? {
        let len = string.get().len();
        check_length(ctx.config, len, value.len())?;
        string.write_at(len, value)
    } else {
        ctx.keyspace.set_string(key, given(args, 2), NewExpiry::None);
        value.len()
    };
    ctx.keyspace.changed(EventClass::STRING, "append", key);
    ctx.reply.integer(len as i64);
    Ok(())
}

pub const GETRANGE: Command = Command {
    name: "getrange",
    summary: "Gets a part of a string",
    since: "2.4.0",
    group: Group::String,
    arity: 4,
    flags: READONLY,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 start:int end:int",
    handler: Handler::Data(getrange),
    ..Command::DEFAULT
};

fn getrange(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (start, end) = (args.int(2)?, args.int(3)?);
    let DataContext { keyspace, reply, .. } = ctx;
    keyspace.read_string(&args[1], |string| {
        let Some(string) = string else { return reply.bulk(b"") };
        let range = if is_reversed(start, end) { 0..0 } else { index_range(start, end, string.len()) };
        match string {
            StringRef::Large(large) if range.len() >= BY_REFERENCE_MIN => reply.bulk_bytes(large.share(range)),
            _ => reply.bulk(&string.bytes(&mut itoa::Buffer::new())[range]),
        }
    })?;
    Ok(())
}

/// The range of indices from `start` to `end`, the last one included, of `len` places; negative ones
/// count from the end.
pub fn index_range(start: i64, end: i64, len: usize) -> Range<usize> {
    let place = |index: i64| if index < 0 { (index + len as i64).max(0) } else { index };
    let end = (place(end).min(len as i64 - 1) + 1) as usize;
    (place(start) as usize).min(end)..end
}

/// Whether a range is empty to GETRANGE and BITCOUNT, however long the string is.
///
/// COMPAT: of a string of five bytes, `-10 -8` is the first byte, for both become 0. `-8 -10` is the
/// same to BITPOS, but nothing here.
pub fn is_reversed(start: i64, end: i64) -> bool {
    start < 0 && end < 0 && start > end
}

pub const SUBSTR: Command = Command {
    name: "substr",
    summary: "Gets a part of a string",
    group: Group::String,
    arity: 4,
    flags: READONLY,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 start:int end:int",
    deprecated: Some(("2.0.0", "`GETRANGE`")),
    handler: Handler::Data(getrange),
    ..Command::DEFAULT
};

pub const SETRANGE: Command = Command {
    name: "setrange",
    summary: "Overwrites a part of a string",
    since: "2.2.0",
    group: Group::String,
    arity: 4,
    flags: WRITE | DENYOOM,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RW | UPDATE)],
    args: "key:key#0 offset:int value",
    handler: Handler::Data(setrange),
    ..Command::DEFAULT
};

fn setrange(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (key, value) = (&args[1], &args[3]);
    let offset = args.int(2)?;
    if offset < 0 {
        return Err(CommandError::new("ERR offset is out of range"));
    }
    let DataContext { keyspace, reply, config, .. } = ctx;
    // COMPAT: a key of the wrong type comes before a length out of bounds, and no key is made for
    // nothing.
    let before = keyspace.write_string(key)?.map_or(0, |string| string.get().len());
    if value.is_empty() {
        reply.integer(before as i64);
        return Ok(());
    }
    check_length(config, offset as usize, value.len())?;
    let len = keyspace.write_string_or_empty(key)?.write_at(offset as usize, value);
    keyspace.changed(EventClass::STRING, "setrange", key);
    reply.integer(len as i64);
    Ok(())
}

/// A string of `len` bytes that grows by `more` must stay within `proto-max-bulk-len`.
fn check_length(config: &Config, len: usize, more: usize) -> CommandResult {
    let max = config.proto_max_bulk_len as usize;
    if len.checked_add(more).is_some_and(|len| len <= max) { Ok(()) } else { Err(CommandError::STRING_TOO_LONG) }
}
