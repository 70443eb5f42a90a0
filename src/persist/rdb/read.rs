//! Lengths, strings and numbers, read from bytes that may be anything. No claim that they make
//! allocates more than what then really comes, or could.

use super::{INT_8, INT_16, INT_32, LEN_6, LEN_14, LEN_32, LEN_64, LZF, SPECIAL};
use std::fmt;
use std::io::{self, Read};

/// What is wrong.
#[derive(Debug)]
pub enum RdbError {
    /// The bytes cannot be what they are to be.
    Corrupt(&'static str),
    /// They end too early, or cannot be read.
    Io(io::Error),
}

impl fmt::Display for RdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RdbError::Corrupt(what) => write!(f, "{what}"),
            RdbError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => write!(f, "unexpected end"),
            RdbError::Io(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for RdbError {
    fn from(error: io::Error) -> Self {
        RdbError::Io(error)
    }
}

/// Reads from a source.
pub struct Reader<'s> {
    source: &'s mut dyn Read,
    /// The last string, where it does not outlive the next.
    string: Vec<u8>,
    /// Bytes that it was compressed to.
    lzf: Vec<u8>,
}

/// A length, or what follows in the place of one.
enum Len {
    Plain(u64),
    Special(u8),
}

impl<'s> Reader<'s> {
    pub fn new(source: &'s mut dyn Read) -> Reader<'s> {
        Reader { source, string: Vec::new(), lzf: Vec::new() }
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    pub fn byte(&mut self) -> Result<u8, RdbError> {
        self.array().map(|[byte]| byte)
    }

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

    pub fn len(&mut self) -> Result<u64, RdbError> {
        match self.any_len()? {
            Len::Plain(len) => Ok(len),
            Len::Special(_) => Err(RdbError::Corrupt("a length is expected")),
        }
    }

    /// The number of elements of something that cannot be empty.
    pub fn count(&mut self) -> Result<u64, RdbError> {
        match self.len()? {
            0 => Err(RdbError::Corrupt("an empty collection")),
            count => Ok(count),
        }
    }

    /// A string; it is there until the next is read.
    pub fn string(&mut self) -> Result<&[u8], RdbError> {
        let len = self.any_len()?;
        self.string.clear();
        match len {
            Len::Plain(len) => read_into(self.source, len, &mut self.string)?,
            Len::Special(INT_8) => {
                let value = i8::from_le_bytes(self.array()?) as i64;
                self.integer(value);
            }
            Len::Special(INT_16) => {
                let value = i16::from_le_bytes(self.array()?) as i64;
                self.integer(value);
            }
            Len::Special(INT_32) => {
                let value = i32::from_le_bytes(self.array()?) as i64;
                self.integer(value);
            }
            Len::Special(LZF) => self.compressed()?,
            Len::Special(_) => return Err(RdbError::Corrupt("unknown string encoding")),
        }
        Ok(&self.string)
    }

    fn integer(&mut self, value: i64) {
        self.string.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn compressed(&mut self) -> Result<(), RdbError> {
        /// One byte can stand for no more than so many.
        const RATIO_MAX: u64 = 264;
        const CORRUPT: RdbError = RdbError::Corrupt("invalid LZF compressed string");
        let (compressed_len, len) = (self.len()?, self.len()?);
        self.lzf.clear();
        read_into(self.source, compressed_len, &mut self.lzf)?;
        if len > compressed_len.saturating_mul(RATIO_MAX) {
            return Err(CORRUPT);
        }
        self.string.resize(len as usize, 0);
        match lzf_rust::decompress(&self.lzf, &mut self.string) {
            Ok(decompressed) if decompressed as u64 == len => Ok(()),
            _ => Err(CORRUPT),
        }
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
                self.string.clear();
                read_into(self.source, len as u64, &mut self.string)?;
                let text = std::str::from_utf8(&self.string).ok();
                text.and_then(|text| text.parse().ok()).ok_or(RdbError::Corrupt("invalid score"))
            }
        }
    }
}

/// Reads `len` bytes. Memory grows with what comes.
fn read_into(source: &mut dyn Read, len: u64, into: &mut Vec<u8>) -> Result<(), RdbError> {
    /// Claims up to here are believed.
    const BELIEVED_MAX: u64 = 1 << 20;
    into.reserve_exact(len.min(BELIEVED_MAX) as usize);
    if source.take(len).read_to_end(into)? as u64 == len {
        Ok(())
    } else {
        Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
    }
}
