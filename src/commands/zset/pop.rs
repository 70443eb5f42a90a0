//! The lowest and highest members, waiting for them if need be.

use super::{MembersReply, remove_members};
use crate::commands::multi_pop::MultiPop;
use crate::commands::prelude::*;
use crate::keyspace::Keyspace;
use crate::types::Type;
use crate::types::zset::ZSet;
use std::ops::Range;

/// Which members to remove.
#[derive(Clone, Copy)]
struct End {
    highest: bool,
    event: &'static str,
    command: &'static [u8],
}

const LOWEST: End = End { highest: false, event: "zpopmin", command: b"ZPOPMIN" };
const HIGHEST: End = End { highest: true, event: "zpopmax", command: b"ZPOPMAX" };

/// Members that are about to be removed.
struct Popped<'a> {
    zset: &'a ZSet,
    ranks: Range<usize>,
    end: End,
}

impl Popped<'_> {
    /// Calls `visit` with each member and its score, the outermost first.
    fn for_each(&self, visit: impl FnMut(&[u8], f64)) {
        self.zset.for_each_in(self.ranks.clone(), self.end.highest, visit);
    }
}

/// Removes up to `count` members at one end and gives their number; they are passed to `reply` first.
fn pop(
    keyspace: &mut Keyspace,
    key: &[u8],
    end: End,
    count: usize,
    reply: impl FnOnce(Popped),
) -> Result<usize, CommandError> {
    remove_members(keyspace, key, end.event, |zset| {
        let count = count.min(zset.len());
        let ranks = if end.highest { zset.len() - count..zset.len() } else { 0..count };
        reply(Popped { zset, ranks: ranks.clone(), end });
        zset.remove_range(ranks);
        count
    })
}

/// The first of these keys that exists; it must be a sorted set.
fn first_key<'a>(keyspace: &mut Keyspace, keys: Args<'a>) -> Result<Option<&'a [u8]>, CommandError> {
    for key in keys.iter() {
        if keyspace.write_collection::<ZSet>(key)?.is_some() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

pub const ZPOPMIN: Command = Command {
    name: "zpopmin",
    summary: "Removes the members of a sorted set with the lowest scores and gives them",
    since: "5.0.0",
    group: Group::SortedSet,
    arity: -2,
    flags: WRITE | FAST,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RW | ACCESS | DELETE)],
    args: "key:key#0 count:int?",
    handler: Handler::Data(zpopmin),
    ..Command::DEFAULT
};

fn zpopmin(ctx: &mut DataContext, args: &Args) -> CommandResult {
    pop_one_key(ctx, args, LOWEST)
}

pub const ZPOPMAX: Command = Command {
    name: "zpopmax",
    summary: "Removes the members of a sorted set with the highest scores and gives them",
    handler: Handler::Data(zpopmax),
    ..ZPOPMIN
};

fn zpopmax(ctx: &mut DataContext, args: &Args) -> CommandResult {
    pop_one_key(ctx, args, HIGHEST)
}

fn pop_one_key(ctx: &mut DataContext, args: &Args, end: End) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let count = match args.len() {
        2 => None,
        3 => Some(args.int_in(2, 0..=i64::MAX).map_err(|_| CommandError::out_of_range(0..=i64::MAX))? as usize),
        _ => return Err(CommandError::SYNTAX),
    };
    let Some(key) = first_key(keyspace, args.from(1).first(1))? else {
        reply.array(0);
        return Ok(());
    };
    match count {
        Some(0) => reply.array(0),
        Some(count) => {
            pop(keyspace, key, end, count, |popped| {
                let mut members = MembersReply::new(reply, popped.ranks.len(), true);
                popped.for_each(|member, score| members.member(member, score));
            })?;
        }
        // In RESP3, too, this one is not in an array of its own.
        None => {
            reply.array(2);
            pop(keyspace, key, end, 1, |popped| popped.for_each(|member, score| reply_pair(reply, member, score)))?;
        }
    }
    Ok(())
}

fn reply_pair(reply: &mut Reply, member: &[u8], score: f64) {
    reply.bulk(member);
    reply.double(score);
}

pub const ZMPOP: Command = Command {
    name: "zmpop",
    summary: "Removes members from the first of several sorted sets that is there and gives them",
    since: "7.0.0",
    group: Group::SortedSet,
    arity: -4,
    flags: WRITE | MOVABLE_KEYS,
    categories: category::SORTEDSET,
    keys: &[KeySpec::counted(1, RW | ACCESS | DELETE)],
    args: "numkeys:int key:key#0+ where(min=MIN | max=MAX) count:int=COUNT?",
    handler: Handler::Data(zmpop),
    ..Command::DEFAULT
};

fn zmpop(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let request = MultiPop::parse(args, 1, parse_end)?;
    if !pop_first_zset(ctx, args, &request)? {
        ctx.reply.null_array();
    }
    Ok(())
}

/// MIN or MAX.
fn parse_end(args: &Args, index: usize) -> Result<End, CommandError> {
    match () {
        () if args.is(index, "min") => Ok(LOWEST),
        () if args.is(index, "max") => Ok(HIGHEST),
        () => Err(CommandError::SYNTAX),
    }
}

/// Removes and replies members of the first sorted set that is there; false if there is none.
fn pop_first_zset(ctx: &mut DataContext, args: &Args, request: &MultiPop<End>) -> Result<bool, CommandError> {
    let DataContext { keyspace, reply, .. } = ctx;
    let end = request.end;
    let keys = args.first(request.keys.end).from(request.keys.start);
    let Some(key) = first_key(keyspace, keys)? else { return Ok(false) };
    reply.array(2);
    reply.bulk(key);
    let popped = pop(keyspace, key, end, request.count, |popped| {
        reply.array(popped.ranks.len());
        popped.for_each(|member, score| {
            reply.array(2);
            reply_pair(reply, member, score);
        });
    })?;
    let mut digits = itoa::Buffer::new();
    let count = digits.format(popped);
    keyspace.effects.propagate_instead(keyspace.selected(), &[end.command, key, count.as_bytes()]);
    Ok(true)
}

/// Waits for any of these keys.
fn wait(keys: Range<usize>, timeout_ms: u64) -> Attempt {
    let refused = Refused::NullArray;
    Attempt::Wait(Wait { keys, for_type: Type::ZSet, timeout_ms, until_gone: false, refused, request: None })
}

pub const BZPOPMIN: Command = Command {
    name: "bzpopmin",
    summary: "Removes the member with the lowest score from the first of several sorted sets, or waits for one",
    since: "5.0.0",
    group: Group::SortedSet,
    arity: -3,
    flags: WRITE | BLOCKING | FAST,
    categories: category::SORTEDSET,
    keys: &[KeySpec::range(1, -2, 1, RW | ACCESS | DELETE)],
    args: "key:key#0+ timeout:double",
    handler: Handler::Blocking(bzpopmin),
    ..Command::DEFAULT
};

fn bzpopmin(ctx: &mut DataContext, args: &Args) -> Result<Attempt, CommandError> {
    pop_or_wait(ctx, args, LOWEST)
}

pub const BZPOPMAX: Command = Command {
    name: "bzpopmax",
    summary: "Removes the member with the highest score from the first of several sorted sets, or waits for one",
    handler: Handler::Blocking(bzpopmax),
    ..BZPOPMIN
};

fn bzpopmax(ctx: &mut DataContext, args: &Args) -> Result<Attempt, CommandError> {
    pop_or_wait(ctx, args, HIGHEST)
}

fn pop_or_wait(ctx: &mut DataContext, args: &Args, end: End) -> Result<Attempt, CommandError> {
    let DataContext { keyspace, reply, .. } = ctx;
    let last = args.len() - 1;
    let timeout_ms = args.timeout_s(last)?;
    let Some(key) = first_key(keyspace, args.first(last).from(1))? else { return Ok(wait(1..last, timeout_ms)) };
    reply.array(3);
    reply.bulk(key);
    pop(keyspace, key, end, 1, |popped| popped.for_each(|member, score| reply_pair(reply, member, score)))?;
    keyspace.effects.propagate_instead(keyspace.selected(), &[end.command, key]);
    Ok(Attempt::Done)
}

pub const BZMPOP: Command = Command {
    name: "bzmpop",
    summary: "Removes members from the first of several sorted sets that is there, or waits for one",
    since: "7.0.0",
    group: Group::SortedSet,
    arity: -5,
    flags: WRITE | BLOCKING | MOVABLE_KEYS,
    categories: category::SORTEDSET,
    keys: &[KeySpec::counted(2, RW | ACCESS | DELETE)],
    args: "timeout:double numkeys:int key:key#0+ where(min=MIN | max=MAX) count:int=COUNT?",
    handler: Handler::Blocking(bzmpop),
    ..Command::DEFAULT
};

fn bzmpop(ctx: &mut DataContext, args: &Args) -> Result<Attempt, CommandError> {
    let request = MultiPop::parse(args, 2, parse_end)?;
    let timeout_ms = args.timeout_s(1)?;
    if pop_first_zset(ctx, args, &request)? { Ok(Attempt::Done) } else { Ok(wait(request.keys, timeout_ms)) }
}
