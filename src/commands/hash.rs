//! Hashes, kept by `types/hash.rs`.
//!
//! A command that removes the last field deletes the key. Fields that a command names by `member` in its spec are
//! prefetched.

use super::prelude::*;
use super::sampling::Sampling;
use super::scan::scan_collection;
use crate::encoding::number::{LongDouble, parse_i64};
use crate::resp::Reply;
use crate::types::hash::Hash;

pub const COMMANDS: &[&Command] = &[
    &HSET,
    &HMSET,
    &HSETNX,
    &HGET,
    &HMGET,
    &HGETALL,
    &HKEYS,
    &HVALS,
    &HLEN,
    &HSTRLEN,
    &HEXISTS,
    &HDEL,
    &HINCRBY,
    &HINCRBYFLOAT,
    &HRANDFIELD,
    &HSCAN,
];

pub const HSET: Command = Command {
    name: "hset",
    summary: "Sets fields of a hash",
    since: "2.0.0",
    group: Group::Hash,
    arity: -4,
    flags: WRITE | DENYOOM | FAST,
    categories: category::HASH,
    keys: &[KeySpec::one(1, RW | UPDATE)],
    member: Some(2),
    args: "key:key#0 data{field value}+",
    handler: Handler::Data(hset),
    ..Command::DEFAULT
};

fn hset(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let created = set_fields(ctx, args, "hset")?;
    ctx.reply.integer(created);
    Ok(())
}

pub const HMSET: Command = Command {
    name: "hmset",
    deprecated: Some(("4.0.0", "`HSET` with multiple field-value pairs")),
    handler: Handler::Data(hmset),
    ..HSET
};

fn hmset(ctx: &mut DataContext, args: &Args) -> CommandResult {
    set_fields(ctx, args, "hmset")?;
    ctx.reply.ok();
    Ok(())
}

/// Sets the fields that follow the key; gives the number of new ones.
fn set_fields(ctx: &mut DataContext, args: &Args, name: &str) -> Result<i64, CommandError> {
    let (key, texts) = (&args[1], args.from(2));
    if texts.len() % 2 != 0 {
        return Err(CommandError::wrong_arity(name));
    }
    let fields = texts.len() / 2;
    let limits = ctx.config.hash_limits();
    let bytes = || texts.iter().map(<[u8]>::len).sum();
    let mut hash = ctx.keyspace.write_collection_or(key, || Hash::with_capacity(fields, bytes(), limits))?;
    hash.prepare_for(fields, limits);
    let mut created = 0;
    for i in (0..texts.len()).step_by(2) {
        created += hash.set(&texts[i], &texts[i + 1], limits) as i64;
    }
    drop(hash);
    ctx.keyspace.changed(EventClass::HASH, "hset", key);
    ctx.keyspace.effects.dirty += fields as u64 - 1;
    Ok(created)
}

pub const HSETNX: Command = Command {
    name: "hsetnx",
    summary: "Sets a field of a hash that is not there yet",
    since: "2.0.0",
    group: Group::Hash,
    arity: 4,
    flags: WRITE | DENYOOM | FAST,
    categories: category::HASH,
    keys: &[KeySpec::one(1, RW | INSERT)],
    member: Some(2),
    args: "key:key#0 field value",
    handler: Handler::Data(hsetnx),
    ..Command::DEFAULT
};

fn hsetnx(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (key, field) = (&args[1], &args[2]);
    let mut hash = ctx.keyspace.write_collection_or(key, Hash::new)?;
    let is_new = hash.get(field).is_none();
    if is_new {
        let limits = ctx.config.hash_limits();
        hash.prepare_for(1, limits);
        hash.set(field, &args[3], limits);
        drop(hash);
        ctx.keyspace.changed(EventClass::HASH, "hset", key);
    }
    ctx.reply.integer(is_new as i64);
    Ok(())
}

pub const HGET: Command = Command {
    name: "hget",
    summary: "Gets a field of a hash",
    since: "2.0.0",
    group: Group::Hash,
    arity: 3,
    flags: READONLY | FAST,
    categories: category::HASH,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    member: Some(2),
    args: "key:key#0 field",
    handler: Handler::Data(hget),
    ..Command::DEFAULT
};

fn hget(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    keyspace.read_collection(&args[1], |hash: Option<&Hash>| reply_field(reply, hash, &args[2]))?;
    Ok(())
}

fn reply_field(reply: &mut Reply, hash: Option<&Hash>, field: &[u8]) {
    match hash.and_then(|hash| hash.get(field)) {
        Some(value) => reply.bulk(value),
        None => reply.null(),
    }
}

pub const HMGET: Command = Command {
    name: "hmget",
    summary: "Gets fields of a hash",
    arity: -3,
    args: "key:key#0 field+",
    handler: Handler::Data(hmget),
    ..HGET
};

fn hmget(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let fields = args.from(2);
    keyspace.read_collection(&args[1], |hash: Option<&Hash>| {
        reply.array(fields.len());
        fields.iter().for_each(|field| reply_field(reply, hash, field));
    })?;
    Ok(())
}

pub const HGETALL: Command = Command {
    name: "hgetall",
    summary: "Gets all fields of a hash and their values",
    since: "2.0.0",
    group: Group::Hash,
    arity: 2,
    flags: READONLY,
    categories: category::HASH,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    tips: &["nondeterministic_output_order"],
    args: "key:key#0",
    handler: Handler::Data(hgetall),
    ..Command::DEFAULT
};

fn hgetall(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    keyspace.read_collection(&args[1], |hash: Option<&Hash>| {
        reply.map(hash.map_or(0, Hash::len));
        let Some(hash) = hash else { return };
        hash.for_each(|field, value| {
            reply.bulk(field);
            reply.bulk(value);
        });
    })?;
    Ok(())
}

pub const HKEYS: Command = Command {
    name: "hkeys",
    summary: "Gets the names of all fields of a hash",
    handler: Handler::Data(hkeys),
    ..HGETALL
};

fn hkeys(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_each(ctx, args, |reply, field, _| reply.bulk(field))
}

pub const HVALS: Command = Command {
    name: "hvals",
    summary: "Gets the values of all fields of a hash",
    handler: Handler::Data(hvals),
    ..HGETALL
};

fn hvals(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_each(ctx, args, |reply, _, value| reply.bulk(value))
}

fn reply_each(ctx: &mut DataContext, args: &Args, one: impl Fn(&mut Reply, &[u8], &[u8])) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    keyspace.read_collection(&args[1], |hash: Option<&Hash>| {
        reply.array(hash.map_or(0, Hash::len));
        let Some(hash) = hash else { return };
        hash.for_each(|field, value| one(reply, field, value));
    })?;
    Ok(())
}

pub const HLEN: Command = Command {
    name: "hlen",
    summary: "Counts the fields of a hash",
    since: "2.0.0",
    group: Group::Hash,
    arity: 2,
    flags: READONLY | FAST,
    categories: category::HASH,
    keys: &[KeySpec::one(1, RO)],
    args: "key:key#0",
    handler: Handler::Data(hlen),
    ..Command::DEFAULT
};

fn hlen(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_number(ctx, args, |hash| hash.len())
}

/// Replies a number about a hash; of a missing one it is 0.
fn reply_number(ctx: &mut DataContext, args: &Args, number: impl FnOnce(&Hash) -> usize) -> CommandResult {
    let number = ctx.keyspace.read_collection(&args[1], |hash: Option<&Hash>| hash.map_or(0, number))?;
    ctx.reply.integer(number as i64);
    Ok(())
}

pub const HSTRLEN: Command = Command {
    name: "hstrlen",
    summary: "Gets the length of a field's value",
    since: "3.2.0",
    group: Group::Hash,
    arity: 3,
    flags: READONLY | FAST,
    categories: category::HASH,
    keys: &[KeySpec::one(1, RO)],
    member: Some(2),
    args: "key:key#0 field",
    handler: Handler::Data(hstrlen),
    ..Command::DEFAULT
};

fn hstrlen(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_number(ctx, args, |hash| hash.get(&args[2]).map_or(0, <[u8]>::len))
}

pub const HEXISTS: Command = Command {
    name: "hexists",
    summary: "Tells whether a hash has a field",
    since: "2.0.0",
    handler: Handler::Data(hexists),
    ..HSTRLEN
};

fn hexists(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_number(ctx, args, |hash| hash.get(&args[2]).is_some() as usize)
}

pub const HDEL: Command = Command {
    name: "hdel",
    summary: "Deletes fields of a hash, and the hash with its last one",
    since: "2.0.0",
    group: Group::Hash,
    arity: -3,
    flags: WRITE | FAST,
    categories: category::HASH,
    keys: &[KeySpec::one(1, RW | DELETE)],
    member: Some(2),
    args: "key:key#0 field+",
    handler: Handler::Data(hdel),
    ..Command::DEFAULT
};

fn hdel(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let keyspace = &mut *ctx.keyspace;
    let key = &args[1];
    let (deleted, is_empty) = match keyspace.write_collection::<Hash>(key)? {
        None => (0, false),
        Some(mut hash) => {
            let deleted = args.from(2).iter().filter(|field| hash.remove(field)).count();
            (deleted, hash.is_empty())
        }
    };
    if deleted > 0 {
        keyspace.changed(EventClass::HASH, "hdel", key);
        keyspace.effects.dirty += deleted as u64 - 1;
    }
    if is_empty {
        keyspace.delete_emptied(key);
    }
    ctx.reply.integer(deleted as i64);
    Ok(())
}

pub const HINCRBY: Command = Command {
    name: "hincrby",
    summary: "Adds an integer to a field's value",
    since: "2.0.0",
    group: Group::Hash,
    arity: 4,
    flags: WRITE | DENYOOM | FAST,
    categories: category::HASH,
    keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
    member: Some(2),
    args: "key:key#0 field increment:int",
    handler: Handler::Data(hincrby),
    ..Command::DEFAULT
};

fn hincrby(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (key, field, increment) = (&args[1], &args[2], args.int(3)?);
    let mut hash = ctx.keyspace.write_collection_or(key, Hash::new)?;
    let before = match hash.get(field) {
        Some(value) => parse_i64(value).ok_or(CommandError::new("ERR hash value is not an integer"))?,
        None => 0,
    };
    let after = before.checked_add(increment).ok_or(CommandError::OVERFLOW)?;
    hash.set(field, itoa::Buffer::new().format(after).as_bytes(), ctx.config.hash_limits());
    drop(hash);
    ctx.keyspace.changed(EventClass::HASH, "hincrby", key);
    ctx.reply.integer(after);
    Ok(())
}

pub const HINCRBYFLOAT: Command = Command {
    name: "hincrbyfloat",
    summary: "Adds a floating point number to a field's value",
    since: "2.6.0",
    args: "key:key#0 field increment:double",
    handler: Handler::Data(hincrbyfloat),
    ..HINCRBY
};

fn hincrbyfloat(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let keyspace = &mut *ctx.keyspace;
    let (key, field) = (&args[1], &args[2]);
    let increment = LongDouble::parse(&args[3]).ok_or(CommandError::NOT_FLOAT)?;
    if !increment.is_finite() {
        return Err(CommandError::new("ERR value is NaN or Infinity"));
    }
    let mut hash = keyspace.write_collection_or(key, Hash::new)?;
    let after = match hash.get(field) {
        Some(value) => {
            LongDouble::parse(value).ok_or(CommandError::new("ERR hash value is not a float"))?.add(increment)
        }
        None => increment,
    };
    if !after.is_finite() {
        return Err(CommandError::NAN_OR_INFINITY);
    }
    let after = after.format();
    hash.set(field, &after, ctx.config.hash_limits());
    drop(hash);
    keyspace.changed(EventClass::HASH, "hincrbyfloat", key);
    // Another machine may round otherwise, so the sum is propagated.
    keyspace.effects.propagate_instead(keyspace.selected(), &[b"HSET", key, field, &after]);
    ctx.reply.bulk(&after);
    Ok(())
}

pub const HRANDFIELD: Command = Command {
    name: "hrandfield",
    summary: "Gets fields of a hash at random",
    since: "6.2.0",
    group: Group::Hash,
    arity: -2,
    flags: READONLY,
    categories: category::HASH,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    tips: &["nondeterministic_output"],
    args: "key:key#0 options{count:int withvalues=WITHVALUES?}?",
    handler: Handler::Data(hrandfield),
    ..Command::DEFAULT
};

fn hrandfield(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, config, .. } = ctx;
    let (mut rng, reply_limit) = (keyspace.rng.fork(), config.reply_limit());
    if args.len() == 2 {
        keyspace.read_collection(&args[1], |hash: Option<&Hash>| {
            match hash.and_then(|hash| hash.random(&mut rng)) {
                Some((field, _)) => reply.bulk(field),
                None => reply.null(),
            }
        })?;
        return Ok(());
    }
    let sampling = Sampling::parse(args, "withvalues")?;
    let with_values = sampling.with_values;
    keyspace.read_collection(&args[1], |hash: Option<&Hash>| {
        let Some(hash) = hash else { return reply.array(0) };
        let picks = sampling.picks(hash.len());
        let nested = with_values && reply.is_resp3();
        reply.array(if with_values && !nested { 2 * picks } else { picks });
        let reply_one = |reply: &mut Reply, field: &[u8], value: &[u8]| {
            if nested {
                reply.array(2);
            }
            reply.bulk(field);
            if with_values {
                reply.bulk(value);
            }
        };
        if !sampling.repeats() {
            return hash.sample(picks, &mut rng, |field, value| reply_one(reply, field, value));
        }
        for _ in 0..picks {
            if reply.waiting() > reply_limit {
                break;
            }
            let (field, value) = hash.random(&mut rng).expect("a hash is never empty");
            reply_one(reply, field, value);
        }
    })?;
    Ok(())
}

pub const HSCAN: Command = Command {
    name: "hscan",
    summary: "Walks the fields of a hash, some at a time",
    since: "2.8.0",
    group: Group::Hash,
    arity: -3,
    flags: READONLY,
    categories: category::HASH,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    tips: &["nondeterministic_output"],
    args: "key:key#0 cursor:int pattern:pattern=MATCH? count:int=COUNT?",
    handler: Handler::Data(hscan),
    ..Command::DEFAULT
};

fn hscan(ctx: &mut DataContext, args: &Args) -> CommandResult {
    scan_collection(ctx, args, |hash: &Hash, cursor, page| {
        hash.scan(cursor, page.count(), |field, value| page.add(&[field, value]))
    })
}
