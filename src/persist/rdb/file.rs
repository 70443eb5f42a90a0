//! A whole data set, written; `file_load` reads it.
//!
//! ```text
//! "REDIS" | version, four digits | [AUX: name, value] ...
//! SELECTDB: number | RESIZEDB: keys, keys that expire | key ...     for each database
//! EOF | CRC-64 of all before, or 0
//! key  [EXPIRETIME_MS: i64] | [IDLE or FREQ] | type | key | value
//! ```

use super::payload::CHECKSUM;
use super::save::save_library;
use super::{Writer, save_value, value_type};
use crate::config::Config;
use crate::keyspace::Keyspace;
use crc_fast::Digest;
use std::io::{self, BufWriter, Write};

/// Of a node of a cluster: the keys of a slot, and those that expire. Never written here.
pub(super) const SLOT_INFO: u8 = 244;
pub(super) const FUNCTION: u8 = 245;
pub(super) const MODULE_AUX: u8 = 247;
pub(super) const IDLE: u8 = 248;
pub(super) const FREQ: u8 = 249;
pub(super) const AUX: u8 = 250;
pub(super) const RESIZE_DB: u8 = 251;
pub(super) const EXPIRE_MS: u8 = 252;
pub(super) const EXPIRE_S: u8 = 253;
pub(super) const SELECT_DB: u8 = 254;
pub(super) const EOF: u8 = 255;

/// Stands for the checksum where none was made (`rdbchecksum no`).
pub(super) const NO_CHECKSUM: u64 = 0;

/// Passes bytes on and takes their checksum.
struct Summed<'o> {
    out: &'o mut dyn Write,
    digest: Option<Digest>,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        if let Some(digest) = &mut self.digest {
            digest.update(&bytes[..written]);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Bytes written at a time.
const CHUNK: usize = 256 << 10;

/// What is written.
pub struct DataSet<'a> {
    pub keyspace: &'a Keyspace,
    /// False: without its keys.
    pub with_keys: bool,
    /// The codes of libraries of functions.
    pub libraries: &'a [&'a [u8]],
    /// What is to be known about it.
    pub aux: &'a [(&'a str, String)],
}

/// Writes a data set in this version of the format. `each_key` is called after each key.
pub fn save_data_set(
    data_set: &DataSet,
    config: &Config,
    version: u16,
    out: &mut dyn Write,
    each_key: &mut dyn FnMut(),
) -> io::Result<()> {
    let DataSet { keyspace, with_keys, libraries, aux } = *data_set;
    let digest = config.rdbchecksum.then(|| Digest::new(CHECKSUM));
    let mut out = BufWriter::with_capacity(CHUNK, Summed { out, digest });
    let mut writer = Writer::new(&mut out, version, config.rdbcompression);
    writer.bytes(format!("REDIS{version:04}").as_bytes())?;
    for (name, value) in aux {
        writer.bytes(&[AUX])?;
        writer.string(name.as_bytes())?;
        writer.string(value.as_bytes())?;
    }
    for code in libraries {
        save_library(code, &mut writer)?;
    }
    let dbs = if with_keys { keyspace.dbs() } else { &[] };
    for (number, db) in dbs.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        writer.bytes(&[SELECT_DB])?;
        writer.len(number as u64)?;
        writer.bytes(&[RESIZE_DB])?;
        writer.len(db.len() as u64)?;
        writer.len(db.volatile() as u64)?;
        for entry in db.table().iter() {
            if let Some(at) = entry.expire_at() {
                writer.bytes(&[EXPIRE_MS])?;
                writer.bytes(&at.to_le_bytes())?;
            }
            if config.maxmemory_policy.keeps_frequency() {
                writer.bytes(&[FREQ, keyspace.access.frequency_of(entry.clock())])?;
            } else if config.maxmemory_policy.keeps_use() {
                writer.bytes(&[IDLE])?;
                writer.len(keyspace.access.idle_seconds_of(entry.clock()) as u64)?;
            }
            writer.bytes(&[value_type(&entry, version) as u8])?;
            writer.string(entry.key())?;
            save_value(&entry, &mut writer)?;
            each_key();
        }
    }
    writer.bytes(&[EOF])?;
    let Summed { out, digest } = out.into_inner()?;
    out.write_all(&digest.map_or(NO_CHECKSUM, |digest| digest.finalize()).to_le_bytes())
}
