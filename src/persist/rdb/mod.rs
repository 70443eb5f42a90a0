//! The RDB format: snapshots, and what DUMP gives. Version 11 is written; values of every
//! version since 1 are read.
//!
//! * `write`   lengths, strings, numbers
//! * `read`    the same, from bytes that may be anything
//! * `save`    a value
//! * `load`    a value of any form there ever was
//! * `module`  what modules saved, left out or refused
//! * `packed`  Redis's listpacks, ziplists and zipmaps: the blocks that small values are kept in
//! * `stream`  streams
//! * `file`    a whole data set, written
//! * `file_load` the same, read in steps
//! * `payload` what DUMP gives and RESTORE takes

mod file;
mod file_load;
mod load;
mod module;
mod packed;
mod payload;
mod read;
mod save;
mod stream;
mod write;

pub use file::{DataSet, save_data_set};
pub use file_load::{Item, LoadFailure, LoadFor, LoadStep, Loaded, RdbLoad};
pub use load::{KeyFacts, load_value};
pub use payload::{InvalidPayload, dump, dump_libraries, restore, restore_libraries};
pub use read::{RdbError, Reader};
pub use save::{save_value, value_type};
pub use write::Writer;

/// The version that is written.
pub const VERSION: u16 = 11;
/// What Redis 7.0 reads.
pub const VERSION_7_0: u16 = 10;

/// How a value is written: the byte before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ValueType {
    String = 0,
    /// Of strings.
    List = 1,
    Set = 2,
    /// Scores as text.
    ZSet = 3,
    Hash = 4,
    /// Scores as 8 bytes.
    ZSet2 = 5,
    HashZipmap = 9,
    ListZiplist = 10,
    SetIntset = 11,
    ZSetZiplist = 12,
    HashZiplist = 13,
    /// Of ziplists.
    ListQuicklist = 14,
    StreamListpacks = 15,
    HashListpack = 16,
    ZSetListpack = 17,
    /// Of listpacks and plain elements.
    ListQuicklist2 = 18,
    /// With the counters of 7.0.
    StreamListpacks2 = 19,
    SetListpack = 20,
    /// With the active time of consumers.
    StreamListpacks3 = 21,
}

impl ValueType {
    const ALL: [ValueType; 19] = [
        ValueType::String,
        ValueType::List,
        ValueType::Set,
        ValueType::ZSet,
        ValueType::Hash,
        ValueType::ZSet2,
        ValueType::HashZipmap,
        ValueType::ListZiplist,
        ValueType::SetIntset,
        ValueType::ZSetZiplist,
        ValueType::HashZiplist,
        ValueType::ListQuicklist,
        ValueType::StreamListpacks,
        ValueType::HashListpack,
        ValueType::ZSetListpack,
        ValueType::ListQuicklist2,
        ValueType::StreamListpacks2,
        ValueType::SetListpack,
        ValueType::StreamListpacks3,
    ];

    pub fn from_byte(byte: u8) -> Option<ValueType> {
        Self::ALL.into_iter().find(|&value_type| value_type as u8 == byte)
    }
}

// The first two bits of a length say how long it is; 11 that it is none, but what follows.
const LEN_6: u8 = 0;
const LEN_14: u8 = 1;
const LEN_32: u8 = 0x80;
const LEN_64: u8 = 0x81;
const SPECIAL: u8 = 3;

// What follows instead of a string's length.
const INT_8: u8 = 0;
const INT_16: u8 = 1;
const INT_32: u8 = 2;
const LZF: u8 = 3;

// The node of a quicklist: one element, or a listpack.
const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;
