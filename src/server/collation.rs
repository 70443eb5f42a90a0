//! The order of texts in the language of `locale-collate`, for SORT ALPHA.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::ptr;

/// Sorts by this locale from now on, or by the environment's if the name is empty; false if there is
/// no such locale. Call it from the thread that sorts.
pub fn set_locale(name: &[u8]) -> bool {
    let Ok(name) = CString::new(name) else { return false };
    // SAFETY: the name is a C string; of all threads only the caller's depends on the locale.
    unsafe { !libc::setlocale(libc::LC_COLLATE, name.as_ptr()).is_null() }
}

/// Whether texts sort by their bytes.
pub fn is_bytewise() -> bool {
    // SAFETY: this only asks for the name, which is good until the locale is set again.
    let name = unsafe { libc::setlocale(libc::LC_COLLATE, ptr::null()) };
    // SAFETY: as above, a C string if it is not null.
    name.is_null() || matches!(unsafe { CStr::from_ptr(name) }.to_bytes(), b"C" | b"POSIX")
}

/// Bytes that sort as the text does in its language.
///
/// COMPAT: a text ends at its first NUL.
pub fn sort_key(text: &[u8]) -> Vec<u8> {
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    let text = CString::new(&text[..end]).expect("cut at the first NUL");
    let mut key = vec![0_u8; 3 * end + 16];
    loop {
        // SAFETY: at most `key.len()` bytes are written to it, and the text is a C string.
        let len = unsafe { libc::strxfrm(key.as_mut_ptr().cast::<c_char>(), text.as_ptr(), key.len()) };
        if len < key.len() {
            key.truncate(len);
            return key;
        }
        key.resize(len + 1, 0);
    }
}
