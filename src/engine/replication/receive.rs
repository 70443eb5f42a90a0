//! A data set comes from the primary: it is written to a file, and loaded from there.

use super::{apply, disconnect_replicas, failover};
use crate::engine::{rewrite, snapshot};
use crate::server::Server;
use crate::server::replication::primary::{Length, Link, Loading, Reception, Target};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};

/// Read from the connection before others have their turn.
const TURN_MAX: u64 = 4 << 20;
const READ: usize = 64 << 10;
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
        Ok(Progress::Done) => load(server, *reception),
        Ok(progress) => {
            server.replication.receive_again = matches!(progress, Progress::Pauses);
            if let Some(primary) = &mut server.replication.primary {
                primary.link = Link::Transfer(reception);
            }
        }
        Err(error) => {
            log::warn!("I/O error trying to sync with MASTER: {error}");
            give_up(*reception);
            failover::refused(server);
        }
    }
}

/// Nobody wants the rest.
pub fn give_up(reception: Reception) {
    if let Some(Target::File { path, .. }) = reception.target {
        let _ = fs::remove_file(path);
    }
}

fn receive(server: &mut Server, reception: &mut Reception) -> io::Result<Progress> {
    if reception.length.is_none() && !begin_to_receive(server, reception)? {
        return Ok(Progress::Waits);
    }
    let mut budget = TURN_MAX;
    let mut space = vec![0; READ];
    let early = std::mem::take(&mut reception.connection.input);
    if !early.is_empty() && take(server, reception, &early)? {
        return Ok(Progress::Done);
    }
    loop {
        if budget == 0 {
            return Ok(Progress::Pauses);
        }
        let wanted = match reception.length {
            // What comes after the data set is not for us to read.
            Some(Length::Bytes(length)) => (length - reception.received).min(READ as u64) as usize,
            _ => READ,
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
    match &length {
        Length::Bytes(bytes) => log::info!("MASTER <-> REPLICA sync: receiving {bytes} bytes from master to disk"),
        Length::Mark { .. } => {
            log::info!("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to disk")
        }
    }
    let path = server.config.dir.join(format!("temp-{}.{}.rdb", server.clock.unix_s(), std::process::id()));
    reception.target = Some(Target::File { file: File::create(&path)?, path });
    reception.length = Some(length);
    Ok(true)
}

/// A piece of the data set; true if that was the last one.
fn take(server: &mut Server, reception: &mut Reception, piece: &[u8]) -> io::Result<bool> {
    let (Some(length), Some(Target::File { file, .. })) = (&mut reception.length, &mut reception.target) else {
        return Ok(false);
    };
    if let Some(primary) = &mut server.replication.primary {
        primary.heard_ms = server.clock.now_ms;
    }
    match length {
        Length::Bytes(bytes) => {
            let part = piece.len().min((*bytes - reception.received) as usize);
            file.write_all(&piece[..part])?;
            reception.received += part as u64;
            // The stream may follow at once.
            reception.connection.input.extend_from_slice(&piece[part..]);
            Ok(reception.received == *bytes)
        }
        Length::Mark { mark, tail } => {
            file.write_all(piece)?;
            reception.received += piece.len() as u64;
            // Nothing follows the mark before we have said that it came.
            tail.extend_from_slice(piece);
            tail.drain(..tail.len().saturating_sub(MARK_LEN));
            if tail != mark {
                return Ok(false);
            }
            reception.received -= MARK_LEN as u64;
            file.set_len(reception.received)?;
            Ok(true)
        }
    }
}

/// All has come: what was there before goes.
fn load(server: &mut Server, reception: Reception) {
    let Reception { connection, history, target, .. } = reception;
    let Some(Target::File { file, path }) = target else { return };
    // The snapshot that a child writes is of what is about to go.
    crate::engine::child::end(server);
    let in_place = file.sync_data().and_then(|()| fs::rename(&path, snapshot::path(server)));
    if let Err(error) = in_place {
        log::warn!(
            "Failed trying to rename the temp DB into {} in MASTER <-> REPLICA synchronization: {error}",
            server.config.dbfilename.display()
        );
        let _ = fs::remove_file(&path);
        return;
    }
    disconnect_replicas(server);
    let appends = server.aof.is_some();
    if appends {
        rewrite::switch_off(server);
    }
    log::info!("MASTER <-> REPLICA sync: Flushing old data");
    server.keyspace.flush(None, server.config.replica_lazy_flush);
    server.keyspace.effects.dirty = 0;
    log::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    let loaded = snapshot::load(server, false);
    loaded_or_not(server, Loading { connection, history }, loaded.map_err(|error| error.0));
    if server.config.appendonly {
        let _ = rewrite::switch_on(server);
    }
}

fn loaded_or_not(server: &mut Server, loading: Loading, result: Result<(), String>) {
    if server.config.rdb_del_sync_files && server.config.save.is_empty() && !server.config.appendonly {
        log::info!("Removing the RDB file obtained from the master. This replica has persistence disabled");
        let _ = fs::remove_file(snapshot::path(server));
    }
    let Loading { connection, history } = loading;
    if let Err(reason) = result {
        log::warn!("Failed trying to load the MASTER synchronization DB from disk: {reason}");
        server.keyspace.flush(None, false);
        return;
    }
    let replication = &mut server.replication;
    let has_history = history.is_some();
    match history {
        Some((id, offset)) => {
            replication.id = id;
            replication.former = None;
            replication.stream.restart_at(offset);
        }
        None => {
            replication.start_new_history();
            replication.stream.restart_at(0);
        }
    }
    if let Some(primary) = &mut replication.primary {
        primary.has_history = has_history;
    }
    log::info!("MASTER <-> REPLICA sync: Finished with success");
    apply::begin(server, connection, 0, has_history);
    failover::done(server);
}
