//! Strings, kept by `types/string.rs` and, where they are changed in place, `keyspace/string.rs`.
//!
//! SET, GETEX and their kin turn a time to live into a moment, and are propagated with that (`PXAT`).

mod counter;
mod lcs;
mod part;

use super::expire::delete_past_due;
use super::prelude::*;
use crate::encoding::number;
use crate::keyspace::{ExpiryMode, Keyspace, NewExpiry};
use crate::types::string::NewString;
pub(super) use part::{index_range, is_reversed};
use smallvec::SmallVec;

pub const COMMANDS: &[&Command] = &[
    &part::APPEND,
    &counter::DECR,
    &counter::DECRBY,
    &GET,
    &GETDEL,
    &GETEX,
    &part::GETRANGE,
    &GETSET,
    &counter::INCR,
    &counter::INCRBY,
    &counter::INCRBYFLOAT,
    &lcs::LCS,
    &MGET,
    &MSET,
    &MSETNX,
    &PSETEX,
    &SET,
    &SETEX,
    &SETNX,
    &part::SETRANGE,
    &STRLEN,
    &part::SUBSTR,
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
            delete_past_due(keyspace, key);
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
