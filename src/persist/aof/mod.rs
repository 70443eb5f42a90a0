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
    /// Increments before it that may not be durable yet.
    before: Vec<Arc<File>>,
    /// Of the increment that is written to.
    file_size: u64,
    /// So much of it is known to be durable.
    synced: u64,
    /// The file of the [`PendingSync`] that is under way.
    syncing: Option<Arc<File>>,
    /// Why the last write failed, until one succeeds.
    pub write_error: Option<io::Error>,
    /// Why the last sync failed, until one succeeds.
    pub sync_error: Option<io::Error>,
    /// Times that a sync was due while one still ran.
    pub delayed_syncs: u64,
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
        Ok(Aof { before, ..Aof::new(files, file, size, base_size, false)? })
    }

    /// Starts anew while the data set is written by a child.
    pub fn open_provisional(files: Files) -> io::Result<Aof> {
        let file = create_temporary_increment(&files.paths)?;
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
            before: Vec::new(),
            file_size,
            // Whoever wrote to it may have been killed before that was durable.
            synced: 0,
            syncing: None,
            write_error: None,
            sync_error: None,
            delayed_syncs: 0,
            next: None,
        })
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
        self.go_on_in(Arc::new(new), 0);
        (self.selected, self.noted_s) = (None, None);
    }

    fn go_on_in(&mut self, file: Arc<File>, size: u64) {
        let old = std::mem::replace(&mut self.file, file);
        // A sync that is under way is known by its files.
        if self.file_size > self.synced || self.is_syncing() {
            self.before.push(old);
        }
        (self.file_size, self.synced) = (size, 0);
    }

    /// The files are now these: a base is in the place of all that came before the current increment.
    /// If they are elsewhere and lack something, the old ones stay.
    pub fn base_installed(&mut self, files: Files) -> io::Result<()> {
        if let Some(mut next) = self.next.take() {
            self.go_on_in(next.whole_increment()?, next.size);
        }
        self.files = files;
        self.provisional = false;
        let base = self.files.manifest.base.as_ref().map_or(0, |base| self.files.size_of(base));
        self.size = base + self.file_size;
        self.base_size = self.size;
        Ok(())
    }

    /// The file that is written to.
    pub fn file(&self) -> Arc<File> {
        self.file.clone()
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
    pub fn note_history(&mut self, place: &HistoryPlace) {
        self.buffer.extend_from_slice(place.to_line().as_bytes());
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
        if durable && self.is_behind() {
            let sync = self.sync();
            let result = sync.run();
            self.count_as_durable(&sync, result)?;
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
        if result.is_err() && written > 0 && self.file.set_len(self.file_size).is_ok() {
            written = 0;
        }
        // A part that could not be taken back stays: the rest has to follow it.
        if let Some(next) = &mut self.next {
            next.write(&self.buffer[..written]);
        }
        self.file_size += written as u64;
        self.size += written as u64;
        self.buffer.drain(..written);
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER_KEPT_MAX {
            self.buffer = Vec::new();
        }
        result
    }

    /// What is to be done to make everything durable, if something is not and no other sync runs. Say
    /// with [`Self::synced`] how it went.
    pub fn begin_sync(&mut self) -> Option<PendingSync> {
        if !self.is_behind() {
            return None;
        }
        if self.is_syncing() {
            self.delayed_syncs += 1;
            return None;
        }
        self.syncing = Some(self.file.clone());
        Some(self.sync())
    }

    fn sync(&self) -> PendingSync {
        PendingSync { before: self.before.clone(), file: self.file.clone(), upto: self.file_size }
    }

    pub fn is_syncing(&self) -> bool {
        self.syncing.is_some()
    }

    /// Whether something written is not durable yet.
    pub fn is_behind(&self) -> bool {
        self.synced < self.file_size || !self.before.is_empty()
    }

    /// What became of a sync that was begun. False if it was of files that are no longer in use.
    pub fn synced(&mut self, sync: &PendingSync, result: io::Result<()>) -> bool {
        let is_ours = self.syncing.take_if(|file| Arc::ptr_eq(file, &sync.file)).is_some();
        // A durable flush may have made it all durable meanwhile.
        if is_ours && self.is_behind() {
            // Why it failed is known from here on.
            let _ = self.count_as_durable(sync, result);
        }
        is_ours
    }

    fn count_as_durable(&mut self, sync: &PendingSync, result: io::Result<()>) -> io::Result<()> {
        note(&mut self.sync_error, result)?;
        self.before.retain(|file| !sync.before.iter().any(|durable| Arc::ptr_eq(file, durable)));
        if Arc::ptr_eq(&self.file, &sync.file) {
            self.synced = self.synced.max(sync.upto);
        }
        Ok(())
    }

    /// Makes everything durable: on the way out.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush(AppendFsync::Always, true)
    }
}

/// Makes durable what an append-only file holds at one time.
pub struct PendingSync {
    before: Vec<Arc<File>>,
    file: Arc<File>,
    /// Of `file`.
    upto: u64,
}

impl PendingSync {
    /// Waits for the disk.
    pub fn run(&self) -> io::Result<()> {
        self.before.iter().chain([&self.file]).try_for_each(|file| file.sync_data())
    }
}

fn create_temporary_increment(paths: &Paths) -> io::Result<File> {
    let path = paths.temporary_increment();
    let _ = fs::remove_file(&path);
    log::info!("Creating AOF incr file {} on background rewrite", path.display());
    File::options().append(true).create_new(true).open(path)
}

/// A place in a replication history. As the last line of the file it says that the data set is what
/// it was there: who has come as far can go on from it. Whoever does not know such lines leaves them out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryPlace {
    pub id: String,
    pub offset: u64,
    /// The database that the stream was at.
    pub db: usize,
}

impl HistoryPlace {
    const MARK: &'static str = "#HISTORY:";

    fn to_line(&self) -> String {
        format!("{}{}:{}:{}\r\n", Self::MARK, self.id, self.offset, self.db)
    }

    /// Of a line without its end.
    pub fn parse(line: &[u8]) -> Option<HistoryPlace> {
        let mut fields = std::str::from_utf8(line).ok()?.strip_prefix(Self::MARK)?.split(':');
        let id = fields.next().filter(|id| id.len() == 40)?.to_owned();
        let offset = fields.next()?.parse::<i64>().ok()?.try_into().ok()?;
        let place = HistoryPlace { id, offset, db: fields.next()?.parse().ok()? };
        fields.next().is_none().then_some(place)
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
    fn a_place_in_a_history_is_read_as_it_was_written() {
        let place = HistoryPlace { id: "0123456789".repeat(4), offset: i64::MAX as u64, db: 15 };
        let line = place.to_line();
        let line = line.trim_end();
        assert_eq!(HistoryPlace::parse(line.as_bytes()), Some(place));
        for wrong in ["#TS:1", &line[..60], &format!("{line}:"), &line.replace("HISTORY:0", "HISTORY:")] {
            assert_eq!(HistoryPlace::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn what_was_written_before_a_crash_becomes_durable_after_it() {
        let paths = paths("reopened");
        let mut aof = written(&paths);
        let new = aof.files.add_increment().unwrap();
        aof.switch_to(new);
        drop(aof);
        let mut aof = create(&paths);
        assert!(aof.is_behind());
        let sync = aof.begin_sync().unwrap();
        assert_eq!(sync.before.len(), 1);
        aof.synced(&sync, sync.run());
        assert!(!aof.is_behind());
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
        let old = written(&paths).begin_sync().unwrap();
        let mut aof = written(&paths);
        assert!(!aof.synced(&old, Ok(())));
        assert!(aof.is_behind());
        let sync = aof.begin_sync().unwrap();
        assert!(!aof.synced(&old, Err(io::ErrorKind::StorageFull.into())));
        assert!(aof.error().is_none() && aof.is_syncing());
        assert!(aof.synced(&sync, Ok(())));
        assert!(!aof.is_behind());
        fs::remove_dir_all(paths.folder).unwrap();
    }

    #[test]
    fn an_increment_that_is_no_longer_written_to_has_to_become_durable_as_well() {
        let paths = paths("before");
        let mut aof = written(&paths);
        let of_the_old = aof.begin_sync().unwrap();
        write(&mut aof);
        let new = aof.files.add_increment().unwrap();
        aof.switch_to(new);
        assert!(aof.synced(&of_the_old, Ok(())));
        assert!(aof.is_behind(), "something was written to the old one since");
        let sync = aof.begin_sync().unwrap();
        assert!(aof.synced(&sync, Err(io::ErrorKind::StorageFull.into())));
        assert!(aof.is_behind() && aof.error().is_some());
        let sync = aof.begin_sync().unwrap();
        assert!(aof.synced(&sync, Ok(())));
        assert!(!aof.is_behind() && aof.error().is_none());
        fs::remove_dir_all(paths.folder).unwrap();
    }

    #[test]
    fn a_sync_that_is_overtaken_by_a_durable_flush_ends_all_the_same() {
        let paths = paths("overtaken");
        let mut aof = written(&paths);
        let of_the_old = aof.begin_sync().unwrap();
        let new = aof.files.add_increment().unwrap();
        aof.switch_to(new);
        aof.flush(AppendFsync::Always, true).unwrap();
        assert!(!aof.is_behind());
        write(&mut aof);
        assert!(aof.begin_sync().is_none(), "one is under way");
        assert!(aof.synced(&of_the_old, Ok(())));
        assert!(aof.is_behind() && aof.begin_sync().is_some());
        fs::remove_dir_all(paths.folder).unwrap();
    }

    #[test]
    fn a_failed_sync_is_not_forgotten_by_a_write() {
        let paths = paths("error");
        let mut aof = written(&paths);
        let sync = aof.begin_sync().unwrap();
        aof.synced(&sync, Err(io::ErrorKind::StorageFull.into()));
        write(&mut aof);
        assert!(aof.error().is_some() && !aof.is_syncing());
        let sync = aof.begin_sync().unwrap();
        aof.synced(&sync, Ok(()));
        assert!(aof.error().is_none());
        fs::remove_dir_all(paths.folder).unwrap();
    }
}
