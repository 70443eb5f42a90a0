//! A listpack: a sequence of byte strings in one block, for collections of up to some hundred
//! small elements.
//!
//! ```text
//! 0         8                                                             capacity
//! | header  | element 0 | element 1 | ...      free     ... | len 1 | len 0 |
//!           <------------ data_len ------------>              <--- count --->
//!
//! header    data_len u32 | count u24 | size class u8
//! len       0..=254: the element's length; its data is just the bytes
//!           255:     its data is   length u32 | bytes | length u32
//! ```
//!
//! * The block's capacity is always one of the allocator's size classes, so most appends use slack
//!   that is paid for already.
//! * An element costs one byte beside its own, and its length byte is found by its index. A search
//!   looks at eight length bytes at a time and at data only where a length fits. Long elements have
//!   their length at both ends so that a walk can come from either side.
//! * The handle is one pointer that is never null, and the pointer does not change unless the
//!   capacity does.
//!
//! Every change is one [`Listpack::splice`]; everything that only reads is safe code over the two
//! initialised parts, [`Listpack::front`] and [`Listpack::lens`].
//!
//! The name is Redis's. Its listpack's bytes are a file format, which is written where files are.
#![allow(unsafe_code)]

use std::alloc::{self, Layout};
use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;
use std::ptr::{self, NonNull};

use super::size_class::{class_index, index_size, size_class};

const HEADER: usize = size_of::<Header>();

/// The length byte of an element whose data carries its length.
const LONG: u8 = u8::MAX;

/// A length inside the data.
const LONG_LEN: usize = size_of::<u32>();

const COUNT_BITS: u32 = 24;

/// The largest class below 4 GiB, so that every offset fits in 32 bits.
const CAPACITY_MAX: usize = 7 << 29;

#[repr(C)]
#[derive(Clone, Copy)]
struct Header {
    data_len: u32,
    /// The count in the low 24 bits, the index of the size class above.
    count_and_class: u32,
}

impl Header {
    fn new(data_len: usize, count: usize, capacity: usize) -> Self {
        debug_assert!(count < 1 << COUNT_BITS && data_len < CAPACITY_MAX);
        let class = u32::from(class_index(capacity));
        Self { data_len: data_len as u32, count_and_class: class << COUNT_BITS | count as u32 }
    }

    #[inline]
    fn data_len(self) -> usize {
        self.data_len as usize
    }

    #[inline]
    fn count(self) -> usize {
        (self.count_and_class & ((1 << COUNT_BITS) - 1)) as usize
    }

    #[inline]
    fn capacity(self) -> usize {
        index_size((self.count_and_class >> COUNT_BITS) as u8)
    }

    /// Bytes of the block in use.
    #[inline]
    fn used(self) -> usize {
        HEADER + self.data_len() + self.count()
    }
}

/// A sequence of byte strings in one allocation. See the [module](self) for its layout.
#[repr(transparent)]
pub struct Listpack(NonNull<u8>);

// SAFETY: the block is owned by this handle alone and holds plain bytes.
unsafe impl Send for Listpack {}

/// Where an element is: its index and the offset of its data in the block.
#[derive(Clone, Copy)]
struct Position {
    index: usize,
    offset: usize,
}

/// The bytes an element of `len` bytes takes in the data, and its length byte.
#[inline]
fn stored(len: usize) -> (usize, u8) {
    if len < usize::from(LONG) { (len, len as u8) } else { (len + 2 * LONG_LEN, LONG) }
}

/// The length bytes of eight elements; the lowest index is in the highest byte.
#[derive(Clone, Copy)]
struct EightLens(u64);

impl EightLens {
    const ONES: u64 = 0x0101_0101_0101_0101;

    /// Those of `index` and the seven after it; `None` where there are fewer.
    #[inline]
    fn at(lens: &[u8], index: usize) -> Option<Self> {
        let (before, _) = lens.split_at(lens.len() - index);
        Some(Self(u64::from_le_bytes(*before.last_chunk()?)))
    }

    /// The highest bit of each byte that equals `len`.
    #[inline]
    fn equal_to(self, len: u8) -> u64 {
        const LOW_BITS: u64 = EightLens::ONES * 0x7f;
        let zero_where_equal = self.0 ^ (Self::ONES * u64::from(len));
        !(((zero_where_equal & LOW_BITS) + LOW_BITS) | zero_where_equal | LOW_BITS)
    }

    /// The bytes that all eight take in the data, unless there is a [`LONG`] one.
    #[inline]
    fn stored(self) -> Option<usize> {
        const PAIRS: u64 = 0x00ff_00ff_00ff_00ff;
        const PAIR_ONES: u64 = 0x0001_0001_0001_0001;
        if self.equal_to(LONG) != 0 {
            return None;
        }
        let pairs = (self.0 & PAIRS) + (self.0 >> 8 & PAIRS);
        Some((pairs.wrapping_mul(PAIR_ONES) >> 48) as usize)
    }
}

/// A byte string prepared to be compared with many elements: their last eight bytes first, where
/// names like `field:17` and `field:18` differ.
struct Needle<'a> {
    bytes: &'a [u8],
    len_byte: u8,
    tail: u64,
    tail_mask: u64,
}

impl<'a> Needle<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let (_, len_byte) = stored(bytes.len());
        let (tail, tail_mask) = match bytes.last_chunk() {
            Some(tail) => (u64::from_le_bytes(*tail), u64::MAX),
            None => {
                let missing = 8 - bytes.len();
                let mut tail = [0; 8];
                tail[missing..].copy_from_slice(bytes);
                // An empty needle has no tail: that shift is by all 64 bits.
                let mask = u64::MAX.checked_shl(8 * missing as u32).unwrap_or(0);
                (u64::from_le_bytes(tail), mask)
            }
        };
        Self { bytes, len_byte, tail, tail_mask }
    }

    /// Whether the element at `offset` of `front`, which has the needle's length byte, equals it.
    #[inline]
    fn is_at(&self, front: &[u8], offset: usize) -> bool {
        if self.len_byte == LONG {
            return long_element(front, offset) == self.bytes;
        }
        // There are eight bytes before any element's end: the header's, if no others.
        let end = offset + self.bytes.len();
        let Some(tail) = front[..end].last_chunk() else {
            return false;
        };
        (u64::from_le_bytes(*tail) ^ self.tail) & self.tail_mask == 0
            && (self.bytes.len() <= 8 || front[offset..end] == *self.bytes)
    }
}

/// The length that a long element's data has at `at`.
#[inline]
fn long_len(front: &[u8], at: usize) -> usize {
    let bytes = front[at..].first_chunk().expect("a length is there");
    u32::from_le_bytes(*bytes) as usize
}

fn long_element(front: &[u8], offset: usize) -> &[u8] {
    let start = offset + LONG_LEN;
    &front[start..start + long_len(front, offset)]
}

impl Listpack {
    /// The most bytes one element can have in an otherwise empty listpack.
    pub const ELEMENT_MAX: usize = CAPACITY_MAX - HEADER - 2 * LONG_LEN - 1;

    /// An empty listpack, in a block of the smallest useful size.
    pub fn new() -> Self {
        Self::with_capacity(0, 0)
    }

    /// An empty listpack with room for `elements` elements of `bytes` bytes together, none of
    /// them longer than 254.
    pub fn with_capacity(elements: usize, bytes: usize) -> Self {
        Self::allocate(size_class(HEADER + elements + bytes))
    }

    /// `capacity` is a size class that holds the header.
    fn allocate(capacity: usize) -> Self {
        let layout = Self::layout(capacity);
        // SAFETY: the layout's size is not zero, as it holds the header.
        let block = unsafe { alloc::alloc(layout) };
        let Some(block) = NonNull::new(block) else { alloc::handle_alloc_error(layout) };
        let mut listpack = Self(block);
        listpack.set_header(Header::new(0, 0, capacity));
        listpack
    }

    fn layout(capacity: usize) -> Layout {
        assert!(capacity <= CAPACITY_MAX, "a listpack is below 4 GiB");
        Layout::from_size_align(capacity, align_of::<u64>()).expect("below isize::MAX")
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

    /// The header and the data.
    #[inline]
    fn front(&self) -> &[u8] {
        let len = HEADER + self.header().data_len();
        // SAFETY: the block's first `HEADER + data_len` bytes are always initialised, and nothing
        // can change them while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), len) }
    }

    /// The length bytes: the last element's first, as they are in memory.
    #[inline]
    fn lens(&self) -> &[u8] {
        let header = self.header();
        let start = header.capacity() - header.count();
        // SAFETY: the block's last `count` bytes are always initialised, and nothing can change
        // them while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(start), header.count()) }
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.header().count()
    }

    /// Whether there are no elements.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes allocated, for MEMORY USAGE.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.header().capacity()
    }

    /// Whether `elements` more of `bytes` bytes together can be added without a panic.
    pub fn fits(&self, elements: usize, bytes: usize) -> bool {
        let more = elements.saturating_mul(1 + 2 * LONG_LEN);
        let used = self.header().used().saturating_add(more);
        used.saturating_add(bytes) <= CAPACITY_MAX && elements < (1 << COUNT_BITS) - self.header().count()
    }

    /// The element whose data is at `offset`, given its length byte.
    #[inline]
    fn element(&self, offset: usize, len_byte: u8) -> &[u8] {
        let front = self.front();
        if len_byte == LONG { long_element(front, offset) } else { &front[offset..offset + usize::from(len_byte)] }
    }

    /// The bytes the element at `offset` takes in the data.
    #[inline]
    fn stored_at(&self, offset: usize, len_byte: u8) -> usize {
        if len_byte == LONG { long_len(self.front(), offset) + 2 * LONG_LEN } else { usize::from(len_byte) }
    }

    /// The offset of element `index`, or of the data's end for the index after the last.
    fn offset_of(&self, index: usize) -> usize {
        let lens = self.lens();
        let count = lens.len();
        if index <= count / 2 {
            return self.offset_after(HEADER, 0, index);
        }
        // From the end: the lengths' order in memory is the way to go.
        let mut offset = HEADER + self.header().data_len();
        let mut rest = &lens[..count - index];
        while let Some((&len_byte, after)) = rest.split_first() {
            if let Some((eight, after)) = rest.split_first_chunk()
                && let Some(sum) = EightLens(u64::from_le_bytes(*eight)).stored()
            {
                offset -= sum;
                rest = after;
                continue;
            }
            offset -= self.stored_before(offset, len_byte);
            rest = after;
        }
        offset
    }

    /// The offset of element `to`, given that of element `from` before it.
    fn offset_after(&self, mut offset: usize, from: usize, to: usize) -> usize {
        let lens = self.lens();
        let mut index = from;
        while index < to {
            if to - index >= 8
                && let Some(sum) = EightLens::at(lens, index).and_then(EightLens::stored)
            {
                offset += sum;
                index += 8;
                continue;
            }
            offset += self.stored_at(offset, lens[lens.len() - 1 - index]);
            index += 1;
        }
        offset
    }

    /// The bytes the element whose data ends at `end` takes.
    #[inline]
    fn stored_before(&self, end: usize, len_byte: u8) -> usize {
        if len_byte == LONG { long_len(self.front(), end - LONG_LEN) + 2 * LONG_LEN } else { usize::from(len_byte) }
    }

    /// Element `index`.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let lens = self.lens();
        let len_byte = lens[lens.len().checked_sub(1)?.checked_sub(index)?];
        Some(self.element(self.offset_of(index), len_byte))
    }

    /// The index of the first element equal to `bytes` among `from`, `from + stride`,
    /// `from + 2 * stride` and so on. `stride` is not zero.
    pub fn find(&self, bytes: &[u8], stride: usize, from: usize) -> Option<usize> {
        Some(self.search(bytes, stride, from)?.index)
    }

    #[inline]
    fn search(&self, bytes: &[u8], stride: usize, from: usize) -> Option<Position> {
        let (front, lens) = (self.front(), self.lens());
        let count = lens.len();
        if from >= count {
            return None;
        }
        let needle = Needle::new(bytes);
        // Eight elements are a whole number of strides for these; others go one by one.
        let wanted = match stride {
            1 => u64::MAX,
            2 => 0xff00_ff00_ff00_ff00,
            _ => 0,
        };
        let mut offset = self.offset_of(from);
        let mut index = from;
        while index < count {
            // Pass over eight elements at once, or look at them one by one.
            let mut stop = count;
            if wanted != 0
                && let Some(eight) = EightLens::at(lens, index)
            {
                if eight.equal_to(needle.len_byte) & wanted == 0
                    && let Some(stored) = eight.stored()
                {
                    offset += stored;
                    index += 8;
                    continue;
                }
                stop = index + 8;
            }
            while index < stop {
                if lens[count - 1 - index] == needle.len_byte && needle.is_at(front, offset) {
                    return Some(Position { index, offset });
                }
                let next = count.min(index + stride);
                for passed in index..next {
                    offset += self.stored_at(offset, lens[count - 1 - passed]);
                }
                index = next;
            }
        }
        None
    }

    /// In a listpack of pairs, the index of `field` and the value after it.
    pub fn get_pair(&self, field: &[u8]) -> Option<(usize, &[u8])> {
        let Position { index, offset } = self.search(field, 2, 0)?;
        let (field_stored, _) = stored(field.len());
        let lens = self.lens();
        let len_byte = lens[lens.len() - 2 - index];
        Some((index, self.element(offset + field_stored, len_byte)))
    }

    /// In a listpack of pairs, the index of `field`.
    pub fn find_pair(&self, field: &[u8]) -> Option<usize> {
        self.find(field, 2, 0)
    }

    /// Adds an element at the end.
    pub fn push(&mut self, bytes: &[u8]) {
        self.append(&[bytes]);
    }

    /// Adds a field and its value at the end.
    pub fn push_pair(&mut self, field: &[u8], value: &[u8]) {
        self.append(&[field, value]);
    }

    /// Puts an element before element `index`, or at the end if `index` is [`len`](Self::len).
    ///
    /// # Panics
    /// If `index` is beyond the end, as with every method that takes one.
    pub fn insert(&mut self, index: usize, bytes: &[u8]) {
        let at = self.position(index);
        self.splice(at, 0, 0, &[bytes]);
    }

    /// Puts a field and its value before element `index`.
    pub fn insert_pair(&mut self, index: usize, field: &[u8], value: &[u8]) {
        let at = self.position(index);
        self.splice(at, 0, 0, &[field, value]);
    }

    /// Puts `bytes` in the place of element `index`.
    pub fn replace(&mut self, index: usize, bytes: &[u8]) {
        let at = self.position(index);
        let removed = self.offset_after(at.offset, index, index + 1) - at.offset;
        self.splice(at, 1, removed, &[bytes]);
    }

    /// Removes element `index`.
    pub fn remove(&mut self, index: usize) {
        self.remove_range(index..index + 1);
    }

    /// Removes the elements in `range`.
    pub fn remove_range(&mut self, range: Range<usize>) {
        assert!(range.end <= self.len(), "end {} of {}", range.end, self.len());
        let at = self.position(range.start);
        let end = self.offset_after(at.offset, range.start, range.end);
        self.splice(at, range.len(), end - at.offset, &[]);
    }

    fn append(&mut self, elements: &[&[u8]]) {
        let header = self.header();
        let at = Position { index: header.count(), offset: HEADER + header.data_len() };
        self.splice(at, 0, 0, elements);
    }

    fn position(&self, index: usize) -> Position {
        assert!(index <= self.len(), "index {index} of {}", self.len());
        Position { index, offset: self.offset_of(index) }
    }

    /// Puts `new` in the place of the `removed` elements from `at` on, whose data takes
    /// `removed_bytes`. The only function that changes the contents of a block.
    fn splice(&mut self, at: Position, removed: usize, removed_bytes: usize, new: &[&[u8]]) {
        let old = self.header();
        let new_bytes: usize = new.iter().map(|bytes| stored(bytes.len()).0).sum();
        let data_len = old.data_len() - removed_bytes + new_bytes;
        let count = old.count() - removed + new.len();
        assert!(count < 1 << COUNT_BITS, "too many elements for a listpack");
        let used = HEADER + data_len + count;

        let mut capacity = old.capacity();
        if used > capacity {
            capacity = size_class(used);
            self.grow(capacity);
        }

        let block = self.0.as_ptr();
        let data_tail = HEADER + old.data_len() - at.offset - removed_bytes;
        let lens_tail = old.count() - at.index - removed;
        // SAFETY: both moves stay inside the block: the data's tail ends at `HEADER + data_len`,
        // the lengths' begins at `capacity - count`, and `used <= capacity` keeps them apart.
        // The old ones end at or before the same places in a block that was as large. The new
        // elements fill exactly the gaps between what stays, and they cannot lie in this block,
        // which is borrowed mutably.
        unsafe {
            let gap = block.add(at.offset);
            ptr::copy(gap.add(removed_bytes), gap.add(new_bytes), data_tail);
            let lens_end = block.add(capacity - at.index);
            let old_lens_tail = lens_end.sub(removed + lens_tail);
            ptr::copy(old_lens_tail, lens_end.sub(new.len() + lens_tail), lens_tail);

            let (mut data, mut len_at) = (gap, lens_end);
            for bytes in new {
                let (_, len_byte) = stored(bytes.len());
                len_at = len_at.sub(1);
                len_at.write(len_byte);
                let long_len = (bytes.len() as u32).to_le_bytes();
                if len_byte == LONG {
                    ptr::copy_nonoverlapping(long_len.as_ptr(), data, LONG_LEN);
                    data = data.add(LONG_LEN);
                }
                ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
                data = data.add(bytes.len());
                if len_byte == LONG {
                    ptr::copy_nonoverlapping(long_len.as_ptr(), data, LONG_LEN);
                    data = data.add(LONG_LEN);
                }
            }
        }
        self.set_header(Header::new(data_len, count, capacity));

        // A block that becomes half empty gives memory back; one that was made with room to spare
        // keeps it while it grows.
        if used < old.used() && used <= capacity / 2 {
            self.shrink(size_class(used));
        }
    }

    /// Moves to a block of `capacity`, a larger class.
    fn grow(&mut self, capacity: usize) {
        let header = self.header();
        let (old, count) = (header.capacity(), header.count());
        self.reallocate(old, capacity);
        let block = self.0.as_ptr();
        // SAFETY: the length bytes were kept where they were; both places are in the new block.
        unsafe { ptr::copy(block.add(old - count), block.add(capacity - count), count) };
        self.set_header(Header::new(header.data_len(), count, capacity));
    }

    /// Moves to a block of `capacity`, a smaller class that holds all that is used.
    fn shrink(&mut self, capacity: usize) {
        let header = self.header();
        let (old, count) = (header.capacity(), header.count());
        debug_assert!(header.used() <= capacity && capacity <= old);
        let block = self.0.as_ptr();
        // SAFETY: both places are in the old block, the new one behind the data.
        unsafe { ptr::copy(block.add(old - count), block.add(capacity - count), count) };
        self.set_header(Header::new(header.data_len(), count, capacity));
        self.reallocate(old, capacity);
    }

    fn reallocate(&mut self, from: usize, to: usize) {
        let new = Self::layout(to);
        // SAFETY: the block was allocated with this layout, and `to` is neither zero nor beyond
        // `isize::MAX`.
        let block = unsafe { alloc::realloc(self.0.as_ptr(), Self::layout(from), to) };
        let Some(block) = NonNull::new(block) else { alloc::handle_alloc_error(new) };
        self.0 = block;
    }

    /// All elements in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            listpack: self,
            front: Position { index: 0, offset: HEADER },
            back: Position { index: self.len(), offset: HEADER + self.header().data_len() },
        }
    }

    /// The elements in `range` in order.
    pub fn range(&self, range: Range<usize>) -> Iter<'_> {
        Iter { listpack: self, front: self.position(range.start), back: self.position(range.end.max(range.start)) }
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
    /// `block` came from [`into_raw`](Self::into_raw), and no other handle to it is used as long
    /// as this one exists. An owner that keeps the pointer wraps the handle in
    /// [`ManuallyDrop`](std::mem::ManuallyDrop) to read, and stores the result of `into_raw` again
    /// after a change.
    pub unsafe fn from_raw(block: NonNull<u8>) -> Self {
        Self(block)
    }
}

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Listpack {
    /// A copy in the smallest block that holds it.
    fn clone(&self) -> Self {
        let header = self.header();
        let capacity = size_class(header.used());
        let mut copy = Self::allocate(capacity);
        let (front, lens) = (self.front(), self.lens());
        let block = copy.0.as_ptr();
        // SAFETY: the new block holds `front` and `lens` without an overlap, as `capacity` is at
        // least their sum.
        unsafe {
            ptr::copy_nonoverlapping(front.as_ptr(), block, front.len());
            let lens_at = block.add(capacity - lens.len());
            ptr::copy_nonoverlapping(lens.as_ptr(), lens_at, lens.len());
        }
        copy.set_header(Header::new(header.data_len(), header.count(), capacity));
        copy
    }
}

impl Drop for Listpack {
    fn drop(&mut self) {
        let layout = Self::layout(self.header().capacity());
        // SAFETY: the block was allocated with this layout and this handle owns it.
        unsafe { alloc::dealloc(self.0.as_ptr(), layout) }
    }
}

impl fmt::Debug for Listpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.iter().map(|bytes| bytes.escape_ascii().to_string());
        f.debug_list().entries(texts).finish()
    }
}

impl<'a> IntoIterator for &'a Listpack {
    type Item = &'a [u8];
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for Listpack {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut listpack = Self::new();
        for element in elements {
            listpack.push(element.as_ref());
        }
        listpack
    }
}

/// The elements of a [`Listpack`], from either end.
#[derive(Clone)]
pub struct Iter<'a> {
    listpack: &'a Listpack,
    front: Position,
    /// After the last element that is left.
    back: Position,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.front.index == self.back.index {
            return None;
        }
        let lens = self.listpack.lens();
        let len_byte = lens[lens.len() - 1 - self.front.index];
        let element = self.listpack.element(self.front.offset, len_byte);
        self.front.index += 1;
        self.front.offset += stored(element.len()).0;
        Some(element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.back.index - self.front.index;
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front.index == self.back.index {
            return None;
        }
        let lens = self.listpack.lens();
        let len_byte = lens[lens.len() - self.back.index];
        let size = self.listpack.stored_before(self.back.offset, len_byte);
        self.back.index -= 1;
        self.back.offset -= size;
        Some(self.listpack.element(self.back.offset, len_byte))
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One change, with indices to be taken modulo what is there.
    #[derive(Clone, Debug)]
    enum Operation {
        Push(Vec<u8>),
        Insert(usize, Vec<u8>),
        InsertPair(usize, Vec<u8>, Vec<u8>),
        Replace(usize, Vec<u8>),
        Remove(usize),
        RemoveRange(usize, usize),
        Clone,
    }

    fn element() -> impl Strategy<Value = Vec<u8>> {
        // Few different bytes, so that searches meet equal lengths and equal tails.
        let short = |max| prop::collection::vec(0..2u8, 0..max);
        prop_oneof![
            20 => short(12),
            4 => short(400),
            4 => (250..260usize).prop_map(|len| vec![7; len]),
            1 => Just(vec![9; if cfg!(miri) { 1000 } else { 100 << 10 }]),
        ]
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            8 => element().prop_map(Operation::Push),
            8 => (any::<usize>(), element()).prop_map(|(at, e)| Operation::Insert(at, e)),
            4 => (any::<usize>(), element(), element())
                .prop_map(|(at, field, value)| Operation::InsertPair(at, field, value)),
            8 => (any::<usize>(), element()).prop_map(|(at, e)| Operation::Replace(at, e)),
            4 => any::<usize>().prop_map(Operation::Remove),
            1 => (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Operation::RemoveRange(a, b)),
            1 => Just(Operation::Clone),
        ]
    }

    fn apply(listpack: &mut Listpack, oracle: &mut Vec<Vec<u8>>, operation: &Operation) {
        let len = oracle.len();
        match operation {
            Operation::Push(e) => {
                listpack.push(e);
                oracle.push(e.clone());
            }
            Operation::Insert(at, e) => {
                let at = at % (len + 1);
                listpack.insert(at, e);
                oracle.insert(at, e.clone());
            }
            Operation::InsertPair(at, field, value) => {
                let at = at % (len + 1);
                listpack.insert_pair(at, field, value);
                oracle.splice(at..at, [field.clone(), value.clone()]);
            }
            Operation::Replace(at, e) if len > 0 => {
                listpack.replace(at % len, e);
                oracle[at % len] = e.clone();
            }
            Operation::Remove(at) if len > 0 => {
                listpack.remove(at % len);
                oracle.remove(at % len);
            }
            Operation::RemoveRange(a, b) => {
                let (a, b) = (a % (len + 1), b % (len + 1));
                listpack.remove_range(a.min(b)..a.max(b));
                oracle.drain(a.min(b)..a.max(b));
            }
            Operation::Clone => *listpack = listpack.clone(),
            Operation::Replace(..) | Operation::Remove(_) => {}
        }
    }

    fn check(listpack: &Listpack, oracle: &[Vec<u8>]) {
        assert_eq!(listpack.len(), oracle.len());
        assert!(listpack.iter().eq(oracle.iter()));
        assert!(listpack.iter().rev().eq(oracle.iter().rev()));
        let used: usize = oracle.iter().map(|e| stored(e.len()).0 + 1).sum();
        assert_eq!(listpack.header().used(), HEADER + used);
        assert_eq!(listpack.bytes(), size_class(listpack.bytes()));
    }

    fn check_reads(listpack: &Listpack, oracle: &[Vec<u8>], needle: &[u8], from: usize) {
        for (index, expected) in oracle.iter().enumerate() {
            assert_eq!(listpack.get(index), Some(expected.as_slice()));
        }
        assert_eq!(listpack.get(oracle.len()), None);
        let from = from % (oracle.len() + 1);
        assert!(listpack.range(from..oracle.len()).eq(&oracle[from..]));
        for needle in oracle.iter().map(Vec::as_slice).chain([needle]) {
            for stride in 1..=3 {
                let expected = (from..oracle.len()).step_by(stride).find(|&index| oracle[index] == needle);
                assert_eq!(listpack.find(needle, stride, from), expected);
            }
        }
        if oracle.len().is_multiple_of(2) {
            let expected = oracle.chunks(2).position(|pair| pair[0] == needle);
            let expected = expected.map(|pair| (pair * 2, oracle[pair * 2 + 1].as_slice()));
            assert_eq!(listpack.get_pair(needle), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 8 } else { 512 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn agrees_with_a_vec(
            operations in prop::collection::vec(operation(), 0..if cfg!(miri) { 20 } else { 100 }),
            needle in element(),
            from: usize,
        ) {
            let (mut listpack, mut oracle) = (Listpack::new(), Vec::new());
            for operation in &operations {
                apply(&mut listpack, &mut oracle, operation);
                check(&listpack, &oracle);
            }
            check_reads(&listpack, &oracle, &needle, from);
        }
    }

    #[test]
    fn a_block_is_tight_and_gives_memory_back() {
        let mut listpack = Listpack::new();
        assert_eq!(listpack.bytes(), 8);
        for _ in 0..10 {
            listpack.push_pair(b"field:0001", b"value");
        }
        assert_eq!(listpack.bytes(), 192); // 8 + 10 * (11 + 6) = 178
        listpack.remove_range(2..20);
        assert_eq!(listpack.bytes(), 32); // 8 + 17 = 25
        let mut roomy = Listpack::with_capacity(100, 900);
        roomy.push(b"one");
        assert_eq!(roomy.bytes(), 1024);
    }

    #[test]
    fn the_handle_is_thin_and_can_be_kept_as_a_pointer() {
        assert_eq!(size_of::<Option<Listpack>>(), 8);
        let listpack: Listpack = ["a", "b"].into_iter().collect();
        let block = listpack.into_raw();
        // SAFETY: the block was just given away and is not used elsewhere.
        let listpack = unsafe { Listpack::from_raw(block) };
        assert_eq!(format!("{listpack:?}"), r#"["a", "b"]"#);
    }

    #[test]
    #[should_panic = "index 2 of 1"]
    fn an_index_beyond_the_end_panics() {
        Listpack::from_iter(["a"]).insert(2, b"b");
    }
}
