//! The append-only file: every change, as the command that repeats it.
//!
//! It is a folder: a manifest, a base with the data set as it was, and increments with what came
//! since. The bytes of a command are written before any reply of the same turn of the loop is sent.
//! Where that fails, `always` ends the server; under `everysec` and `no` the replies are sent, but
//! further writes are refused until what was acknowledged is in the file: it is kept and tried again.
//! The file only ever ends within a command if the machine or the disk failed.

mod dump;
mod files;
mod manifest;
mod read;

pub use dump::{write_data_set, write_libraries};
pub use files::{Files, Form, Paths, cut_off};
pub use manifest::{Manifest, ManifestError, Part, sync_folder_of};
pub use read::{CommandFile, ReadError, begins_with_data_set};

use crate::config::AppendFsync;
use crate::resp::encode_request;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// The buffer keeps up to this much between two turns.
const BUFFER_KEPT_MAX: usize = 1 << 20;

/// The open append-only file, and what is still to be written to it.
pub struct Aof {
    pub files: Files,
    /// No manifest names the increment that is written to: the first rewrite is still under way, and
    /// until it is done nothing can be loaded.
    pub provisional: bool,
    file: Arc<File>,
    /// Commands not written yet.
    buffer: Vec<u8>,
    /// The database that the last command was for.
    selected: Option<usize>,
    /// The second of the Unix epoch that was noted last.
    noted_s: Option<i64>,
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
    /// Goes on with the last increment, or a first one; what the files hold was loaded.
    pub fn open(mut files: Files) -> io::Result<Aof> {
        let file = match files.manifest.increments.last() {
            Some(last) => File::options().append(true).create(true).open(files.paths.part(last))?,
            None => files.add_increment()?,
        };
        let size = files.manifest.live().map(|part| files.size_of(part)).sum();
        let base_size = files.manifest.base.as_ref().map_or(0, |base| files.size_of(base));
        Aof::new(files, file, size, base_size, false)
    }

    /// Starts anew while the data set is written by a child.
    pub fn open_provisional(files: Files) -> io::Result<Aof> {
        let path = files.paths.temporary_increment();
        let _ = fs::remove_file(&path);
        log::info!("Creating AOF incr file {} on background rewrite", path.display());
        let file = File::options().append(true).create_new(true).open(path)?;
        Aof::new(files, file, 0, 0, true)
    }

    fn new(files: Files, file: File, size: u64, base_size: u64, provisional: bool) -> io::Result<Aof> {
        let file_size = file.metadata()?.len();
        Ok(Aof {
            files,
            provisional,
            file: Arc::new(file),
            buffer: Vec::new(),
            selected: None,
            noted_s: None,
            size,
            base_size,
            file_size,
            sync_requested: file_size,
            synced: file_size,
            write_error: None,
            sync_error: None,
            delayed_syncs: 0,
        })
    }

    /// From here on writes to a new increment. Gives the one before, if something in it is not durable
    /// yet. Nothing may be left to be written.
    pub fn next_increment(&mut self) -> io::Result<Option<Arc<File>>> {
        assert!(self.buffer.is_empty());
        let new = self.files.add_increment()?;
        let old = std::mem::replace(&mut self.file, Arc::new(new));
        let behind = std::mem::take(&mut self.file_size) > std::mem::take(&mut self.synced);
        self.sync_requested = 0;
        (self.selected, self.noted_s) = (None, None);
        Ok(behind.then_some(old))
    }

    /// Puts the base that a child wrote to `written`, all that was there when the current increment
    /// began, in the place of what came before it.
    pub fn install_base(&mut self, written: &Path, form: Form) -> io::Result<()> {
        if self.provisional {
            let increment = self.files.paths.temporary_increment();
            self.files.install_base(written, form, 0, Some(&increment))?;
            self.provisional = false;
        } else {
            self.files.install_base(written, form, 1, None)?;
        }
        let base = self.files.manifest.base.as_ref().map_or(0, |base| self.files.size_of(base));
        self.size = base + self.file_size;
        self.base_size = self.size;
        Ok(())
    }

    /// The file that is written to.
    pub fn into_file(self) -> Arc<File> {
        self.file
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

    /// Notes the time of what follows (`aof-timestamp-enabled`).
    pub fn note_time(&mut self, unix_s: i64) {
        if self.noted_s != Some(unix_s) {
            self.noted_s = Some(unix_s);
            self.buffer.extend_from_slice(time_note(unix_s).as_bytes());
        }
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

    /// Writes what was added, and makes it durable where that is asked for. What could not be written
    /// stays for the next call.
    pub fn flush(&mut self, policy: AppendFsync, durable: bool) -> io::Result<()> {
        if !self.buffer.is_empty() {
            let result = self.write_buffer();
            note(&mut self.write_error, result)?;
        }
        if policy == AppendFsync::No {
            // Nobody asks for durability any more.
            self.sync_error = None;
        }
        if durable && self.synced < self.file_size {
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

    /// Whether this is the file that is written to, and not one from before.
    pub fn writes_to(&self, file: &Arc<File>) -> bool {
        Arc::ptr_eq(file, &self.file)
    }

    /// What became of a sync that was begun. It may have been of a file that is no longer written to.
    pub fn synced(&mut self, file: &Arc<File>, upto: u64, result: io::Result<()>) {
        if !self.writes_to(file) {
            return;
        }
        match note(&mut self.sync_error, result) {
            Ok(()) => self.synced = self.synced.max(upto),
            Err(_) => self.sync_requested = self.synced,
        }
    }

    /// Makes everything durable: on the way out.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush(AppendFsync::Always, true)
    }
}

/// A line that says when the commands after it were run.
pub fn time_note(unix_s: i64) -> String {
    format!("#TS:{unix_s}\r\n")
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

    fn create(paths: &Paths) -> Aof {
        let mut files = Files::load(paths.clone()).unwrap();
        if files.manifest.is_empty() {
            files.create(Form::Commands, |_| Ok(())).unwrap();
        }
        Aof::open(files).unwrap()
    }

    #[test]
    fn a_sync_counts_for_its_own_file_only() {
        let paths = paths("sync");
        let written = || {
            let mut aof = create(&paths);
            aof.append(0, [&b"PING"[..]].into_iter());
            aof.flush(AppendFsync::Everysec, false).unwrap();
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
        let mut aof = create(&paths);
        aof.append(0, [&b"PING"[..]].into_iter());
        aof.flush(AppendFsync::Everysec, false).unwrap();
        let (file, upto) = aof.begin_sync().unwrap();
        aof.synced(&file, upto, Err(io::ErrorKind::StorageFull.into()));
        aof.append(0, [&b"PING"[..]].into_iter());
        aof.flush(AppendFsync::Everysec, false).unwrap();
        assert!(aof.error().is_some() && !aof.is_syncing());
        let (file, upto) = aof.begin_sync().unwrap();
        aof.synced(&file, upto, Ok(()));
        assert!(aof.error().is_none());
        fs::remove_dir_all(paths.folder).unwrap();
    }
}
