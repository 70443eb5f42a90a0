//! Databases as a whole: DBSIZE, SWAPDB, FLUSHDB and FLUSHALL. FLUSHALL also ends a snapshot that a child is
//! writing, which would bring the old data back.

use super::prelude::*;
use crate::engine::snapshot;
use crate::keyspace::Keyspace;

pub const COMMANDS: &[&Command] = &[&DBSIZE, &SWAPDB, &FLUSHDB, &FLUSHALL];

pub const DBSIZE: Command = Command {
    name: "dbsize",
    summary: "Counts the keys of the database",
    group: Group::Server,
    flags: READONLY | FAST,
    categories: category::KEYSPACE,
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    handler: Handler::Data(dbsize),
    ..Command::DEFAULT
};

fn dbsize(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.integer(ctx.keyspace.db().len() as i64);
    Ok(())
}

pub const SWAPDB: Command = Command {
    name: "swapdb",
    summary: "Exchanges two databases",
    since: "4.0.0",
    group: Group::Server,
    arity: 3,
    flags: WRITE | FAST,
    categories: category::KEYSPACE | category::DANGEROUS,
    args: "index1:int index2:int",
    handler: Handler::Data(swapdb),
    ..Command::DEFAULT
};

fn swapdb(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let databases = ctx.keyspace.databases();
    // COMPAT: both have to be numbers before either has to be a database.
    let index = |i, invalid| match args.db(i, databases) {
        Err(error) if error != CommandError::DB_INDEX => Err(CommandError::new(invalid)),
        db => Ok(db),
    };
    let first = index(1, "ERR invalid first DB index")?;
    let second = index(2, "ERR invalid second DB index")?;
    ctx.keyspace.swap_databases(first?, second?);
    ctx.keyspace.effects.dirty += 1;
    ctx.reply.ok();
    Ok(())
}

pub const FLUSHDB: Command = Command {
    name: "flushdb",
    summary: "Deletes all keys of the database",
    group: Group::Server,
    arity: -1,
    flags: WRITE,
    categories: category::KEYSPACE | category::DANGEROUS,
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    args: "flush-type(async=ASYNC^4.0.0 | sync=SYNC^6.2.0)?",
    handler: Handler::Data(flushdb),
    ..Command::DEFAULT
};

fn flushdb(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let db = ctx.keyspace.selected();
    flush(ctx.keyspace, args, Some(db))?;
    ctx.reply.ok();
    Ok(())
}

pub const FLUSHALL: Command = Command {
    name: "flushall",
    summary: "Deletes all keys of all databases",
    handler: Handler::Server(flushall),
    ..FLUSHDB
};

fn flushall(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    flush(&mut server.keyspace, args, None)?;
    if snapshot::data_set_emptied(server) {
        // The snapshot just saved has this change.
        server.keyspace.effects.dirty = 0;
    }
    server.reply(id).ok();
    Ok(())
}

fn flush(keyspace: &mut Keyspace, args: &Args, db: Option<usize>) -> CommandResult {
    let lazy = match args.len() {
        1 => keyspace.options.lazy_user_flush,
        2 if args.is(1, "async") => true,
        2 if args.is(1, "sync") => false,
        _ => return Err(CommandError::SYNTAX),
    };
    let removed = keyspace.flush(db, lazy);
    keyspace.effects.dirty += removed as u64;
    // Propagated even if there were no keys here: a replica may have some.
    let arguments: Vec<&[u8]> = args.iter().collect();
    keyspace.effects.propagate_instead(keyspace.selected(), &arguments);
    Ok(())
}
