//! Running one command: the handler, its reply, its effects, its time.

use crate::keyspace::Propagate;
use crate::resp::{Args, Reply};
use crate::server::command::{DataContext, Handler};
use crate::server::command_table::Found;
use crate::server::{ClientFlags, ClientId, ReplyMode, Server};

/// Runs a command that passed the gates. Its effects are drained when this returns.
#[inline]
pub fn call(server: &mut Server, id: ClientId, found: Found, args: &Args) {
    let command = found.command;
    server.will_write(id);
    let client = &mut server.clients[id];
    client.last_command = Some(found.index);
    let mark = client.output.mark();
    let db = client.db;
    if db != server.keyspace.selected() {
        server.keyspace.select(db);
    }
    if client.flags.contains(ClientFlags::NO_TOUCH) {
        server.keyspace.access_clock = None;
    }
    let result = match command.handler {
        Handler::Data(run) => run(
            &mut DataContext {
                keyspace: &mut server.keyspace,
                reply: Reply::new(&mut client.output, client.resp3),
                config: &server.config,
            },
            args,
        ),
        Handler::Server(run) => run(server, id, args),
        Handler::Container => unreachable!("a container was resolved to its subcommand"),
    };
    server.keyspace.access_clock = Some(server.access_clock);

    // One reading a command: the end of one is the beginning of the next.
    let now = server.clock.stamp();
    let nanos = server.clock.nanos_between(server.command_started, now);
    server.command_started = now;
    let track_latency = server.config.latency_tracking;
    let stats = server.stats.of(found.index);
    stats.record(nanos, track_latency);
    server.stats.commands_processed += 1;
    server.stats.loop_command_nanos += nanos;

    if let Err(error) = &result {
        server.stats.of(found.index).failed += 1;
        server.stats.count_error(error.code());
        // A handler may have closed its own client.
        if let Some(client) = server.clients.get_mut(id) {
            client.output.truncate(mark);
            Reply::new(&mut client.output, client.resp3).error(error);
        }
    }
    let effects = &server.keyspace.effects;
    if effects.dirty > 0 || !effects.deleted.is_empty() || !effects.rewritten.is_empty() || !effects.events.is_empty() {
        drain_effects(server, db, Some(args));
    }
    if !server.keyspace.lazy_free.is_empty() {
        let garbage = std::mem::take(&mut server.keyspace.lazy_free);
        server.background.free(garbage);
    }
    if server.clients.get(id).is_some_and(|client| client.reply_mode != ReplyMode::On) {
        apply_reply_mode(server, id, mark);
    }
}

/// Passes on what a command, or the expiry of keys, did.
pub fn drain_effects(server: &mut Server, db: usize, args: Option<&Args>) {
    let effects = &mut server.keyspace.effects;
    let dirty = std::mem::take(&mut effects.dirty);
    server.stats.dirty += dirty;
    let as_it_came = args.filter(|_| dirty > 0 && effects.propagate == Propagate::Request);
    effects.propagate = Propagate::Request;
    let count = effects.deleted.len() + effects.rewritten.len() + as_it_came.is_some() as usize;
    if count > 0
        && let Some(aof) = server.aof.as_mut().filter(|_| !server.loading)
    {
        // What one command did is repeated as a whole or not at all.
        let transaction = count > 1;
        if transaction {
            aof.append_marker(b"MULTI");
        }
        for (db, arguments) in effects.deleted.iter() {
            aof.append(db, arguments);
        }
        match as_it_came {
            Some(args) => match args.raw() {
                Some(raw) => aof.append_raw(db, raw),
                None => aof.append(db, args.iter()),
            },
            None => effects.rewritten.iter().for_each(|(db, arguments)| aof.append(db, arguments)),
        }
        if transaction {
            aof.append_marker(b"EXEC");
        }
    }
    effects.deleted.clear();
    effects.rewritten.clear();
    effects.events.clear();
}

/// Takes back a reply that CLIENT REPLY said is not wanted.
pub fn apply_reply_mode(server: &mut Server, id: ClientId, mark: (usize, usize)) {
    let Some(client) = server.clients.get_mut(id) else { return };
    match client.reply_mode {
        ReplyMode::On => return,
        ReplyMode::Off => (),
        ReplyMode::SkipNext => client.reply_mode = ReplyMode::Skip,
        ReplyMode::Skip => client.reply_mode = ReplyMode::On,
    }
    client.output.truncate(mark);
}
