//! XGROUP.

use super::super::prelude::*;
use super::{StreamAt, id, no_such_group};
use crate::encoding::stream_log::StreamId;
use crate::server::command::Group;
use crate::types::stream::Stream;
use crate::types::stream::group::Group as ConsumerGroup;

pub const XGROUP: Command = Command {
    name: "xgroup",
    summary: "Commands about consumer groups",
    since: "5.0.0",
    group: Group::Stream,
    arity: -2,
    subcommands: &[
        Command {
            name: "createconsumer",
            summary: "Makes a consumer of a group",
            since: "6.2.0",
            group: Group::Stream,
            arity: 5,
            flags: WRITE | DENYOOM,
            categories: category::STREAM,
            keys: &[KeySpec::one(2, RW | INSERT)],
            args: "key:key#0 group consumer",
            handler: Handler::Data(createconsumer),
            ..Command::DEFAULT
        },
        Command {
            name: "create",
            summary: "Makes a consumer group",
            since: "5.0.0",
            group: Group::Stream,
            arity: -5,
            flags: WRITE | DENYOOM,
            categories: category::STREAM,
            keys: &[KeySpec::one(2, RW | INSERT)],
            args: "key:key#0 group id-selector(id | new-id='$') mkstream=MKSTREAM? entries-read:int=ENTRIESREAD?",
            handler: Handler::Data(create),
            ..Command::DEFAULT
        },
        Command {
            name: "destroy",
            summary: "Removes a consumer group",
            since: "5.0.0",
            group: Group::Stream,
            arity: 4,
            flags: WRITE,
            categories: category::STREAM,
            keys: &[KeySpec::one(2, RW | DELETE)],
            args: "key:key#0 group",
            handler: Handler::Data(destroy),
            ..Command::DEFAULT
        },
        Command {
            name: "help",
            summary: "Lists the subcommands",
            since: "5.0.0",
            group: Group::Stream,
            arity: 2,
            flags: LOADING | STALE,
            categories: category::STREAM,
            handler: Handler::Data(help),
            ..Command::DEFAULT
        },
        Command {
            name: "delconsumer",
            summary: "Removes a consumer of a group",
            since: "5.0.0",
            group: Group::Stream,
            arity: 5,
            flags: WRITE,
            categories: category::STREAM,
            keys: &[KeySpec::one(2, RW | DELETE)],
            args: "key:key#0 group consumer",
            handler: Handler::Data(delconsumer),
            ..Command::DEFAULT
        },
        Command {
            name: "setid",
            summary: "Sets how far a group has read",
            since: "5.0.0",
            group: Group::Stream,
            arity: -5,
            flags: WRITE,
            categories: category::STREAM,
            keys: &[KeySpec::one(2, RW | UPDATE)],
            args: "key:key#0 group id-selector(id | new-id='$') entriesread:int~entries-read=ENTRIESREAD?",
            handler: Handler::Data(setid),
            ..Command::DEFAULT
        },
    ],
    ..Command::DEFAULT
};

const NO_KEY: CommandError = CommandError::new(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
);

/// The options of CREATE and SETID.
struct Options {
    make_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(args: &Args, is_create: bool) -> Result<Options, CommandError> {
        const NOT_A_COUNT: CommandError = CommandError::new("ERR value for ENTRIESREAD must be positive or -1");
        let mut options = Options { make_stream: false, entries_read: None };
        let mut at = 5;
        while at < args.len() {
            if is_create && args.is(at, "mkstream") {
                options.make_stream = true;
                at += 1;
            } else if at + 1 < args.len() && args.is(at, "entriesread") {
                options.entries_read = match args.int(at + 1)? {
                    -1 => None,
                    count => Some(u64::try_from(count).map_err(|_| NOT_A_COUNT)?),
                };
                at += 2;
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// `$` (None) or an id.
fn parse_last_id(text: &[u8]) -> Result<Option<StreamId>, CommandError> {
    match text {
        b"$" => Ok(None),
        _ => id::parse(text, 0).map(Some),
    }
}

fn create(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let options = Options::parse(args, true)?;
    let key = &args[2];
    let is_there = ctx.keyspace.read_collection(key, |stream: StreamAt| stream.is_some())?;
    if !is_there && !options.make_stream {
        return Err(NO_KEY);
    }
    let last_id = parse_last_id(args.get(4))?;
    let mut stream = ctx.keyspace.write_collection_or(key, Box::<Stream>::default)?;
    let group = ConsumerGroup::new(last_id.unwrap_or(stream.last_id()), options.entries_read);
    if !stream.add_group(&args[3], group) {
        return Err(CommandError::new("BUSYGROUP Consumer Group name already exists"));
    }
    drop(stream);
    ctx.keyspace.changed(EventClass::STREAM, "xgroup-create", key);
    ctx.reply.ok();
    Ok(())
}

fn setid(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let options = Options::parse(args, false)?;
    let (key, name) = (&args[2], &args[3]);
    let mut stream = ctx.keyspace.write_collection::<Box<Stream>>(key)?.ok_or(NO_KEY)?;
    let last = stream.last_id();
    let group = stream.group_mut(name).ok_or_else(|| no_such_group(name, key))?;
    group.last_id = parse_last_id(args.get(4))?.unwrap_or(last);
    group.entries_read = options.entries_read;
    drop(stream);
    ctx.keyspace.changed(EventClass::STREAM, "xgroup-setid", key);
    ctx.reply.ok();
    Ok(())
}

fn destroy(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[2];
    let destroyed = ctx.keyspace.write_collection::<Box<Stream>>(key)?.ok_or(NO_KEY)?.remove_group(&args[3]);
    if destroyed {
        ctx.keyspace.changed(EventClass::STREAM, "xgroup-destroy", key);
        // Who waits for entries of this group is to be told.
        ctx.keyspace.made_ready(key);
    }
    ctx.reply.integer(destroyed as i64);
    Ok(())
}

fn createconsumer(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (key, name) = (&args[2], &args[3]);
    let now_ms = ctx.keyspace.now_ms;
    let mut stream = ctx.keyspace.write_collection::<Box<Stream>>(key)?.ok_or(NO_KEY)?;
    let group = stream.group_mut(name).ok_or_else(|| no_such_group(name, key))?;
    let created = group.add_consumer(&args[4], now_ms).is_some();
    drop(stream);
    if created {
        ctx.keyspace.changed(EventClass::STREAM, "xgroup-createconsumer", key);
    }
    ctx.reply.integer(created as i64);
    Ok(())
}

fn delconsumer(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (key, name) = (&args[2], &args[3]);
    let mut stream = ctx.keyspace.write_collection::<Box<Stream>>(key)?.ok_or(NO_KEY)?;
    let group = stream.group_mut(name).ok_or_else(|| no_such_group(name, key))?;
    let removed = group.remove_consumer(&args[4]);
    drop(stream);
    if removed.is_some() {
        ctx.keyspace.changed(EventClass::STREAM, "xgroup-delconsumer", key);
    }
    ctx.reply.integer(removed.unwrap_or(0) as i64);
    Ok(())
}

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help(
        "xgroup",
        &[
            "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <count>]",
            "    Make a group that reads the entries after <id>, or those added from now on ($).",
            "    * MKSTREAM: make an empty stream if there is none.",
            "    * ENTRIESREAD: how many entries the group counts as having read (-1: unknown).",
            "CREATECONSUMER <key> <group> <consumer>",
            "    Make a consumer of the group.",
            "DELCONSUMER <key> <group> <consumer>",
            "    Remove a consumer, and what is pending for it.",
            "DESTROY <key> <group>",
            "    Remove a group.",
            "SETID <key> <group> <id|$> [ENTRIESREAD <count>]",
            "    Set the last entry that the group has read.",
        ],
    );
    Ok(())
}
