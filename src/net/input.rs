//! Reading requests and running them.
//!
//! A client's bytes are read into a region that all clients share, and its requests run from there;
//! a client owns memory only for a request that is not complete. A long argument is read straight
//! into the buffer that may become its value.

use super::lookup::Lookups;
use crate::engine::call::call_data;
use crate::engine::dispatch::{self, Outcome};
use crate::engine::{memory, replication};
use crate::keyspace::ExpiryMode;
use crate::resp::CommandError;
use crate::resp::request::{Batch, Limits, Parsed, ProtocolError};
use crate::server::command::Handler;
use crate::server::{Client, ClientFlags, ClientId, Server};
use std::io::{self, ErrorKind, Read};
use std::ops::Range;

/// Bytes of one read: how much of a client's input may run before other clients get their turn.
const READ_MAX: usize = 64 * 1024;
/// A long argument is read in larger pieces: they cost nobody but the client anything.
const LONG_READ_MAX: usize = 1024 * 1024;
/// Bytes of the replication stream that are read ahead during a pause; what is beyond stays with the primary.
const READ_AHEAD_MAX: usize = 16 * 1024 * 1024;
/// Requests that are parsed, looked up and prefetched together.
const BATCH_MAX: usize = 64;

/// Bytes of input that may be in one buffer: offsets of arguments are numbers of 32 bits.
const INPUT_MAX: usize = u32::MAX as usize / 2;

/// What all clients' input goes through.
pub struct Input {
    region: Vec<u8>,
    batch: Batch,
    lookups: Lookups,
    /// How many requests of the batch have run so far.
    ran: usize,
}

/// Whose bytes a request is in.
enum Source {
    Region(Range<usize>),
    Own(Vec<u8>),
}

impl Default for Input {
    fn default() -> Self {
        Input { region: vec![0; READ_MAX], batch: Batch::default(), lookups: Lookups::default(), ran: 0 }
    }
}

impl Input {
    /// One turn of a client: reads what there is, up to a bound, and runs the requests in it.
    pub fn turn(&mut self, server: &mut Server, id: ClientId) {
        // Whoever exceeded `maxmemory-clients` in the turn before goes first; it may be this client.
        server.evict_clients();
        let Some(client) = server.clients.get_mut(id) else { return };
        client.flags -= ClientFlags::READ_PENDING;
        if client.flags.contains(ClientFlags::PRIMARY) && server.scripts.is_busy() {
            // A script that takes long sees no change but its own.
            return server.pending_read(id);
        }
        if client.is_closing() {
            return;
        }
        if client.flags.contains(ClientFlags::PRIMARY) && server.pause.asked.is_some() {
            // The end of the pause gives it a turn.
            client.flags |= ClientFlags::PAUSED;
        }
        let waits = client.flags.contains(ClientFlags::BLOCKED) || !client.held.is_empty();
        if client.flags.contains(ClientFlags::PEER_CLOSED) && waits {
            // Nobody is left to read the reply that it waits for.
            return server.close_client(id);
        }
        if client.is_waiting() {
            return read_ahead(server, id);
        }
        if !client.held.is_empty() && !self.run_held(server, id) {
            return;
        }
        // Input left over from before a pause comes first.
        let client = &mut server.clients[id];
        if client.flags.contains(ClientFlags::INPUT_WAITING) {
            client.flags -= ClientFlags::INPUT_WAITING;
            let own = std::mem::take(&mut client.input);
            self.run(server, id, Source::Own(own));
        }
        self.read_and_run(server, id);
    }

    fn read_and_run(&mut self, server: &mut Server, id: ClientId) {
        let Some(client) = server.clients.get_mut(id) else { return };
        if client.is_closing() {
            return;
        }
        if client.is_waiting() {
            return read_ahead(server, id);
        }
        let mut own = std::mem::take(&mut client.input);
        let kept = own.len();
        let in_long_argument = client.parser.long_argument().is_some();
        let (wanted, result) = self.read(client, &mut own);
        let count = match result {
            Ok(0) if client.output.is_empty() => return server.close_client(id),
            Ok(0) => {
                // The peer sends no more, but may still read.
                client.flags |= ClientFlags::CLOSE_AFTER_REPLY;
                return server.will_write(id);
            }
            Ok(count) => count,
            Err(error) => {
                client.input = own;
                return read_failed(server, id, &error);
            }
        };
        client.net_input += count as u64;
        client.active_ms = server.clock.now_ms;
        server.stats.net_input += count as u64;
        server.stats.reads += 1;
        let peer_closed = client.flags.contains(ClientFlags::PEER_CLOSED);
        if in_long_argument {
            client.parser.long_argument_filled(count);
        }
        let source = if in_long_argument || kept > 0 { Source::Own(own) } else { Source::Region(0..count) };
        self.run(server, id, source);
        // A read that filled the space leaves the rest for the next turn; one that did not took all
        // there was, unless the end of the stream came with it.
        server.count_client_memory(id);
        if count == wanted || peer_closed {
            server.pending_read(id);
        }
    }

    /// Reads once: into the long argument that is on its way, behind what the client `own`s, or into the region.
    /// Gives how much there was room for, and how much was read.
    #[inline]
    fn read(&mut self, client: &mut Client, own: &mut Vec<u8>) -> (usize, io::Result<usize>) {
        let mut stream = &client.stream;
        let kept = own.len();
        if let Some(long) = client.parser.long_argument() {
            let max = long.len().min(LONG_READ_MAX);
            (max, stream.read(&mut long[..max]))
        } else if kept > 0 {
            own.resize(kept + READ_MAX, 0);
            let result = stream.read(&mut own[kept..]);
            own.truncate(kept + result.as_ref().map_or(0, |count| *count));
            (READ_MAX, result)
        } else {
            (self.region.len(), stream.read(&mut self.region))
        }
    }

    /// Runs the requests in `source`, and keeps what is left of it with the client.
    fn run(&mut self, server: &mut Server, id: ClientId, source: Source) {
        let region = std::mem::take(&mut self.region);
        let buffer = match &source {
            Source::Region(range) => &region[range.clone()],
            Source::Own(own) => &own[..],
        };
        let left = self.run_requests(server, id, buffer);
        if let Some(client) = server.clients.get_mut(id) {
            if let Source::Own(mut own) = source {
                own.truncate(left.end);
                own.drain(..left.start);
                // An idle client owns no memory.
                client.input = if own.is_empty() { Vec::new() } else { own };
            } else if !left.is_empty() {
                client.input = buffer[left].to_vec();
            }
            check_input_limit(server, id);
        }
        self.region = region;
    }

    /// Gives the range of the bytes that begin an incomplete request, or must wait.
    fn run_requests(&mut self, server: &mut Server, id: ClientId, buffer: &[u8]) -> Range<usize> {
        let mut start = 0;
        loop {
            self.batch.clear();
            let client = &mut server.clients[id];
            let from_primary = client.flags.contains(ClientFlags::PRIMARY);
            let limits = Limits {
                // The primary accepted the argument, so our own limit does not apply.
                bulk_max: if from_primary { INPUT_MAX } else { server.config.proto_max_bulk_len as usize },
                authenticated: client.authenticated,
                // The bytes as they came go on to our own replicas.
                in_place: from_primary,
            };
            // Before authentication one request at a time, for it may lift the limits.
            let max = if client.authenticated { BATCH_MAX } else { 1 };
            let parsed = client.parser.parse(buffer, start, max, limits, &mut self.batch);
            let goes_on = match from_primary {
                false => self.run_batch(server, id, buffer),
                true => self.run_from_primary(server, id, buffer, start),
            };
            if !goes_on {
                let Some(client) = server.clients.get_mut(id) else { return 0..0 };
                return match parsed {
                    _ if client.is_closing() => 0..0,
                    Ok(Parsed::Full(next)) => {
                        client.flags |= ClientFlags::INPUT_WAITING;
                        next..buffer.len()
                    }
                    Ok(Parsed::Incomplete(left)) => left,
                    // It is answered after the requests before it: what is behind the last of these is kept,
                    // and parsed anew then. There is a last one, for an empty batch goes on.
                    Err(_) => {
                        client.flags |= ClientFlags::INPUT_WAITING;
                        client.parser = Default::default();
                        let end = self.batch.end_of_last();
                        end..buffer.len()
                    }
                };
            }
            match parsed {
                Ok(Parsed::Full(next)) => start = next,
                Ok(Parsed::Incomplete(left)) => return left,
                Err(error) => {
                    protocol_error(server, id, error);
                    return 0..0;
                }
            }
        }
    }

    /// Runs the requests of the batch; false if the client takes no more for now.
    fn run_batch(&mut self, server: &mut Server, id: ClientId, buffer: &[u8]) -> bool {
        if self.batch.is_empty() {
            return true;
        }
        server.execution.client = Some(id);
        let goes_on = self.run_in_order(server, id, buffer);
        server.execution.client = None;
        // The hint means a place in a buffer that something else is about to be read into.
        server.keyspace.clear_hint();
        goes_on
    }

    /// As [`Self::run_batch`], for a piece of the replication stream that begins at `start`.
    fn run_from_primary(&mut self, server: &mut Server, id: ClientId, buffer: &[u8], start: usize) -> bool {
        if self.batch.is_empty() {
            return true;
        }
        replication::apply::insist_on_durability(server);
        // The primary decides what expires: a key that it has not deleted is there, whatever the time.
        server.keyspace.expiry_mode = ExpiryMode::Ignore;
        let goes_on = self.run_batch(server, id, buffer);
        server.keyspace.expiry_mode = server.expiry_mode();
        // Only what ran counts towards the offset; the primary sends the rest again.
        let end = if self.ran > 0 { self.batch.range(self.ran - 1).end } else { start };
        let bytes = &buffer[start..end];
        let is_open = server.clients.get(id).is_some_and(|client| client.multi.is_some());
        let open_from = is_open.then(|| {
            let begins = |&i: &usize| replication::apply::begins_transaction(&self.batch.args(i, buffer));
            (0..self.ran).rev().find(begins).map_or(0, |i| self.batch.range(i).start - start)
        });
        replication::apply::ran(server, id, bytes, open_from);
        goes_on
    }

    fn run_in_order(&mut self, server: &mut Server, id: ClientId, buffer: &[u8]) -> bool {
        let count = self.batch.len();
        server.execution.command_started = server.clock.stamp();
        server.will_write(id);
        self.lookups.look_up(server, id, &self.batch, buffer);
        let mut gates_are_open = dispatch::gates_are_open(server, id);
        let output_watermark = server.output_watermark();
        self.ran = 0;
        for (i, lookup) in self.lookups.iter().enumerate() {
            let args = self.batch.args(i, buffer);
            match (lookup.hash, lookup.found) {
                (Some(hash), Some(found)) => server.keyspace.hint_hash(args.get(found.first_key as usize), hash),
                _ => server.keyspace.clear_hint(),
            }
            if let Some(found) = lookup.found
                && let Handler::Data(run) = found.command.handler
                && gates_are_open
                && found.command.accepts(args.len())
                && memory::make_room(server)
            {
                let waiting = call_data(server, id, found, run, &args) as u64;
                self.ran = i + 1;
                if waiting >= output_watermark {
                    server.check_output_limit(id);
                    if server.clients[id].is_closing() {
                        return false;
                    }
                }
                continue;
            }
            let outcome = match lookup.found {
                Some(found) => dispatch::dispatch_found(server, id, found, &args),
                None => dispatch::dispatch(server, id, &args),
            };
            server.check_output_limit(id);
            if outcome != Outcome::Held {
                self.ran = i + 1;
            }
            let Some(client) = server.clients.get_mut(id) else { return false };
            if outcome != Outcome::Done {
                client.held = (self.ran..count).map(|i| self.batch.args(i, buffer).to_owned()).collect();
                if outcome == Outcome::Held {
                    client.flags |= ClientFlags::PAUSED;
                }
                return false;
            }
            if client.is_closing() || server.shutdown.prepared {
                return false;
            }
            gates_are_open = dispatch::gates_are_open(server, id);
        }
        true
    }

    /// Runs requests that had to wait; false if they still have to.
    fn run_held(&mut self, server: &mut Server, id: ClientId) -> bool {
        let mut held = std::mem::take(&mut server.clients[id].held);
        server.execution.command_started = server.clock.stamp();
        server.execution.client = Some(id);
        let mut done = 0;
        for request in &held {
            let retry = server.clients[id].held_retry.take();
            server.blocked.retry = retry;
            let outcome = dispatch::dispatch(server, id, &request.args());
            server.blocked.retry = None;
            server.check_output_limit(id);
            let Some(client) = server.clients.get_mut(id) else { return false };
            if outcome == Outcome::Held {
                client.flags |= ClientFlags::PAUSED;
                client.held_retry = retry;
                break;
            }
            done += 1;
            if outcome == Outcome::Blocked || client.is_closing() {
                break;
            }
        }
        server.execution.client = None;
        held.drain(..done);
        let client = &mut server.clients[id];
        client.held = held;
        client.held.is_empty() && !client.is_closing() && !client.is_waiting()
    }
}

fn read_failed(server: &mut Server, id: ClientId, error: &io::Error) {
    match error.kind() {
        ErrorKind::WouldBlock => (),
        ErrorKind::Interrupted => server.pending_read(id),
        _ => {
            log::debug!("Reading from client: {error}");
            server.close_client(id);
        }
    }
}

/// What a client sends while it waits is read, but not run. Otherwise one that writes everything before it reads would
/// never come to reading, and the end of its stream, which is behind the data, would not be noticed.
fn read_ahead(server: &mut Server, id: ClientId) {
    let client = &mut server.clients[id];
    client.flags |= ClientFlags::INPUT_WAITING;
    let kept = client.input.len();
    if kept >= READ_AHEAD_MAX && client.flags.contains(ClientFlags::PRIMARY) {
        return;
    }
    let result = match client.parser.long_argument() {
        Some(long) if !long.is_empty() => {
            let result = (&client.stream).read(long);
            client.parser.long_argument_filled(result.as_ref().map_or(0, |count| *count));
            result
        }
        _ => {
            client.input.resize(kept + READ_MAX, 0);
            let result = (&client.stream).read(&mut client.input[kept..]);
            client.input.truncate(kept + result.as_ref().map_or(0, |count| *count));
            result
        }
    };
    match result {
        Ok(count) if count > 0 => {
            client.active_ms = server.clock.now_ms;
            client.net_input += count as u64;
            server.stats.net_input += count as u64;
            server.count_client_memory(id);
            check_input_limit(server, id);
            server.pending_read(id);
        }
        Ok(_) => server.close_client(id),
        Err(error) => read_failed(server, id, &error),
    }
}

/// Closes a client that has sent more than may be kept of a request, or of requests that have to wait.
fn check_input_limit(server: &mut Server, id: ClientId) {
    let client = &server.clients[id];
    let held = client.input.len() + client.parser.buffered().unwrap_or(0);
    let from_primary = client.flags.contains(ClientFlags::PRIMARY);
    let too_much = held as u64 > server.config.client_query_buffer_limit && !from_primary;
    if too_much || client.input.len() > INPUT_MAX {
        log::warn!("Closing client that reached max query buffer length: id={} addr={}", client.number, client.addr);
        server.close_client(id);
    }
}

/// Answers a request that broke the protocol; the connection closes after the reply.
#[cold]
fn protocol_error(server: &mut Server, id: ClientId, error: ProtocolError) {
    let error = CommandError::err(format_args!("Protocol error: {}", error.0));
    log::debug!("{} from client {}", error.text(), server.clients[id].addr);
    server.stats.count_error(error.code());
    server.reply(id).error(&error);
    server.clients[id].flags |= ClientFlags::CLOSE_AFTER_REPLY;
}
