//! Loading the data set, a step each turn of the loop: at start from the append-only file or the
//! snapshot. Meanwhile clients are served, though what needs the data set is answered LOADING.
//!
//! DEBUG RELOAD and LOADAOF take the same steps one after the other.

use super::call::free_garbage;
use super::load_aof;
use super::replication::{follow, position, receive};
use super::{script, snapshot};
use crate::persist::aof::Files;
use crate::persist::rdb::{LoadFailure, LoadFor, LoadStep, RdbError, RdbLoad};
use crate::script::library::Existing;
use crate::server::Server;
use crate::server::listeners::Listener;
use crate::server::loading::{Load, LoadMode, LoadProgress, LoadSource, SnapshotLoad};
use crate::server::supervisor;
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// How far a long load is goes to the log this often.
const LOG_INTERVAL_MS: u64 = 5000;

/// Why the data set could not be loaded, in words for the log.
#[derive(Debug)]
pub struct LoadError(pub String);

/// Begins to load what the configuration names: the append-only file, or the snapshot.
pub fn start(server: &mut Server) -> Result<(), LoadError> {
    let load = if server.config.appendonly {
        load_aof::open_or_create(server)?
    } else {
        // A replica deletes expired keys only when its primary says so.
        let purpose = if server.config.replicaof.is_some() { LoadFor::Replay } else { LoadFor::Start };
        open_snapshot(server, purpose, true)?
    };
    match load {
        Some(source) => server.loading.load = Some(Box::new(begin(server, source))),
        None => ready(server),
    }
    Ok(())
}

/// The data set of the start is loaded: replication may begin.
fn ready(server: &mut Server) {
    say_ready(server);
    if let Some((host, port)) = server.config.replicaof.clone() {
        follow::start(server, host, port);
    }
}

/// Takes a step, if there is something to be loaded. An error means that the server cannot go on.
pub fn step(server: &mut Server) -> Result<(), LoadError> {
    let Some(mut load) = server.loading.load.take() else { return Ok(()) };
    let bytes = server.config.loading_process_events_interval_bytes;
    let from_primary = matches!(load.source, LoadSource::FromPrimary(_));
    match advance(server, &mut load.source, bytes) {
        Ok(true) => (),
        Ok(false) => {
            log_progress(server);
            server.loading.load = Some(load);
            return Ok(());
        }
        Err(error) if from_primary => {
            no_longer_loading(server);
            receive::loaded(server, Err(error));
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    let selected = match &load.source {
        LoadSource::FromPrimary(load) => position::stream_db(server, &load.data_set),
        _ => 0,
    };
    let history = match &mut load.source {
        LoadSource::AppendOnlyFile(load) => load.history.take(),
        _ => None,
    };
    if let Some(files) = end(server, *load) {
        load_aof::open(server, files)?;
    }
    if let Some(place) = history {
        position::restore_position(server, place);
    }
    if from_primary {
        receive::loaded(server, Ok(selected));
    } else {
        ready(server);
    }
    Ok(())
}

/// As a replica: begins to load what the primary sent.
pub fn start_from_primary(server: &mut Server, path: PathBuf) -> Result<(), LoadError> {
    let Some(LoadSource::Snapshot(load)) = open_data_set(server, path, LoadFor::Replay, false)? else {
        return Err(LoadError("the file is gone".into()));
    };
    server.loading.load = Some(Box::new(begin(server, LoadSource::FromPrimary(load))));
    Ok(())
}

/// Stops loading a data set of the primary that is no longer wanted.
pub fn give_up(server: &mut Server) {
    if server.loading.load.take().is_some() {
        no_longer_loading(server);
        server.empty(false);
    }
}

/// DEBUG RELOAD: adds the snapshot to the data set, if there is one. `merge`: its keys replace those that
/// are there.
pub fn load_snapshot(server: &mut Server, merge: bool) -> Result<(), LoadError> {
    let purpose = if merge { LoadFor::Merge } else { LoadFor::Start };
    match open_snapshot(server, purpose, false)? {
        Some(source) => load_at_once(server, source).map(drop),
        None => Ok(()),
    }
}

/// Takes all steps. Gives the files of the append-only file, if it was that.
pub(super) fn load_at_once(server: &mut Server, source: LoadSource) -> Result<Option<Files>, LoadError> {
    let mut load = begin(server, source);
    loop {
        match advance(server, &mut load.source, u64::MAX) {
            Ok(true) => return Ok(end(server, load)),
            Ok(false) => (),
            Err(error) => {
                no_longer_loading(server);
                return Err(error);
            }
        }
    }
}

/// None if there is no snapshot.
fn open_snapshot(server: &Server, purpose: LoadFor, at_start: bool) -> Result<Option<LoadSource>, LoadError> {
    open_data_set(server, snapshot::path(server), purpose, at_start)
}

/// None if there is no such file.
fn open_data_set(
    server: &Server,
    path: PathBuf,
    purpose: LoadFor,
    at_start: bool,
) -> Result<Option<LoadSource>, LoadError> {
    match File::open(&path) {
        Ok(file) => {
            let data_set = RdbLoad::new(file, purpose, &server.config);
            Ok(Some(LoadSource::Snapshot(SnapshotLoad { path, data_set, at_start })))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LoadError(format!("Can't open {}: {error}", path.display()))),
    }
}

fn begin(server: &mut Server, source: LoadSource) -> Load {
    let total_bytes = match &source {
        LoadSource::Snapshot(load) | LoadSource::FromPrimary(load) => {
            std::fs::metadata(&load.path).map_or(0, |data| data.len())
        }
        LoadSource::AppendOnlyFile(load) => load.files.manifest.live().map(|part| load.files.size_of(part)).sum(),
    };
    server.loading.mode = LoadMode::Blocking;
    server.loading.progress = LoadProgress::begin(total_bytes, &server.clock);
    server.keyspace.expiry_mode = server.expiry_mode();
    Load { source, started: server.clock.stamp() }
}

/// Reads on by about `bytes` bytes; true if that was all.
fn advance(server: &mut Server, source: &mut LoadSource, bytes: u64) -> Result<bool, LoadError> {
    match source {
        LoadSource::Snapshot(load) | LoadSource::FromPrimary(load) => advance_snapshot(server, load, bytes),
        LoadSource::AppendOnlyFile(load) => load_aof::advance(server, load, bytes),
    }
}

fn advance_snapshot(server: &mut Server, load: &mut SnapshotLoad, bytes: u64) -> Result<bool, LoadError> {
    let SnapshotLoad { path, data_set, at_start } = load;
    let step = step_data_set(server, data_set, 0, bytes, *at_start).map_err(|failure| {
        log::warn!("Internal error in RDB reading: {failure}");
        LoadError(format!(
            "Can't load {}: {failure}. Restore it from a copy, or move it away to start empty. Terminating server after rdb file reading failure.",
            path.display()
        ))
    })?;
    Ok(step == LoadStep::Done)
}

/// As [`RdbLoad::step`], and takes note of how far the load is. `before`: bytes of other sources.
/// `at_start`: replicas may go on from the history of what is loaded.
pub(super) fn step_data_set(
    server: &mut Server,
    data_set: &mut RdbLoad,
    before: u64,
    bytes: u64,
    at_start: bool,
) -> Result<LoadStep, LoadFailure> {
    let result = data_set.step(&mut server.keyspace, &server.config, bytes);
    // Loading does not count as a change.
    server.keyspace.effects.dirty = 0;
    if at_start {
        if let Some(place) = position::position_of(server, data_set) {
            position::restore_position(server, place);
        }
        // Replicas that go on from this history still have the keys that expired since.
        for (db, arguments) in server.keyspace.effects.deleted.iter() {
            server.replication.stream.append(db, arguments);
        }
    }
    server.keyspace.effects.deleted.clear();
    free_garbage(server);
    server.loading.progress.loaded_bytes = before + data_set.position();
    if server.loading.progress.used_memory == 0 {
        let used = data_set.fact(b"used-mem").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        server.loading.progress.used_memory = used.unwrap_or(0);
    }
    if let Ok(LoadStep::Done) = result {
        load_libraries(server, data_set)?;
        let loaded = data_set.loaded();
        log::info!(
            "Done loading RDB, keys loaded: {}, keys expired: {}, empty keys skipped: {}.",
            loaded.keys,
            loaded.expired,
            loaded.empty
        );
        server.loading.last = loaded;
    }
    result
}

/// Loads the libraries of functions that were in a data set.
pub(super) fn load_libraries(server: &mut Server, data_set: &mut RdbLoad) -> Result<(), LoadFailure> {
    let existing = if data_set.purpose() == LoadFor::Merge { Existing::Replace } else { Existing::Keep };
    let codes = data_set.take_libraries();
    let codes: Vec<&[u8]> = codes.iter().map(|code| &code[..]).collect();
    match script::load_libraries(server, &codes, existing) {
        Ok(_) => Ok(()),
        Err(error) => {
            log::warn!("Failed creating the library: {}", error.text());
            let error = RdbError::Corrupt("a library of functions that cannot be loaded");
            Err(LoadFailure { error, offset: data_set.position() })
        }
    }
}

/// All is loaded. Gives the files of the append-only file, if it was that.
fn end(server: &mut Server, load: Load) -> Option<Files> {
    let took_s = seconds_since(server, load.started);
    no_longer_loading(server);
    match load.source {
        LoadSource::Snapshot(_) | LoadSource::FromPrimary(_) => {
            log::info!("DB loaded from disk: {took_s:.3} seconds");
            None
        }
        LoadSource::AppendOnlyFile(load) => {
            log::info!("DB loaded from append only file: {took_s:.3} seconds");
            Some(load.files)
        }
    }
}

/// Ends the state of loading, whether the data set was loaded or not.
pub fn no_longer_loading(server: &mut Server) {
    server.loading.mode = LoadMode::None;
    server.keyspace.expiry_mode = server.expiry_mode();
}

fn log_progress(server: &mut Server) {
    let progress = &mut server.loading.progress;
    if server.clock.now_ms - progress.logged_ms >= LOG_INTERVAL_MS {
        progress.logged_ms = server.clock.now_ms;
        log::info!(
            "Loading the data set: {:.0}% of {} MB, about {} seconds to go",
            progress.percent(),
            progress.total_bytes >> 20,
            progress.eta_s(server.clock.unix_s())
        );
    }
}

fn say_ready(server: &Server) {
    for listener in &server.listeners {
        match listener {
            Listener::Tcp(_) => log::info!("Ready to accept connections tcp"),
            Listener::Unix(..) => log::info!("Ready to accept connections unix"),
        }
    }
    supervisor::ready(&server.config, server.config.replicaof.is_some());
}

pub(super) fn seconds_since(server: &Server, stamp: u64) -> f64 {
    server.clock.nanos_between(stamp, server.clock.stamp()) as f64 / 1e9
}
