//! Ending in order: the data set is saved, and the pid file and sockets are removed.

use super::replication::{online_replicas, receive, replica_name, replicas_that};
use super::{child, debugger, rewrite, snapshot};
use crate::config::ShutdownFlags;
use crate::engine::call::apply_reply_mode;
use crate::resp::CommandError;
use crate::server::persistence::Job;
use crate::server::shutdown::{ShutdownOptions, ShutdownWait};
use crate::server::supervisor;
use crate::server::{ClientFlags, ClientId, Server, Timer};
use std::sync::atomic::Ordering::Relaxed;

pub const FAILED: CommandError = CommandError::new("ERR Errors trying to SHUTDOWN. Check logs.");

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
    server.shutdown.asked = Some(options);
    shut_down_if_asked(server);
}

/// Ends the server as a signal asked for. COMPAT: while cron is paused (DEBUG PAUSE-CRON) it waits.
pub fn shut_down_if_asked(server: &mut Server) {
    if !server.debug.cron_paused
        && let Some(options) = server.shutdown.asked.take()
        && shut_down(server, options) == Shutdown::Failed
    {
        server.shutdown.signalled.store(false, Relaxed);
    }
}

/// SHUTDOWN ABORT; false if there was nothing to be called off.
pub fn call_off(server: &mut Server) -> bool {
    let asked = server.shutdown.asked.take().is_some() || server.shutdown.wait.is_some();
    if asked {
        stop_waiting(server);
        server.shutdown.signalled.store(false, Relaxed);
        log::warn!("Shutdown manually aborted.");
    }
    asked
}

/// The result of an attempt to end the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shutdown {
    /// It ends once this turn of the loop is over.
    Now,
    /// It ends as soon as replicas have everything, or `shutdown-timeout` is over.
    Waits,
    /// Something that should be on disk is not, and the server goes on.
    Failed,
}

/// Ends the server. Writes pause while replicas catch up.
pub fn shut_down(server: &mut Server, options: ShutdownOptions) -> Shutdown {
    if server.shutdown.wait.is_some() && !options.now {
        return Shutdown::Waits;
    }
    log::warn!("User requested shutdown...");
    let timeout_ms = server.config.shutdown_timeout as u64 * 1000;
    if !options.now && timeout_ms > 0 && !server.replication.is_replica() && !lagging_replicas(server).is_empty() {
        let until_ms = server.clock.now_ms + timeout_ms;
        server.hold_writes(true);
        server.replication.ask_for_acks = true;
        let timer = server.timers.insert(until_ms, Timer::ShutdownEnd);
        server.shutdown.wait = Some(ShutdownWait { options, until_ms, timer, clients: Vec::new() });
        log::warn!("Waiting for replicas before shutting down.");
        return Shutdown::Waits;
    }
    if finish(server, options) { Shutdown::Now } else { Shutdown::Failed }
}

/// Blocks a client until the end closes its connection, or until the end is called off and it gets an error.
pub fn wait_for_end(server: &mut Server, id: ClientId) {
    if let Some(wait) = &mut server.shutdown.wait {
        wait.clients.push(id);
        server.clients[id].flags |= ClientFlags::BLOCKED;
    }
}

/// Replicas that do not have everything, or have not said that they do.
fn lagging_replicas(server: &Server) -> Vec<ClientId> {
    let offset = server.replication.stream.offset();
    replicas_that(server, |replica| replica.is_online() && replica.acked < offset)
}

/// Replicas have said how far they are.
pub fn go_on_if_in_sync(server: &mut Server) {
    if server.shutdown.wait.is_some() && lagging_replicas(server).is_empty() {
        waited_enough(server);
    }
}

/// Stops waiting for replicas and ends the server.
pub fn waited_enough(server: &mut Server) {
    let Some(options) = server.shutdown.wait.as_ref().map(|wait| wait.options) else { return };
    let lagging = lagging_replicas(server);
    let offset = server.replication.stream.offset();
    for &id in &lagging {
        let acked = server.clients[id].replica.as_deref().map_or(0, |replica| replica.acked);
        log::warn!(
            "Lagging replica {} reported offset {} behind master, lag={}, state=online.",
            replica_name(server, id),
            offset.saturating_sub(acked),
            server.clients[id].replica.as_deref().map_or(0, |replica| replica.lag_s(server.clock.now_ms))
        );
    }
    let all = online_replicas(server).len();
    log::warn!("{} of {all} replicas are in sync when shutting down.", all - lagging.len());
    if !finish(server, options) {
        log::warn!("Errors trying to shut down the server. Check the logs for more information.");
        stop_waiting(server);
    }
}

/// The server goes on: clients whose SHUTDOWN waited get an error.
fn stop_waiting(server: &mut Server) {
    let Some(wait) = server.shutdown.wait.take() else { return };
    server.timers.cancel(wait.timer);
    server.shutdown.signalled.store(false, Relaxed);
    server.hold_writes(false);
    for id in wait.clients {
        let Some(client) = server.clients.get_mut(id) else { continue };
        client.flags -= ClientFlags::BLOCKED;
        let mark = client.output.mark();
        server.reply(id).error(&FAILED);
        apply_reply_mode(server, id, mark);
        server.pending_read(id);
    }
}

/// Ends the server once this turn of the loop is over; false if something that should be on disk is
/// not, and the server goes on.
fn finish(server: &mut Server, options: ShutdownOptions) -> bool {
    rewrite::settle_files(server);
    if server.aof.as_ref().is_some_and(|aof| aof.provisional) {
        if !options.force {
            log::warn!("Writing initial AOF, can't exit.");
            return false;
        }
        log::warn!("Writing initial AOF. Exit anyway.");
    }
    end_child(server);
    if !finish_append_only_file(server, options) || !save_last_snapshot(server, options) {
        return false;
    }
    debugger::end_all(server);
    receive::remove_unfinished(server);
    if let Some(pidfile) = &server.config.pidfile {
        log::info!("Removing the pid file.");
        let _ = std::fs::remove_file(pidfile);
    }
    if server.config.unixsocket.is_some() {
        log::info!("Removing the unix socket file.");
    }
    supervisor::stopping(&server.config);
    server.shutdown.prepared = true;
    true
}

fn end_child(server: &mut Server) {
    if let Some(child) = &server.persistence.child {
        let what = match child.job {
            Job::Snapshot(_) => "saving an .rdb",
            Job::Rewrite(_) => "rewriting the AOF",
            Job::Transfer(_) => "sending an .rdb to replicas",
        };
        log::warn!("There is a child {what}. Killing it!");
        child::end_now(server);
    }
}

/// False if the file is not on disk and has to be.
fn finish_append_only_file(server: &mut Server, options: ShutdownOptions) -> bool {
    let place = snapshot::replication_position(server)
        .filter(|_| !server.loading.is_blocking() && !server.replication.beyond_aof);
    if let Some(aof) = &mut server.aof {
        if let Some(place) = place {
            aof.note_position(&place);
        }
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
    true
}

/// False if there is to be a snapshot and it could not be written.
fn save_last_snapshot(server: &mut Server, options: ShutdownOptions) -> bool {
    // A data set that is only partly loaded must not replace its own snapshot.
    if !server.loading.is_blocking() && options.save.unwrap_or(!server.config.save.is_empty()) {
        log::info!("Saving the final RDB snapshot before exiting.");
        if snapshot::save(server).is_err() {
            if !options.force {
                log::warn!("Error trying to save the DB, can't exit.");
                return false;
            }
            log::warn!("Error trying to save the DB. Exit anyway.");
        }
    }
    true
}
