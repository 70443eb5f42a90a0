//! Lists, kept by `types/list.rs`.
//!
//! A command that removes the last element deletes the key. New keys wake blocked clients by themselves, so a push says
//! nothing to them.

mod blocking;
mod pop;

use super::prelude::*;
use crate::types::list::{Element, End, List, ListLimits};
use std::ops::{ControlFlow, Range};

pub const COMMANDS: &[&Command] = &[
    &LPUSH,
    &RPUSH,
    &LPUSHX,
    &RPUSHX,
    &LLEN,
    &LINDEX,
    &LINSERT,
    &LSET,
    &LRANGE,
    &LREM,
    &LTRIM,
    &LPOS,
    &pop::LPOP,
    &pop::RPOP,
    &pop::LMPOP,
    &pop::LMOVE,
    &pop::RPOPLPUSH,
    &blocking::BLPOP,
    &blocking::BRPOP,
    &blocking::BLMPOP,
    &blocking::BLMOVE,
    &blocking::BRPOPLPUSH,
];

/// An argument as an element, which can be kept without a copy if it came in a buffer of its own.
fn element<'a>(args: &Args<'a>, index: usize) -> Element<'a> {
    match args.bulk(index) {
        Some(bytes) => Element::Shared(bytes),
        None => Element::Slice(args.get(index)),
    }
}

fn reply_element(reply: &mut Reply, element: Element) {
    match element {
        Element::Slice(slice) => reply.bulk(slice),
        Element::Shared(bytes) => reply.bulk_bytes(bytes.clone()),
    }
}

/// The element that an index means, negative ones counting from the end.
fn index_in(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index + len as i64 } else { index };
    usize::try_from(index).ok().filter(|&index| index < len)
}

/// The elements from one index to another, as far as they are there.
fn range_in(start: i64, stop: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let absolute = |index: i64| if index < 0 { index + len } else { index };
    let (start, stop) = (absolute(start).max(0), absolute(stop).min(len - 1));
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

pub const LPUSH: Command = Command {
    name: "lpush",
    summary: "Adds elements at the head of a list",
    group: Group::List,
    arity: -3,
    flags: WRITE | DENYOOM | FAST,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RW | INSERT)],
    args: "key:key#0 element+",
    handler: Handler::Data(lpush),
    ..Command::DEFAULT
};

fn lpush(ctx: &mut DataContext, args: &Args) -> CommandResult {
    push(ctx, args, End::Head)
}

pub const RPUSH: Command =
    Command { name: "rpush", summary: "Adds elements at the tail of a list", handler: Handler::Data(rpush), ..LPUSH };

fn rpush(ctx: &mut DataContext, args: &Args) -> CommandResult {
    push(ctx, args, End::Tail)
}

fn push(ctx: &mut DataContext, args: &Args, end: End) -> CommandResult {
    let mut list = ctx.keyspace.write_collection_or(&args[1], List::new)?;
    push_elements(&mut list, args, end, ctx.config.list_limits());
    let len = list.len();
    drop(list);
    pushed(ctx, args, end, len);
    Ok(())
}

/// Pushes the elements that follow the key.
#[inline]
fn push_elements(list: &mut List, args: &Args, end: End, limits: ListLimits) {
    let bytes = args.from(2).iter().map(<[u8]>::len).sum();
    list.prepare_for(end, args.len() - 2, bytes, limits);
    (2..args.len()).for_each(|index| list.push(end, element(args, index), limits));
}

/// Reports elements that were pushed and replies the list's length.
#[inline]
fn pushed(ctx: &mut DataContext, args: &Args, end: End, len: usize) {
    ctx.keyspace.changed(EventClass::LIST, push_event(end), &args[1]);
    ctx.keyspace.effects.dirty += args.len() as u64 - 3;
    ctx.reply.integer(len as i64);
}

fn push_event(end: End) -> &'static str {
    if end == End::Head { "lpush" } else { "rpush" }
}

pub const LPUSHX: Command = Command {
    name: "lpushx",
    summary: "Adds elements at the head of a list that exists",
    since: "2.2.0",
    handler: Handler::Data(lpushx),
    ..LPUSH
};

fn lpushx(ctx: &mut DataContext, args: &Args) -> CommandResult {
    push_if_exists(ctx, args, End::Head)
}

pub const RPUSHX: Command = Command {
    name: "rpushx",
    summary: "Adds elements at the tail of a list that exists",
    handler: Handler::Data(rpushx),
    ..LPUSHX
};

fn rpushx(ctx: &mut DataContext, args: &Args) -> CommandResult {
    push_if_exists(ctx, args, End::Tail)
}

fn push_if_exists(ctx: &mut DataContext, args: &Args, end: End) -> CommandResult {
    let Some(mut list) = ctx.keyspace.write_collection::<List>(&args[1])? else {
        ctx.reply.integer(0);
        return Ok(());
    };
    push_elements(&mut list, args, end, ctx.config.list_limits());
    let len = list.len();
    drop(list);
    pushed(ctx, args, end, len);
    Ok(())
}

pub const LLEN: Command = Command {
    name: "llen",
    summary: "Counts the elements of a list",
    group: Group::List,
    arity: 2,
    flags: READONLY | FAST,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RO)],
    args: "key:key#0",
    handler: Handler::Data(llen),
    ..Command::DEFAULT
};

fn llen(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let len = ctx.keyspace.read_collection(&args[1], |list: Option<&List>| list.map_or(0, List::len))?;
    ctx.reply.integer(len as i64);
    Ok(())
}

pub const LINDEX: Command = Command {
    name: "lindex",
    summary: "Gets an element of a list by its index",
    group: Group::List,
    arity: 3,
    flags: READONLY,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 index:int",
    handler: Handler::Data(lindex),
    ..Command::DEFAULT
};

fn lindex(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    keyspace.read_collection(&args[1], |list: Option<&List>| {
        // COMPAT: an index into nothing is not looked at.
        let Some(list) = list else {
            reply.null();
            return Ok(());
        };
        match index_in(args.int(2)?, list.len()) {
            Some(index) => list.get(index, |element| reply_element(reply, element)).expect("within the list"),
            None => reply.null(),
        }
        Ok(())
    })?
}

pub const LINSERT: Command = Command {
    name: "linsert",
    summary: "Adds an element beside another one",
    since: "2.2.0",
    group: Group::List,
    arity: 5,
    flags: WRITE | DENYOOM,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RW | INSERT)],
    args: "key:key#0 where(before=BEFORE | after=AFTER) pivot element",
    handler: Handler::Data(linsert),
    ..Command::DEFAULT
};

fn linsert(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let after = match () {
        () if args.is(2, "after") => true,
        () if args.is(2, "before") => false,
        () => return Err(CommandError::SYNTAX),
    };
    let limits = ctx.config.list_limits();
    let Some(mut list) = ctx.keyspace.write_collection::<List>(&args[1])? else {
        ctx.reply.integer(0);
        return Ok(());
    };
    let new = element(args, 4);
    // COMPAT: this may turn a listpack into a quicklist even if the pivot is not found.
    list.prepare_for(End::Tail, 1, new.len(), limits);
    let Some(pivot) = list.find(&args[3]) else {
        ctx.reply.integer(-1);
        return Ok(());
    };
    list.insert(pivot, after, new, limits);
    let len = list.len();
    drop(list);
    ctx.keyspace.changed(EventClass::LIST, "linsert", &args[1]);
    ctx.reply.integer(len as i64);
    Ok(())
}

pub const LSET: Command = Command {
    name: "lset",
    summary: "Replaces an element of a list by its index",
    group: Group::List,
    arity: 4,
    flags: WRITE | DENYOOM,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RW | UPDATE)],
    args: "key:key#0 index:int element",
    handler: Handler::Data(lset),
    ..Command::DEFAULT
};

fn lset(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let limits = ctx.config.list_limits();
    let mut list = ctx.keyspace.write_collection::<List>(&args[1])?.ok_or(CommandError::NO_SUCH_KEY)?;
    let index = args.int(2)?;
    let new = element(args, 3);
    // COMPAT: this may turn a listpack into a quicklist even if the index is out of range.
    list.prepare_for(End::Tail, 1, new.len(), limits);
    let index = index_in(index, list.len()).ok_or(CommandError::OUT_OF_RANGE)?;
    list.replace(index, new, limits);
    list.shrink(limits);
    drop(list);
    ctx.keyspace.changed(EventClass::LIST, "lset", &args[1]);
    ctx.reply.ok();
    Ok(())
}

pub const LRANGE: Command = Command {
    name: "lrange",
    summary: "Gets the elements of a list from one index to another",
    group: Group::List,
    arity: 4,
    flags: READONLY,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 start:int stop:int",
    handler: Handler::Data(lrange),
    ..Command::DEFAULT
};

fn lrange(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let (start, stop) = (args.int(2)?, args.int(3)?);
    keyspace.read_collection(&args[1], |list: Option<&List>| {
        let Some(list) = list else { return reply.array(0) };
        let range = range_in(start, stop, list.len());
        reply.array(range.len());
        list.for_each(range, |element| reply_element(reply, element));
    })?;
    Ok(())
}

pub const LREM: Command = Command {
    name: "lrem",
    summary: "Removes elements that equal a value",
    group: Group::List,
    arity: 4,
    flags: WRITE,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RW | DELETE)],
    args: "key:key#0 count:int element",
    handler: Handler::Data(lrem),
    ..Command::DEFAULT
};

fn lrem(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (key, count) = (&args[1], args.int_in(2, -i64::MAX..=i64::MAX)?);
    let limits = ctx.config.list_limits();
    let Some(mut list) = ctx.keyspace.write_collection::<List>(key)? else {
        ctx.reply.integer(0);
        return Ok(());
    };
    let max = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let removed = list.remove_equal(&args[3], count < 0, max);
    if removed > 0 {
        list.shrink(limits);
    }
    let is_empty = list.is_empty();
    drop(list);
    if removed > 0 {
        ctx.keyspace.changed(EventClass::LIST, "lrem", key);
        ctx.keyspace.effects.dirty += removed as u64 - 1;
    }
    if is_empty {
        ctx.keyspace.delete_emptied(key);
    }
    ctx.reply.integer(removed as i64);
    Ok(())
}

pub const LTRIM: Command = Command {
    name: "ltrim",
    summary: "Removes all elements but those from one index to another",
    group: Group::List,
    arity: 4,
    flags: WRITE,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RW | DELETE)],
    args: "key:key#0 start:int stop:int",
    handler: Handler::Data(ltrim),
    ..Command::DEFAULT
};

fn ltrim(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (key, start, stop) = (&args[1], args.int(2)?, args.int(3)?);
    let limits = ctx.config.list_limits();
    let Some(mut list) = ctx.keyspace.write_collection::<List>(key)? else {
        ctx.reply.ok();
        return Ok(());
    };
    let len = list.len();
    let kept = range_in(start, stop, len);
    list.remove_range(kept.end..len);
    list.remove_range(0..kept.start);
    list.shrink(limits);
    let is_empty = list.is_empty();
    drop(list);
    // COMPAT: the event is raised even if nothing was removed.
    ctx.keyspace.changed(EventClass::LIST, "ltrim", key);
    ctx.keyspace.effects.dirty += (len - kept.len()) as u64;
    ctx.keyspace.effects.dirty -= 1;
    if is_empty {
        ctx.keyspace.delete_emptied(key);
    }
    ctx.reply.ok();
    Ok(())
}

pub const LPOS: Command = Command {
    name: "lpos",
    summary: "Finds the indices of elements that equal a value",
    since: "6.0.6",
    group: Group::List,
    arity: -3,
    flags: READONLY,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 element rank:int=RANK? num-matches:int=COUNT? len:int=MAXLEN?",
    handler: Handler::Data(lpos),
    ..Command::DEFAULT
};

/// What LPOS is to find.
struct Wanted {
    /// Which match is the first wanted: from 1 on from the head, from -1 on from the tail.
    rank: i64,
    /// How many are wanted, 0 for all; None for one, which is not replied as an array.
    count: Option<i64>,
    /// Elements compared, 0 for all.
    compared_max: usize,
}

impl Wanted {
    fn parse(mut options: Args) -> Result<Wanted, CommandError> {
        let (mut rank, mut count, mut compared_max) = (1, None, 0);
        while !options.is_empty() {
            if options.len() == 1 {
                return Err(CommandError::SYNTAX);
            }
            let positive = |error| options.int(1).ok().filter(|&n| n >= 0).ok_or(CommandError::new(error));
            if options.is(0, "rank") {
                rank = options.int_in(1, -i64::MAX..=i64::MAX)?;
                if rank == 0 {
                    return Err(CommandError::new(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
                    ));
                }
            } else if options.is(0, "count") {
                count = Some(positive("ERR COUNT can't be negative")?);
            } else if options.is(0, "maxlen") {
                compared_max = positive("ERR MAXLEN can't be negative")? as usize;
            } else {
                return Err(CommandError::SYNTAX);
            }
            options = options.from(2);
        }
        Ok(Wanted { rank, count, compared_max })
    }

    /// Hands the index of each match to `found`, from the wanted rank on, until that breaks off.
    fn find(&self, list: &List, value: &[u8], mut found: impl FnMut(usize) -> ControlFlow<()>) {
        let backward = self.rank < 0;
        let compared = if self.compared_max == 0 { list.len() } else { self.compared_max.min(list.len()) };
        let range = if backward { list.len() - compared..list.len() } else { 0..compared };
        let mut passed = self.rank.unsigned_abs() - 1;
        list.visit(range, backward, |index, element| {
            if *element != *value {
                return ControlFlow::Continue(());
            }
            if passed > 0 {
                passed -= 1;
                return ControlFlow::Continue(());
            }
            found(index)
        });
    }
}

fn lpos(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let wanted = Wanted::parse(args.from(3))?;
    keyspace.read_collection(&args[1], |list: Option<&List>| {
        let nothing = List::new();
        let list = list.unwrap_or(&nothing);
        match wanted.count {
            None => {
                let mut first = None;
                wanted.find(list, &args[2], |index| {
                    first = Some(index);
                    ControlFlow::Break(())
                });
                match first {
                    Some(index) => reply.integer(index as i64),
                    None => reply.null(),
                }
            }
            Some(count) => reply.array_of(|reply| {
                let mut matches = 0;
                wanted.find(list, &args[2], |index| {
                    reply.integer(index as i64);
                    matches += 1;
                    if matches as i64 == count { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                matches
            }),
        }
    })?;
    Ok(())
}
