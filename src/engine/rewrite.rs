//! Rewrites of the append-only file, and switching it on and off while the server runs.
//!
//! When a child begins to write a new base, a new increment begins as well, which the manifest names
//! already: so base and increment meet exactly, no command is kept twice, and there is nothing to be
//! caught up with when the child is done. If it fails there is one increment more, and nothing is lost.
//!
//! Where there is no base yet (the file was switched on a moment ago), the increment is provisional:
//! the manifest learns of both together. The same is done where the folder was changed (`CONFIG SET dir`):
//! then the old set is written to as well, and stays whole, until the new one is complete.
//!
//! Changing the files waits for the disk, so another thread does it, on a copy of what is known of them:
//! it adds the increment before the child begins, while commands still go to the one before, and puts
//! the base in its place after the child has ended. Meanwhile nobody else changes them
//! (`Rewrites::changes_files`); who has to, settles them first.

use super::append_only;
use super::call::apply_reply_mode;
use super::child;
use super::snapshot::{Contents, write_rdb};
use super::timers::background_done;
use crate::persist::aof::{Aof, Files, Form, Paths, time_note, write_data_set, write_libraries};
use crate::persist::file::write_durably;
use crate::resp::CommandError;
use crate::server::persistence::{Child, Ended, Job, RewriteDelay};
use crate::server::{ClientFlags, ClientId, Server};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// After this many failures in a row rewrites do not start by themselves at once.
const FAILURES_MAX: u32 = 3;
/// Then each failure doubles the delay up to an hour.
const DELAY_MINUTES_MAX: u64 = 60;
const MINUTE_MS: u64 = 60_000;

/// Replies of BGREWRITEAOF.
pub const STARTED: &str = "Background append only file rewriting started";
pub const CANNOT_START: CommandError = CommandError::new(
    "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
);

/// Starts a rewrite; no child may be there, and none on its way. If that takes a while, because the
/// files have to be made ready, `asker` is told later how it went, and this gives false.
pub fn start(server: &mut Server, asker: Option<ClientId>) -> io::Result<bool> {
    let ready = make_files_ready(server, asker);
    if matches!(ready, Ok(false)) {
        return Ok(false);
    }
    let started = ready.and_then(|_| start_child(server));
    note_start(server, &started);
    started.map(|_| true)
}

/// False if that is under way.
fn make_files_ready(server: &mut Server, asker: Option<ClientId>) -> io::Result<bool> {
    let paths = Paths::new(&server.config);
    paths.create_folder()?;
    let Some(aof) = &server.aof else {
        if server.config.appendonly {
            server.aof = Some(Aof::open_provisional(Files::load(paths)?)?);
        }
        return Ok(true);
    };
    if aof.files.paths != paths {
        all_is_written(server)?.begin_next(Files::load(paths)?)?;
        return Ok(true);
    }
    let mut files = aof.files.clone();
    all_is_written(server)?;
    server.persistence.rewrites.changes_files = true;
    let add_increment = move || {
        let added = files.add_increment();
        (files, added)
    };
    server.background.run(add_increment, move |server, (files, added)| {
        if let Some(aof) = &mut server.aof {
            aof.files = files;
        }
        server.persistence.rewrites.changes_files = false;
        let started = if server.persistence.rewrites.called_off {
            Err(ErrorKind::Interrupted.into())
        } else {
            let started = added.and_then(|increment| begin_increment(server, increment));
            note_start(server, &started);
            started
        };
        if let Some(asker) = asker {
            tell(server, asker, started.is_ok());
        }
    });
    Ok(false)
}

/// The files are ready: from here on commands go to the new increment, and a child writes what comes before.
///
/// If it does not come to this, the increment that was added stays in the manifest, empty, after the one
/// that is still written to: what is loaded is the same, and whoever opens the files next goes on in it.
fn begin_increment(server: &mut Server, increment: File) -> io::Result<u32> {
    all_is_written(server)?.switch_to(increment);
    append_only::begin_sync(server);
    start_child(server)
}

/// Writes what the append-only file is still to hold.
fn all_is_written(server: &mut Server) -> io::Result<&mut Aof> {
    append_only::flush(server);
    let aof = server.aof.as_mut().filter(|aof| aof.buffered() == 0);
    aof.ok_or_else(|| io::Error::other("what comes before could not be written"))
}

fn start_child(server: &mut Server) -> io::Result<u32> {
    let form = Form::configured(&server.config);
    let paths = match &server.aof {
        Some(aof) => aof.paths_to_be().clone(),
        None => Paths::new(&server.config),
    };
    child::start(server, Job::Rewrite(form), child::Output::File(&|_, pid| paths.temporary_base(pid)))
}

fn note_start(server: &mut Server, started: &io::Result<u32>) {
    match started {
        Ok(pid) => {
            log::info!("Background append only file rewriting started by pid {pid}");
            server.persistence.rewrites.scheduled = false;
            server.persistence.rewrites.count += 1;
        }
        Err(error) => {
            log::warn!("Can't rewrite append only file in background: {error}");
            failed(server);
            give_up_provisional(server);
        }
    }
}

/// Replies to the client that has asked for a rewrite and waits to hear whether it has started.
fn tell(server: &mut Server, asker: ClientId, started: bool) {
    let Some(client) = server.clients.get_mut(asker) else { return };
    client.flags -= ClientFlags::BLOCKED;
    let mark = client.output.mark();
    let mut reply = server.reply(asker);
    match started {
        true => reply.simple(STARTED),
        false => reply.error(&CANNOT_START),
    }
    apply_reply_mode(server, asker, mark);
    server.pending_read(asker);
}

/// Waits until the helper thread is done with the files; a rewrite that it prepares them for is called off.
pub fn settle_files(server: &mut Server) {
    if server.persistence.rewrites.changes_files {
        server.persistence.rewrites.called_off = true;
        server.background.wait_for_disk();
        background_done(server);
        server.persistence.rewrites.called_off = false;
    }
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
pub fn child_ended(server: &mut Server, child: &mut Child, form: Form, outcome: Ended) {
    let rewrites = &mut server.persistence.rewrites;
    rewrites.last_took_s = Some(server.clock.now_ms.saturating_sub(child.started_ms) / 1000);
    rewrites.last_cow = child.cow_peak;
    match (outcome, child.temporary.take()) {
        (Ended::Succeeded, Some(written)) => {
            if let Err(error) = install_base(server, &written, form) {
                let _ = server.background.remove(&written);
                installed(server, Err(error));
            }
        }
        (_, written) => {
            let _ = written.map(|path| server.background.remove(&path));
            if outcome != Ended::Unwanted {
                failed(server);
            }
            finished(server);
        }
    }
}

/// Has the base that a child wrote put in the place of what came before the current increment.
fn install_base(server: &mut Server, written: &Path, form: Form) -> io::Result<()> {
    let (mut files, first, kept) = match &mut server.aof {
        Some(Aof { next: Some(next), .. }) => (next.files.clone(), Some(next.whole_increment()?), 0),
        Some(aof) if aof.provisional => (aof.files.clone(), Some(aof.file()), 0),
        Some(aof) => (aof.files.clone(), None, 1),
        // The child wrote where the folder was then.
        None => {
            let folder = written.parent().unwrap_or(Path::new(".")).to_owned();
            (Files::load(Paths { folder, ..Paths::new(&server.config) })?, None, 0)
        }
    };
    let written = written.to_owned();
    let keeps_history = server.config.aof_disable_auto_gc;
    server.persistence.rewrites.changes_files = true;
    let install = move || {
        let path = first.as_ref().map(|_| files.paths.temporary_increment());
        // What was acknowledged as durable has to be so in this set as well.
        let durable = first.map_or(Ok(()), |increment| increment.sync_data());
        let installed = durable.and_then(|()| files.install_base(&written, form, kept, path.as_deref()));
        if let Err(error) = installed {
            let _ = fs::remove_file(written);
            return Err(error);
        }
        let removed = if keeps_history { Ok(Vec::new()) } else { files.remove_history() };
        let removed = removed.unwrap_or_else(|error| {
            files.notes.push(history_stays(&error));
            Vec::new()
        });
        Ok((files, removed))
    };
    server.background.run(install, |server, result| {
        server.persistence.rewrites.changes_files = false;
        let result = result.map(|(files, removed)| {
            close(server, removed);
            files
        });
        installed(server, result);
    });
    Ok(())
}

/// The base is in its place, and the files are now these.
fn installed(server: &mut Server, result: io::Result<Files>) {
    let installed = result.and_then(|mut files| {
        log_notes(&mut files);
        server.aof.as_mut().map_or(Ok(()), |aof| aof.base_installed(files))
    });
    match installed {
        Ok(()) => {
            // An increment elsewhere may not be durable as far as the one before was.
            append_only::flush(server);
            log::info!("Background AOF rewrite finished successfully");
            server.persistence.rewrites.last_ok = true;
            server.persistence.rewrites.failures_in_a_row = 0;
        }
        Err(error) => {
            log::warn!("Error putting the rewritten AOF into place: {error}");
            failed(server);
        }
    }
    finished(server);
}

fn failed(server: &mut Server) {
    server.persistence.rewrites.last_ok = false;
    server.persistence.rewrites.failures_in_a_row += 1;
}

fn finished(server: &mut Server) {
    give_up_provisional(server);
    if server.config.appendonly && server.aof.is_none() {
        server.persistence.rewrites.scheduled = true;
    }
}

fn log_notes(files: &mut Files) {
    files.notes.drain(..).for_each(|note| log::info!("{note}"));
}

/// Closes files that were removed.
fn close(server: &Server, removed: Vec<File>) {
    if !removed.is_empty() {
        server.background.close(removed);
    }
}

fn history_stays(error: &io::Error) -> String {
    format!("Can't remove files that a rewrite replaced: {error}")
}

/// Forgets commands that follow no base.
fn give_up_provisional(server: &mut Server) {
    let Some(aof) = &mut server.aof else { return };
    let path = aof.paths_to_be().temporary_increment();
    if aof.next.take().is_some() || server.aof.take_if(|aof| aof.provisional).is_some() {
        log::info!("Removing the temp incr aof file {} in the background", path.display());
        let _ = server.background.remove(&path);
    }
}

/// Removes files that rewrites replaced, unless they are to be kept.
pub fn remove_history(server: &mut Server) {
    // Whoever changes the files does that last.
    if server.config.aof_disable_auto_gc || server.persistence.rewrites.changes_files {
        return;
    }
    let remove = |files: &mut Files| {
        let removed = files.remove_history();
        log_notes(files);
        removed
    };
    let removed = match &mut server.aof {
        Some(aof) => remove(&mut aof.files),
        None => Files::load(Paths::new(&server.config)).and_then(|mut files| remove(&mut files)),
    };
    match removed {
        Ok(files) => close(server, files),
        Err(error) => log::warn!("{}", history_stays(&error)),
    }
}

/// CONFIG SET appendonly yes: a first rewrite starts, or will start as soon as one can.
pub fn switch_on(server: &mut Server) -> Result<(), String> {
    if server.aof.is_some() {
        return Ok(());
    }
    settle_files(server);
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
    } else if server.execution.is_atomic() {
        server.persistence.rewrites.scheduled = true;
        log::warn!("AOF was enabled during a transaction. An AOF background was scheduled to start when possible.");
    } else {
        start(server, None).map_err(|_| "Unable to turn on AOF. Check server logs.".to_owned())?;
    }
    Ok(())
}

/// CONFIG SET appendonly no.
pub fn switch_off(server: &mut Server) {
    if let Some(timer) = server.aof_sync_timer.take() {
        server.timers.cancel(timer);
    }
    settle_files(server);
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
        let _ = start(server, None);
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
        let _ = start(server, None);
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
        Some(RewriteDelay { at_ms: Some(at_ms), .. }) if now_ms < *at_ms => return true,
        Some(retry) => match retry.at_ms.take() {
            Some(_) => return false,
            None => (retry.minutes * 2).min(DELAY_MINUTES_MAX),
        },
    };
    rewrites.retry = Some(RewriteDelay { at_ms: Some(now_ms + minutes * MINUTE_MS), minutes });
    log::warn!("Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {minutes} minutes");
    true
}
