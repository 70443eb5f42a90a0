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
mod notes;
mod read;
mod sync;

pub use dump::{write_data_set, write_libraries};
pub use files::{Files, Form, Paths, cut_off};
pub use manifest::{Manifest, ManifestError, Part};
pub use notes::{ReplicationPosition, time_note};
pub use read::{CommandFile, ReadError, begins_with_data_set};
pub use sync::{PendingSync, Syncs};

use crate::config::AppendFsync;
use crate::resp::encode_request;
use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::Arc;
use sync::note;

/// The buffer keeps up to this much between two turns.
const BUFFER_KEPT_MAX: usize = 1 << 20;

/// The open append-only file, and what is still to be written to it.
pub struct Aof {
    pub files: Files,
    /// No manifest names the increment that is written to: the first rewrite is still under way, and
    /// until it is done nothing can be loaded.
    pub provisional: bool,
    pub syncs: Syncs,
    /// Commands not written yet.
    buffer: Vec<u8>,
    /// The database that the last command was for.
    selected: Option<usize>,
    /// The second of the Unix epoch that was noted last.
    noted_s: Option<i64>,
    /// Bytes of all parts, without the buffer.
    pub size: u64,
    pub base_size: u64,
    /// Why the last write failed, until one succeeds.
    pub write_error: Option<io::Error>,
    /// A rewrite brings about a set of files elsewhere.
    pub next: Option<NextSet>,
}

/// A set of files that begins in another folder. Until its base is there, commands go to the old set,
/// which stays whole, and to the increment of this one as well.
pub struct NextSet {
    pub files: Files,
    increment: Arc<File>,
    size: u64,
    /// Something could not be written, and is missing.
    error: Option<io::Error>,
}

impl NextSet {
    fn write(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.error = (&*self.increment).write_all(bytes).err();
            self.size += bytes.len() as u64;
        }
    }

    /// The increment, unless something is missing in it.
    pub fn whole_increment(&mut self) -> io::Result<Arc<File>> {
        self.error.take().map_or_else(|| Ok(self.increment.clone()), Err)
    }
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
        let earlier = files.manifest.increments.iter().rev().skip(1);
        let before = earlier.map(|part| File::open(files.paths.part(part)).map(Arc::new)).collect::<io::Result<_>>()?;
        Ok(Aof::new(files, Syncs::new(file, before)?, size, base_size, false))
    }

    /// Starts anew while the data set is written by a child.
    pub fn open_provisional(files: Files) -> io::Result<Aof> {
        let file = create_temporary_increment(&files.paths)?;
        Ok(Aof::new(files, Syncs::new(file, Vec::new())?, 0, 0, true))
    }

    fn new(files: Files, syncs: Syncs, size: u64, base_size: u64, provisional: bool) -> Aof {
        Aof {
            files,
            provisional,
            syncs,
            buffer: Vec::new(),
            selected: None,
            noted_s: None,
            size,
            base_size,
            write_error: None,
            next: None,
        }
    }

    /// Begins a set elsewhere, whose base will hold all that was written until now. Nothing may be left
    /// to be written.
    pub fn begin_next(&mut self, files: Files) -> io::Result<()> {
        assert!(self.buffer.is_empty());
        let increment = Arc::new(create_temporary_increment(&files.paths)?);
        self.next = Some(NextSet { files, increment, size: 0, error: None });
        // What comes begins a file.
        (self.selected, self.noted_s) = (None, None);
        Ok(())
    }

    /// Where the set is that a rewrite brings about.
    pub fn paths_to_be(&self) -> &Paths {
        &self.next.as_ref().map_or(&self.files, |next| &next.files).paths
    }

    /// From here on writes to a new increment, which the manifest names already. Nothing may be left to
    /// be written.
    pub fn switch_to(&mut self, new: File) {
        assert!(self.buffer.is_empty());
        self.syncs.go_on_in(Arc::new(new), 0);
        (self.selected, self.noted_s) = (None, None);
    }

    /// The files are now these: a base is in the place of all that came before the current increment.
    /// If they are elsewhere and lack something, the old ones stay.
    pub fn base_installed(&mut self, files: Files) -> io::Result<()> {
        if let Some(mut next) = self.next.take() {
            self.syncs.go_on_in(next.whole_increment()?, next.size);
        }
        self.files = files;
        self.provisional = false;
        let base = self.files.manifest.base.as_ref().map_or(0, |base| self.files.size_of(base));
        self.size = base + self.syncs.written();
        self.base_size = self.size;
        Ok(())
    }

    /// The file that is written to.
    pub fn file(&self) -> Arc<File> {
        self.syncs.file().clone()
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

    /// Notes where the history is, of which all is in the file.
    pub fn note_position(&mut self, position: &ReplicationPosition) {
        self.buffer.extend_from_slice(position.to_line().as_bytes());
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
        self.write_error.as_ref().or(self.syncs.error.as_ref())
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
            self.syncs.error = None;
        }
        if durable {
            self.syncs.run()?;
        }
        Ok(())
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let mut written = 0;
        let result = loop {
            if written == self.buffer.len() {
                break Ok(());
            }
            match (&**self.syncs.file()).write(&self.buffer[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => break Err(error),
            }
        };
        if result.is_err() && written > 0 && self.syncs.file().set_len(self.syncs.written()).is_ok() {
            written = 0;
        }
        // A part that could not be taken back stays: the rest has to follow it.
        if let Some(next) = &mut self.next {
            next.write(&self.buffer[..written]);
        }
        self.syncs.wrote(written as u64);
        self.size += written as u64;
        self.buffer.drain(..written);
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER_KEPT_MAX {
            self.buffer = Vec::new();
        }
        result
    }

    /// Makes everything durable: on the way out.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush(AppendFsync::Always, true)
    }
}

fn create_temporary_increment(paths: &Paths) -> io::Result<File> {
    let path = paths.temporary_increment();
    let _ = fs::remove_file(&path);
    log::info!("Creating AOF incr file {} on background rewrite", path.display());
    File::options().append(true).create_new(true).open(path)
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

    /// As [`create`], with a command that is not durable yet.
    fn written(paths: &Paths) -> Aof {
        let mut aof = create(paths);
        write(&mut aof);
        aof
    }

    fn write(aof: &mut Aof) {
        aof.append(0, [&b"PING"[..]].into_iter());
        aof.flush(AppendFsync::Everysec, false).unwrap();
    }

    #[test]
    fn what_was_written_before_a_crash_becomes_durable_after_it() {
        let paths = paths("reopened");
        let mut aof = written(&paths);
        let new = aof.files.add_increment().unwrap();
        aof.switch_to(new);
        drop(aof);
        let mut aof = create(&paths);
        assert!(aof.syncs.is_behind());
        let sync = aof.syncs.begin().unwrap();
        assert_eq!(sync.before.len(), 1);
        aof.syncs.ended(&sync, sync.run());
        assert!(!aof.syncs.is_behind());
        fs::remove_dir_all(paths.folder).unwrap();
    }

    #[test]
    fn what_is_history_but_still_needed_is_not_removed() {
        let paths = paths("history");
        let mut files = create(&paths).files;
        let base = files.manifest.base.clone().unwrap();
        let old = Part { name: "old".into(), seq: 1 };
        fs::write(paths.part(&old), "").unwrap();
        files.manifest.history = vec![base.clone(), old.clone()];
        assert_eq!(files.remove_history().unwrap().len(), 1);
        assert!(paths.part(&base).exists() && !paths.part(&old).exists());
        assert_eq!(Files::load(paths.clone()).unwrap().manifest.history, []);
        fs::remove_dir_all(paths.folder).unwrap();
    }

    #[test]
    fn a_sync_counts_for_its_own_file_only() {
        let paths = paths("sync");
        let old = written(&paths).syncs.begin().unwrap();
        let mut aof = written(&paths);
        assert!(!aof.syncs.ended(&old, Ok(())));
        assert!(aof.syncs.is_behind());
        let sync = aof.syncs.begin().unwrap();
        assert!(!aof.syncs.ended(&old, Err(io::ErrorKind::StorageFull.into())));
        assert!(aof.error().is_none() && aof.syncs.is_running());
        assert!(aof.syncs.ended(&sync, Ok(())));
        assert!(!aof.syncs.is_behind());
        fs::remove_dir_all(paths.folder).unwrap();
    }

    #[test]
    fn an_increment_that_is_no_longer_written_to_has_to_become_durable_as_well() {
        let paths = paths("before");
        let mut aof = written(&paths);
        let of_the_old = aof.syncs.begin().unwrap();
        write(&mut aof);
        let new = aof.files.add_increment().unwrap();
        aof.switch_to(new);
        assert!(aof.syncs.ended(&of_the_old, Ok(())));
        assert!(aof.syncs.is_behind(), "something was written to the old one since");
        let sync = aof.syncs.begin().unwrap();
        assert!(aof.syncs.ended(&sync, Err(io::ErrorKind::StorageFull.into())));
        assert!(aof.syncs.is_behind() && aof.error().is_some());
        let sync = aof.syncs.begin().unwrap();
        assert!(aof.syncs.ended(&sync, Ok(())));
        assert!(!aof.syncs.is_behind() && aof.error().is_none());
        fs::remove_dir_all(paths.folder).unwrap();
    }

    #[test]
    fn a_sync_that_is_overtaken_by_a_durable_flush_ends_all_the_same() {
        let paths = paths("overtaken");
        let mut aof = written(&paths);
        let of_the_old = aof.syncs.begin().unwrap();
        let new = aof.files.add_increment().unwrap();
        aof.switch_to(new);
        aof.flush(AppendFsync::Always, true).unwrap();
        assert!(!aof.syncs.is_behind());
        write(&mut aof);
        assert!(aof.syncs.begin().is_none(), "one is under way");
        assert!(aof.syncs.ended(&of_the_old, Ok(())));
        assert!(aof.syncs.is_behind() && aof.syncs.begin().is_some());
        fs::remove_dir_all(paths.folder).unwrap();
    }

    #[test]
    fn a_failed_sync_is_not_forgotten_by_a_write() {
        let paths = paths("error");
        let mut aof = written(&paths);
        let sync = aof.syncs.begin().unwrap();
        aof.syncs.ended(&sync, Err(io::ErrorKind::StorageFull.into()));
        write(&mut aof);
        assert!(aof.error().is_some() && !aof.syncs.is_running());
        let sync = aof.syncs.begin().unwrap();
        aof.syncs.ended(&sync, Ok(()));
        assert!(aof.error().is_none());
        fs::remove_dir_all(paths.folder).unwrap();
    }
}
