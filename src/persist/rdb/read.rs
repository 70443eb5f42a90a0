//! Lengths, strings and numbers, read from bytes that may be anything. No claim that they make
//! allocates more than what then really comes, or could.

use super::payload::CHECKSUM;
use super::{INT_8, INT_16, INT_32, LEN_6, LEN_14, LEN_32, LEN_64, LZF, SPECIAL};
use crc_fast::Digest;
use std::borrow::Cow;
use std::fmt;
use std::io::{self, ErrorKind, Read};

/// What is wrong.
#[derive(Debug)]
pub enum RdbError {
    /// The bytes cannot be what they are to be.
    Corrupt(&'static str),
    /// A value belongs to this type of a module.
    Module(String),
    /// A collection has no elements, and there are no such keys. All of it was read.
    EmptyCollection,
    /// They end too early, or cannot be read.
    Io(io::Error),
    /// More of them have not come yet.
    NotYet,
}

impl fmt::Display for RdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RdbError::Corrupt(what) => write!(f, "{what}"),
            RdbError::Module(name) => {
                write!(f, "the file contains module data that can't be loaded: no matching module type '{name}'")
            }
            RdbError::EmptyCollection => write!(f, "an empty collection"),
            RdbError::NotYet => write!(f, "the rest has not come yet"),
            RdbError::Io(error) if error.kind() == ErrorKind::UnexpectedEof => write!(f, "unexpected end"),
            RdbError::Io(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for RdbError {
    fn from(error: io::Error) -> Self {
        RdbError::Io(error)
    }
}

/// Bytes read from a source at a time. Longer strings are put together elsewhere.
const WINDOW: usize = 64 << 10;

/// Reads a payload, a source of any length through a window, or bytes that are fed as they come.
pub struct Reader<'s> {
    source: Source<'s>,
    window: Cow<'s, [u8]>,
    /// The end of what was read of the window, ...
    at: usize,
    /// ... and of what is there of it.
    end: usize,
    /// Where [`Self::rewind`] goes back to.
    mark: usize,
    /// Bytes before the window, and their checksum.
    passed: u64,
    digest: Option<Digest>,
    /// The last string, where it is not in the window.
    string: Vec<u8>,
    /// So many bytes are needed from the mark on before it is worth reading on.
    needed: usize,
}

/// What comes after the window.
enum Source<'s> {
    Nothing,
    Stream(Box<dyn Read + 's>),
    /// What [`Reader::feed`] will be given.
    Fed,
}

/// A length, or what follows in the place of one.
enum Len {
    Plain(u64),
    Special(u8),
}

impl<'s> Reader<'s> {
    /// Reads from a stream, further than asked for. `checksum`: [`Self::checksum`] will be wanted.
    pub fn new(source: impl Read + 's, checksum: bool) -> Reader<'s> {
        Reader { window: vec![0; WINDOW].into(), ..Reader::from(Source::Stream(Box::new(source)), checksum) }
    }

    pub fn of_payload(payload: &'s [u8]) -> Reader<'s> {
        Reader { window: payload.into(), end: payload.len(), ..Reader::from(Source::Nothing, false) }
    }

    /// Reads what it is fed. Where that is not enough, reading fails with [`RdbError::NotYet`]: then
    /// rewind, feed, and read on from the mark.
    pub fn fed(checksum: bool) -> Reader<'s> {
        Reader::from(Source::Fed, checksum)
    }

    fn from(source: Source<'s>, checksum: bool) -> Reader<'s> {
        let digest = checksum.then(|| Digest::new(CHECKSUM));
        let (window, string) = (Cow::default(), Vec::new());
        Reader { source, window, at: 0, end: 0, mark: 0, passed: 0, digest, string, needed: 0 }
    }

    /// What follows what was fed so far. There must be nothing to be rewound.
    pub fn feed(&mut self, bytes: &[u8]) {
        /// What is kept of a window that a long string made large.
        const KEPT_MAX: usize = 1 << 20;
        assert!(matches!(self.source, Source::Fed) && self.at == self.mark);
        self.pass();
        let window = self.window.to_mut();
        window.truncate(self.end);
        window.extend_from_slice(bytes);
        if window.len() < KEPT_MAX {
            window.shrink_to(KEPT_MAX);
        }
        self.end = window.len();
    }

    /// What was fed and not read.
    pub fn rest(&self) -> &[u8] {
        &self.window[self.at..self.end]
    }

    /// Whether what is there may be enough to get beyond where reading ended the last time.
    pub fn is_enough(&self) -> bool {
        self.end - self.mark >= self.needed
    }

    /// [`Self::rewind`] goes back to here.
    #[inline]
    pub fn mark(&mut self) {
        self.mark = self.at;
        self.needed = 0;
    }

    /// Goes back to the mark, when bytes that are fed were not enough.
    pub fn rewind(&mut self) {
        assert!(matches!(self.source, Source::Fed));
        self.at = self.mark;
    }

    /// Drops from the window what was read.
    fn pass(&mut self) {
        if self.at == 0 {
            return;
        }
        let window = self.window.to_mut();
        if let Some(digest) = &mut self.digest {
            digest.update(&window[..self.at]);
        }
        window.copy_within(self.at..self.end, 0);
        self.passed += self.at as u64;
        (self.at, self.end, self.mark) = (0, self.end - self.at, 0);
    }

    /// Bytes read so far.
    pub fn position(&self) -> u64 {
        self.passed + self.at as u64
    }

    /// The checksum of all bytes read so far, if it is wanted.
    pub fn checksum(&self) -> Option<u64> {
        let mut digest = self.digest?;
        digest.update(&self.window[..self.at]);
        Some(digest.finalize())
    }

    /// The next `len` bytes; no more than a window, if there is a source.
    #[inline]
    fn take(&mut self, len: usize) -> Result<&[u8], RdbError> {
        if self.end - self.at < len {
            self.refill(len)?;
        }
        self.at += len;
        Ok(&self.window[self.at - len..self.at])
    }

    /// Makes sure that the window has `len` bytes to be read.
    #[cold]
    fn refill(&mut self, len: usize) -> Result<(), RdbError> {
        let end_of_source = || RdbError::Io(ErrorKind::UnexpectedEof.into());
        match self.source {
            Source::Nothing => return Err(end_of_source()),
            Source::Fed => {
                self.needed = (self.at - self.mark).saturating_add(len);
                return Err(RdbError::NotYet);
            }
            Source::Stream(_) => self.pass(),
        }
        let (Source::Stream(source), window) = (&mut self.source, self.window.to_mut()) else { unreachable!() };
        while self.end < len {
            match source.read(&mut window[self.end..]) {
                Ok(0) => return Err(end_of_source()),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        Ok(self.take(N)?.try_into().expect("that many were taken"))
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8, RdbError> {
        self.array().map(|[byte]| byte)
    }

    #[inline]
    fn any_len(&mut self) -> Result<Len, RdbError> {
        let first = self.byte()?;
        Ok(match (first >> 6, first) {
            (LEN_6, _) => Len::Plain(first as u64),
            (LEN_14, _) => Len::Plain(((first & 0x3f) as u64) << 8 | self.byte()? as u64),
            (SPECIAL, _) => Len::Special(first & 0x3f),
            (_, LEN_32) => Len::Plain(u32::from_be_bytes(self.array()?) as u64),
            (_, LEN_64) => Len::Plain(u64::from_be_bytes(self.array()?)),
            _ => return Err(RdbError::Corrupt("unknown length encoding")),
        })
    }

    pub fn length(&mut self) -> Result<u64, RdbError> {
        match self.any_len()? {
            Len::Plain(len) => Ok(len),
            Len::Special(_) => Err(RdbError::Corrupt("a length is expected")),
        }
    }

    /// The number of elements of something that cannot be empty.
    pub fn count(&mut self) -> Result<u64, RdbError> {
        match self.length()? {
            0 => Err(RdbError::EmptyCollection),
            count => Ok(count),
        }
    }

    /// A string; it is there until more is read.
    #[inline]
    pub fn string(&mut self) -> Result<&[u8], RdbError> {
        match self.any_len()? {
            Len::Plain(len) => self.bytes(len),
            Len::Special(INT_8) => {
                let integer = i8::from_le_bytes(self.array()?);
                Ok(self.digits(integer.into()))
            }
            Len::Special(INT_16) => {
                let integer = i16::from_le_bytes(self.array()?);
                Ok(self.digits(integer.into()))
            }
            Len::Special(INT_32) => {
                let integer = i32::from_le_bytes(self.array()?);
                Ok(self.digits(integer.into()))
            }
            Len::Special(LZF) => self.compressed(),
            Len::Special(_) => Err(RdbError::Corrupt("unknown string encoding")),
        }
    }

    #[inline]
    fn bytes(&mut self, len: u64) -> Result<&[u8], RdbError> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let by_window = len <= WINDOW || !matches!(self.source, Source::Stream(_));
        if by_window { self.take(len) } else { self.long_bytes(len) }
    }

    /// More than the window takes. Memory grows with what comes.
    fn long_bytes(&mut self, len: usize) -> Result<&[u8], RdbError> {
        let mut bytes = std::mem::take(&mut self.string);
        bytes.clear();
        while bytes.len() < len {
            let there = (self.end - self.at).clamp(1, len - bytes.len());
            bytes.extend_from_slice(self.take(there)?);
        }
        self.string = bytes;
        Ok(&self.string)
    }

    fn digits(&mut self, integer: i64) -> &[u8] {
        self.string.clear();
        self.string.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
        &self.string
    }

    fn compressed(&mut self) -> Result<&[u8], RdbError> {
        /// One byte can stand for no more than this many.
        const RATIO_MAX: u64 = 88;
        const CORRUPT: RdbError = RdbError::Corrupt("invalid LZF compressed string");
        let (compressed_len, len) = (self.length()?, self.length()?);
        let mut string = std::mem::take(&mut self.string);
        let lzf = self.bytes(compressed_len)?;
        if len > lzf.len() as u64 * RATIO_MAX {
            return Err(CORRUPT);
        }
        string.resize(len as usize, 0);
        if lzf_rust::decompress(lzf, &mut string) != Ok(string.len()) {
            return Err(CORRUPT);
        }
        self.string = string;
        Ok(&self.string)
    }

    /// A score, as 8 bytes.
    pub fn double(&mut self) -> Result<f64, RdbError> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// A score, as text of up to 252 bytes.
    pub fn text_double(&mut self) -> Result<f64, RdbError> {
        match self.byte()? {
            253 => Ok(f64::NAN),
            254 => Ok(f64::INFINITY),
            255 => Ok(f64::NEG_INFINITY),
            len => {
                let text = std::str::from_utf8(self.bytes(len as u64)?).ok();
                text.and_then(|text| text.parse().ok()).ok_or(RdbError::Corrupt("invalid score"))
            }
        }
    }
}
