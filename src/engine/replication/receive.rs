//! A data set comes from the primary. It is written to a file and loaded from there, a step each turn
//! of the loop; or it is loaded as it comes (`repl-diskless-load`), perhaps beside the one that there
//! is, which is served until the new one is whole.

use super::{apply, disconnect_replicas, failover, follow, position};
use crate::config::ReplDisklessLoad;
use crate::engine::{child, load, rewrite, snapshot};
use crate::persist::file::SteadyFile;
use crate::persist::rdb::{LoadFor, LoadStep, RdbLoad};
use crate::server::Server;
use crate::server::loading::{LoadMode, LoadProgress};
use crate::server::replication::primary::{FileState, Length, Link, Loading, Primary, ReceivedFile, Reception, Target};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::ptr;
use std::sync::{Arc, Weak};

/// Bytes of one read, at most.
const READ_MAX: u64 = 64 << 10;
const MARK_LEN: usize = 40;

/// How far a reception is.
enum Progress {
    /// All there was has been read.
    Waits,
    /// Others have their turn first.
    Pauses,
    Done,
}

/// The primary begins to send.
pub fn begin(server: &mut Server, reception: Reception) {
    go_on(server, Box::new(reception));
}

/// Takes what has come.
pub fn go_on(server: &mut Server, mut reception: Box<Reception>) {
    match receive(server, &mut reception) {
        Ok(Progress::Done) => received(server, *reception),
        Ok(progress) => {
            server.replication.link_needs_turn = matches!(progress, Progress::Pauses);
            if let Some(primary) = &mut server.replication.primary {
                primary.link = Link::Transfer(reception);
            }
        }
        Err(error) => {
            log::warn!("I/O error trying to sync with MASTER: {error}");
            give_up(server, *reception);
        }
    }
}

/// Nobody wants the rest.
pub fn give_up(server: &mut Server, reception: Reception) {
    match reception.target {
        Some(Target::File { path, .. }) => drop(server.background.remove(&path)),
        Some(Target::Memory { spare, .. }) => {
            load::no_longer_loading(server);
            if spare.is_none() {
                server.empty(false);
            }
            log::info!("MASTER <-> REPLICA sync: Discarding what was loaded of the data set");
        }
        None => (),
    }
}

fn receive(server: &mut Server, reception: &mut Reception) -> io::Result<Progress> {
    if reception.length.is_none() && !begin_to_receive(server, reception)? {
        return Ok(Progress::Waits);
    }
    // Then others have their turn.
    let mut budget = server.config.loading_process_events_interval_bytes;
    let mut space = vec![0; budget.min(READ_MAX) as usize];
    let early = mem::take(&mut reception.connection.input);
    if !early.is_empty() && take(server, reception, &early)? {
        return Ok(Progress::Done);
    }
    loop {
        if budget == 0 {
            return Ok(Progress::Pauses);
        }
        let wanted = match reception.length {
            // What comes after the data set is not for us to read.
            Some(Length::Bytes(length)) => (length - reception.received).min(space.len() as u64) as usize,
            _ => space.len(),
        };
        match (&reception.connection.stream).read(&mut space[..wanted]) {
            Ok(0) if wanted > 0 => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                budget = budget.saturating_sub(count as u64);
                server.stats.replication.input_bytes += count as u64;
                if take(server, reception, &space[..count])? {
                    return Ok(Progress::Done);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Waits),
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
}

/// Reads how long the data set is; false if that has not come yet.
fn begin_to_receive(server: &mut Server, reception: &mut Reception) -> io::Result<bool> {
    let line = loop {
        match reception.connection.line()? {
            None => return Ok(false),
            // It tells that it is still there.
            Some(line) if line.is_empty() => (),
            Some(line) => break line,
        }
    };
    let length = match line.strip_prefix('$') {
        Some(rest) => match rest.strip_prefix("EOF:") {
            Some(mark) if mark.len() == MARK_LEN => Length::Mark { mark: mark.into(), tail: Vec::new() },
            Some(_) => return Err(io::Error::other("a mark of the wrong length")),
            None => Length::Bytes(rest.parse().map_err(|_| io::Error::other(format!("no length: {line}")))?),
        },
        None if line.starts_with('-') => {
            return Err(io::Error::other(format!("MASTER aborted replication with an error: {}", &line[1..])));
        }
        None => {
            return Err(io::Error::other(format!(
                "Bad protocol from MASTER, the first byte is not '$' (we received '{line}'), are you sure the host and port are right?"
            )));
        }
    };
    reception.target = Some(target(server, reception, &length)?);
    reception.length = Some(length);
    Ok(true)
}

/// Where the data set is to go.
fn target(server: &mut Server, reception: &Reception, length: &Length) -> io::Result<Target> {
    let is_empty = server.keyspace.dbs().iter().all(|db| db.is_empty());
    let spare = match server.config.repl_diskless_load {
        ReplDisklessLoad::SwapDb => Some(Box::new(server.keyspace.spare())),
        ReplDisklessLoad::OnEmptyDb if is_empty => None,
        ReplDisklessLoad::OnEmptyDb | ReplDisklessLoad::Disabled => {
            let path = server.config.dir.join(format!("temp-{}.{}.rdb", server.clock.unix_s(), std::process::id()));
            log_length(length, "disk");
            return Ok(Target::File { file: SteadyFile::new(File::create(&path)?, true), path });
        }
    };
    log_length(length, "parser");
    log::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    let total = match length {
        Length::Bytes(bytes) => *bytes,
        Length::Mark { .. } => 0,
    };
    // What is there may be served meanwhile if it is an older state of the same history.
    let same = reception.history.as_ref().is_some_and(|(id, _)| *id == server.replication.replid);
    let mode = if spare.is_some() && same { LoadMode::Async } else { LoadMode::Blocking };
    if spare.is_none() {
        before_new_data(server);
    }
    server.loading.progress = LoadProgress::begin(total, &server.clock);
    server.loading.mode = mode;
    server.keyspace.expiry_mode = server.expiry_mode();
    Ok(Target::Memory { load: Box::new(RdbLoad::fed(LoadFor::Replay, &server.config)), spare, whole: false })
}

fn log_length(length: &Length, to: &str) {
    match length {
        Length::Bytes(bytes) => log::info!("MASTER <-> REPLICA sync: receiving {bytes} bytes from master to {to}"),
        Length::Mark { .. } => {
            log::info!("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to {to}")
        }
    }
}

/// A piece of the data set; true if that was the last one.
fn take(server: &mut Server, reception: &mut Reception, piece: &[u8]) -> io::Result<bool> {
    let (Some(length), Some(target)) = (&mut reception.length, &mut reception.target) else { return Ok(false) };
    if let Some(primary) = &mut server.replication.primary {
        primary.heard_ms = server.clock.now_ms;
    }
    let (piece, is_last) = match length {
        Length::Bytes(bytes) => {
            let part = piece.len().min((*bytes - reception.received) as usize);
            // The stream may follow at once.
            reception.connection.input.extend_from_slice(&piece[part..]);
            (&piece[..part], reception.received + part as u64 == *bytes)
        }
        Length::Mark { mark, tail } => {
            // Nothing follows the mark before we have said that it came.
            tail.extend_from_slice(&piece[piece.len().saturating_sub(MARK_LEN)..]);
            tail.drain(..tail.len().saturating_sub(MARK_LEN));
            (piece, tail == mark)
        }
    };
    reception.received += piece.len() as u64;
    match target {
        Target::File { file, .. } => {
            file.write_all(piece)?;
        }
        Target::Memory { load, spare, whole } => {
            if !*whole {
                load.feed(piece);
            }
            let keyspace = spare.as_deref_mut().unwrap_or(&mut server.keyspace);
            while !*whole {
                match load.step(keyspace, &server.config, u64::MAX) {
                    Ok(LoadStep::More) => (),
                    Ok(LoadStep::NotYet) => break,
                    Ok(LoadStep::Done) => *whole = true,
                    Err(failure) => return Err(io::Error::other(format!("Internal error in RDB reading: {failure}"))),
                }
            }
            server.loading.progress.loaded_bytes = load.position();
            if is_last && !*whole {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
    Ok(is_last)
}

/// What was there makes room for what comes.
fn before_new_data(server: &mut Server) {
    // The snapshot that a child writes is of what is about to go.
    child::end(server);
    disconnect_replicas(server);
    if server.aof.is_some() {
        rewrite::switch_off(server);
    }
    log::info!("MASTER <-> REPLICA sync: Flushing old data");
    server.replication.own_expiring.clear();
    server.empty(server.config.replica_lazy_flush);
    server.keyspace.effects.dirty = 0;
    // Whatever becomes of the new data: of the old history there is nothing left.
    server.replication.start_new_history();
    if let Some(primary) = &mut server.replication.primary {
        primary.has_history = false;
    }
}

/// All has come.
fn received(server: &mut Server, reception: Reception) {
    let Reception { connection, history, target, length, received, .. } = reception;
    let appends = server.config.appendonly;
    let mut loading = Loading { connection, history, selected: 0, appends, file: None };
    match target {
        Some(Target::File { file, path }) => {
            let file = Arc::new(file.into_file());
            let of_file = Arc::downgrade(&file);
            loading.file = Some(ReceivedFile { path, state: FileState::Unsettled(file.clone()) });
            if let Some(primary) = &mut server.replication.primary {
                primary.link = Link::Loading(Box::new(loading));
            }
            let without_mark = matches!(length, Some(Length::Mark { .. })).then(|| received - MARK_LEN as u64);
            let sync = move || without_mark.map_or(Ok(()), |len| file.set_len(len)).and_then(|()| file.sync_data());
            server.background.run(sync, move |server, result| settled(server, &of_file, result));
        }
        Some(Target::Memory { mut load, spare, .. }) => {
            load::no_longer_loading(server);
            server.loading.last = load.loaded();
            loading.selected = position::stream_db(server, &load);
            if let Some(spare) = spare {
                before_new_data(server);
                server.keyspace.replace_databases(*spare, server.config.replica_lazy_flush);
            }
            if let Err(failure) = load::load_libraries(server, &mut load) {
                log::warn!("Failed trying to load the MASTER synchronization DB: {failure}");
                return server.empty(false);
            }
            go_online(server, loading);
        }
        None => (),
    }
}

/// The disk has what came, or cannot take it; perhaps nobody wants it any more. The loop goes on with it
/// between two commands: this may be in the middle of one that waits for the disk.
fn settled(server: &mut Server, file: &Weak<File>, result: io::Result<()>) {
    let Some(Primary { link: Link::Loading(loading), .. }) = &mut server.replication.primary else { return };
    let Some(received) = &mut loading.file else { return };
    if matches!(&received.state, FileState::Unsettled(it) if ptr::eq(Arc::as_ptr(it), file.as_ptr())) {
        received.state = FileState::Settled(result);
        server.replication.link_needs_turn = true;
    }
}

/// Once the disk has what came, that takes the place of what was there.
pub fn load_settled(server: &mut Server) {
    let Some(Primary { link: Link::Loading(loading), .. }) = &mut server.replication.primary else { return };
    let Some(received) = loading.file.as_mut().filter(|it| matches!(it.state, FileState::Settled(_))) else { return };
    let FileState::Settled(result) = mem::replace(&mut received.state, FileState::Named) else { return };
    match result.and_then(|()| snapshot::name(&server.config, &server.background, &received.path)) {
        Ok(path) => {
            received.path = path.clone();
            snapshot::sync_name(server, &path);
            before_new_data(server);
            log::info!("MASTER <-> REPLICA sync: Loading DB in memory");
            if let Err(error) = load::start_from_primary(server, path) {
                loaded(server, Err(error));
            }
        }
        Err(error) => {
            log::warn!("Failed trying to rename the temp DB in MASTER <-> REPLICA synchronization: {error}");
            let _ = server.background.remove(&received.path);
            follow::drop_link(server);
        }
    }
}

/// Nobody wants to load what came.
pub fn give_up_loading(server: &mut Server, loading: Loading) {
    load::give_up(server);
    let Some(ReceivedFile { path, state }) = loading.file else { return };
    if !matches!(state, FileState::Named) {
        let _ = server.background.remove(&path);
    }
    if let FileState::Unsettled(file) = state {
        server.background.close(file);
    }
}

/// The server ends: what has not all come, or was not loaded yet, is of no use to the next one.
pub fn remove_unfinished(server: &Server) {
    let path = match server.replication.primary.as_ref().map(|primary| &primary.link) {
        Some(Link::Transfer(reception)) => match &reception.target {
            Some(Target::File { path, .. }) => path,
            _ => return,
        },
        Some(Link::Loading(loading)) => match &loading.file {
            Some(ReceivedFile { path, state }) if !matches!(state, FileState::Named) => path,
            _ => return,
        },
        _ => return,
    };
    let _ = server.background.remove(path);
}

/// The file was loaded, with the stream at this database, or it could not be.
pub fn loaded(server: &mut Server, result: Result<usize, load::LoadError>) {
    let Some(primary) = &mut server.replication.primary else { return };
    let Link::Loading(mut loading) = mem::replace(&mut primary.link, Link::Down) else { return };
    let nobody_needs_it =
        server.config.rdb_del_sync_files && server.config.save.is_empty() && !server.config.appendonly;
    if let Some(ReceivedFile { path, .. }) = loading.file.take_if(|_| nobody_needs_it) {
        log::info!("Removing the RDB file obtained from the master. This replica has persistence disabled");
        let _ = server.background.remove(&path);
    }
    match result {
        Ok(selected) => go_online(server, Loading { selected, ..*loading }),
        Err(reason) => {
            log::warn!("Failed trying to load the MASTER synchronization DB from disk: {}", reason.0);
            server.empty(false);
        }
    }
}

/// The data set is there, and the stream goes on from it.
fn go_online(server: &mut Server, loading: Loading) {
    let Loading { connection, history, selected, appends, .. } = loading;
    let replication = &mut server.replication;
    let has_history = history.is_some();
    let offset = history.as_ref().map_or(0, |(_, offset)| *offset);
    replication.start_new_history();
    if let Some((id, _)) = history {
        replication.replid = id;
    }
    replication.stream.restart_at(offset);
    (replication.aof_written, replication.aof_syncing, replication.aof_durable) = (0, 0, 0);
    if let Some(primary) = &mut replication.primary {
        primary.has_history = has_history;
    }
    log::info!("MASTER <-> REPLICA sync: Finished with success");
    apply::begin(server, connection, selected, has_history);
    failover::done(server);
    if appends && let Err(error) = rewrite::switch_on(server) {
        log::warn!("Failed enabling the AOF after successful master synchronization: {error}");
        server.persistence.rewrites.scheduled = true;
    }
}
