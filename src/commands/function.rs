//! FCALL and FUNCTION, over the libraries of `script/library.rs`; `engine/script.rs` runs functions.
//!
//! A changed set of libraries is propagated as the command that changed it, like a change to data.

use super::prelude::*;
use super::script::{EVAL, EVAL_RO, check_flush_mode, number_of_keys};
use crate::encoding::glob::glob_match;
use crate::engine::script::{self, Call, load_libraries};
use crate::persist::rdb::{dump_libraries, restore_libraries};
use crate::resp::text::text_of;
use crate::script::ScriptFlags;
use crate::script::interpreter::Code;
use crate::script::library::{Existing, Library};
use crate::script::shebang::library_name;
use crate::server::scripts::RunningKind;

pub const COMMANDS: &[&Command] = &[&FCALL, &FCALL_RO, &FUNCTION];

pub const FCALL: Command = Command {
    name: "fcall",
    summary: "Calls a function",
    since: "7.0.0",
    args: "function numkeys:int key:key#0?+ arg?+",
    script_flags: Some(flags_of_function),
    handler: Handler::Server(|server, id, args| fcall(server, id, args, false)),
    ..EVAL
};

pub const FCALL_RO: Command = Command {
    name: "fcall_ro",
    summary: "Calls a function that only reads",
    flags: EVAL_RO.flags,
    keys: EVAL_RO.keys,
    handler: Handler::Server(|server, id, args| fcall(server, id, args, true)),
    ..FCALL
};

fn flags_of_function(server: &Server, args: &Args) -> Option<ScriptFlags> {
    server.scripts.libraries.find(args.get(1)).map(|function| function.flags)
}

fn fcall(server: &mut Server, id: ClientId, args: &Args, read_only: bool) -> CommandResult {
    let found = server.scripts.libraries.find(args.get(1)).ok_or(CommandError::new("ERR Function not found"))?;
    let keys = number_of_keys(args, CommandError::new("ERR Bad number of keys provided"))?;
    let call = Call {
        interpreter: server.scripts.libraries.interpreter(),
        code: Code::Function(found.slot),
        flags: found.flags,
        read_only,
        name: args.get(1),
        request: *args,
        keys,
        debugger: None,
    };
    script::run(server, id, call)
}

/// What all subcommands have in common.
const SUBCOMMAND: Command = Command { group: Group::Scripting, categories: category::SCRIPTING, ..Command::DEFAULT };

pub const FUNCTION: Command = Command {
    name: "function",
    summary: "Manages functions",
    since: "7.0.0",
    group: Group::Scripting,
    arity: -2,
    subcommands: &[
        Command {
            name: "delete",
            summary: "Deletes a library",
            since: "7.0.0",
            arity: 3,
            flags: WRITE | NOSCRIPT,
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            args: "library-name",
            handler: Handler::Server(delete),
            ..SUBCOMMAND
        },
        Command {
            name: "load",
            summary: "Loads a library",
            since: "7.0.0",
            arity: -3,
            flags: WRITE | DENYOOM | NOSCRIPT,
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            args: "replace=REPLACE? function-code",
            handler: Handler::Server(load),
            ..SUBCOMMAND
        },
        Command {
            name: "dump",
            summary: "Serializes all libraries",
            since: "7.0.0",
            arity: 2,
            flags: NOSCRIPT,
            handler: Handler::Server(dump),
            ..SUBCOMMAND
        },
        Command {
            name: "list",
            summary: "Describes libraries and their functions",
            since: "7.0.0",
            arity: -2,
            flags: NOSCRIPT,
            tips: &["nondeterministic_output_order"],
            args: "library-name-pattern:string=LIBRARYNAME? withcode=WITHCODE?",
            handler: Handler::Server(list),
            ..SUBCOMMAND
        },
        Command {
            name: "kill",
            summary: "Ends the function that runs",
            since: "7.0.0",
            arity: 2,
            flags: NOSCRIPT | ALLOW_BUSY,
            tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
            handler: Handler::Server(kill),
            ..SUBCOMMAND
        },
        Command {
            name: "flush",
            summary: "Deletes all libraries",
            since: "7.0.0",
            arity: -2,
            flags: WRITE | NOSCRIPT,
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            args: "flush-type(async=ASYNC | sync=SYNC)?",
            handler: Handler::Server(flush),
            ..SUBCOMMAND
        },
        Command::help("7.0.0", Group::Scripting, category::SCRIPTING, help),
        Command {
            name: "restore",
            summary: "Loads libraries that were serialized",
            since: "7.0.0",
            arity: -3,
            flags: WRITE | DENYOOM | NOSCRIPT,
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            args: "serialized-value policy(flush=FLUSH | append=APPEND | replace=REPLACE)?",
            handler: Handler::Server(restore),
            ..SUBCOMMAND
        },
        Command {
            name: "stats",
            summary: "Tells about the function that runs, and how many there are",
            since: "7.0.0",
            arity: 2,
            flags: NOSCRIPT | ALLOW_BUSY,
            tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            handler: Handler::Server(stats),
            ..SUBCOMMAND
        },
    ],
    ..Command::DEFAULT
};

const HELP: &[&str] = &[
    "DELETE <library-name>",
    "    Delete a library.",
    "DUMP",
    "    Give all libraries in a form that RESTORE takes.",
    "FLUSH [ASYNC|SYNC]",
    "    Delete all libraries.",
    "KILL",
    "    End the function that runs, if it has not written yet.",
    "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
    "    Describe libraries, with their code if that is wanted.",
    "LOAD [REPLACE] <function-code>",
    "    Load a library, in the place of one of its name if that is wanted.",
    "RESTORE <serialized-value> [FLUSH|APPEND|REPLACE]",
    "    Load what DUMP gave: instead of all there is, besides it (the default), or in its place.",
    "STATS",
    "    Tell which function runs, and how many there are.",
];

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help("function", HELP);
    Ok(())
}

/// Libraries changed: it counts as a change of the data set, and is propagated as it came.
fn changed(server: &mut Server) {
    server.keyspace.effects.dirty += 1;
}

fn load(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let code = args.len() - 1;
    let mut existing = Existing::Keep;
    for at in 2..code {
        if !args.is(at, "replace") {
            let option = args.text(at).into_owned();
            return Err(CommandError::err(format_args!("Unknown option given: {option}")));
        }
        existing = Existing::Replace;
    }
    if args.len() > 4 {
        return Err(CommandError::new("ERR Unknown option given: replace"));
    }
    let (name, _) = library_name(args.get(code))?;
    if existing == Existing::Keep && server.scripts.libraries.contains(&name) {
        let name = text_of(&name).into_owned();
        return Err(CommandError::err(format_args!("Library '{name}' already exists")));
    }
    load_libraries(server, &[args.get(code)], existing)?;
    changed(server);
    server.reply(id).bulk(&name);
    Ok(())
}

fn delete(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    if !server.scripts.libraries.delete(args.get(2)) {
        return Err(CommandError::new("ERR Library not found"));
    }
    changed(server);
    server.reply(id).ok();
    Ok(())
}

fn flush(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    const ONLY: CommandError = CommandError::new("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    check_flush_mode(args, "function", ONLY)?;
    server.scripts.libraries.flush();
    changed(server);
    server.reply(id).ok();
    Ok(())
}

fn dump(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let payload = dump_libraries(&server.scripts.libraries.codes());
    server.reply(id).bulk(&payload);
    Ok(())
}

fn restore(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let existing = match args.len() {
        3 => Existing::Keep,
        4 if args.is(3, "append") => Existing::Keep,
        4 if args.is(3, "replace") => Existing::Replace,
        4 if args.is(3, "flush") => Existing::Flush,
        4 => {
            return Err(CommandError::new(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
        _ => return Err(CommandError::subcommand_syntax(args.get(1), "function")),
    };
    let codes = restore_libraries(args.get(2)).map_err(CommandError::new)?;
    let codes: Vec<&[u8]> = codes.iter().map(Vec::as_slice).collect();
    load_libraries(server, &codes, existing)?;
    changed(server);
    server.reply(id).ok();
    Ok(())
}

fn list(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let (mut pattern, mut with_code) = (None, false);
    let mut at = 2;
    while at < args.len() {
        if !with_code && args.is(at, "withcode") {
            with_code = true;
        } else if pattern.is_none() && args.is(at, "libraryname") {
            at += 1;
            if at == args.len() {
                return Err(CommandError::new("ERR library name argument was not given"));
            }
            pattern = Some(args.get(at));
        } else {
            let argument = args.text(at).into_owned();
            return Err(CommandError::err(format_args!("Unknown argument {argument}")));
        }
        at += 1;
    }
    server.will_write(id);
    let client = &mut server.clients[id];
    let mut reply = Reply::new(&mut client.output, client.resp3);
    let is_wanted = |library: &&Library| pattern.is_none_or(|pattern| glob_match(pattern, &library.name, false));
    let libraries: Vec<&Library> = server.scripts.libraries.iter().filter(is_wanted).collect();
    reply.array(libraries.len());
    for library in libraries {
        describe(&mut reply, library, with_code);
    }
    Ok(())
}

fn describe(reply: &mut Reply, library: &Library, with_code: bool) {
    reply.map(3 + with_code as usize);
    reply.named("library_name").bulk(&library.name);
    reply.named("engine").bulk(b"LUA");
    reply.named("functions").array(library.functions.len());
    for function in &library.functions {
        reply.map(3);
        reply.named("name").bulk(&function.name);
        reply.bulk(b"description");
        match &function.description {
            Some(description) => reply.bulk(description),
            None => reply.null(),
        }
        reply.named("flags").set(function.flags.names().count());
        function.flags.names().for_each(|flag| reply.simple(flag));
    }
    if with_code {
        reply.named("library_code").bulk(&library.code);
    }
}

fn kill(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    server.scripts.kill(RunningKind::Function)?;
    server.reply(id).ok();
    Ok(())
}

fn stats(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    server.will_write(id);
    let client = &mut server.clients[id];
    let mut reply = Reply::new(&mut client.output, client.resp3);
    reply.map(2);
    reply.bulk(b"running_script");
    let running = server.scripts.running.as_ref().filter(|running| running.kind == RunningKind::Function);
    match running.and_then(|running| Some((running, running.busy.as_ref()?))) {
        None => reply.null(),
        Some((running, request)) => {
            reply.map(3);
            reply.named("name").bulk(request.args().get(1));
            reply.named("command").bulks(request.args().iter());
            reply.bulk(b"duration_ms");
            let nanos = server.clock.nanos_between(running.started, server.clock.stamp());
            reply.integer((nanos / 1_000_000) as i64);
        }
    }
    reply.named("engines").map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.named("libraries_count").integer(server.scripts.libraries.len() as i64);
    reply.named("functions_count").integer(server.scripts.libraries.functions() as i64);
    Ok(())
}
