//! Snapshots: the data set in an RDB file, written and read on the loop.

use super::load::{LoadError, seconds_since};
use crate::config::REDIS_VERSION;
use crate::persist::rdb::{Loaded, load_data_set, save_data_set};
use crate::server::Server;
use crate::server::allocator::used_memory;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

/// Where the snapshot is.
pub fn path(server: &Server) -> PathBuf {
    server.config.dir.join(&server.config.dbfilename)
}

/// Saves the data set. The file has its name only once all of it is on the disk.
pub fn save(server: &mut Server) -> io::Result<()> {
    let temporary = server.config.dir.join(format!("temp-{}.rdb", std::process::id()));
    let result = write(server, &temporary).and_then(|()| {
        fs::rename(&temporary, path(server))?;
        File::open(&server.config.dir)?.sync_all()
    });
    match &result {
        Ok(()) => {
            log::info!("DB saved on disk");
            server.stats.dirty = 0;
            server.stats.rdb_saves += 1;
            server.last_save_unix_s = server.clock.unix_s();
        }
        Err(error) => {
            log::warn!("Error saving DB on disk: {error}");
            let _ = fs::remove_file(&temporary);
        }
    }
    result
}

fn write(server: &Server, path: &PathBuf) -> io::Result<()> {
    let mut out = File::create(path)?;
    let aux = [
        ("redis-ver", REDIS_VERSION.to_owned()),
        ("redis-bits", usize::BITS.to_string()),
        ("ctime", server.clock.unix_s().to_string()),
        ("used-mem", used_memory().to_string()),
        ("aof-base", "0".to_owned()),
    ];
    save_data_set(&server.keyspace, &server.config, &aux, &mut out)?;
    out.sync_all()
}

/// Adds the snapshot to the data set, if there is one. `merge`: its keys replace those that are there.
pub fn load(server: &mut Server, merge: bool) -> Result<(), LoadError> {
    let path = path(server);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(LoadError(format!("Can't open {}: {error}", path.display()))),
    };
    let started = server.clock.stamp();
    server.loading = true;
    server.keyspace.expiry_mode = server.expiry_mode();
    let result = load_data_set(&mut file, &mut server.keyspace, &server.config, merge);
    server.loading = false;
    server.keyspace.expiry_mode = server.expiry_mode();
    // Loading is no change.
    server.keyspace.effects.dirty = 0;
    let loaded = result.map_err(|failure| {
        log::warn!("Internal error in RDB reading: {failure}");
        LoadError(format!(
            "Can't load {}: {failure}. Restore it from a copy, or move it away to start empty.",
            path.display()
        ))
    })?;
    let Loaded { keys, expired, empty } = loaded;
    log::info!("Done loading RDB, keys loaded: {keys}, keys expired: {expired}, empty keys skipped: {empty}.");
    server.loaded = loaded;
    log::info!("DB loaded from disk: {:.3} seconds", seconds_since(server, started));
    Ok(())
}
