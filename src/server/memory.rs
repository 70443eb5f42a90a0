//! What the server knows of its limits on memory. Keys are evicted by `engine/memory.rs`, clients here.

use super::{ClientFlags, ClientId, Server};
use crate::encoding::timer_wheel::TimerId;

/// What eviction, and the limit on all clients together, keep between two commands.
#[derive(Default)]
pub struct MemoryState {
    /// The command that runs found too little memory, and nothing that could go.
    pub exhausted: bool,
    /// Since when more than `maxmemory` has been in use: a stamp of the clock.
    pub over_since: Option<u64>,
    /// How long that was the case before, altogether.
    pub over_nanos: u64,
    /// Bytes of evicted keys that a helper thread may not have freed yet.
    pub being_freed: usize,
    /// Bytes of buffers that were allocated in this turn to tell others of evicted keys.
    pub eviction_notices: usize,
    /// Eviction goes on between turns.
    pub timer: Option<TimerId>,
    /// Bytes of all clients that may be evicted, while there is a limit on them.
    pub clients: usize,
    pub evicted_clients: u64,
}

/// Clients that are not evicted.
const SPARED: ClientFlags = ClientFlags::NO_EVICT
    .union(ClientFlags::INTERNAL)
    .union(ClientFlags::REPLICA)
    .union(ClientFlags::PRIMARY)
    .union(ClientFlags::CLOSE_NOW);

impl Server {
    /// Bytes in use that evicting keys could only add to.
    pub fn not_counted_for_eviction(&self) -> usize {
        let stream = self.replication.stream.kept().map_or(0, |log| log.allocated());
        // The backlog counts towards maxmemory; what is kept beyond it for slow replicas does not.
        let for_replicas = stream.saturating_sub(self.config.repl_backlog_size as usize);
        for_replicas + self.aof.as_ref().map_or(0, |aof| aof.buffered())
    }

    /// Takes note of how much memory a client takes, if that is limited.
    #[inline]
    pub fn count_client_memory(&mut self, id: ClientId) {
        if self.config.clients_memory_max() > 0 {
            self.count_client(id);
        }
    }

    fn count_client(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let is_spared = client.flags.intersects(SPARED);
        let now = if is_spared { 0 } else { client.memory_usage() };
        let before = std::mem::replace(&mut client.counted_memory, now);
        self.memory.clients = self.memory.clients + now - before;
    }

    /// Counts all clients anew, for a limit that has changed.
    pub fn count_all_clients(&mut self) {
        let ids: Vec<ClientId> = self.clients.iter().map(|client| client.id).collect();
        ids.into_iter().for_each(|id| self.count_client(id));
    }

    /// Closes the largest clients while all of them take more than they may.
    pub fn evict_clients(&mut self) {
        let max = self.config.clients_memory_max();
        if max == 0 || self.memory.clients <= max {
            return;
        }
        let mut by_size: Vec<(usize, ClientId)> =
            self.clients.iter().map(|client| (client.counted_memory, client.id)).collect();
        by_size.sort_unstable_by_key(|&(bytes, _)| bytes);
        while self.memory.clients > max
            && let Some((_, id)) = by_size.pop()
        {
            self.evict_client(id);
        }
    }

    pub fn evict_client(&mut self, id: ClientId) {
        let Some(client) = self.clients.get(id).filter(|client| !client.flags.contains(ClientFlags::CLOSE_NOW)) else {
            return;
        };
        log::info!("Evicting client: id={} addr={} tot-mem={}", client.number, client.addr, client.memory_usage());
        self.memory.evicted_clients += 1;
        self.close_client(id);
        self.count_client(id);
    }
}
