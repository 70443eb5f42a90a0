//! Lists: a listpack while small, a quicklist beyond.
//!
//! What Redis calls a listpack is two things here. Up to [`SMALL_MAX`] it is one. From there on it is
//! the one node of a quicklist, which knows its size as Redis reckons it and can grow at both ends: a
//! listpack would have to be measured and moved for each element.
#![allow(unsafe_code)]

use super::{Collection, Encoding, Type};
use crate::encoding::listpack::Listpack;
use crate::encoding::quicklist::Quicklist;
pub use crate::encoding::quicklist::{Element, End, Fill};
use std::ops::{ControlFlow, Range};
use std::ptr::NonNull;

/// Within the limits, a list of at most this many bytes is a plain listpack.
const SMALL_MAX: usize = 1024;

/// How a list may be laid out.
#[derive(Clone, Copy, Debug)]
pub struct ListLimits {
    /// How large a listpack, or a node of a quicklist, may become: `list-max-listpack-size`.
    pub fill: Fill,
    /// `list-compress-depth`.
    pub compress_depth: usize,
    /// Elements of at least this many bytes get a node of a quicklist to themselves.
    pub alone_from: usize,
}

/// A list.
#[derive(Clone)]
pub enum List {
    Small(Listpack),
    /// Still a listpack for Redis.
    OneNode(Box<Quicklist>),
    Quicklist(Box<Quicklist>),
}

impl List {
    pub fn new() -> List {
        List::Small(Listpack::new())
    }

    /// The list of these elements.
    ///
    /// COMPAT: made as a quicklist, whose nodes are filled a little less than a listpack would be, and
    /// turned into a listpack if one node was enough.
    pub fn collect<'a>(elements: impl Iterator<Item = &'a [u8]>, limits: ListLimits) -> List {
        let mut list = Quicklist::new(limits.fill, limits.compress_depth);
        elements.for_each(|element| list.push(End::Tail, Element::Slice(element), limits.alone_from));
        List::from_quicklist(list, limits)
    }

    /// A list of these nodes, a listpack if it is one that is small enough.
    pub fn from_quicklist(list: Quicklist, limits: ListLimits) -> List {
        if list.is_one_listpack_within(limits.listpack_bytes().min(SMALL_MAX), limits.fill.count) {
            return List::Small(list.into_listpack());
        }
        let mut list = List::Quicklist(Box::new(list));
        list.make_listpack_within(limits.listpack_bytes(), limits.fill.count);
        list
    }

    #[inline]
    pub fn len(&self) -> usize {
        match self {
            List::Small(listpack) => listpack.len(),
            List::OneNode(list) | List::Quicklist(list) => list.len(),
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The quicklist, if Redis has one there as well.
    pub fn quicklist(&self) -> Option<&Quicklist> {
        match self {
            List::Quicklist(list) => Some(list),
            _ => None,
        }
    }

    /// Prepares for `elements` elements of `bytes` bytes together to be added, those at the ends at
    /// `end`. This is where a listpack becomes a quicklist.
    ///
    /// COMPAT: bytes are added to the size of a listpack without what is stored beside them.
    #[inline]
    pub fn prepare_for(&mut self, end: End, elements: usize, bytes: usize, limits: ListLimits) {
        match self {
            List::Quicklist(_) => (),
            List::OneNode(list) => {
                if limits.fill.is_exceeded(list.size() + bytes, list.len() + elements) {
                    self.make_quicklist(end, limits);
                }
            }
            List::Small(listpack) => {
                /// An element takes at most this much more in Redis's listpack than in ours.
                const LONGER: usize = 3;
                let count = listpack.len() + elements;
                let size_max = listpack.bytes() + LONGER * listpack.len() + bytes;
                if size_max > SMALL_MAX || limits.fill.is_exceeded(size_max, count) {
                    let list = Box::new(Quicklist::from_listpack(std::mem::take(listpack), end));
                    let exceeds = limits.fill.is_exceeded(list.size() + bytes, count);
                    *self = List::OneNode(list);
                    if exceeds {
                        self.make_quicklist(end, limits);
                    }
                }
            }
        }
    }

    fn make_quicklist(&mut self, end: End, limits: ListLimits) {
        *self = match std::mem::take(self) {
            List::Small(listpack) => List::Quicklist(Box::new(Quicklist::from_listpack(listpack, end))),
            List::OneNode(list) | List::Quicklist(list) => List::Quicklist(list),
        };
        if let List::Quicklist(list) = self {
            list.set_limits(limits.fill, limits.compress_depth);
        }
    }

    /// After elements were removed or replaced: a small quicklist is a listpack again.
    #[inline]
    pub fn shrink(&mut self, limits: ListLimits) {
        match self {
            List::Quicklist(list) if list.nodes() == 1 => {
                // Half, so that a list whose size varies around the limit is not converted over and over.
                self.make_listpack_within(limits.listpack_bytes() / 2, limits.fill.count / 2)
            }
            List::OneNode(list) if list.size() <= SMALL_MAX / 4 => {
                let list = std::mem::replace(&mut **list, Quicklist::new(limits.fill, 0));
                *self = List::Small(list.into_listpack());
            }
            _ => (),
        }
    }

    fn make_listpack_within(&mut self, bytes: usize, count: usize) {
        if let List::Quicklist(list) = self
            && list.is_one_listpack_within(bytes, count)
        {
            list.set_limits(Fill::UNLIMITED, 0);
            let List::Quicklist(list) = std::mem::take(self) else { unreachable!("just seen") };
            *self = List::OneNode(list);
        }
    }

    /// Adds an element. [`Self::expect`] comes first.
    #[inline]
    pub fn push(&mut self, end: End, element: Element, limits: ListLimits) {
        match self {
            List::Small(listpack) if end == End::Head => listpack.insert(0, &element),
            List::Small(listpack) => listpack.push(&element),
            List::OneNode(list) => list.push(end, element, usize::MAX),
            List::Quicklist(list) => list.push(end, element, limits.alone_from),
        }
    }

    /// Removes the element at `end`, which `read` sees first. [`Self::shrink`] comes afterwards.
    #[inline]
    pub fn pop<R>(&mut self, end: End, read: impl FnOnce(Element) -> R) -> Option<R> {
        match self {
            List::Small(listpack) => {
                let mut elements = listpack.iter();
                let element = if end == End::Head { elements.next() } else { elements.next_back() }?;
                let result = read(Element::Slice(element));
                listpack.remove(if end == End::Head { 0 } else { listpack.len() - 1 });
                Some(result)
            }
            List::OneNode(list) | List::Quicklist(list) => list.pop(end, read),
        }
    }

    /// Calls `f` with each element of `range` and its index, the last one first if `backward`, until
    /// it breaks off; gives what it broke off with.
    #[inline]
    pub fn visit<B>(
        &self,
        range: Range<usize>,
        backward: bool,
        mut f: impl FnMut(usize, Element) -> ControlFlow<B>,
    ) -> Option<B> {
        match self {
            List::Small(listpack) => {
                let mut elements = range.clone().zip(listpack.range(range));
                let mut visit = |(i, element)| f(i, Element::Slice(element));
                let flow =
                    if backward { elements.rev().try_for_each(visit) } else { elements.try_for_each(&mut visit) };
                flow.break_value()
            }
            List::OneNode(list) | List::Quicklist(list) => list.visit(range, backward, f),
        }
    }

    /// Calls `f` with each element of `range`.
    #[inline]
    pub fn for_each(&self, range: Range<usize>, mut f: impl FnMut(Element)) {
        let _ = self.visit::<()>(range, false, |_, element| {
            f(element);
            ControlFlow::Continue(())
        });
    }

    /// Lets `read` see element `index`.
    #[inline]
    pub fn get<R>(&self, index: usize, read: impl FnOnce(Element) -> R) -> Option<R> {
        if index >= self.len() {
            return None;
        }
        let mut read = Some(read);
        self.visit(index..index + 1, false, |_, element| match read.take() {
            Some(read) => ControlFlow::Break(read(element)),
            None => ControlFlow::Continue(()),
        })
    }

    /// The index of the first element equal to `element`.
    pub fn find(&self, element: &[u8]) -> Option<usize> {
        match self {
            List::Small(listpack) => listpack.find(element, 1, 0),
            List::OneNode(list) | List::Quicklist(list) => list.visit(0..list.len(), false, |index, other| {
                if *other == *element { ControlFlow::Break(index) } else { ControlFlow::Continue(()) }
            }),
        }
    }

    /// Puts an element before the one at `pivot`, or after it. [`Self::expect`] comes first.
    pub fn insert(&mut self, pivot: usize, after: bool, element: Element, limits: ListLimits) {
        match self {
            List::Small(listpack) => listpack.insert(pivot + after as usize, &element),
            List::OneNode(list) => list.insert(pivot, after, element, usize::MAX),
            List::Quicklist(list) => list.insert(pivot, after, element, limits.alone_from),
        }
    }

    /// Replaces element `index`. [`Self::expect`] comes first, [`Self::shrink`] afterwards.
    pub fn replace(&mut self, index: usize, element: Element, limits: ListLimits) {
        match self {
            List::Small(listpack) => listpack.replace(index, &element),
            List::OneNode(list) => list.replace(index, element, usize::MAX),
            List::Quicklist(list) => list.replace(index, element, limits.alone_from),
        }
    }

    /// Removes the elements of `range`. [`Self::shrink`] comes afterwards.
    pub fn remove_range(&mut self, range: Range<usize>) {
        match self {
            List::Small(listpack) => listpack.remove_range(range),
            List::OneNode(list) | List::Quicklist(list) => list.remove_range(range),
        }
    }

    /// Removes up to `max` elements equal to `element`, the last ones if `backward`; gives their
    /// number. [`Self::shrink`] comes afterwards.
    pub fn remove_equal(&mut self, element: &[u8], backward: bool, max: usize) -> usize {
        match self {
            List::Small(listpack) => {
                let all = listpack.iter().enumerate();
                let mut equal: Vec<usize> = all.filter(|(_, other)| *other == element).map(|(i, _)| i).collect();
                let surplus = equal.len().saturating_sub(max);
                if backward {
                    drop(equal.drain(..surplus))
                } else {
                    equal.truncate(max)
                }
                equal.iter().rev().for_each(|&index| listpack.remove(index));
                equal.len()
            }
            List::OneNode(list) | List::Quicklist(list) => list.remove_equal(element, backward, max),
        }
    }
}

impl ListLimits {
    /// Bytes up to which a quicklist of one node is made a listpack.
    ///
    /// COMPAT: where the number of elements is limited their bytes do not count for that.
    fn listpack_bytes(self) -> usize {
        if self.fill.count < usize::MAX { usize::MAX } else { self.fill.bytes }
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: each encoding goes with its kind of pointer, and only lists have these encodings.
unsafe impl Collection for List {
    const TYPE: Type = Type::List;

    #[inline]
    fn into_raw(self) -> (Encoding, NonNull<u8>) {
        match self {
            List::Small(listpack) => (Encoding::ListListpack, listpack.into_raw()),
            List::OneNode(list) => (Encoding::ListOneNode, NonNull::from(Box::leak(list)).cast()),
            List::Quicklist(list) => (Encoding::ListQuicklist, NonNull::from(Box::leak(list)).cast()),
        }
    }

    #[inline]
    unsafe fn from_raw(encoding: Encoding, pointer: NonNull<u8>) -> Self {
        // SAFETY: by the contract the pointer came from `into_raw` above, with this encoding.
        unsafe {
            match encoding {
                Encoding::ListListpack => List::Small(Listpack::from_raw(pointer)),
                Encoding::ListOneNode => List::OneNode(Box::from_raw(pointer.as_ptr().cast())),
                Encoding::ListQuicklist => List::Quicklist(Box::from_raw(pointer.as_ptr().cast())),
                _ => unreachable!("not a list's encoding"),
            }
        }
    }

    fn free_effort(&self) -> usize {
        match self {
            List::Small(_) | List::OneNode(_) => 1,
            List::Quicklist(list) => list.nodes(),
        }
    }

    fn memory_usage(&self) -> usize {
        match self {
            List::Small(listpack) => listpack.bytes(),
            List::OneNode(list) | List::Quicklist(list) => list.memory_usage(),
        }
    }
}

#[cfg(test)]
mod tests;
