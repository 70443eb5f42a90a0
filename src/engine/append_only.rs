//! Writing the append-only file each turn of the loop, and its fsyncs.

use crate::config::{AppendFsync, Config};
use crate::persist::aof::PendingSync;
use crate::server::persistence::Persistence;
use crate::server::{Server, Timer};
use std::io;

/// `everysec`.
const SYNC_INTERVAL_MS: u64 = 1000;

/// Writes what the append-only file is still to hold, before any reply of this turn is sent. What
/// cannot be written, but under `always`, is kept and tried again each turn; until it is written,
/// writes are refused.
pub fn flush(server: &mut Server) {
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
pub fn sync(server: &mut Server) {
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
