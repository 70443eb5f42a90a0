//! Sets.
//!
//! * `algebra` what several sets have in common
//! * `random`  members at random

mod algebra;
mod random;

use super::prelude::*;
use super::scan::scan_collection;
use crate::types::set::{MemberRef, Set};

pub const COMMANDS: &[&Command] = &[
    &SADD,
    &SREM,
    &SCARD,
    &SISMEMBER,
    &SMISMEMBER,
    &SMEMBERS,
    &SMOVE,
    &algebra::SINTER,
    &algebra::SINTERSTORE,
    &algebra::SINTERCARD,
    &algebra::SUNION,
    &algebra::SUNIONSTORE,
    &algebra::SDIFF,
    &algebra::SDIFFSTORE,
    &random::SRANDMEMBER,
    &random::SPOP,
    &SSCAN,
];

pub const SADD: Command = Command {
    name: "sadd",
    summary: "Adds members to a set",
    group: Group::Set,
    arity: -3,
    flags: WRITE | DENYOOM | FAST,
    categories: category::SET,
    keys: &[KeySpec::one(1, RW | INSERT)],
    member: Some(2),
    args: "key:key#0 member+",
    handler: Handler::Data(sadd),
    ..Command::DEFAULT
};

fn sadd(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (key, members) = (&args[1], args.from(2));
    let limits = ctx.config.set_limits();
    let new = || Set::with_capacity(members.len(), &members[0], limits);
    let mut set = ctx.keyspace.write_collection_or(key, new)?;
    set.prepare_for(members.len(), limits);
    let added = set.insert_all(members.iter().map(MemberRef::Text), limits);
    drop(set);
    if added > 0 {
        ctx.keyspace.changed(EventClass::SET, "sadd", key);
        ctx.keyspace.effects.dirty += added as u64 - 1;
    }
    ctx.reply.integer(added as i64);
    Ok(())
}

pub const SREM: Command = Command {
    name: "srem",
    summary: "Removes members of a set, and the set with its last one",
    group: Group::Set,
    arity: -3,
    flags: WRITE | FAST,
    categories: category::SET,
    keys: &[KeySpec::one(1, RW | DELETE)],
    member: Some(2),
    args: "key:key#0 member+",
    handler: Handler::Data(srem),
    ..Command::DEFAULT
};

fn srem(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[1];
    let (removed, is_empty) = match ctx.keyspace.write_collection::<Set>(key)? {
        None => (0, false),
        Some(mut set) => (set.remove_all(args.from(2).iter().map(MemberRef::Text)), set.is_empty()),
    };
    if removed > 0 {
        ctx.keyspace.changed(EventClass::SET, "srem", key);
        ctx.keyspace.effects.dirty += removed as u64 - 1;
    }
    if is_empty {
        ctx.keyspace.delete_emptied(key);
    }
    ctx.reply.integer(removed as i64);
    Ok(())
}

pub const SCARD: Command = Command {
    name: "scard",
    summary: "Counts the members of a set",
    group: Group::Set,
    arity: 2,
    flags: READONLY | FAST,
    categories: category::SET,
    keys: &[KeySpec::one(1, RO)],
    args: "key:key#0",
    handler: Handler::Data(scard),
    ..Command::DEFAULT
};

fn scard(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let len = ctx.keyspace.read_collection(&args[1], |set: Option<&Set>| set.map_or(0, Set::len))?;
    ctx.reply.integer(len as i64);
    Ok(())
}

pub const SISMEMBER: Command = Command {
    name: "sismember",
    summary: "Tells whether a set has a member",
    group: Group::Set,
    arity: 3,
    flags: READONLY | FAST,
    categories: category::SET,
    keys: &[KeySpec::one(1, RO)],
    member: Some(2),
    args: "key:key#0 member",
    handler: Handler::Data(sismember),
    ..Command::DEFAULT
};

fn sismember(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let member = MemberRef::Text(&args[2]);
    let is_member =
        ctx.keyspace.read_collection(&args[1], |set: Option<&Set>| set.is_some_and(|set| set.contains(member)))?;
    ctx.reply.integer(is_member as i64);
    Ok(())
}

pub const SMISMEMBER: Command = Command {
    name: "smismember",
    summary: "Tells of several members whether a set has them",
    since: "6.2.0",
    group: Group::Set,
    arity: -3,
    flags: READONLY | FAST,
    categories: category::SET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    member: Some(2),
    args: "key:key#0 member+",
    handler: Handler::Data(smismember),
    ..Command::DEFAULT
};

fn smismember(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let members = args.from(2);
    keyspace.read_collection(&args[1], |set: Option<&Set>| {
        reply.array(members.len());
        match set {
            Some(set) => {
                set.contains_each(members.iter().map(MemberRef::Text), |is_member| reply.integer(is_member as i64))
            }
            None => (0..members.len()).for_each(|_| reply.integer(0)),
        }
    })?;
    Ok(())
}

pub const SMEMBERS: Command = Command {
    name: "smembers",
    summary: "Gets all members of a set",
    group: Group::Set,
    arity: 2,
    flags: READONLY,
    categories: category::SET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    tips: &["nondeterministic_output_order"],
    args: "key:key#0",
    handler: Handler::Data(smembers),
    ..Command::DEFAULT
};

fn smembers(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    keyspace.read_collection(&args[1], |set: Option<&Set>| match set {
        Some(set) => reply_set(reply, set),
        None => reply.set(0),
    })?;
    Ok(())
}

fn reply_set(reply: &mut Reply, set: &Set) {
    reply.set(set.len());
    set.iter().for_each(|member| reply_member(reply, member));
}

fn reply_member(reply: &mut Reply, member: MemberRef) {
    reply.bulk(member.bytes(&mut itoa::Buffer::new()));
}

pub const SMOVE: Command = Command {
    name: "smove",
    summary: "Moves a member from one set to another",
    group: Group::Set,
    arity: 4,
    flags: WRITE | FAST,
    categories: category::SET,
    keys: &[KeySpec::one(1, RW | ACCESS | DELETE), KeySpec::one(2, RW | INSERT)],
    args: "source:key#0 destination:key#1 member",
    handler: Handler::Data(smove),
    ..Command::DEFAULT
};

fn smove(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let keyspace = &mut *ctx.keyspace;
    let (source, destination, member) = (&args[1], &args[2], MemberRef::Text(&args[3]));
    let limits = ctx.config.set_limits();
    let found = keyspace.write_collection::<Set>(source)?.map(|set| set.contains(member));
    // COMPAT: where there is no source, the destination may be of any type.
    if found.is_some() {
        keyspace.write_collection::<Set>(destination)?;
    }
    let is_member = found.unwrap_or(false);
    ctx.reply.integer(is_member as i64);
    if !is_member || source == destination {
        return Ok(());
    }
    let mut set = keyspace.write_collection::<Set>(source)?.expect("just seen");
    set.remove(member);
    let is_empty = set.is_empty();
    drop(set);
    keyspace.changed(EventClass::SET, "srem", source);
    if is_empty {
        keyspace.delete_emptied(source);
    }
    let new = || Set::with_capacity(1, &args[3], limits);
    if keyspace.write_collection_or(destination, new)?.insert(member, limits) {
        keyspace.changed(EventClass::SET, "sadd", destination);
    }
    Ok(())
}

pub const SSCAN: Command = Command {
    name: "sscan",
    summary: "Walks the members of a set, some at a time",
    since: "2.8.0",
    group: Group::Set,
    arity: -3,
    flags: READONLY,
    categories: category::SET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    tips: &["nondeterministic_output"],
    args: "key:key#0 cursor:int pattern:pattern=MATCH? count:int=COUNT?",
    handler: Handler::Data(sscan),
    ..Command::DEFAULT
};

fn sscan(ctx: &mut DataContext, args: &Args) -> CommandResult {
    scan_collection(ctx, args, |set: &Set, cursor, page| {
        let mut digits = itoa::Buffer::new();
        set.scan(cursor, page.count(), |member| page.add(&[member.bytes(&mut digits)]))
    })
}
