//! Sending to replicas: the data set from its file or its pipe, then the stream. All of them are sent
//! from the same bytes.

use super::output::write_slices;
use crate::encoding::byte_log::ByteLog;
use crate::engine::replication::serve;
use crate::server::replication::replica::ReplicaState;
use crate::server::{ClientId, Server, Stream};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;

/// Read from a file at a time.
const CHUNK: usize = 64 << 10;

/// Sends what a replica is to have next, up to `budget` bytes; the rest in the next turns.
pub fn send(server: &mut Server, id: ClientId, mut budget: usize) {
    loop {
        let sent = match send_some(server, id, budget) {
            Ok(0) => return,
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // The socket tells when it takes more.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => {
                log::debug!("Error writing to replica: {error}");
                return server.close_client(id);
            }
        };
        server.stats.replication.output_bytes += sent as u64;
        server.stats.net_output += sent as u64;
        server.clients[id].net_output += sent as u64;
        budget = budget.saturating_sub(sent);
        if budget == 0 {
            return server.will_write(id);
        }
    }
}

/// One write; 0 if there is nothing to be sent.
fn send_some(server: &mut Server, id: ClientId, budget: usize) -> io::Result<usize> {
    let now_ms = server.clock.now_ms;
    let client = &mut server.clients[id];
    let Some(replica) = client.replica.as_deref_mut() else { return Ok(0) };
    match &mut replica.state {
        ReplicaState::Online => {
            let Some(log) = server.replication.stream.kept() else { return Ok(0) };
            let sent = write_from(&client.stream, log, replica.position, budget)?;
            replica.position += sent as u64;
            Ok(sent)
        }
        ReplicaState::ReceivesPipe(at) => {
            let Some(transfer) = &server.replication.transfer else { return Ok(0) };
            let sent = write_from(&client.stream, &transfer.log, *at, budget)?;
            *at += sent as u64;
            replica.acked_ms = now_ms;
            Ok(sent)
        }
        ReplicaState::ReceivesFile(transfer) => {
            let mut chunk = vec![0; CHUNK.min(budget)];
            let count = transfer.file.read_at(&mut chunk, transfer.sent)?;
            if count == 0 && transfer.sent < transfer.size {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if count == 0 {
                serve::put_online(server, id);
                return Ok(0);
            }
            let sent = (&client.stream).write(&chunk[..count])?;
            transfer.sent += sent as u64;
            replica.acked_ms = now_ms;
            if transfer.sent == transfer.size {
                serve::put_online(server, id);
            }
            Ok(sent)
        }
        ReplicaState::Handshake | ReplicaState::WaitsForChild | ReplicaState::WaitsForFile | ReplicaState::Loads => {
            Ok(0)
        }
    }
}

fn write_from(stream: &Stream, log: &ByteLog, offset: u64, budget: usize) -> io::Result<usize> {
    if offset == log.end() {
        return Ok(0);
    }
    match write_slices(stream, log.slices_from(offset), budget)? {
        0 => Err(ErrorKind::WriteZero.into()),
        sent => Ok(sent),
    }
}
