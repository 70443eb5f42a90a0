//! Commands that wait for an element if there is none: each is its counterpart that does not wait,
//! and is propagated as that.

use super::pop::{move_element, parse_end, pop_at, pop_command, pop_first_list};
use crate::commands::multi_pop::MultiPop;
use crate::commands::prelude::*;
use crate::server::blocked::{Attempt, Refused, Wait};
use crate::types::Type;
use crate::types::list::End;
use std::ops::Range;

/// Waits until one of the keys is a list.
fn wait(keys: Range<usize>, timeout_ms: u64, refused: Refused) -> Attempt {
    Attempt::Wait(Wait { keys, for_type: Type::List, timeout_ms, until_gone: false, refused, request: None })
}

pub const BLPOP: Command = Command {
    name: "blpop",
    summary: "As LPOP, from the first list that has an element, or waits for one",
    since: "2.0.0",
    group: Group::List,
    arity: -3,
    flags: WRITE | BLOCKING,
    categories: category::LIST,
    keys: &[KeySpec::range(1, -2, 1, RW | ACCESS | DELETE)],
    args: "key:key#0+ timeout:double",
    handler: Handler::Blocking(blpop),
    ..Command::DEFAULT
};

fn blpop(ctx: &mut DataContext, args: &Args) -> Result<Attempt, CommandError> {
    pop_first(ctx, args, End::Head)
}

pub const BRPOP: Command = Command {
    name: "brpop",
    summary: "As RPOP, from the first list that has an element, or waits for one",
    handler: Handler::Blocking(brpop),
    ..BLPOP
};

fn brpop(ctx: &mut DataContext, args: &Args) -> Result<Attempt, CommandError> {
    pop_first(ctx, args, End::Tail)
}

fn pop_first(ctx: &mut DataContext, args: &Args, end: End) -> Result<Attempt, CommandError> {
    let keys = 1..args.len() - 1;
    let timeout_ms = args.timeout_s(keys.end)?;
    for index in keys.clone() {
        let key = &args[index];
        let popped = pop_at(ctx, key, end, 1, |reply, _| {
            reply.array(2);
            reply.bulk(key);
        })?;
        if popped.is_some() {
            let db = ctx.keyspace.selected();
            ctx.keyspace.effects.propagate_instead(db, &[pop_command(end), key]);
            return Ok(Attempt::Done);
        }
    }
    Ok(wait(keys, timeout_ms, Refused::NullArray))
}

pub const BLMPOP: Command = Command {
    name: "blmpop",
    summary: "As LMPOP, or waits for an element",
    since: "7.0.0",
    group: Group::List,
    arity: -5,
    flags: WRITE | BLOCKING | MOVABLE_KEYS,
    categories: category::LIST,
    keys: &[KeySpec::counted(2, RW | ACCESS | DELETE)],
    args: "timeout:double numkeys:int key:key#0+ where(left=LEFT | right=RIGHT) count:int=COUNT?",
    handler: Handler::Blocking(blmpop),
    ..Command::DEFAULT
};

fn blmpop(ctx: &mut DataContext, args: &Args) -> Result<Attempt, CommandError> {
    let pop = MultiPop::parse(args, 2, parse_end)?;
    let timeout_ms = args.timeout_s(1)?;
    if pop_first_list(ctx, args, &pop)? {
        Ok(Attempt::Done)
    } else {
        Ok(wait(pop.keys, timeout_ms, Refused::NullArray))
    }
}

pub const BLMOVE: Command = Command {
    name: "blmove",
    summary: "As LMOVE, or waits for an element",
    since: "6.2.0",
    group: Group::List,
    arity: 6,
    flags: WRITE | DENYOOM | BLOCKING,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RW | ACCESS | DELETE), KeySpec::one(2, RW | INSERT)],
    args: "source:key#0 destination:key#1 wherefrom(left=LEFT | right=RIGHT) whereto(left=LEFT | right=RIGHT) timeout:double",
    handler: Handler::Blocking(blmove),
    ..Command::DEFAULT
};

fn blmove(ctx: &mut DataContext, args: &Args) -> Result<Attempt, CommandError> {
    let (from, to) = (parse_end(args, 3)?, parse_end(args, 4)?);
    let timeout_ms = args.timeout_s(5)?;
    let lmove = [b"LMOVE", &args[1], &args[2], &args[3], &args[4]];
    move_or_wait(ctx, args, (from, to), timeout_ms, &lmove)
}

pub const BRPOPLPUSH: Command = Command {
    name: "brpoplpush",
    summary: "As RPOPLPUSH, or waits for an element",
    since: "2.2.0",
    group: Group::List,
    arity: 4,
    flags: WRITE | DENYOOM | BLOCKING,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RW | ACCESS | DELETE), KeySpec::one(2, RW | INSERT)],
    args: "source:key#0 destination:key#1 timeout:double",
    deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
    handler: Handler::Blocking(brpoplpush),
    ..Command::DEFAULT
};

fn brpoplpush(ctx: &mut DataContext, args: &Args) -> Result<Attempt, CommandError> {
    let timeout_ms = args.timeout_s(3)?;
    let rpoplpush = [b"RPOPLPUSH", &args[1], &args[2]];
    move_or_wait(ctx, args, (End::Tail, End::Head), timeout_ms, &rpoplpush)
}

fn move_or_wait(
    ctx: &mut DataContext,
    args: &Args,
    (from, to): (End, End),
    timeout_ms: u64,
    propagated: &[&[u8]],
) -> Result<Attempt, CommandError> {
    if !move_element(ctx, &args[1], &args[2], from, to)? {
        return Ok(wait(1..2, timeout_ms, Refused::Null));
    }
    let db = ctx.keyspace.selected();
    ctx.keyspace.effects.propagate_instead(db, propagated);
    Ok(Attempt::Done)
}
