//! Commands that wait for keys: when a waiting client is served, and how waiting ends.
//!
//! The keyspace's effects name the keys that a command made ready. After that command (or the whole
//! transaction), and before the next one of the same client, the clients that wait for these keys are
//! served: key by key in the order in which they became ready, client by client in the order in which
//! they blocked. Serving runs the client's command anew. A command that finds nothing (another client
//! was quicker, or the key expired) waits on with its old deadline, at the end of the queue.

use super::call::apply_reply_mode;
use super::dispatch::{self, Outcome};
use super::replication::acks;
use crate::resp::{Args, CommandError};
use crate::server::blocked::{Refused, Retry, Wait};
use crate::server::{ClientFlags, ClientId, Server};

/// Why a client stops waiting although no key had anything for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GaveUp {
    TimedOut,
    /// CLIENT UNBLOCK ERROR.
    WithError,
    /// The server became a replica.
    RoleChanged,
}

/// A blocking command found nothing: its client waits, unless it may not.
pub fn wait(server: &mut Server, id: ClientId, mut wait: Wait, args: &Args) {
    let retry = server.blocked.retry.take();
    let obeys = ClientFlags::INTERNAL | ClientFlags::PRIMARY;
    if server.execution.is_atomic() || server.clients[id].flags.intersects(obeys) {
        let mut reply = server.reply(id);
        return match wait.refused {
            Refused::Null => reply.null(),
            Refused::NullArray => reply.null_array(),
        };
    }
    let deadline_ms = match retry {
        Some(Retry { deadline_ms }) => deadline_ms,
        None if wait.timeout_ms == 0 => None,
        None => Some(server.clock.now_ms.saturating_add(wait.timeout_ms)),
    };
    let request = wait.request.take().unwrap_or_else(|| args.to_owned());
    server.block_client(id, request, &wait, deadline_ms);
}

/// Serves the clients that wait for keys that became ready.
pub fn serve_ready(server: &mut Server) {
    if std::mem::replace(&mut server.blocked.serving, true) {
        return;
    }
    while let Some((db, key)) = server.keyspace.effects.ready.pop_front() {
        serve_key(server, db, &key);
    }
    server.blocked.serving = false;
}

fn serve_key(server: &mut Server, db: usize, key: &[u8]) {
    // A client that blocks again while this key is served gets a later ticket, so it is not tried twice.
    let mut turns = 0..server.blocked.next_ticket();
    while let Some((ticket, id)) = server.blocked.next_waiter(db, key, turns.clone()) {
        turns.start = ticket + 1;
        let found = server.keyspace.in_db(db, |keyspace| keyspace.get(key).map(|entry| entry.type_()));
        if found.is_none() && !server.blocked.any_until_gone() {
            break;
        }
        let Some(blocked) = server.clients.get(id).and_then(|client| client.blocked.as_ref()) else { continue };
        if found == Some(blocked.for_type) || blocked.until_gone {
            try_again(server, id);
        }
    }
}

fn try_again(server: &mut Server, id: ClientId) {
    let Some(blocked) = server.unblock_client(id) else { return };
    server.blocked.retry = Some(Retry { deadline_ms: blocked.deadline_ms });
    let before = server.execution.client.replace(id);
    server.execution.command_started = server.clock.stamp();
    let outcome = dispatch::dispatch(server, id, &blocked.request.args());
    server.execution.client = before;
    server.blocked.retry = None;
    server.check_output_limit(id);
    let Some(client) = server.clients.get_mut(id) else { return };
    match outcome {
        Outcome::Blocked => (),
        Outcome::Held => {
            client.flags |= ClientFlags::PAUSED;
            client.held.insert(0, blocked.request);
            client.held_retry = Some(Retry { deadline_ms: blocked.deadline_ms });
        }
        Outcome::Done => server.pending_read(id),
    }
}

/// Ends a client's wait without what it waited for; false if it does not wait.
pub fn give_up(server: &mut Server, id: ClientId, how: GaveUp) -> bool {
    const UNBLOCKED: CommandError = CommandError::new("UNBLOCKED client unblocked via CLIENT UNBLOCK");
    const ROLE_CHANGED: CommandError = CommandError::new(
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    );
    let error = match how {
        GaveUp::TimedOut => None,
        GaveUp::WithError => Some(UNBLOCKED),
        GaveUp::RoleChanged => Some(ROLE_CHANGED),
    };
    if how == GaveUp::TimedOut && acks::end(server, id) {
        return true;
    }
    if server.unblock_client(id).is_none() && server.stop_waiting_for_acks(id).is_none() {
        return false;
    }
    let mark = server.clients[id].output.mark();
    if let Some(command) = server.clients[id].last_command {
        server.stats.ran(command, 0, server.config.latency_tracking);
        if let Some(error) = &error {
            server.stats.of(command).failed += 1;
            server.stats.count_error(error.code());
        }
    }
    match &error {
        None => server.reply(id).null_array(),
        Some(error) => server.reply(id).error(error),
    }
    apply_reply_mode(server, id, mark);
    server.pending_read(id);
    true
}

/// Unblocks all clients with an error, because the server becomes a replica: from then on its keys change only by
/// the primary's stream.
pub fn unblock_all(server: &mut Server) {
    for id in server.clients.ids_by_age() {
        give_up(server, id, GaveUp::RoleChanged);
    }
}
