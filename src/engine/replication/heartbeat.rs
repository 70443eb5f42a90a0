//! The heartbeat, each second: the primary and replicas hear that this server lives, and connections that were
//! silent for too long are closed.

use super::{apply, follow, own_keys, replica_name, replicas_that, transfer};
use crate::server::replication::failover::FailoverState;
use crate::server::replication::primary::Link;
use crate::server::replication::replica::{Replica, ReplicaState};
use crate::server::{ClientId, Server, Timer};

const INTERVAL_MS: u64 = 1000;

/// Starts the heartbeat, which goes on while there is a primary, a replica or a stream.
pub fn start(server: &mut Server) {
    if server.replication.heartbeat.is_none() {
        let at = server.clock.now_ms + INTERVAL_MS;
        server.replication.heartbeat = Some(server.timers.insert(at, Timer::Heartbeat));
    }
}

pub fn beat(server: &mut Server) {
    server.replication.heartbeat = None;
    server.replication.beats += 1;
    if server.replication.is_replica() {
        look_after_primary(server);
        own_keys::expire(server);
    }
    look_after_replicas(server);
    drop_unused_stream(server);
    let replication = &server.replication;
    if replication.is_replica() || replication.stream.is_kept() || !replication.replicas.is_empty() {
        start(server);
    }
}

fn look_after_primary(server: &mut Server) {
    let (now_ms, timeout_ms) = (server.clock.now_ms, server.config.repl_timeout as u64 * 1000);
    let Some(primary) = &server.replication.primary else { return };
    let is_silent = |since_ms: u64| now_ms.saturating_sub(since_ms) > timeout_ms;
    match &primary.link {
        Link::Down => follow::connect(server),
        Link::Resolving | Link::Handshake(_) if is_silent(primary.heard_ms) => {
            log::warn!("Timeout connecting to the MASTER...");
            follow::drop_link(server);
        }
        Link::Transfer(_) if is_silent(primary.heard_ms) => {
            log::warn!(
                "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter in redis.conf to a larger value."
            );
            follow::drop_link(server);
        }
        &Link::Up(id) if is_silent(server.clients[id].active_ms) => {
            log::warn!("MASTER timeout: no data nor PING received...");
            server.close_client(id);
        }
        Link::Up(_) => apply::send_ack(server),
        Link::Loading(_) => follow::say_we_are_there(server),
        Link::Resolving | Link::Handshake(_) | Link::Transfer(_) => (),
    }
}

fn look_after_replicas(server: &mut Server) {
    if server.replication.replicas.is_empty() {
        return;
    }
    let period = server.config.repl_ping_replica_period as u64;
    // While a replica takes over, the stream must not move.
    let stands_still = server.replication.failover.state != FailoverState::None && server.pause.holds_writes;
    if server.replication.beats.is_multiple_of(period)
        && !stands_still
        && let Some(stream) = server.replication.stream_of_own_changes(false)
    {
        stream.append_marker([&b"PING"[..]].into_iter());
    }
    // Replicas that wait for a data set get an empty line, so that they do not time out.
    let waits = |replica: &Replica| matches!(replica.state, ReplicaState::WaitsForChild | ReplicaState::WaitsForFile);
    for id in replicas_that(server, waits) {
        server.reply(id).raw(b"\n");
    }
    let (now_ms, timeout_ms) = (server.clock.now_ms, server.config.repl_timeout as u64 * 1000);
    let is_silent = |id: &ClientId| {
        let Some((client, replica)) =
            server.clients.get(*id).and_then(|client| Some((client, client.replica.as_deref()?)))
        else {
            return false;
        };
        let hears = match replica.state {
            ReplicaState::Online | ReplicaState::ReceivesFile(_) | ReplicaState::Loads => true,
            // With nothing to be sent to it, it waits for the child or for slower replicas.
            ReplicaState::ReceivesPipe(at) => {
                server.replication.transfer.as_ref().is_some_and(|transfer| at < transfer.log.end())
            }
            _ => false,
        };
        // A replica that loads a data set sends empty lines, which count as activity.
        let heard_ms = replica.acked_ms.max(client.active_ms);
        hears && !replica.without_offsets && now_ms.saturating_sub(heard_ms) > timeout_ms
    };
    let silent: Vec<ClientId> = server.replication.replicas.iter().copied().filter(is_silent).collect();
    for id in silent {
        let phase = match server.clients[id].replica.as_deref().is_some_and(Replica::is_online) {
            true => "streaming sync",
            false => "full sync",
        };
        log::warn!("Disconnecting timedout replica ({phase}): {}", replica_name(server, id));
        server.close_client(id);
    }
    transfer::arrange(server);
}

/// Drops the stream when there has been no replica for `repl-backlog-ttl`.
fn drop_unused_stream(server: &mut Server) {
    let replication = &mut server.replication;
    let ttl_ms = server.config.repl_backlog_ttl.saturating_mul(1000);
    let unused_ms = server.clock.now_ms.saturating_sub(replication.no_replicas_since_ms);
    if replication.is_replica()
        || !replication.replicas.is_empty()
        || !replication.stream.is_kept()
        || ttl_ms == 0
        || unused_ms <= ttl_ms
    {
        return;
    }
    // Changes from here on are not counted in the offset, so a replica that comes back with the old ID
    // must not be taken to have seen them.
    replication.start_new_history();
    replication.stream.drop_kept();
    log::info!("Replication backlog freed after {} seconds without connected replicas.", ttl_ms / 1000);
}
