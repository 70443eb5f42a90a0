//! Strings: which encoding a value gets, and the block that holds a long one.
#![allow(unsafe_code)]

use super::{Collection, Encoding, Type};
use crate::encoding::number::{i64_text_len, parse_i64};
use bytes::{Bytes, BytesMut};
use std::ops::Range;
use std::ptr::NonNull;

/// Redis calls a string up to this long that was set in one piece `embstr`, a longer one `raw`.
pub const EMBSTR_MAX: usize = 44;
/// A string up to this long lives in its entry. Beyond, a block of its own costs less than 5 %.
pub const INLINE_MAX: usize = 512;
/// A canonical integer has at most this many characters.
const INT_MAX_CHARS: usize = 20;

/// A string about to be stored.
pub enum NewString<'a> {
    Int(i64),
    Embstr(&'a [u8]),
    /// At most [`INLINE_MAX`] bytes.
    Raw(&'a [u8]),
    Large(Box<LargeString>),
}

impl<'a> NewString<'a> {
    /// The encoding of a value that a client gave whole, as SET stores it.
    #[inline]
    pub fn new(value: &'a [u8]) -> Self {
        if value.len() <= EMBSTR_MAX {
            if value.len() <= INT_MAX_CHARS
                && let Some(n) = parse_i64(value)
            {
                return NewString::Int(n);
            }
            return NewString::Embstr(value);
        }
        Self::copied(value)
    }

    /// As [`NewString::new`], for a value that came in a buffer of its own: kept without a copy.
    pub fn from_bytes(value: &'a Bytes) -> Self {
        if value.len() <= INLINE_MAX { Self::new(value) } else { Self::large(value.clone()) }
    }

    /// The encoding of a text that was computed, not to be stored as an integer (INCRBYFLOAT).
    pub fn text(value: &'a [u8]) -> Self {
        if value.len() <= EMBSTR_MAX { NewString::Embstr(value) } else { Self::copied(value) }
    }

    /// The encoding of bytes that were put together (BITOP): never an integer, kept without a copy.
    pub fn raw(value: &'a Bytes) -> Self {
        if value.len() <= INLINE_MAX { NewString::Raw(value) } else { Self::large(value.clone()) }
    }

    fn copied(value: &'a [u8]) -> Self {
        if value.len() <= INLINE_MAX { NewString::Raw(value) } else { Self::large(Bytes::copy_from_slice(value)) }
    }

    fn large(value: Bytes) -> Self {
        NewString::Large(Box::new(LargeString::from(value)))
    }

    pub fn encoding(&self) -> Encoding {
        match self {
            NewString::Int(_) => Encoding::Int,
            NewString::Embstr(_) => Encoding::Embstr,
            NewString::Raw(_) => Encoding::Raw,
            NewString::Large(_) => Encoding::Large,
        }
    }
}

/// A stored string, borrowed.
#[derive(Clone, Copy)]
pub enum StringRef<'a> {
    Int(i64),
    Short(&'a [u8]),
    Large(&'a LargeString),
}

impl<'a> StringRef<'a> {
    /// The bytes; an integer is written into `digits` first.
    #[inline]
    pub fn bytes<'b>(self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            StringRef::Int(n) => digits.format(n).as_bytes(),
            StringRef::Short(bytes) => bytes,
            StringRef::Large(large) => large.as_slice(),
        }
    }

    pub fn len(self) -> usize {
        match self {
            StringRef::Int(n) => i64_text_len(n),
            StringRef::Short(bytes) => bytes.len(),
            StringRef::Large(large) => large.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The integer this string is, if it is one in canonical form.
    #[inline]
    pub fn as_int(self) -> Option<i64> {
        match self {
            StringRef::Int(n) => Some(n),
            StringRef::Short(bytes) => parse_i64(bytes),
            StringRef::Large(large) => parse_i64(large.as_slice()),
        }
    }
}

/// A long string: shared with replies on their way out while it is only read, and grown in place
/// when it is modified.
#[derive(Clone)]
pub struct LargeString(Block);

#[derive(Clone)]
enum Block {
    Shared(Bytes),
    Growing(BytesMut),
}

impl From<Bytes> for LargeString {
    fn from(bytes: Bytes) -> Self {
        LargeString(Block::Shared(bytes))
    }
}

impl From<BytesMut> for LargeString {
    fn from(bytes: BytesMut) -> Self {
        LargeString(Block::Growing(bytes))
    }
}

impl LargeString {
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Block::Shared(bytes) => bytes,
            Block::Growing(bytes) => bytes,
        }
    }

    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Allocated bytes, for MEMORY USAGE.
    pub fn allocated(&self) -> usize {
        size_of::<Block>()
            + match &self.0 {
                Block::Shared(bytes) => bytes.len(),
                Block::Growing(bytes) => bytes.capacity(),
            }
    }

    /// The content, or a part of it, for a reply that outlives this borrow: no copy where the
    /// string was set whole.
    pub fn share(&self, range: Range<usize>) -> Bytes {
        match &self.0 {
            Block::Shared(bytes) => bytes.slice(range),
            Block::Growing(bytes) => Bytes::copy_from_slice(&bytes[range]),
        }
    }

    /// Appends zeros until there are `len` bytes, and gives all to be modified.
    pub fn grow(&mut self, len: usize) -> &mut [u8] {
        let bytes = self.make_mut();
        if bytes.len() < len {
            bytes.resize(len, 0);
        }
        bytes
    }

    /// The bytes to modify, after copying them if a reply still refers to them.
    pub fn make_mut(&mut self) -> &mut BytesMut {
        if let Block::Shared(bytes) = &mut self.0 {
            let bytes = std::mem::take(bytes);
            self.0 = Block::Growing(bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..])));
        }
        match &mut self.0 {
            Block::Growing(bytes) => bytes,
            Block::Shared(_) => unreachable!("made growing above"),
        }
    }
}

// SAFETY: the box of a LargeString, and only it, goes by Encoding::Large.
unsafe impl Collection for Box<LargeString> {
    const TYPE: Type = Type::String;

    fn into_raw(self) -> (Encoding, NonNull<u8>) {
        (Encoding::Large, NonNull::from(Box::leak(self)).cast())
    }

    unsafe fn from_raw(_: Encoding, pointer: NonNull<u8>) -> Self {
        // SAFETY: by the contract the pointer came from `into_raw` above.
        unsafe { Box::from_raw(pointer.as_ptr().cast()) }
    }

    fn free_effort(&self) -> usize {
        1
    }

    fn memory_usage(&self) -> usize {
        self.allocated()
    }
}
