//! What happens when a timer is due, or a helper thread has answered.

use super::blocking::{self, GaveUp};
use super::call::{drain_effects, free_garbage};
use super::{child, debugger, memory, replication, shutdown};
use crate::config::{AppendFsync, Config};
use crate::keyspace::ExpiryMode;
use crate::persist::aof::PendingSync;
use crate::server::allocator::{self, used_memory};
use crate::server::persistence::Persistence;
use crate::server::{ClientFlags, ClientId, Server, Timer, watchdog};
use std::io;

/// `everysec`.
const SYNC_INTERVAL_MS: u64 = 1000;
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
        Timer::AofSync => aof_sync(server),
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

/// Writes what the append-only file is still to hold, before any reply of this turn is sent. What
/// cannot be written, but under `always`, is kept and tried again each turn; until it is written,
/// writes are refused.
pub fn flush_append_only_file(server: &mut Server) {
    let Some(aof) = &mut server.aof else { return };
    let policy = server.config.appendfsync;
    let had_failed = aof.write_error.is_some();
    let began = server.clock.stamp();
    if aof.buffered() > 0 {
        std::thread::sleep(server.debug.aof_flush_sleep);
    }
    let durable = policy == AppendFsync::Always && !rewrite_comes_first(&server.config, &server.persistence);
    let flushed = aof.flush(policy, durable);
    let nanos = server.clock.nanos_between(began, server.clock.stamp());
    server.stats.aof_nanos += nanos;
    server.note_latency(if durable { "aof-fsync-always" } else { "aof-write" }, nanos);
    let Some(aof) = &mut server.aof else { return };
    match flushed {
        Ok(()) => {
            server.replication.aof_written = server.replication.stream.offset();
            if had_failed {
                log::warn!("AOF write error looks solved, the server can write again.");
            }
            if policy == AppendFsync::Everysec && server.aof_sync_timer.is_none() && aof.syncs.is_behind() {
                let at = server.clock.now_ms + SYNC_INTERVAL_MS;
                server.aof_sync_timer = Some(server.timers.insert(at, Timer::AofSync));
            }
        }
        Err(error) if policy == AppendFsync::Always => {
            // `always` promised clients that a reply means durable data.
            log::error!("Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting: {error}");
            std::process::exit(1);
        }
        Err(error) => {
            if !had_failed {
                log::warn!("Error writing to the AOF file: {error}");
            }
        }
    }
}

/// `no-appendfsync-on-rewrite`: while a child writes, the disk is left to it.
fn rewrite_comes_first(config: &Config, persistence: &Persistence) -> bool {
    config.no_appendfsync_on_rewrite && persistence.child.is_some()
}

/// The once-per-second fsync. The timer runs only while there is something to sync.
fn aof_sync(server: &mut Server) {
    server.aof_sync_timer = None;
    if server.config.appendfsync != AppendFsync::Everysec {
        return;
    }
    if !rewrite_comes_first(&server.config, &server.persistence) {
        begin_sync(server);
    }
    if server.aof.as_ref().is_some_and(|aof| aof.syncs.is_behind()) {
        let at = server.clock.now_ms + SYNC_INTERVAL_MS;
        server.aof_sync_timer = Some(server.timers.insert(at, Timer::AofSync));
    }
}

/// Starts an fsync of the append-only file on the helper thread.
pub fn begin_sync(server: &mut Server) {
    let Some(sync) = server.aof.as_mut().and_then(|aof| aof.syncs.begin()) else { return };
    // All commands until now are in the file.
    server.replication.aof_syncing = server.replication.aof_written;
    server.background.run(
        move || {
            let result = sync.run();
            (sync, result)
        },
        |server, (sync, result)| synced(server, &sync, result),
    );
}

fn synced(server: &mut Server, sync: &PendingSync, result: io::Result<()>) {
    let well = result.is_ok();
    let Some(aof) = &mut server.aof else { return };
    let had_failed = aof.syncs.error.is_some();
    if !aof.syncs.ended(sync, result) {
        return;
    }
    if let Some(error) = aof.syncs.error.as_ref().filter(|_| !had_failed) {
        log::warn!("Fail to fsync the AOF file: {error}");
    }
    if well {
        server.replication.aof_durable = server.replication.aof_syncing;
        server.replication.acks_came = true;
    }
}
