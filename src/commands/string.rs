//! Strings, kept by `types/string.rs` and, where they are changed in place, `keyspace/string.rs`.
//!
//! SET, GETEX and their kin turn a time to live into a moment, and are propagated with that (`PXAT`). INCRBYFLOAT
//! is propagated as SET, because another machine's sum may differ in its last digit.

use super::prelude::*;
use crate::config::Config;
use crate::encoding::lcs;
use crate::encoding::number::{self, LongDouble};
use crate::keyspace::{ExpiryMode, Keyspace, NewExpiry};
use crate::resp::reply::BY_REFERENCE_MIN;
use crate::types::string::{NewString, StringRef};
use smallvec::SmallVec;
use std::ops::Range;

pub const COMMANDS: &[&Command] = &[
    &APPEND,
    &DECR,
    &DECRBY,
    &GET,
    &GETDEL,
    &GETEX,
    &GETRANGE,
    &GETSET,
    &INCR,
    &INCRBY,
    &INCRBYFLOAT,
    &LCS,
    &MGET,
    &MSET,
    &MSETNX,
    &PSETEX,
    &SET,
    &SETEX,
    &SETNX,
    &SETRANGE,
    &STRLEN,
    &SUBSTR,
];

pub const GET: Command = Command {
    name: "get",
    summary: "Gets the string at a key",
    group: Group::String,
    arity: 2,
    flags: READONLY | FAST,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0",
    handler: Handler::Data(get),
    ..Command::DEFAULT
};

fn get(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    keyspace.read_string(&args[1], |string| reply.string(string))?;
    Ok(())
}

pub const SET: Command = Command {
    name: "set",
    summary: "Sets the string at a key, whatever the key held",
    group: Group::String,
    arity: -3,
    flags: WRITE | DENYOOM,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)
        .notes("RW and ACCESS due to the optional `GET` argument")],
    key_finder: Some(set_keys),
    args: "key:key#0 value condition(nx=NX | xx=XX)?^2.6.12 get=GET?^6.2.0 expiration(seconds:int=EX^2.6.12 | milliseconds:int=PX^2.6.12 | unix-time-seconds:unix-time=EXAT^6.2.0 | unix-time-milliseconds:unix-time=PXAT^6.2.0 | keepttl=KEEPTTL^6.0.0)?",
    handler: Handler::Data(set),
    ..Command::DEFAULT
};

fn set_keys(args: &Args) -> Option<Vec<FoundKey>> {
    let reads = (3..args.len()).any(|at| args.is(at, "get"));
    let flags = if reads { RW | ACCESS | UPDATE } else { OW | UPDATE };
    Some(vec![FoundKey { index: 1, flags }])
}

fn set(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[1];
    if args.len() == 3 {
        ctx.keyspace.set_string(key, given(args, 2), NewExpiry::None);
        ctx.keyspace.changed(EventClass::STRING, "set", key);
        ctx.reply.ok();
        return Ok(());
    }
    let options = Options::parse(args, 3, false)?;
    let expiry = options.expiry.resolve(ctx.keyspace.now_ms, "set")?;
    let DataContext { keyspace, reply, .. } = ctx;
    if options.get {
        keyspace.read_string(key, |string| reply.string(string))?;
    }
    if let Some(wanted) = options.if_exists
        && wanted != keyspace.write(key).is_some()
    {
        if !options.get {
            reply.null();
        }
        return Ok(());
    }
    keyspace.set_string(key, given(args, 2), expiry);
    keyspace.changed(EventClass::STRING, "set", key);
    if matches!(expiry, NewExpiry::At(_)) {
        keyspace.notify(EventClass::GENERIC, "expire", key);
    }
    if let NewExpiry::At(at) = expiry
        && !options.expiry.is_the_same_later()
    {
        propagate_set_at(keyspace, key, &args[2], at);
    } else if options.get {
        // COMPAT: replicas and the append-only file do not see GET.
        let without_get: SmallVec<[&[u8]; 8]> =
            args.iter().enumerate().filter(|&(i, _)| i < 3 || !args.is(i, "GET")).map(|(_, arg)| arg).collect();
        keyspace.effects.propagate_instead(keyspace.selected(), &without_get);
    }
    if !options.get {
        reply.ok();
    }
    Ok(())
}

/// A value that the client gave, as it is to be stored; one that came in a buffer of its own is kept
/// there.
#[inline]
fn given<'a>(args: &Args<'a>, index: usize) -> NewString<'a> {
    match args.bulk(index) {
        Some(bytes) => NewString::from_bytes(bytes),
        None => NewString::new(args.get(index)),
    }
}

/// Propagates the command as a SET with an absolute time.
fn propagate_set_at(keyspace: &mut Keyspace, key: &[u8], value: &[u8], at: i64) {
    let mut digits = itoa::Buffer::new();
    let set: [&[u8]; 5] = [b"SET", key, value, b"PXAT", digits.format(at).as_bytes()];
    keyspace.effects.propagate_instead(keyspace.selected(), &set);
}

/// The options of SET and GETEX.
#[derive(Default)]
struct Options<'a> {
    /// NX: false, XX: true.
    if_exists: Option<bool>,
    get: bool,
    expiry: Expiry<'a>,
}

/// The options about the expiry.
#[derive(Clone, Copy, Default)]
enum Expiry<'a> {
    #[default]
    None,
    Keep,
    Persist,
    Time {
        time: &'a [u8],
        unit_ms: i64,
        absolute: bool,
    },
}

impl<'a> Options<'a> {
    /// Parses the options from `index` on: those of GETEX if `getex`, else those of SET.
    fn parse(args: &Args<'a>, mut index: usize, getex: bool) -> Result<Self, CommandError> {
        let mut options = Options::default();
        // COMPAT: an option may be repeated, the last one counts; two different ones of a kind may not.
        let mut kind = None;
        while index < args.len() {
            let option = args.get(index);
            let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
            let times = [("EX", 1000, false), ("PX", 1, false), ("EXAT", 1000, true), ("PXAT", 1, true)];
            if !getex && (is("NX") || is("XX")) {
                let if_exists = Some(is("XX"));
                if options.if_exists.is_some() && options.if_exists != if_exists {
                    return Err(CommandError::SYNTAX);
                }
                options.if_exists = if_exists;
            } else if !getex && is("GET") {
                options.get = true;
            } else {
                let (name, expiry) = if !getex && is("KEEPTTL") {
                    ("KEEPTTL", Expiry::Keep)
                } else if getex && is("PERSIST") {
                    ("PERSIST", Expiry::Persist)
                } else if let Some((name, unit_ms, absolute)) = times.into_iter().find(|time| is(time.0)) {
                    index += 1;
                    if index == args.len() {
                        return Err(CommandError::SYNTAX);
                    }
                    (name, Expiry::Time { time: args.get(index), unit_ms, absolute })
                } else {
                    return Err(CommandError::SYNTAX);
                };
                if kind.is_some_and(|kind| kind != name) {
                    return Err(CommandError::SYNTAX);
                }
                kind = Some(name);
                options.expiry = expiry;
            }
            index += 1;
        }
        Ok(options)
    }
}

impl Expiry<'_> {
    /// PXAT, which means the same whenever the command is run again.
    fn is_the_same_later(self) -> bool {
        matches!(self, Expiry::Time { unit_ms: 1, absolute: true, .. })
    }

    /// The expiry this comes to now; `command` is for the error.
    fn resolve(self, now_ms: i64, command: &str) -> Result<NewExpiry, CommandError> {
        let Expiry::Time { time, unit_ms, absolute } = self else {
            return Ok(if matches!(self, Expiry::Keep) { NewExpiry::Keep } else { NewExpiry::None });
        };
        let time = number::parse_i64(time).ok_or(CommandError::NOT_INTEGER)?;
        let from = if absolute { 0 } else { now_ms };
        let at = time.checked_mul(unit_ms).and_then(|ms| ms.checked_add(from));
        at.filter(|_| time > 0).map(NewExpiry::At).ok_or_else(|| CommandError::invalid_expire(command))
    }
}

pub const SETNX: Command = Command {
    name: "setnx",
    summary: "Sets the string at a key that does not exist",
    group: Group::String,
    arity: 3,
    flags: WRITE | DENYOOM | FAST,
    categories: category::STRING,
    keys: &[KeySpec::one(1, OW | INSERT)],
    args: "key:key#0 value",
    deprecated: Some(("2.6.12", "`SET` with the `NX` argument")),
    handler: Handler::Data(setnx),
    ..Command::DEFAULT
};

fn setnx(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[1];
    let set = ctx.keyspace.write(key).is_none();
    if set {
        ctx.keyspace.set_string(key, given(args, 2), NewExpiry::None);
        ctx.keyspace.changed(EventClass::STRING, "set", key);
    }
    ctx.reply.integer(set as i64);
    Ok(())
}

pub const SETEX: Command = Command {
    name: "setex",
    summary: "Sets a string and its expiry in seconds",
    since: "2.0.0",
    group: Group::String,
    arity: 4,
    flags: WRITE | DENYOOM,
    categories: category::STRING,
    keys: &[KeySpec::one(1, OW | UPDATE)],
    args: "key:key#0 seconds:int value",
    deprecated: Some(("2.6.12", "`SET` with the `EX` argument")),
    handler: Handler::Data(setex),
    ..Command::DEFAULT
};

fn setex(ctx: &mut DataContext, args: &Args) -> CommandResult {
    set_with_expiry(ctx, args, 1000, "setex")
}

/// SETEX and PSETEX.
fn set_with_expiry(ctx: &mut DataContext, args: &Args, unit_ms: i64, name: &str) -> CommandResult {
    let key = &args[1];
    let expiry = Expiry::Time { time: args.get(2), unit_ms, absolute: false }.resolve(ctx.keyspace.now_ms, name)?;
    let NewExpiry::At(at) = expiry else { unreachable!("a time was given") };
    ctx.keyspace.set_string(key, given(args, 3), expiry);
    ctx.keyspace.changed(EventClass::STRING, "set", key);
    ctx.keyspace.notify(EventClass::GENERIC, "expire", key);
    propagate_set_at(ctx.keyspace, key, &args[3], at);
    ctx.reply.ok();
    Ok(())
}

pub const PSETEX: Command = Command {
    name: "psetex",
    summary: "Sets a string and its expiry in milliseconds",
    since: "2.6.0",
    group: Group::String,
    arity: 4,
    flags: WRITE | DENYOOM,
    categories: category::STRING,
    keys: &[KeySpec::one(1, OW | UPDATE)],
    args: "key:key#0 milliseconds:int value",
    deprecated: Some(("2.6.12", "`SET` with the `PX` argument")),
    handler: Handler::Data(psetex),
    ..Command::DEFAULT
};

fn psetex(ctx: &mut DataContext, args: &Args) -> CommandResult {
    set_with_expiry(ctx, args, 1, "psetex")
}

pub const GETSET: Command = Command {
    name: "getset",
    summary: "Sets a string and gets the one before",
    group: Group::String,
    arity: 3,
    flags: WRITE | DENYOOM | FAST,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
    args: "key:key#0 value",
    deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
    handler: Handler::Data(getset),
    ..Command::DEFAULT
};

fn getset(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[1];
    let DataContext { keyspace, reply, .. } = ctx;
    keyspace.read_string(key, |string| reply.string(string))?;
    keyspace.set_string(key, given(args, 2), NewExpiry::None);
    keyspace.changed(EventClass::STRING, "set", key);
    // COMPAT: it is repeated as SET.
    keyspace.effects.propagate_instead(keyspace.selected(), &[b"SET", key, &args[2]]);
    Ok(())
}

pub const GETDEL: Command = Command {
    name: "getdel",
    summary: "Gets a string and deletes its key",
    since: "6.2.0",
    group: Group::String,
    arity: 2,
    flags: WRITE | FAST,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RW | ACCESS | DELETE)],
    args: "key:key#0",
    handler: Handler::Data(getdel),
    ..Command::DEFAULT
};

fn getdel(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[1];
    let DataContext { keyspace, reply, .. } = ctx;
    keyspace.read_string(key, |string| reply.string(string))?;
    if keyspace.delete(key) {
        keyspace.changed(EventClass::GENERIC, "del", key);
        keyspace.effects.propagate_instead(keyspace.selected(), &[b"DEL", key]);
    }
    Ok(())
}

pub const GETEX: Command = Command {
    name: "getex",
    summary: "Gets a string and sets or removes its expiry",
    since: "6.2.0",
    group: Group::String,
    arity: -2,
    flags: WRITE | FAST,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RW | ACCESS | UPDATE).notes("RW and UPDATE because it changes the TTL")],
    args: "key:key#0 expiration(seconds:int=EX | milliseconds:int=PX | unix-time-seconds:unix-time=EXAT | unix-time-milliseconds:unix-time=PXAT | persist=PERSIST)?",
    handler: Handler::Data(getex),
    ..Command::DEFAULT
};

fn getex(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[1];
    let options = Options::parse(args, 2, true)?;
    let DataContext { keyspace, reply, .. } = ctx;
    let Some(entry) = keyspace.read(key) else {
        reply.null();
        return Ok(());
    };
    let before = entry.expire_at();
    reply.string(Some(entry.string().ok_or(CommandError::WRONG_TYPE)?));
    // COMPAT: a bad time is an error only where there is a key.
    let expiry = options.expiry.resolve(keyspace.now_ms, "getex")?;
    let db = keyspace.selected();
    match (options.expiry, expiry) {
        (Expiry::Time { absolute: true, .. }, NewExpiry::At(at))
            if at <= keyspace.now_ms && keyspace.expiry_mode == ExpiryMode::Delete =>
        {
            keyspace.delete(key);
            keyspace.changed(EventClass::GENERIC, "del", key);
            let delete: &[u8] = if keyspace.options.lazy_expire { b"UNLINK" } else { b"DEL" };
            keyspace.effects.propagate_instead(db, &[delete, key]);
        }
        (_, NewExpiry::At(at)) => {
            keyspace.set_expire_at(key, Some(at));
            keyspace.changed(EventClass::GENERIC, "expire", key);
            keyspace.effects.propagate_instead(db, &[b"PEXPIREAT", key, itoa::Buffer::new().format(at).as_bytes()]);
        }
        (Expiry::Persist, _) if before.is_some() => {
            keyspace.set_expire_at(key, None);
            keyspace.changed(EventClass::GENERIC, "persist", key);
            keyspace.effects.propagate_instead(db, &[b"PERSIST", key]);
        }
        _ => (),
    }
    Ok(())
}

pub const MGET: Command = Command {
    name: "mget",
    summary: "Gets the strings at several keys",
    group: Group::String,
    arity: -2,
    flags: READONLY | FAST,
    categories: category::STRING,
    keys: &[KeySpec::range(1, -1, 1, RO | ACCESS)],
    tips: &["request_policy:multi_shard"],
    args: "key:key#0+",
    handler: Handler::Data(mget),
    ..Command::DEFAULT
};

fn mget(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let keys = args.from(1);
    reply.array(keys.len());
    keyspace.for_each_key(keys.iter(), |keyspace, _, key| {
        if keyspace.read_string(key, |string| reply.string(string)).is_err() {
            reply.null();
        }
    });
    Ok(())
}

pub const MSET: Command = Command {
    name: "mset",
    summary: "Sets the strings at several keys",
    since: "1.0.1",
    group: Group::String,
    arity: -3,
    flags: WRITE | DENYOOM,
    categories: category::STRING,
    keys: &[KeySpec::range(1, -1, 2, OW | UPDATE)],
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    args: "data{key:key#0 value}+",
    handler: Handler::Data(mset),
    ..Command::DEFAULT
};

fn mset(ctx: &mut DataContext, args: &Args) -> CommandResult {
    set_all(ctx, args, "mset")?;
    ctx.reply.ok();
    Ok(())
}

/// Sets each key of MSET or MSETNX to the value behind it.
fn set_all(ctx: &mut DataContext, args: &Args, name: &str) -> CommandResult {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::wrong_arity(name));
    }
    ctx.keyspace.for_each_key(args.from(1).iter().step_by(2), |keyspace, i, key| {
        keyspace.set_string(key, given(args, 2 * i + 2), NewExpiry::None);
        keyspace.changed(EventClass::STRING, "set", key);
    });
    Ok(())
}

pub const MSETNX: Command = Command {
    name: "msetnx",
    summary: "Sets the strings at several keys if none of them exists",
    since: "1.0.1",
    group: Group::String,
    arity: -3,
    flags: WRITE | DENYOOM,
    categories: category::STRING,
    keys: &[KeySpec::range(1, -1, 2, OW | INSERT)],
    args: "data{key:key#0 value}+",
    handler: Handler::Data(msetnx),
    ..Command::DEFAULT
};

fn msetnx(ctx: &mut DataContext, args: &Args) -> CommandResult {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::wrong_arity("msetnx"));
    }
    let mut any_exists = false;
    ctx.keyspace.for_each_key(args.from(1).iter().step_by(2), |keyspace, _, key| {
        any_exists |= keyspace.write(key).is_some();
    });
    if !any_exists {
        set_all(ctx, args, "msetnx")?;
    }
    ctx.reply.integer(!any_exists as i64);
    Ok(())
}

pub const STRLEN: Command = Command {
    name: "strlen",
    summary: "Gets the length of a string",
    since: "2.2.0",
    group: Group::String,
    arity: 2,
    flags: READONLY | FAST,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RO)],
    args: "key:key#0",
    handler: Handler::Data(strlen),
    ..Command::DEFAULT
};

fn strlen(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let len = ctx.keyspace.read_string(&args[1], |string| string.map_or(0, |string| string.len()))?;
    ctx.reply.integer(len as i64);
    Ok(())
}

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
pub(super) fn index_range(start: i64, end: i64, len: usize) -> Range<usize> {
    let place = |index: i64| if index < 0 { (index + len as i64).max(0) } else { index };
    let end = (place(end).min(len as i64 - 1) + 1) as usize;
    (place(start) as usize).min(end)..end
}

/// Whether a range is empty to GETRANGE and BITCOUNT, however long the string is.
///
/// COMPAT: of a string of five bytes, `-10 -8` is the first byte, for both become 0. `-8 -10` is the
/// same to BITPOS, but nothing here.
pub(super) fn is_reversed(start: i64, end: i64) -> bool {
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

pub const INCR: Command = Command {
    name: "incr",
    summary: "Adds one to the integer at a key",
    group: Group::String,
    arity: 2,
    flags: WRITE | DENYOOM | FAST,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
    args: "key:key#0",
    handler: Handler::Data(incr),
    ..Command::DEFAULT
};

fn incr(ctx: &mut DataContext, args: &Args) -> CommandResult {
    increment(ctx, &args[1], 1)
}

/// INCR and its like.
#[inline]
fn increment(ctx: &mut DataContext, key: &[u8], by: i64) -> CommandResult {
    let value = if let Some(mut string) = ctx.keyspace.write_string(key)? {
        let value = string.get().as_int().ok_or(CommandError::NOT_INTEGER)?;
        let value = value.checked_add(by).ok_or(CommandError::OVERFLOW)?;
        string.set(NewString::Int(value));
        value
    } else {
        ctx.keyspace.set_string(key, NewString::Int(by), NewExpiry::None);
        by
    };
    ctx.keyspace.changed(EventClass::STRING, "incrby", key);
    ctx.reply.integer(value);
    Ok(())
}

pub const INCRBY: Command = Command {
    name: "incrby",
    summary: "Adds to the integer at a key",
    group: Group::String,
    arity: 3,
    flags: WRITE | DENYOOM | FAST,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
    args: "key:key#0 increment:int",
    handler: Handler::Data(incrby),
    ..Command::DEFAULT
};

fn incrby(ctx: &mut DataContext, args: &Args) -> CommandResult {
    increment(ctx, &args[1], args.int(2)?)
}

pub const DECR: Command =
    Command { name: "decr", summary: "Subtracts one from the integer at a key", handler: Handler::Data(decr), ..INCR };

fn decr(ctx: &mut DataContext, args: &Args) -> CommandResult {
    increment(ctx, &args[1], -1)
}

pub const DECRBY: Command = Command {
    name: "decrby",
    summary: "Subtracts from the integer at a key",
    group: Group::String,
    arity: 3,
    flags: WRITE | DENYOOM | FAST,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
    args: "key:key#0 decrement:int",
    handler: Handler::Data(decrby),
    ..Command::DEFAULT
};

fn decrby(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let by = args.int(2)?.checked_neg().ok_or(CommandError::new("ERR decrement would overflow"))?;
    increment(ctx, &args[1], by)
}

pub const INCRBYFLOAT: Command = Command {
    name: "incrbyfloat",
    summary: "Adds to the floating-point number at a key",
    since: "2.6.0",
    group: Group::String,
    arity: 3,
    flags: WRITE | DENYOOM | FAST,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
    args: "key:key#0 increment:double",
    handler: Handler::Data(incrbyfloat),
    ..Command::DEFAULT
};

fn incrbyfloat(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[1];
    let keyspace = &mut *ctx.keyspace;
    let parse = |text: &[u8]| LongDouble::parse(text).ok_or(CommandError::NOT_FLOAT);
    let before = match keyspace.write_string(key)? {
        None => parse(b"0")?,
        Some(string) => parse(string.get().bytes(&mut itoa::Buffer::new()))?,
    };
    let sum = before.add(parse(&args[2])?);
    if !sum.is_finite() {
        return Err(CommandError::NAN_OR_INFINITY);
    }
    let text = sum.format();
    keyspace.set_string(key, NewString::text(&text), NewExpiry::Keep);
    keyspace.changed(EventClass::STRING, "incrbyfloat", key);
    // Another machine may round otherwise.
    keyspace.effects.propagate_instead(keyspace.selected(), &[b"SET", key, &text, b"KEEPTTL"]);
    ctx.reply.bulk(&text);
    Ok(())
}

pub const LCS: Command = Command {
    name: "lcs",
    summary: "Finds the longest common subsequence of two strings",
    since: "7.0.0",
    group: Group::String,
    arity: -3,
    flags: READONLY,
    categories: category::STRING,
    keys: &[KeySpec::range(1, 1, 1, RO | ACCESS)],
    args: "key1:key#0 key2:key#0 len=LEN? idx=IDX? min-match-len:int=MINMATCHLEN? withmatchlen=WITHMATCHLEN?",
    handler: Handler::Data(lcs),
    ..Command::DEFAULT
};

fn lcs(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, config, .. } = ctx;
    let mut string = |index: usize| {
        let bytes = |string: Option<StringRef>| {
            string.map_or(Vec::new(), |string| string.bytes(&mut itoa::Buffer::new()).to_vec())
        };
        keyspace
            .read_string(&args[index], bytes)
            .map_err(|_| CommandError::new("ERR The specified keys must contain string values"))
    };
    let (a, b) = (string(1)?, string(2)?);
    let options = LcsOptions::parse(args)?;
    // COMPAT: Redis works with a table of as many 32-bit numbers; ours is far smaller.
    if (a.len() as u128 + 1) * (b.len() as u128 + 1) * 4 > config.proto_max_bulk_len as u128 {
        return Err(CommandError::new("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"));
    }

    if options.only_len {
        reply.integer(lcs::length(&a, &b) as i64);
        return Ok(());
    }
    let runs = lcs::runs(&a, &b);
    if !options.indices {
        let subsequence: Vec<&[u8]> = runs.iter().rev().map(|run| &a[run.a..run.a + run.len]).collect();
        reply.bulk(&subsequence.concat());
        return Ok(());
    }
    reply_runs(reply, &runs, &options);
    Ok(())
}

#[derive(Default)]
struct LcsOptions {
    only_len: bool,
    indices: bool,
    with_len: bool,
    /// Shorter runs are not shown.
    len_min: i64,
}

impl LcsOptions {
    fn parse(args: &Args) -> Result<LcsOptions, CommandError> {
        let mut options = LcsOptions::default();
        let mut index = 3;
        while index < args.len() {
            if args.is(index, "IDX") {
                options.indices = true;
            } else if args.is(index, "LEN") {
                options.only_len = true;
            } else if args.is(index, "WITHMATCHLEN") {
                options.with_len = true;
            } else if args.is(index, "MINMATCHLEN") && index + 1 < args.len() {
                index += 1;
                options.len_min = args.int(index)?;
            } else {
                return Err(CommandError::SYNTAX);
            }
            index += 1;
        }
        if options.indices && options.only_len {
            return Err(CommandError::new("ERR If you want both the length and indexes, please just use IDX."));
        }
        Ok(options)
    }
}

/// Where the subsequence is in both strings.
fn reply_runs(reply: &mut Reply, runs: &[lcs::Run], options: &LcsOptions) {
    let shown = |run: &&lcs::Run| run.len as i64 >= options.len_min;
    reply.map(2);
    reply.named("matches").array(runs.iter().filter(shown).count());
    for run in runs.iter().filter(shown) {
        reply.array(if options.with_len { 3 } else { 2 });
        for start in [run.a, run.b] {
            reply.array(2);
            reply.integer(start as i64);
            reply.integer((start + run.len - 1) as i64);
        }
        if options.with_len {
            reply.integer(run.len as i64);
        }
    }
    reply.named("len").integer(runs.iter().map(|run| run.len as i64).sum());
}
