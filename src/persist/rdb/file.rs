//! A whole data set.
//!
//! ```text
//! "REDIS" | version, four digits | [AUX: name, value] ...
//! SELECTDB: number | RESIZEDB: keys, keys that expire | key ...     for each database
//! EOF | CRC-64 of all before, or 0
//! key  [EXPIRETIME_MS: i64] | [IDLE or FREQ] | type | key | value
//! ```

use super::payload::CRC;
use super::{FUNCTION, KeyFacts, RdbError, Reader, VERSION, ValueType, Writer, load_value, save_value, value_type};
use crate::config::Config;
use crate::keyspace::Keyspace;
use crc::{Digest, Table};
use std::fmt;
use std::io::{self, BufWriter, Read, Write};

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
/// Stands for the checksum where none was made (`rdbchecksum no`).
const NO_CHECKSUM: u64 = 0;

/// An entry's clock has 24 bits.
const CLOCK_MASK: u32 = 0xff_ffff;

/// Passes bytes on and takes their checksum.
struct Summed<'o> {
    out: &'o mut dyn Write,
    digest: Option<Digest<'static, u64, Table<16>>>,
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

/// Writes the data set. `aux`: what is to be known about it. `each_key` is called after each.
pub fn save_data_set(
    keyspace: &Keyspace,
    config: &Config,
    aux: &[(&str, String)],
    out: &mut dyn Write,
    each_key: &mut dyn FnMut(),
) -> io::Result<()> {
    let digest = config.rdbchecksum.then(|| CRC.digest());
    let mut out = BufWriter::with_capacity(CHUNK, Summed { out, digest });
    let mut writer = Writer::new(&mut out, config.rdbcompression);
    writer.bytes(format!("REDIS{VERSION:04}").as_bytes())?;
    for (name, value) in aux {
        writer.bytes(&[AUX])?;
        writer.string(name.as_bytes())?;
        writer.string(value.as_bytes())?;
    }
    for (number, db) in keyspace.dbs().iter().enumerate().filter(|(_, db)| !db.is_empty()) {
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
            writer.bytes(&[value_type(&entry) as u8])?;
            writer.string(entry.key())?;
            save_value(&entry, &mut writer)?;
            each_key();
        }
    }
    writer.bytes(&[EOF])?;
    let Summed { out, digest } = out.into_inner()?;
    out.write_all(&digest.map_or(NO_CHECKSUM, |digest| digest.finalize()).to_le_bytes())
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

/// The keys of a data set that was read.
#[derive(Clone, Copy, Default, Debug)]
pub struct Loaded {
    pub keys: u64,
    /// Past their time, and left out.
    pub expired: u64,
    /// Without a value, and left out.
    pub empty: u64,
    /// The length of the data set in the source, of which more may have been read.
    pub bytes: u64,
}

/// What a data set is loaded for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadFor {
    /// An empty keyspace, as it is to be from now on: keys past their time are left out.
    Start,
    /// The same, into a keyspace with keys: those of the data set replace them.
    Merge,
    /// Commands of the append-only file follow, which found keys that are past their time by now: all
    /// are loaded.
    AofBase,
}

/// Adds a data set to the keyspace.
pub fn load_data_set(
    source: &mut dyn Read,
    keyspace: &mut Keyspace,
    config: &Config,
    purpose: LoadFor,
) -> Result<Loaded, LoadFailure> {
    let mut reader = Reader::new(source, config.rdbchecksum);
    let selected = keyspace.selected();
    let result = load(&mut reader, keyspace, config, purpose);
    keyspace.select(selected);
    result.map_err(|error| LoadFailure { error, offset: reader.position() })
}

fn load(reader: &mut Reader, keyspace: &mut Keyspace, config: &Config, purpose: LoadFor) -> Result<Loaded, RdbError> {
    const NOT_RDB: RdbError = RdbError::Corrupt("not an RDB file");
    let magic: [u8; 9] = reader.array()?;
    let digits = magic.strip_prefix(b"REDIS").ok_or(NOT_RDB)?;
    let version: u16 = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(NOT_RDB)?;
    if !(1..=VERSION_MAX).contains(&version) {
        return Err(RdbError::Corrupt("a version that is not known"));
    }
    keyspace.select(0);
    let (mut expire_at, mut idle_s) = (None, 0);
    let (mut loaded, mut name) = (Loaded::default(), Vec::new());
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
                name.clear();
                name.extend_from_slice(reader.string()?);
                let expire_at = expire_at.take();
                let clock = (keyspace.now_ms / 1000).wrapping_sub(std::mem::take(&mut idle_s) as i64) as u32;
                let key = KeyFacts { name: &name, expire_at, clock: clock & CLOCK_MASK };
                let entry = match load_value(&key, value_type, reader, config) {
                    // COMPAT: there were Redises that wrote such keys.
                    Err(RdbError::EmptyCollection) => {
                        log::info!("skipping empty key: {}", name.escape_ascii());
                        loaded.empty += 1;
                        continue;
                    }
                    entry => entry?,
                };
                if purpose != LoadFor::AofBase && expire_at.is_some_and(|at| at < keyspace.now_ms) {
                    loaded.expired += 1;
                    continue;
                }
                if purpose != LoadFor::Merge && keyspace.exists(&name) {
                    return Err(RdbError::Corrupt("a key that is there twice"));
                }
                keyspace.put(entry);
                loaded.keys += 1;
            }
        }
    }
    let is = reader.checksum();
    let stated = if version >= CHECKSUM_SINCE { u64::from_le_bytes(reader.array()?) } else { NO_CHECKSUM };
    loaded.bytes = reader.position();
    if stated == NO_CHECKSUM || is.is_none_or(|is| is == stated) {
        Ok(loaded)
    } else {
        Err(RdbError::Corrupt("CRC error: the checksum is wrong"))
    }
}
