//! Rewrites of the append-only file, and switching it on and off while the server runs.
//!
//! When a child begins to write a new base, a new increment begins as well, and the manifest is told:
//! so base and increment meet exactly, no command is kept twice, and there is nothing to be caught up
//! with when the child is done. If it fails there is one increment more, and nothing is lost.
//!
//! Where there is no base yet (the file was switched on a moment ago), the increment is provisional:
//! the manifest learns of both together.

use super::child;
use super::snapshot::{Contents, write_rdb};
use super::timers::flush_append_only_file;
use crate::persist::aof::{Aof, Files, Form, Paths, time_note, write_data_set, write_libraries};
use crate::persist::file::write_durably;
use crate::server::Server;
use crate::server::persistence::{Child, Ended, Job, Retry};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// After so many failures in a row rewrites do not start by themselves at once.
const FAILURES_MAX: u32 = 3;
/// Then each failure doubles the delay up to an hour.
const DELAY_MINUTES_MAX: u64 = 60;
const MINUTE_MS: u64 = 60_000;

/// Starts a rewrite; there must be no child.
pub fn start(server: &mut Server) -> io::Result<()> {
    let result = begin(server);
    match &result {
        Ok(pid) => {
            log::info!("Background append only file rewriting started by pid {pid}");
            server.persistence.rewrites.scheduled = false;
            server.persistence.rewrites.count += 1;
        }
        Err(error) => {
            log::warn!("Can't rewrite append only file in background: {error}");
            server.persistence.rewrites.last_ok = false;
            server.persistence.rewrites.failures_in_a_row += 1;
            give_up_provisional(server);
        }
    }
    result.map(drop)
}

fn begin(server: &mut Server) -> io::Result<u32> {
    let paths = Paths::new(&server.config);
    paths.create_folder()?;
    flush_append_only_file(server);
    match &mut server.aof {
        Some(aof) if aof.buffered() > 0 => {
            return Err(io::Error::other("what comes before could not be written"));
        }
        Some(aof) => {
            if let Some(old) = aof.next_increment()? {
                server.background.sync(old, 0);
            }
        }
        None if server.config.appendonly => server.aof = Some(Aof::open_provisional(Files::load(paths.clone())?)?),
        None => (),
    }
    let form = Form::configured(&server.config);
    child::start(server, Job::Rewrite(form), child::Output::File(&|_, pid| paths.temporary_base(pid)))
}

/// Writes a base: all that the data set is.
pub fn write_base(server: &Server, form: Form, path: &Path, each_key: &mut dyn FnMut()) -> io::Result<()> {
    write_durably(path, server.config.aof_rewrite_incremental_fsync, |out| match form {
        Form::Rdb => write_rdb(server, Contents::aof_base(&server.config), out, each_key),
        Form::Commands => write_commands(server, out, each_key),
    })?;
    log::info!("Successfully created the temporary AOF base file {}", path.display());
    Ok(())
}

/// Writes all of the data set as commands.
pub fn write_commands(server: &Server, out: &mut dyn Write, each_key: &mut dyn FnMut()) -> io::Result<()> {
    if server.config.aof_timestamp_enabled {
        out.write_all(time_note(server.clock.unix_s()).as_bytes())?;
    }
    write_libraries(&server.scripts.libraries.codes(), out)?;
    write_data_set(&server.keyspace, out, each_key)
}

/// A child that wrote a base has ended.
pub fn finished(server: &mut Server, child: &Child, form: Form, outcome: Ended) {
    let installed = match outcome {
        Ended::Well => install_base(server, child, form),
        Ended::Failed => Err(io::Error::other("the child failed")),
        Ended::Unwanted => Ok(()),
    };
    let took_s = server.clock.now_ms.saturating_sub(child.started_ms) / 1000;
    let rewrites = &mut server.persistence.rewrites;
    rewrites.last_took_s = Some(took_s);
    rewrites.last_cow = child.cow_peak;
    match installed {
        Ok(()) if outcome == Ended::Well => {
            log::info!("Background AOF rewrite finished successfully");
            rewrites.last_ok = true;
            rewrites.failures_in_a_row = 0;
        }
        Ok(()) => (),
        Err(error) => {
            if outcome == Ended::Well {
                log::warn!("Error putting the rewritten AOF into place: {error}");
            }
            rewrites.last_ok = false;
            rewrites.failures_in_a_row += 1;
        }
    }
    give_up_provisional(server);
    if server.config.appendonly && server.aof.is_none() {
        server.persistence.rewrites.scheduled = true;
    }
    remove_history(server);
}

fn install_base(server: &mut Server, child: &Child, form: Form) -> io::Result<()> {
    let written = child.temporary.as_deref().ok_or(io::ErrorKind::NotFound)?;
    match &mut server.aof {
        Some(aof) => aof.install_base(written, form),
        None => Files::load(Paths::new(&server.config))?.install_base(written, form, 0, None),
    }
}

/// Forgets commands that follow no base.
fn give_up_provisional(server: &mut Server) {
    if let Some(aof) = server.aof.take_if(|aof| aof.provisional) {
        let path = aof.files.paths.temporary_increment();
        log::info!("Removing the temp incr aof file {} in the background", path.display());
        let _ = fs::remove_file(path);
        server.background.close(aof.into_file());
    }
}

/// Removes files that rewrites replaced, unless they are to be kept.
pub fn remove_history(server: &mut Server) {
    if server.config.aof_disable_auto_gc {
        return;
    }
    let removed = match &mut server.aof {
        Some(aof) => aof.files.remove_history(),
        None => Files::load(Paths::new(&server.config)).and_then(|mut files| files.remove_history()),
    };
    match removed {
        Ok(files) => files.into_iter().for_each(|file| server.background.close(Arc::new(file))),
        Err(error) => log::warn!("Can't remove files that a rewrite replaced: {error}"),
    }
}

/// CONFIG SET appendonly yes: a first rewrite starts, or will start as soon as one can.
pub fn switch_on(server: &mut Server) -> Result<(), String> {
    if server.aof.is_some() {
        return Ok(());
    }
    if server.persistence.rewrite_runs() {
        log::warn!(
            "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and starting a rewrite now."
        );
        child::end(server);
        server.persistence.rewrites.scheduled = true;
    } else if server.persistence.child.is_some() {
        server.persistence.rewrites.scheduled = true;
        log::warn!(
            "AOF was enabled but there is already another background operation. An AOF background was scheduled to start when possible."
        );
    } else if server.unit.is_some() {
        server.persistence.rewrites.scheduled = true;
        log::warn!("AOF was enabled during a transaction. An AOF background was scheduled to start when possible.");
    } else {
        start(server).map_err(|_| "Unable to turn on AOF. Check server logs.".to_owned())?;
    }
    Ok(())
}

/// CONFIG SET appendonly no.
pub fn switch_off(server: &mut Server) {
    if let Some(timer) = server.aof_sync_timer.take() {
        server.timers.cancel(timer);
    }
    server.persistence.rewrites.scheduled = false;
    if server.persistence.rewrite_runs() {
        let pid = server.persistence.child.as_ref().map_or(0, |child| child.pid);
        log::info!("Killing running AOF rewrite child: {pid}");
        child::end(server);
    }
    give_up_provisional(server);
    if let Some(mut aof) = server.aof.take()
        && let Err(error) = aof.finish()
    {
        log::warn!("Error writing the append only file: {error}");
    }
}

/// Starts a rewrite that had to wait.
pub fn start_scheduled(server: &mut Server) {
    if server.persistence.rewrites.scheduled && !is_limited(server) {
        // If it cannot start, it is tried again.
        let _ = start(server);
    }
}

/// Starts a rewrite if the file has grown enough since the last one.
pub fn start_due(server: &mut Server) {
    let Some(aof) = &server.aof else { return };
    let (percentage, min_size) =
        (server.config.auto_aof_rewrite_percentage as u64, server.config.auto_aof_rewrite_min_size);
    if percentage == 0 || aof.size <= min_size {
        return;
    }
    let growth = (aof.size as u128 * 100 / aof.base_size.max(1) as u128).saturating_sub(100);
    if growth >= percentage as u128 && !is_limited(server) {
        log::info!("Starting automatic rewriting of AOF on {growth}% growth");
        let _ = start(server);
    }
}

/// Whether rewrites failed so often that none is to start now.
fn is_limited(server: &mut Server) -> bool {
    let now_ms = server.clock.now_ms;
    let rewrites = &mut server.persistence.rewrites;
    if rewrites.failures_in_a_row < FAILURES_MAX {
        rewrites.retry = None;
        return false;
    }
    let minutes = match &mut rewrites.retry {
        None => 1,
        Some(Retry { at_ms: Some(at_ms), .. }) if now_ms < *at_ms => return true,
        Some(retry) => match retry.at_ms.take() {
            Some(_) => return false,
            None => (retry.minutes * 2).min(DELAY_MINUTES_MAX),
        },
    };
    rewrites.retry = Some(Retry { at_ms: Some(now_ms + minutes * MINUTE_MS), minutes });
    log::warn!("Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {minutes} minutes");
    true
}
