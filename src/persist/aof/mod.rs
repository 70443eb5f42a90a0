//! The append-only file: every change, as the command that repeats it.
//!
//! It is a folder: a manifest, a base with the data set as it was, and increments with what came
//! since. The bytes of a command are written before any reply of the same turn of the loop is sent.
//! Where that fails, `always` ends the server; under `everysec` and `no` the replies are sent, but
//! further writes are refused until what was acknowledged is in the file: it is kept and tried again.
//! The file only ever ends within a command if the machine or the disk failed.

mod dump;
mod manifest;

pub use dump::write_data_set;
pub use manifest::{Kind, Manifest, ManifestError, Part, sync_folder_of};

use crate::config::{AppendFsync, Config};
use crate::resp::encode_request;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The buffer keeps up to this much between two turns.
const BUFFER_KEPT_MAX: usize = 1 << 20;

/// Where the files are and what they are called.
#[derive(Clone)]
pub struct Paths {
    pub folder: PathBuf,
    /// The beginning of each file's name.
    pub stem: OsString,
}

impl Paths {
    pub fn new(config: &Config) -> Paths {
        Paths { folder: config.dir.join(&config.appenddirname), stem: config.appendfilename.clone().into_os_string() }
    }

    pub fn manifest(&self) -> PathBuf {
        self.folder.join(self.named(".manifest"))
    }

    pub fn part(&self, part: &Part) -> PathBuf {
        self.folder.join(&part.name)
    }

    fn named(&self, suffix: &str) -> OsString {
        let mut name = self.stem.clone();
        name.push(suffix);
        name
    }

    /// A part to be created.
    pub fn new_part(&self, seq: u64, kind: Kind) -> Part {
        let what = match kind {
            Kind::Base => "base",
            Kind::Increment | Kind::History => "incr",
        };
        Part { name: self.named(&format!(".{seq}.{what}.aof")), seq, kind }
    }
}

/// The open append-only file, and what is still to be written to it.
pub struct Aof {
    file: Arc<File>,
    /// Commands not written yet.
    buffer: Vec<u8>,
    /// The database that the last command was for.
    selected: Option<usize>,
    /// Bytes of all parts, without the buffer.
    pub size: u64,
    pub base_size: u64,
    /// Of the increment that is written to.
    file_size: u64,
    /// So much of the increment is known to be durable, or on its way.
    sync_requested: u64,
    synced: u64,
    /// Why the last write failed, until one succeeds.
    pub write_error: Option<io::Error>,
    /// Why the last sync failed, until one succeeds.
    pub sync_error: Option<io::Error>,
    /// Times that a sync was due while one still ran.
    pub delayed_syncs: u64,
}

impl Aof {
    /// Opens the last increment of `manifest` to go on with; what it holds was loaded.
    pub fn open(paths: &Paths, manifest: &Manifest) -> io::Result<Aof> {
        let last = manifest.increments().last().ok_or_else(|| io::Error::other("the manifest names no increment"))?;
        let file = OpenOptions::new().append(true).create(true).open(paths.part(last))?;
        let size_of = |part: &Part| fs::metadata(paths.part(part)).map_or(0, |data| data.len());
        let file_size = file.metadata()?.len();
        let live = manifest.parts.iter().filter(|part| part.kind != Kind::History);
        Ok(Aof {
            file: Arc::new(file),
            buffer: Vec::new(),
            selected: None,
            size: live.map(size_of).sum(),
            base_size: manifest.base().map_or(0, size_of),
            file_size,
            sync_requested: file_size,
            synced: file_size,
            write_error: None,
            sync_error: None,
            delayed_syncs: 0,
        })
    }

    /// Makes a new set of files: `write_base` writes the data set, an empty increment follows.
    pub fn create(paths: &Paths, write_base: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Aof> {
        fs::create_dir_all(&paths.folder)?;
        let old = Manifest::load(&paths.manifest())?.unwrap_or_default();
        let mut seq = old.parts.iter().map(|part| part.seq).max().unwrap_or(0) + 1;
        let parts_of = |seq| [paths.new_part(seq, Kind::Base), paths.new_part(seq, Kind::Increment)];
        // No manifest names such files, but they may be all that is left of somebody's data.
        while parts_of(seq).iter().any(|part| paths.part(part).exists()) {
            seq += 1;
        }
        let [base, increment] = parts_of(seq);
        write_new(&paths.part(&base), write_base)?;
        write_new(&paths.part(&increment), |_| Ok(()))?;
        let manifest = Manifest { parts: vec![base, increment] };
        manifest.store(&paths.manifest())?;
        // From here on nothing refers to the old files.
        for part in old.parts {
            let _ = fs::remove_file(paths.part(&part));
        }
        Aof::open(paths, &manifest)
    }

    /// Adds a command; the next [`Self::flush`] writes it.
    pub fn append<'a>(&mut self, db: usize, arguments: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.select(db);
        encode_request(&mut self.buffer, arguments);
    }

    /// As [`Self::append`], for a request in its multi-bulk form.
    #[inline]
    pub fn append_raw(&mut self, db: usize, request: &[u8]) {
        self.select(db);
        self.buffer.extend_from_slice(request);
    }

    /// Adds a command that belongs to no database: MULTI, EXEC.
    pub fn append_marker(&mut self, name: &'static [u8]) {
        encode_request(&mut self.buffer, [name].into_iter());
    }

    #[inline]
    fn select(&mut self, db: usize) {
        if self.selected != Some(db) {
            self.selected = Some(db);
            encode_request(&mut self.buffer, [&b"SELECT"[..], db.to_string().as_bytes()].into_iter());
        }
    }

    /// Bytes not written yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Why commands cannot be kept at present, if so.
    pub fn error(&self) -> Option<&io::Error> {
        self.write_error.as_ref().or(self.sync_error.as_ref())
    }

    /// Writes what was added, and under `always` makes it durable. What could not be written stays
    /// for the next call.
    pub fn flush(&mut self, policy: AppendFsync) -> io::Result<()> {
        if !self.buffer.is_empty() {
            let result = self.write_buffer();
            note(&mut self.write_error, result)?;
        }
        if policy == AppendFsync::No {
            // Nobody asks for durability any more.
            self.sync_error = None;
        }
        if policy == AppendFsync::Always && self.synced < self.file_size {
            let result = self.file.sync_data();
            note(&mut self.sync_error, result)?;
            self.sync_requested = self.file_size;
            self.synced = self.file_size;
        }
        Ok(())
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let mut written = 0;
        let result = loop {
            if written == self.buffer.len() {
                break Ok(());
            }
            match (&*self.file).write(&self.buffer[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => break Err(error),
            }
        };
        if result.is_ok() {
            self.file_size += written as u64;
            self.size += written as u64;
            self.buffer.clear();
            if self.buffer.capacity() > BUFFER_KEPT_MAX {
                self.buffer = Vec::new();
            }
        } else if written > 0 && self.file.set_len(self.file_size).is_err() {
            // The part that was written could not be taken back: the rest has to follow it.
            self.file_size += written as u64;
            self.size += written as u64;
            self.buffer.drain(..written);
        }
        result
    }

    /// The file, if there is something in it that is not durable and no sync of it runs: to be synced
    /// up to the given size. Say with [`Self::synced`] how that went.
    pub fn begin_sync(&mut self) -> Option<(Arc<File>, u64)> {
        if self.synced == self.file_size {
            return None;
        }
        if self.is_syncing() {
            self.delayed_syncs += 1;
            return None;
        }
        self.sync_requested = self.file_size;
        Some((self.file.clone(), self.file_size))
    }

    pub fn is_syncing(&self) -> bool {
        self.sync_requested > self.synced
    }

    /// Whether something written is not durable yet.
    pub fn is_behind(&self) -> bool {
        self.synced < self.file_size
    }

    /// What became of a sync that was begun. It may have been of a file that is no longer written to.
    pub fn synced(&mut self, file: &Arc<File>, upto: u64, result: io::Result<()>) {
        if !Arc::ptr_eq(file, &self.file) {
            return;
        }
        match note(&mut self.sync_error, result) {
            Ok(()) => self.synced = self.synced.max(upto),
            Err(_) => self.sync_requested = self.synced,
        }
    }

    /// Makes everything durable: on the way out.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush(AppendFsync::Always)
    }
}

/// Makes a durable file that was not there, whole or not at all.
fn write_new(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut writer = io::BufWriter::with_capacity(1 << 16, File::create_new(path)?);
    let written = write(&mut writer).and_then(|()| writer.into_inner()?.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

/// Remembers in `last` why something failed, or that it succeeded.
fn note(last: &mut Option<io::Error>, result: io::Result<()>) -> io::Result<()> {
    *last = result.as_ref().err().map(|error| io::Error::new(error.kind(), error.to_string()));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder for one test.
    fn paths(name: &str) -> Paths {
        let folder = std::env::temp_dir().join(format!("rondo-aof-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        Paths { folder, stem: "a".into() }
    }

    #[test]
    fn a_sync_counts_for_its_own_file_only() {
        let paths = paths("sync");
        let written = || {
            let mut aof = Aof::create(&paths, |_| Ok(())).unwrap();
            aof.append(0, [&b"PING"[..]].into_iter());
            aof.flush(AppendFsync::Everysec).unwrap();
            aof
        };
        let (old_file, upto) = written().begin_sync().unwrap();
        let mut aof = written();
        aof.synced(&old_file, upto, Ok(()));
        assert!(aof.is_behind());
        let (file, upto) = aof.begin_sync().unwrap();
        aof.synced(&old_file, 0, Err(io::ErrorKind::StorageFull.into()));
        assert!(aof.error().is_none() && aof.is_syncing());
        aof.synced(&file, upto, Ok(()));
        assert!(!aof.is_behind());
        fs::remove_dir_all(paths.folder).unwrap();
    }

    #[test]
    fn a_failed_sync_is_not_forgotten_by_a_write() {
        let paths = paths("error");
        let mut aof = Aof::create(&paths, |_| Ok(())).unwrap();
        aof.append(0, [&b"PING"[..]].into_iter());
        aof.flush(AppendFsync::Everysec).unwrap();
        let (file, upto) = aof.begin_sync().unwrap();
        aof.synced(&file, upto, Err(io::ErrorKind::StorageFull.into()));
        aof.append(0, [&b"PING"[..]].into_iter());
        aof.flush(AppendFsync::Everysec).unwrap();
        assert!(aof.error().is_some() && !aof.is_syncing());
        let (file, upto) = aof.begin_sync().unwrap();
        aof.synced(&file, upto, Ok(()));
        assert!(aof.error().is_none());
        fs::remove_dir_all(paths.folder).unwrap();
    }
}
