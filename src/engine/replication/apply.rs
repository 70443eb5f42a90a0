//! The primary's stream. It comes through a client whose requests pass no gate and have no replies; its bytes,
//! once run, are passed on to our own replicas as they came.

use super::acks;
use crate::resp::{Args, CommandError, encode_request};
use crate::server::replication::primary::{Connection, Link};
use crate::server::{ClientFlags, ClientId, ReplyMode, Server, Stream};
use mio::{Interest, Token};

/// Whether a request of the stream begins a transaction.
pub fn begins_transaction(request: &Args) -> bool {
    request.is(0, "multi")
}

/// From here on the stream comes. `acknowledges`: the primary gets our offset (REPLCONF ACK).
pub fn begin(server: &mut Server, connection: Connection, selected: usize, acknowledges: bool) {
    let Connection { stream, input, .. } = connection;
    let addr = stream.peer_addr().map(|addr| addr.to_string()).unwrap_or_default();
    let laddr = stream.local_addr().map(|addr| addr.to_string()).unwrap_or_default();
    let user = server.acl.default_user().clone();
    let id = server.clients.add(Stream::Tcp(stream), addr, laddr, user, server.clock.now_ms);
    server.clients[id].authenticated = true;
    let both = Interest::READABLE | Interest::WRITABLE;
    let client = &mut server.clients[id];
    client.flags |= ClientFlags::PRIMARY;
    client.reply_mode = ReplyMode::Off;
    client.db = selected;
    if !input.is_empty() {
        client.input = input;
        client.flags |= ClientFlags::INPUT_WAITING;
    }
    if let Stream::Tcp(stream) = &mut client.stream
        && let Err(error) = server.registry.reregister(stream, Token(id.to_bits()), both)
    {
        log::warn!("Unable to listen to the MASTER: {error}");
        server.close_client(id);
    }
    server.replication.unfinished.clear();
    let Some(primary) = &mut server.replication.primary else { return };
    primary.link = Link::Up(id);
    primary.acknowledges = acknowledges;
    server.keyspace.expiry_mode = server.expiry_mode();
    // Bytes that have come already bring no event.
    server.pending_read(id);
    send_ack(server);
}

/// Logs that a command of the primary failed here: the data sets differ.
#[cold]
pub fn log_error(command: &str, error: &CommandError) {
    log::warn!(
        "== CRITICAL == This replica is sending an error to its master: '{}' after processing the command '{command}'",
        error.text()
    );
}

/// Ends a replica that cannot write the primary's changes to disk, unless `replica-ignore-disk-write-errors`.
pub fn insist_on_durability(server: &Server) {
    if !server.config.replica_ignore_disk_write_errors
        && let Some(error) = server.write_error()
    {
        log::error!("Replica was unable to write command to disk. Exiting: {}", error.text());
        std::process::exit(1);
    }
}

/// The requests in `bytes` were run. The bytes from `open_from` on belong to a transaction whose EXEC has not
/// come.
pub fn ran(server: &mut Server, id: ClientId, bytes: &[u8], open_from: Option<usize>) {
    let replication = &mut server.replication;
    if replication.primary.as_ref().and_then(|primary| primary.client()) != Some(id) {
        return;
    }
    server.stats.replication.input_bytes += bytes.len() as u64;
    let finished = open_from.unwrap_or(bytes.len());
    // Bytes of an open transaction have been run only when its end has.
    let all_open = open_from == Some(0) && !replication.unfinished.is_empty();
    if !all_open {
        let unfinished = std::mem::take(&mut replication.unfinished);
        replication.stream.append_bytes(&unfinished);
        replication.stream.append_bytes(&bytes[..finished]);
    }
    replication.unfinished.extend_from_slice(&bytes[finished..]);
    if std::mem::take(&mut replication.ack_wanted) {
        send_ack(server);
    }
}

/// Drops the bytes of a transaction whose EXEC did not come.
pub fn forget_unfinished(server: &mut Server) {
    server.replication.unfinished = Vec::new();
}

/// Sends the primary our offset (REPLCONF ACK).
pub fn send_ack(server: &mut Server) {
    let Some(primary) = server.replication.primary.as_ref().filter(|primary| primary.acknowledges) else { return };
    let Some(id) = primary.client() else { return };
    let offset = server.replication.stream.offset().to_string();
    let durable = server.aof.is_some().then(|| acks::durable_here(server).to_string());
    server.will_write(id);
    let out = &mut server.clients[id].output.bytes;
    match durable {
        Some(durable) => {
            encode_request(out, [&b"REPLCONF"[..], b"ACK", offset.as_bytes(), b"FACK", durable.as_bytes()].into_iter())
        }
        None => encode_request(out, [&b"REPLCONF"[..], b"ACK", offset.as_bytes()].into_iter()),
    }
}
