//! XREAD and XREADGROUP.

use super::super::prelude::*;
use super::{IdText, StreamAt, id, no_such_key_or_group, reply_entries, reply_entry, reply_id};
use crate::encoding::stream_log::StreamId;
use crate::resp::OwnedRequest;
use crate::types::Type;
use crate::types::stream::Stream;
use crate::types::stream::group::{ConsumerId, Pending};
use std::ops::Bound::{Excluded, Unbounded};

pub const XREAD: Command = Command {
    name: "xread",
    summary: "Reads what is new in streams, or waits for it",
    since: "5.0.0",
    group: Group::Stream,
    arity: -4,
    flags: READONLY | BLOCKING | MOVABLE_KEYS,
    categories: category::STREAM,
    keys: &[KeySpec {
        begin: Begin::Keyword("STREAMS", 1),
        find: Find::Range { last: -1, step: 1, limit: 2 },
        flags: RO | ACCESS,
        notes: "",
    }],
    args: "count:int=COUNT? milliseconds:int=BLOCK? streams{key:key#0+ id+}=STREAMS",
    handler: Handler::Blocking(xread),
    ..Command::DEFAULT
};

pub const XREADGROUP: Command = Command {
    name: "xreadgroup",
    summary: "Reads as a consumer of a group what is new, or its own pending entries",
    since: "5.0.0",
    group: Group::Stream,
    arity: -7,
    flags: WRITE | BLOCKING | MOVABLE_KEYS,
    categories: category::STREAM,
    keys: &[KeySpec {
        begin: Begin::Keyword("STREAMS", 4),
        find: Find::Range { last: -1, step: 1, limit: 2 },
        flags: RO | ACCESS,
        notes: "",
    }],
    args: "group-block{group consumer}=GROUP count:int=COUNT? milliseconds:int=BLOCK? noack=NOACK? streams{key:key#0+ id+}=STREAMS",
    handler: Handler::Blocking(xreadgroup),
    ..Command::DEFAULT
};

/// The options of both.
struct Options<'a> {
    /// 0 stands for all.
    count: u64,
    /// BLOCK.
    timeout_ms: Option<u64>,
    /// GROUP: its name and the consumer's.
    group: Option<(&'a [u8], &'a [u8])>,
    no_ack: bool,
    /// The index of the first key.
    first_key: usize,
    streams: usize,
}

impl<'a> Options<'a> {
    fn parse(args: &Args<'a>, grouped: bool) -> Result<Options<'a>, CommandError> {
        let mut options = Options { count: 0, timeout_ms: None, group: None, no_ack: false, first_key: 0, streams: 0 };
        let mut at = 1;
        while at < args.len() && options.first_key == 0 {
            let more = args.len() - at - 1;
            if more >= 1 && args.is(at, "block") {
                options.timeout_ms = Some(args.timeout_ms(at + 1)?);
                at += 2;
            } else if more >= 1 && args.is(at, "count") {
                options.count = args.int(at + 1)?.max(0) as u64;
                at += 2;
            } else if more >= 1 && args.is(at, "streams") {
                options.first_key = at + 1;
                if !more.is_multiple_of(2) {
                    let (command, symbol) = if grouped { ("xreadgroup", '>') } else { ("xread", '$') };
                    return Err(CommandError::err(format_args!(
                        "Unbalanced '{command}' list of streams: for each stream key an ID or '{symbol}' must be specified."
                    )));
                }
                options.streams = more / 2;
            } else if more >= 2 && args.is(at, "group") {
                if !grouped {
                    return Err(CommandError::new(
                        "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                options.group = Some((args.get(at + 1), args.get(at + 2)));
                at += 3;
            } else if args.is(at, "noack") {
                if !grouped {
                    return Err(CommandError::new(
                        "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                options.no_ack = true;
                at += 1;
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        if options.first_key == 0 {
            return Err(CommandError::SYNTAX);
        }
        if grouped && options.group.is_none() {
            return Err(CommandError::new("ERR Missing GROUP option for XREADGROUP"));
        }
        Ok(options)
    }

    fn key(&self, args: &Args<'a>, index: usize) -> &'a [u8] {
        args.get(self.first_key + index)
    }

    fn id(&self, args: &Args<'a>, index: usize) -> &'a [u8] {
        args.get(self.first_key + self.streams + index)
    }

    fn wait(&self, timeout_ms: u64, request: Option<OwnedRequest>) -> Attempt {
        Attempt::Wait(Wait {
            keys: self.first_key..self.first_key + self.streams,
            for_type: Type::Stream,
            timeout_ms,
            until_gone: self.group.is_some(),
            refused: Refused::NullArray,
            request,
        })
    }
}

/// Writes what `fill` writes for each stream that has something to say, with its key.
fn reply_streams(reply: &mut Reply, fill: impl FnOnce(&mut Reply) -> usize) {
    reply.headed(fill, |reply, len| if reply.is_resp3() { reply.map(len) } else { reply.array(len) });
}

fn reply_key(reply: &mut Reply, key: &[u8]) {
    if !reply.is_resp3() {
        reply.array(2);
    }
    reply.bulk(key);
}

fn xread(ctx: &mut DataContext, args: &Args) -> Result<Attempt, CommandError> {
    let options = Options::parse(args, false)?;
    let mut after = Vec::with_capacity(options.streams);
    let mut is_any = false;
    for index in 0..options.streams {
        let text = options.id(args, index);
        let given = match text {
            b"$" => None,
            b">" => {
                return Err(CommandError::new(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
                ));
            }
            _ => Some(id::parse_strict(text, 0)?),
        };
        let (id, is_new) = ctx.keyspace.read_collection(options.key(args, index), |stream: StreamAt| {
            let last = stream.map_or(StreamId::MIN, |stream| stream.last_id());
            let id = given.unwrap_or(last);
            // That the last id is not greater says it without a look at the entries.
            (id, stream.is_some_and(|stream| last > id && stream.first_after(id).is_some()))
        })?;
        after.push(id);
        is_any |= is_new;
    }
    if !is_any {
        let Some(timeout_ms) = options.timeout_ms else {
            ctx.reply.null_array();
            return Ok(Attempt::Done);
        };
        // `$` is what is the last entry now, not when it is run again.
        let request = (0..options.streams).any(|index| options.id(args, index) == b"$").then(|| {
            let ids: Vec<_> = after.iter().map(|&id| IdText::new(id)).collect();
            let before = args.iter().take(options.first_key + options.streams);
            let all: Vec<&[u8]> = before.chain(ids.iter().map(|id| &id[..])).collect();
            OwnedRequest::new(all.into_iter())
        });
        return Ok(options.wait(timeout_ms, request));
    }
    let keyspace = &mut *ctx.keyspace;
    reply_streams(&mut ctx.reply, |reply| {
        let mut served = 0;
        for (index, &id) in after.iter().enumerate() {
            let key = options.key(args, index);
            let Some(entry) = keyspace.peek(key) else { continue };
            let Some(stream) = entry.collection::<Box<Stream>>() else { continue };
            let Some(from) = id.next().filter(|_| stream.first_after(id).is_some()) else { continue };
            reply_key(reply, key);
            reply_entries(reply, stream.log().range(from, StreamId::MAX), options.count);
            served += 1;
        }
        served
    });
    Ok(Attempt::Done)
}

/// What is asked of one stream.
#[derive(Clone, Copy)]
enum Wanted {
    /// `>`: what no consumer of the group got yet.
    New,
    /// What is pending for this consumer, after this id.
    PendingAfter(StreamId),
}

fn xreadgroup(ctx: &mut DataContext, args: &Args) -> Result<Attempt, CommandError> {
    let options = Options::parse(args, true)?;
    let (group_name, consumer_name) = options.group.expect("checked when parsed");
    let mut wanted = Vec::with_capacity(options.streams);
    let mut is_any = false;
    for index in 0..options.streams {
        let (key, text) = (options.key(args, index), options.id(args, index));
        let missing = || no_such_key_or_group(key, group_name, " in XREADGROUP with GROUP option");
        let is_new = ctx
            .keyspace
            .read_collection(key, |stream: StreamAt| {
                let stream = stream?;
                let group = stream.group(group_name)?;
                Some(stream.last_id() > group.last_id && stream.first_after(group.last_id).is_some())
            })?
            .ok_or_else(missing)?;
        wanted.push(match text {
            b">" => Wanted::New,
            b"$" => {
                return Err(CommandError::new(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
                ));
            }
            _ => Wanted::PendingAfter(id::parse_strict(text, 0)?),
        });
        is_any |= text != b">" || is_new;
    }
    if !is_any {
        for index in 0..options.streams {
            seen(ctx, options.key(args, index), group_name, consumer_name)?;
        }
        return Ok(match options.timeout_ms {
            Some(timeout_ms) => options.wait(timeout_ms, None),
            None => {
                ctx.reply.null_array();
                Attempt::Done
            }
        });
    }
    reply_streams_of_group(ctx, args, &options, &wanted)?;
    Ok(Attempt::Done)
}

fn reply_streams_of_group(
    ctx: &mut DataContext,
    args: &Args,
    options: &Options,
    wanted: &[Wanted],
) -> Result<(), CommandError> {
    let (group, consumer) = options.group.expect("checked when parsed");
    let mut result = Ok(());
    let DataContext { keyspace, reply, config, .. } = ctx;
    reply_streams(reply, |reply| {
        let mut ctx = DataContext { keyspace, reply: reply.reborrow(), config, only_listens: false };
        let mut served = 0;
        for (index, &wanted) in wanted.iter().enumerate() {
            let key = options.key(args, index);
            let one = seen(&mut ctx, key, group, consumer).and_then(|consumer| match wanted {
                Wanted::New => deliver_new(&mut ctx, key, group, consumer, options),
                Wanted::PendingAfter(id) => deliver_again(&mut ctx, key, group, consumer, id, options.count),
            });
            match one {
                Ok(is_any) => served += is_any as usize,
                Err(error) => result = Err(error),
            }
        }
        served
    });
    result
}

/// The consumer, who is made if he is new, was seen.
pub(super) fn seen(
    ctx: &mut DataContext,
    key: &[u8],
    group_name: &[u8],
    name: &[u8],
) -> Result<ConsumerId, CommandError> {
    let now_ms = ctx.keyspace.now_ms;
    let mut stream = ctx.keyspace.write_collection::<Box<Stream>>(key)?.expect("looked at before");
    let group = stream.group_mut(group_name).expect("looked at before");
    if let Some(id) = group.find_consumer(name) {
        group.consumer_mut(id).seen_ms = now_ms;
        return Ok(id);
    }
    let id = group.add_consumer(name, now_ms).expect("not found");
    drop(stream);
    ctx.keyspace.changed(EventClass::STREAM, "xgroup-createconsumer", key);
    let db = ctx.keyspace.selected();
    ctx.keyspace.effects.propagate_instead(db, &[b"XGROUP", b"CREATECONSUMER", key, group_name, name]);
    Ok(id)
}

/// Delivers what is new; false if there is nothing.
fn deliver_new(
    ctx: &mut DataContext,
    key: &[u8],
    group_name: &[u8],
    consumer: ConsumerId,
    options: &Options,
) -> Result<bool, CommandError> {
    let now_ms = ctx.keyspace.now_ms;
    let mut stream = ctx.keyspace.write_collection::<Box<Stream>>(key)?.expect("looked at before");
    let group = stream.group(group_name).expect("looked at before");
    let (last_id, mut read) = (group.last_id, group.entries_read);
    let Some(from) = last_id.next().filter(|_| stream.first_after(last_id).is_some()) else { return Ok(false) };
    reply_key(&mut ctx.reply, key);
    let mut ids = Vec::new();
    let entries = stream.log().range(from, StreamId::MAX).inspect(|entry| {
        read = stream.entries_read_after(read, entry.id);
        ids.push(entry.id);
    });
    reply_entries(&mut ctx.reply, entries, options.count);
    let group = stream.group_mut(group_name).expect("looked at before");
    group.last_id = *ids.last().expect("there is at least one");
    group.entries_read = read;
    group.consumer_mut(consumer).active_ms = Some(now_ms);
    let last_id = group.last_id;
    if !options.no_ack {
        let pending = Pending { consumer, delivered_ms: now_ms, deliveries: 1 };
        ids.iter().for_each(|&id| group.deliver(id, pending));
        let name = group.consumer(consumer).name.clone();
        drop(stream);
        for id in ids {
            propagate_pending(ctx, key, group_name, &name, id, pending, last_id);
        }
    } else {
        drop(stream);
    }
    ctx.keyspace.effects.dirty += 1;
    propagate_last_id(ctx, key, group_name, last_id, read);
    Ok(true)
}

/// Delivers to a consumer what is pending for it.
fn deliver_again(
    ctx: &mut DataContext,
    key: &[u8],
    group_name: &[u8],
    consumer: ConsumerId,
    after: StreamId,
    count: u64,
) -> Result<bool, CommandError> {
    let now_ms = ctx.keyspace.now_ms;
    let mut stream = ctx.keyspace.write_collection::<Box<Stream>>(key)?.expect("looked at before");
    let group = stream.group(group_name).expect("looked at before");
    let max = if count == 0 { usize::MAX } else { count as usize };
    let pending = group.consumer(consumer).pending().range((Excluded(after), Unbounded));
    let ids: Vec<StreamId> = pending.copied().take(max).collect();
    let reply = &mut ctx.reply;
    reply_key(reply, key);
    reply.array(ids.len());
    for id in ids {
        match stream.log().get(id) {
            Some(entry) => {
                reply_entry(reply, entry);
                let group = stream.group_mut(group_name).expect("looked at before");
                let pending = group.pending_mut(id).expect("it is pending");
                pending.delivered_ms = now_ms;
                pending.deliveries += 1;
            }
            None => {
                reply.array(2);
                reply_id(reply, id);
                reply.null_array();
            }
        }
    }
    drop(stream);
    // Nothing of it is propagated, but for a consumer that was made.
    if ctx.keyspace.effects.rewritten.is_empty() {
        ctx.keyspace.effects.dirty = 0;
    }
    Ok(true)
}

/// Repeats elsewhere that an entry is pending.
pub(super) fn propagate_pending(
    ctx: &mut DataContext,
    key: &[u8],
    group: &[u8],
    consumer: &[u8],
    id: StreamId,
    pending: Pending,
    last_id: StreamId,
) {
    let (mut time, mut deliveries) = (itoa::Buffer::new(), itoa::Buffer::new());
    let db = ctx.keyspace.selected();
    ctx.keyspace.effects.propagate_instead(
        db,
        &[
            b"XCLAIM",
            key,
            group,
            consumer,
            b"0",
            &IdText::new(id),
            b"TIME",
            time.format(pending.delivered_ms).as_bytes(),
            b"RETRYCOUNT",
            deliveries.format(pending.deliveries).as_bytes(),
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            &IdText::new(last_id),
        ],
    );
}

/// Repeats elsewhere how far a group has read.
pub(super) fn propagate_last_id(ctx: &mut DataContext, key: &[u8], group: &[u8], last_id: StreamId, read: Option<u64>) {
    let mut count = itoa::Buffer::new();
    let count = count.format(read.map_or(-1, |read| read as i64)).as_bytes();
    let db = ctx.keyspace.selected();
    ctx.keyspace
        .effects
        .propagate_instead(db, &[b"XGROUP", b"SETID", key, group, &IdText::new(last_id), b"ENTRIESREAD", count]);
}
