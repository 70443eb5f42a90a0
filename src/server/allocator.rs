//! The allocator: jemalloc with 8-byte size classes, counted exactly.
//!
//! `used_memory` must be cheap to read (a memory limit checks it for every write) and cheap to
//! keep, so each thread counts for itself and adds to the common sum only when asked to.
#![allow(unsafe_code)]

use crate::encoding::size_class::size_class;
use libc::c_int;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use tikv_jemalloc_sys as jemalloc;

/// The process's allocator: jemalloc, with every allocation counted.
pub struct Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

static OTHER_THREADS: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    static USED: Cell<isize> = const { Cell::new(0) };
}

#[inline]
fn count(change: isize) {
    // A thread that is going away no longer counts; it has published by then.
    let _ = USED.try_with(|used| used.set(used.get() + change));
}

/// The quantum guarantees 8; more has to be asked for.
#[inline]
fn flags(layout: &Layout) -> c_int {
    if layout.align() <= 8 { 0 } else { jemalloc::MALLOCX_ALIGN(layout.align()) }
}

#[inline]
fn class(layout: &Layout) -> isize {
    // Aligned requests come from the class of the size rounded up to the alignment.
    let size = if layout.align() <= 8 { layout.size() } else { layout.size().next_multiple_of(layout.align()) };
    rounded(size) as isize
}

/// What jemalloc sets aside for `size` bytes: a size class, or whole pages if it is large.
#[inline]
fn rounded(size: usize) -> usize {
    const SMALL_MAX: usize = 32 * 1024;
    const PAGE: usize = 4096;
    if size <= SMALL_MAX { size_class(size) } else { size.next_multiple_of(PAGE) }
}

// SAFETY: jemalloc's sized interface is used with the same size and alignment for an allocation
// from its beginning to its end; counting allocates nothing.
unsafe impl GlobalAlloc for Jemalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(class(&layout));
        // SAFETY: the size is not zero by the contract of GlobalAlloc.
        unsafe { jemalloc::mallocx(layout.size(), flags(&layout)).cast() }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(class(&layout));
        // SAFETY: as above.
        unsafe { jemalloc::mallocx(layout.size(), flags(&layout) | jemalloc::MALLOCX_ZERO).cast() }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-class(&layout));
        // SAFETY: allocated above with this layout.
        unsafe { jemalloc::sdallocx(pointer.cast(), layout.size(), flags(&layout)) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let new = Layout::from_size_align(new_size, layout.align()).expect("a size that GlobalAlloc allows");
        // SAFETY: allocated above with this layout; the new size is not zero.
        let moved: *mut u8 = unsafe { jemalloc::rallocx(pointer.cast(), new_size, flags(&layout)).cast() };
        if !moved.is_null() {
            count(class(&new) - class(&layout));
        }
        moved
    }
}

/// Adds what this thread counted to the common sum; for threads other than the one that asks.
pub fn publish_thread_usage() {
    OTHER_THREADS.fetch_add(USED.replace(0), Relaxed);
}

/// Bytes allocated, with the rounding to size classes.
#[inline]
pub fn used_memory() -> usize {
    (USED.get() + OTHER_THREADS.load(Relaxed)).max(0) as usize
}

/// What jemalloc says of itself, in bytes.
pub struct JemallocStats {
    pub allocated: usize,
    pub active: usize,
    pub resident: usize,
}

/// Reads jemalloc's own statistics, where it was built with them.
pub fn jemalloc_stats() -> JemallocStats {
    let mut epoch = 1u64;
    let size = size_of::<u64>();
    // SAFETY: `epoch` takes a u64.
    unsafe { jemalloc::mallctl(c"epoch".as_ptr(), null_mut(), null_mut(), (&raw mut epoch).cast(), size) };
    let read = |name: &std::ffi::CStr| {
        let mut value = 0usize;
        let mut size = size_of::<usize>();
        // SAFETY: these statistics are of type size_t.
        let failed = unsafe { jemalloc::mallctl(name.as_ptr(), (&raw mut value).cast(), &raw mut size, null_mut(), 0) };
        if failed == 0 { value } else { used_memory() }
    };
    JemallocStats {
        allocated: read(c"stats.allocated"),
        active: read(c"stats.active"),
        resident: read(c"stats.resident"),
    }
}

/// Its name and version, as INFO gives them.
pub fn name() -> String {
    let mut version: *const libc::c_char = std::ptr::null();
    let mut size = size_of::<*const libc::c_char>();
    // SAFETY: the control gives a static C string.
    let version = unsafe {
        let control = c"version".as_ptr();
        let failed = jemalloc::mallctl(control, (&raw mut version).cast(), &raw mut size, null_mut(), 0);
        if failed == 0 { std::ffi::CStr::from_ptr(version).to_string_lossy() } else { Default::default() }
    };
    // Without the commit it was built from.
    format!("jemalloc-{}", version.split('-').next().unwrap_or_default())
}

/// jemalloc's own report, for people (MEMORY MALLOC-STATS).
pub fn report() -> Vec<u8> {
    unsafe extern "C" fn append(report: *mut libc::c_void, text: *const libc::c_char) {
        // SAFETY: the vector given below, and a C string.
        let (report, text) = unsafe { (&mut *report.cast::<Vec<u8>>(), std::ffi::CStr::from_ptr(text)) };
        report.extend_from_slice(text.to_bytes());
    }
    let mut report = Vec::new();
    // SAFETY: the callback is called with the vector, which outlives the call.
    unsafe { jemalloc::malloc_stats_print(Some(append), (&raw mut report).cast(), std::ptr::null()) };
    report
}

/// Lets jemalloc give back memory that has been free for a while; without allocations it does not
/// notice by itself that time passes.
pub fn decay() {
    // SAFETY: the control takes no value.
    unsafe { jemalloc::mallctl(c"arena.0.decay".as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
}

/// Gives memory that is not in use back to the system (MEMORY PURGE).
pub fn purge() {
    // MALLCTL_ARENAS_ALL is 4096.
    // SAFETY: the control takes no value.
    unsafe { jemalloc::mallctl(c"arena.4096.purge".as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
}

/// jemalloc's options, read when it starts: one arena for the one thread that allocates, and
/// statistics off the fast path.
#[allow(non_upper_case_globals)]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static malloc_conf: Option<&'static libc::c_char> = {
    const CONF: &std::ffi::CStr = c"narenas:1,dirty_decay_ms:500,muzzy_decay_ms:0";
    // SAFETY: a static C string.
    Some(unsafe { &*CONF.as_ptr() })
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_back_to_where_they_were() {
        let before = USED.get();
        let mut vec: Vec<u64> = Vec::with_capacity(10);
        assert_eq!(USED.get() - before, 80);
        vec.reserve_exact(1000);
        assert_eq!(USED.get() - before, 8192);
        drop(vec);
        assert_eq!(USED.get(), before);
    }

    #[test]
    fn size_classes_are_jemallocs() {
        for size in (1..200_000).chain([1 << 20, (1 << 20) + 1, 3_000_000, (40 << 20) + 1]) {
            // SAFETY: nallocx only computes.
            assert_eq!(rounded(size), unsafe { jemalloc::nallocx(size, 0) }, "size {size}");
        }
    }
}
