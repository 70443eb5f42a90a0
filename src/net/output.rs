//! Sending replies: one write for all that a client has, large values from where they are.

use super::replica_output;
use crate::server::{ClientFlags, ClientId, Server, Stream};
use std::io::{self, ErrorKind, IoSlice, Write};

/// Slices of one writev; the system takes up to 1024.
const SLICES_MAX: usize = 128;
/// Bytes sent to a client in one turn, so that a client that reads fast does not keep the others waiting.
const BYTES_MAX: usize = 1 << 20;

/// Sends what the client has waiting; if that is much, the rest in the next turns. Closes it if that
/// is what was to follow, or if it is gone.
pub fn flush(server: &mut Server, id: ClientId) {
    send(server, id);
    server.count_client_memory(id);
}

fn send(server: &mut Server, id: ClientId) {
    let Some(client) = server.clients.get_mut(id) else { return };
    client.flags -= ClientFlags::WRITE_PENDING;
    if client.flags.contains(ClientFlags::CLOSE_NOW) {
        return;
    }
    // At the end there is no next turn.
    let mut budget = if server.shutdown.prepared { usize::MAX } else { BYTES_MAX };
    while !client.output.is_empty() {
        if budget == 0 {
            return server.will_write(id);
        }
        let output = &mut client.output;
        let result = match output.as_slice() {
            Some(bytes) => (&client.stream).write(&bytes[..bytes.len().min(budget)]),
            None => write_slices(&client.stream, output.slices(), budget),
        };
        match result {
            Ok(sent) => {
                client.net_output += sent as u64;
                server.stats.net_output += sent as u64;
                server.stats.writes += 1;
                output.consume(sent);
                budget -= sent;
            }
            // The socket tells when it takes more.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) => {
                log::debug!("Error writing to client: {error}");
                return server.close_client(id);
            }
        }
    }
    client.soft_limit_since_ms = None;
    let done = client.flags.contains(ClientFlags::CLOSE_AFTER_REPLY);
    let is_replica = client.flags.contains(ClientFlags::REPLICA);
    server.reclaim_output(id);
    if done {
        server.close_client(id);
    } else if is_replica {
        replica_output::send(server, id, budget);
    }
}

/// One write of up to `budget` bytes.
pub(super) fn write_slices<'a>(
    mut stream: &Stream,
    slices: impl Iterator<Item = &'a [u8]>,
    budget: usize,
) -> io::Result<usize> {
    let mut left = budget;
    let within_budget = slices.map_while(|slice| {
        let part = &slice[..slice.len().min(left)];
        let had_room = left > 0;
        left -= part.len();
        had_room.then(|| IoSlice::new(part))
    });
    let slices: Vec<IoSlice> = within_budget.take(SLICES_MAX).collect();
    stream.write_vectored(&slices)
}
