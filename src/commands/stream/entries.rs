//! XADD, XDEL, XLEN, XSETID, XTRIM.

use super::super::prelude::*;
use super::{IdText, StreamAt, changed_aside, id, reply_id};
use crate::config::Config;
use crate::encoding::stream_log::{StreamId, Trim};
use crate::keyspace::Keyspace;
use crate::types::stream::Stream;
use crate::types::stream::entries::{AddError, Entries, NewId};
use smallvec::SmallVec;

pub const XADD: Command = Command {
    name: "xadd",
    summary: "Appends an entry to a stream",
    since: "5.0.0",
    group: Group::Stream,
    arity: -5,
    flags: WRITE | DENYOOM | FAST,
    categories: category::STREAM,
    keys: &[KeySpec::one(1, RW | UPDATE).notes("UPDATE instead of INSERT because of the optional trimming feature")],
    tips: &["nondeterministic_output"],
    args: "key:key#0 nomkstream=NOMKSTREAM?^6.2.0 trim{strategy(maxlen=MAXLEN | minid=MINID^6.2.0) operator(equal='=' | approximately='~')? threshold count:int=LIMIT?^6.2.0}? id-selector(auto-id='*' | id) data{field value}+",
    handler: Handler::Data(xadd),
    ..Command::DEFAULT
};

fn xadd(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let options = Options::parse(args, true, ctx)?;
    let wrong_arity = || CommandError::wrong_arity("xadd");
    let new_id = options.new_id.ok_or_else(wrong_arity)?;
    let first_field = options.end + 1;
    if first_field >= args.len() || !(args.len() - first_field).is_multiple_of(2) {
        return Err(wrong_arity());
    }
    if new_id == NewId::Is(StreamId::MIN) {
        return Err(CommandError::new("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let key = &args[1];
    let now_ms = ctx.keyspace.now_ms;
    let mut stream = if options.no_make {
        match ctx.keyspace.write_collection::<Box<Stream>>(key)? {
            Some(stream) => stream,
            None => {
                ctx.reply.null();
                return Ok(());
            }
        }
    } else {
        ctx.keyspace.write_collection_or(key, Box::<Stream>::default)?
    };
    let entry_id = stream.entries.next_id(new_id, now_ms).map_err(|error| match error {
        AddError::NotGreater => {
            CommandError::new("ERR The ID specified in XADD is equal or smaller than the target stream top item")
        }
        AddError::Exhausted => {
            CommandError::new("ERR The stream has exhausted the last possible ID, unable to add more items")
        }
    })?;
    let (at, count) = (first_field, (args.len() - first_field) / 2);
    let arguments = *args;
    let fields = (0..count).map(move |i| (arguments.get(at + 2 * i), arguments.get(at + 2 * i + 1)));
    stream.entries.add(entry_id, fields, ctx.config.stream_node_limits());
    let trimmed = options.trim.as_ref().map_or(0, |trim| trim.apply(&mut stream.entries));
    let threshold = options.trim.as_ref().and_then(|trim| trim.repeated_threshold(&stream.entries));
    drop(stream);
    ctx.keyspace.changed(EventClass::STREAM, "xadd", key);
    if trimmed > 0 {
        ctx.keyspace.notify(EventClass::STREAM, "xtrim", key);
    }
    ctx.keyspace.made_ready(key);
    reply_id(&mut ctx.reply, entry_id);
    repeat_xadd(ctx.keyspace, args, &options, entry_id, threshold);
    Ok(())
}

/// Propagates the id that was chosen, and what exactly was trimmed.
fn repeat_xadd(
    keyspace: &mut Keyspace,
    args: &Args,
    options: &Options,
    entry_id: StreamId,
    threshold: Option<Threshold>,
) {
    let is_auto = options.new_id != Some(NewId::Is(entry_id));
    if is_auto || threshold.is_some() {
        let entry_id = IdText::new(entry_id);
        let mut request: SmallVec<[&[u8]; 16]> = args.iter().collect();
        if is_auto {
            request[options.end] = &entry_id;
        }
        if let (Some(trim), Some(threshold)) = (&options.trim, &threshold) {
            trim.repeat_exactly(&mut request, threshold);
        }
        let db = keyspace.selected();
        keyspace.effects.propagate_instead(db, &request);
    }
}

/// How a stream is to be trimmed.
struct TrimOption {
    trim: Trim,
    approximate: bool,
    limit: u64,
    /// The index of the threshold among the arguments.
    threshold_at: usize,
}

/// A number, or an id of two numbers of 20 digits and the hyphen.
type Threshold = SmallVec<[u8; 41]>;

impl TrimOption {
    /// MAXLEN or MINID at `at`. A LIMIT may come later.
    fn parse(args: &Args, at: usize) -> Result<TrimOption, CommandError> {
        let has_operator = args.len() - at > 2 && matches!(args.get(at + 1), b"~" | b"=");
        let approximate = has_operator && args.get(at + 1) == b"~";
        let threshold_at = at + 1 + has_operator as usize;
        let trim = if args.is(at, "maxlen") {
            const NEGATIVE: CommandError = CommandError::new("ERR The MAXLEN argument must be >= 0.");
            Trim::ToLen(u64::try_from(args.int(threshold_at)?).map_err(|_| NEGATIVE)?)
        } else {
            Trim::Before(id::parse_strict(args.get(threshold_at), 0)?)
        };
        Ok(TrimOption { trim, approximate, limit: 0, threshold_at })
    }

    /// Trims; gives the number of deleted entries.
    fn apply(&self, entries: &mut Entries) -> u64 {
        entries.trim(self.trim, self.approximate, self.limit)
    }

    /// The exact threshold that trims to `entries`. Approximate trimming is propagated with it, because how much that
    /// trims depends on the nodes that the entries are in.
    fn repeated_threshold(&self, entries: &Entries) -> Option<Threshold> {
        self.approximate.then(|| match self.trim {
            Trim::ToLen(_) => Threshold::from_slice(itoa::Buffer::new().format(entries.len()).as_bytes()),
            Trim::Before(_) => Threshold::from_slice(&IdText::new(entries.log().first_id().unwrap_or(StreamId::MAX))),
        })
    }

    /// Makes the request trim exactly, to this threshold.
    fn repeat_exactly<'a>(&self, request: &mut [&'a [u8]], threshold: &'a [u8]) {
        request[self.threshold_at - 1] = b"=";
        request[self.threshold_at] = threshold;
    }
}

/// The options of XADD and XTRIM.
struct Options {
    trim: Option<TrimOption>,
    /// NOMKSTREAM.
    no_make: bool,
    /// XADD's id, which ends its options.
    new_id: Option<NewId>,
    /// The index of the first argument that is no option.
    end: usize,
}

impl Options {
    fn parse(args: &Args, is_xadd: bool, ctx: &DataContext) -> Result<Options, CommandError> {
        const TWO_STRATEGIES: CommandError =
            CommandError::new("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
        let mut options = Options { trim: None, no_make: false, new_id: None, end: 2 };
        let mut limit = None;
        while options.end < args.len() {
            let at = options.end;
            let more = args.len() - at - 1;
            if is_xadd && args.get(at) == b"*" {
                break;
            }
            if more > 0 && (args.is(at, "maxlen") || args.is(at, "minid")) {
                if options.trim.is_some() {
                    return Err(TWO_STRATEGIES);
                }
                let trim = TrimOption::parse(args, at)?;
                options.end = trim.threshold_at + 1;
                options.trim = Some(trim);
            } else if more > 0 && args.is(at, "limit") {
                const NEGATIVE: CommandError = CommandError::new("ERR The LIMIT argument must be >= 0.");
                limit = Some(u64::try_from(args.int(at + 1)?).map_err(|_| NEGATIVE)?);
                options.end += 2;
            } else if is_xadd && args.is(at, "nomkstream") {
                options.no_make = true;
                options.end += 1;
            } else if is_xadd {
                break;
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        if options.end < args.len() {
            options.new_id = Some(id::parse_new(args.get(options.end))?);
        }
        options.take_limit(limit, is_xadd, ctx)?;
        Ok(options)
    }

    fn take_limit(&mut self, limit: Option<u64>, is_xadd: bool, ctx: &DataContext) -> CommandResult {
        const WITHOUT_TILDE: CommandError =
            CommandError::new("ERR syntax error, LIMIT cannot be used without the special ~ option");
        match &mut self.trim {
            // COMPAT: 0 counts as none here, but not below.
            None if limit > Some(0) => {
                Err(CommandError::new("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"))
            }
            None if !is_xadd => {
                Err(CommandError::new("ERR syntax error, XTRIM must be called with a trimming strategy"))
            }
            None if limit.is_some() => Err(WITHOUT_TILDE),
            // COMPAT: a request that is repeated trims exactly, but kept its LIMIT.
            Some(_) if ctx.caller.repeats() => Ok(()),
            Some(trim) if limit.is_some() && !trim.approximate => Err(WITHOUT_TILDE),
            Some(trim) if trim.approximate => {
                trim.limit = limit.unwrap_or_else(|| default_limit(ctx.config));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// How many entries approximate trimming may delete at once: enough to keep up, and not for long.
fn default_limit(config: &Config) -> u64 {
    match 100 * config.stream_node_max_entries as u64 {
        0 => 10_000,
        limit => limit.min(1_000_000),
    }
}

pub const XTRIM: Command = Command {
    name: "xtrim",
    summary: "Deletes entries from the beginning of a stream",
    since: "5.0.0",
    group: Group::Stream,
    arity: -4,
    flags: WRITE,
    categories: category::STREAM,
    keys: &[KeySpec::one(1, RW | DELETE)],
    tips: &["nondeterministic_output"],
    args: "key:key#0 trim{strategy(maxlen=MAXLEN | minid=MINID^6.2.0) operator(equal='=' | approximately='~')? threshold count:int=LIMIT?^6.2.0}",
    handler: Handler::Data(xtrim),
    ..Command::DEFAULT
};

fn xtrim(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let options = Options::parse(args, false, ctx)?;
    let Some(trim) = options.trim else { return Err(CommandError::SYNTAX) };
    let key = &args[1];
    let mut trimmed = 0;
    let mut threshold = None;
    if let Some(mut stream) = ctx.keyspace.write_collection::<Box<Stream>>(key)? {
        trimmed = trim.apply(&mut stream.entries);
        threshold = trim.repeated_threshold(&stream.entries);
    }
    if trimmed > 0 {
        ctx.keyspace.changed(EventClass::STREAM, "xtrim", key);
        ctx.keyspace.effects.dirty += trimmed - 1;
        if let Some(threshold) = threshold {
            let mut request: SmallVec<[&[u8]; 8]> = args.iter().collect();
            trim.repeat_exactly(&mut request, &threshold);
            let db = ctx.keyspace.selected();
            ctx.keyspace.effects.propagate_instead(db, &request);
        }
    }
    ctx.reply.integer(trimmed as i64);
    Ok(())
}

pub const XDEL: Command = Command {
    name: "xdel",
    summary: "Deletes entries of a stream",
    since: "5.0.0",
    group: Group::Stream,
    arity: -3,
    flags: WRITE | FAST,
    categories: category::STREAM,
    keys: &[KeySpec::one(1, RW | DELETE)],
    args: "key:key#0 id+",
    handler: Handler::Data(xdel),
    ..Command::DEFAULT
};

fn xdel(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[1];
    let deleted = match ctx.keyspace.write_collection::<Box<Stream>>(key)? {
        None => 0,
        Some(mut stream) => id::parse_all(args, 2)?.into_iter().filter(|&id| stream.entries.remove(id)).count() as u64,
    };
    if deleted > 0 {
        ctx.keyspace.changed(EventClass::STREAM, "xdel", key);
        ctx.keyspace.effects.dirty += deleted - 1;
    }
    ctx.reply.integer(deleted as i64);
    Ok(())
}

pub const XLEN: Command = Command {
    name: "xlen",
    summary: "Counts the entries of a stream",
    since: "5.0.0",
    group: Group::Stream,
    arity: 2,
    flags: READONLY | FAST,
    categories: category::STREAM,
    keys: &[KeySpec::one(1, RO)],
    args: "key:key#0",
    handler: Handler::Data(xlen),
    ..Command::DEFAULT
};

fn xlen(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let len =
        ctx.keyspace.read_collection(&args[1], |stream: StreamAt| stream.map_or(0, |stream| stream.entries.len()))?;
    ctx.reply.integer(len as i64);
    Ok(())
}

pub const XSETID: Command = Command {
    name: "xsetid",
    summary: "Sets the last id of a stream, and what it counts",
    since: "5.0.0",
    group: Group::Stream,
    arity: -3,
    flags: WRITE | DENYOOM | FAST,
    categories: category::STREAM,
    keys: &[KeySpec::one(1, RW | UPDATE)],
    args: "key:key#0 last-id entries-added:int=ENTRIESADDED?^7.0.0 max-deleted-id:string=MAXDELETEDID?^7.0.0",
    handler: Handler::Data(xsetid),
    ..Command::DEFAULT
};

fn xsetid(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let last_id = id::parse_strict(args.get(2), 0)?;
    let (mut entries_added, mut max_deleted_id) = (None, None);
    let mut at = 3;
    while at < args.len() {
        if at + 1 < args.len() && args.is(at, "entriesadded") {
            const NEGATIVE: CommandError = CommandError::new("ERR entries_added must be positive");
            entries_added = Some(u64::try_from(args.int(at + 1)?).map_err(|_| NEGATIVE)?);
        } else if at + 1 < args.len() && args.is(at, "maxdeletedid") {
            let max = id::parse_strict(args.get(at + 1), 0)?;
            if max > last_id {
                return Err(CommandError::new(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
            max_deleted_id = Some(max);
        } else {
            return Err(CommandError::SYNTAX);
        }
        at += 2;
    }
    let key = &args[1];
    let mut stream = ctx.keyspace.write_collection::<Box<Stream>>(key)?.ok_or(CommandError::NO_SUCH_KEY)?;
    let entries = &mut stream.entries;
    if last_id < entries.max_deleted_id() {
        return Err(CommandError::new("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"));
    }
    if entries.log().last_id().is_some_and(|top| last_id < top) {
        return Err(CommandError::new("ERR The ID specified in XSETID is smaller than the target stream top item"));
    }
    if !entries.is_empty() && entries_added.is_some_and(|added| added < entries.len()) {
        return Err(CommandError::new(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    // COMPAT: 0-0 leaves the greatest deleted id as it is.
    let max_deleted_id = max_deleted_id.filter(|&id| id != StreamId::MIN);
    entries.set_id(last_id, entries_added, max_deleted_id);
    drop(stream);
    changed_aside(ctx.keyspace, "xsetid", key);
    ctx.reply.ok();
    Ok(())
}
