//! Keeping within `maxmemory`: before a command runs, keys are evicted until there is room again or the
//! time for it is over; then a timer goes on with it between turns.

use super::call::{drain_effects, free_garbage};
use crate::resp::Output;
use crate::server::allocator::used_memory;
use crate::server::{Server, Timer};
use std::time::Duration;

/// Keys evicted between two looks at the clock.
const KEYS_A_LOOK: usize = 16;

/// Evicts if more than `maxmemory` is in use. False if there is no room and nothing to evict: commands that need
/// memory are to be refused.
#[inline]
pub fn make_room(server: &mut Server) -> bool {
    let max = server.config.maxmemory;
    max == 0 || (used_memory() as u64 <= max && server.memory.over_since.is_none()) || make_room_by_evicting(server)
}

/// The slow path of [`make_room`].
#[cold]
fn make_room_by_evicting(server: &mut Server) -> bool {
    // Nothing is evicted between the commands of a script.
    if server.scripts.running.is_some() {
        return true;
    }
    // While clients are paused, or loading, the data set does not change by itself.
    let began = server.clock.stamp();
    let is_kept = server.loading.is_blocking() || server.is_paused();
    // A replica leaves eviction to its primary.
    let follows = server.replication.is_replica() && server.config.replica_ignore_maxmemory;
    let has_room = is_kept || follows || evict(server);
    server.memory.exhausted = !has_room;
    let now = server.clock.stamp();
    server.note_latency("eviction-cycle", server.clock.nanos_between(began, now));
    if excess(server) > 0 {
        server.memory.over_since.get_or_insert(now);
    } else if let Some(since) = server.memory.over_since.take() {
        server.memory.over_nanos += server.clock.nanos_between(since, now);
    }
    server.execution.command_started = now;
    // A client that was itself evicted runs no more commands.
    has_room && server.execution.client.and_then(|id| server.clients.get(id)).is_none_or(|client| !client.is_closing())
}

/// Bytes in use that evicting keys can lower.
fn counted(server: &Server) -> usize {
    used_memory().saturating_sub(server.not_counted_for_eviction())
}

/// Bytes beyond the limit, without those that will be free soon.
fn excess(server: &Server) -> usize {
    let soon_free = server.memory.being_freed + server.memory.eviction_notices;
    counted(server).saturating_sub(soon_free).saturating_sub(server.config.maxmemory as usize)
}

/// Evicts keys until there is room or the time for it is over; false if no key is left to evict.
fn evict(server: &mut Server) -> bool {
    if server.background.pending_free() == 0 {
        server.memory.being_freed = 0;
    }
    let mut to_free = excess(server);
    if to_free > 0 {
        free_what_is_no_key(server);
        to_free = excess(server);
    }
    if to_free == 0 {
        return true;
    }
    let Some(policy) = server.config.maxmemory_policy.eviction() else { return false };
    let samples = server.config.maxmemory_samples as usize;
    let lazy = server.config.lazyfree_lazy_eviction;
    let time_max = server.config.eviction_time_max();
    let began = server.clock.stamp();
    let selected = server.keyspace.selected();
    loop {
        let mut any_left = true;
        for _ in 0..KEYS_A_LOOK {
            if to_free == 0 {
                break;
            }
            let Some(evicted) = server.keyspace.evict(policy, samples, lazy) else {
                any_left = false;
                break;
            };
            to_free = to_free.saturating_sub(evicted.bytes);
            server.memory.being_freed += if evicted.later { evicted.bytes } else { 0 };
        }
        pass_on(server, selected);
        free_garbage(server);
        if to_free == 0 {
            return true;
        }
        if !any_left {
            // Values that the helper thread is freeing will make room soon.
            return server.background.pending_free() > 0;
        }
        let nanos = server.clock.nanos_between(began, server.clock.stamp());
        if Duration::from_nanos(nanos) > time_max {
            go_on_later(server);
            return true;
        }
    }
}

/// Tells others of the keys that were evicted. What that allocates is not counted until it is sent, or eviction
/// would feed itself.
fn pass_on(server: &mut Server, selected: usize) {
    let before = counted(server);
    // The command that is about to run did not cause these changes.
    let executing = server.execution.client.take();
    drain_effects(server, selected, None);
    server.execution.client = executing;
    server.memory.eviction_notices += counted(server).saturating_sub(before);
}

/// Before keys, evicts spare buffers and clients that exceed the limit on client memory.
fn free_what_is_no_key(server: &mut Server) {
    server.free_spare_outputs();
    if server.config.clients_memory_max() == 0 {
        return;
    }
    if let Some(id) = server.execution.client {
        server.count_client_memory(id);
    }
    server.evict_clients();
    // Their output is freed now, the clients themselves at the end of the turn.
    for id in &server.pending.closes {
        if let Some(client) = server.clients.get_mut(*id) {
            client.output = Output::default();
        }
    }
}

/// Evicts what is still too much with the next turn of the loop.
pub fn go_on_later(server: &mut Server) {
    if server.memory.timer.is_none() {
        // What is due now fires in this turn, before others are served and told.
        server.memory.timer = Some(server.timers.insert(server.clock.now_ms + 1, Timer::Evict));
    }
}

/// The timer of [`go_on_later`].
pub fn evict_more(server: &mut Server) {
    server.memory.timer = None;
    make_room(server);
}
