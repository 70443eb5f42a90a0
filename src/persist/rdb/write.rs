//! Lengths, strings and numbers, written.

use super::{INT_8, INT_16, INT_32, LEN_6, LEN_14, LEN_32, LEN_64, LZF, SPECIAL};
use crate::encoding::number::parse_i64;
use std::io::{self, Write};

/// Writes to `out`; strings are compressed where that makes them shorter, if `compress`.
pub struct Writer<'a> {
    pub out: &'a mut dyn Write,
    pub compress: bool,
}

impl Writer<'_> {
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    pub fn len(&mut self, len: u64) -> io::Result<()> {
        if len < 1 << 6 {
            self.bytes(&[LEN_6 << 6 | len as u8])
        } else if len < 1 << 14 {
            self.bytes(&[LEN_14 << 6 | (len >> 8) as u8, len as u8])
        } else if let Ok(len) = u32::try_from(len) {
            self.bytes(&[LEN_32])?;
            self.bytes(&len.to_be_bytes())
        } else {
            self.bytes(&[LEN_64])?;
            self.bytes(&len.to_be_bytes())
        }
    }

    pub fn string(&mut self, string: &[u8]) -> io::Result<()> {
        /// As long as an i32 can be.
        const INT_TEXT_MAX: usize = 11;
        /// Shorter strings are not worth the try.
        const COMPRESS_MIN: usize = 20;
        if string.len() <= INT_TEXT_MAX
            && let Some(value) = parse_i64(string).and_then(|value| i32::try_from(value).ok())
        {
            return self.small_int(value);
        }
        if self.compress && string.len() > COMPRESS_MIN && self.compressed(string)? {
            return Ok(());
        }
        self.len(string.len() as u64)?;
        self.bytes(string)
    }

    fn small_int(&mut self, value: i32) -> io::Result<()> {
        if let Ok(value) = i8::try_from(value) {
            self.bytes(&[SPECIAL << 6 | INT_8, value as u8])
        } else if let Ok(value) = i16::try_from(value) {
            self.bytes(&[SPECIAL << 6 | INT_16])?;
            self.bytes(&value.to_le_bytes())
        } else {
            self.bytes(&[SPECIAL << 6 | INT_32])?;
            self.bytes(&value.to_le_bytes())
        }
    }

    /// Writes the string compressed; false if that is not shorter.
    fn compressed(&mut self, string: &[u8]) -> io::Result<bool> {
        /// Both lengths have to be written.
        const GAIN_MIN: usize = 4;
        let mut lzf = vec![0; string.len() - GAIN_MIN];
        let Ok(len) = lzf_rust::compress(string, &mut lzf) else { return Ok(false) };
        self.bytes(&[SPECIAL << 6 | LZF])?;
        self.len(len as u64)?;
        self.len(string.len() as u64)?;
        self.bytes(&lzf[..len])?;
        Ok(true)
    }

    /// An integer as a string.
    pub fn int(&mut self, value: i64) -> io::Result<()> {
        match i32::try_from(value) {
            Ok(value) => self.small_int(value),
            Err(_) => self.string(itoa::Buffer::new().format(value).as_bytes()),
        }
    }
}
