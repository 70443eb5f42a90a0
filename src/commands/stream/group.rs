//! XGROUP: making and removing consumer groups (`types/stream/group.rs`) and their consumers. DESTROY wakes
//! the clients that wait for entries in the group.

use super::super::prelude::*;
use super::{StreamAt, changed_aside, id, no_such_group};
use crate::server::command::Group;
use crate::types::stream::Stream;
use crate::types::stream::group::Group as ConsumerGroup;

/// What all subcommands have in common.
const SUBCOMMAND: Command = Command { group: Group::Stream, categories: category::STREAM, ..Command::DEFAULT };

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
            arity: 5,
            flags: WRITE | DENYOOM,
            keys: &[KeySpec::one(2, RW | INSERT)],
            args: "key:key#0 group consumer",
            handler: Handler::Data(createconsumer),
            ..SUBCOMMAND
        },
        Command {
            name: "create",
            summary: "Makes a consumer group",
            since: "5.0.0",
            arity: -5,
            flags: WRITE | DENYOOM,
            keys: &[KeySpec::one(2, RW | INSERT)],
            args: "key:key#0 group id-selector(id | new-id='$') mkstream=MKSTREAM? entries-read:int=ENTRIESREAD?",
            handler: Handler::Data(create),
            ..SUBCOMMAND
        },
        Command {
            name: "destroy",
            summary: "Removes a consumer group",
            since: "5.0.0",
            arity: 4,
            flags: WRITE,
            keys: &[KeySpec::one(2, RW | DELETE)],
            args: "key:key#0 group",
            handler: Handler::Data(destroy),
            ..SUBCOMMAND
        },
        Command::help("5.0.0", Group::Stream, category::STREAM, help),
        Command {
            name: "delconsumer",
            summary: "Removes a consumer of a group",
            since: "5.0.0",
            arity: 5,
            flags: WRITE,
            keys: &[KeySpec::one(2, RW | DELETE)],
            args: "key:key#0 group consumer",
            handler: Handler::Data(delconsumer),
            ..SUBCOMMAND
        },
        Command {
            name: "setid",
            summary: "Sets how far a group has read",
            since: "5.0.0",
            arity: -5,
            flags: WRITE,
            keys: &[KeySpec::one(2, RW | UPDATE)],
            args: "key:key#0 group id-selector(id | new-id='$') entriesread:int~entries-read=ENTRIESREAD?",
            handler: Handler::Data(setid),
            ..SUBCOMMAND
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
                return Err(CommandError::subcommand_syntax(&args[1], "xgroup"));
            }
        }
        Ok(options)
    }
}

fn create(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let options = Options::parse(args, true)?;
    let key = &args[2];
    let is_there = ctx.keyspace.peek_collection(key, |stream: StreamAt| stream.is_some())?;
    if !is_there && !options.make_stream {
        return Err(NO_KEY);
    }
    let last_id = match args.get(4) {
        b"$" => None,
        text => Some(id::parse_strict(text, 0)?),
    };
    let mut stream = ctx.keyspace.write_collection_or(key, Box::<Stream>::default)?;
    let Stream { entries, groups } = &mut **stream;
    if groups.contains_key(&args[3]) {
        return Err(CommandError::new("BUSYGROUP Consumer Group name already exists"));
    }
    let group = ConsumerGroup::new(last_id.unwrap_or(entries.last_id()), options.entries_read);
    groups.insert(args[3].into(), group);
    drop(stream);
    changed_aside(ctx.keyspace, "xgroup-create", key);
    ctx.reply.ok();
    Ok(())
}

fn setid(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let options = Options::parse(args, false)?;
    let (key, name) = (&args[2], &args[3]);
    let mut stream = ctx.keyspace.write_collection::<Box<Stream>>(key)?.ok_or(NO_KEY)?;
    let Stream { entries, groups } = &mut **stream;
    let group = groups.get_mut(name).ok_or_else(|| no_such_group(name, key))?;
    group.last_id = match args.get(4) {
        b"$" => entries.last_id(),
        text => id::parse(text, 0)?,
    };
    group.entries_read = options.entries_read;
    drop(stream);
    changed_aside(ctx.keyspace, "xgroup-setid", key);
    ctx.reply.ok();
    Ok(())
}

fn destroy(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[2];
    let destroyed = ctx.keyspace.write_collection::<Box<Stream>>(key)?.ok_or(NO_KEY)?.groups.remove(&args[3]).is_some();
    if destroyed {
        changed_aside(ctx.keyspace, "xgroup-destroy", key);
        // Clients blocked in XREADGROUP on this group get an error.
        ctx.keyspace.made_ready(key);
    }
    ctx.reply.integer(destroyed as i64);
    Ok(())
}

fn createconsumer(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (key, name) = (&args[2], &args[3]);
    let now_ms = ctx.keyspace.now_ms;
    let mut stream = ctx.keyspace.write_collection::<Box<Stream>>(key)?.ok_or(NO_KEY)?;
    let group = stream.groups.get_mut(name).ok_or_else(|| no_such_group(name, key))?;
    let created = group.add_consumer(&args[4], now_ms).is_some();
    drop(stream);
    if created {
        changed_aside(ctx.keyspace, "xgroup-createconsumer", key);
    }
    ctx.reply.integer(created as i64);
    Ok(())
}

fn delconsumer(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (key, name) = (&args[2], &args[3]);
    let mut stream = ctx.keyspace.write_collection::<Box<Stream>>(key)?.ok_or(NO_KEY)?;
    let group = stream.groups.get_mut(name).ok_or_else(|| no_such_group(name, key))?;
    let removed = group.remove_consumer(&args[4]);
    drop(stream);
    if removed.is_some() {
        changed_aside(ctx.keyspace, "xgroup-delconsumer", key);
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
