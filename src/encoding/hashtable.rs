//! The hash table of the keyspace and of large hashes and sets.
//!
//! Ours because the product needs what no general map offers together: no pause at any size
//! (incremental rehash, growing and shrinking), a SCAN cursor that survives every resize, fair
//! random elements, and prefetching. What always holds:
//!
//! * An element is one heap block known by its pointer; the table owns it and keeps 6 bytes of it.
//! * A bucket is one cache line; what does not fit hangs off it in a chain of further lines:
//!
//!   ```text
//!   tag[8] u8 (0 = empty) | pointer[8] 6 bytes each | next line
//!   ```
//!
//! * The top 48 bits of the hash choose the bucket by multiplication, `position * buckets >> 48`,
//!   so buckets are in hash order whatever their number. The low bits make the tag.
//! * A rehash proceeds in hash order. Positions below `boundary` live in the new array, all others
//!   in the old one, so a key has exactly one bucket at any time.
//! * A SCAN cursor is a position: everything below it was returned. No resize can disturb that.
#![allow(unsafe_code)]

use super::hash::hash;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// What a table can hold: an owned heap block that knows its key.
///
/// # Safety
///
/// `into_raw` gives a pointer that fits 48 bits and that `from_raw` turns back into the same value.
pub unsafe trait Element: Sized {
    fn key(&self) -> &[u8];
    fn into_raw(self) -> NonNull<u8>;
    /// # Safety
    ///
    /// `raw` came from `into_raw` and is turned back only once.
    unsafe fn from_raw(raw: NonNull<u8>) -> Self;
}

const SLOTS: usize = 8;
const POSITION_BITS: u32 = 48;
/// At 85 % of the slots full, the table grows by half.
const FULL_PER_BUCKET_X100: usize = 85 * SLOTS;
/// Below 15 % it shrinks.
const SPARSE_PER_BUCKET_X100: usize = 15 * SLOTS;
/// Up to this many buckets (64 KiB) a resize is done at once: a few tens of microseconds.
const IMMEDIATE_BUCKETS: usize = 1024;
/// Old buckets moved by an insertion or removal while a rehash is under way. Growth by half leaves
/// room for 3.4 insertions an old bucket, so this finishes long before the next resize.
const STEP_BUCKETS: usize = 2;
/// The freed prefix of the old array goes back to the system in steps of this size.
const RELEASE_BYTES: usize = 1 << 18;
const PAGE: usize = 4096;

#[repr(C, align(64))]
struct Bucket {
    tags: [u8; SLOTS],
    pointers: [[u8; 6]; SLOTS],
    next: Option<Box<Bucket>>,
}

const _: () = assert!(size_of::<Bucket>() == 64);

#[inline]
fn position(hash: u64) -> u64 {
    hash >> (64 - POSITION_BITS)
}

#[inline]
fn tag(hash: u64) -> u8 {
    // The low 16 bits take no part in the position. Zero means empty.
    (hash as u8).max(1)
}

/// One bit (the highest of its byte) for each slot whose tag is `tag`.
#[inline]
fn matches(tags: [u8; SLOTS], tag: u8) -> u64 {
    const LOW_7_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let x = u64::from_le_bytes(tags) ^ (0x0101_0101_0101_0101 * tag as u64);
    // Exact, unlike the shorter form with a subtraction: an empty slot must never be reported.
    !(((x & LOW_7_BITS) + LOW_7_BITS) | x | LOW_7_BITS)
}

impl Bucket {
    const fn empty() -> Bucket {
        Bucket { tags: [0; SLOTS], pointers: [[0; 6]; SLOTS], next: None }
    }

    #[inline]
    fn pointer(&self, slot: usize) -> NonNull<u8> {
        let p = &self.pointers[slot];
        let low = u32::from_le_bytes([p[0], p[1], p[2], p[3]]) as usize;
        let high = u16::from_le_bytes([p[4], p[5]]) as usize;
        debug_assert!(self.tags[slot] != 0);
        // SAFETY: a slot with a tag holds a pointer that came from `Element::into_raw`.
        unsafe { NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut(high << 32 | low)) }
    }

    #[inline]
    fn set(&mut self, slot: usize, tag: u8, pointer: NonNull<u8>) {
        let bits = (pointer.as_ptr().expose_provenance() as u64).to_le_bytes();
        debug_assert!(bits[6] == 0 && bits[7] == 0, "pointers of elements have 48 bits");
        self.tags[slot] = tag;
        self.pointers[slot].copy_from_slice(&bits[..6]);
    }

    fn insert(&mut self, tag: u8, pointer: NonNull<u8>) {
        let mut bucket = self;
        loop {
            if let Some(slot) = bucket.tags.iter().position(|&t| t == 0) {
                return bucket.set(slot, tag, pointer);
            }
            bucket = bucket.next.get_or_insert_with(|| Box::new(Bucket::empty()));
        }
    }

    /// Takes the slot out and fills the hole from the end of the chain, so that only the last
    /// line of a chain has empty slots and no line of it is empty.
    fn remove(&mut self, line: usize, slot: usize) {
        if self.next.is_none() {
            self.tags[slot] = 0;
            return;
        }
        let (tag, pointer) = self.take_last();
        if let Some(bucket) = self.line_mut(line)
            && bucket.tags[slot] != 0
        {
            bucket.set(slot, tag, pointer);
        }
    }

    /// Takes the last element of the chain; frees its line if that was the only one there.
    fn take_last(&mut self) -> (u8, NonNull<u8>) {
        let mut bucket = &mut *self;
        // Stop one line early: the last line can only be freed by the one before it.
        while bucket.next.as_ref().is_some_and(|next| next.next.is_some()) {
            bucket = bucket.next.as_mut().expect("just seen");
        }
        let last = bucket.next.as_mut().expect("called on a chain");
        let slot = last.tags.iter().rposition(|&t| t != 0).expect("no line of a chain is empty");
        let taken = (last.tags[slot], last.pointer(slot));
        last.tags[slot] = 0;
        if last.tags == [0; SLOTS] {
            bucket.next = None;
        }
        taken
    }

    #[inline]
    fn line_mut(&mut self, line: usize) -> Option<&mut Bucket> {
        let mut bucket = self;
        for _ in 0..line {
            bucket = bucket.next.as_mut()?;
        }
        Some(bucket)
    }

    fn lines(&self) -> impl Iterator<Item = &Bucket> {
        std::iter::successors(Some(self), |b| b.next.as_deref())
    }

    fn pointers(&self) -> impl Iterator<Item = NonNull<u8>> {
        self.lines().flat_map(|b| (0..SLOTS).filter(|&i| b.tags[i] != 0).map(|i| b.pointer(i)))
    }

    /// The line and slot of each element.
    fn slots(&self) -> impl Iterator<Item = (usize, usize)> {
        self.lines().enumerate().flat_map(|(line, b)| (0..SLOTS).filter(|&i| b.tags[i] != 0).map(move |i| (line, i)))
    }

    fn count(&self) -> usize {
        self.lines().map(|b| SLOTS - matches(b.tags, 0).count_ones() as usize).sum()
    }
}

/// A zeroed array of buckets; zero is an empty bucket, so a fresh large array costs no memory
/// until it is touched.
struct Array {
    buckets: NonNull<Bucket>,
    len: usize,
    /// Buckets whose memory already went back to the system.
    released: usize,
}

impl Array {
    fn new(len: usize) -> Array {
        let layout = Self::layout(len);
        // SAFETY: the layout is not empty: there is always one bucket.
        let raw = unsafe { alloc_zeroed(layout) }.cast::<Bucket>();
        let buckets = NonNull::new(raw).unwrap_or_else(|| handle_alloc_error(layout));
        Array { buckets, len, released: 0 }
    }

    fn layout(len: usize) -> Layout {
        let layout = Layout::array::<Bucket>(len).expect("a table smaller than the address space");
        // So that whole pages of a large array can be given back.
        if layout.size() >= RELEASE_BYTES { layout.align_to(PAGE).expect("a power of two") } else { layout }
    }

    #[inline]
    fn index(&self, position: u64) -> usize {
        ((position as u128 * self.len as u128) >> POSITION_BITS) as usize
    }

    /// The first position that belongs to bucket `index`.
    fn start(&self, index: usize) -> u64 {
        (((index as u128) << POSITION_BITS).div_ceil(self.len as u128)) as u64
    }

    #[inline]
    fn bucket(&self, index: usize) -> &Bucket {
        assert!(index < self.len);
        // SAFETY: in bounds, initialised (zero is a valid bucket), borrowed with the table.
        unsafe { &*self.buckets.as_ptr().add(index) }
    }

    #[inline]
    fn bucket_mut(&mut self, index: usize) -> &mut Bucket {
        assert!(index < self.len);
        // SAFETY: as above, and the table is borrowed mutably.
        unsafe { &mut *self.buckets.as_ptr().add(index) }
    }

    /// Prefetches the elements in the first line of a bucket, if there is such a bucket.
    #[inline]
    fn prefetch_elements(&self, index: usize) {
        if index < self.len {
            let bucket = self.bucket(index);
            (0..SLOTS).filter(|&i| bucket.tags[i] != 0).for_each(|i| prefetch(bucket.pointer(i).as_ptr()));
        }
    }

    /// Gives the memory of the buckets before `index`, all of them empty, back to the system.
    fn release_before(&mut self, index: usize) {
        let bytes = (index - self.released) * size_of::<Bucket>() / PAGE * PAGE;
        if bytes < RELEASE_BYTES {
            return;
        }
        // SAFETY: whole pages of our own array, which is page-aligned since it is this large. They read
        // as zero, that is empty, from then on (or as before, which is empty too, if the call fails).
        unsafe { libc::madvise(self.buckets.as_ptr().add(self.released).cast(), bytes, libc::MADV_DONTNEED) };
        self.released += bytes / size_of::<Bucket>();
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        // Overflow lines; a released prefix holds none.
        for i in self.released..self.len {
            self.bucket_mut(i).next = None;
        }
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.buckets.as_ptr().cast(), Self::layout(self.len)) }
    }
}

/// A table of elements, each of which knows its own key.
pub struct HashTable<T: Element> {
    len: usize,
    /// The array that all elements end up in; during a rehash the new one.
    array: Option<Array>,
    rehash: Option<Rehash>,
    resize_allowed: bool,
    _elements: PhantomData<T>,
}

struct Rehash {
    old: Array,
    /// Old buckets before this one are empty: their elements are in the new array.
    next: usize,
    /// The first position that is still in the old array.
    boundary: u64,
}

// SAFETY: the table owns its elements; it is as movable between threads as they are.
unsafe impl<T: Element + Send> Send for HashTable<T> {}

/// Where an element is; see [`HashTable::find`].
#[derive(Clone, Copy)]
pub struct Slot {
    home: Home,
    line: usize,
    slot: usize,
}

/// A key's bucket: of which array, and its index there.
#[derive(Clone, Copy)]
struct Home {
    old: bool,
    index: usize,
}

/// A shared look at an element.
pub struct Ref<'a, T: Element> {
    element: ManuallyDrop<T>,
    _table: PhantomData<&'a HashTable<T>>,
}

impl<T: Element> Deref for Ref<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.element
    }
}

/// An element that may be changed and even reallocated (its key must stay the same); the table
/// learns its final address when this is dropped.
pub struct RefMut<'a, T: Element> {
    element: ManuallyDrop<T>,
    bucket: &'a mut Bucket,
    slot: usize,
}

impl<T: Element> Deref for RefMut<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.element
    }
}

impl<T: Element> DerefMut for RefMut<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.element
    }
}

impl<T: Element> Drop for RefMut<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: taken once, here; the element lives on in the slot.
        let element = unsafe { ManuallyDrop::take(&mut self.element) };
        let tag = self.bucket.tags[self.slot];
        self.bucket.set(self.slot, tag, element.into_raw());
    }
}

impl<T: Element> Default for HashTable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Element> HashTable<T> {
    pub fn new() -> Self {
        HashTable { len: 0, array: None, rehash: None, resize_allowed: true, _elements: PhantomData }
    }

    /// A table that takes `count` elements without a resize.
    pub fn with_capacity(count: usize) -> Self {
        let mut table = Self::new();
        if count > 0 {
            table.array = Some(Array::new((count * 100).div_ceil(FULL_PER_BUCKET_X100)));
        }
        table
    }

    /// Makes room for `count` elements, if there are none yet.
    pub fn reserve_if_empty(&mut self, count: usize) {
        if self.is_empty() && self.rehash.is_none() {
            let resize_allowed = self.resize_allowed;
            *self = Self::with_capacity(count);
            self.resize_allowed = resize_allowed;
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the arrays; without the elements and the overflow lines.
    pub fn array_bytes(&self) -> usize {
        let buckets =
            self.array.as_ref().map_or(0, |a| a.len) + self.rehash.as_ref().map_or(0, |r| r.old.len - r.old.released);
        buckets * size_of::<Bucket>()
    }

    /// Allocated bytes, given those of one element. Of a large table only the first elements are
    /// asked: in hash order, these are a random sample.
    pub fn memory_usage(&self, element_bytes: impl Fn(&T) -> usize) -> usize {
        const SAMPLE: usize = 1000;
        let sampled: usize = self.iter().take(SAMPLE).map(|element| element_bytes(&element)).sum();
        let elements = match self.len {
            0..=SAMPLE => sampled,
            len => (sampled as u128 * len as u128 / SAMPLE as u128) as usize,
        };
        self.array_bytes() + elements
    }

    /// Slots of the arrays: of the current one and, while rehashing, of the old one.
    pub fn slots(&self) -> (usize, Option<usize>) {
        (self.array.as_ref().map_or(0, |a| a.len * SLOTS), self.rehash.as_ref().map(|r| r.old.len * SLOTS))
    }

    /// While a forked child lives, moving elements would copy pages: forbid resizes meanwhile.
    pub fn allow_resize(&mut self, allowed: bool) {
        self.resize_allowed = allowed;
    }

    #[inline]
    fn home(&self, position: u64) -> Option<Home> {
        match &self.rehash {
            Some(rehash) if position >= rehash.boundary => Some(Home { old: true, index: rehash.old.index(position) }),
            _ => self.array.as_ref().map(|array| Home { old: false, index: array.index(position) }),
        }
    }

    #[inline]
    fn array(&self, old: bool) -> &Array {
        match (&self.rehash, &self.array) {
            (Some(rehash), _) if old => &rehash.old,
            (_, Some(array)) => array,
            _ => unreachable!("a home is in an array that exists"),
        }
    }

    #[inline]
    fn bucket(&self, home: Home) -> &Bucket {
        self.array(home.old).bucket(home.index)
    }

    #[inline]
    fn bucket_mut(&mut self, home: Home) -> &mut Bucket {
        let array = match (&mut self.rehash, &mut self.array) {
            (Some(rehash), _) if home.old => &mut rehash.old,
            (_, Some(array)) => array,
            _ => unreachable!("a home is in an array that exists"),
        };
        array.bucket_mut(home.index)
    }

    /// # Safety
    ///
    /// `pointer` is that of a live element of this table.
    #[inline]
    unsafe fn peek(pointer: NonNull<u8>) -> ManuallyDrop<T> {
        // SAFETY: by the contract; never dropped, so ownership stays with the table.
        ManuallyDrop::new(unsafe { T::from_raw(pointer) })
    }

    /// Prefetches the bucket of `hash`.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        if let Some(home) = self.home(position(hash)) {
            prefetch(self.bucket(home) as *const Bucket as *const u8);
        }
    }

    /// Prefetches the elements that `hash` may mean; best some time after
    /// [`Self::prefetch_bucket`].
    #[inline]
    pub fn prefetch_element(&self, hash: u64) {
        if let Some(home) = self.home(position(hash)) {
            let bucket = self.bucket(home);
            let found = matches(bucket.tags, tag(hash));
            if found != 0 {
                prefetch(bucket.pointer(found.trailing_zeros() as usize / 8).as_ptr());
            }
        }
    }

    /// An element that `hash` may mean, without a look at its key.
    #[inline]
    pub fn candidate(&self, hash: u64) -> Option<Ref<'_, T>> {
        let bucket = self.bucket(self.home(position(hash))?);
        let slot = matches(bucket.tags, tag(hash)).trailing_zeros() as usize / 8;
        // SAFETY: a tagged slot holds an element of this table.
        (slot < SLOTS).then(|| Ref { element: unsafe { Self::peek(bucket.pointer(slot)) }, _table: PhantomData })
    }

    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<Ref<'_, T>> {
        self.get_hashed(hash(key), key)
    }

    /// [`Self::get`] for a caller that has the hash already.
    #[inline]
    pub fn get_hashed(&self, hash: u64, key: &[u8]) -> Option<Ref<'_, T>> {
        self.find(hash, key).map(|(_, element)| element)
    }

    /// The element and where it is, for a caller that has to look at it before it can say how it wants
    /// to borrow it. The place is good until the table changes.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<(Slot, Ref<'_, T>)> {
        let home = self.home(position(hash))?;
        let mut bucket = self.bucket(home);
        let mut line = 0;
        loop {
            let mut found = matches(bucket.tags, tag(hash));
            while found != 0 {
                let slot = found.trailing_zeros() as usize / 8;
                // SAFETY: a tagged slot holds an element of this table.
                let element = unsafe { Self::peek(bucket.pointer(slot)) };
                if element.key() == key {
                    return Some((Slot { home, line, slot }, Ref { element, _table: PhantomData }));
                }
                found &= found - 1;
            }
            bucket = bucket.next.as_deref()?;
            line += 1;
        }
    }

    /// The element at `slot`.
    ///
    /// # Panics
    ///
    /// If there is none: if the table changed since [`Self::find`], the slot may be stale.
    #[inline]
    pub fn at(&self, slot: Slot) -> Ref<'_, T> {
        let bucket = self.bucket(slot.home).lines().nth(slot.line).expect("a slot of this table");
        assert!(bucket.tags[slot.slot] != 0);
        // SAFETY: a tagged slot holds an element of this table.
        Ref { element: unsafe { Self::peek(bucket.pointer(slot.slot)) }, _table: PhantomData }
    }

    /// As [`Self::at`].
    #[inline]
    pub fn at_mut(&mut self, slot: Slot) -> RefMut<'_, T> {
        let bucket = self.bucket_mut(slot.home).line_mut(slot.line).expect("a slot of this table");
        assert!(bucket.tags[slot.slot] != 0);
        // SAFETY: a tagged slot holds an element of this table.
        let element = unsafe { Self::peek(bucket.pointer(slot.slot)) };
        RefMut { element, bucket, slot: slot.slot }
    }

    #[inline]
    pub fn get_mut(&mut self, key: &[u8]) -> Option<RefMut<'_, T>> {
        self.get_mut_hashed(hash(key), key)
    }

    /// [`Self::get_mut`] for a caller that has the hash already.
    #[inline]
    pub fn get_mut_hashed(&mut self, hash: u64, key: &[u8]) -> Option<RefMut<'_, T>> {
        self.find(hash, key).map(|(slot, _)| slot).map(|slot| self.at_mut(slot))
    }

    /// The element with this hash prefix (its top 48 bits) that `wanted` accepts.
    pub fn find_by_position(&self, hash48: u64, mut wanted: impl FnMut(&T) -> bool) -> Option<Ref<'_, T>> {
        for pointer in self.bucket(self.home(hash48)?).pointers() {
            // SAFETY: an element of this table.
            let element = unsafe { Self::peek(pointer) };
            if wanted(&element) && position(hash(element.key())) == hash48 {
                return Some(Ref { element, _table: PhantomData });
            }
        }
        None
    }

    /// Adds an element whose key is not there yet.
    pub fn insert_new(&mut self, element: T) {
        let hash = hash(element.key());
        self.insert_new_hashed(hash, element);
    }

    /// [`Self::insert_new`] for a caller that has the hash already.
    pub fn insert_new_hashed(&mut self, hash: u64, element: T) {
        debug_assert!(self.get_hashed(hash, element.key()).is_none(), "the key is already there");
        self.step(STEP_BUCKETS);
        self.grow_if_full();
        let home = self.home(position(hash)).expect("just grown");
        self.bucket_mut(home).insert(tag(hash), element.into_raw());
        self.len += 1;
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<T> {
        self.remove_hashed(hash(key), key)
    }

    /// [`Self::remove`] for a caller that has the hash already.
    pub fn remove_hashed(&mut self, hash: u64, key: &[u8]) -> Option<T> {
        self.step(STEP_BUCKETS);
        let (slot, _) = self.find(hash, key)?;
        Some(self.take(slot))
    }

    /// Removes a random element, each with the same probability; `random` gives 64 random bits.
    pub fn remove_random(&mut self, random: impl FnMut() -> u64) -> Option<T> {
        self.step(STEP_BUCKETS);
        let slot = self.random_slot(random)?;
        Some(self.take(slot))
    }

    /// Removes the element at `slot`, where there is one.
    fn take(&mut self, slot: Slot) -> T {
        let home = self.bucket_mut(slot.home);
        let pointer = home.line_mut(slot.line).expect("a slot of this table").pointer(slot.slot);
        home.remove(slot.line, slot.slot);
        self.len -= 1;
        self.shrink_if_sparse();
        // SAFETY: just taken out of its slot, so this is the only owner.
        unsafe { T::from_raw(pointer) }
    }

    fn grow_if_full(&mut self) {
        let buckets = match &self.array {
            None => {
                self.array = Some(Array::new(1));
                return;
            }
            Some(array) => array.len,
        };
        if self.len * 100 < buckets * FULL_PER_BUCKET_X100 || (!self.resize_allowed && self.len < buckets * SLOTS * 4) {
            return;
        }
        if self.rehash.is_some() {
            self.rehash_buckets(usize::MAX);
        }
        // A table of one line first fills it.
        if buckets == 1 && self.len < SLOTS {
            return;
        }
        self.resize(buckets + buckets.div_ceil(2));
    }

    fn shrink_if_sparse(&mut self) {
        let Some(array) = &self.array else { return };
        if array.len > 1
            && self.len * 100 < array.len * SPARSE_PER_BUCKET_X100
            && self.rehash.is_none()
            && self.resize_allowed
        {
            // Half full, so that neither growth nor another shrink is near.
            self.resize((self.len * 2).div_ceil(SLOTS).max(1));
        }
    }

    fn resize(&mut self, buckets: usize) {
        debug_assert!(self.rehash.is_none());
        if let Some(old) = self.array.replace(Array::new(buckets)) {
            let immediate = old.len.max(buckets) <= IMMEDIATE_BUCKETS;
            self.rehash = Some(Rehash { old, next: 0, boundary: 0 });
            if immediate {
                self.rehash_buckets(usize::MAX);
            }
        }
    }

    /// True while a rehash has work left: call [`Self::step`] when idle.
    pub fn is_rehashing(&self) -> bool {
        self.rehash.is_some()
    }

    /// Moves up to `buckets` old buckets to the new array.
    #[inline]
    pub fn step(&mut self, buckets: usize) {
        if self.rehash.is_some() && self.resize_allowed {
            self.rehash_buckets(buckets);
        }
    }

    fn rehash_buckets(&mut self, buckets: usize) {
        let (Some(rehash), Some(array)) = (&mut self.rehash, &mut self.array) else { return };
        let end = rehash.next.saturating_add(buckets).min(rehash.old.len);
        while rehash.next < end {
            // The elements' keys have to be hashed again.
            rehash.old.prefetch_elements(rehash.next + 1);
            let bucket = std::mem::replace(rehash.old.bucket_mut(rehash.next), Bucket::empty());
            for pointer in bucket.pointers() {
                // SAFETY: an element of this table.
                let hash = hash(unsafe { Self::peek(pointer) }.key());
                let index = array.index(position(hash));
                array.bucket_mut(index).insert(tag(hash), pointer);
            }
            rehash.next += 1;
        }
        rehash.old.release_before(rehash.next);
        if rehash.next == rehash.old.len {
            self.rehash = None;
        } else {
            rehash.boundary = rehash.old.start(rehash.next);
        }
    }

    /// Calls `visit` for the elements of the next bucket at or after `cursor`, and returns the
    /// cursor to go on with; 0 means that all were visited. Start with 0. Every element that is
    /// there from the first call to the last is visited at least once, whatever happens between.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&T)) -> u64 {
        let cursor = cursor & ((1 << POSITION_BITS) - 1);
        let Some(array) = &self.array else { return 0 };
        let (from, limit) = match &self.rehash {
            Some(rehash) if cursor >= rehash.boundary => (&rehash.old, 1 << POSITION_BITS),
            // A new bucket may reach beyond the boundary; what it has there was moved or inserted
            // already, but the rest of that range is still in the old array.
            Some(rehash) => (array, rehash.boundary),
            None => (array, 1 << POSITION_BITS),
        };
        let index = from.index(cursor);
        for pointer in from.bucket(index).pointers() {
            // SAFETY: an element of this table.
            visit(&*unsafe { Self::peek(pointer) });
        }
        let next = from.start(index + 1).min(limit);
        if next >> POSITION_BITS != 0 { 0 } else { next }
    }

    /// [`Self::scan`] over several buckets, until at least `count` elements were visited.
    pub fn scan_at_least(&self, cursor: u64, count: usize, mut visit: impl FnMut(&T)) -> u64 {
        // Empty buckets count too, so that a sparse table cannot hold the caller up.
        let mut buckets = count.saturating_mul(10);
        let (mut cursor, mut visited) = (cursor, 0);
        loop {
            cursor = self.scan(cursor, |element| {
                visited += 1;
                visit(element);
            });
            buckets = buckets.saturating_sub(1);
            if cursor == 0 || visited >= count || buckets == 0 {
                return cursor;
            }
        }
    }

    /// A random element, each with the same probability; `random` gives 64 random bits.
    pub fn random(&self, random: impl FnMut() -> u64) -> Option<Ref<'_, T>> {
        Some(self.at(self.random_slot(random)?))
    }

    fn random_slot(&self, mut random: impl FnMut() -> u64) -> Option<Slot> {
        /// Buckets looked at together, so that their lines are fetched at the same time: about every
        /// third place has an element.
        const TRIES: usize = 8;
        if self.len == 0 {
            return None;
        }
        // Choose a bucket, then a place within it, and start over where the place is empty: then no
        // element is likelier than another for sharing its bucket with few.
        let array = self.array.as_ref()?;
        let (new, old) = match &self.rehash {
            None => (array.len, 0),
            Some(Rehash { boundary: 0, old, .. }) => (0, old.len),
            Some(rehash) => (array.index(rehash.boundary - 1) + 1, rehash.old.len - rehash.next),
        };
        let mut below = |bound: usize| ((random() as u128 * bound as u128) >> 64) as usize;
        // One bucket in ten million is longer than this.
        let mut places = 3 * SLOTS;
        loop {
            let tries: [(Home, usize); TRIES] = std::array::from_fn(|_| {
                let home = match (below(new + old), &self.rehash) {
                    (choice, Some(rehash)) if choice >= new => Home { old: true, index: rehash.next + choice - new },
                    (choice, _) => Home { old: false, index: choice },
                };
                prefetch(self.bucket(home) as *const Bucket as *const u8);
                (home, below(places))
            });
            for (home, place) in tries {
                let bucket = self.bucket(home);
                let count = bucket.count();
                if count > places {
                    places = count.next_multiple_of(SLOTS);
                    break;
                }
                if let Some((line, slot)) = bucket.slots().nth(place) {
                    return Some(Slot { home, line, slot });
                }
            }
        }
    }

    /// All elements, in hash order within each array.
    pub fn iter<'a>(&'a self) -> impl Iterator<Item = Ref<'a, T>> {
        /// Their elements are about as many cache misses as a core can have under way.
        const BUCKETS_AHEAD: usize = 2;
        let arrays = [self.rehash.as_ref().map(|r| (&r.old, r.next)), self.array.as_ref().map(|a| (a, 0))];
        let pointers = |array: &'a Array, index: usize| {
            array.prefetch_elements(index + BUCKETS_AHEAD);
            array.bucket(index).pointers()
        };
        arrays
            .into_iter()
            .flatten()
            .flat_map(move |(array, from)| (from..array.len).flat_map(move |index| pointers(array, index)))
            // SAFETY: elements of this table.
            .map(|pointer| Ref { element: unsafe { Self::peek(pointer) }, _table: PhantomData })
    }

    /// Empties the table, passing each element to `take`.
    pub fn drain(&mut self, mut take: impl FnMut(T)) {
        self.len = 0;
        let rehash = self.rehash.take();
        let old = rehash.as_ref().map(|r| (&r.old, r.next));
        let array = self.array.take();
        for (array, from) in old.into_iter().chain(array.as_ref().map(|a| (a, 0))) {
            for index in from..array.len {
                for pointer in array.bucket(index).pointers() {
                    // SAFETY: the arrays are dropped without another look at their pointers.
                    take(unsafe { T::from_raw(pointer) });
                }
            }
        }
    }
}

impl<T: Element + Clone> Clone for HashTable<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::with_capacity(self.len);
        self.iter().for_each(|element| copy.insert_new(T::clone(&element)));
        copy
    }
}

impl<T: Element> Drop for HashTable<T> {
    fn drop(&mut self) {
        self.drain(drop);
    }
}

/// Prefetches a line of memory.
#[inline]
pub(super) fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint; it reads nothing and faults on no address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch(address.cast(), _MM_HINT_T0);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// A key in a box: the smallest element there is.
    #[derive(Debug, PartialEq)]
    struct Word(Box<[u8; 4]>);

    // SAFETY: a boxed pointer has 48 bits and turns back into its box.
    unsafe impl Element for Word {
        fn key(&self) -> &[u8] {
            &*self.0
        }
        fn into_raw(self) -> NonNull<u8> {
            NonNull::from(Box::leak(self.0)).cast()
        }
        unsafe fn from_raw(raw: NonNull<u8>) -> Self {
            // SAFETY: by the contract.
            Word(unsafe { Box::from_raw(raw.as_ptr().cast()) })
        }
    }

    fn word(n: u32) -> Word {
        Word(Box::new(n.to_le_bytes()))
    }

    fn number(word: &Word) -> u32 {
        u32::from_le_bytes(*word.0)
    }

    fn keys(table: &HashTable<Word>) -> BTreeSet<u32> {
        table.iter().map(|w| number(&w)).collect()
    }

    #[derive(Debug, Clone)]
    enum Op {
        Insert(u32),
        Remove(u32),
        InsertMany(u32),
        RemoveMany(u32),
        Scan,
        Allow(bool),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (0..50_000u32).prop_map(Op::Insert),
            4 => (0..50_000u32).prop_map(Op::Remove),
            2 => (0..50_000u32).prop_map(Op::InsertMany),
            2 => (0..50_000u32).prop_map(Op::RemoveMany),
            4 => Just(Op::Scan),
            1 => any::<bool>().prop_map(Op::Allow),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Against a set, with a scan running alongside: what was there throughout is seen.
        #[test]
        fn behaves_as_a_set_and_scans_all(ops in prop::collection::vec(op(), 1..80)) {
            let mut table = HashTable::new();
            let mut oracle = BTreeSet::new();
            let (mut cursor, mut seen, mut throughout) = (0, BTreeSet::new(), BTreeSet::new());
            for op in ops {
                let range = match op {
                    Op::Insert(n) | Op::Remove(n) => n..n + 1,
                    Op::InsertMany(n) | Op::RemoveMany(n) => n..n + 7_000,
                    _ => 0..0,
                };
                match op {
                    Op::Insert(_) | Op::InsertMany(_) => for n in range {
                        if oracle.insert(n) { table.insert_new(word(n)) }
                    },
                    Op::Remove(_) | Op::RemoveMany(_) => for n in range {
                        prop_assert_eq!(table.remove(&n.to_le_bytes()).is_some(), oracle.remove(&n));
                        throughout.remove(&n);
                    },
                    Op::Allow(allowed) => table.allow_resize(allowed),
                    Op::Scan => {
                        if cursor == 0 {
                            seen.clear();
                            throughout = oracle.clone();
                        }
                        cursor = table.scan(cursor, |w| { seen.insert(number(w)); });
                        if cursor == 0 {
                            prop_assert!(throughout.is_subset(&seen));
                        }
                    }
                }
                prop_assert_eq!(table.len(), oracle.len());
            }
            prop_assert_eq!(keys(&table), oracle.clone());
            for n in &oracle {
                prop_assert!(table.get(&n.to_le_bytes()).is_some());
            }
            while cursor != 0 {
                cursor = table.scan(cursor, |w| { seen.insert(number(w)); });
            }
            prop_assert!(throughout.is_subset(&seen));
        }
    }

    #[test]
    fn random_is_fair_while_rehashing() {
        let mut table = HashTable::new();
        let mut n = 0;
        while !(table.is_rehashing() && table.rehash.as_ref().is_some_and(|r| r.next * 2 > r.old.len)) {
            table.insert_new(word(n));
            n += 1;
        }
        let mut state = 1u64;
        let mut random = move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let mut counts = BTreeMap::new();
        for _ in 0..n * 20 {
            *counts.entry(number(&table.random(&mut random).unwrap())).or_insert(0u32) += 1;
        }
        // Poisson with mean 20: beyond 60 is less likely than 1e-12 for any one of them.
        assert!(counts.values().all(|&c| c < 60));
        assert!(counts.len() as u32 > n - 5, "{} of {n}", counts.len());
    }

    #[test]
    fn elements_may_move() {
        let mut table = HashTable::new();
        (0..100).for_each(|n| table.insert_new(word(n)));
        let mut element = table.get_mut(&7u32.to_le_bytes()).unwrap();
        *element = word(7);
        drop(element);
        assert_eq!(number(&table.get(&7u32.to_le_bytes()).unwrap()), 7);
        let mut drained = BTreeSet::new();
        table.drain(|w| assert!(drained.insert(number(&w))));
        assert_eq!((drained.len(), table.len(), table.iter().count()), (100, 0, 0));
    }
}
