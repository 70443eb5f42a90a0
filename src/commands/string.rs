//! Strings.

use super::prelude::*;
use crate::types::string::NewString;

pub const COMMANDS: &[&Command] = &[&GET, &SET];

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
    summary: "",
    group: Group::String,
    arity: -3,
    flags: WRITE | DENYOOM,
    categories: category::STRING,
    keys: &[KeySpec::one(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)
        .notes("RW and ACCESS due to the optional `GET` argument")],
    args: "key:key#0 value condition(nx=NX | xx=XX)?^2.6.12 get=GET?^6.2.0 expiration(seconds:int=EX^2.6.12 | milliseconds:int=PX^2.6.12 | unix-time-seconds:unix-time=EXAT^6.2.0 | unix-time-milliseconds:unix-time=PXAT^6.2.0 | keepttl=KEEPTTL^6.0.0)?",
    handler: Handler::Data(set),
    ..Command::DEFAULT
};

fn set(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[1];
    let value = match args.bulk(2) {
        Some(bytes) => NewString::from_bytes(bytes),
        None => NewString::new(&args[2]),
    };
    ctx.keyspace.set_string(key, value, crate::keyspace::NewExpiry::None);
    ctx.keyspace.changed(EventClass::STRING, "set", key);
    ctx.reply.ok();
    Ok(())
}
