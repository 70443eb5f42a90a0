//! DUMP and RESTORE: a value as bytes, in the format of `persist/rdb/payload.rs`, which checks them in full.

use super::prelude::*;
use crate::keyspace::LastUse;
use crate::persist::rdb::{self, InvalidPayload, KeyFacts};

pub const COMMANDS: &[&Command] = &[&DUMP, &RESTORE, &RESTORE_ASKING];

pub const DUMP: Command = Command {
    name: "dump",
    summary: "Gets a value in the form that RESTORE takes",
    since: "2.6.0",
    arity: 2,
    flags: READONLY,
    categories: category::KEYSPACE,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    tips: &["nondeterministic_output"],
    args: "key:key#0",
    handler: Handler::Data(dump),
    ..Command::DEFAULT
};

fn dump(ctx: &mut DataContext, args: &Args) -> CommandResult {
    match ctx.keyspace.read(&args[1]) {
        None => ctx.reply.null(),
        Some(entry) => ctx.reply.bulk_bytes(rdb::dump(&entry, ctx.config.rdbcompression).into()),
    }
    Ok(())
}

pub const RESTORE: Command = Command {
    name: "restore",
    summary: "Makes a key of what DUMP gave",
    since: "2.6.0",
    arity: -4,
    flags: WRITE | DENYOOM,
    categories: category::KEYSPACE | category::DANGEROUS,
    keys: &[KeySpec::one(1, OW | UPDATE)],
    args: "key:key#0 ttl:int serialized-value replace=REPLACE?^3.0.0 absttl=ABSTTL?^5.0.0 seconds:int=IDLETIME?^5.0.0 frequency:int=FREQ?^5.0.0",
    handler: Handler::Data(restore),
    ..Command::DEFAULT
};

pub const RESTORE_ASKING: Command = Command {
    name: "restore-asking",
    summary: "RESTORE, as nodes of a cluster call it",
    since: "3.0.0",
    group: Group::Server,
    arity: -4,
    flags: WRITE | DENYOOM | ASKING,
    categories: category::KEYSPACE | category::DANGEROUS,
    keys: &[KeySpec::one(1, OW | UPDATE)],
    args: "key:key#0 ttl:int serialized-value replace=REPLACE?^3.0.0 absttl=ABSTTL?^5.0.0 seconds:int=IDLETIME?^5.0.0 frequency:int=FREQ?^5.0.0",
    handler: Handler::Data(restore),
    system: true,
    ..Command::DEFAULT
};

#[derive(Default)]
struct RestoreOptions {
    replace: bool,
    absolute: bool,
    last_use: LastUse,
}

impl RestoreOptions {
    fn parse(args: &Args) -> Result<RestoreOptions, CommandError> {
        const IDLE: CommandError = CommandError::new("ERR Invalid IDLETIME value, must be >= 0");
        const FREQUENCY: CommandError = CommandError::new("ERR Invalid FREQ value, must be >= 0 and <= 255");
        let mut options = RestoreOptions::default();
        let mut at = 4;
        while at < args.len() {
            let more = at + 1 < args.len();
            if args.is(at, "replace") {
                options.replace = true;
            } else if args.is(at, "absttl") {
                options.absolute = true;
            } else if more && args.is(at, "idletime") && !matches!(options.last_use, LastUse::Frequency(_)) {
                at += 1;
                let idle_s = args.int(at).ok().and_then(|idle_s| idle_s.try_into().ok());
                options.last_use = LastUse::IdleSeconds(idle_s.ok_or(IDLE)?);
            } else if more && args.is(at, "freq") && !matches!(options.last_use, LastUse::IdleSeconds(_)) {
                at += 1;
                let frequency = args.int(at).ok().and_then(|frequency| frequency.try_into().ok());
                options.last_use = LastUse::Frequency(frequency.ok_or(FREQUENCY)?);
            } else {
                return Err(CommandError::SYNTAX);
            }
            at += 1;
        }
        Ok(options)
    }
}

fn restore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let options = RestoreOptions::parse(args)?;
    let key = &args[1];
    if !options.replace && ctx.keyspace.exists(key) {
        return Err(CommandError::new("BUSYKEY Target key name already exists."));
    }
    let ttl = args.int(2)?;
    if ttl < 0 {
        return Err(CommandError::new("ERR Invalid TTL value, must be >= 0"));
    }
    let now_ms = ctx.keyspace.now_ms;
    let expire_at = match ttl {
        0 => None,
        ttl if options.absolute => Some(ttl),
        ttl => Some(now_ms.saturating_add(ttl)),
    };
    let clock = ctx.keyspace.access.stamp_of(options.last_use);
    let facts = KeyFacts { name: key, expire_at, clock };
    let entry =
        rdb::restore(&facts, &args[3], !ctx.config.skip_checksum_validation, ctx.config).map_err(
            |error| match error {
                InvalidPayload::Footer => CommandError::new("ERR DUMP payload version or checksum are wrong"),
                InvalidPayload::Value(error) => {
                    log::warn!("Bad data format of a payload to RESTORE: {error}");
                    CommandError::new("ERR Bad data format")
                }
            },
        )?;
    let keyspace = &mut *ctx.keyspace;
    let db = keyspace.selected();
    if expire_at.is_some_and(|at| at <= now_ms) {
        // The value has expired already: only the deletion of the old value is propagated.
        if keyspace.delete_implicitly(key) {
            keyspace.changed(EventClass::GENERIC, "del", key);
            let name: &[u8] = if keyspace.options.lazy_server_del { b"UNLINK" } else { b"DEL" };
            keyspace.effects.propagate_instead(db, &[name, key]);
        }
        ctx.reply.ok();
        return Ok(());
    }
    keyspace.put(entry);
    keyspace.changed(EventClass::GENERIC, "restore", key);
    if let Some(at) = expire_at.filter(|_| !options.absolute) {
        let mut digits = itoa::Buffer::new();
        let mut request: Vec<&[u8]> = args.iter().collect();
        request[2] = digits.format(at).as_bytes();
        request.push(b"ABSTTL");
        keyspace.effects.propagate_instead(db, &request);
    }
    ctx.reply.ok();
    Ok(())
}
