//! XINFO: what there is to know about a stream, its groups and their consumers. It changes nothing.

use super::super::prelude::*;
use super::{StreamAt, max_of, no_such_group, reply_entries, reply_entry, reply_id};
use crate::encoding::stream_log::{StreamId, StreamLog};
use crate::types::stream::Stream;
use crate::types::stream::entries::Entries;
use crate::types::stream::group::Group as ConsumerGroup;
use std::collections::BTreeMap;

/// What all subcommands have in common.
const SUBCOMMAND: Command = Command {
    group: Group::Stream,
    flags: READONLY,
    categories: category::STREAM,
    keys: &[KeySpec::one(2, RO | ACCESS)],
    ..Command::DEFAULT
};

pub const XINFO: Command = Command {
    name: "xinfo",
    summary: "Commands that describe streams",
    since: "5.0.0",
    group: Group::Stream,
    arity: -2,
    subcommands: &[
        Command {
            name: "consumers",
            summary: "Describes the consumers of a group",
            since: "5.0.0",
            arity: 4,
            tips: &["nondeterministic_output"],
            args: "key:key#0 group",
            handler: Handler::Data(consumers),
            ..SUBCOMMAND
        },
        Command {
            name: "stream",
            summary: "Describes a stream",
            since: "5.0.0",
            arity: -3,
            args: "key:key#0 full-block{full=FULL count:int=COUNT?}?",
            handler: Handler::Data(stream),
            ..SUBCOMMAND
        },
        Command {
            name: "groups",
            summary: "Describes the consumer groups of a stream",
            since: "5.0.0",
            arity: 3,
            args: "key:key#0",
            handler: Handler::Data(groups),
            ..SUBCOMMAND
        },
        Command::help("5.0.0", Group::Stream, category::STREAM, help),
    ],
    ..Command::DEFAULT
};

fn consumers(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let now_ms = ctx.keyspace.now_ms;
    let (key, name) = (&args[2], &args[3]);
    let reply = &mut ctx.reply;
    ctx.keyspace.read_collection(key, |stream: StreamAt| {
        let group =
            stream.ok_or(CommandError::NO_SUCH_KEY)?.groups.get(name).ok_or_else(|| no_such_group(name, key))?;
        reply.array(group.consumers().len());
        for consumer in group.consumers() {
            reply.map(4);
            reply.named("name").bulk(&consumer.name);
            reply.named("pending").integer(consumer.pending().len() as i64);
            reply.named("idle").integer((now_ms - consumer.seen_ms).max(0));
            reply.named("inactive").integer(consumer.active_ms.map_or(-1, |active_ms| (now_ms - active_ms).max(0)));
        }
        Ok(())
    })?
}

fn groups(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let reply = &mut ctx.reply;
    ctx.keyspace.read_collection(&args[2], |stream: StreamAt| {
        let Stream { entries, groups } = &**stream.ok_or(CommandError::NO_SUCH_KEY)?;
        reply.array(groups.len());
        for (name, group) in groups {
            reply.map(6);
            reply.named("name").bulk(name);
            reply.named("consumers").integer(group.consumers().len() as i64);
            reply.named("pending").integer(group.pending().len() as i64);
            reply_progress(reply, entries, group);
        }
        Ok(())
    })?
}

/// The fields that tell how far a group has read.
fn reply_progress(reply: &mut Reply, entries: &Entries, group: &ConsumerGroup) {
    reply_id(reply.named("last-delivered-id"), group.last_id);
    let entries_read = group.entries_read.map(|count| count as i64);
    for (name, count) in [("entries-read", entries_read), ("lag", entries.lag(group.last_id, group.entries_read))] {
        let reply = reply.named(name);
        match count {
            Some(count) => reply.integer(count),
            None => reply.null(),
        }
    }
}

fn stream(ctx: &mut DataContext, args: &Args) -> CommandResult {
    /// Entries and pending entries that FULL shows.
    const COUNT: usize = 10;
    let parse = || match args.len() {
        3 => Ok(None),
        4 if args.is(3, "full") => Ok(Some(COUNT)),
        6 if args.is(3, "full") && args.is(4, "count") => {
            Ok(Some(args.int(5).map(|count| if count < 0 { COUNT } else { max_of(count) })?))
        }
        _ => Err(CommandError::subcommand_syntax(&args[1], "xinfo")),
    };
    let reply = &mut ctx.reply;
    ctx.keyspace.read_collection(&args[2], |stream: StreamAt| {
        let Stream { entries, groups } = &**stream.ok_or(CommandError::NO_SUCH_KEY)?;
        let full = parse()?;
        reply.map(if full.is_some() { 9 } else { 10 });
        reply.named("length").integer(entries.len() as i64);
        reply.named("radix-tree-keys").integer(entries.log().nodes() as i64);
        // COMPAT: Redis's index has at least one node more than keys.
        reply.named("radix-tree-nodes").integer(entries.log().nodes() as i64 + 1);
        let first = entries.log().first_id().unwrap_or_default();
        reply_id(reply.named("last-generated-id"), entries.last_id());
        reply_id(reply.named("max-deleted-entry-id"), entries.max_deleted_id());
        reply.named("entries-added").integer(entries.added() as i64);
        reply_id(reply.named("recorded-first-entry-id"), first);
        match full {
            Some(max) => {
                reply_entries(reply.named("entries"), entries.log().range(StreamId::MIN, StreamId::MAX).take(max));
                reply_groups(reply, entries, groups, max);
            }
            None => {
                reply.named("groups").integer(groups.len() as i64);
                reply_ends(reply, entries.log());
            }
        }
        Ok(())
    })?
}

fn reply_ends(reply: &mut Reply, log: &StreamLog) {
    let first = log.range(StreamId::MIN, StreamId::MAX).next();
    let last = log.range_back(StreamId::MIN, StreamId::MAX).next();
    for (name, entry) in [("first-entry", first), ("last-entry", last)] {
        let reply = reply.named(name);
        match entry {
            Some(entry) => reply_entry(reply, entry),
            None => reply.null(),
        }
    }
}

/// All groups, with up to `max` pending entries of each group and of each consumer.
fn reply_groups(reply: &mut Reply, entries: &Entries, groups: &BTreeMap<Box<[u8]>, ConsumerGroup>, max: usize) {
    reply.named("groups").array(groups.len());
    for (name, group) in groups {
        reply.map(7);
        reply.named("name").bulk(name);
        reply_progress(reply, entries, group);
        reply.named("pel-count").integer(group.pending().len() as i64);
        reply.named("pending").array(group.pending().len().min(max));
        for (&id, pending) in group.pending().iter().take(max) {
            reply.array(4);
            reply_id(reply, id);
            reply.bulk(&group.consumer(pending.consumer).name);
            reply.integer(pending.delivered_ms);
            reply.integer(pending.deliveries as i64);
        }
        reply.named("consumers").array(group.consumers().len());
        for consumer in group.consumers() {
            reply.map(5);
            reply.named("name").bulk(&consumer.name);
            reply.named("seen-time").integer(consumer.seen_ms);
            reply.named("active-time").integer(consumer.active_ms.unwrap_or(-1));
            reply.named("pel-count").integer(consumer.pending().len() as i64);
            reply.named("pending").array(consumer.pending().len().min(max));
            for &id in consumer.pending().iter().take(max) {
                let pending = &group.pending()[&id];
                reply.array(3);
                reply_id(reply, id);
                reply.integer(pending.delivered_ms);
                reply.integer(pending.deliveries as i64);
            }
        }
    }
}

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help(
        "xinfo",
        &[
            "CONSUMERS <key> <group>",
            "    Describe the consumers of a group.",
            "GROUPS <key>",
            "    Describe the consumer groups of a stream.",
            "STREAM <key> [FULL [COUNT <count>]]",
            "    Describe a stream.",
        ],
    );
    Ok(())
}
