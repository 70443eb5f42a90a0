//! DEBUG: for tests, and for people who examine the server.

use crate::commands::prelude::*;
use crate::config::{self, os_reason};
use crate::encoding::quicklist::Quicklist;
use crate::engine::{load, load_aof, snapshot};
use crate::keyspace::{Digest, ExpiryMode, NewExpiry};
use crate::server::system;
use crate::types::Type;
use crate::types::hash::Hash;
use crate::types::list::List;
use crate::types::set::Set;
use crate::types::string::NewString;
use crate::types::zset::ZSet;
use std::fmt::Write;
use std::time::Duration;

pub const DEBUG: Command = Command {
    name: "debug",
    summary: "For tests, and for looking into the server",
    group: Group::Server,
    arity: -2,
    flags: ADMIN | NOSCRIPT | LOADING | STALE,
    handler: Handler::Server(debug),
    system: true,
    ..Command::DEFAULT
};

/// One subcommand: its name, its numbers of arguments and what runs it.
struct Subcommand {
    name: &'static str,
    arguments: std::ops::RangeInclusive<usize>,
    run: fn(&mut Server, ClientId, &Args) -> CommandResult,
}

const fn sub(
    name: &'static str,
    arguments: std::ops::RangeInclusive<usize>,
    run: fn(&mut Server, ClientId, &Args) -> CommandResult,
) -> Subcommand {
    Subcommand { name, arguments, run }
}

const SUBCOMMANDS: &[Subcommand] = &[
    sub("aof-flush-sleep", 1..=1, aof_flush_sleep),
    sub("assert", 0..=0, |_, _, _| panic!("assertion failed: 1 == 2")),
    sub("config-rewrite-force-all", 0..=0, config_rewrite_force_all),
    sub("digest", 0..=0, digest),
    sub("digest-value", 0..=usize::MAX, digest_value),
    sub("error", 1..=1, error),
    sub("help", 0..=0, help),
    sub("htstats", 1..=1, htstats),
    sub("htstats-key", 1..=2, htstats_key),
    sub("listpack", 1..=1, print_value),
    sub("loadaof", 0..=0, load_append_only_file),
    sub("log", 1..=1, log),
    sub("object", 1..=1, object),
    sub("panic", 0..=0, |_, _, _| panic!("DEBUG PANIC")),
    sub("pause-cron", 1..=1, pause_cron),
    sub("populate", 1..=3, populate),
    sub("protocol", 1..=1, protocol),
    sub("quicklist", 1..=2, print_value),
    sub("quicklist-packed-threshold", 1..=1, quicklist_packed_threshold),
    sub("reload", 0..=3, reload),
    sub("replicate", 1..=usize::MAX, replicate),
    sub("replybuffer", 2..=2, replybuffer),
    sub("segfault", 0..=0, |_, _, _| system::die_of(libc::SIGSEGV)),
    sub("set-active-expire", 1..=1, set_active_expire),
    sub("set-disable-deny-scripts", 1..=1, set_disable_deny_scripts),
    sub("set-skip-checksum-validation", 1..=1, set_skip_checksum_validation),
    sub("sleep", 1..=1, sleep),
];

fn debug(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let arguments = args.len() - 2;
    let found = SUBCOMMANDS.iter().find(|sub| args.is(1, sub.name) && sub.arguments.contains(&arguments));
    match found {
        // These change the data set, which is being loaded.
        Some(Subcommand { name: "loadaof" | "populate" | "reload", .. }) if server.loading.is_blocking() => {
            Err(CommandError::LOADING)
        }
        Some(subcommand) => (subcommand.run)(server, id, args),
        None => Err(CommandError::subcommand_syntax(&args[1], "debug")),
    }
}

fn help(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    server.reply(id).help(
        "debug",
        &[
            "AOF-FLUSH-SLEEP <microseconds>",
            "    Stop the server for this time before each write to the append-only file.",
            "ASSERT",
            "    Crash as if something were not as it must be.",
            "CONFIG-REWRITE-FORCE-ALL",
            "    As CONFIG REWRITE, but write every directive.",
            "DIGEST",
            "    Give a digest of all data.",
            "DIGEST-VALUE [<key> ...]",
            "    Give a digest of each key's value.",
            "ERROR <text>",
            "    Reply with this error.",
            "HTSTATS <db>",
            "    Describe the table of a database.",
            "HTSTATS-KEY <key>",
            "    Describe the table of a key's value.",
            "LISTPACK <key>",
            "    Print the elements of a listpack to the standard output.",
            "LOADAOF",
            "    Forget the data set and load it from the append-only file.",
            "LOG <text>",
            "    Write a line to the log.",
            "OBJECT <key>",
            "    Describe how a key is kept.",
            "PANIC",
            "    Crash as a failed assertion does.",
            "PAUSE-CRON <0|1>",
            "    Stop the server's housekeeping, or go on with it.",
            "POPULATE <count> [<prefix>] [<size>]",
            "    Make <count> string keys, <prefix>:<n>, where they are not there yet.",
            "PROTOCOL <type>",
            "    Reply with a value of this type: string, integer, double, null, array, set, map,",
            "    attrib, push, verbatim, true, false or bignum.",
            "QUICKLIST <key> [<0|1>]",
            "    Print the elements of a quicklist to the standard output.",
            "QUICKLIST-PACKED-THRESHOLD <size>",
            "    Keep elements of that many bytes by themselves in quicklists; 0 is the default of 1 GB.",
            "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
            "    Save the data set, forget it (but with NOFLUSH) and load it. MERGE: keys that are",
            "    there are replaced.",
            "REPLICATE <command> [<argument> ...]",
            "    Have replicas and the append-only file repeat a command that is not run.",
            "REPLYBUFFER RESIZING <0|1>",
            "    Does nothing: buffers are not kept, so there are none to be resized.",
            "SEGFAULT",
            "    Crash by an invalid access to memory.",
            "SET-ACTIVE-EXPIRE <0|1>",
            "    Delete keys when their time has come (1), or only when they are found (0).",
            "SET-DISABLE-DENY-SCRIPTS <0|1>",
            "    Let scripts run every command.",
            "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
            "    Let RESTORE take payloads whose checksum is wrong (1).",
            "SLEEP <seconds>",
            "    Stop the server for this time.",
        ],
    );
    Ok(())
}

/// COMPAT: what is no number counts as 0.
fn is_on(argument: &[u8]) -> bool {
    std::str::from_utf8(argument).is_ok_and(|text| text.trim().parse::<i64>().unwrap_or(0) != 0)
}

fn ok(server: &mut Server, id: ClientId) -> CommandResult {
    server.reply(id).ok();
    Ok(())
}

fn config_rewrite_force_all(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    server.users_to_config();
    config::rewrite_all(&server.config, |user| server.is_current_user(user))
        .map_err(|error| CommandError::err(format_args!("CONFIG-REWRITE-FORCE-ALL failed: {}", os_reason(&error))))?;
    ok(server, id)
}

fn aof_flush_sleep(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let microseconds = args.int(2)?;
    server.debug.aof_flush_sleep = Duration::from_micros(microseconds.max(0) as u64);
    ok(server, id)
}

fn digest(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let digest = server.keyspace.digest();
    server.reply(id).simple(&digest.to_string());
    Ok(())
}

fn digest_value(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let keys = args.from(2);
    let digests: Vec<Digest> =
        keys.iter().map(|key| server.keyspace.peek(key).map(|entry| entry.digest()).unwrap_or_default()).collect();
    let mut reply = server.reply(id);
    reply.array(digests.len());
    digests.iter().for_each(|digest| reply.simple(&digest.to_string()));
    Ok(())
}

fn error(_: &mut Server, _: ClientId, args: &Args) -> CommandResult {
    // COMPAT: it is not counted.
    Err(CommandError::coded(args.text(2).into_owned()).counted())
}

fn htstats(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    const OUT_OF_RANGE: CommandError = CommandError::new("ERR Out of range database");
    let number = args.int(2)?;
    let db = usize::try_from(number).ok().and_then(|number| server.keyspace.dbs().get(number)).ok_or(OUT_OF_RANGE)?;
    let mut text = "[Dictionary HT]\n".to_owned();
    describe_table(&mut text, db.len(), db.table().slots());
    writeln!(text, "[Expires HT]\n number of elements: {}", db.volatile()).expect("a string takes all");
    server.reply(id).verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn htstats_key(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    const NO_TABLE: CommandError =
        CommandError::new("ERR The value stored at the specified key is not represented using an hash table");
    let text = {
        let entry = server.keyspace.peek(&args[2]).ok_or(CommandError::NO_SUCH_KEY)?;
        let table = match entry.type_() {
            Type::Set => entry.collection::<Set>().and_then(|set| Some((set.len(), set.table_slots()?))),
            Type::Hash => entry.collection::<Hash>().and_then(|hash| Some((hash.len(), hash.table_slots()?))),
            _ => None,
        };
        let (len, slots) = table.ok_or(NO_TABLE)?;
        let mut text = String::new();
        describe_table(&mut text, len, slots);
        text
    };
    server.reply(id).verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// Describes a table of `len` elements with this many slots, and that many in the array it is moved from.
fn describe_table(text: &mut String, len: usize, (slots, old_slots): (usize, Option<usize>)) {
    let main = old_slots.unwrap_or(slots);
    writeln!(text, "Hash table 0 stats (main hash table):\n table size: {main}\n number of elements: {len}")
        .expect("a string takes all");
    if old_slots.is_some() {
        writeln!(text, "Hash table 1 stats (rehashing target):\n table size: {slots}").expect("a string takes all");
    }
}

fn log(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    log::warn!("DEBUG LOG: {}", args.text(2));
    ok(server, id)
}

/// Has replicas and the append-only file repeat a command that was not run.
fn replicate(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let arguments: Vec<&[u8]> = args.from(2).iter().collect();
    let db = server.clients[id].db;
    server.keyspace.effects.propagate_instead(db, &arguments);
    ok(server, id)
}

fn object(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    // A key past its time is described until it is deleted.
    let mode = std::mem::replace(&mut server.keyspace.expiry_mode, ExpiryMode::Ignore);
    let access = &server.keyspace.access;
    let text = server.keyspace.get(&args[2]).map(|entry| {
        let list = entry.collection::<List>();
        let quicklist = list.as_deref().and_then(List::quicklist).map(describe_quicklist).unwrap_or_default();
        format!(
            "Value at:{:p} refcount:1 encoding:{} lru:{} lru_seconds_idle:{}{quicklist}",
            &*entry,
            entry.encoding().name(),
            entry.clock(),
            access.idle_seconds_of(entry.clock())
        )
    });
    server.keyspace.expiry_mode = mode;
    server.reply(id).simple(&text.ok_or(CommandError::NO_SUCH_KEY)?);
    Ok(())
}

fn describe_quicklist(list: &Quicklist) -> String {
    format!(
        " ql_nodes:{} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} ql_uncompressed_size:{}",
        list.nodes(),
        list.len() as f64 / list.nodes() as f64,
        list.fill().number(),
        (list.depth() > 0) as u8,
        list.size()
    )
}

/// LISTPACK and QUICKLIST.
fn print_value(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let wanted = args.text(1).to_ascii_lowercase();
    {
        let entry = server.keyspace.peek(&args[2]).ok_or(CommandError::NO_SUCH_KEY)?;
        if entry.encoding().name() != wanted {
            return Err(CommandError::err(format_args!("Not a {wanted} encoded object.")));
        }
        let print = |element: &[u8]| println!("\"{}\"", element.escape_ascii());
        if let Some(list) = entry.collection::<List>() {
            list.for_each(0..list.len(), |element| print(&element));
        }
        if let Some(hash) = entry.collection::<Hash>() {
            hash.for_each(|field, value| [field, value].into_iter().for_each(print));
        }
        if let Some(set) = entry.collection::<Set>() {
            set.iter().for_each(|member| print(member.bytes(&mut itoa::Buffer::new())));
        }
        if let Some(zset) = entry.collection::<ZSet>() {
            zset.for_each(|member, score| {
                print(member);
                println!("{score}");
            });
        }
    }
    let mut name = wanted;
    name[..1].make_ascii_uppercase();
    server.reply(id).simple(&format!("{name} structure printed on stdout"));
    Ok(())
}

fn quicklist_packed_threshold(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    const REFUSED: CommandError =
        CommandError::new("ERR argument must be a memory value bigger than 1 and smaller than 4gb");
    let bytes = config::parse_memory(&args[2]).filter(|&bytes| bytes < 1 << 32).ok_or(REFUSED)?;
    server.config.quicklist_packed_threshold =
        if bytes == 0 { config::defaults().quicklist_packed_threshold } else { bytes as usize };
    ok(server, id)
}

/// A client has a buffer only while replies wait.
fn replybuffer(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    if !args.is(2, "resizing") {
        return Err(CommandError::subcommand_syntax(&args[1], "debug"));
    }
    args.int(3)?;
    ok(server, id)
}

fn pause_cron(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    server.debug.cron_paused = is_on(&args[2]);
    ok(server, id)
}

/// COMPAT: these keys are neither told of nor propagated.
fn populate(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    const POSITIVE: std::ops::RangeInclusive<i64> = 0..=i64::MAX;
    let count = args.int_in(2, POSITIVE)?;
    let prefix = if args.len() > 3 { args.get(3) } else { b"key" };
    let size = if args.len() > 4 { args.int_in(4, POSITIVE)? as usize } else { 0 };
    for n in 0..count {
        let key = [prefix, b":", n.to_string().as_bytes()].concat();
        if server.keyspace.exists(&key) {
            continue;
        }
        let mut value = format!("value:{n}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        server.keyspace.set_string(&key, NewString::new(&value), NewExpiry::None);
    }
    ok(server, id)
}

// What Redis replies for a double looks like pi, and is not.
#[allow(clippy::approx_constant)]
fn protocol(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    const UNKNOWN: CommandError = CommandError::new(
        "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
    );
    let mut reply = server.reply(id);
    let count_to_two = |reply: &mut Reply| (0..3).for_each(|n| reply.integer(n));
    match args[2].to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double(3.141),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            count_to_two(&mut reply);
        }
        b"set" => {
            reply.set(3);
            count_to_two(&mut reply);
        }
        b"map" => {
            reply.map(3);
            for n in 0..3 {
                reply.integer(n);
                reply.boolean(n == 1);
            }
        }
        b"attrib" => {
            // RESP2 has none, so only what follows is left.
            if reply.is_resp3() {
                reply.raw(b"|1\r\n");
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.integer(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if !reply.is_resp3() => return Err(CommandError::new("ERR RESP2 is not supported by this command")),
        b"push" => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
            // The push is no reply: this is.
            reply.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim(b"txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"bignum" => {
            const NUMBER: &[u8] = b"1234567999999999999999999999999999999";
            if reply.is_resp3() {
                reply.raw(b"(");
                reply.raw(NUMBER);
                reply.raw(b"\r\n");
            } else {
                reply.bulk(NUMBER);
            }
        }
        _ => return Err(UNKNOWN),
    }
    Ok(())
}

fn reload(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let (mut save, mut flush, mut merge) = (true, true, false);
    for at in 2..args.len() {
        match args[at].to_ascii_lowercase().as_slice() {
            b"nosave" => save = false,
            b"noflush" => flush = false,
            b"merge" => merge = true,
            _ => {
                return Err(CommandError::new("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."));
            }
        }
    }
    if save {
        snapshot::save(server).map_err(|_| CommandError::new("ERR"))?;
    }
    if flush {
        server.empty(false);
    }
    load::load_snapshot(server, merge).map_err(|error| {
        log::warn!("{}", error.0);
        CommandError::new("ERR Error trying to load the RDB dump, check server logs.")
    })?;
    ok(server, id)
}

fn set_disable_deny_scripts(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    server.scripts.allow_all_commands = is_on(&args[2]);
    ok(server, id)
}

fn set_skip_checksum_validation(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    server.config.skip_checksum_validation = is_on(&args[2]);
    ok(server, id)
}

fn set_active_expire(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    server.debug.active_expire = is_on(&args[2]);
    ok(server, id)
}

fn sleep(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let seconds = args.float(2).unwrap_or(0.0);
    std::thread::sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    // Later commands of this turn must see that time has passed, but in a script or transaction time stands still.
    if !server.execution.is_atomic() {
        server.refresh_time();
    }
    ok(server, id)
}

fn load_append_only_file(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    load_aof::reload(server).map_err(|error| {
        log::warn!("{}", error.0);
        CommandError::new("ERR Error trying to load the AOF files, check server logs.")
    })?;
    server.reply(id).ok();
    Ok(())
}
