//! The time to live of keys. Times to live are propagated as the moment they end (PEXPIREAT); one in the past
//! deletes the key.

use super::prelude::*;
use crate::keyspace::{ExpiryMode, Keyspace};

pub const COMMANDS: &[&Command] =
    &[&EXPIRE, &PEXPIRE, &EXPIREAT, &PEXPIREAT, &TTL, &PTTL, &EXPIRETIME, &PEXPIRETIME, &PERSIST];

pub const EXPIRE: Command = Command {
    name: "expire",
    summary: "Sets the seconds a key has to live",
    arity: -3,
    flags: WRITE | FAST,
    categories: category::KEYSPACE,
    keys: &[KeySpec::one(1, RW | UPDATE)],
    args: "key:key#0 seconds:int condition(nx=NX | xx=XX | gt=GT | lt=LT)?^7.0.0",
    handler: Handler::Data(expire),
    ..Command::DEFAULT
};

fn expire(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let now_ms = ctx.keyspace.now_ms;
    set_expiry(ctx, args, "expire", 1000, now_ms)
}

pub const PEXPIRE: Command = Command {
    name: "pexpire",
    summary: "Sets the milliseconds a key has to live",
    since: "2.6.0",
    arity: -3,
    flags: WRITE | FAST,
    categories: category::KEYSPACE,
    keys: &[KeySpec::one(1, RW | UPDATE)],
    args: "key:key#0 milliseconds:int condition(nx=NX | xx=XX | gt=GT | lt=LT)?^7.0.0",
    handler: Handler::Data(pexpire),
    ..Command::DEFAULT
};

fn pexpire(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let now_ms = ctx.keyspace.now_ms;
    set_expiry(ctx, args, "pexpire", 1, now_ms)
}

pub const EXPIREAT: Command = Command {
    name: "expireat",
    summary: "Sets when a key expires, in seconds of the Unix epoch",
    since: "1.2.0",
    arity: -3,
    flags: WRITE | FAST,
    categories: category::KEYSPACE,
    keys: &[KeySpec::one(1, RW | UPDATE)],
    args: "key:key#0 unix-time-seconds:unix-time condition(nx=NX | xx=XX | gt=GT | lt=LT)?^7.0.0",
    handler: Handler::Data(expireat),
    ..Command::DEFAULT
};

fn expireat(ctx: &mut DataContext, args: &Args) -> CommandResult {
    set_expiry(ctx, args, "expireat", 1000, 0)
}

pub const PEXPIREAT: Command = Command {
    name: "pexpireat",
    summary: "Sets when a key expires, in milliseconds of the Unix epoch",
    args: "key:key#0 unix-time-milliseconds:unix-time condition(nx=NX | xx=XX | gt=GT | lt=LT)?^7.0.0",
    handler: Handler::Data(pexpireat),
    ..PEXPIRE
};

fn pexpireat(ctx: &mut DataContext, args: &Args) -> CommandResult {
    set_expiry(ctx, args, "pexpireat", 1, 0)
}

/// Sets when the key expires: at the time in the arguments, given in units of `unit_ms` after
/// `base_ms`.
fn set_expiry(ctx: &mut DataContext, args: &Args, name: &str, unit_ms: i64, base_ms: i64) -> CommandResult {
    let key = &args[1];
    let condition = Condition::parse(args)?;
    let expire_at = args.int(2)?.checked_mul(unit_ms).and_then(|ms| ms.checked_add(base_ms));
    let expire_at = expire_at.ok_or_else(|| CommandError::invalid_expire(name))?;
    let keyspace = &mut *ctx.keyspace;
    let found = keyspace.write(key).map(|entry| entry.expire_at());
    if !found.is_some_and(|current| condition.holds(current, expire_at)) {
        ctx.reply.integer(0);
        return Ok(());
    }
    let db = keyspace.selected();
    if expire_at <= keyspace.now_ms && keyspace.expiry_mode == ExpiryMode::Delete {
        delete_past_due(keyspace, key);
    } else {
        keyspace.set_expire_at(key, Some(expire_at));
        if (unit_ms, base_ms) != (1, 0) {
            let mut digits = itoa::Buffer::new();
            let mut arguments = vec![&b"PEXPIREAT"[..], key, digits.format(expire_at).as_bytes()];
            arguments.extend(args.from(3).iter());
            keyspace.effects.propagate_instead(db, &arguments);
        }
        keyspace.changed(EventClass::GENERIC, "expire", key);
    }
    ctx.reply.integer(1);
    Ok(())
}

/// Deletes a key because it is given a time that is over.
pub fn delete_past_due(keyspace: &mut Keyspace, key: &[u8]) {
    let delete: &[u8] = if keyspace.options.lazy_expire {
        keyspace.unlink(key);
        b"UNLINK"
    } else {
        keyspace.delete(key);
        b"DEL"
    };
    keyspace.changed(EventClass::GENERIC, "del", key);
    keyspace.effects.propagate_instead(keyspace.selected(), &[delete, key]);
}

/// The conditions on the key's present expiry: NX, XX, GT, LT.
#[derive(Default)]
struct Condition {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Condition {
    fn parse(args: &Args) -> Result<Condition, CommandError> {
        let mut condition = Condition::default();
        for i in 3..args.len() {
            let option = ["nx", "xx", "gt", "lt"].into_iter().find(|option| args.is(i, option));
            match option {
                Some("nx") => condition.nx = true,
                Some("xx") => condition.xx = true,
                Some("gt") => condition.gt = true,
                Some(_) => condition.lt = true,
                None => {
                    let option = args.text(i);
                    return Err(CommandError::err(format_args!("Unsupported option {option}")));
                }
            }
        }
        if condition.nx && (condition.xx || condition.gt || condition.lt) {
            return Err(CommandError::new("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if condition.gt && condition.lt {
            return Err(CommandError::new("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    /// A key without an expiry lives for ever: later than any time.
    fn holds(&self, current: Option<i64>, new: i64) -> bool {
        match current {
            None => !self.xx && !self.gt,
            Some(current) => !(self.nx || self.gt && new <= current || self.lt && new >= current),
        }
    }
}

pub const TTL: Command = Command {
    name: "ttl",
    summary: "Gets the seconds a key has to live",
    arity: 2,
    flags: READONLY | FAST,
    categories: category::KEYSPACE,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    tips: &["nondeterministic_output"],
    args: "key:key#0",
    handler: Handler::Data(ttl),
    ..Command::DEFAULT
};

fn ttl(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let now_ms = ctx.keyspace.now_ms;
    reply_expiry(ctx, args, 1000, now_ms)
}

pub const PTTL: Command = Command {
    name: "pttl",
    summary: "Gets the milliseconds a key has to live",
    since: "2.6.0",
    handler: Handler::Data(pttl),
    ..TTL
};

fn pttl(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let now_ms = ctx.keyspace.now_ms;
    reply_expiry(ctx, args, 1, now_ms)
}

pub const EXPIRETIME: Command = Command {
    name: "expiretime",
    summary: "Gets when a key expires, in seconds of the Unix epoch",
    since: "7.0.0",
    arity: 2,
    flags: READONLY | FAST,
    categories: category::KEYSPACE,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0",
    handler: Handler::Data(expiretime),
    ..Command::DEFAULT
};

fn expiretime(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_expiry(ctx, args, 1000, 0)
}

pub const PEXPIRETIME: Command = Command {
    name: "pexpiretime",
    summary: "Gets when a key expires, in milliseconds of the Unix epoch",
    handler: Handler::Data(pexpiretime),
    ..EXPIRETIME
};

fn pexpiretime(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_expiry(ctx, args, 1, 0)
}

/// Replies when the key expires, in units of `unit_ms` after `base_ms`, to the nearest unit.
fn reply_expiry(ctx: &mut DataContext, args: &Args, unit_ms: i64, base_ms: i64) -> CommandResult {
    let expiry = ctx.keyspace.inspect(&args[1]).map(|entry| entry.expire_at());
    ctx.reply.integer(match expiry {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => {
            let left_ms = at.saturating_sub(base_ms).max(0) as u64;
            ((left_ms + unit_ms as u64 / 2) / unit_ms as u64) as i64
        }
    });
    Ok(())
}

pub const PERSIST: Command = Command {
    name: "persist",
    summary: "Lets a key live for ever",
    since: "2.2.0",
    arity: 2,
    flags: WRITE | FAST,
    categories: category::KEYSPACE,
    keys: &[KeySpec::one(1, RW | UPDATE)],
    args: "key:key#0",
    handler: Handler::Data(persist),
    ..Command::DEFAULT
};

fn persist(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[1];
    let expires = ctx.keyspace.write(key).is_some_and(|entry| entry.expire_at().is_some());
    if expires {
        ctx.keyspace.set_expire_at(key, None);
        ctx.keyspace.changed(EventClass::GENERIC, "persist", key);
    }
    ctx.reply.integer(expires as i64);
    Ok(())
}
