//! Strings that are numbers: INCR and its kin.
//!
//! INCRBYFLOAT is propagated as SET, because another machine's sum may differ in its last digit.

use super::super::prelude::*;
use crate::encoding::number::LongDouble;
use crate::keyspace::NewExpiry;
use crate::types::string::NewString;

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
    arity: 3,
    args: "key:key#0 increment:int",
    handler: Handler::Data(incrby),
    ..INCR
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
    args: "key:key#0 decrement:int",
    handler: Handler::Data(decrby),
    ..INCRBY
};

fn decrby(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let by = args.int(2)?.checked_neg().ok_or(CommandError::new("ERR decrement would overflow"))?;
    increment(ctx, &args[1], by)
}

pub const INCRBYFLOAT: Command = Command {
    name: "incrbyfloat",
    summary: "Adds to the floating-point number at a key",
    since: "2.6.0",
    args: "key:key#0 increment:double",
    handler: Handler::Data(incrbyfloat),
    ..INCRBY
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
