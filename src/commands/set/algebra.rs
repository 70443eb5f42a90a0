//! SINTER, SUNION, SDIFF and their kin, over `types/set/algebra.rs`.

use super::super::prelude::*;
use super::reply_member;
use crate::keyspace::Keyspace;
use crate::types::set::{
    MemberRef, Set, difference, for_each_common, for_each_of_difference, for_each_of_union, intersection, union,
};
use smallvec::SmallVec;
use std::ops::ControlFlow;

pub const SINTER: Command = Command {
    name: "sinter",
    summary: "Gets the members that all sets have",
    group: Group::Set,
    arity: -2,
    flags: READONLY,
    categories: category::SET,
    keys: &[KeySpec::range(1, -1, 1, RO | ACCESS)],
    tips: &["nondeterministic_output_order"],
    args: "key:key#0+",
    handler: Handler::Data(sinter),
    ..Command::DEFAULT
};

fn sinter(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    with_sets(keyspace, args.from(1), |sets| {
        let Some(sets) = all_in_ascending_order(sets) else { return reply.set(0) };
        set_of(reply, |visit| {
            for_each_common(&sets, |member| {
                visit(member);
                ControlFlow::Continue(())
            })
        });
    })?;
    Ok(())
}

/// Runs `f` with the sets at `keys`, None standing for a missing one.
fn with_sets<R>(keyspace: &mut Keyspace, keys: Args, f: impl FnOnce(&[Option<&Set>]) -> R) -> Result<R, CommandError> {
    type Many<T> = SmallVec<[T; 8]>;
    for key in keys.iter() {
        keyspace.read_collection(key, |_: Option<&Set>| ())?;
    }
    let entries: Many<_> = keys.iter().map(|key| keyspace.get(key)).collect();
    let sets = entries.iter().map(|entry| entry.as_ref()?.collection::<Set>());
    let sets: Many<_> = sets.collect();
    let sets: Many<Option<&Set>> = sets.iter().map(|set| set.as_deref()).collect();
    Ok(f(&sets))
}

/// The sets of an intersection; None if one is missing, which makes it empty.
fn all_in_ascending_order<'a>(sets: &[Option<&'a Set>]) -> Option<Vec<&'a Set>> {
    let mut sets = sets.iter().copied().collect::<Option<Vec<_>>>()?;
    sets.sort_by_key(|set| set.len());
    Some(sets)
}

/// Replies a set of the members that `for_each` passes on.
fn set_of(reply: &mut Reply, for_each: impl FnOnce(&mut dyn FnMut(MemberRef))) {
    let fill = |reply: &mut Reply| {
        let mut len = 0;
        for_each(&mut |member| {
            reply_member(reply, member);
            len += 1;
        });
        len
    };
    reply.headed(fill, |reply, len| reply.set(len));
}

pub const SINTERSTORE: Command = Command {
    name: "sinterstore",
    summary: "Stores the members that all sets have",
    group: Group::Set,
    arity: -3,
    flags: WRITE | DENYOOM,
    categories: category::SET,
    keys: &[KeySpec::one(1, RW | UPDATE), KeySpec::range(2, -1, 1, RO | ACCESS)],
    args: "destination:key#0 key:key#1+",
    handler: Handler::Data(sinterstore),
    ..Command::DEFAULT
};

fn sinterstore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let limits = ctx.config.set_limits();
    let common = with_sets(ctx.keyspace, args.from(2), |sets| {
        all_in_ascending_order(sets).map(|sets| intersection(&sets, limits)).unwrap_or_default()
    })?;
    store(ctx, &args[1], common, "sinterstore")
}

/// Stores a result and replies its length; an empty one deletes the key.
fn store(ctx: &mut DataContext, key: &[u8], set: Set, event: &'static str) -> CommandResult {
    let len = set.len();
    if len > 0 {
        ctx.keyspace.set_collection(key, set);
        ctx.keyspace.changed(EventClass::SET, event, key);
    } else if ctx.keyspace.delete_implicitly(key) {
        ctx.keyspace.changed(EventClass::GENERIC, "del", key);
    }
    ctx.reply.integer(len as i64);
    Ok(())
}

pub const SINTERCARD: Command = Command {
    name: "sintercard",
    summary: "Counts the members that all sets have",
    since: "7.0.0",
    group: Group::Set,
    arity: -3,
    flags: READONLY | MOVABLE_KEYS,
    categories: category::SET,
    keys: &[KeySpec::counted(1, RO | ACCESS)],
    args: "numkeys:int key:key#0+ limit:int=LIMIT?",
    handler: Handler::Data(sintercard),
    ..Command::DEFAULT
};

fn sintercard(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let count = args.int(1).ok().filter(|&count| count > 0);
    let count = count.ok_or(CommandError::NUMKEYS_NOT_POSITIVE)?;
    let count = usize::try_from(count).ok().filter(|&count| count <= args.len() - 2);
    let count = count.ok_or(CommandError::TOO_MANY_KEYS)?;
    let mut limit = 0;
    for i in (2 + count..args.len()).step_by(2) {
        if !args.is(i, "limit") || i + 1 == args.len() {
            return Err(CommandError::SYNTAX);
        }
        let number = args.int(i + 1).ok().and_then(|limit| usize::try_from(limit).ok());
        limit = number.ok_or(CommandError::NEGATIVE_LIMIT)?;
    }
    let common = with_sets(ctx.keyspace, args.from(2).first(count), |sets| {
        let mut common = 0;
        let Some(sets) = all_in_ascending_order(sets) else { return common };
        for_each_common(&sets, |_| {
            common += 1;
            // 0 is no limit, and never reached.
            if common == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        common
    })?;
    ctx.reply.integer(common as i64);
    Ok(())
}

pub const SUNION: Command = Command {
    name: "sunion",
    summary: "Gets the members that any of the sets has",
    handler: Handler::Data(sunion),
    ..SINTER
};

fn sunion(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    with_sets(keyspace, args.from(1), |sets| {
        let sets: Vec<&Set> = sets.iter().copied().flatten().collect();
        set_of(reply, |visit| for_each_of_union(&sets, visit));
    })
}

pub const SUNIONSTORE: Command = Command {
    name: "sunionstore",
    summary: "Stores the members that any of the sets has",
    keys: &[KeySpec::one(1, OW | UPDATE), KeySpec::range(2, -1, 1, RO | ACCESS)],
    handler: Handler::Data(sunionstore),
    ..SINTERSTORE
};

fn sunionstore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let limits = ctx.config.set_limits();
    let all = with_sets(ctx.keyspace, args.from(2), |sets| union(sets.iter().copied().flatten(), limits))?;
    store(ctx, &args[1], all, "sunionstore")
}

pub const SDIFF: Command = Command {
    name: "sdiff",
    summary: "Gets the members of a set that others do not have",
    handler: Handler::Data(sdiff),
    ..SINTER
};

fn sdiff(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, config, .. } = ctx;
    let keys = args.from(1);
    with_sets(keyspace, keys, |sets| match minuend(keys, sets) {
        Some((first, others)) => {
            set_of(reply, |visit| for_each_of_difference(first, &others, config.set_limits(), visit))
        }
        None => reply.set(0),
    })
}

/// The first set and those of the others that exist. None if the first is missing, or also among the others.
fn minuend<'a>(keys: Args, sets: &[Option<&'a Set>]) -> Option<(&'a Set, Vec<&'a Set>)> {
    let from_itself = keys.iter().skip(1).any(|key| *key == keys[0]);
    let first = sets[0].filter(|_| !from_itself)?;
    Some((first, sets[1..].iter().copied().flatten().collect()))
}

pub const SDIFFSTORE: Command = Command {
    name: "sdiffstore",
    summary: "Stores the members of a set that others do not have",
    handler: Handler::Data(sdiffstore),
    ..SUNIONSTORE
};

fn sdiffstore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (keys, limits) = (args.from(2), ctx.config.set_limits());
    let rest = with_sets(ctx.keyspace, keys, |sets| {
        let minuend = minuend(keys, sets);
        minuend.map(|(first, others)| difference(first, &others, limits)).unwrap_or_default()
    })?;
    store(ctx, &args[1], rest, "sdiffstore")
}
