//! Replies on their way to clients: their buffers, and the limits on what may wait in one
//! (`client-output-buffer-limit`). `net::output` sends them.

use super::replication::replica::Replica;
use super::{ClientFlags, ClientId, Server};
use crate::config::ClientClass;
use crate::resp::{Output, Reply};

/// Bytes of replies that may wait for a client that has not authenticated.
const UNAUTHENTICATED_OUTPUT_MAX: u64 = 16 * 1024;

impl Server {
    /// Writes replies to a client. They are sent before the loop sleeps.
    pub fn reply(&mut self, id: ClientId) -> Reply<'_> {
        self.will_write(id);
        let client = &mut self.clients[id];
        let resp3 = client.resp3;
        Reply::new(&mut client.output, resp3)
    }

    /// Makes sure that the client has a buffer and the loop knows that there is something in it.
    #[inline]
    pub fn will_write(&mut self, id: ClientId) {
        let client = &mut self.clients[id];
        if !client.flags.contains(ClientFlags::WRITE_PENDING) {
            client.flags |= ClientFlags::WRITE_PENDING;
            self.pending.writes.push(id);
        }
        if client.output.bytes.capacity() == 0
            && let Some(spare) = self.spare_outputs.pop()
        {
            client.output.bytes = spare;
        }
    }

    /// Takes back the buffer of a client that has nothing left to be sent.
    pub fn reclaim_output(&mut self, id: ClientId) {
        /// Larger buffers go back to the system, and no more than this many are kept.
        const SPARE_BYTES_MAX: usize = 256 * 1024;
        const SPARES_MAX: usize = 64;
        let Some(client) = self.clients.get_mut(id) else { return };
        debug_assert!(client.output.is_empty());
        let Output { bytes, .. } = std::mem::take(&mut client.output);
        if bytes.capacity() > 0 && bytes.capacity() <= SPARE_BYTES_MAX && self.spare_outputs.len() < SPARES_MAX {
            self.spare_outputs.push(bytes);
        }
    }

    /// Gives large buffers with nothing in them back to the system.
    pub fn free_spare_outputs(&mut self) {
        /// Smaller ones are needed again at once, and come to little.
        const KEPT_MAX: usize = 1024;
        self.spare_outputs.retain(|buffer| buffer.capacity() <= KEPT_MAX);
        // The client whose command comes next has one already.
        if let Some(client) = self.execution.client.and_then(|id| self.clients.get_mut(id))
            && client.output.is_empty()
        {
            client.output.bytes.shrink_to(KEPT_MAX);
        }
    }

    /// The fewest waiting bytes at which [`Self::check_output_limit`] may close a client.
    pub fn output_watermark(&self) -> u64 {
        // Subscribers are checked after each message.
        let limit = self.config.client_output_buffer_limit[0];
        let clients = self.config.clients_memory_max() as u64;
        [limit.hard_bytes, limit.soft_bytes, clients].into_iter().filter(|&bytes| bytes > 0).min().unwrap_or(u64::MAX)
    }

    /// Closes clients that have been over the soft limit for too long, those included that get no more replies.
    pub fn check_output_limits(&mut self) {
        let over = self.clients.iter().filter(|client| client.soft_limit_since_ms.is_some());
        for id in over.map(|client| client.id).collect::<Vec<_>>() {
            self.check_output_limit(id);
        }
    }

    /// Closes a client whose replies wait beyond the limits of its class.
    pub fn check_output_limit(&mut self, id: ClientId) {
        let now_ms = self.clock.now_ms;
        let stream_end = self.replication.stream.offset();
        let Some(client) = self.clients.get_mut(id) else { return };
        let needed = client.replica.as_deref().and_then(Replica::needs_from);
        let waiting = client.output.len() as u64 + needed.map_or(0, |from| stream_end.saturating_sub(from));
        let class = match () {
            _ if client.flags.contains(ClientFlags::REPLICA) => ClientClass::Replica,
            _ if client.flags.contains(ClientFlags::SUBSCRIBED) => ClientClass::Pubsub,
            _ => ClientClass::Normal,
        };
        let mut limit = self.config.client_output_buffer_limit[class as usize];
        if class == ClientClass::Replica {
            // The backlog is shared, so a replica's limit is at least repl-backlog-size.
            let kept = self.config.repl_backlog_size;
            for bytes in [&mut limit.hard_bytes, &mut limit.soft_bytes].into_iter().filter(|bytes| **bytes > 0) {
                *bytes = kept.max(*bytes);
            }
        }
        let over_hard = limit.hard_bytes > 0 && waiting >= limit.hard_bytes;
        let mut over_soft = false;
        if limit.soft_bytes > 0 && waiting >= limit.soft_bytes {
            let since = *client.soft_limit_since_ms.get_or_insert(now_ms);
            // COMPAT: counted in whole seconds.
            over_soft = now_ms / 1000 - since / 1000 > limit.soft_seconds;
        } else {
            client.soft_limit_since_ms = None;
        }
        // An unauthenticated client may have at most 16 KiB of unsent replies.
        let too_much = !client.authenticated && waiting > UNAUTHENTICATED_OUTPUT_MAX;
        if over_hard || over_soft || too_much {
            log::warn!(
                "Client id={} addr={} closed for overcoming of output buffer limits.",
                client.number,
                client.addr
            );
            self.close_client(id);
            return;
        }
        let clients_max = self.config.clients_memory_max();
        let may_be_evicted = !client.flags.contains(ClientFlags::NO_EVICT);
        if clients_max > 0 && may_be_evicted && client.output_memory() > clients_max {
            self.evict_client(id);
        }
    }
}
