//! The Redis types. Each chooses its encoding and owns its mutations; none knows the protocol.
//!
//! To add a type: its module, its [`Encoding`]s, its arm in [`drop_collection`].
#![allow(unsafe_code)]

pub mod string;

use std::ptr::NonNull;

/// What TYPE answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    String,
    Hash,
}

impl Type {
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::Hash => "hash",
        }
    }

    pub fn from_name(name: &[u8]) -> Option<Type> {
        [Type::String, Type::Hash].into_iter().find(|t| name.eq_ignore_ascii_case(t.name().as_bytes()))
    }
}

/// How a value is laid out. An entry's header holds it, so there are at most 32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Encoding {
    /// A string that is a canonical 64-bit integer.
    Int,
    /// A short string in the entry.
    Embstr,
    /// A string in the entry that is long or was modified.
    Raw,
    /// A long string in a block of its own.
    Large,
}

impl Encoding {
    pub const ALL: [Encoding; 4] = [Encoding::Int, Encoding::Embstr, Encoding::Raw, Encoding::Large];

    pub fn type_(self) -> Type {
        match self {
            Encoding::Int | Encoding::Embstr | Encoding::Raw | Encoding::Large => Type::String,
        }
    }

    /// What OBJECT ENCODING answers.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::Embstr => "embstr",
            Encoding::Raw | Encoding::Large => "raw",
        }
    }
}

/// A value that an entry holds by one pointer.
///
/// # Safety
///
/// `from_raw` turns what `into_raw` gave back into the same value, and `into_raw` answers only
/// encodings that [`drop_collection`] hands to this type.
pub unsafe trait Collection: Sized {
    const TYPE: Type;
    fn into_raw(self) -> (Encoding, NonNull<u8>);
    /// # Safety
    ///
    /// The parts came from one `into_raw` of this type and are turned back only once.
    unsafe fn from_raw(encoding: Encoding, pointer: NonNull<u8>) -> Self;
}

/// Drops a value that is known by its encoding only.
///
/// # Safety
///
/// The parts came from `into_raw` of the type that has this encoding, and are not used again.
pub unsafe fn drop_collection(encoding: Encoding, pointer: NonNull<u8>) {
    match encoding {
        Encoding::Int | Encoding::Embstr | Encoding::Raw => unreachable!("kept in the entry itself"),
        // SAFETY: by the contract.
        Encoding::Large => drop(unsafe { string::LargeString::from_raw(encoding, pointer) }),
    }
}
