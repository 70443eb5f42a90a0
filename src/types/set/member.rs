//! A member of a large set: its text, with the length before it, in one allocation of exactly its
//! size class.
#![allow(unsafe_code)]

use crate::encoding::hashtable::{Element, Ref};
use crate::encoding::prefixed::{self, stored_len};
use crate::encoding::size_class::size_class;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// A member. Owns its block.
pub struct Member(NonNull<u8>);

// SAFETY: a member owns its block, which holds plain bytes.
unsafe impl Send for Member {}

// SAFETY: a heap pointer has 48 bits and turns back into the member that owned it.
unsafe impl Element for Member {
    #[inline]
    fn key(&self) -> &[u8] {
        self.text()
    }

    #[inline]
    fn into_raw(self) -> NonNull<u8> {
        ManuallyDrop::new(self).0
    }

    #[inline]
    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Member(raw)
    }
}

impl Member {
    #[inline]
    pub fn new(text: &[u8]) -> Member {
        let layout = layout(text);
        // SAFETY: the layout is not empty.
        let block = NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        // SAFETY: the block is new and was made for the text.
        unsafe { prefixed::write(block.as_ptr(), text) };
        Member(block)
    }

    #[inline]
    pub fn text(&self) -> &[u8] {
        // SAFETY: written by `new` and not changed since.
        unsafe { prefixed::read(self.0.as_ptr()) }
    }

    /// The text for as long as the table is borrowed, not just the look at the member.
    #[inline]
    pub fn text_in<'a>(member: Ref<'a, Member>) -> &'a [u8] {
        // SAFETY: the table owns the block and is borrowed for `'a`, so it can neither change nor free
        // the member meanwhile.
        unsafe { prefixed::read(member.0.as_ptr()) }
    }

    /// Bytes of the block.
    pub fn allocated(&self) -> usize {
        layout(self.text()).size()
    }
}

impl Clone for Member {
    fn clone(&self) -> Member {
        Member::new(self.text())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let layout = layout(self.text());
        // SAFETY: allocated with this layout, and not used again.
        unsafe { dealloc(self.0.as_ptr(), layout) }
    }
}

fn layout(text: &[u8]) -> Layout {
    Layout::from_size_align(size_class(stored_len(text)), 8).expect("a member smaller than the address space")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_all_lengths() {
        for len in [0, 1, 7, 8, 253, 254, 255, 256, 70_000] {
            let text = vec![len as u8; len];
            let member = Member::new(&text).clone();
            assert_eq!(member.text(), text);
            assert_eq!(member.allocated(), size_class(stored_len(&text)));
        }
        assert_eq!(Member::new(b"17-byte member...").allocated(), 24);
    }
}
