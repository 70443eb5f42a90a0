//! A field of a large hash: its name and value in one allocation.
//!
//! ```text
//! name | value          each with its length before it
//! ```
//!
//! The block has exactly the size class of what it holds, so a new value of the same class is
//! written over the old one.
#![allow(unsafe_code)]

use crate::encoding::hashtable::{Element, Ref};
use crate::encoding::prefixed::{self, stored_len};
use crate::encoding::size_class::size_class;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// A field and its value. Owns its block.
pub struct Field(NonNull<u8>);

// SAFETY: a field owns its block, which holds plain bytes.
unsafe impl Send for Field {}

// SAFETY: a heap pointer has 48 bits and turns back into the field that owned it.
unsafe impl Element for Field {
    #[inline]
    fn key(&self) -> &[u8] {
        self.text(0)
    }

    #[inline]
    fn into_raw(self) -> NonNull<u8> {
        ManuallyDrop::new(self).0
    }

    #[inline]
    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Field(raw)
    }
}

impl Field {
    pub fn new(name: &[u8], value: &[u8]) -> Field {
        let layout = layout(stored_len(name) + stored_len(value));
        // SAFETY: the layout is not empty.
        let block = NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        let mut field = Field(block);
        field.write_text(0, name);
        field.write_text(stored_len(name), value);
        field
    }

    #[inline]
    pub fn value(&self) -> &[u8] {
        self.text(stored_len(self.key()))
    }

    /// Replaces the value: in place, unless that takes another size class.
    pub fn set_value(&mut self, value: &[u8]) {
        let at = stored_len(self.key());
        let (old, new) = (layout(at + stored_len(self.value())), layout(at + stored_len(value)));
        if old != new {
            // SAFETY: allocated with `old`; the new size is neither zero nor beyond `isize::MAX`.
            let block = unsafe { realloc(self.0.as_ptr(), old, new.size()) };
            self.0 = NonNull::new(block).unwrap_or_else(|| handle_alloc_error(new));
        }
        self.write_text(at, value);
    }

    /// Bytes of the block.
    pub fn allocated(&self) -> usize {
        layout(stored_len(self.key()) + stored_len(self.value())).size()
    }

    /// Name and value for as long as the table is borrowed, not just the look at the field.
    #[inline]
    pub fn parts<'a>(field: Ref<'a, Field>) -> (&'a [u8], &'a [u8]) {
        let (name, value) = (field.key(), field.value());
        // SAFETY: the table owns the block and is borrowed for `'a`, so it can neither change nor
        // free the field meanwhile.
        unsafe { (&*(name as *const [u8]), &*(value as *const [u8])) }
    }

    /// The text at `at`.
    #[inline]
    fn text(&self, at: usize) -> &[u8] {
        // SAFETY: `at` is the begin of one of the two texts, both of which were written.
        unsafe { prefixed::read(self.0.as_ptr().add(at)) }
    }

    fn write_text(&mut self, at: usize, text: &[u8]) {
        // SAFETY: the block was made for that many bytes from `at` on.
        unsafe { prefixed::write(self.0.as_ptr().add(at), text) }
    }
}

impl Clone for Field {
    fn clone(&self) -> Field {
        Field::new(self.key(), self.value())
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        let layout = layout(stored_len(self.key()) + stored_len(self.value()));
        // SAFETY: allocated with this layout, and not used again.
        unsafe { dealloc(self.0.as_ptr(), layout) }
    }
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size_class(size), 8).expect("a field smaller than the address space")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_all_lengths_replace_each_other() {
        let lengths = [0, 1, 7, 8, 9, 253, 254, 255, 256, 1000, 70_000, 3, 300, 0];
        for name_len in [0, 1, 12, 254, 255, 300] {
            let name = vec![b'n'; name_len];
            let mut field = Field::new(&name, b"first");
            for (i, len) in lengths.into_iter().enumerate() {
                let value = vec![i as u8; len];
                field.set_value(&value);
                assert_eq!((field.key(), field.value()), (&name[..], &value[..]));
                assert_eq!(field.allocated(), size_class(stored_len(&name) + stored_len(&value)));
            }
            assert_eq!(field.clone().value(), field.value());
        }
    }

    #[test]
    fn a_short_field_takes_what_it_holds_and_two_bytes() {
        assert_eq!(Field::new(b"f:0000000001", b"v123456789").allocated(), 24);
    }
}
