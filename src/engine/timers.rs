//! What happens when a timer is due, or a helper thread has answered.

use super::blocking::{self, GaveUp};
use super::call::{drain_effects, free_garbage};
use super::{append_only, child, debugger, memory, replication, shutdown};
use crate::keyspace::ExpiryMode;
use crate::server::allocator::{self, used_memory};
use crate::server::{ClientFlags, ClientId, Server, Timer, watchdog};
use std::io;

/// Old buckets that a cron moves while a rehash is under way: about a millisecond of work.
const REHASH_BUCKETS: usize = 2000;
/// Due keys deleted in one go; between two goes clients are served.
const EXPIRE_KEYS: usize = 200;

pub fn fire(server: &mut Server, timer: Timer) {
    match timer {
        Timer::Cron => cron(server),
        Timer::Expire => {
            server.expire_timer = None;
            expire(server);
        }
        Timer::AofSync => append_only::sync(server),
        Timer::ClientIdle(id) => client_idle(server, id),
        Timer::BlockedClient(id) => {
            blocking::give_up(server, id, GaveUp::TimedOut);
        }
        Timer::PauseEnd => server.unpause(),
        Timer::Evict => memory::evict_more(server),
        Timer::IdlePeers => server.close_idle_peers(),
        Timer::ReapChild => child::reap(server),
        Timer::Heartbeat => replication::heartbeat::beat(server),
        Timer::StartTransfer => replication::transfer::delay_over(server),
        Timer::ShutdownEnd => shutdown::waited_enough(server),
        Timer::FailoverEnd => replication::failover::time_out(server),
    }
}

fn cron(server: &mut Server) {
    let began = server.clock.stamp();
    let interval = 1000 / server.config.hz as u64;
    server.timers.insert(server.clock.now_ms + interval, Timer::Cron);
    if server.config.watchdog_period > 0
        && let Err(error) = wind_up_watchdog(server)
    {
        log::warn!("Can't set the alarm of the watchdog: {error}");
    }
    if server.debug.cron_paused {
        return;
    }
    shutdown::shut_down_if_asked(server);
    let totals = server.stats.totals();
    server.stats.rates.sample(totals, server.clock.now_ms);
    server.stats.memory_peak = server.stats.memory_peak.max(used_memory());
    if server.config.activerehashing {
        server.keyspace.step_rehash(REHASH_BUCKETS);
    }
    if !server.loading.is_blocking() {
        child::cron(server);
    }
    debugger::reap(server);
    server.check_output_limits();
    server.limit_tracked_keys();
    let later = std::mem::take(&mut server.pending.late_accepts);
    server.pending.accepts.extend(later);
    allocator::decay();
    server.stats.cron_nanos += server.clock.nanos_between(began, server.clock.stamp());
}

/// Sets the watchdog's alarm again, which goes off unless cron comes back in time.
pub fn wind_up_watchdog(server: &Server) -> io::Result<()> {
    let shortest = 2 * 1000 / server.config.hz as u64;
    watchdog::wind_up(match server.config.watchdog_period as u64 {
        0 => 0,
        period_ms => period_ms.max(shortest),
    })
}

/// Closes a client that was idle for `timeout` seconds, or looks again when it may have been.
fn client_idle(server: &mut Server, id: ClientId) {
    let timeout_ms = server.config.timeout as u64 * 1000;
    let Some(client) = server.clients.get_mut(id) else { return };
    client.idle_timer = None;
    let others_look_after_it = ClientFlags::REPLICA | ClientFlags::PRIMARY | ClientFlags::SUBSCRIBED;
    if client.is_waiting() || client.flags.intersects(others_look_after_it) {
        // The server keeps it waiting, so it is not idle.
        client.active_ms = server.clock.now_ms;
    }
    if timeout_ms > 0 && server.clock.now_ms.saturating_sub(client.active_ms) > timeout_ms {
        log::debug!("Closing idle client");
        server.close_client(id);
    } else {
        server.watch_idle(id);
    }
}

/// Makes sure that the loop wakes when the next key is due.
pub fn schedule_expiry(server: &mut Server) {
    if !server.debug.active_expire || server.expiry_mode() != ExpiryMode::Delete {
        return;
    }
    let Some(due) = server.keyspace.next_due_ms() else { return };
    // A key lives through the millisecond it is due in.
    let wait = (due as i64 + 1 - server.clock.unix_ms()).max(0) as u64;
    let at = server.clock.now_ms + wait;
    if let Some((timer, timer_at)) = server.expire_timer {
        if timer_at <= at {
            return;
        }
        server.timers.cancel(timer);
    }
    server.expire_timer = Some((server.timers.insert(at, Timer::Expire), at));
}

fn expire(server: &mut Server) {
    server.keyspace.expiry_mode = server.expiry_mode();
    if !server.debug.active_expire {
        return;
    }
    let began = server.clock.stamp();
    for db in 0..server.keyspace.databases() {
        server.keyspace.expire_due(db, EXPIRE_KEYS);
        drain_effects(server, db, None);
    }
    free_garbage(server);
    let nanos = server.clock.nanos_between(began, server.clock.stamp());
    server.stats.expire_cycle_nanos += nanos;
    server.note_latency("expire-cycle", nanos);
}

/// A helper thread has answered.
pub fn background_done(server: &mut Server) {
    for answer in server.background.take_answers() {
        answer(server);
    }
}
