//! XACK, XPENDING, XCLAIM, XAUTOCLAIM: entries that were delivered and not acknowledged.

use super::super::prelude::*;
use super::repeat::Actor;
use super::{StreamAt, id, no_such_key_or_group, reply_entry, reply_id};
use crate::encoding::stream_log::StreamId;
use crate::keyspace::Keyspace;
use crate::types::stream::Stream;
use crate::types::stream::entries::Entries;
use crate::types::stream::group::{ConsumerId, Group as ConsumerGroup, Pending};
use smallvec::SmallVec;

pub const XACK: Command = Command {
    name: "xack",
    summary: "Acknowledges entries that a group was delivered",
    since: "5.0.0",
    group: Group::Stream,
    arity: -4,
    flags: WRITE | FAST,
    categories: category::STREAM,
    keys: &[KeySpec::one(1, RW | UPDATE)],
    args: "key:key#0 group id+",
    handler: Handler::Data(xack),
    ..Command::DEFAULT
};

fn xack(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let mut acknowledged = 0;
    if let Some(mut stream) = ctx.keyspace.write_collection::<Box<Stream>>(&args[1])?
        && let Some(group) = stream.groups.get_mut(&args[2])
    {
        acknowledged = id::parse_all(args, 3)?.into_iter().filter(|&id| group.acknowledge(id)).count();
    }
    ctx.keyspace.effects.dirty += acknowledged as u64;
    ctx.reply.integer(acknowledged as i64);
    Ok(())
}

pub const XPENDING: Command = Command {
    name: "xpending",
    summary: "Shows what was delivered and not acknowledged",
    since: "5.0.0",
    group: Group::Stream,
    arity: -3,
    flags: READONLY,
    categories: category::STREAM,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    tips: &["nondeterministic_output"],
    args: "key:key#0 group filters{min-idle-time:int=IDLE?^6.2.0 start end count:int consumer?}?",
    handler: Handler::Data(xpending),
    ..Command::DEFAULT
};

/// Which pending entries are to be listed.
struct Filter<'a> {
    min_idle_ms: i64,
    from: StreamId,
    to: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    /// None asks for the summary.
    fn parse(args: &Args<'a>) -> Result<Option<Filter<'a>>, CommandError> {
        if args.len() == 3 {
            return Ok(None);
        }
        let mut at = 3;
        let mut min_idle_ms = 0;
        if args.len() >= 4 && args.is(3, "idle") {
            if args.len() < 8 {
                return Err(CommandError::SYNTAX);
            }
            min_idle_ms = args.int(4)?;
            at = 5;
        }
        // COMPAT: what follows is not looked at, up to the length of the longest form.
        if !(at + 3..=9).contains(&args.len()) {
            return Err(CommandError::SYNTAX);
        }
        let count = args.int(at + 2)?.max(0) as usize;
        let (from, to) = (id::parse_start(args.get(at))?, id::parse_end(args.get(at + 1))?);
        let consumer = (args.len() > at + 3).then(|| args.get(at + 3));
        Ok(Some(Filter { min_idle_ms, from, to, count, consumer }))
    }
}

fn xpending(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let filter = Filter::parse(args)?;
    let now_ms = ctx.keyspace.now_ms;
    let (key, name) = (&args[1], &args[2]);
    let reply = &mut ctx.reply;
    let found = ctx.keyspace.read_collection(key, |stream: StreamAt| {
        let group = stream?.groups.get(name)?;
        match &filter {
            None => reply_summary(reply, group),
            Some(filter) => reply_pending(reply, group, filter, now_ms),
        }
        Some(())
    })?;
    found.ok_or_else(|| no_such_key_or_group(key, name, ""))
}

fn reply_summary(reply: &mut Reply, group: &ConsumerGroup) {
    let pending = group.pending();
    reply.array(4);
    reply.integer(pending.len() as i64);
    let (Some(first), Some(last)) = (pending.keys().next(), pending.keys().next_back()) else {
        reply.null();
        reply.null();
        return reply.null_array();
    };
    reply_id(reply, *first);
    reply_id(reply, *last);
    reply.array_of(|reply| {
        let with_any = group.consumers().filter(|consumer| !consumer.pending().is_empty());
        with_any
            .map(|consumer| {
                reply.array(2);
                reply.bulk(&consumer.name);
                reply.bulk_int(consumer.pending().len() as i64);
            })
            .count()
    });
}

fn reply_pending(reply: &mut Reply, group: &ConsumerGroup, filter: &Filter, now_ms: i64) {
    if filter.from > filter.to {
        return reply.array(0);
    }
    let range = filter.from..=filter.to;
    let all = group.pending();
    let ids: Box<dyn Iterator<Item = StreamId>> = match filter.consumer {
        None => Box::new(all.range(range).map(|(&id, _)| id)),
        Some(name) => match group.find_consumer(name) {
            Some(consumer) => Box::new(group.consumer(consumer).pending().range(range).copied()),
            None => Box::new(std::iter::empty()),
        },
    };
    let idle_ms = |pending: &Pending| now_ms - pending.delivered_ms;
    // min-idle 0 also lists entries with a delivery time in the future.
    let is_wanted = |pending: &Pending| filter.min_idle_ms <= 0 || idle_ms(pending) >= filter.min_idle_ms;
    let wanted = ids.map(|id| (id, &all[&id])).filter(|(_, pending)| is_wanted(pending));
    reply.array_of(|reply| {
        wanted
            .take(filter.count)
            .map(|(id, pending)| {
                reply.array(4);
                reply_id(reply, id);
                reply.bulk(&group.consumer(pending.consumer).name);
                reply.integer(idle_ms(pending).max(0));
                reply.integer(pending.deliveries as i64);
            })
            .count()
    });
}

pub const XCLAIM: Command = Command {
    name: "xclaim",
    summary: "Makes pending entries those of another consumer",
    since: "5.0.0",
    group: Group::Stream,
    arity: -6,
    flags: WRITE | FAST,
    categories: category::STREAM,
    keys: &[KeySpec::one(1, RW | UPDATE)],
    tips: &["nondeterministic_output"],
    args: "key:key#0 group consumer min-idle-time id+ ms:int=IDLE? unix-time-milliseconds:unix-time=TIME? count:int=RETRYCOUNT? force=FORCE? justid=JUSTID? lastid:string=LASTID?",
    handler: Handler::Data(xclaim),
    ..Command::DEFAULT
};

/// How entries are to be claimed.
struct Claim {
    consumer: ConsumerId,
    min_idle_ms: i64,
    delivered_ms: i64,
    deliveries: Option<u64>,
    /// Make entries pending that are not.
    force: bool,
    /// Reply ids only, and do not count this as a delivery.
    just_id: bool,
}

/// The result of claiming an entry.
enum Claimed {
    Nothing,
    Yes(Pending),
    /// It was deleted from the stream, so it is pending no more.
    Gone(Pending),
}

impl Claim {
    fn one(&self, entries: &Entries, group: &mut ConsumerGroup, id: StreamId, now_ms: i64) -> Claimed {
        let is_there = entries.log().get(id).is_some();
        let mut pending = match group.pending().get(&id).copied() {
            Some(pending) if !is_there => {
                group.acknowledge(id);
                return Claimed::Gone(pending);
            }
            Some(pending) if self.min_idle_ms > 0 && now_ms - pending.delivered_ms < self.min_idle_ms => {
                return Claimed::Nothing;
            }
            Some(pending) => pending,
            None if self.force && is_there => Pending { consumer: self.consumer, delivered_ms: 0, deliveries: 1 },
            None => return Claimed::Nothing,
        };
        pending.consumer = self.consumer;
        pending.delivered_ms = self.delivered_ms;
        pending.deliveries = self.deliveries.unwrap_or(pending.deliveries + !self.just_id as u64);
        group.deliver(id, pending);
        group.consumer_mut(self.consumer).active_ms = Some(now_ms);
        Claimed::Yes(pending)
    }

    fn reply(&self, reply: &mut Reply, entries: &Entries, id: StreamId) {
        match entries.log().get(id) {
            Some(entry) if !self.just_id => reply_entry(reply, entry),
            _ => reply_id(reply, id),
        }
    }
}

/// Entries that were claimed or found to be deleted, each as it was or is pending.
type Changed = SmallVec<[(StreamId, Pending); 8]>;

/// Propagates what claiming changed. The same XCLAIM makes replicas drop a deleted entry and create a new
/// consumer.
fn repeat_claims(keyspace: &mut Keyspace, actor: Actor, is_new: bool, changed: Changed, last_id: StreamId) {
    if is_new {
        actor.was_made(keyspace, changed.is_empty());
    }
    keyspace.effects.dirty += changed.len() as u64;
    changed.into_iter().for_each(|(id, pending)| actor.got(keyspace, id, pending, last_id));
}

/// The options of XCLAIM.
struct ClaimOptions {
    ids: id::Ids,
    claim: Claim,
    last_id: Option<StreamId>,
}

impl ClaimOptions {
    fn parse(args: &Args, now_ms: i64) -> Result<ClaimOptions, CommandError> {
        let invalid = |option: &str| CommandError::err(format_args!("Invalid {option} for XCLAIM"));
        let min_idle_ms = args.int(4).map_err(|_| invalid("min-idle-time argument"))?;
        let claim =
            Claim { consumer: 0, min_idle_ms, delivered_ms: now_ms, deliveries: None, force: false, just_id: false };
        let ids: id::Ids = args.from(5).iter().map_while(|text| id::parse_strict(text, 0).ok()).collect();
        let mut at = 5 + ids.len();
        let mut options = ClaimOptions { ids, claim, last_id: None };
        let claim = &mut options.claim;
        while at < args.len() {
            let more = at + 1 < args.len();
            if args.is(at, "force") {
                claim.force = true;
            } else if args.is(at, "justid") {
                claim.just_id = true;
            } else if more && args.is(at, "idle") {
                at += 1;
                let idle_ms = args.int(at).map_err(|_| invalid("IDLE option argument"))?;
                claim.delivered_ms = now_ms.saturating_sub(idle_ms);
            } else if more && args.is(at, "time") {
                at += 1;
                claim.delivered_ms = args.int(at).map_err(|_| invalid("TIME option argument"))?;
            } else if more && args.is(at, "retrycount") {
                at += 1;
                let count = args.int(at).map_err(|_| invalid("RETRYCOUNT option argument"))?;
                claim.deliveries = u64::try_from(count).ok();
            } else if more && args.is(at, "lastid") {
                at += 1;
                options.last_id = Some(id::parse_strict(args.get(at), 0)?);
            } else {
                let name = args.text(at);
                return Err(CommandError::err(format_args!("Unrecognized XCLAIM option '{name}'")));
            }
            at += 1;
        }
        // A delivery time in the future counts as now.
        if !(0..=now_ms).contains(&claim.delivered_ms) {
            claim.delivered_ms = now_ms;
        }
        Ok(options)
    }
}

fn xclaim(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let now_ms = ctx.keyspace.now_ms;
    let actor = Actor { key: &args[1], group: &args[2], consumer: &args[3] };
    let missing = || no_such_key_or_group(actor.key, actor.group, "");
    let mut stream = ctx.keyspace.write_collection::<Box<Stream>>(actor.key)?.ok_or_else(missing)?;
    let Stream { entries, groups } = &mut **stream;
    let group = groups.get_mut(actor.group).ok_or_else(missing)?;
    let ClaimOptions { ids, mut claim, last_id } = ClaimOptions::parse(args, now_ms)?;

    let (consumer, is_new) = group.consumer_seen(actor.consumer, now_ms);
    claim.consumer = consumer;
    let later = last_id.filter(|&id| id > group.last_id);
    match later {
        // It stands for a delivery, which read this entry.
        Some(id) if ctx.caller.repeats() => group.read(entries, id),
        Some(id) => group.last_id = id,
        None => (),
    }
    let (last_id, entries_read) = (group.last_id, group.entries_read);
    let mut changed = Changed::new();
    ctx.reply.array_of(|reply| {
        let mut claimed = 0;
        for id in ids {
            match claim.one(entries, group, id, now_ms) {
                Claimed::Nothing => (),
                Claimed::Gone(pending) => changed.push((id, pending)),
                Claimed::Yes(pending) => {
                    claim.reply(reply, entries, id);
                    claimed += 1;
                    changed.push((id, pending));
                }
            }
        }
        claimed
    });
    drop(stream);
    repeat_claims(ctx.keyspace, actor, is_new, changed, last_id);
    if later.is_some() {
        // In a claim that is repeated, the last id stands for a delivery; here nothing was read.
        ctx.keyspace.effects.dirty += 1;
        actor.group_read(ctx.keyspace, last_id, entries_read);
    }
    Ok(())
}

pub const XAUTOCLAIM: Command = Command {
    name: "xautoclaim",
    summary: "Makes entries that have been pending for long those of another consumer",
    since: "6.2.0",
    group: Group::Stream,
    arity: -6,
    flags: WRITE | FAST,
    categories: category::STREAM,
    keys: &[KeySpec::one(1, RW | DELETE)],
    tips: &["nondeterministic_output"],
    args: "key:key#0 group consumer min-idle-time start count:int=COUNT? justid=JUSTID?",
    handler: Handler::Data(xautoclaim),
    ..Command::DEFAULT
};

/// What XAUTOCLAIM is to look for.
struct AutoClaim {
    min_idle_ms: i64,
    start: StreamId,
    count: u64,
    just_id: bool,
}

impl AutoClaim {
    fn parse(args: &Args) -> Result<AutoClaim, CommandError> {
        const INVALID_IDLE: CommandError = CommandError::new("ERR Invalid min-idle-time argument for XAUTOCLAIM");
        // COMPAT: as many ids of 16 bytes as there could be in memory.
        const COUNT_MAX: u64 = i64::MAX as u64 / 16;

        let min_idle_ms = args.int(4).map_err(|_| INVALID_IDLE)?;
        let start = id::parse_start(args.get(5))?;
        let (mut count, mut just_id) = (100u64, false);
        let mut at = 6;
        while at < args.len() {
            if at + 1 < args.len() && args.is(at, "count") {
                let wanted = args.int(at + 1).map_err(|_| CommandError::COUNT_NOT_POSITIVE)?;
                count = u64::try_from(wanted)
                    .ok()
                    .filter(|n| (1..=COUNT_MAX).contains(n))
                    .ok_or(CommandError::COUNT_NOT_POSITIVE)?;
                at += 2;
            } else if args.is(at, "justid") {
                just_id = true;
                at += 1;
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(AutoClaim { min_idle_ms, start, count, just_id })
    }
}

fn xautoclaim(ctx: &mut DataContext, args: &Args) -> CommandResult {
    /// Entries looked at for each entry wanted.
    const LOOKED_AT: u64 = 10;

    let AutoClaim { min_idle_ms, start, mut count, just_id } = AutoClaim::parse(args)?;
    let now_ms = ctx.keyspace.now_ms;
    let actor = Actor { key: &args[1], group: &args[2], consumer: &args[3] };
    let missing = || no_such_key_or_group(actor.key, actor.group, "");
    let mut stream = ctx.keyspace.write_collection::<Box<Stream>>(actor.key)?.ok_or_else(missing)?;
    let Stream { entries, groups } = &mut **stream;
    let group = groups.get_mut(actor.group).ok_or_else(missing)?;

    let (consumer, is_new) = group.consumer_seen(actor.consumer, now_ms);
    let claim = Claim { consumer, min_idle_ms, delivered_ms: now_ms, deliveries: None, force: false, just_id };
    // The id to go on from, the first pending one after those looked at.
    let pending_from =
        |group: &ConsumerGroup, from: Option<StreamId>| group.pending().range(from?..).next().map(|(&id, _)| id);
    let mut next = Some(start);
    let mut attempts = LOOKED_AT * count;
    let mut gone: SmallVec<[StreamId; 8]> = SmallVec::new();
    let mut changed = Changed::new();
    let reply = &mut ctx.reply;
    reply.headed(
        |reply| {
            reply.array_of(|reply| {
                let mut claimed = 0;
                while count > 0 && attempts > 0 {
                    let Some(id) = pending_from(group, next) else { break };
                    attempts -= 1;
                    next = id.next();
                    match claim.one(entries, group, id, now_ms) {
                        Claimed::Nothing => continue,
                        Claimed::Gone(pending) => {
                            gone.push(id);
                            changed.push((id, pending));
                        }
                        Claimed::Yes(pending) => {
                            claim.reply(reply, entries, id);
                            claimed += 1;
                            changed.push((id, pending));
                        }
                    }
                    count -= 1;
                }
                claimed
            });
            pending_from(group, next).unwrap_or_default()
        },
        |reply, cursor| {
            reply.array(3);
            reply_id(reply, cursor);
        },
    );
    reply.array(gone.len());
    gone.iter().for_each(|&id| reply_id(reply, id));
    let last_id = group.last_id;
    drop(stream);
    repeat_claims(ctx.keyspace, actor, is_new, changed, last_id);
    Ok(())
}
