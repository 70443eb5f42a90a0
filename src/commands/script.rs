//! EVAL, EVALSHA, their read-only forms, and SCRIPT, over the cache of `script/cache.rs`; `engine/script.rs` runs
//! scripts, `engine/debugger.rs` those that are debugged.
//!
//! A script's own flags count instead of those of EVAL: see `script_flags` of the specs.

use super::prelude::*;
use crate::engine::debugger;
use crate::engine::script::{self, Call};
use crate::script::debugger::Debugger;
use crate::script::interpreter::Code;
use crate::script::{Interpreter, ScriptFlags, cache, shebang};
use crate::server::ClientFlags;
use crate::server::scripts::RunningKind;
use std::rc::Rc;

pub const COMMANDS: &[&Command] = &[&EVAL, &EVAL_RO, &EVALSHA, &EVALSHA_RO, &SCRIPT];

const NO_SCRIPT: CommandError = CommandError::new("NOSCRIPT No matching script. Please use EVAL.");
const NEGATIVE_KEYS: CommandError = CommandError::new("ERR Number of keys can't be negative");

/// Where the keys of EVAL, FCALL and the like are.
const fn script_keys(flags: u32, notes: &'static str) -> KeySpec {
    KeySpec { begin: Begin::Index(2), find: Find::KeyNum { number: 0, first: 1, step: 1 }, flags, notes }
}

const ASSUMED_RW: &str = "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE";
const ASSUMED_RO: &str = "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS";

/// The number of keys that a request has.
pub(super) fn number_of_keys(args: &Args, not_integer: CommandError) -> Result<usize, CommandError> {
    let keys = args.int(2).map_err(|_| not_integer)?;
    if keys > args.len() as i64 - 3 {
        return Err(CommandError::TOO_MANY_KEYS);
    }
    usize::try_from(keys).map_err(|_| NEGATIVE_KEYS)
}

pub const EVAL: Command = Command {
    name: "eval",
    summary: "Runs a Lua script",
    since: "2.6.0",
    group: Group::Scripting,
    arity: -3,
    flags: NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLE_KEYS | MAY_REPLICATE,
    categories: category::SCRIPTING,
    keys: &[script_keys(RW | ACCESS | UPDATE, ASSUMED_RW)],
    args: "script numkeys:int key:key#0?+ arg?+",
    script_flags: Some(flags_by_text),
    handler: Handler::Server(|server, id, args| eval(server, id, args, false)),
    ..Command::DEFAULT
};

pub const EVAL_RO: Command = Command {
    name: "eval_ro",
    summary: "Runs a Lua script that only reads",
    since: "7.0.0",
    flags: READONLY | NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLE_KEYS,
    keys: &[script_keys(RO | ACCESS, ASSUMED_RO)],
    handler: Handler::Server(|server, id, args| eval(server, id, args, true)),
    ..EVAL
};

pub const EVALSHA: Command = Command {
    name: "evalsha",
    summary: "Runs a Lua script by its SHA-1",
    keys: &[script_keys(RW | ACCESS | UPDATE, "")],
    args: "sha1 numkeys:int key:key#0?+ arg?+",
    script_flags: Some(flags_by_sha),
    handler: Handler::Server(|server, id, args| evalsha(server, id, args, false)),
    ..EVAL
};

pub const EVALSHA_RO: Command = Command {
    name: "evalsha_ro",
    summary: "Runs a Lua script that only reads by its SHA-1",
    since: "7.0.0",
    flags: READONLY | NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLE_KEYS,
    keys: &[script_keys(RO | ACCESS, "")],
    handler: Handler::Server(|server, id, args| evalsha(server, id, args, true)),
    ..EVALSHA
};

fn flags_by_text(_: &Server, args: &Args) -> Option<ScriptFlags> {
    shebang::script_flags(args.get(1)).ok().map(|(flags, _)| flags)
}

fn flags_by_sha(server: &Server, args: &Args) -> Option<ScriptFlags> {
    server.scripts.cache.find(args.get(1)).map(|script| script.flags)
}

fn eval(server: &mut Server, id: ClientId, args: &Args, read_only: bool) -> CommandResult {
    if server.clients[id].flags.contains(ClientFlags::DEBUGS) {
        let run = |server: &mut Server, debugger: &Rc<Debugger>| eval_in_session(server, id, args, read_only, debugger);
        return debugger::session(server, id, args.get(1), run);
    }
    let keys = number_of_keys(args, CommandError::NOT_INTEGER)?;
    let (sha, found) = server.scripts.cache.load(args.get(1), false)?;
    run(server, id, args, found, &sha, keys, read_only)
}

/// The interpreter of the session compiles the script; the cache does not keep it.
fn eval_in_session(
    server: &mut Server,
    id: ClientId,
    args: &Args,
    read_only: bool,
    debugger: &Rc<Debugger>,
) -> CommandResult {
    let keys = number_of_keys(args, CommandError::NOT_INTEGER)?;
    let (flags, skip) = shebang::script_flags(args.get(1))?;
    let interpreter = Rc::new(Interpreter::debugging(debugger));
    let slot = cache::compile(&interpreter, args.get(1), skip)?;
    let (code, name) = (Code::Script(slot), &cache::sha1_hex(args.get(1))[..]);
    let call = Call { interpreter, code, flags, read_only, name, request: *args, keys, debugger: Some(debugger) };
    script::run(server, id, call)
}

fn evalsha(server: &mut Server, id: ClientId, args: &Args, read_only: bool) -> CommandResult {
    if server.clients[id].flags.contains(ClientFlags::DEBUGS) {
        return Err(CommandError::new("ERR Please use EVAL instead of EVALSHA for debugging"));
    }
    let found = server.scripts.cache.get(args.get(1)).ok_or(NO_SCRIPT)?;
    let keys = number_of_keys(args, CommandError::NOT_INTEGER)?;
    let sha = args.get(1).to_ascii_lowercase();
    run(server, id, args, found, &sha, keys, read_only)
}

fn run(
    server: &mut Server,
    id: ClientId,
    args: &Args,
    found: cache::Script,
    sha: &[u8],
    keys: usize,
    read_only: bool,
) -> CommandResult {
    let call = Call {
        interpreter: server.scripts.cache.interpreter(),
        code: Code::Script(found.slot),
        flags: found.flags,
        read_only,
        name: sha,
        request: *args,
        keys,
        debugger: None,
    };
    script::run(server, id, call)
}

/// Checks the optional argument of FLUSH; `only` is the error if it is neither SYNC nor ASYNC.
pub(super) fn check_flush_mode(args: &Args, command: &str, only: CommandError) -> CommandResult {
    match args.len() {
        2 => Ok(()),
        3 if args.is(2, "sync") || args.is(2, "async") => Ok(()),
        3 => Err(only),
        _ => Err(CommandError::subcommand_syntax(args.get(1), command)),
    }
}

/// What all subcommands have in common.
const SUBCOMMAND: Command = Command { group: Group::Scripting, categories: category::SCRIPTING, ..Command::DEFAULT };

pub const SCRIPT: Command = Command {
    name: "script",
    summary: "Manages scripts",
    since: "2.6.0",
    group: Group::Scripting,
    arity: -2,
    subcommands: &[
        Command::help("5.0.0", Group::Scripting, category::SCRIPTING, help),
        Command {
            name: "flush",
            summary: "Forgets all scripts",
            since: "2.6.0",
            arity: -2,
            flags: NOSCRIPT,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            args: "flush-type(async=ASYNC | sync=SYNC)?^6.2.0",
            handler: Handler::Server(flush),
            ..SUBCOMMAND
        },
        Command {
            name: "load",
            summary: "Keeps a script to be run by its SHA-1",
            since: "2.6.0",
            arity: 3,
            flags: NOSCRIPT | STALE,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            args: "script",
            handler: Handler::Server(load),
            ..SUBCOMMAND
        },
        Command {
            name: "debug",
            summary: "Has the scripts of EVAL run in the debugger",
            since: "3.2.0",
            arity: 3,
            flags: NOSCRIPT,
            args: "mode(yes=YES | sync=SYNC | no=NO)",
            handler: Handler::Server(debug),
            ..SUBCOMMAND
        },
        Command {
            name: "exists",
            summary: "Tells which scripts are known",
            since: "2.6.0",
            arity: -3,
            flags: NOSCRIPT,
            tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
            args: "sha1+",
            handler: Handler::Server(exists),
            ..SUBCOMMAND
        },
        Command {
            name: "kill",
            summary: "Ends the script that runs",
            since: "2.6.0",
            arity: 2,
            flags: NOSCRIPT | ALLOW_BUSY,
            tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
            handler: Handler::Server(kill),
            ..SUBCOMMAND
        },
    ],
    ..Command::DEFAULT
};

const HELP: &[&str] = &[
    "DEBUG (YES|SYNC|NO)",
    "    Have the scripts of this client's EVAL run in the debugger, in a child or, with SYNC,",
    "    in the server itself.",
    "EXISTS <sha1> [<sha1> ...]",
    "    Tell for each script whether it is known.",
    "FLUSH [ASYNC|SYNC]",
    "    Forget all scripts.",
    "KILL",
    "    End the script that runs, if it has not written yet.",
    "LOAD <script>",
    "    Keep a script without running it.",
];

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help("script", HELP);
    Ok(())
}

/// SYNC and ASYNC both free scripts at once: they are small.
fn flush(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    const ONLY: CommandError = CommandError::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    check_flush_mode(args, "script", ONLY)?;
    server.scripts.cache.flush();
    server.reply(id).ok();
    Ok(())
}

fn load(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let (sha, _) = server.scripts.cache.load(args.get(2), true)?;
    server.reply(id).bulk(&sha);
    Ok(())
}

fn exists(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    server.reply(id).array(args.len() - 2);
    for sha in args.from(2).iter() {
        let known = server.scripts.cache.find(sha).is_some();
        server.reply(id).integer(known as i64);
    }
    Ok(())
}

fn kill(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    server.scripts.kill(RunningKind::Script)?;
    server.reply(id).ok();
    Ok(())
}

fn debug(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let mode = match () {
        _ if args.is(2, "no") => ClientFlags::empty(),
        _ if args.is(2, "yes") => ClientFlags::DEBUGS,
        _ if args.is(2, "sync") => ClientFlags::DEBUGS | ClientFlags::DEBUGS_IN_SYNC,
        _ => return Err(CommandError::new("ERR Use SCRIPT DEBUG YES/SYNC/NO")),
    };
    let client = &mut server.clients[id];
    if !mode.is_empty() && !client.output.is_empty() {
        // A session has the connection to itself.
        return Err(CommandError::new("ERR SCRIPT DEBUG must be called outside a pipeline"));
    }
    client.flags -= ClientFlags::DEBUGS | ClientFlags::DEBUGS_IN_SYNC;
    client.flags |= mode;
    server.reply(id).ok();
    Ok(())
}
