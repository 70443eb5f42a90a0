//! A whole data set.
//!
//! ```text
//! "REDIS" | version, four digits | [AUX: name, value] ...
//! SELECTDB: number | RESIZEDB: keys, keys that expire | key ...     for each database
//! EOF | CRC-64 of all before, or 0
//! key  [EXPIRETIME_MS: i64] | [IDLE or FREQ] | type | key | value
//! ```

use super::payload::CRC;
use super::write::Writer;
use super::{RdbError, Reader, VERSION, ValueType, load_value, save_value, value_type};
use crate::config::Config;
use crate::keyspace::Keyspace;
use crc::{Digest, Table};
use std::fmt;
use std::io::{self, Read, Write};

const FUNCTION: u8 = 245;
const MODULE_AUX: u8 = 247;
const IDLE: u8 = 248;
const FREQ: u8 = 249;
const AUX: u8 = 250;
const RESIZE_DB: u8 = 251;
const EXPIRE_MS: u8 = 252;
const EXPIRE_S: u8 = 253;
const SELECT_DB: u8 = 254;
const EOF: u8 = 255;

/// The latest version that is read: that of Redis 7.4.
const VERSION_MAX: u16 = 12;
/// From this version on there is a checksum.
const CHECKSUM_SINCE: u16 = 5;

/// Passes bytes on and takes their checksum.
struct Summed<T> {
    inner: T,
    digest: Option<Digest<'static, u64, Table<16>>>,
    position: u64,
}

static STATIC_CRC: crc::Crc<u64, Table<16>> = CRC;

impl<T> Summed<T> {
    fn new(inner: T, checksum: bool) -> Self {
        Summed { inner, digest: checksum.then(|| STATIC_CRC.digest()), position: 0 }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.position += bytes.len() as u64;
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
    }

    fn checksum(&self) -> u64 {
        self.digest.as_ref().map_or(0, |digest| digest.clone().finalize())
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.count(&bytes[..read]);
        Ok(read)
    }
}

/// Writes the data set. `aux`: what is to be known about it. `each_key` is called after each.
pub fn save_data_set(
    keyspace: &Keyspace,
    config: &Config,
    aux: &[(&str, String)],
    out: &mut dyn Write,
    each_key: &mut dyn FnMut(),
) -> io::Result<()> {
    let mut out = Summed::new(out, config.rdbchecksum);
    write!(out, "REDIS{VERSION:04}")?;
    for (name, value) in aux {
        out.write_all(&[AUX])?;
        let mut writer = Writer { out: &mut out, compress: config.rdbcompression };
        writer.string(name.as_bytes())?;
        writer.string(value.as_bytes())?;
    }
    for (number, db) in keyspace.dbs().iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        let mut writer = Writer { out: &mut out, compress: config.rdbcompression };
        writer.bytes(&[SELECT_DB])?;
        writer.len(number as u64)?;
        writer.bytes(&[RESIZE_DB])?;
        writer.len(db.len() as u64)?;
        writer.len(db.volatile() as u64)?;
        for entry in db.table().iter() {
            let mut writer = Writer { out: &mut out, compress: config.rdbcompression };
            if let Some(at) = entry.expire_at() {
                writer.bytes(&[EXPIRE_MS])?;
                writer.bytes(&at.to_le_bytes())?;
            }
            writer.bytes(&[value_type(&entry) as u8])?;
            writer.string(entry.key())?;
            save_value(&entry, config.rdbcompression, &mut out)?;
            each_key();
        }
    }
    out.write_all(&[EOF])?;
    let checksum = out.checksum();
    out.inner.write_all(&checksum.to_le_bytes())
}

/// What is wrong with a file, and where.
#[derive(Debug)]
pub struct LoadFailure {
    pub error: RdbError,
    pub offset: u64,
}

impl fmt::Display for LoadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.error, self.offset)
    }
}

/// Adds a data set to the keyspace. Keys past their time are left out. `merge`: a key that is there
/// is replaced; otherwise there must be none.
pub fn load_data_set(
    source: &mut dyn Read,
    keyspace: &mut Keyspace,
    config: &Config,
    merge: bool,
) -> Result<(), LoadFailure> {
    let mut source = Summed::new(source, config.rdbchecksum);
    let selected = keyspace.selected();
    let result = load(&mut source, keyspace, config, merge);
    keyspace.select(selected);
    result.map_err(|error| LoadFailure { error, offset: source.position })
}

fn load<R: Read>(
    source: &mut Summed<R>,
    keyspace: &mut Keyspace,
    config: &Config,
    merge: bool,
) -> Result<(), RdbError> {
    const NOT_RDB: RdbError = RdbError::Corrupt("not an RDB file");
    let mut magic = [0; 9];
    source.read_exact(&mut magic)?;
    let digits = magic.strip_prefix(b"REDIS").ok_or(NOT_RDB)?;
    let version: u16 = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(NOT_RDB)?;
    if !(1..=VERSION_MAX).contains(&version) {
        return Err(RdbError::Corrupt("a version that is not known"));
    }
    let mut reader = Reader::new(source);
    keyspace.select(0);
    let (mut expire_at, mut idle_s) = (None, 0);
    loop {
        match reader.byte()? {
            EOF => break,
            AUX => {
                reader.string()?;
                reader.string()?;
            }
            SELECT_DB => {
                let number = usize::try_from(reader.length()?).ok().filter(|&number| number < keyspace.databases());
                keyspace.select(number.ok_or(RdbError::Corrupt("a database beyond those configured"))?);
            }
            RESIZE_DB => {
                reader.length()?;
                reader.length()?;
            }
            EXPIRE_MS => expire_at = Some(i64::from_le_bytes(reader.array()?)),
            EXPIRE_S => expire_at = Some(i32::from_le_bytes(reader.array()?) as i64 * 1000),
            IDLE => idle_s = reader.length()?,
            FREQ => {
                reader.byte()?;
            }
            FUNCTION => return Err(RdbError::Corrupt("a library of functions, which are not there yet")),
            MODULE_AUX => return Err(RdbError::Corrupt("data of a module")),
            byte => {
                let value_type = ValueType::from_byte(byte).ok_or(RdbError::Corrupt("unknown type"))?;
                let key = reader.string()?.to_vec();
                let value = load_value(value_type, &mut reader, config)?;
                let (expire_at, idle_s) = (expire_at.take(), std::mem::take(&mut idle_s));
                if expire_at.is_some_and(|at| at < keyspace.now_ms) {
                    continue;
                }
                if !merge && keyspace.exists(&key) {
                    return Err(RdbError::Corrupt("a key that is there twice"));
                }
                let clock = (keyspace.now_ms / 1000 - idle_s as i64) as u32 & 0xff_ffff;
                keyspace.put(value.into_entry(&key, expire_at, clock));
            }
        }
    }
    let is = source.checksum();
    let mut checksum = [0; 8];
    if version >= CHECKSUM_SINCE {
        source.inner.read_exact(&mut checksum)?;
    }
    match u64::from_le_bytes(checksum) {
        // Written with `rdbchecksum no`.
        0 => Ok(()),
        _ if source.digest.is_none() => Ok(()),
        checksum if checksum == is => Ok(()),
        _ => Err(RdbError::Corrupt("wrong checksum")),
    }
}
