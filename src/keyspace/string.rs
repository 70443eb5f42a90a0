//! Strings that are changed in place.

use super::Entry;
use crate::encoding::hashtable::RefMut;
use crate::types::string::{INLINE_MAX, NewString, StringRef};
use bytes::BytesMut;

/// A string in an entry of the keyspace, to be changed. Whatever is changed in place is reported as
/// `raw` from then on, as Redis does.
pub struct StringMut<'a>(RefMut<'a, Entry>);

impl<'a> StringMut<'a> {
    /// None if the entry holds another type.
    #[inline]
    pub(super) fn new(entry: RefMut<'a, Entry>) -> Option<Self> {
        entry.string().is_some().then_some(StringMut(entry))
    }

    #[inline]
    pub fn get(&self) -> StringRef<'_> {
        self.0.string().expect("checked when made")
    }

    /// Replaces the string.
    #[inline]
    pub fn set(&mut self, value: NewString) {
        self.0.set_string(value);
    }

    /// The bytes to be changed in place, followed by as many zeros as it takes to make them `len`.
    pub fn bytes_mut(&mut self, len: usize) -> &mut [u8] {
        let mut digits = itoa::Buffer::new();
        let (old, is_int) = match self.get() {
            StringRef::Large(_) => return self.0.string_mut().expect("a string").grow(len),
            StringRef::Int(n) => (digits.format(n).as_bytes(), true),
            StringRef::Short(bytes) => (bytes, false),
        };
        if is_int || old.len() < len {
            if len.max(old.len()) <= INLINE_MAX {
                let mut grown = [0; INLINE_MAX];
                let grown = &mut grown[..len.max(old.len())];
                grown[..old.len()].copy_from_slice(old);
                self.set(NewString::Raw(grown));
            } else {
                let mut grown = BytesMut::zeroed(len);
                grown[..old.len()].copy_from_slice(old);
                self.set(NewString::Large(Box::new(grown.into())));
                return self.0.string_mut().expect("a string").make_mut();
            }
        }
        self.0.short_string_mut().expect("neither an integer nor large")
    }

    /// Writes `bytes` over what is at `offset`; the string grows as needed, by zeros before `offset`.
    /// Gives its length.
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) -> usize {
        let end = offset + bytes.len();
        let len = self.get().len();
        if end <= INLINE_MAX || offset > len {
            self.bytes_mut(end)[offset..end].copy_from_slice(bytes);
        } else {
            let large = self.0.string_mut().expect("a string").make_mut();
            let (over, beyond) = bytes.split_at(bytes.len().min(len - offset));
            large[offset..offset + over.len()].copy_from_slice(over);
            large.extend_from_slice(beyond);
        }
        end.max(len)
    }
}
