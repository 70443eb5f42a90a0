//! XRANGE and XREVRANGE: entries between two ids, from either end.

use super::super::prelude::*;
use super::{StreamAt, id, reply_entries};

pub const XRANGE: Command = Command {
    name: "xrange",
    summary: "Gets the entries between two ids",
    since: "5.0.0",
    group: Group::Stream,
    arity: -4,
    flags: READONLY,
    categories: category::STREAM,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 start end count:int=COUNT?",
    handler: Handler::Data(|ctx, args| range(ctx, args, false)),
    ..Command::DEFAULT
};

pub const XREVRANGE: Command = Command {
    name: "xrevrange",
    summary: "Gets the entries between two ids, the last first",
    args: "key:key#0 end start count:int=COUNT?",
    handler: Handler::Data(|ctx, args| range(ctx, args, true)),
    ..XRANGE
};

fn range(ctx: &mut DataContext, args: &Args, backwards: bool) -> CommandResult {
    let (from, to) = if backwards { (3, 2) } else { (2, 3) };
    let (from, to) = (id::parse_start(args.get(from))?, id::parse_end(args.get(to))?);
    let mut max = usize::MAX;
    let mut at = 4;
    while at < args.len() {
        if at + 1 == args.len() || !args.is(at, "count") {
            return Err(CommandError::SYNTAX);
        }
        max = args.int(at + 1)?.max(0) as usize;
        at += 2;
    }
    let reply = &mut ctx.reply;
    ctx.keyspace.read_collection(&args[1], |stream: StreamAt| match stream {
        None => reply.array(0),
        Some(_) if max == 0 => reply.null_array(),
        Some(stream) if backwards => reply_entries(reply, stream.entries.log().range_back(from, to).take(max)),
        Some(stream) => reply_entries(reply, stream.entries.log().range(from, to).take(max)),
    })?;
    Ok(())
}
