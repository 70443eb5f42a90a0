//! OBJECT: how values are kept.

use super::prelude::*;
use crate::keyspace::Entry;
use crate::types::string::StringRef;

pub const COMMANDS: &[&Command] = &[&OBJECT];

/// What all subcommands have in common.
const SUBCOMMAND: Command = Command {
    flags: READONLY,
    categories: category::KEYSPACE,
    keys: &[KeySpec::one(2, RO)],
    tips: &["nondeterministic_output"],
    ..Command::DEFAULT
};

pub const OBJECT: Command = Command {
    name: "object",
    summary: "Shows how a value is kept",
    since: "2.2.3",
    arity: -2,
    subcommands: &[
        Command {
            name: "idletime",
            summary: "Gets the seconds since a key was last used",
            since: "2.2.3",
            arity: 3,
            args: "key:key#0",
            handler: Handler::Data(idletime),
            ..SUBCOMMAND
        },
        Command {
            name: "encoding",
            summary: "Gets the name of a value's encoding",
            since: "2.2.3",
            arity: 3,
            args: "key:key#0",
            handler: Handler::Data(encoding),
            ..SUBCOMMAND
        },
        Command {
            name: "freq",
            summary: "Gets how often a key is used",
            since: "4.0.0",
            arity: 3,
            args: "key:key#0",
            handler: Handler::Data(freq),
            ..SUBCOMMAND
        },
        Command::help("6.2.0", Group::Generic, category::KEYSPACE, help),
        Command {
            name: "refcount",
            summary: "Gets how often a value is referred to",
            since: "2.2.3",
            arity: 3,
            args: "key:key#0",
            handler: Handler::Data(refcount),
            ..SUBCOMMAND
        },
    ],
    ..Command::DEFAULT
};

fn encoding(ctx: &mut DataContext, args: &Args) -> CommandResult {
    if let Some(name) = inspect(ctx, args, |entry| entry.encoding().name()) {
        ctx.reply.bulk(name.as_bytes());
    }
    Ok(())
}

fn freq(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let Some(kept) = inspect(ctx, args, Entry::clock) else { return Ok(()) };
    if !ctx.keyspace.access.counts_uses() {
        return Err(CommandError::new(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    ctx.reply.integer(ctx.keyspace.access.frequency_of(kept) as i64);
    Ok(())
}

fn idletime(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let Some(kept) = inspect(ctx, args, Entry::clock) else { return Ok(()) };
    if ctx.keyspace.access.counts_uses() {
        return Err(CommandError::new(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    ctx.reply.integer(ctx.keyspace.access.idle_seconds_of(kept) as i64);
    Ok(())
}

fn refcount(ctx: &mut DataContext, args: &Args) -> CommandResult {
    /// COMPAT: Redis shares small integers between keys, and says so with the largest count.
    const SHARED_INTEGERS: i64 = 10_000;
    // With these policies each value needs an access clock of its own.
    let shares = ctx.config.maxmemory == 0 || !ctx.config.maxmemory_policy.keeps_use();
    let is_shared = |entry: &Entry| shares && matches!(entry.string(), Some(StringRef::Int(0..SHARED_INTEGERS)));
    if let Some(shared) = inspect(ctx, args, is_shared) {
        ctx.reply.integer(if shared { i32::MAX as i64 } else { 1 });
    }
    Ok(())
}

/// Looks at the key; if it is missing, replies null and gives None.
fn inspect<T>(ctx: &mut DataContext, args: &Args, look: impl FnOnce(&Entry) -> T) -> Option<T> {
    // COMPAT: counted, but without an event for a miss.
    let found = ctx.keyspace.peek(&args[2]).map(|entry| look(&entry));
    let stats = &mut ctx.keyspace.stats;
    match &found {
        Some(_) => stats.hits += 1,
        None => {
            stats.misses += 1;
            ctx.reply.null();
        }
    }
    found
}

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help(
        "object",
        &[
            "ENCODING <key>",
            "    Say how a key's value is kept.",
            "FREQ <key>",
            "    Give the counter of a key's uses (LFU policies).",
            "IDLETIME <key>",
            "    Give the seconds since a key was last used.",
            "REFCOUNT <key>",
            "    Give the count that Redis would: values here share nothing.",
        ],
    );
    Ok(())
}
