//! A member of a large sorted set: its score and its name in one allocation.
//!
//! ```text
//! score f64 | length u8 (255: the length follows as u32) | member
//! ```
//!
//! The block has the size class of what it holds. The table of members owns it; the tree that
//! keeps their order has a [`MemberRef`].
#![allow(unsafe_code)]

use crate::encoding::hashtable::Element;
use crate::encoding::size_class::size_class;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

const LENGTH_AT: usize = size_of::<f64>();
const LONG: u8 = u8::MAX;

/// See the module's description. Owns its block.
pub struct Member(NonNull<u8>);

// SAFETY: a member owns its block, which holds plain bytes.
unsafe impl Send for Member {}

// SAFETY: a heap pointer has 48 bits and turns back into the member that owned it.
unsafe impl Element for Member {
    #[inline]
    fn key(&self) -> &[u8] {
        let block = self.0.as_ptr();
        // SAFETY: the length and so many bytes were written behind the score.
        unsafe {
            let (len, start) = match *block.add(LENGTH_AT) {
                LONG => (block.add(LENGTH_AT + 1).cast::<u32>().read_unaligned() as usize, LENGTH_AT + 5),
                len => (len as usize, LENGTH_AT + 1),
            };
            std::slice::from_raw_parts(block.add(start), len)
        }
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
    pub fn new(member: &[u8], score: f64) -> Member {
        let layout = layout(member.len());
        // SAFETY: the layout is not empty.
        let block = NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        let len = u32::try_from(member.len()).expect("a request's argument is below 4 GiB");
        // SAFETY: the block was made for the score, the length and the member, and it is aligned for
        // the score.
        unsafe {
            block.cast().write(score);
            let mut at = block.add(LENGTH_AT);
            at.write(u8::try_from(len).unwrap_or(LONG));
            at = at.add(1);
            if len >= LONG as u32 {
                at.cast::<u32>().write_unaligned(len);
                at = at.add(size_of::<u32>());
            }
            at.copy_from_nonoverlapping(NonNull::from(member).cast(), member.len());
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
        layout(self.key().len()).size()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let layout = layout(self.key().len());
        // SAFETY: allocated with this layout, and not used again.
        unsafe { dealloc(self.0.as_ptr(), layout) }
    }
}

fn layout(len: usize) -> Layout {
    let size = LENGTH_AT + len + if len < LONG as usize { 1 } else { 5 };
    Layout::from_size_align(size_class(size), align_of::<f64>()).expect("a member smaller than the address space")
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
