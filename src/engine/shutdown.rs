//! Ending in order: what must be on disk is, and files that stand for a running server go.

use super::{child, snapshot};
use crate::config::ShutdownFlags;
use crate::server::persistence::Job;
use crate::server::{Server, ShutdownOptions};
use std::sync::atomic::Ordering::Relaxed;

/// SIGTERM or SIGINT arrived.
pub fn on_signal(server: &mut Server, signal: i32) {
    let (name, flags) = match signal {
        signal_hook::consts::SIGINT => ("SIGINT", server.config.shutdown_on_sigint),
        _ => ("SIGTERM", server.config.shutdown_on_sigterm),
    };
    log::warn!("Received {name} scheduling shutdown...");
    let options = ShutdownOptions {
        save: if flags.contains(ShutdownFlags::SAVE) {
            Some(true)
        } else {
            flags.contains(ShutdownFlags::NOSAVE).then_some(false)
        },
        now: flags.contains(ShutdownFlags::NOW),
        force: flags.contains(ShutdownFlags::FORCE),
    };
    server.shutdown_asked = Some(options);
    shut_down_if_asked(server);
}

/// Ends the server as a signal asked for. COMPAT: while cron is paused (DEBUG PAUSE-CRON) it waits.
pub fn shut_down_if_asked(server: &mut Server) {
    if !server.cron_paused
        && let Some(options) = server.shutdown_asked.take()
        && !shut_down(server, options)
    {
        server.told_to_end.store(false, Relaxed);
    }
}

/// SHUTDOWN ABORT; false if there was nothing to be called off.
pub fn call_off(server: &mut Server) -> bool {
    let asked = server.shutdown_asked.take().is_some();
    if asked {
        server.told_to_end.store(false, Relaxed);
        log::warn!("Shutdown manually aborted.");
    }
    asked
}

/// Ends the server once this turn of the loop is over; false if something that should be on disk is
/// not, and the server goes on.
pub fn shut_down(server: &mut Server, options: ShutdownOptions) -> bool {
    log::warn!("User requested shutdown...");
    if server.aof.as_ref().is_some_and(|aof| aof.provisional) {
        if !options.force {
            log::warn!("Writing initial AOF, can't exit.");
            return false;
        }
        log::warn!("Writing initial AOF. Exit anyway.");
    }
    if let Some(child) = &server.persistence.child {
        let what = if child.job == Job::Snapshot { "saving an .rdb" } else { "rewriting the AOF" };
        log::warn!("There is a child {what}. Killing it!");
        child::end_now(server);
    }
    if let Some(aof) = &mut server.aof {
        log::info!("Calling fsync() on the AOF file.");
        server.background.wait_for_disk();
        if let Err(error) = aof.finish() {
            log::warn!("Error writing the append only file: {error}");
            if !options.force {
                log::warn!("Error trying to save the DB, can't exit.");
                return false;
            }
        }
    }
    // What is not all there must not replace what it comes from.
    if !server.loading && options.save.unwrap_or(!server.config.save.is_empty()) {
        log::info!("Saving the final RDB snapshot before exiting.");
        if snapshot::save(server).is_err() {
            if !options.force {
                log::warn!("Error trying to save the DB, can't exit.");
                return false;
            }
            log::warn!("Error trying to save the DB. Exit anyway.");
        }
    }
    if let Some(pidfile) = &server.config.pidfile {
        log::info!("Removing the pid file.");
        let _ = std::fs::remove_file(pidfile);
    }
    if server.config.unixsocket.is_some() {
        log::info!("Removing the unix socket file.");
    }
    server.shutdown = true;
    true
}
