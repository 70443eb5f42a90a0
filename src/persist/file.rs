//! A file that is written from its beginning to its end and then made durable.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

/// Bytes after which the disk is told to begin, so that the end does not wait for all of them.
const SYNC_EVERY: u64 = 4 << 20;

/// Makes a file at `path`, writes it by `write`, which has a buffer of its own, and makes it durable.
/// `incremental`: the disk works while it is written. If something fails, no file is left.
pub fn write_durably(
    path: &Path,
    incremental: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = SteadyFile::new(File::create(path)?, incremental);
    let written = write(&mut out).and_then(|()| out.file.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(path);
    }
    written
}

/// A file that the disk works on while it is written, if that is wanted.
pub struct SteadyFile {
    file: File,
    written: u64,
    /// The disk was told to begin with what is before this.
    begun: u64,
    incremental: bool,
}

impl SteadyFile {
    /// An empty file.
    pub fn new(file: File, incremental: bool) -> SteadyFile {
        SteadyFile { file, written: 0, begun: 0, incremental }
    }

    pub fn into_file(self) -> File {
        self.file
    }
}

impl Write for SteadyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.written += count as u64;
        if self.incremental && self.written - self.begun >= SYNC_EVERY {
            begin_sync(&self.file, self.begun, self.written);
            self.begun = self.written;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has these bytes of the file written to the disk, without waiting for that.
fn begin_sync(file: &File, from: u64, to: u64) {
    // SAFETY: only tells the system about an open file. It is a hint, so a failure does not matter.
    unsafe {
        libc::sync_file_range(file.as_raw_fd(), from as i64, (to - from) as i64, libc::SYNC_FILE_RANGE_WRITE);
    }
}

/// Makes creations and renames in the folder of `path` durable.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
