//! What of the append-only file is durable, and the syncs that make it so.

use std::fs::File;
use std::io;
use std::sync::Arc;

/// The files that may not be durable yet. One sync runs at a time, but for those of [`Syncs::run`].
pub struct Syncs {
    /// The increment that is written to.
    file: Arc<File>,
    /// Bytes in it.
    written: u64,
    /// So much of it is known to be durable.
    durable: u64,
    /// Increments before it.
    before: Vec<Arc<File>>,
    /// The file of the [`PendingSync`] that is under way.
    running: Option<Arc<File>>,
    /// Why the last sync failed, until one succeeds.
    pub error: Option<io::Error>,
    /// Times that a sync was due while one still ran.
    pub delayed: u64,
}

impl Syncs {
    /// Of files that were there: whoever wrote to them may have been killed before that was durable.
    pub fn new(file: File, before: Vec<Arc<File>>) -> io::Result<Syncs> {
        let written = file.metadata()?.len();
        Ok(Syncs { file: Arc::new(file), written, durable: 0, before, running: None, error: None, delayed: 0 })
    }

    /// The increment that is written to.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Bytes in that increment.
    pub fn written(&self) -> u64 {
        self.written
    }

    pub fn wrote(&mut self, count: u64) {
        self.written += count;
    }

    /// From here on `file` is written to, which has `written` bytes.
    pub fn go_on_in(&mut self, file: Arc<File>, written: u64) {
        let old = std::mem::replace(&mut self.file, file);
        // A sync that is under way is known by its files.
        if self.written > self.durable || self.is_running() {
            self.before.push(old);
        }
        (self.written, self.durable) = (written, 0);
    }

    /// Whether something written is not durable yet.
    pub fn is_behind(&self) -> bool {
        self.durable < self.written || !self.before.is_empty()
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// What is to be done to make everything durable, if something is not and no other sync runs. Say
    /// with [`Self::ended`] how it went.
    pub fn begin(&mut self) -> Option<PendingSync> {
        if !self.is_behind() {
            return None;
        }
        if self.is_running() {
            self.delayed += 1;
            return None;
        }
        self.running = Some(self.file.clone());
        Some(self.pending())
    }

    /// What became of a sync that was begun. False if it was of files that are no longer in use.
    pub fn ended(&mut self, sync: &PendingSync, result: io::Result<()>) -> bool {
        let is_ours = self.running.take_if(|file| Arc::ptr_eq(file, &sync.file)).is_some();
        // All may have been made durable meanwhile, by `run`.
        if is_ours && self.is_behind() {
            // Why it failed is known from here on.
            let _ = self.count_as_durable(sync, result);
        }
        is_ours
    }

    /// Makes everything durable, whatever else runs, and waits for it.
    pub fn run(&mut self) -> io::Result<()> {
        if !self.is_behind() {
            return Ok(());
        }
        let sync = self.pending();
        let result = sync.run();
        self.count_as_durable(&sync, result)
    }

    fn pending(&self) -> PendingSync {
        PendingSync { before: self.before.clone(), file: self.file.clone(), upto: self.written }
    }

    fn count_as_durable(&mut self, sync: &PendingSync, result: io::Result<()>) -> io::Result<()> {
        note(&mut self.error, result)?;
        self.before.retain(|file| !sync.before.iter().any(|durable| Arc::ptr_eq(file, durable)));
        if Arc::ptr_eq(&self.file, &sync.file) {
            self.durable = self.durable.max(sync.upto);
        }
        Ok(())
    }
}

/// Makes durable what an append-only file holds at one time.
pub struct PendingSync {
    pub(super) before: Vec<Arc<File>>,
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

/// Remembers in `last` why something failed, or that it succeeded.
pub(super) fn note(last: &mut Option<io::Error>, result: io::Result<()>) -> io::Result<()> {
    *last = result.as_ref().err().map(|error| io::Error::new(error.kind(), error.to_string()));
    result
}
