//! Running scripts and functions: their gates, their commands, and what becomes of what they did.
//!
//! A script's commands are run by a client of its own, in one transaction: they are propagated as a whole,
//! as those of a transaction are. A script that runs for long lets the loop take a turn now and then,
//! in which all but a few commands are refused.

use super::call::call;
use super::dispatch::{denied_text, stale, writes_allowed};
use super::propagate::end_transaction;
use crate::keyspace::Commands;
use crate::resp::text::text_of;
use crate::resp::{Args, CommandError, CommandResult, Output, Reply};
use crate::script::debugger::{DebuggedHost, Debugger};
use crate::script::interpreter::Code;
use crate::script::library::{Existing, Library, stage};
use crate::script::{Host, Interpreter, ReplicateTo, ScriptError, ScriptFlags, with_host};
use crate::server::acl::Context;
use crate::server::clock::{Clock, unix_us};
use crate::server::command::flag;
use crate::server::command_table::Found;
use crate::server::scripts::{Running, RunningKind};
use crate::server::{ClientFlags, ClientId, Server};
use std::rc::Rc;

/// A call of a script or function.
pub struct Call<'a> {
    pub interpreter: Rc<Interpreter>,
    pub code: Code,
    pub flags: ScriptFlags,
    /// EVAL_RO and the like: the script may not write.
    pub read_only: bool,
    /// What errors call it.
    pub name: &'a [u8],
    /// The whole request, with this many keys from index 3 on.
    pub request: Args<'a>,
    pub keys: usize,
    /// The session that it is debugged in.
    pub debugger: Option<&'a Debugger>,
}

/// How often the other clients get a turn while a script runs on that was killed.
const TURN_INTERVAL_MS: u64 = 10;

/// The index of the first key in EVAL, FCALL and the like.
const FIRST_KEY: usize = 3;

/// Runs a script and answers its caller.
pub fn run(server: &mut Server, id: ClientId, mut script: Call) -> CommandResult {
    let caller = &server.clients[id];
    if !caller.flags.intersects(ClientFlags::INTERNAL | ClientFlags::PRIMARY) {
        check(server, &script)?;
    }
    // A script that only reads needs no memory, and writes nothing.
    script.read_only |= script.flags.contains(ScriptFlags::NO_WRITES);
    let client = server.script_client(id);
    let kind = match script.code {
        Code::Script(_) => RunningKind::Script,
        Code::Function(_) => RunningKind::Function,
    };
    let (started, time_us) = (server.clock.stamp(), server.clock.unix_us);
    server.scripts.running =
        Some(Running { kind, caller: id, started, turned: started, time_us, wrote: false, killed: false, busy: None });
    let is_transaction = !server.execution.is_atomic();
    if is_transaction {
        server.execution.also_propagate = Some(Commands::default());
    }
    let mut host = ScriptHost { server, script: &script, client, resp3: false };
    let arguments = script.request.from(FIRST_KEY);
    let keys = arguments.iter().take(script.keys);
    let values = arguments.iter().skip(script.keys);
    let run = || script.interpreter.run(script.code, keys, values);
    let result = match script.debugger {
        None => with_host(&mut host, run),
        Some(debugger) => with_host(&mut DebuggedHost { host: &mut host, debugger }, run),
    };
    let resp3 = host.resp3;
    let busy = server.scripts.running.take().is_some_and(|running| running.busy.is_some());
    server.execution.propagate_to(ReplicateTo::all());
    if server.shutdown.prepared && busy {
        // SHUTDOWN NOSAVE ended it half way: what it did is gone with the rest.
        server.execution.also_propagate = None;
    } else if is_transaction {
        end_transaction(server);
    }
    let value = result.map_err(|error| uncaught(error, script.name))?;
    if let Some(error) = script.interpreter.returned_error(&value) {
        return Err(command_error(error.text, error.counted));
    }
    let mut reply = server.reply(id);
    script
        .interpreter
        .write_reply(&value, resp3, &mut reply)
        .map_err(|_| CommandError::new("ERR reached lua stack limit"))
}

/// Checks the flags that a script declares against the state of the server before it runs.
fn check(server: &Server, script: &Call) -> CommandResult {
    let flags = script.flags;
    if !flags.contains(ScriptFlags::ALLOW_STALE)
        && let Some(error) = stale(server)
    {
        return Err(error);
    }
    if flags.intersects(ScriptFlags::UNDECLARED | ScriptFlags::NO_WRITES) {
        return Ok(());
    }
    if script.read_only {
        return Err(CommandError::new("ERR Can not execute a script with write flag using *_ro command."));
    }
    writes_allowed(server)
}

/// The reply to an error that the script did not catch.
fn uncaught(error: ScriptError, name: &[u8]) -> CommandError {
    let name = text_of(name);
    let text = match &error.position {
        Some((source, line)) => format!("{} script: {name}, on {source}:{line}.", error.text),
        None => format!("{} script: {name}", error.text),
    };
    command_error(text, error.counted)
}

fn command_error(text: String, counted: bool) -> CommandError {
    let error = CommandError::coded(text);
    if counted { error.counted() } else { error }
}

/// What a script runs in.
struct ScriptHost<'a> {
    server: &'a mut Server,
    script: &'a Call<'a>,
    /// The client without a connection that runs its commands.
    client: ClientId,
    resp3: bool,
}

impl ScriptHost<'_> {
    fn running(&mut self) -> &mut Running {
        self.server.scripts.running.as_mut().expect("it runs")
    }

    /// The command that a script calls, or the error if there is none or it may not be called.
    fn find(&self, args: &Args) -> Result<Found, CommandError> {
        const UNKNOWN: CommandError = CommandError::new("ERR Unknown Redis command called from script");
        const WRONG_ARITY: CommandError =
            CommandError::new("ERR Wrong number of args calling Redis command from script");
        let found = self.server.commands.find_request(args).ok_or(UNKNOWN)?;
        if found.command.accepts(args.len()) { Ok(found) } else { Err(WRONG_ARITY) }
    }

    /// The gates of a script's command, in Redis's order.
    fn gates(&mut self, found: Found, args: &Args) -> CommandResult {
        let command = found.command;
        if command.has(flag::NOSCRIPT) && !self.server.scripts.allow_all_commands {
            return Err(CommandError::new("ERR This Redis command is not allowed from script"));
        }
        if !command.has(flag::STALE) && stale(self.server).is_some() {
            return Err(CommandError::new("ERR Can not execute the command on a stale replica"));
        }
        // It runs with the permissions of its caller, and in its name.
        let caller = self.running().caller;
        self.server.check_access(caller, found, args, Context::Lua).map_err(|denied| {
            let what = denied_text(self.server, caller, found, denied);
            CommandError::err(format_args!("ACL failure in script: {what}"))
        })?;
        let writes = command.has(flag::WRITE);
        if self.script.read_only && command.has(flag::WRITE | flag::MAY_REPLICATE) {
            return Err(CommandError::new("ERR Write commands are not allowed from read-only scripts."));
        }
        // Commands that ran before passed these gates then. Once a script has written, it is not stopped half way
        // because the state of the server has changed.
        if !self.server.clients[caller].flags.repeats() && !self.running().wrote {
            if writes {
                writes_allowed(self.server)?;
            }
            let needs_memory = command.has(flag::DENYOOM) && !self.script.flags.contains(ScriptFlags::ALLOW_OOM);
            if needs_memory && self.server.memory.exhausted {
                return Err(CommandError::OOM);
            }
        }
        self.running().wrote |= writes;
        Ok(())
    }

    /// Lets the loop take a turn for all other clients.
    fn busy_turn(&mut self) {
        let server = &mut *self.server;
        if let Some(mut turn) = server.scripts.busy_turn.take() {
            // The turn runs commands of other clients; afterwards the script needs these as they were.
            let (executing, exhausted) = (server.execution.client.take(), server.memory.exhausted);
            turn(server);
            (server.execution.client, server.memory.exhausted) = (executing, exhausted);
            server.scripts.busy_turn = Some(turn);
        }
        let now = self.server.clock.stamp();
        let running = self.running();
        running.turned = now;
        running.time_us = unix_us();
    }
}

impl Host for ScriptHost<'_> {
    fn call(&mut self, args: &Args, reply: &mut Vec<u8>) -> bool {
        let found = self.find(args);
        let passed = found.as_ref().map_err(Clone::clone).and_then(|&found| self.gates(found, args));
        match (found, passed) {
            (Ok(found), Ok(())) => {
                // The time that Lua took since the command before is not this command's.
                self.server.execution.command_started = self.server.clock.stamp();
                call(self.server, self.client, found, args);
                take_reply(&mut self.server.clients[self.client].output, reply);
                true
            }
            (found, Err(error)) => {
                if let Ok(found) = found {
                    self.server.stats.of(found.index).rejected += 1;
                }
                self.server.stats.count_error(error.code());
                write_error(&error, reply);
                false
            }
            (Err(_), Ok(())) => unreachable!("an error stays one"),
        }
    }

    fn may_run(&mut self, args: &Args) -> Option<bool> {
        let found = self.server.commands.find_request(args)?;
        Some(self.server.clients[self.client].user.check(found, args).is_ok())
    }

    fn set_resp3(&mut self, resp3: bool) {
        self.resp3 = resp3;
        self.server.clients[self.client].resp3 = resp3;
    }

    fn replicate_to(&mut self, to: ReplicateTo) {
        self.server.replication.beyond_aof |= !to.contains(ReplicateTo::AOF);
        self.server.execution.propagate_to(to);
    }

    fn interrupt(&mut self) -> Option<String> {
        let threshold_ms = self.server.config.busy_reply_threshold;
        let now = self.server.clock.stamp();
        let (started, is_busy) = (self.running().started, self.running().busy.is_some());
        let elapsed_ms = self.server.clock.nanos_between(started, now) / 1_000_000;
        if !is_busy {
            if threshold_ms == 0 || elapsed_ms < threshold_ms {
                return None;
            }
            let kind = self.running().kind;
            self.running().busy = Some(self.script.request.to_owned());
            log::warn!(
                "Slow script detected: still in execution after {elapsed_ms} milliseconds. You can try killing the script using the {} command. Script name is: {}.",
                kind.kill_command(),
                String::from_utf8_lossy(self.script.name)
            );
        }
        // One that was killed and does not end is asked at each instruction.
        let turned = self.running().turned;
        let since_turn_ms = self.server.clock.nanos_between(turned, now) / 1_000_000;
        if !self.server.shutdown.prepared && (!self.running().killed || since_turn_ms >= TURN_INTERVAL_MS) {
            self.busy_turn();
        }
        let killed = self.running().killed || self.server.shutdown.prepared;
        killed.then(|| format!("Script killed by user with {}.", self.running().kind.kill_command()))
    }
}

/// Moves what a command answered.
fn take_reply(output: &mut Output, reply: &mut Vec<u8>) {
    if output.large.is_empty() {
        std::mem::swap(&mut output.bytes, reply);
    } else {
        output.slices().for_each(|slice| reply.extend_from_slice(slice));
    }
    output.clear();
}

fn write_error(error: &CommandError, reply: &mut Vec<u8>) {
    let mut output = Output::default();
    Reply::new(&mut output, false).error(error);
    reply.extend_from_slice(&output.bytes);
}

/// Compiles and runs libraries, and adds them, all or none.
pub fn load_libraries(server: &mut Server, codes: &[&[u8]], existing: Existing) -> CommandResult {
    if codes.is_empty() && existing != Existing::Flush {
        return Ok(());
    }
    let interpreter = server.scripts.libraries.interpreter();
    let mut staged: Vec<Library> = Vec::new();
    for code in codes {
        let mut host = LoadHost { clock: &server.clock, started: server.clock.stamp() };
        match with_host(&mut host, || stage(&interpreter, code)) {
            Ok(library) => staged.push(library),
            Err(error) => {
                staged.iter().for_each(|library| server.scripts.libraries.discard(library));
                return Err(error);
            }
        }
    }
    server.scripts.libraries.add(staged, existing)
}

/// The host of a library that is being loaded: it may run for a moment, and call nothing.
struct LoadHost<'a> {
    clock: &'a Clock,
    started: u64,
}

impl Host for LoadHost<'_> {
    fn call(&mut self, _: &Args, reply: &mut Vec<u8>) -> bool {
        write_error(&CommandError::new("ERR a library can not run commands while it is loaded"), reply);
        false
    }

    fn interrupt(&mut self) -> Option<String> {
        const LOAD_MAX_MS: u64 = 500;
        let elapsed_ms = self.clock.nanos_between(self.started, self.clock.stamp()) / 1_000_000;
        (elapsed_ms > LOAD_MAX_MS).then(|| "FUNCTION LOAD timeout".to_owned())
    }
}

/// The flags of a script's command by what the script declares of itself.
pub fn flags_of_script(command: u32, script: ScriptFlags) -> u32 {
    if script.contains(ScriptFlags::UNDECLARED) {
        return command;
    }
    let mut flags = command & !(flag::STALE | flag::DENYOOM | flag::WRITE | flag::MAY_REPLICATE);
    if !script.contains(ScriptFlags::NO_WRITES) {
        flags |= flag::WRITE;
    }
    if !script.intersects(ScriptFlags::NO_WRITES | ScriptFlags::ALLOW_OOM) {
        flags |= flag::DENYOOM;
    }
    if script.contains(ScriptFlags::ALLOW_STALE) {
        flags |= flag::STALE;
    }
    flags
}
