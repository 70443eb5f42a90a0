//! Reading a file of commands, piece by piece: from the start of the server, and by the checker.

use crate::resp::Args;
use crate::resp::request::{Batch, Limits, Parsed, ProtocolError, RequestParser};
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Requests that are parsed at a time.
const BATCH_MAX: usize = 256;
/// No argument is longer; nobody's could be.
const LIMITS: Limits = Limits { bulk_max: u32::MAX as usize / 2, authenticated: true, in_place: false };

/// Why commands cannot be read, or are not wanted.
#[derive(Debug)]
pub enum ReadError {
    Io(io::Error),
    /// What begins at this offset is no command.
    Format {
        what: String,
        offset: u64,
    },
    /// Whoever is given the commands refused one.
    Refused(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) => write!(f, "{error}"),
            ReadError::Format { what, offset } => write!(f, "{what} at offset {offset}"),
            ReadError::Refused(what) => write!(f, "{what}"),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::Io(error)
    }
}

/// A file of commands, and how far it was read.
pub struct CommandFile {
    file: File,
    parser: RequestParser,
    batch: Batch,
    /// What was read and is no whole command yet.
    buffer: Vec<u8>,
    /// The offset in the file of the buffer's end.
    position: u64,
    /// Where the last whole command ends.
    whole_up_to: u64,
}

/// Whether a data set in RDB form comes before the commands of a file.
pub fn begins_with_data_set(path: &Path) -> io::Result<bool> {
    const MAGIC: &[u8] = b"REDIS";
    let mut first = [0; MAGIC.len()];
    let count = File::open(path)?.read_at(&mut first, 0)?;
    Ok(&first[..count] == MAGIC)
}

impl CommandFile {
    /// Commands begin at `offset`.
    pub fn open(path: &Path, offset: u64) -> io::Result<CommandFile> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let (parser, batch, buffer) = Default::default();
        Ok(CommandFile { file, parser, batch, buffer, position: offset, whole_up_to: offset })
    }

    /// Bytes of the file that were read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The offset up to which the file is whole commands.
    pub fn whole_up_to(&self) -> u64 {
        self.whole_up_to
    }

    /// Reads up to `bytes` more. `each` is given the commands, and annotations (lines that begin with
    /// `#`) as if they were some, with the offset of the end of each. False at the end of the file.
    pub fn read(
        &mut self,
        bytes: usize,
        mut each: impl FnMut(&Args, u64) -> Result<(), String>,
    ) -> Result<bool, ReadError> {
        let read = match self.parser.long_argument() {
            Some(long) => {
                let wanted = long.len().min(bytes);
                let read = read(&mut self.file, &mut long[..wanted])?;
                self.parser.long_argument_filled(read);
                read
            }
            None => (&self.file).take(bytes as u64).read_to_end(&mut self.buffer)?,
        };
        self.position += read as u64;
        if read == 0 {
            return Ok(false);
        }
        let mut start = 0;
        loop {
            self.batch.clear();
            let parsed = self.parser.parse(&self.buffer, start, BATCH_MAX, LIMITS, &mut self.batch);
            for index in 0..self.batch.len() {
                let range = self.batch.range(index);
                let end = self.position - (self.buffer.len() - range.end) as u64;
                check_beginning(&self.buffer[range])
                    .map_err(|what| ReadError::Format { what, offset: self.whole_up_to })?;
                each(&self.batch.args(index, &self.buffer), end).map_err(ReadError::Refused)?;
                self.whole_up_to = end;
            }
            match parsed {
                Ok(Parsed::Full(next)) => start = next,
                Ok(Parsed::Incomplete(left)) => {
                    check_beginning(&self.buffer[left.clone()])
                        .map_err(|what| ReadError::Format { what, offset: self.whole_up_to })?;
                    self.buffer.truncate(left.end);
                    self.buffer.drain(..left.start);
                    return Ok(true);
                }
                Err(ProtocolError(what)) => return Err(ReadError::Format { what, offset: self.whole_up_to }),
            }
        }
    }
}

fn read(file: &mut File, space: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(space) {
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            result => return result,
        }
    }
}

/// Inline requests, which the parser takes as well, are no part of a file; annotations, such as time
/// stamps, are lines of their own.
fn check_beginning(request: &[u8]) -> Result<(), String> {
    match request.first() {
        None | Some(b'*' | b'#') => Ok(()),
        Some(&other) => Err(format!("expected '*', got '{}'", other.escape_ascii())),
    }
}
