//! A quicklist: a sequence of byte strings of any length and number, for lists.
//!
//! ```text
//!         head                                          tail
//! nodes | c b a | d e f ... | (compressed) ... | (compressed) | ... x y z |
//!         <----               <------- depth nodes from either end: not     ---->
//! ```
//!
//! * An array of nodes, each a block of at most some KiB ([`Fill`]), so that an element costs a byte
//!   beside its own and one in the middle is found by adding up the nodes' counts.
//! * Both ends are open: pushing and popping touch the end of one block.
//! * A long element has a node to itself, in a buffer that replies can share.
//! * Where nodes begin and end is where they do in Redis: by that it is decided when a list is small
//!   enough to be called a listpack again, which clients can see.

mod node;

use super::listpack::Listpack;
use super::packed_size::EMPTY_SIZE;
use bytes::Bytes;
use node::Node;
use std::collections::VecDeque;
use std::ops::{ControlFlow, Deref, Range};

/// One end of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Head,
    Tail,
}

/// An element's bytes: a slice of something, or a buffer of their own that can be kept or sent
/// without a copy.
#[derive(Clone, Copy, Debug)]
pub enum Element<'a> {
    Slice(&'a [u8]),
    Shared(&'a Bytes),
}

impl Deref for Element<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Element::Slice(slice) => slice,
            Element::Shared(bytes) => bytes,
        }
    }
}

/// How large a node may become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fill {
    /// As `list-max-listpack-size` shows it: elements, or one of the sizes if negative.
    number: i32,
    pub bytes: usize,
    pub count: usize,
}

impl Fill {
    pub const UNLIMITED: Fill = Fill { number: 0, bytes: usize::MAX, count: usize::MAX };

    /// Of `list-max-listpack-size`.
    ///
    /// COMPAT: a number of elements is a limit of 8 KiB as well.
    pub fn new(number: i32) -> Fill {
        match number.clamp(-5, i16::MAX as i32) {
            size @ ..0 => Fill { number: size, bytes: 2048 << -size, count: usize::MAX },
            count => Fill { number: count, bytes: 8192, count: count.max(1) as usize },
        }
    }

    pub fn number(self) -> i32 {
        self.number
    }

    /// Whether a node of `bytes` bytes (in Redis's listpack) and `count` elements is too large.
    #[inline]
    pub fn is_exceeded(self, bytes: usize, count: usize) -> bool {
        bytes > self.bytes || count > self.count
    }
}

/// A sequence of byte strings. See the [module](self).
#[derive(Clone)]
pub struct Quicklist {
    nodes: VecDeque<Node>,
    len: usize,
    fill: Fill,
    /// Nodes at either end that stay uncompressed; 0 compresses none.
    depth: usize,
}

impl Quicklist {
    /// An empty list. Its nodes grow as large as `fill` allows; all but `depth` of them at either end
    /// are compressed (none if `depth` is 0).
    pub fn new(fill: Fill, depth: usize) -> Quicklist {
        Quicklist { nodes: VecDeque::new(), len: 0, fill, depth }
    }

    /// A list of one node, however large, that is about to grow at `end`.
    pub fn from_listpack(listpack: Listpack, end: End) -> Quicklist {
        let mut list = Quicklist::new(Fill::UNLIMITED, 0);
        list.len = listpack.len();
        if list.len > 0 {
            let mut node = Node::from_listpack(listpack);
            node.face(end);
            list.nodes.push_back(node);
        }
        list
    }

    /// The one node of the list as a listpack.
    pub fn into_listpack(mut self) -> Listpack {
        debug_assert!(self.nodes.len() <= 1);
        self.nodes.pop_front().map_or_else(Listpack::new, Node::into_listpack)
    }

    /// From now on nodes grow this large, and are compressed from this depth on.
    pub fn set_limits(&mut self, fill: Fill, depth: usize) {
        (self.fill, self.depth) = (fill, depth);
        self.settle(0..self.nodes.len());
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn fill(&self) -> Fill {
        self.fill
    }

    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The number of nodes.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// For each node its number of elements, and whether it holds a single long element by itself.
    pub fn node_counts(&self) -> impl Iterator<Item = (usize, bool)> {
        self.nodes.iter().map(|node| (node.count(), node.is_alone()))
    }

    /// Bytes of Redis's listpacks with the same elements.
    pub fn size(&self) -> usize {
        if self.nodes.is_empty() { EMPTY_SIZE } else { self.nodes.iter().map(Node::size).sum() }
    }

    /// Whether all is in one listpack within `bytes` bytes and `count` elements.
    pub fn is_one_listpack_within(&self, bytes: usize, count: usize) -> bool {
        self.nodes.len() == 1
            && !self.nodes[0].is_alone()
            && self.nodes[0].size() <= bytes
            && self.nodes[0].count() <= count
    }

    /// Allocated bytes.
    pub fn memory_usage(&self) -> usize {
        let blocks: usize = self.nodes.iter().map(Node::memory_usage).sum();
        size_of::<Quicklist>() + self.nodes.capacity() * size_of::<Node>() + blocks
    }

    /// The node at `end`, ready to be changed there.
    #[inline]
    fn end_node(&mut self, end: End) -> Option<&mut Node> {
        let is_only = self.nodes.len() == 1;
        let node = match end {
            End::Head => self.nodes.front_mut(),
            End::Tail => self.nodes.back_mut(),
        }?;
        // The only node is changed at both ends.
        if !is_only {
            node.face(end);
        }
        Some(node)
    }

    /// Whether `node` has room for an element of `bytes` bytes.
    #[inline]
    fn takes(&self, node: usize, bytes: usize) -> bool {
        /// COMPAT: what Redis allows for an element's lengths.
        const OVERHEAD: usize = 8;
        self.nodes.get(node).is_some_and(|node| {
            !node.is_alone() && !self.fill.is_exceeded(node.size() + bytes + OVERHEAD, node.count() + 1)
        })
    }

    /// Whether an element is to have a node to itself.
    #[inline]
    fn is_long(&self, element: &[u8], alone_from: usize) -> bool {
        element.len() >= alone_from || element.len() > self.fill.bytes
    }

    /// A node with one element.
    fn new_node(&self, element: Element, end: End, alone_from: usize) -> Node {
        if self.is_long(&element, alone_from) { Node::alone(element) } else { Node::with(element, end) }
    }

    /// Adds an element. Those of `alone_from` bytes and more get nodes of their own.
    #[inline]
    pub fn push(&mut self, end: End, element: Element, alone_from: usize) {
        self.len += 1;
        let node = if end == End::Head { 0 } else { self.nodes.len().wrapping_sub(1) };
        if !self.is_long(&element, alone_from) && self.takes(node, element.len()) {
            self.end_node(end).expect("it takes the element").push(end, &element);
            return;
        }
        let node = self.new_node(element, end, alone_from);
        match end {
            End::Head => self.nodes.push_front(node),
            End::Tail => self.nodes.push_back(node),
        }
        self.settle(0..0);
    }

    /// Adds a node at the tail, as it was in another list; an empty one is left out.
    pub fn append_node(&mut self, listpack: Listpack) {
        if !listpack.is_empty() {
            self.len += listpack.len();
            self.nodes.push_back(Node::from_listpack(listpack));
            self.settle(0..0);
        }
    }

    /// Adds a node with an element by itself at the tail.
    pub fn append_alone(&mut self, element: &[u8]) {
        self.len += 1;
        self.nodes.push_back(Node::alone(Element::Slice(element)));
        self.settle(0..0);
    }

    /// Removes the element at `end`, which `read` sees first.
    #[inline]
    pub fn pop<R>(&mut self, end: End, read: impl FnOnce(Element) -> R) -> Option<R> {
        let node = self.end_node(end)?;
        let result = node.pop(end, read);
        let is_empty = node.count() == 0;
        self.len -= 1;
        if is_empty {
            match end {
                End::Head => self.nodes.pop_front(),
                End::Tail => self.nodes.pop_back(),
            };
            self.settle(0..0);
        }
        Some(result)
    }

    /// The node of element `index`, and its index there.
    fn locate(&self, index: usize) -> (usize, usize) {
        debug_assert!(index < self.len);
        if index <= self.len / 2 {
            let mut before = 0;
            for (number, node) in self.nodes.iter().enumerate() {
                if index < before + node.count() {
                    return (number, index - before);
                }
                before += node.count();
            }
        } else {
            let mut before = self.len;
            for (number, node) in self.nodes.iter().enumerate().rev() {
                before -= node.count();
                if index >= before {
                    return (number, index - before);
                }
            }
        }
        unreachable!("the counts add up to the length")
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
        if range.is_empty() {
            return None;
        }
        let (mut number, within) = self.locate(if backward { range.end - 1 } else { range.start });
        let mut first = if backward { range.end - 1 - within } else { range.start - within };
        loop {
            let node = &self.nodes[number];
            let part = range.start.max(first) - first..range.end.min(first + node.count()) - first;
            if let ControlFlow::Break(result) = node.visit(part, backward, &mut |i, element| f(first + i, element)) {
                return Some(result);
            }
            if backward {
                if first <= range.start {
                    return None;
                }
                number -= 1;
                first -= self.nodes[number].count();
            } else {
                first += node.count();
                number += 1;
                if first >= range.end {
                    return None;
                }
            }
        }
    }

    /// Puts an element before the one at `pivot`, or after it.
    pub fn insert(&mut self, pivot: usize, after: bool, element: Element, alone_from: usize) {
        let (number, at) = self.locate(pivot);
        let count = self.nodes[number].count();
        let at_tail = after && at + 1 == count;
        let at_head = !after && at == 0;
        let is_long = self.is_long(&element, alone_from);
        self.len += 1;
        if !is_long && self.takes(number, element.len()) {
            self.nodes[number].insert(at + after as usize, &element);
            self.settle(number..number + 1);
        } else if at_tail && !is_long && self.takes(number + 1, element.len()) {
            self.nodes[number + 1].push(End::Head, &element);
            self.settle(number + 1..number + 2);
        } else if at_head && !is_long && self.takes(number.wrapping_sub(1), element.len()) {
            self.nodes[number - 1].push(End::Tail, &element);
            self.settle(number - 1..number);
        } else if at_tail || at_head {
            let node = self.new_node(element, End::Tail, alone_from);
            self.nodes.insert(number + after as usize, node);
            self.settle(number..number + 2);
        } else {
            let mut rest = self.nodes[number].split_off(at + after as usize);
            let mut center = number + !after as usize;
            if is_long {
                self.nodes.insert(number + 1, Node::alone(element));
                self.nodes.insert(number + 2, rest);
                center = number + 1;
            } else {
                if after {
                    rest.push(End::Head, &element)
                } else {
                    self.nodes[number].push(End::Tail, &element)
                }
                self.nodes.insert(number + 1, rest);
            }
            self.merge_around(center);
            self.settle(number.saturating_sub(2)..number + 4);
        }
    }

    /// Merges neighbours near `center` where they fit together, in the order in which Redis tries it.
    fn merge_around(&mut self, mut center: usize) {
        if center >= 2 && self.merge(center - 2) {
            center -= 1;
        }
        self.merge(center + 1);
        if center >= 1 && self.merge(center - 1) {
            center -= 1;
        }
        self.merge(center);
    }

    /// Merges a node with the next one, if they fit together.
    fn merge(&mut self, number: usize) -> bool {
        let (Some(node), Some(next)) = (self.nodes.get(number), self.nodes.get(number + 1)) else { return false };
        let size = node.size() + next.size() - EMPTY_SIZE;
        if node.is_alone() || next.is_alone() || self.fill.is_exceeded(size, node.count() + next.count()) {
            return false;
        }
        let next = self.nodes.remove(number + 1).expect("just seen");
        self.nodes[number].append(next);
        true
    }

    /// Replaces element `index`.
    ///
    /// COMPAT: a node may get larger by this than its limit.
    pub fn replace(&mut self, index: usize, element: Element, alone_from: usize) {
        let (number, at) = self.locate(index);
        if self.nodes[number].count() == 1 {
            self.nodes[number] = self.new_node(element, End::Tail, alone_from);
            self.settle(number..number + 1);
        } else if element.len() < alone_from && self.nodes[number].can_replace(element.len()) {
            self.nodes[number].replace(at, &element);
            self.settle(number..number + 1);
        } else {
            self.insert(index, true, element, alone_from);
            self.remove_range(index..index + 1);
        }
    }

    pub fn remove_range(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let (mut number, mut at) = self.locate(range.start);
        let first = number;
        let mut left = range.len();
        self.len -= left;
        let mut emptied = first..first;
        while left > 0 {
            let node = &mut self.nodes[number];
            let end = node.count().min(at + left);
            left -= end - at;
            node.remove_range(at..end);
            if node.count() == 0 {
                if emptied.is_empty() {
                    emptied = number..number;
                }
                emptied.end = number + 1;
            }
            number += 1;
            at = 0;
        }
        self.nodes.drain(emptied);
        self.settle(first..first + 2);
    }

    /// Removes up to `max` elements equal to `element`, the last ones if `backward`; gives their number.
    pub fn remove_equal(&mut self, element: &[u8], backward: bool, max: usize) -> usize {
        let mut removed = 0;
        let mut equal: Vec<usize> = Vec::new();
        for step in 0..self.nodes.len() {
            let number = if backward { self.nodes.len() - 1 - step } else { step };
            let node = &mut self.nodes[number];
            equal.clear();
            let _ = node.visit(0..node.count(), backward, &mut |index, other| {
                if *other == *element {
                    equal.push(index);
                }
                if removed + equal.len() == max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            // From the end, so that the remaining indices stay right.
            if !backward {
                equal.reverse();
            }
            equal.iter().for_each(|&index| node.remove_range(index..index + 1));
            removed += equal.len();
            if !equal.is_empty() && self.is_inner(number) {
                self.nodes[number].compress();
            }
            if removed == max {
                break;
            }
        }
        if removed > 0 {
            self.len -= removed;
            self.nodes.retain(|node| node.count() > 0);
            self.settle(0..0);
        }
        removed
    }

    /// Whether a node is far enough from both ends to be compressed.
    fn is_inner(&self, number: usize) -> bool {
        self.depth > 0 && number >= self.depth && number + self.depth < self.nodes.len()
    }

    /// After a change: compresses and decompresses nodes at both ends and those of `changed` as their
    /// places now want it.
    fn settle(&mut self, changed: Range<usize>) {
        if self.depth == 0 {
            return;
        }
        let len = self.nodes.len();
        let near = self.depth.saturating_add(1).min(len);
        for number in (0..near).chain(len - near..len).chain(changed.start..changed.end.min(len)) {
            if self.is_inner(number) {
                self.nodes[number].compress();
            } else {
                self.nodes[number].decompress();
            }
        }
    }
}

#[cfg(test)]
mod tests;
