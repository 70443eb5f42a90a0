//! One node of a quicklist: a listpack, a long element by itself, or either of them compressed.
//!
//! * A node that is at the head of its list keeps its elements in reverse order, so that pushing and
//!   popping there works on the end of the block, where it costs the same whatever is in the block.
//!   No one outside this file sees that.
//! * `count` and `size` are kept up to date with every change.

use super::{Element, End};
use crate::encoding::listpack::Listpack;
use crate::encoding::lzf::Compressor;
use crate::encoding::packed_size::{EMPTY_SIZE, entry_size};
use crate::encoding::size_class::size_class;
use bytes::Bytes;
use std::ops::{ControlFlow, Range};

/// Smaller nodes are not worth compressing.
const COMPRESS_MIN: usize = 48;
/// Nor are those that would not get smaller by this much.
const COMPRESS_GAIN_MIN: usize = 8;

/// A compressed element's length: one byte, or this one and four bytes.
const LONG: u8 = u8::MAX;

/// Reversing fewer elements costs more than it saves.
const FACE_MIN: usize = 16;

#[derive(Clone)]
pub(super) struct Node {
    content: Content,
    /// The bytes of Redis's listpack with these elements: what the limits of a list count.
    size: usize,
    count: u32,
    /// The listpack has the last element first.
    reversed: bool,
}

#[derive(Clone)]
enum Content {
    Packed(Listpack),
    /// One element, in a buffer that may be shared with replies on their way out.
    Alone(Box<Bytes>),
    Compressed(Box<Compressed>),
}

#[derive(Clone)]
struct Compressed {
    lzf: Box<[u8]>,
    /// Its length before compression: for each element its length and its bytes.
    raw_len: usize,
    /// Uncompressed, it is one element: [`Content::Alone`].
    is_alone: bool,
}

impl Node {
    /// A node for `end` of the list with one element.
    pub fn with(element: Element, end: End) -> Node {
        let mut listpack = Listpack::new();
        listpack.push(&element);
        let size = EMPTY_SIZE + entry_size(&element);
        Node { content: Content::Packed(listpack), size, count: 1, reversed: end == End::Head }
    }

    /// A node whose single element admits no others.
    pub fn alone(element: Element) -> Node {
        let size = EMPTY_SIZE + entry_size(&element);
        let bytes = match element {
            Element::Slice(slice) => Bytes::copy_from_slice(slice),
            Element::Shared(bytes) => bytes.clone(),
        };
        Node { content: Content::Alone(Box::new(bytes)), size, count: 1, reversed: false }
    }

    pub fn from_listpack(listpack: Listpack) -> Node {
        let size = EMPTY_SIZE + listpack.iter().map(entry_size).sum::<usize>();
        let count = listpack.len() as u32;
        Node { content: Content::Packed(listpack), size, count, reversed: false }
    }

    pub fn into_listpack(mut self) -> Listpack {
        self.turn(false);
        std::mem::take(self.packed())
    }

    pub fn count(&self) -> usize {
        self.count as usize
    }

    pub fn size(&self) -> usize {
        self.size
    }

    pub fn is_alone(&self) -> bool {
        match &self.content {
            Content::Packed(_) => false,
            Content::Alone(_) => true,
            Content::Compressed(compressed) => compressed.is_alone,
        }
    }

    /// Allocated bytes.
    pub fn memory_usage(&self) -> usize {
        match &self.content {
            Content::Packed(listpack) => listpack.bytes(),
            Content::Alone(bytes) => size_class(size_of::<Bytes>()) + size_class(bytes.len()),
            Content::Compressed(compressed) => size_class(size_of::<Compressed>()) + size_class(compressed.lzf.len()),
        }
    }

    /// Prepares for pushing and popping at `end` in turn.
    #[inline]
    pub fn face(&mut self, end: End) {
        if self.reversed != (end == End::Head) && self.count() >= FACE_MIN {
            self.turn(end == End::Head);
        }
    }

    fn turn(&mut self, reversed: bool) {
        if self.reversed != reversed {
            let listpack = self.packed();
            let mut turned = Listpack::with_capacity(listpack.len(), listpack.bytes() - listpack.len());
            listpack.iter().rev().for_each(|element| turned.push(element));
            *listpack = turned;
            self.reversed = reversed;
        }
    }

    /// The listpack of a node that has one.
    #[inline]
    fn packed(&mut self) -> &mut Listpack {
        self.decompress();
        match &mut self.content {
            Content::Packed(listpack) => listpack,
            _ => unreachable!("a single element is replaced as a whole"),
        }
    }

    /// Where in the listpack the elements of `range` are.
    #[inline]
    fn in_listpack(&self, range: Range<usize>) -> Range<usize> {
        if self.reversed { self.count() - range.end..self.count() - range.start } else { range }
    }

    #[inline]
    pub fn push(&mut self, end: End, element: &[u8]) {
        self.insert(if end == End::Head { 0 } else { self.count() }, element);
    }

    /// Removes the element at `end`, which `read` sees first.
    #[inline]
    pub fn pop<R>(&mut self, end: End, read: impl FnOnce(Element) -> R) -> R {
        self.decompress();
        let at_start = self.reversed != (end == End::Head);
        let listpack = match &mut self.content {
            Content::Packed(listpack) => listpack,
            Content::Alone(bytes) => {
                self.count = 0;
                return read(Element::Shared(bytes));
            }
            Content::Compressed(_) => unreachable!("just decompressed"),
        };
        let mut elements = listpack.iter();
        let element = if at_start { elements.next() } else { elements.next_back() }.expect("a node is never empty");
        let result = read(Element::Slice(element));
        self.size -= entry_size(element);
        self.count -= 1;
        listpack.remove(if at_start { 0 } else { listpack.len() - 1 });
        result
    }

    /// Puts an element before the one at `index`, or at the end.
    #[inline]
    pub fn insert(&mut self, index: usize, element: &[u8]) {
        let at = self.in_listpack(index..index).start;
        self.packed().insert(at, element);
        self.size += entry_size(element);
        self.count += 1;
    }

    /// Whether [`Self::replace`] can take an element of `bytes` bytes.
    pub fn can_replace(&self, bytes: usize) -> bool {
        match &self.content {
            Content::Packed(listpack) => listpack.fits(1, bytes),
            _ => self.size.saturating_add(bytes) <= Listpack::ELEMENT_MAX,
        }
    }

    /// Replaces one of the elements of a listpack.
    pub fn replace(&mut self, index: usize, element: &[u8]) {
        let at = self.in_listpack(index..index + 1).start;
        let listpack = self.packed();
        let before = entry_size(listpack.get(at).expect("the caller's index"));
        listpack.replace(at, element);
        self.size = self.size - before + entry_size(element);
    }

    pub fn remove_range(&mut self, range: Range<usize>) {
        if range.len() < self.count() {
            let mut removed = 0;
            let _ = self.visit::<()>(range.clone(), false, &mut |_, element| {
                removed += entry_size(&element);
                ControlFlow::Continue(())
            });
            let at = self.in_listpack(range.clone());
            self.packed().remove_range(at);
            self.size -= removed;
        } else {
            // Whoever emptied the node drops it: its contents need not go first.
            self.size = EMPTY_SIZE;
        }
        self.count -= range.len() as u32;
    }

    /// Splits the elements from `index` on off.
    pub fn split_off(&mut self, index: usize) -> Node {
        self.turn(false);
        let count = self.count();
        let rest = Node::from_listpack(self.packed().range(index..count).collect());
        self.packed().remove_range(index..count);
        self.size -= rest.size - EMPTY_SIZE;
        self.count = index as u32;
        rest
    }

    /// Appends the elements of the node that follows.
    pub fn append(&mut self, mut other: Node) {
        self.turn(false);
        other.turn(false);
        let (listpack, others) = (self.packed(), other.packed());
        others.iter().for_each(|element| listpack.push(element));
        self.size += other.size - EMPTY_SIZE;
        self.count += other.count;
    }

    /// Calls `f` with each element of `range` and its index, the last one first if `backward`.
    #[inline]
    pub fn visit<B>(
        &self,
        range: Range<usize>,
        backward: bool,
        f: &mut impl FnMut(usize, Element) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match &self.content {
            Content::Packed(listpack) => {
                let elements = listpack.range(self.in_listpack(range.clone()));
                let from_start = backward == self.reversed;
                let mut visit = |i: usize, element| f(i, Element::Slice(element));
                match (backward, from_start) {
                    (false, true) => range.zip(elements).try_for_each(|(i, element)| visit(i, element)),
                    (false, false) => range.zip(elements.rev()).try_for_each(|(i, element)| visit(i, element)),
                    (true, true) => range.rev().zip(elements).try_for_each(|(i, element)| visit(i, element)),
                    (true, false) => range.rev().zip(elements.rev()).try_for_each(|(i, element)| visit(i, element)),
                }
            }
            Content::Alone(_) if range.is_empty() => ControlFlow::Continue(()),
            Content::Alone(bytes) => f(0, Element::Shared(bytes)),
            Content::Compressed(compressed) => compressed.decompress().visit(range, backward, f),
        }
    }

    /// Compresses the node, if that makes it smaller.
    pub fn compress(&mut self) {
        if matches!(self.content, Content::Compressed(_)) || self.size < COMPRESS_MIN {
            return;
        }
        let mut raw = Vec::with_capacity(self.size);
        let _ = self.visit::<()>(0..self.count(), false, &mut |_, element| {
            match element.len() {
                len if len < LONG as usize => raw.push(len as u8),
                len => {
                    raw.push(LONG);
                    raw.extend_from_slice(&(len as u64).to_le_bytes());
                }
            }
            raw.extend_from_slice(&element);
            ControlFlow::Continue(())
        });
        let mut lzf = Vec::new();
        if !Compressor::default().compress(&raw, raw.len() - COMPRESS_GAIN_MIN, &mut lzf) {
            return;
        }
        let compressed = Compressed { lzf: lzf.into(), raw_len: raw.len(), is_alone: self.is_alone() };
        self.content = Content::Compressed(Box::new(compressed));
        self.reversed = false;
    }

    #[inline]
    pub fn decompress(&mut self) {
        if let Content::Compressed(compressed) = &self.content {
            *self = compressed.decompress();
        }
    }

    #[cfg(test)]
    #[cfg(test)]
    pub fn is_compressed(&self) -> bool {
        matches!(self.content, Content::Compressed(_))
    }
}

impl Compressed {
    fn decompress(&self) -> Node {
        let mut raw = vec![0; self.raw_len];
        let len = lzf_rust::decompress(&self.lzf, &mut raw);
        assert_eq!(len, Ok(self.raw_len), "compressed here");
        let mut elements = Elements(&raw);
        if self.is_alone {
            return Node::alone(Element::Slice(elements.next().expect("there is one")));
        }
        Node::from_listpack(elements.collect())
    }
}

/// The elements in the form that is compressed.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&len, rest) = self.0.split_first()?;
        let (len, rest) = match len {
            LONG => {
                let (len, rest) = rest.split_first_chunk().expect("written whole");
                (u64::from_le_bytes(*len) as usize, rest)
            }
            len => (len as usize, rest),
        };
        let (element, rest) = rest.split_at(len);
        self.0 = rest;
        Some(element)
    }
}
