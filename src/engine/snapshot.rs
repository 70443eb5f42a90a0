//! Snapshots: the data set in an RDB file, written on the loop or by a child.

use super::child;
use super::replication::transfer;
use crate::config::{Config, REDIS_VERSION};
use crate::persist;
use crate::persist::aof::ReplicationPosition;
use crate::persist::file::sync_folder_of;
use crate::persist::file::write_durably;
use crate::persist::rdb::{DataSet, save_data_set};
use crate::server::allocator::used_memory;
use crate::server::background::Background;
use crate::server::persistence::{Child, Ended, Job};
use crate::server::replication::replica::RdbFilter;
use crate::server::{Server, system};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// After a snapshot failed, the next one starts by itself no sooner than this.
const RETRY_MS: u64 = 5000;

/// Where the snapshot is.
pub fn path(server: &Server) -> PathBuf {
    server.config.dir.join(&server.config.dbfilename)
}

/// What is written before it has its name, by the process of this id.
fn temporary(server: &Server, pid: u32) -> PathBuf {
    server.config.dir.join(format!("temp-{pid}.rdb"))
}

/// Saves the data set. The file has its name only once all of it is on the disk.
pub fn save(server: &mut Server) -> io::Result<()> {
    save_contents(server, Contents::new(server.config.rdb_version))
}

fn save_contents(server: &mut Server, contents: Contents) -> io::Result<()> {
    server.persistence.snapshots.count += 1;
    let temporary = temporary(server, std::process::id());
    let delay = server.config.rdb_key_save_delay;
    system::remove_if_told_to_end(Some(&temporary));
    let result = write(server, contents, &temporary, &mut || persist::delay(delay)).and_then(|()| {
        let named = name(&server.config, &server.background, &temporary);
        if named.is_err() {
            let _ = server.background.remove(&temporary);
        }
        named
    });
    system::remove_if_told_to_end(None);
    match result {
        Ok(path) => {
            server.stats.dirty = 0;
            server.persistence.snapshots.succeeded(&server.clock);
            sync_folder_of(&path)
        }
        Err(error) => {
            log::warn!("Error saving DB on disk: {error}");
            Err(error)
        }
    }
}

/// Gives a file that was written the name of the snapshot, and gives that. It stays in the folder it is
/// in, which since it was begun may have become another than the configured one.
pub fn name(config: &Config, background: &Background, temporary: &Path) -> io::Result<PathBuf> {
    let path = temporary.with_file_name(&config.dbfilename);
    background.rename(temporary, &path)?;
    Ok(path)
}

/// Has the new name of a file made durable; the disk may take its time for that.
pub fn sync_name(server: &Server, path: &Path) {
    let path = path.to_owned();
    server.background.run(
        move || sync_folder_of(&path),
        |_, result| {
            if let Err(error) = result {
                log::warn!("Can't sync the folder of the snapshot: {error}");
            }
        },
    );
}

/// Writes all of the data set to a file and makes it durable; `each_key` is called after each key.
pub fn write(server: &Server, contents: Contents, path: &Path, each_key: &mut dyn FnMut()) -> io::Result<()> {
    write_durably(path, server.config.rdb_save_incremental_fsync, |out| write_rdb(server, contents, out, each_key))?;
    log::info!("DB saved on disk");
    Ok(())
}

/// What is written in RDB form, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contents {
    /// Of the format.
    pub version: u16,
    pub is_aof_base: bool,
    /// It says where the data set is in its history.
    pub has_place: bool,
    pub wanted: RdbFilter,
}

impl Contents {
    /// All there is.
    pub fn new(version: u16) -> Contents {
        Contents { version, is_aof_base: false, has_place: true, wanted: RdbFilter::default() }
    }

    /// The base of an append-only file.
    pub fn aof_base(config: &Config) -> Contents {
        Contents { is_aof_base: true, ..Contents::new(config.rdb_version) }
    }
}

/// Writes the data set in RDB form.
pub fn write_rdb(
    server: &Server,
    contents: Contents,
    out: &mut dyn Write,
    each_key: &mut dyn FnMut(),
) -> io::Result<()> {
    let mut aux = vec![
        ("redis-ver", REDIS_VERSION.to_owned()),
        ("redis-bits", usize::BITS.to_string()),
        ("ctime", server.clock.unix_s().to_string()),
        ("used-mem", used_memory().to_string()),
    ];
    if let Some(place) = replication_position(server).filter(|_| contents.has_place) {
        aux.push(("repl-stream-db", place.db.to_string()));
        aux.push(("repl-id", place.replid));
        aux.push(("repl-offset", place.offset.to_string()));
    }
    aux.push(("aof-base", (contents.is_aof_base as u8).to_string()));
    let libraries = if contents.wanted.functions { server.scripts.libraries.codes() } else { Vec::new() };
    let data_set =
        DataSet { keyspace: &server.keyspace, with_keys: contents.wanted.keys, libraries: &libraries, aux: &aux };
    save_data_set(&data_set, &server.config, contents.version, out, each_key)
}

/// Where the data set is in its history, if others may want to know.
pub fn replication_position(server: &Server) -> Option<ReplicationPosition> {
    let replication = &server.replication;
    replication.stream.is_kept().then(|| ReplicationPosition {
        replid: replication.replid.clone(),
        offset: replication.stream.offset(),
        db: match &replication.primary {
            Some(primary) => primary.client().map_or(primary.selected, |id| server.clients[id].db),
            // If there is none, whoever goes on from here is told before the next command.
            None => replication.stream.selected().unwrap_or(0),
        },
    })
}

/// Has a child save the data set; there must be no child.
pub fn save_in_background(server: &mut Server) -> io::Result<()> {
    save_in_background_as(server, server.config.rdb_version)
}

/// As [`save_in_background`], in this version of the format.
pub fn save_in_background_as(server: &mut Server, version: u16) -> io::Result<()> {
    let snapshots = &mut server.persistence.snapshots;
    snapshots.scheduled = false;
    snapshots.last_try_ms = server.clock.now_ms;
    snapshots.count += 1;
    match child::start(server, Job::Snapshot(version), child::Output::File(&temporary)) {
        Ok(pid) => {
            log::info!("Background saving started by pid {pid}");
            Ok(())
        }
        Err(error) => {
            server.persistence.snapshots.last_ok = false;
            log::warn!("Can't save in background: fork: {error}");
            Err(error)
        }
    }
}

/// A child that saved the data set has ended.
pub fn finished(server: &mut Server, child: &Child, outcome: Ended) {
    let named = match (outcome, &child.temporary) {
        (Ended::Succeeded, Some(temporary)) => name(&server.config, &server.background, temporary).map(Some),
        (Ended::Succeeded | Ended::Failed, _) => Err(io::Error::other("the child failed")),
        (Ended::Unwanted, _) => Ok(None),
    };
    let took_s = server.clock.now_ms.saturating_sub(child.started_ms) / 1000;
    let snapshots = &mut server.persistence.snapshots;
    snapshots.last_took_s = Some(took_s);
    snapshots.last_cow = child.cow_peak;
    match &named {
        Ok(Some(path)) => {
            snapshots.succeeded(&server.clock);
            server.stats.dirty = server.stats.dirty.saturating_sub(child.dirty);
            sync_name(server, path);
        }
        Ok(None) => (),
        Err(error) => {
            snapshots.last_ok = false;
            if outcome == Ended::Succeeded {
                log::warn!("Error moving the snapshot to its place: {error}");
            }
        }
    }
    transfer::snapshot_finished(server, child, named.ok().flatten().as_deref());
}

/// Starts a snapshot if one was asked for or a save point has come.
pub fn start_due(server: &mut Server) {
    let now_ms = server.clock.now_ms;
    let snapshots = &server.persistence.snapshots;
    if !snapshots.last_ok && now_ms.saturating_sub(snapshots.last_try_ms) <= RETRY_MS {
        return;
    }
    let since_s = now_ms.saturating_sub(snapshots.last_ms) / 1000;
    let dirty = server.stats.dirty;
    let point = server.config.save.iter().find(|&&(seconds, changes)| dirty >= changes && since_s > seconds);
    if let Some((seconds, changes)) = point {
        log::info!("{changes} changes in {seconds} seconds. Saving...");
    } else if !snapshots.scheduled {
        return;
    }
    // If it cannot start, it is tried again.
    let scheduled = snapshots.scheduled;
    if save_in_background(server).is_err() {
        server.persistence.snapshots.scheduled = scheduled;
    }
}

/// FLUSHALL has run: nobody wants to find the data in a snapshot. One that is under way ends, and where there are save
/// points, the empty data set is saved. True if it was.
pub fn data_set_emptied(server: &mut Server) -> bool {
    // Replicas, too, are better served by a data set that has nothing to be deleted at once.
    if server.persistence.snapshot_runs() || server.persistence.transfer_runs() {
        child::end(server);
    }
    // The history has this command only after it was run: at the place where it is now, the keys are
    // still there, and nobody may go on from it without them.
    let contents = Contents { has_place: false, ..Contents::new(server.config.rdb_version) };
    // What cannot be saved is logged.
    !server.config.save.is_empty() && !server.loading.is_blocking() && save_contents(server, contents).is_ok()
}
