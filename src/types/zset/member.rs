//! A member of a large sorted set: its score and its name in one allocation.
//!
//! ```text
//! score f64 | name, with its length before it (see `encoding/prefixed.rs`)
//! ```
//!
//! The block has the size class of what it holds. The table of members owns it; the tree that
//! keeps their order has a [`MemberRef`].
#![allow(unsafe_code)]

use crate::encoding::hashtable::Element;
use crate::encoding::prefixed;
use crate::encoding::size_class::size_class;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

const NAME_AT: usize = size_of::<f64>();

/// A member and its score. Owns its block.
pub struct Member(NonNull<u8>);

// SAFETY: a member owns its block, which holds plain bytes.
unsafe impl Send for Member {}

// SAFETY: a heap pointer has 48 bits and turns back into the member that owned it.
unsafe impl Element for Member {
    #[inline]
    fn key(&self) -> &[u8] {
        // SAFETY: written in `new`; it lives and stays as it is as long as the member is borrowed.
        unsafe { prefixed::read(self.0.as_ptr().add(NAME_AT)) }
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
    pub fn new(name: &[u8], score: f64) -> Member {
        let layout = layout(name);
        // SAFETY: the layout is not empty.
        let block = NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        // SAFETY: the block was made for the score, for which it is aligned, and the name.
        unsafe {
            block.cast().write(score);
            prefixed::write(block.as_ptr().add(NAME_AT), name);
        }
        Member(block)
    }

    #[inline]
    pub fn score(&self) -> f64 {
        // SAFETY: the block begins with the score and is aligned for it.
        unsafe { self.0.cast().read() }
    }

    #[inline]
    pub fn set_score(&mut self, score: f64) {
        // SAFETY: as above.
        unsafe { self.0.cast().write(score) }
    }

    /// What the tree keeps of it.
    #[inline]
    pub fn reference(&self) -> MemberRef {
        let bits = (self.0.as_ptr().expose_provenance() as u64).to_le_bytes();
        debug_assert!(bits[6] == 0 && bits[7] == 0, "pointers have 48 bits");
        MemberRef(*bits.first_chunk().expect("8 bytes have 6"))
    }

    /// Bytes of the block.
    pub fn allocated(&self) -> usize {
        layout(self.key()).size()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let layout = layout(self.key());
        // SAFETY: allocated with this layout, and not used again.
        unsafe { dealloc(self.0.as_ptr(), layout) }
    }
}

fn layout(name: &[u8]) -> Layout {
    let size = size_class(NAME_AT + prefixed::stored_len(name));
    Layout::from_size_align(size, align_of::<f64>()).expect("a member smaller than the address space")
}

/// The address of a member that a table owns, in 6 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct MemberRef([u8; 6]);

impl MemberRef {
    /// # Safety
    ///
    /// The member lives, unchanged, for `'a`.
    #[inline]
    pub unsafe fn name<'a>(self) -> &'a [u8] {
        let mut bits = [0; 8];
        bits[..6].copy_from_slice(&self.0);
        let pointer = std::ptr::with_exposed_provenance_mut(u64::from_le_bytes(bits) as usize);
        // SAFETY: by the contract a member is there; it is not dropped, and its name stays where it is.
        unsafe {
            let member = ManuallyDrop::new(Member(NonNull::new_unchecked(pointer)));
            &*(member.key() as *const [u8])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_all_lengths() {
        for len in [0, 1, 7, 17, 254, 255, 256, 70_000] {
            let name = vec![b'm'; len];
            let mut member = Member::new(&name, 1.5);
            member.set_score(member.score() + 1.0);
            assert_eq!((member.key(), member.score()), (&name[..], 2.5));
            // SAFETY: the member is right here.
            assert_eq!(unsafe { member.reference().name() }, name);
        }
        assert_eq!(Member::new(b"member:0000000001", 0.0).allocated(), 32);
    }
}
