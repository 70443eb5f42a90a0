//! Keys, whatever they hold. See `scan` for finding them, `expire` for their time to live.

use super::prelude::*;
use crate::keyspace::Keyspace;

pub const COMMANDS: &[&Command] = &[&DEL, &UNLINK, &EXISTS, &TOUCH, &TYPE, &RENAME, &RENAMENX, &COPY, &MOVE];

pub const DEL: Command = Command {
    name: "del",
    summary: "Deletes keys",
    arity: -2,
    flags: WRITE,
    categories: category::KEYSPACE,
    keys: &[KeySpec::range(1, -1, 1, RM | DELETE)],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    args: "key:key#0+",
    handler: Handler::Data(del),
    ..Command::DEFAULT
};

fn del(ctx: &mut DataContext, args: &Args) -> CommandResult {
    delete_keys(ctx, args, Keyspace::delete)
}

pub const UNLINK: Command = Command {
    name: "unlink",
    summary: "Deletes keys, freeing their memory in the background",
    since: "4.0.0",
    arity: -2,
    flags: WRITE | FAST,
    categories: category::KEYSPACE,
    keys: &[KeySpec::range(1, -1, 1, RM | DELETE)],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    args: "key:key#0+",
    handler: Handler::Data(unlink),
    ..Command::DEFAULT
};

fn unlink(ctx: &mut DataContext, args: &Args) -> CommandResult {
    delete_keys(ctx, args, Keyspace::unlink)
}

fn delete_keys(ctx: &mut DataContext, args: &Args, delete: fn(&mut Keyspace, &[u8]) -> bool) -> CommandResult {
    let mut deleted = 0;
    ctx.keyspace.for_each_key(args.from(1).iter(), |keyspace, _, key| {
        if delete(keyspace, key) {
            keyspace.changed(EventClass::GENERIC, "del", key);
            deleted += 1;
        }
    });
    ctx.reply.integer(deleted);
    Ok(())
}

pub const EXISTS: Command = Command {
    name: "exists",
    summary: "Counts the keys that exist",
    arity: -2,
    flags: READONLY | FAST,
    categories: category::KEYSPACE,
    keys: &[KeySpec::range(1, -1, 1, RO)],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    args: "key:key#0+",
    handler: Handler::Data(exists),
    ..Command::DEFAULT
};

fn exists(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let mut found = 0;
    ctx.keyspace.for_each_key(args.from(1).iter(), |keyspace, _, key| found += keyspace.inspect(key).is_some() as i64);
    ctx.reply.integer(found);
    Ok(())
}

pub const TOUCH: Command = Command {
    name: "touch",
    summary: "Marks keys as used now",
    since: "3.2.1",
    arity: -2,
    flags: READONLY | FAST,
    categories: category::KEYSPACE,
    keys: &[KeySpec::range(1, -1, 1, RO)],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    args: "key:key#0+",
    handler: Handler::Data(touch),
    ..Command::DEFAULT
};

fn touch(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let mut found = 0;
    ctx.keyspace.for_each_key(args.from(1).iter(), |keyspace, _, key| found += keyspace.read(key).is_some() as i64);
    ctx.reply.integer(found);
    Ok(())
}

pub const TYPE: Command = Command {
    name: "type",
    summary: "Gets the type of the value at a key",
    arity: 2,
    flags: READONLY | FAST,
    categories: category::KEYSPACE,
    keys: &[KeySpec::one(1, RO)],
    args: "key:key#0",
    handler: Handler::Data(type_),
    ..Command::DEFAULT
};

fn type_(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let name = ctx.keyspace.inspect(&args[1]).map_or("none", |entry| entry.type_().name());
    ctx.reply.simple(name);
    Ok(())
}

pub const RENAME: Command = Command {
    name: "rename",
    summary: "Renames a key, replacing any that has the new name",
    arity: 3,
    flags: WRITE,
    categories: category::KEYSPACE,
    keys: &[KeySpec::one(1, RW | ACCESS | DELETE), KeySpec::one(2, OW | UPDATE)],
    args: "key:key#0 newkey:key#1",
    handler: Handler::Data(rename),
    ..Command::DEFAULT
};

fn rename(ctx: &mut DataContext, args: &Args) -> CommandResult {
    rename_key(ctx.keyspace, &args[1], &args[2], true)?;
    ctx.reply.ok();
    Ok(())
}

pub const RENAMENX: Command = Command {
    name: "renamenx",
    summary: "Renames a key unless the new name is taken",
    arity: 3,
    flags: WRITE | FAST,
    categories: category::KEYSPACE,
    keys: &[KeySpec::one(1, RW | ACCESS | DELETE), KeySpec::one(2, OW | INSERT)],
    args: "key:key#0 newkey:key#1",
    handler: Handler::Data(renamenx),
    ..Command::DEFAULT
};

fn renamenx(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let renamed = rename_key(ctx.keyspace, &args[1], &args[2], false)?;
    ctx.reply.integer(renamed as i64);
    Ok(())
}

/// False if the new name is taken, even by the same key.
fn rename_key(keyspace: &mut Keyspace, from: &[u8], to: &[u8], replace: bool) -> Result<bool, CommandError> {
    if keyspace.write(from).is_none() {
        return Err(CommandError::NO_SUCH_KEY);
    }
    if from == to || (!replace && keyspace.exists(to)) {
        return Ok(false);
    }
    let entry = keyspace.take(from).expect("just found");
    let expire_at = entry.expire_at();
    keyspace.put(entry.renamed(to, expire_at));
    keyspace.changed(EventClass::GENERIC, "rename_from", from);
    keyspace.notify(EventClass::GENERIC, "rename_to", to);
    Ok(true)
}

pub const COPY: Command = Command {
    name: "copy",
    summary: "Copies a value to another key",
    since: "6.2.0",
    arity: -3,
    flags: WRITE | DENYOOM,
    categories: category::KEYSPACE,
    keys: &[KeySpec::one(1, RO | ACCESS), KeySpec::one(2, OW | UPDATE)],
    args: "source:key#0 destination:key#1 destination-db:int=DB? replace=REPLACE?",
    handler: Handler::Data(copy),
    ..Command::DEFAULT
};

fn copy(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let (from, to) = (&args[1], &args[2]);
    let selected = ctx.keyspace.selected();
    let (mut db, mut replace) = (selected, false);
    let mut i = 3;
    while i < args.len() {
        if args.is(i, "replace") {
            replace = true;
        } else if args.is(i, "db") && i + 1 < args.len() {
            i += 1;
            db = args.db(i, ctx.keyspace.databases())?;
        } else {
            return Err(CommandError::SYNTAX);
        }
        i += 1;
    }
    if from == to && db == selected {
        return Err(CommandError::SAME_OBJECT);
    }
    let keyspace = &mut *ctx.keyspace;
    let copied = keyspace.read(from).is_some() && (replace || !keyspace.in_db(db, |keyspace| keyspace.exists(to)));
    if copied {
        let source = keyspace.peek(from);
        let copy = source.map(|source| source.duplicate(to, source.expire_at())).expect("just found");
        keyspace.in_db(db, |keyspace| {
            keyspace.put(copy);
            keyspace.changed(EventClass::GENERIC, "copy_to", to);
        });
    }
    ctx.reply.integer(copied as i64);
    Ok(())
}

pub const MOVE: Command = Command {
    name: "move",
    summary: "Moves a key to another database",
    arity: 3,
    flags: WRITE | FAST,
    categories: category::KEYSPACE,
    keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
    args: "key:key#0 db:int",
    handler: Handler::Data(move_),
    ..Command::DEFAULT
};

fn move_(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[1];
    let db = args.db(2, ctx.keyspace.databases())?;
    if db == ctx.keyspace.selected() {
        return Err(CommandError::SAME_OBJECT);
    }
    let keyspace = &mut *ctx.keyspace;
    let moved = keyspace.write(key).is_some() && !keyspace.in_db(db, |keyspace| keyspace.exists(key));
    if moved {
        let entry = keyspace.take(key).expect("just found");
        keyspace.in_db(db, |keyspace| keyspace.put(entry));
        keyspace.changed(EventClass::GENERIC, "move_from", key);
        keyspace.effects.notify(EventClass::GENERIC, "move_to", db, key);
    }
    ctx.reply.integer(moved as i64);
    Ok(())
}
