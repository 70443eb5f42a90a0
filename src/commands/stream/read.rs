//! XREAD and XREADGROUP.

use super::super::prelude::*;
use super::repeat::Actor;
use super::{IdText, StreamAt, id, max_of, no_such_key_or_group, reply_entries, reply_entry, reply_id};
use crate::encoding::stream_log::StreamId;
use crate::keyspace::{Keyspace, Propagate};
use crate::resp::OwnedRequest;
use crate::types::Type;
use crate::types::stream::Stream;
use crate::types::stream::entries::Entries;
use crate::types::stream::group::{ConsumerId, Group as ConsumerGroup, Pending};
use smallvec::SmallVec;

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
    /// COUNT: at most this many entries of each stream.
    max: usize,
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
        let mut options =
            Options { max: usize::MAX, timeout_ms: None, group: None, no_ack: false, first_key: 0, streams: 0 };
        let mut at = 1;
        while at < args.len() && options.first_key == 0 {
            let more = args.len() - at - 1;
            if more >= 1 && args.is(at, "block") {
                options.timeout_ms = Some(args.timeout_ms(at + 1)?);
                at += 2;
            } else if more >= 1 && args.is(at, "count") {
                options.max = max_of(args.int(at + 1)?);
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
        Ok(options)
    }

    /// COMPAT: a script may not even ask to wait.
    fn check_script(&self, ctx: &DataContext, command: &str) -> CommandResult {
        if ctx.caller.is_script() && self.timeout_ms.is_some() {
            return Err(CommandError::err(format_args!(
                "{command} command is not allowed with BLOCK option from scripts"
            )));
        }
        Ok(())
    }

    /// Each stream's key and id.
    fn streams(&self, args: &Args<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let (args, keys) = (*args, self.first_key..self.first_key + self.streams);
        let streams = self.streams;
        keys.map(move |key| (args.get(key), args.get(key + streams)))
    }

    /// There was nothing: waits for it, if that is wanted.
    fn wait(&self, ctx: &mut DataContext, request: Option<OwnedRequest>) -> Attempt {
        let Some(timeout_ms) = self.timeout_ms else {
            ctx.reply.null_array();
            return Attempt::Done;
        };
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

/// Replies, for each stream that `fill` has entries of, its key and these entries; gives the number of such
/// streams. If there are none, nothing is written.
fn reply_streams(
    reply: &mut Reply,
    fill: impl FnOnce(&mut Reply) -> Result<usize, CommandError>,
) -> Result<usize, CommandError> {
    let mut served = Ok(0);
    reply.headed(fill, |reply, result| {
        match result {
            Ok(0) | Err(_) => (),
            Ok(len) if reply.is_resp3() => reply.map(len),
            Ok(len) => reply.array(len),
        }
        served = result;
    });
    served
}

fn reply_key(reply: &mut Reply, key: &[u8]) {
    if !reply.is_resp3() {
        reply.array(2);
    }
    reply.bulk(key);
}

fn xread(ctx: &mut DataContext, args: &Args) -> Result<Attempt, CommandError> {
    const NOT_IN_A_GROUP: CommandError = CommandError::new(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
    );
    let options = Options::parse(args, false)?;
    options.check_script(ctx, "xread")?;
    let keyspace = &mut *ctx.keyspace;
    let served = reply_streams(&mut ctx.reply, |reply| {
        let mut served = 0;
        for (key, id) in options.streams(args) {
            keyspace.read_collection(key, |stream: StreamAt| {
                let after = match id {
                    b">" => return Err(NOT_IN_A_GROUP),
                    // The last there is.
                    b"$" => StreamId::MAX,
                    _ => id::parse_strict(id, 0)?,
                };
                let Some(stream) = stream else { return Ok(()) };
                let mut new = stream.entries.after(after).take(options.max).peekable();
                if new.peek().is_some() {
                    reply_key(reply, key);
                    reply_entries(reply, new);
                    served += 1;
                }
                Ok(())
            })??;
        }
        Ok(served)
    })?;
    if served > 0 {
        return Ok(Attempt::Done);
    }
    let request = with_last_ids(ctx.keyspace, args, &options);
    Ok(options.wait(ctx, request))
}

/// The request to run again when there is something: `$` is replaced by the last id as of now.
fn with_last_ids(keyspace: &mut Keyspace, args: &Args, options: &Options) -> Option<OwnedRequest> {
    if options.timeout_ms.is_none() || !options.streams(args).any(|(_, id)| id == b"$") {
        return None;
    }
    let mut last_id = |key| {
        let entry = keyspace.peek(key)?;
        Some(entry.collection::<Box<Stream>>()?.entries.last_id())
    };
    let last_ids: Vec<_> =
        options.streams(args).map(|(key, _)| IdText::new(last_id(key).unwrap_or_default())).collect();
    let mut request: Vec<&[u8]> = args.iter().take(options.first_key + options.streams).collect();
    let ids = options.streams(args).zip(&last_ids);
    request.extend(ids.map(|((_, id), last)| if id == b"$" { &last[..] } else { id }));
    Some(OwnedRequest::new(request.into_iter()))
}

/// The id given for one stream.
enum Wanted {
    /// `>`: entries that no consumer of the group got yet.
    New,
    /// Entries pending for this consumer, after this id.
    Pending(StreamId),
}

impl Wanted {
    fn parse(text: &[u8]) -> Result<Wanted, CommandError> {
        match text {
            b">" => Ok(Wanted::New),
            b"$" => Err(CommandError::new(
                "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
            )),
            // COMPAT: after the greatest id there is comes what is new, too.
            _ => Ok(id::parse_strict(text, 0)?.next().map_or(Wanted::New, Wanted::Pending)),
        }
    }
}

fn xreadgroup(ctx: &mut DataContext, args: &Args) -> Result<Attempt, CommandError> {
    let options = Options::parse(args, true)?;
    options.check_script(ctx, "xreadgroup")?;
    let Some((group, consumer)) = options.group else {
        return Err(CommandError::new("ERR Missing GROUP option for XREADGROUP"));
    };
    let mut wanted: SmallVec<[Wanted; 4]> = SmallVec::new();
    for (key, id) in options.streams(args) {
        let has_group = |stream: StreamAt| stream.is_some_and(|stream| stream.groups.contains_key(group));
        if !ctx.keyspace.read_collection(key, has_group)? {
            return Err(no_such_key_or_group(key, group, " in XREADGROUP with GROUP option"));
        }
        wanted.push(Wanted::parse(id)?);
    }
    let keyspace = &mut *ctx.keyspace;
    let served = reply_streams(&mut ctx.reply, |reply| {
        let mut served = 0;
        for ((key, _), wanted) in options.streams(args).zip(wanted) {
            let actor = Actor { key, group, consumer };
            served += read_as_consumer(keyspace, reply, actor, wanted, &options)? as usize;
        }
        Ok(served)
    })?;
    Ok(if served > 0 { Attempt::Done } else { options.wait(ctx, None) })
}

/// Replies one stream's entries; false if there are none.
fn read_as_consumer(
    keyspace: &mut Keyspace,
    reply: &mut Reply,
    actor: Actor,
    wanted: Wanted,
    options: &Options,
) -> Result<bool, CommandError> {
    let now_ms = keyspace.now_ms;
    let Some(mut stream) = keyspace.write_collection::<Box<Stream>>(actor.key)? else { return Ok(false) };
    let Stream { entries, groups } = &mut **stream;
    let Some(group) = groups.get_mut(actor.group) else { return Ok(false) };
    let (consumer, is_new) = group.consumer_seen(actor.consumer, now_ms);
    let pending = Pending { consumer, delivered_ms: now_ms, deliveries: 1 };
    let read_before = group.last_id;
    let mut delivered: SmallVec<[StreamId; 16]> = SmallVec::new();
    let is_any = match wanted {
        Wanted::Pending(from) => {
            reply_key(reply, actor.key);
            deliver_again(reply, entries, group, (consumer, now_ms), from, options.max);
            true
        }
        Wanted::New => {
            let mut new = entries.after(read_before).take(options.max).peekable();
            let is_any = new.peek().is_some();
            if is_any {
                reply_key(reply, actor.key);
                let read = new.inspect(|entry| {
                    group.read(entries, entry.id);
                    if !options.no_ack {
                        group.deliver(entry.id, pending);
                        delivered.push(entry.id);
                    }
                });
                reply_entries(reply, read);
                group.consumer_mut(consumer).active_ms = Some(now_ms);
            }
            is_any
        }
    };
    let (last_id, entries_read) = (group.last_id, group.entries_read);
    drop(stream);
    if is_new {
        actor.was_made(keyspace, delivered.is_empty());
    }
    if is_any {
        keyspace.effects.dirty += 1;
        // That entries were delivered once more is not propagated.
        keyspace.effects.propagate = Propagate::Instead;
    }
    delivered.iter().for_each(|&id| actor.got(keyspace, id, pending, id));
    if last_id > read_before && options.no_ack {
        actor.group_read(keyspace, last_id, entries_read);
    }
    Ok(is_any)
}

/// Delivers once more the entries pending for a consumer, up to `max` from `from` on.
fn deliver_again(
    reply: &mut Reply,
    entries: &Entries,
    group: &mut ConsumerGroup,
    (consumer, now_ms): (ConsumerId, i64),
    from: StreamId,
    max: usize,
) {
    let pending = group.consumer(consumer).pending().range(from..);
    let ids: SmallVec<[StreamId; 16]> = pending.copied().take(max).collect();
    reply.array(ids.len());
    for id in ids {
        match entries.log().get(id) {
            Some(entry) => {
                reply_entry(reply, entry);
                group.deliver_again(id, now_ms);
            }
            None => {
                reply.array(2);
                reply_id(reply, id);
                reply.null_array();
            }
        }
    }
}
