//! An intset: distinct 64-bit integers in ascending order, in one block.
//!
//! ```text
//! 0        8                                 capacity
//! | header | integer 0 | integer 1 | ...  free |
//!
//! header   len u32 | bytes of an integer u8 (2, 4 or 8) | size class u8 | 0 u16
//! ```
//!
//! * All integers have the width of the widest there ever was: a wider one widens them all, and
//!   removing it does not make the others narrow again.
//! * The block's capacity is always one of the allocator's size classes.
//! * The handle is one pointer that is never null, and the pointer does not change unless the
//!   capacity does.
//!
//! The name is Redis's, and so is the form in files that [`Intset::to_bytes`] and
//! [`Intset::from_bytes`] know:
//!
//! ```text
//! bytes of an integer u32 | len u32 | integers          all little-endian
//! ```
#![allow(unsafe_code)]

use super::size_class::{class_index, index_size, size_class};
use std::alloc::{self, Layout};
use std::fmt;
use std::ptr::{self, NonNull};

const HEADER: usize = size_of::<Header>();
/// Bytes before the integers in files.
const FILE_HEADER: usize = 8;

#[repr(C)]
#[derive(Clone, Copy)]
struct Header {
    len: u32,
    width: u8,
    class: u8,
    unused: u16,
}

/// See the [module](self)'s description.
#[repr(transparent)]
pub struct Intset(NonNull<u8>);

// SAFETY: the block is owned by this handle alone and holds plain integers.
unsafe impl Send for Intset {}

/// The three types of integers, and nothing else.
///
/// # Safety
///
/// Any bytes are a value of the type.
unsafe trait Integer: Copy + Ord + Into<i64> + TryFrom<i64> {}

// SAFETY: any bytes are an integer.
unsafe impl Integer for i16 {}
// SAFETY: as above.
unsafe impl Integer for i32 {}
// SAFETY: as above.
unsafe impl Integer for i64 {}

/// Evaluates `$body` with `$integer` being the type that is `$width` bytes wide.
macro_rules! with_integer {
    ($width:expr, $integer:ident => $body:expr) => {
        match $width {
            2 => {
                type $integer = i16;
                $body
            }
            4 => {
                type $integer = i32;
                $body
            }
            _ => {
                type $integer = i64;
                $body
            }
        }
    };
}

fn widened<T: Integer>(value: T) -> i64 {
    value.into()
}

/// The bytes that `value` takes.
fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

impl Intset {
    /// An intset has at most this many integers, so that its bytes can be counted in 32 bits and more.
    pub const LEN_MAX: usize = 1 << 30;

    /// An empty intset.
    pub fn new() -> Self {
        Self::with_capacity(2, 0)
    }

    /// An empty intset with room for `len` integers of `width` bytes.
    fn with_capacity(width: usize, len: usize) -> Self {
        let capacity = size_class(HEADER + width * len);
        let layout = Self::layout(capacity);
        // SAFETY: the layout's size is not zero, as it holds the header.
        let block = unsafe { alloc::alloc(layout) };
        let Some(block) = NonNull::new(block) else { alloc::handle_alloc_error(layout) };
        let mut intset = Self(block);
        intset.set_header(Header { len: 0, width: width as u8, class: class_index(capacity), unused: 0 });
        intset
    }

    fn layout(capacity: usize) -> Layout {
        Layout::from_size_align(capacity, align_of::<u64>()).expect("LEN_MAX integers are below isize::MAX")
    }

    #[inline]
    fn header(&self) -> Header {
        // SAFETY: the block begins with an initialised header and is aligned to eight bytes.
        unsafe { self.0.cast().read() }
    }

    fn set_header(&mut self, header: Header) {
        // SAFETY: the block has room for the header and is aligned to eight bytes.
        unsafe { self.0.cast().write(header) }
    }

    #[inline]
    fn width(&self) -> usize {
        self.header().width as usize
    }

    /// The number of integers.
    #[inline]
    pub fn len(&self) -> usize {
        self.header().len as usize
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes allocated, for MEMORY USAGE.
    pub fn bytes(&self) -> usize {
        index_size(self.header().class)
    }

    /// The integers, `T` being as wide as they are.
    #[inline]
    fn integers<T: Integer>(&self) -> &[T] {
        debug_assert_eq!(size_of::<T>(), self.width());
        // SAFETY: behind the header, which keeps the alignment, are `len` initialised integers of this
        // width, and nothing can change them while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.0.add(HEADER).cast().as_ptr(), self.len()) }
    }

    #[inline]
    pub fn contains(&self, value: i64) -> bool {
        with_integer!(self.width(), T => {
            T::try_from(value).is_ok_and(|value| self.integers::<T>().binary_search(&value).is_ok())
        })
    }

    /// The integer at `index` in ascending order.
    #[inline]
    pub fn get(&self, index: usize) -> Option<i64> {
        with_integer!(self.width(), T => self.integers::<T>().get(index).copied().map(widened))
    }

    /// All integers in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator {
        (0..self.len()).map(|index| self.get(index).expect("below the length"))
    }

    /// Adds an integer; true if it is new.
    ///
    /// # Panics
    ///
    /// If there are [`Self::LEN_MAX`] already.
    pub fn insert(&mut self, value: i64) -> bool {
        let width = width_of(value);
        if width > self.width() {
            // It lies beyond all others, at one end or the other.
            let mut wider = Self::with_capacity(width, self.len() + 1);
            let (first, last) = if value < 0 { (Some(value), None) } else { (None, Some(value)) };
            first.into_iter().chain(self.iter()).chain(last).for_each(|value| wider.push(value));
            *self = wider;
            return true;
        }
        with_integer!(self.width(), T => {
            let value = T::try_from(value).expect("not wider");
            match self.integers::<T>().binary_search(&value) {
                Ok(_) => false,
                Err(index) => {
                    self.insert_at(index, value);
                    true
                }
            }
        })
    }

    /// Adds an integer that is larger than all others and not wider.
    fn push(&mut self, value: i64) {
        with_integer!(self.width(), T => {
            self.insert_at(self.len(), T::try_from(value).expect("not wider"))
        })
    }

    fn insert_at<T: Integer>(&mut self, index: usize, value: T) {
        let len = self.len();
        assert!(index <= len && len < Self::LEN_MAX);
        self.resize::<T>(len + 1);
        // SAFETY: the block has room for one integer more than the `len` it has; `index` is at most
        // `len`.
        unsafe {
            let at = self.0.add(HEADER).cast::<T>().as_ptr().add(index);
            ptr::copy(at, at.add(1), len - index);
            at.write(value);
        }
        self.set_header(Header { len: len as u32 + 1, ..self.header() });
    }

    /// Removes an integer; true if it was there.
    pub fn remove(&mut self, value: i64) -> bool {
        with_integer!(self.width(), T => {
            let found = T::try_from(value).ok().and_then(|value| self.integers::<T>().binary_search(&value).ok());
            found.map(|index| self.remove_at::<T>(index)).is_some()
        })
    }

    fn remove_at<T: Integer>(&mut self, index: usize) {
        let len = self.len();
        assert!(index < len);
        // SAFETY: `index` and all that follow are among the `len` integers.
        unsafe {
            let at = self.0.add(HEADER).cast::<T>().as_ptr().add(index);
            ptr::copy(at.add(1), at, len - index - 1);
        }
        self.set_header(Header { len: len as u32 - 1, ..self.header() });
        self.resize::<T>(len - 1);
    }

    /// Keeps only the integers that `stays` accepts; it is asked in ascending order.
    pub fn retain(&mut self, mut stays: impl FnMut(i64) -> bool) {
        let mut rest = Self::with_capacity(self.width(), 0);
        self.iter().filter(|&value| stays(value)).for_each(|value| rest.push(value));
        *self = rest;
    }

    /// Makes room for `len` integers, or gives memory back if that is half of the block or less.
    fn resize<T: Integer>(&mut self, len: usize) {
        let (used, capacity) = (HEADER + len * size_of::<T>(), self.bytes());
        if used <= capacity && used > capacity / 2 {
            return;
        }
        let new = size_class(used);
        // SAFETY: the block was allocated with this layout, and `new` is neither zero nor beyond
        // `isize::MAX`.
        let block = unsafe { alloc::realloc(self.0.as_ptr(), Self::layout(capacity), new) };
        let Some(block) = NonNull::new(block) else { alloc::handle_alloc_error(Self::layout(new)) };
        self.0 = block;
        self.set_header(Header { class: class_index(new), ..self.header() });
    }

    /// Appends the form in files.
    pub fn to_bytes(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.width() as u32).to_le_bytes());
        out.extend_from_slice(&(self.len() as u32).to_le_bytes());
        with_integer!(self.width(), T => {
            self.integers::<T>().iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()))
        });
    }

    /// Reads the form in files. None if that is not what it is, or if it is empty: there are no empty
    /// sets.
    pub fn from_bytes(bytes: &[u8]) -> Option<Intset> {
        let (header, integers) = bytes.split_at_checked(FILE_HEADER)?;
        let (width, len) = header.split_at(4);
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize;
        let (width, len) = (number(width), number(len));
        if !matches!(width, 2 | 4 | 8) || len == 0 || len > Self::LEN_MAX || integers.len() != len * width {
            return None;
        }
        let mut intset = Self::with_capacity(width, len);
        let mut before = None;
        for bytes in integers.chunks_exact(width) {
            let value = with_integer!(width, T => widened(T::from_le_bytes(bytes.try_into().expect("so wide"))));
            if before.is_some_and(|before: i64| before >= value) {
                return None;
            }
            before = Some(value);
            intset.push(value);
        }
        Some(intset)
    }

    /// Gives the block away. Only [`from_raw`](Self::from_raw) frees it again.
    pub fn into_raw(self) -> NonNull<u8> {
        let block = self.0;
        std::mem::forget(self);
        block
    }

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// `block` came from [`into_raw`](Self::into_raw), and no other handle to it is used as long as
    /// this one exists.
    pub unsafe fn from_raw(block: NonNull<u8>) -> Self {
        Self(block)
    }
}

impl Default for Intset {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Intset {
    fn clone(&self) -> Self {
        let mut copy = Self::with_capacity(self.width(), self.len());
        self.iter().for_each(|value| copy.push(value));
        copy
    }
}

impl Drop for Intset {
    fn drop(&mut self) {
        // SAFETY: the block was allocated with this layout and this handle owns it.
        unsafe { alloc::dealloc(self.0.as_ptr(), Self::layout(self.bytes())) }
    }
}

impl fmt::Debug for Intset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Clone, Debug)]
    enum Operation {
        Insert(i64),
        Remove(i64),
        Copy,
        Move,
        ThroughBytes,
    }

    /// Of all widths, often one of few, often next to where a width ends.
    fn integer() -> impl Strategy<Value = i64> {
        let edge = prop::sample::select(vec![0, i16::MIN as i64, i16::MAX as i64, i32::MIN as i64, i32::MAX as i64]);
        prop_oneof![
            8 => -20..20i64,
            2 => (edge, -2..3i64).prop_map(|(edge, by)| edge + by),
            1 => any::<i64>(),
            1 => prop::sample::select(vec![i64::MIN, i64::MAX]),
        ]
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            8 => integer().prop_map(Operation::Insert),
            4 => integer().prop_map(Operation::Remove),
            1 => Just(Operation::Copy),
            1 => Just(Operation::Move),
            1 => Just(Operation::ThroughBytes),
        ]
    }

    fn bytes_of(intset: &Intset) -> Vec<u8> {
        let mut bytes = Vec::new();
        intset.to_bytes(&mut bytes);
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn behaves_as_an_ordered_set(operations in prop::collection::vec(operation(), 0..120)) {
            let (mut intset, mut oracle, mut width) = (Intset::new(), BTreeSet::new(), 2);
            for operation in operations {
                match operation {
                    Operation::Insert(value) => {
                        width = width.max(width_of(value));
                        prop_assert_eq!(intset.insert(value), oracle.insert(value));
                    }
                    Operation::Remove(value) => prop_assert_eq!(intset.remove(value), oracle.remove(&value)),
                    Operation::Copy => intset = intset.clone(),
                    // SAFETY: the block just came from `into_raw`.
                    Operation::Move => intset = unsafe { Intset::from_raw(intset.into_raw()) },
                    Operation::ThroughBytes if oracle.is_empty() => (),
                    Operation::ThroughBytes => intset = Intset::from_bytes(&bytes_of(&intset)).unwrap(),
                }
                prop_assert!(intset.iter().eq(oracle.iter().copied()));
                prop_assert!(intset.iter().rev().eq(oracle.iter().rev().copied()));
                prop_assert_eq!(intset.width(), width);
                let used = HEADER + width * oracle.len();
                prop_assert!(intset.bytes() >= used && intset.bytes() <= size_class(used).max(2 * used));
            }
            for value in oracle.iter().flat_map(|&value| [value.saturating_sub(1), value, value.saturating_add(1)]) {
                prop_assert_eq!(intset.contains(value), oracle.contains(&value));
            }
            prop_assert_eq!(intset.get(oracle.len()), None);
        }

        #[test]
        fn any_bytes_are_an_intset_or_none(
            width in 0..9u32,
            len in 0..6u32,
            integers in prop::collection::vec(0..3u8, 0..40),
        ) {
            let bytes = [&width.to_le_bytes()[..], &len.to_le_bytes(), &integers].concat();
            if let Some(intset) = Intset::from_bytes(&bytes) {
                let values: Vec<i64> = intset.iter().collect();
                prop_assert!(values.is_sorted_by(|a, b| a < b));
                prop_assert_eq!(bytes_of(&intset), bytes);
            }
        }
    }

    #[test]
    fn bytes_that_are_no_intset() {
        let good = [2, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 1, 0];
        assert_eq!(Intset::from_bytes(&good).unwrap().iter().collect::<Vec<_>>(), [-1, 1]);
        for bad in [
            &good[..11],
            &good[..3],
            &[],
            &[3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0],
            &[2, 0, 0, 0, 0, 0, 0, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0],
            &[2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0],
            &[8, 0, 0, 0, 0, 0, 0, 0x80],
        ] {
            assert!(Intset::from_bytes(bad).is_none(), "{bad:?}");
        }
    }
}
