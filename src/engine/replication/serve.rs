//! Answering PSYNC and SYNC: a replica gets the stream, or the data set and then the stream.

use super::{follow, heartbeat, replica_name, transfer};
use crate::engine::dispatch;
use crate::resp::{Args, CommandError, CommandResult};
use crate::server::replication::replica::{Replica, ReplicaState};
use crate::server::{ClientFlags, ClientId, Server};

/// PSYNC and SYNC.
pub fn sync(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    if server.clients[id].flags.contains(ClientFlags::REPLICA) {
        // COMPAT: a second request of a replica is ignored.
        return Ok(());
    }
    if args.len() > 3 {
        take_over(server, args)?;
    }
    if server.replication.primary.as_ref().is_some_and(|primary| !primary.is_up()) {
        return Err(CommandError::new("NOMASTERLINK Can't SYNC while not connected with my master"));
    }
    if !server.clients[id].output.is_empty() {
        return Err(CommandError::new("ERR SYNC and PSYNC are invalid with pending output"));
    }
    log::info!("Replica {} asks for synchronization", replica_name(server, id));
    let by_offset = args.is(0, "psync");
    if by_offset && args.int(2).is_err() {
        log::warn!("Replica {} asks for synchronization but with a wrong offset", replica_name(server, id));
    }
    let next = if by_offset { args.int(2)? } else { -1 };
    heartbeat::start(server);
    if by_offset {
        let history = args.text(1);
        let seen = next.checked_sub(1).and_then(|seen| u64::try_from(seen).ok());
        if let Some(seen) = seen.filter(|&seen| can_go_on(server, id, &history, seen)) {
            go_on(server, id, seen);
            return Ok(());
        }
        if &*history == "?" {
            log::info!("Full resync requested by replica {}", replica_name(server, id));
        } else {
            server.stats.replication.partial_refused += 1;
        }
    }
    server.stats.replication.full += 1;
    if !server.replication.stream.is_kept() {
        // Changes so far did not move the offset, so they need another history.
        server.replication.start_new_history();
        server.replication.stream.keep();
        log::info!(
            "Replication backlog created, my new replication IDs are '{}' and '{}'",
            server.replication.replid,
            "0".repeat(40)
        );
    }
    let now_ms = server.clock.now_ms;
    let replica = attach(server, id);
    replica.state = ReplicaState::WaitsForChild;
    replica.without_offsets = !by_offset;
    replica.acked_ms = now_ms;
    transfer::arrange(server);
    Ok(())
}

/// PSYNC id offset FAILOVER: our primary wants us to take over.
fn take_over(server: &mut Server, args: &Args) -> Result<(), CommandError> {
    if !args.is(3, "failover") {
        return Err(CommandError::SYNTAX);
    }
    log::warn!("Failover request received for replid {}.", args.text(1));
    if server.replication.primary.is_none() {
        return Err(CommandError::new("ERR PSYNC FAILOVER can't be sent to a master."));
    }
    if !args.get(1).eq_ignore_ascii_case(server.replication.replid.as_bytes()) {
        return Err(CommandError::new("ERR PSYNC FAILOVER replid must match my replid."));
    }
    follow::stop(server);
    log::info!("Failover request was accepted, promoting to master.");
    Ok(())
}

/// Marks a client as a replica that is to be sent something.
fn attach(server: &mut Server, id: ClientId) -> &mut Replica {
    server.replication.replicas.push(id);
    let client = &mut server.clients[id];
    client.flags |= ClientFlags::REPLICA;
    client.replica.get_or_insert_default()
}

/// Whether all that comes after what the replica has seen is still here.
fn can_go_on(server: &Server, id: ClientId, history: &str, seen: u64) -> bool {
    let replication = &server.replication;
    let name = replica_name(server, id);
    if !replication.shares_history(history, seen) {
        let known = history.eq_ignore_ascii_case(&replication.replid)
            || replication.replid2.as_ref().is_some_and(|second| history.eq_ignore_ascii_case(&second.replid));
        if known {
            log::info!(
                "Partial resynchronization not accepted: Requested offset for second ID was {}, but I can reply up to {}",
                seen + 1,
                replication.replid2.as_ref().map_or(0, |second| second.end + 1)
            );
        } else {
            log::info!(
                "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{history}', my replication IDs are '{}' and '{}')",
                replication.replid,
                replication.replid2.as_ref().map_or("0".repeat(40), |second| second.replid.clone())
            );
        }
        return false;
    }
    if !replication.stream.has_from(seen) {
        log::info!(
            "Unable to partial resync with replica {name} for lack of backlog (Replica request was: {}).",
            seen + 1
        );
        return false;
    }
    true
}

/// Sends the stream from an offset on.
fn go_on(server: &mut Server, id: ClientId, offset: u64) {
    server.stats.replication.partial += 1;
    log::info!(
        "Partial resynchronization request from {} accepted. Sending {} bytes of backlog starting from offset {}.",
        replica_name(server, id),
        server.replication.stream.offset() - offset,
        offset + 1
    );
    let now_ms = server.clock.now_ms;
    let replica = attach(server, id);
    replica.state = ReplicaState::Online;
    replica.position = offset;
    replica.acked_ms = now_ms;
    let line = match replica.understands_new_ids {
        true => format!("+CONTINUE {}\r\n", server.replication.replid),
        false => "+CONTINUE\r\n".to_owned(),
    };
    server.reply(id).raw(line.as_bytes());
}

/// The end of the output of a replica that is being served, before it runs a command.
#[inline]
pub fn mark_of_replica(server: &Server, id: ClientId) -> Option<(usize, usize)> {
    let client = server.clients.get(id)?;
    client.flags.contains(ClientFlags::REPLICA).then(|| client.output.mark())
}

/// A replica is sent the data set and the stream, and a reply in between would become a part of them. A replica
/// whose command wrote a reply is disconnected, and the reply taken back.
#[inline]
pub fn expect_no_reply(server: &mut Server, id: ClientId, mark: Option<(usize, usize)>, args: &Args) {
    if let Some(mark) = mark
        && server.clients.get(id).is_some_and(|client| client.output.mark() != mark)
    {
        take_back_reply(server, id, mark, args);
    }
}

#[cold]
fn take_back_reply(server: &mut Server, id: ClientId, mark: (usize, usize), args: &Args) {
    let command = match server.commands.find(args.get(0)).map(|found| dispatch::resolve(server, found, args)) {
        Some(Ok(found)) => server.commands.full_name(found.index).to_owned(),
        _ => args.text(0).into_owned(),
    };
    let client = &mut server.clients[id];
    if let Some(error) = client.output.bytes[mark.0..].strip_prefix(b"-") {
        let line = error.split(|&byte| byte == b'\r').next().unwrap_or_default();
        log::warn!(
            "== CRITICAL == This master is sending an error to its replica: '{}' after processing the command '{command}'",
            String::from_utf8_lossy(line)
        );
    }
    client.output.truncate(mark);
    log::warn!("Replica generated a reply to command '{command}', disconnecting it: {}", replica_name(server, id));
    server.close_client(id);
}

/// REPLCONF ACK: a replica's offset.
pub fn acknowledged(server: &mut Server, id: ClientId, offset: u64, durable: Option<u64>) {
    let now_ms = server.clock.now_ms;
    let Some(replica) = server.clients[id].replica.as_deref_mut() else { return };
    replica.acked = replica.acked.max(offset);
    replica.acked_durable = replica.acked_durable.max(durable.unwrap_or(0));
    replica.acked_ms = now_ms;
    match replica.state {
        ReplicaState::ReceivesPipe(_) => replica.acked_early = true,
        ReplicaState::Loads => put_online(server, id),
        _ => (),
    }
    server.replication.acks_came = true;
}

/// The replica has the data set: it gets the stream.
pub fn put_online(server: &mut Server, id: ClientId) {
    let now_ms = server.clock.now_ms;
    let Some(replica) = server.clients[id].replica.as_deref_mut() else { return };
    if replica.snapshot_only {
        log::info!(
            "RDB transfer completed, rdb only replica ({}) should be disconnected asap",
            replica_name(server, id)
        );
        return server.close_client(id);
    }
    replica.state = ReplicaState::Online;
    replica.acked_ms = now_ms;
    log::info!("Synchronization with replica {} succeeded", replica_name(server, id));
    server.will_write(id);
}
