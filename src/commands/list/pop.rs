//! Taking elements off the ends of lists.

use super::{push_event, reply_element};
use crate::commands::multi_pop::MultiPop;
use crate::commands::prelude::*;
use crate::types::list::{Element, End, List};
use bytes::Bytes;
use smallvec::SmallVec;

pub const LPOP: Command = Command {
    name: "lpop",
    summary: "Removes and gives elements at the head of a list",
    group: Group::List,
    arity: -2,
    flags: WRITE | FAST,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RW | ACCESS | DELETE)],
    args: "key:key#0 count:int?^6.2.0",
    handler: Handler::Data(lpop),
    ..Command::DEFAULT
};

fn lpop(ctx: &mut DataContext, args: &Args) -> CommandResult {
    pop(ctx, args, End::Head, "lpop")
}

pub const RPOP: Command = Command {
    name: "rpop",
    summary: "Removes and gives elements at the tail of a list",
    handler: Handler::Data(rpop),
    ..LPOP
};

fn rpop(ctx: &mut DataContext, args: &Args) -> CommandResult {
    pop(ctx, args, End::Tail, "rpop")
}

fn pop(ctx: &mut DataContext, args: &Args, end: End, name: &'static str) -> CommandResult {
    const NOT_POSITIVE: CommandError = CommandError::new("ERR value is out of range, must be positive");
    let count = match args.len() {
        2 => None,
        // COMPAT: what is no integer at all is called out of range, too.
        3 => Some(args.int(2).ok().and_then(|n| usize::try_from(n).ok()).ok_or(NOT_POSITIVE)?),
        _ => return Err(CommandError::wrong_arity(name)),
    };
    let popped = match count {
        None => pop_at(ctx, &args[1], end, 1, |_, _| ())?,
        Some(count) => pop_at(ctx, &args[1], end, count, |reply, count| reply.array(count))?,
    };
    match (popped, count) {
        (Some(_), _) => (),
        (None, None) => ctx.reply.null(),
        (None, Some(_)) => ctx.reply.null_array(),
    }
    Ok(())
}

/// Takes up to `count` elements off a list and replies them after what `head` writes, which is
/// called with their number; gives that, or None if there is no list.
#[inline]
pub(super) fn pop_at(
    ctx: &mut DataContext,
    key: &[u8],
    end: End,
    count: usize,
    head: impl FnOnce(&mut Reply, usize),
) -> Result<Option<usize>, CommandError> {
    let DataContext { keyspace, reply, config, .. } = ctx;
    let Some(mut list) = keyspace.write_collection::<List>(key)? else { return Ok(None) };
    let count = count.min(list.len());
    head(reply, count);
    for _ in 0..count {
        list.pop(end, |element| reply_element(reply, element));
    }
    list.shrink(config.list_limits());
    let is_empty = list.is_empty();
    drop(list);
    if count > 0 {
        keyspace.changed(EventClass::LIST, pop_event(end), key);
        keyspace.effects.dirty += count as u64 - 1;
        if is_empty {
            keyspace.delete_emptied(key);
        }
    }
    Ok(Some(count))
}

fn pop_event(end: End) -> &'static str {
    if end == End::Head { "lpop" } else { "rpop" }
}

/// The command that pops at `end`.
pub(super) fn pop_command(end: End) -> &'static [u8] {
    if end == End::Head { b"LPOP" } else { b"RPOP" }
}

pub const LMPOP: Command = Command {
    name: "lmpop",
    summary: "Removes and gives elements of the first list that exists",
    since: "7.0.0",
    group: Group::List,
    arity: -4,
    flags: WRITE | MOVABLE_KEYS,
    categories: category::LIST,
    keys: &[KeySpec::counted(1, RW | ACCESS | DELETE)],
    args: "numkeys:int key:key#0+ where(left=LEFT | right=RIGHT) count:int=COUNT?",
    handler: Handler::Data(lmpop),
    ..Command::DEFAULT
};

fn lmpop(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let pop = MultiPop::parse(args, 1, parse_end)?;
    if !pop_first_list(ctx, args, &pop)? {
        ctx.reply.null_array();
    }
    Ok(())
}

/// Pops from the first list that is there; false if there is none.
pub(super) fn pop_first_list(ctx: &mut DataContext, args: &Args, pop: &MultiPop<End>) -> Result<bool, CommandError> {
    for index in pop.keys.clone() {
        let key = &args[index];
        let popped = pop_at(ctx, key, pop.end, pop.count, |reply, count| {
            reply.array(2);
            reply.bulk(key);
            reply.array(count);
        })?;
        if let Some(count) = popped {
            let (db, count) = (ctx.keyspace.selected(), count.to_string());
            ctx.keyspace.effects.propagate_instead(db, &[pop_command(pop.end), key, count.as_bytes()]);
            return Ok(true);
        }
    }
    Ok(false)
}

/// LEFT or RIGHT.
pub(super) fn parse_end(args: &Args, index: usize) -> Result<End, CommandError> {
    match () {
        () if args.is(index, "left") => Ok(End::Head),
        () if args.is(index, "right") => Ok(End::Tail),
        () => Err(CommandError::SYNTAX),
    }
}

pub const LMOVE: Command = Command {
    name: "lmove",
    summary: "Moves an element from one list to another",
    since: "6.2.0",
    group: Group::List,
    arity: 5,
    flags: WRITE | DENYOOM,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RW | ACCESS | DELETE), KeySpec::one(2, RW | INSERT)],
    args: "source:key#0 destination:key#1 wherefrom(left=LEFT | right=RIGHT) whereto(left=LEFT | right=RIGHT)",
    handler: Handler::Data(lmove),
    ..Command::DEFAULT
};

fn lmove(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (from, to) = (parse_end(args, 3)?, parse_end(args, 4)?);
    reply_moved(ctx, args, from, to)
}

pub const RPOPLPUSH: Command = Command {
    name: "rpoplpush",
    summary: "Moves the element at the tail of a list to the head of another",
    since: "1.2.0",
    group: Group::List,
    arity: 3,
    flags: WRITE | DENYOOM,
    categories: category::LIST,
    keys: &[KeySpec::one(1, RW | ACCESS | DELETE), KeySpec::one(2, RW | INSERT)],
    args: "source:key#0 destination:key#1",
    deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
    handler: Handler::Data(rpoplpush),
    ..Command::DEFAULT
};

fn rpoplpush(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_moved(ctx, args, End::Tail, End::Head)
}

fn reply_moved(ctx: &mut DataContext, args: &Args, from: End, to: End) -> CommandResult {
    if !move_element(ctx, &args[1], &args[2], from, to)? {
        ctx.reply.null();
    }
    Ok(())
}

/// Moves an element from one list to another, or within one, and replies it; false if there is none.
pub(super) fn move_element(
    ctx: &mut DataContext,
    source: &[u8],
    destination: &[u8],
    from: End,
    to: End,
) -> Result<bool, CommandError> {
    let DataContext { keyspace, reply, config, .. } = ctx;
    let limits = config.list_limits();
    if keyspace.write_collection::<List>(source)?.is_none() {
        return Ok(false);
    }
    // Check the destination's type before anything is taken from the source.
    keyspace.write_collection::<List>(destination)?;
    let mut list = keyspace.write_collection::<List>(source)?.expect("just seen");
    let element = list.pop(from, MovedElement::new).expect("a list is never empty");
    let within_one = source == destination;
    let is_empty = list.is_empty() && !within_one;
    if !within_one {
        list.shrink(limits);
    }
    drop(list);

    let mut list = keyspace.write_collection_or(destination, List::new)?;
    list.prepare_for(to, 1, element.get().len(), limits);
    list.push(to, element.get(), limits);
    if within_one {
        list.shrink(limits);
    }
    drop(list);
    keyspace.changed(EventClass::LIST, push_event(to), destination);
    reply_element(reply, element.get());
    keyspace.changed(EventClass::LIST, pop_event(from), source);
    // COMPAT: both ends of the move count as one change.
    keyspace.effects.dirty -= 1;
    if is_empty {
        keyspace.delete_emptied(source);
    }
    Ok(true)
}

/// An element on its way from one list to another.
enum MovedElement {
    Copied(SmallVec<[u8; 64]>),
    Shared(Bytes),
}

impl MovedElement {
    fn new(element: Element) -> MovedElement {
        match element {
            Element::Slice(slice) => MovedElement::Copied(SmallVec::from_slice(slice)),
            Element::Shared(bytes) => MovedElement::Shared(bytes.clone()),
        }
    }

    fn get(&self) -> Element<'_> {
        match self {
            MovedElement::Copied(bytes) => Element::Slice(bytes),
            MovedElement::Shared(bytes) => Element::Shared(bytes),
        }
    }
}
