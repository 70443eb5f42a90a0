//! What DUMP gives and RESTORE takes: a value with its type in front, the version and a checksum
//! behind.
//!
//! ```text
//! type u8 | value | version u16 | CRC-64 of all before u64
//! ```

use super::file::FUNCTION;
use super::save::save_library;
use super::{KeyFacts, RdbError, Reader, VERSION, ValueType, Writer, load_value, save_value, value_type};
use crate::config::Config;
use crate::keyspace::Entry;
use crc::{CRC_64_REDIS, Crc, Table};

/// The checksum that files and payloads end with.
pub static CRC: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

const FOOTER: usize = 10;

/// Why a payload is no value.
#[derive(Debug)]
pub enum InvalidPayload {
    /// It is of a later version, or its checksum is wrong.
    Footer,
    Value(RdbError),
}

/// The value of an entry.
pub fn dump(entry: &Entry, compress: bool) -> Vec<u8> {
    let mut payload = vec![value_type(entry, VERSION) as u8];
    save_value(entry, &mut Writer::new(&mut payload, VERSION, compress)).expect("memory takes all");
    sign(&mut payload);
    payload
}

/// Adds the version and the checksum.
fn sign(payload: &mut Vec<u8>) {
    payload.extend_from_slice(&VERSION.to_le_bytes());
    let checksum = CRC.checksum(payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
}

/// What is before the version and the checksum, if these are right.
fn signed(payload: &[u8], verify: bool) -> Result<&[u8], InvalidPayload> {
    let (value, footer) =
        payload.len().checked_sub(FOOTER).map(|at| payload.split_at(at)).ok_or(InvalidPayload::Footer)?;
    let (version, checksum) = footer.split_at(2);
    let version = u16::from_le_bytes(version.try_into().expect("two bytes"));
    let checksum = u64::from_le_bytes(checksum.try_into().expect("eight bytes"));
    let is_right = || CRC.checksum(&payload[..payload.len() - 8]) == checksum;
    if version > VERSION || (verify && !is_right()) {
        return Err(InvalidPayload::Footer);
    }
    Ok(value)
}

/// FUNCTION DUMP: the code of each library, as a file has it.
pub fn dump_libraries(codes: &[&[u8]]) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut writer = Writer::new(&mut payload, VERSION, false);
    for code in codes {
        save_library(code, &mut writer).expect("memory takes all");
    }
    sign(&mut payload);
    payload
}

/// The codes in what FUNCTION DUMP gave, or what is wrong with it.
pub fn restore_libraries(payload: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    const FOOTER: &str = "ERR DUMP payload version or checksum are wrong";
    let value = signed(payload, true).map_err(|_| FOOTER)?;
    let mut reader = Reader::of_payload(value);
    let mut codes = Vec::new();
    while reader.position() < value.len() as u64 {
        if !reader.byte().is_ok_and(|opcode| opcode == FUNCTION) {
            return Err("ERR given type is not a function");
        }
        codes.push(reader.string().map_err(|_| "ERR Failed loading library code")?.to_vec());
    }
    Ok(codes)
}

/// A key with the value in a payload. `verify`: its checksum must be right.
pub fn restore(key: &KeyFacts, payload: &[u8], verify: bool, config: &Config) -> Result<Entry, InvalidPayload> {
    let value = signed(payload, verify)?;
    let corrupt = |what| InvalidPayload::Value(RdbError::Corrupt(what));
    let (&type_byte, value) = value.split_first().ok_or(corrupt("no type"))?;
    let value_type = ValueType::from_byte(type_byte).ok_or(corrupt("unknown type"))?;
    let mut reader = Reader::of_payload(value);
    let entry = load_value(key, value_type, &mut reader, config).map_err(InvalidPayload::Value)?;
    if reader.position() == value.len() as u64 { Ok(entry) } else { Err(corrupt("more than a value")) }
}
