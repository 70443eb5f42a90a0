//! Running one command: the handler, its reply, its effects, its time.

use super::propagate::propagate;
use super::replication::{apply, own_keys};
use super::{blocking, observe};
use crate::resp::{Args, CommandError, CommandResult, Reply};
use crate::server::blocked::Attempt;
use crate::server::command::{Caller, DataContext, Handler};
use crate::server::command_table::Found;
use crate::server::stats::Stats;
use crate::server::{ClientFlags, ClientId, ReplyMode, Server};

/// The handler of a data command.
pub type DataHandler = fn(&mut DataContext, &Args) -> CommandResult;
/// The handler of a command that may wait for keys.
pub type BlockingHandler = fn(&mut DataContext, &Args) -> Result<Attempt, CommandError>;

/// Runs a command that passed the gates. Its effects are drained when this returns.
pub fn call(server: &mut Server, id: ClientId, found: Found, args: &Args) {
    // A command that waited was shown when it blocked. A script is shown before the commands that it runs.
    let is_shown = !server.monitors.is_empty() && server.blocked.retry.is_none();
    let is_script = found.command.script_flags.is_some();
    if is_shown && is_script {
        observe::show(server, id, found.command, args);
    }
    match found.command.handler {
        Handler::Data(run) => {
            server.will_write(id);
            call_data(server, id, found, run, args);
        }
        Handler::Blocking(run) => {
            server.will_write(id);
            call_blocking(server, id, found, run, args);
        }
        Handler::Server(run) => call_server(server, id, found, run, args),
        Handler::Container => unreachable!("a container was resolved to its subcommand"),
    }
    if server.tracking.clients() > 0 {
        server.track_command(id, found, args);
    }
    if is_shown && !is_script {
        observe::show(server, id, found.command, args);
    }
}

/// As [`call`], for a data command of a client that has an output buffer. Data commands change neither
/// clients nor the server, so a caller need not check these again. Gives the bytes that wait to be sent.
#[inline]
pub fn call_data(server: &mut Server, id: ClientId, found: Found, run: DataHandler, args: &Args) -> usize {
    let (mark, db) = (server.clients[id].output.mark(), server.clients[id].db);
    run_with_context(server, id, found, |context| run(context, args));
    let client = &server.clients[id];
    let waiting = client.output.len();
    if client.reply_mode != ReplyMode::On {
        apply_reply_mode(server, id, mark);
    }
    finish(server, id, db, found, args);
    waiting
}

/// Runs a handler that needs the keyspace only; its error is the reply.
#[inline(always)]
fn run_with_context<T>(
    server: &mut Server,
    id: ClientId,
    found: Found,
    run: impl FnOnce(&mut DataContext) -> Result<T, CommandError>,
) -> Option<T> {
    let client = &mut server.clients[id];
    client.last_command = Some(found.index);
    let mark = client.output.mark();
    server.keyspace.select(client.db);
    let stamps = server.keyspace.stamps;
    if client.flags.contains(ClientFlags::NO_TOUCH) {
        server.keyspace.stamps = false;
    }
    let mut context = DataContext {
        keyspace: &mut server.keyspace,
        reply: Reply::new(&mut client.output, client.resp3),
        config: &server.config,
        caller: Caller { flags: client.flags, user: &client.user, found },
    };
    let result = run(&mut context);
    if let Err(error) = &result {
        client.output.truncate(mark);
        Reply::new(&mut client.output, client.resp3).error(error);
        failed(&mut server.stats, found, error);
        if client.flags.contains(ClientFlags::PRIMARY) {
            apply::log_error(found.command.name, error);
        }
    }
    server.keyspace.stamps = stamps;
    result.ok()
}

/// As [`call_data`], for a command that may block. A command that blocks is counted when it has run in
/// the end.
fn call_blocking(server: &mut Server, id: ClientId, found: Found, run: BlockingHandler, args: &Args) {
    let (mark, db) = (server.clients[id].output.mark(), server.clients[id].db);
    if let Some(Attempt::Wait(wait)) = run_with_context(server, id, found, |context| run(context, args)) {
        blocking::wait(server, id, wait, args);
    }
    if server.clients[id].flags.contains(ClientFlags::BLOCKED) {
        server.execution.command_started = server.clock.stamp();
        return drain_effects(server, db, None);
    }
    apply_reply_mode(server, id, mark);
    finish(server, id, db, found, args);
}

fn call_server(
    server: &mut Server,
    id: ClientId,
    found: Found,
    run: fn(&mut Server, ClientId, &Args) -> CommandResult,
    args: &Args,
) {
    server.will_write(id);
    let client = &mut server.clients[id];
    client.last_command = Some(found.index);
    let mark = client.output.mark();
    let db = client.db;
    server.keyspace.select(db);
    // EXEC and scripts run commands, which set this as well.
    let started = server.execution.command_started;
    let result = run(server, id, args);
    server.execution.command_started = started;
    if let Err(error) = result {
        failed(&mut server.stats, found, &error);
        // A handler may have closed its own client.
        if let Some(client) = server.clients.get_mut(id) {
            client.output.truncate(mark);
            Reply::new(&mut client.output, client.resp3).error(&error);
        }
    }
    // A blocked client has no reply yet.
    if server.clients.get(id).is_some_and(|client| !client.flags.contains(ClientFlags::BLOCKED)) {
        apply_reply_mode(server, id, mark);
    }
    finish(server, id, db, found, args);
    server.push_after_reply();
}

#[cold]
fn failed(stats: &mut Stats, found: Found, error: &CommandError) {
    stats.of(found.index).failed += 1;
    if !error.is_counted() {
        stats.count_error(error.code());
    }
}

/// Counts a command that ran, and drains what it did.
#[inline]
fn finish(server: &mut Server, id: ClientId, db: usize, found: Found, args: &Args) {
    // One reading a command: the end of one is the beginning of the next.
    let now = server.clock.stamp();
    let nanos = server.clock.nanos_between(server.execution.command_started, now);
    server.execution.command_started = now;
    server.stats.ran(found.index, nanos, server.config.latency_tracking);
    if nanos >= server.slow_nanos {
        observe::slow(server, id, found, args, nanos);
    }
    if server.keyspace.effects.are_any() {
        drain_effects(server, db, Some(args));
        let offset = server.replication.stream.offset();
        if let Some(client) = server.clients.get_mut(id) {
            client.write_offset = offset;
        }
        if server.replication.is_replica() {
            own_keys::note(server, id, db, found, args);
        }
        server.push_after_reply();
    }
    free_garbage(server);
}

/// Hands values that take long to free to the helper thread.
#[inline]
pub fn free_garbage(server: &mut Server) {
    if !server.keyspace.lazy_free.is_empty() {
        server.background.free(std::mem::take(&mut server.keyspace.lazy_free));
    }
}

/// Passes on what a command, or the expiry of keys, did, and serves the clients that waited for it.
pub fn drain_effects(server: &mut Server, db: usize, args: Option<&Args>) {
    propagate(server, db, args);
    if !server.keyspace.effects.events.is_empty() {
        server.publish_events();
    }
    let effects = &server.keyspace.effects;
    if effects.flushed || !effects.tracked_changes.is_empty() {
        server.tell_changes();
    }
    if !server.keyspace.effects.watched_changes.is_empty() {
        server.notice_touched_keys();
    }
    if !server.keyspace.effects.ready.is_empty() && !server.execution.is_atomic() {
        blocking::serve_ready(server);
    }
}

/// Takes the reply after `mark` back if CLIENT REPLY said that it is not wanted.
pub fn apply_reply_mode(server: &mut Server, id: ClientId, mark: (usize, usize)) {
    let Some(client) = server.clients.get_mut(id) else { return };
    if client.flags.contains(ClientFlags::PUSHED) {
        client.flags -= ClientFlags::PUSHED;
        return;
    }
    match client.reply_mode {
        ReplyMode::On => return,
        ReplyMode::Off => (),
        ReplyMode::SkipNext => client.reply_mode = ReplyMode::Skip,
        ReplyMode::Skip => client.reply_mode = ReplyMode::On,
    }
    client.output.truncate(mark);
}
