//! Replication, both ways.
//!
//! * `serve`     replicas ask for the data set or the stream
//! * `transfer`  a data set is sent: through a file, or as a child writes it
//! * `follow`    we follow a primary: connecting, and what becomes of the connection
//! * `handshake` what is said before the data set or the stream comes
//! * `position`  where in its history a data set is
//! * `receive`   a data set comes and is loaded
//! * `apply`     the stream of the primary is run
//! * `acks`      WAIT and WAITAOF
//! * `failover`  FAILOVER
//! * `own_keys`  keys that expire on a writable replica
//! * `heartbeat` what happens each second

pub mod acks;
pub mod apply;
pub mod failover;
pub mod follow;
pub mod handshake;
pub mod heartbeat;
pub mod own_keys;
pub mod position;
pub mod receive;
pub mod serve;
pub mod transfer;

use crate::engine::shutdown;
use crate::server::replication::replica::Replica;
use crate::server::{ClientFlags, ClientId, Server};

/// Called before the loop sleeps: has the new part of the stream sent.
#[inline]
pub fn before_sleep(server: &mut Server) {
    let replication = &server.replication;
    if replication.stream.is_kept()
        || replication.acks_came
        || !replication.waits.is_empty()
        || !replication.replicas.is_empty()
    {
        send_what_is_new(server);
    }
}

fn send_what_is_new(server: &mut Server) {
    let some_wait_for_disks = server.replication.waits.iter().any(|wait| wait.goal.durable.is_some());
    if std::mem::take(&mut server.replication.acks_came) || some_wait_for_disks {
        acks::serve(server);
        failover::check(server);
        shutdown::go_on_if_in_sync(server);
    }
    if std::mem::take(&mut server.replication.ask_for_acks) {
        acks::ask(server);
    }
    transfer::pump(server);
    let stream = &mut server.replication.stream;
    let offset = stream.offset();
    if stream.announced != offset {
        stream.announced = offset;
        for id in online_replicas(server) {
            server.will_write(id);
        }
        for id in server.replication.replicas.clone() {
            server.check_output_limit(id);
        }
    }
    let replicas = &server.replication.replicas;
    let needed = replicas.iter().filter_map(|&id| server.clients.get(id)?.replica.as_ref()?.needs_from()).min();
    server.replication.stream.trim(server.config.repl_backlog_size, needed);
}

/// The replicas to which the stream is sent.
pub fn online_replicas(server: &Server) -> Vec<ClientId> {
    replicas_that(server, Replica::is_online)
}

/// The replicas for which `holds` is true.
pub fn replicas_that(server: &Server, holds: impl Fn(&Replica) -> bool) -> Vec<ClientId> {
    let replicas = &server.replication.replicas;
    let held = |id: &&ClientId| {
        server.clients.get(**id).is_some_and(|client| {
            !client.flags.contains(ClientFlags::CLOSE_NOW)
                && client.replica.as_ref().is_some_and(|replica| holds(replica))
        })
    };
    replicas.iter().filter(held).copied().collect()
}

/// The name of a replica in the log.
pub fn replica_name(server: &Server, id: ClientId) -> String {
    let (address, port) = replica_address(server, id);
    format!("{address}:{port}")
}

/// The address of a replica: as it said, or as we see it.
pub fn replica_address(server: &Server, id: ClientId) -> (String, u16) {
    let client = &server.clients[id];
    let replica = client.replica.as_deref();
    let seen = client.addr.rsplit_once(':').map_or(&client.addr[..], |(ip, _)| ip.trim_matches(['[', ']']));
    let address = match replica {
        Some(replica) if !replica.address.is_empty() => String::from_utf8_lossy(&replica.address).into_owned(),
        _ => seen.to_owned(),
    };
    (address, replica.map_or(0, |replica| replica.listening_port))
}

/// A client is gone: if it was the primary's connection or a replica, sees to what follows from that.
pub fn client_closed(server: &mut Server, id: ClientId) {
    let Some(client) = server.clients.get(id) else { return };
    if client.flags.contains(ClientFlags::PRIMARY) {
        follow::lost(server, id);
    } else if client.flags.contains(ClientFlags::REPLICA) {
        log::info!("Connection with replica {} lost.", replica_name(server, id));
        server.replication.replicas.retain(|&other| other != id);
        // Its absence may end a wait: check them all.
        server.replication.acks_came = true;
        if server.replication.replicas.is_empty() {
            server.replication.no_replicas_since_ms = server.clock.now_ms;
        }
        transfer::replica_gone(server);
        failover::replica_gone(server);
    }
}

/// Disconnects all replicas, so that they connect and ask again.
pub fn disconnect_replicas(server: &mut Server) {
    for id in server.replication.replicas.clone() {
        server.close_client(id);
    }
}
