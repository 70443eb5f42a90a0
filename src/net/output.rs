//! Sending replies: one write for all that a client has, large values from where they are.

use crate::server::{ClientFlags, ClientId, Server};
use std::io::{ErrorKind, IoSlice, Write};

/// Slices of one writev; the system takes up to 1024.
const SLICES_MAX: usize = 128;

/// Sends what the client has waiting. Closes it if that is what was to follow, or if it is gone.
pub fn flush(server: &mut Server, id: ClientId) {
    let Some(client) = server.clients.get_mut(id) else { return };
    client.flags -= ClientFlags::WRITE_PENDING;
    if client.flags.contains(ClientFlags::CLOSE_NOW) {
        return;
    }
    while !client.output.is_empty() {
        let output = &mut client.output;
        let result = match output.as_slice() {
            Some(bytes) => (&client.stream).write(bytes),
            None => {
                let slices: Vec<IoSlice> = output.slices().take(SLICES_MAX).map(IoSlice::new).collect();
                (&client.stream).write_vectored(&slices)
            }
        };
        match result {
            Ok(sent) => {
                client.net_output += sent as u64;
                server.stats.net_output += sent as u64;
                server.stats.writes += 1;
                output.consume(sent);
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
    server.reclaim_output(id);
    if done {
        server.close_client(id);
    }
}
