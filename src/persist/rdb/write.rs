//! Lengths, strings and numbers, written.

use super::{INT_8, INT_16, INT_32, LEN_6, LEN_14, LEN_32, LEN_64, LZF, SPECIAL};
use crate::encoding::lzf::Compressor;
use crate::encoding::number::parse_i64;
use std::io::{self, Write};

/// Writes; strings are compressed where that makes them shorter, if that is wanted (`rdbcompression`).
pub struct Writer<'a> {
    out: &'a mut dyn Write,
    compressor: Option<Compressor>,
    /// Of the format: see [`super::VERSION`].
    version: u16,
    /// The last string, compressed.
    lzf: Vec<u8>,
}

impl Writer<'_> {
    pub fn new(out: &mut dyn Write, version: u16, compress: bool) -> Writer<'_> {
        Writer { out, compressor: compress.then(Compressor::default), version, lzf: Vec::new() }
    }

    /// The version of the format that is written.
    pub fn version(&self) -> u16 {
        self.version
    }

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
        /// It has to be worth a second length.
        const GAIN_MIN: usize = 4;
        if string.len() > COMPRESS_MIN
            && let Some(compressor) = &mut self.compressor
            && compressor.compress(string, string.len() - GAIN_MIN, &mut self.lzf)
        {
            self.bytes(&[SPECIAL << 6 | LZF])?;
            self.len(self.lzf.len() as u64)?;
            self.len(string.len() as u64)?;
            return self.out.write_all(&self.lzf);
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

    /// An integer as a string.
    pub fn int(&mut self, value: i64) -> io::Result<()> {
        match i32::try_from(value) {
            Ok(value) => self.small_int(value),
            Err(_) => self.string(itoa::Buffer::new().format(value).as_bytes()),
        }
    }
}
