//! A byte string with its length before it, as the elements of tables hold their texts.
//!
//! ```text
//! length u8 | bytes              up to 254 bytes
//! 255 | length u32 | bytes       more
//! ```
#![allow(unsafe_code)]

const LONG: u8 = u8::MAX;

/// The bytes that `text` takes, its length included.
#[inline]
pub fn stored_len(text: &[u8]) -> usize {
    assert!(text.len() <= u32::MAX as usize, "a request's argument is below 4 GiB");
    text.len() + if text.len() < LONG as usize { 1 } else { 5 }
}

/// The text at `at`.
///
/// # Safety
///
/// [`write`] wrote it there, and it neither changes nor is freed during `'a`.
#[inline]
pub unsafe fn read<'a>(at: *const u8) -> &'a [u8] {
    // SAFETY: by the contract, a length and that many bytes are there.
    unsafe {
        match *at {
            LONG => {
                let len = at.add(1).cast::<[u8; 4]>().read();
                std::slice::from_raw_parts(at.add(5), u32::from_le_bytes(len) as usize)
            }
            len => std::slice::from_raw_parts(at.add(1), len as usize),
        }
    }
}

/// Writes `text` to `at`.
///
/// # Safety
///
/// There is room for [`stored_len`] bytes, of which none are `text`'s.
#[inline]
pub unsafe fn write(at: *mut u8, text: &[u8]) {
    // SAFETY: by the contract, all of this is room.
    unsafe {
        let mut to = at;
        if text.len() < LONG as usize {
            *to = text.len() as u8;
        } else {
            *to = LONG;
            to.add(1).cast::<[u8; 4]>().write((text.len() as u32).to_le_bytes());
            to = to.add(4);
        }
        std::ptr::copy_nonoverlapping(text.as_ptr(), to.add(1), text.len());
    }
}
