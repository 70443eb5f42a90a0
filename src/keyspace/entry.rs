//! One key with its value and all that belongs to it, in one allocation.
//!
//! ```text
//! 0      head: encoding in the low 5 bits, EXPIRES, LONG_KEY
//! 1..4   access clock, 24 bits little-endian
//! 4..    [expiry, i64 milliseconds of the Unix epoch]            if EXPIRES
//!        key length, u8 (u32 if LONG_KEY) | key
//!        value: Int            i64
//!               Embstr, Raw    length u8 (255: the length follows as u32) | bytes
//!               any other      pointer to the value's own block
//! ```
//!
//! The block has exactly the size class of what it holds, so its layout needs no field, and a new
//! value of the same class is written over the old one.
#![allow(unsafe_code)]

use crate::encoding::hashtable::{Element, RefMut};
use crate::encoding::size_class::size_class;
use crate::types::string::{INLINE_MAX, LargeString, NewString, StringRef};
use crate::types::{Collection, Encoding, Type, copy_collection, drop_collection, free_effort, memory_usage};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, size_of};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

const ENCODING_MASK: u8 = 0x1f;
const EXPIRES: u8 = 0x20;
const LONG_KEY: u8 = 0x40;
const HEADER: usize = 4;
const LONG_VALUE: u8 = 0xff;
/// Freeing up to this many blocks is cheaper than handing them to another thread.
const LAZY_FREE_EFFORT: usize = 64;

/// A key with its value. Owns its block.
pub struct Entry(NonNull<u8>);

// SAFETY: an entry owns all it points to.
unsafe impl Send for Entry {}

// SAFETY: a heap pointer has 48 bits and turns back into the entry that owned it.
unsafe impl Element for Entry {
    #[inline]
    fn key(&self) -> &[u8] {
        Entry::key(self)
    }

    #[inline]
    fn into_raw(self) -> NonNull<u8> {
        ManuallyDrop::new(self).0
    }

    #[inline]
    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Entry(raw)
    }
}

impl Entry {
    #[inline]
    pub fn key(&self) -> &[u8] {
        let (start, len) = self.key_span();
        self.slice(start, len)
    }

    /// An entry for a string.
    pub fn with_string(key: &[u8], value: NewString, expire_at: Option<i64>, clock: u32) -> Entry {
        let (mut entry, value_at) = Entry::allocate(key, value.encoding(), inline_size(&value), expire_at, clock);
        entry.write_string(value_at, value);
        entry
    }

    /// An entry for a value with a block of its own.
    pub fn with_collection<C: Collection>(key: &[u8], value: C, expire_at: Option<i64>, clock: u32) -> Entry {
        let (encoding, pointer) = value.into_raw();
        let (mut entry, value_at) = Entry::allocate(key, encoding, size_of::<usize>(), expire_at, clock);
        entry.write(value_at, &pointer.as_ptr().expose_provenance().to_ne_bytes());
        entry
    }

    /// Allocates a block and fills in all but the value; gives the offset of the value.
    fn allocate(
        key: &[u8],
        encoding: Encoding,
        value_size: usize,
        expire_at: Option<i64>,
        clock: u32,
    ) -> (Entry, usize) {
        let long_key = key.len() > u8::MAX as usize;
        let mut at = HEADER;
        let size = at + if expire_at.is_some() { 8 } else { 0 } + if long_key { 4 } else { 1 } + key.len() + value_size;
        let layout = Self::layout_of(size);
        // SAFETY: the layout is not empty.
        let block = NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        let mut entry = Entry(block);
        let head = encoding as u8 | if expire_at.is_some() { EXPIRES } else { 0 } | if long_key { LONG_KEY } else { 0 };
        entry.write(0, &(head as u32 | clock << 8).to_le_bytes());
        if let Some(expire_at) = expire_at {
            entry.write(at, &expire_at.to_le_bytes());
            at += 8;
        }
        if long_key {
            entry.write(at, &(key.len() as u32).to_le_bytes());
            at += 4;
        } else {
            entry.write(at, &[key.len() as u8]);
            at += 1;
        }
        entry.write(at, key);
        (entry, at + key.len())
    }

    fn layout_of(size: usize) -> Layout {
        Layout::from_size_align(size_class(size), 8).expect("an entry smaller than the address space")
    }

    #[inline]
    fn write(&mut self, at: usize, bytes: &[u8]) {
        // SAFETY: all callers stay within the block they computed the size of.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.0.as_ptr().add(at), bytes.len()) }
    }

    #[inline]
    fn slice(&self, at: usize, len: usize) -> &[u8] {
        // SAFETY: as for `write`; what is read was written.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(at), len) }
    }

    #[inline]
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.slice(at, N).try_into().expect("as long as asked for")
    }

    #[inline]
    fn head(&self) -> u8 {
        self.array::<1>(0)[0]
    }

    #[inline]
    fn key_span(&self) -> (usize, usize) {
        let head = self.head();
        let at = HEADER + if head & EXPIRES != 0 { 8 } else { 0 };
        if head & LONG_KEY == 0 {
            (at + 1, self.array::<1>(at)[0] as usize)
        } else {
            (at + 4, u32::from_le_bytes(self.array(at)) as usize)
        }
    }

    #[inline]
    fn value_at(&self) -> usize {
        let (start, len) = self.key_span();
        start + len
    }

    #[inline]
    pub fn encoding(&self) -> Encoding {
        let encoding = self.head() & ENCODING_MASK;
        debug_assert!((encoding as usize) < Encoding::ALL.len());
        Encoding::ALL[encoding as usize]
    }

    #[inline]
    pub fn type_(&self) -> Type {
        self.encoding().type_()
    }

    /// The access clock: when the key was last used, or how often.
    #[inline]
    pub fn clock(&self) -> u32 {
        u32::from_le_bytes(self.array(0)) >> 8
    }

    /// Written only when it changes, so that reading a key does not dirty its line or, while a
    /// snapshot is made, its page.
    #[inline]
    pub fn set_clock(&mut self, clock: u32) {
        if self.clock() != clock {
            let head = self.head();
            self.write(0, &(head as u32 | clock << 8).to_le_bytes());
        }
    }

    /// When the key expires, in milliseconds of the Unix epoch.
    #[inline]
    pub fn expire_at(&self) -> Option<i64> {
        (self.head() & EXPIRES != 0).then(|| i64::from_le_bytes(self.array(HEADER)))
    }

    pub(super) fn set_expire_at(&mut self, expire_at: Option<i64>) {
        match (self.expire_at(), expire_at) {
            (Some(_), Some(at)) => self.write(HEADER, &at.to_le_bytes()),
            (None, None) => (),
            _ => self.rebuild(expire_at),
        }
    }

    /// Moves everything to a new block with or without the expiry field.
    fn rebuild(&mut self, expire_at: Option<i64>) {
        let value_at = self.value_at();
        let value_size = self.size() - value_at;
        let (mut entry, at) = Entry::allocate(self.key(), self.encoding(), value_size, expire_at, self.clock());
        entry.write(at, self.slice(value_at, value_size));
        self.replace_block(entry);
    }

    /// Frees the block, whose value lives on in `entry`, and takes over that one.
    fn replace_block(&mut self, entry: Entry) {
        let old = std::mem::replace(&mut self.0, entry.into_raw());
        ManuallyDrop::new(Entry(old)).free_block();
    }

    fn free_block(&self) {
        // SAFETY: allocated with this layout; every caller is done with the block.
        unsafe { dealloc(self.0.as_ptr(), Self::layout_of(self.size())) }
    }

    /// Bytes in use in the block.
    fn size(&self) -> usize {
        let at = self.value_at();
        at + match self.encoding() {
            Encoding::Embstr | Encoding::Raw => {
                let (start, len) = self.inline_span(at);
                start + len - at
            }
            _ => 8,
        }
    }

    #[inline]
    fn inline_span(&self, at: usize) -> (usize, usize) {
        match self.array::<1>(at)[0] {
            LONG_VALUE => (at + 5, u32::from_le_bytes(self.array(at + 1)) as usize),
            len => (at + 1, len as usize),
        }
    }

    /// Bytes of the block, with the allocator's rounding; without what it points to.
    pub fn allocated(&self) -> usize {
        size_class(self.size())
    }

    #[inline]
    fn block_pointer(&self) -> NonNull<u8> {
        let address = usize::from_ne_bytes(self.array(self.value_at()));
        NonNull::new(std::ptr::with_exposed_provenance_mut(address)).expect("a block of its own")
    }

    /// The string, if it is one.
    #[inline]
    pub fn string(&self) -> Option<StringRef<'_>> {
        let at = self.value_at();
        match self.encoding() {
            Encoding::Int => Some(StringRef::Int(i64::from_le_bytes(self.array(at)))),
            Encoding::Embstr | Encoding::Raw => {
                let (start, len) = self.inline_span(at);
                Some(StringRef::Short(self.slice(start, len)))
            }
            // SAFETY: this encoding means a boxed LargeString, which lives as long as the entry.
            Encoding::Large => Some(StringRef::Large(unsafe { self.block_pointer().cast::<LargeString>().as_ref() })),
            _ => None,
        }
    }

    /// The string in a form that grows in place, if it is a string. An integer becomes its digits.
    pub fn string_mut(&mut self) -> Option<&mut LargeString> {
        if self.encoding() != Encoding::Large {
            let string = self.string()?;
            let mut digits = itoa::Buffer::new();
            let mut bytes = bytes::BytesMut::with_capacity(size_class(2 * string.bytes(&mut digits).len().max(16)));
            bytes.extend_from_slice(string.bytes(&mut digits));
            self.set_string(NewString::Large(Box::new(LargeString::from(bytes))));
        }
        // SAFETY: as in `string`, and the entry is borrowed mutably.
        Some(unsafe { self.block_pointer().cast::<LargeString>().as_mut() })
    }

    /// A short string's bytes, to be changed without changing their number.
    pub fn short_string_mut(&mut self) -> Option<&mut [u8]> {
        if !matches!(self.encoding(), Encoding::Embstr | Encoding::Raw) {
            return None;
        }
        let (start, len) = self.inline_span(self.value_at());
        if self.encoding() == Encoding::Embstr {
            // What is modified is raw from then on.
            let head = self.head() & !ENCODING_MASK | Encoding::Raw as u8;
            self.write(0, &[head]);
        }
        // SAFETY: the value's span, borrowed mutably with the entry.
        Some(unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr().add(start), len) })
    }

    /// Replaces the value, whatever it was, by a string; key, expiry and clock stay.
    #[inline]
    pub fn set_string(&mut self, value: NewString) {
        let at = self.value_at();
        if let Some((encoding, pointer)) = self.owned_block() {
            // SAFETY: the entry's own value, overwritten right below.
            unsafe { drop_collection(encoding, pointer) };
        }
        if size_class(at + inline_size(&value)) == size_class(self.size()) {
            let head = self.head() & !ENCODING_MASK | value.encoding() as u8;
            self.write(0, &[head]);
            self.write_string(at, value);
        } else {
            let entry = Entry::with_string(self.key(), value, self.expire_at(), self.clock());
            self.replace_block(entry);
        }
    }

    fn write_string(&mut self, at: usize, value: NewString) {
        match value {
            NewString::Int(n) => self.write(at, &n.to_le_bytes()),
            NewString::Embstr(bytes) | NewString::Raw(bytes) => {
                debug_assert!(bytes.len() <= INLINE_MAX);
                if bytes.len() < LONG_VALUE as usize {
                    self.write(at, &[bytes.len() as u8]);
                    self.write(at + 1, bytes);
                } else {
                    self.write(at, &[LONG_VALUE]);
                    self.write(at + 1, &(bytes.len() as u32).to_le_bytes());
                    self.write(at + 5, bytes);
                }
            }
            NewString::Large(large) => {
                let (_, pointer) = large.into_raw();
                self.write(at, &pointer.as_ptr().expose_provenance().to_ne_bytes());
            }
        }
    }

    fn owned_block(&self) -> Option<(Encoding, NonNull<u8>)> {
        match self.encoding() {
            Encoding::Int | Encoding::Embstr | Encoding::Raw => None,
            encoding => Some((encoding, self.block_pointer())),
        }
    }

    /// A look at a value of type `C`, if that is what the entry holds.
    #[inline]
    pub fn collection<C: Collection>(&self) -> Option<CollectionRef<'_, C>> {
        if self.type_() != C::TYPE {
            return None;
        }
        let (encoding, pointer) = self.owned_block()?;
        // SAFETY: the type matches; the copy is never dropped and cannot outlive the entry.
        let value = ManuallyDrop::new(unsafe { C::from_raw(encoding, pointer) });
        Some(CollectionRef { value, _entry: PhantomData })
    }

    /// Whether freeing the value may take long enough to be done off the loop.
    pub fn is_costly_to_free(&self) -> bool {
        // SAFETY: the entry's own value.
        self.owned_block()
            .is_some_and(|(encoding, pointer)| unsafe { free_effort(encoding, pointer) } > LAZY_FREE_EFFORT)
    }

    /// Allocated bytes of the whole entry.
    pub fn memory_usage(&self) -> usize {
        // SAFETY: the entry's own value.
        self.allocated()
            + self.owned_block().map_or(0, |(encoding, pointer)| unsafe { memory_usage(encoding, pointer) })
    }

    /// A copy under another key.
    pub fn duplicate(&self, key: &[u8], expire_at: Option<i64>) -> Entry {
        let value_at = self.value_at();
        let value_size = self.size() - value_at;
        let (mut entry, at) = Entry::allocate(key, self.encoding(), value_size, expire_at, self.clock());
        match self.owned_block() {
            None => entry.write(at, self.slice(value_at, value_size)),
            Some((encoding, pointer)) => {
                // SAFETY: the entry's own value.
                let copy = unsafe { copy_collection(encoding, pointer) };
                entry.write(at, &copy.as_ptr().expose_provenance().to_ne_bytes());
            }
        }
        entry
    }

    /// The same entry, value and all, under another key.
    pub fn renamed(self, key: &[u8], expire_at: Option<i64>) -> Entry {
        let value_at = self.value_at();
        let value_size = self.size() - value_at;
        let (mut entry, at) = Entry::allocate(key, self.encoding(), value_size, expire_at, self.clock());
        entry.write(at, self.slice(value_at, value_size));
        // The value lives on in the new entry.
        ManuallyDrop::new(self).free_block();
        entry
    }
}

fn inline_size(value: &NewString) -> usize {
    match value {
        NewString::Int(_) | NewString::Large(_) => 8,
        NewString::Embstr(bytes) | NewString::Raw(bytes) => {
            bytes.len() + if bytes.len() < LONG_VALUE as usize { 1 } else { 5 }
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some((encoding, pointer)) = self.owned_block() {
            // SAFETY: the entry's own value, on its way out.
            unsafe { drop_collection(encoding, pointer) };
        }
        self.free_block();
    }
}

/// A shared look at a collection in an entry.
pub struct CollectionRef<'a, C> {
    value: ManuallyDrop<C>,
    _entry: PhantomData<&'a Entry>,
}

impl<C> Deref for CollectionRef<'_, C> {
    type Target = C;
    #[inline]
    fn deref(&self) -> &C {
        &self.value
    }
}

/// A collection in an entry of the keyspace, to be changed. The entry learns its final encoding
/// and address when this is dropped.
pub struct CollectionMut<'a, C: Collection> {
    value: ManuallyDrop<C>,
    entry: RefMut<'a, Entry>,
}

impl<'a, C: Collection> CollectionMut<'a, C> {
    /// None if the entry holds another type.
    #[inline]
    pub fn new(entry: RefMut<'a, Entry>) -> Option<Self> {
        if entry.type_() != C::TYPE {
            return None;
        }
        let (encoding, pointer) = entry.owned_block()?;
        // SAFETY: the type matches; the value is written back before the entry can be seen again.
        let value = ManuallyDrop::new(unsafe { C::from_raw(encoding, pointer) });
        Some(CollectionMut { value, entry })
    }
}

impl<C: Collection> Deref for CollectionMut<'_, C> {
    type Target = C;
    #[inline]
    fn deref(&self) -> &C {
        &self.value
    }
}

impl<C: Collection> DerefMut for CollectionMut<'_, C> {
    #[inline]
    fn deref_mut(&mut self) -> &mut C {
        &mut self.value
    }
}

impl<C: Collection> Drop for CollectionMut<'_, C> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: taken once, here.
        let (encoding, pointer) = unsafe { ManuallyDrop::take(&mut self.value) }.into_raw();
        let head = self.entry.head() & !ENCODING_MASK | encoding as u8;
        let at = self.entry.value_at();
        self.entry.write(0, &[head]);
        self.entry.write(at, &pointer.as_ptr().expose_provenance().to_ne_bytes());
    }
}
