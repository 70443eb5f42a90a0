//! The nodes of a [`BTree`](super::BTree): searching within one, and moving entries between two.

use crate::encoding::hashtable::prefetch;
use std::ops::Range;

const CACHE_LINE: usize = 64;

/// A node with as many entries as it has slots gets room before anything else happens.
pub enum Node<R, const SLOTS: usize> {
    Leaf(Box<Leaf<R, SLOTS>>),
    Inner(Box<Inner<R, SLOTS>>),
}

pub struct Leaf<R, const SLOTS: usize> {
    scores: [f64; SLOTS],
    references: [R; SLOTS],
    len: u8,
}

pub struct Inner<R, const SLOTS: usize> {
    /// The first entry below each child.
    scores: [f64; SLOTS],
    references: [R; SLOTS],
    /// The number of entries below each child.
    counts: [usize; SLOTS],
    children: [Option<Node<R, SLOTS>>; SLOTS],
    len: u8,
}

/// How an entry is found: inner nodes are asked which child it is below, then a leaf where it is.
pub trait Path<R, const SLOTS: usize> {
    fn child(&mut self, inner: &Inner<R, SLOTS>) -> usize;
    fn slot(&mut self, leaf: &Leaf<R, SLOTS>) -> usize;
}

/// To the entry of this rank, which is there.
pub struct ToRank(pub usize);

impl<R: Copy + Default, const SLOTS: usize> Path<R, SLOTS> for ToRank {
    #[inline]
    fn child(&mut self, inner: &Inner<R, SLOTS>) -> usize {
        let mut child = 0;
        while self.0 >= inner.counts[child] {
            self.0 -= inner.counts[child];
            child += 1;
        }
        child
    }

    #[inline]
    fn slot(&mut self, _: &Leaf<R, SLOTS>) -> usize {
        self.0
    }
}

/// Behind the last entry for which this holds. It holds for none after one for which it does not.
pub struct Behind<F>(pub F);

impl<R: Copy + Default, F: Fn(f64, R) -> bool, const SLOTS: usize> Path<R, SLOTS> for Behind<F> {
    #[inline]
    fn child(&mut self, inner: &Inner<R, SLOTS>) -> usize {
        let len = inner.len();
        partition_point(&inner.scores[1..len], &inner.references[1..len], &self.0)
    }

    #[inline]
    fn slot(&mut self, leaf: &Leaf<R, SLOTS>) -> usize {
        partition_point(&leaf.scores[..leaf.len()], &leaf.references[..leaf.len()], &self.0)
    }
}

/// To the last entry for which this holds, which is there.
pub struct ToLast<F>(pub F);

impl<R: Copy + Default, F: Fn(f64, R) -> bool, const SLOTS: usize> Path<R, SLOTS> for ToLast<F> {
    #[inline]
    fn child(&mut self, inner: &Inner<R, SLOTS>) -> usize {
        Behind(&self.0).child(inner)
    }

    #[inline]
    fn slot(&mut self, leaf: &Leaf<R, SLOTS>) -> usize {
        Behind(&self.0).slot(leaf) - 1
    }
}

#[inline]
fn partition_point<R: Copy>(scores: &[f64], references: &[R], before: &impl Fn(f64, R) -> bool) -> usize {
    let (mut from, mut to) = (0, scores.len());
    while from < to {
        let middle = from.midpoint(to);
        if before(scores[middle], references[middle]) { from = middle + 1 } else { to = middle }
    }
    from
}

/// Where in a node an entry is or was.
#[derive(Clone, Copy)]
pub struct Place {
    pub is_first: bool,
    pub is_last: bool,
}

impl<R: Copy + Default, const SLOTS: usize> Node<R, SLOTS> {
    /// Two siblings with at most this many entries together share them evenly when one is full;
    /// with more, they become three nodes.
    const EVEN_MAX: usize = 2 * (SLOTS - SLOTS.div_ceil(16));
    /// A node with fewer entries takes some from a sibling or is merged with it.
    const LEN_MIN: usize = SLOTS * 4 / 9;
    /// Two siblings with at most this many entries together are merged.
    const MERGED_MAX: usize = SLOTS - SLOTS.div_ceil(13);

    pub fn new_leaf() -> Self {
        Node::Leaf(Box::new(Leaf { scores: [0.0; SLOTS], references: [R::default(); SLOTS], len: 0 }))
    }

    /// An inner node above `child`, which is full, and the sibling that it gets. `is_last` is as for
    /// [`Inner::make_room`].
    pub fn above(child: Self, is_last: bool) -> Self {
        let mut inner = Box::new(Inner::new());
        inner.insert_child(0, child);
        inner.make_room(0, is_last);
        Node::Inner(inner)
    }

    fn new_sibling(&self) -> Self {
        match self {
            Node::Leaf(_) => Self::new_leaf(),
            Node::Inner(_) => Node::Inner(Box::new(Inner::new())),
        }
    }

    /// Entries of a leaf, children of an inner node.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len(),
            Node::Inner(inner) => inner.len(),
        }
    }

    #[inline]
    pub fn is_full(&self) -> bool {
        self.len() == SLOTS
    }

    /// All entries below.
    fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len(),
            Node::Inner(inner) => inner.counts[..inner.len()].iter().sum(),
        }
    }

    /// The first entry below.
    #[inline]
    fn first(&self) -> (f64, R) {
        match self {
            Node::Leaf(leaf) => (leaf.scores[0], leaf.references[0]),
            Node::Inner(inner) => (inner.scores[0], inner.references[0]),
        }
    }

    /// Adds an entry. The node may be full afterwards; none below it is.
    pub fn insert(&mut self, score: f64, reference: R, path: &mut impl Path<R, SLOTS>) -> Place {
        match self {
            Node::Leaf(leaf) => {
                let (at, len) = (path.slot(leaf), leaf.len());
                insert_at(&mut leaf.scores, len, at, score);
                insert_at(&mut leaf.references, len, at, reference);
                leaf.len += 1;
                Place { is_first: at == 0, is_last: at == len }
            }
            Node::Inner(inner) => {
                let at = path.child(inner);
                let place = inner.child_mut(at).insert(score, reference, path);
                inner.counts[at] += 1;
                if place.is_first {
                    (inner.scores[at], inner.references[at]) = (score, reference);
                }
                let is_last = place.is_last && at == inner.len() - 1;
                if inner.child(at).is_full() {
                    inner.make_room(at, is_last);
                }
                Place { is_first: place.is_first && at == 0, is_last }
            }
        }
    }

    /// Takes out the entry at the end of `path`. The node may be left with any number of entries.
    pub fn remove(&mut self, path: &mut impl Path<R, SLOTS>) -> (f64, R) {
        match self {
            Node::Leaf(leaf) => {
                let (at, len) = (path.slot(leaf), leaf.len());
                let entry = (leaf.scores[..len][at], leaf.references[at]);
                leaf.scores.copy_within(at + 1..len, at);
                leaf.references.copy_within(at + 1..len, at);
                leaf.len -= 1;
                entry
            }
            Node::Inner(inner) => {
                let at = path.child(inner);
                let entry = inner.child_mut(at).remove(path);
                inner.counts[at] -= 1;
                inner.after_removal(at);
                entry
            }
        }
    }

    /// Moves the last `count` entries to the front of the next node.
    fn move_last(&mut self, right: &mut Self, count: usize) {
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(right)) => left.move_last(right, count),
            (Node::Inner(left), Node::Inner(right)) => left.move_last(right, count),
            _ => unreachable!("siblings are of one kind"),
        }
    }

    /// Moves the first `count` entries of the next node to the end.
    fn move_first(&mut self, right: &mut Self, count: usize) {
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(right)) => left.move_first(right, count),
            (Node::Inner(left), Node::Inner(right)) => left.move_first(right, count),
            _ => unreachable!("siblings are of one kind"),
        }
    }

    /// Moves entries so that this node has `len` of those that both have.
    fn share(&mut self, right: &mut Self, len: usize) {
        match self.len() {
            now if now > len => self.move_last(right, now - len),
            now => self.move_first(right, len - now),
        }
    }

    /// Bytes of all nodes.
    pub fn bytes(&self) -> usize {
        match self {
            Node::Leaf(_) => size_of::<Leaf<R, SLOTS>>(),
            Node::Inner(inner) => {
                let children = inner.children[..inner.len()].iter().flatten();
                size_of::<Inner<R, SLOTS>>()
                    + match inner.child(0) {
                        Node::Leaf(_) => inner.len() * size_of::<Leaf<R, SLOTS>>(),
                        Node::Inner(_) => children.map(Node::bytes).sum(),
                    }
            }
        }
    }

    /// Checks what always holds, and gives the height.
    #[cfg(test)]
    pub fn check(&self) -> usize
    where
        R: PartialEq + std::fmt::Debug,
    {
        assert!(self.len() < SLOTS);
        let Node::Inner(inner) = self else { return 0 };
        let children = || inner.children[..inner.len()].iter().map(|child| child.as_ref().expect("in use"));
        assert!(inner.len() > 0 && inner.children[inner.len()..].iter().all(Option::is_none));
        for (at, child) in children().enumerate() {
            assert_eq!(inner.counts[at], child.count());
            assert!(child.len() > 0);
            let (score, reference) = child.first();
            assert_eq!((inner.scores[at].to_bits(), inner.references[at]), (score.to_bits(), reference));
        }
        let heights: Vec<usize> = children().map(Node::check).collect();
        assert!(heights.iter().all(|height| *height == heights[0]));
        heights[0] + 1
    }
}

impl<R: Copy + Default, const SLOTS: usize> Leaf<R, SLOTS> {
    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Prefetches all of it.
    #[inline]
    pub fn prefetch(&self) {
        let start = std::ptr::from_ref(self).cast::<u8>();
        (0..size_of::<Self>()).step_by(CACHE_LINE).for_each(|at| prefetch(start.wrapping_add(at)));
    }

    #[inline]
    pub fn get(&self, at: usize) -> (f64, R) {
        (self.scores[..self.len()][at], self.references[at])
    }

    fn move_last(&mut self, right: &mut Self, count: usize) {
        let (from, to) = (self.len() - count..self.len(), right.len());
        copy_to_front(&self.scores, from.clone(), &mut right.scores, to);
        copy_to_front(&self.references, from, &mut right.references, to);
        (self.len, right.len) = (self.len - count as u8, right.len + count as u8);
    }

    fn move_first(&mut self, right: &mut Self, count: usize) {
        let (at, len) = (self.len(), right.len());
        copy_from_front(&mut self.scores, at, &mut right.scores, len, count);
        copy_from_front(&mut self.references, at, &mut right.references, len, count);
        (self.len, right.len) = (self.len + count as u8, right.len - count as u8);
    }
}

impl<R: Copy + Default, const SLOTS: usize> Inner<R, SLOTS> {
    fn new() -> Self {
        Inner {
            scores: [0.0; SLOTS],
            references: [R::default(); SLOTS],
            counts: [0; SLOTS],
            children: [const { None }; SLOTS],
            len: 0,
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    pub fn child(&self, at: usize) -> &Node<R, SLOTS> {
        self.children[at].as_ref().expect("below the number of children")
    }

    #[inline]
    fn child_mut(&mut self, at: usize) -> &mut Node<R, SLOTS> {
        self.children[at].as_mut().expect("below the number of children")
    }

    /// The entries below the children before `at`.
    #[inline]
    pub fn count_before(&self, at: usize) -> usize {
        self.counts[..at].iter().sum()
    }

    /// Takes out the first child of a node that is about to be dropped.
    pub fn take_first_child(&mut self) -> Option<Node<R, SLOTS>> {
        self.children[0].take()
    }

    /// Updates what is kept about a child: its first entry and its count.
    fn refresh(&mut self, at: usize) {
        let child = self.child(at);
        let (first, count) = (child.first(), child.count());
        (self.scores[at], self.references[at]) = first;
        self.counts[at] = count;
    }

    /// Puts a child in; [`Self::refresh`] comes afterwards.
    fn insert_child(&mut self, at: usize, child: Node<R, SLOTS>) {
        let len = self.len();
        insert_at(&mut self.scores, len, at, 0.0);
        insert_at(&mut self.references, len, at, R::default());
        insert_at(&mut self.counts, len, at, 0);
        self.children[at..=len].rotate_right(1);
        self.children[at] = Some(child);
        self.len += 1;
    }

    fn remove_child(&mut self, at: usize) {
        let len = self.len();
        self.scores.copy_within(at + 1..len, at);
        self.references.copy_within(at + 1..len, at);
        self.counts.copy_within(at + 1..len, at);
        self.children[at..len].rotate_left(1);
        self.children[len - 1] = None;
        self.len -= 1;
    }

    /// The child at `left` and the next.
    fn pair_mut(&mut self, left: usize) -> (&mut Node<R, SLOTS>, &mut Node<R, SLOTS>) {
        match &mut self.children[left..left + 2] {
            [Some(left), Some(right)] => (left, right),
            _ => unreachable!("below the number of children"),
        }
    }

    /// Of the two pairs of neighbours that `at` belongs to, the one with fewer entries: where it
    /// starts and how many entries it has. There is more than one child.
    fn smaller_pair(&self, at: usize) -> (usize, usize) {
        let entries = |left: usize| self.child(left).len() + self.child(left + 1).len();
        let lefts = at.saturating_sub(1)..(at + 1).min(self.len() - 1);
        lefts.map(|left| (left, entries(left))).min_by_key(|pair| pair.1).expect("it has a neighbour")
    }

    /// The child at `at` is full. `is_last` tells that it became so by an entry after all others.
    fn make_room(&mut self, at: usize, is_last: bool) {
        let sibling = self.child(at).new_sibling();
        let changed = if is_last {
            // Entries that come in order leave full nodes behind.
            self.insert_child(at + 1, sibling);
            let (left, right) = self.pair_mut(at);
            left.move_last(right, 1);
            at..at + 2
        } else if self.len == 1 {
            self.insert_child(1, sibling);
            let (left, right) = self.pair_mut(0);
            left.move_last(right, SLOTS / 2);
            0..2
        } else {
            let (left, entries) = self.smaller_pair(at);
            if entries <= Node::<R, SLOTS>::EVEN_MAX {
                let (left, right) = self.pair_mut(left);
                left.share(right, entries / 2);
            } else {
                self.insert_child(left + 1, sibling);
                let (first, second) = self.pair_mut(left);
                first.share(second, entries / 3);
                let (second, third) = self.pair_mut(left + 1);
                second.share(third, entries / 3);
            }
            left..left + if entries <= Node::<R, SLOTS>::EVEN_MAX { 2 } else { 3 }
        };
        changed.for_each(|child| self.refresh(child));
    }

    /// An entry below `at` is gone.
    fn after_removal(&mut self, at: usize) {
        let len = self.child(at).len();
        if len == 0 {
            return self.remove_child(at);
        }
        (self.scores[at], self.references[at]) = self.child(at).first();
        if len >= Node::<R, SLOTS>::LEN_MIN || self.len == 1 {
            return;
        }
        let (left, entries) = self.smaller_pair(at);
        let merged = entries <= Node::<R, SLOTS>::MERGED_MAX;
        let (first, second) = self.pair_mut(left);
        first.share(second, if merged { entries } else { entries / 2 });
        self.refresh(left);
        if merged { self.remove_child(left + 1) } else { self.refresh(left + 1) }
    }

    fn move_last(&mut self, right: &mut Self, count: usize) {
        let (from, to) = (self.len() - count..self.len(), right.len());
        copy_to_front(&self.scores, from.clone(), &mut right.scores, to);
        copy_to_front(&self.references, from.clone(), &mut right.references, to);
        copy_to_front(&self.counts, from.clone(), &mut right.counts, to);
        right.children[..to + count].rotate_right(count);
        right.children[..count].swap_with_slice(&mut self.children[from]);
        (self.len, right.len) = (self.len - count as u8, right.len + count as u8);
    }

    fn move_first(&mut self, right: &mut Self, count: usize) {
        let (at, len) = (self.len(), right.len());
        copy_from_front(&mut self.scores, at, &mut right.scores, len, count);
        copy_from_front(&mut self.references, at, &mut right.references, len, count);
        copy_from_front(&mut self.counts, at, &mut right.counts, len, count);
        self.children[at..at + count].swap_with_slice(&mut right.children[..count]);
        right.children[..len].rotate_left(count);
        (self.len, right.len) = (self.len + count as u8, right.len - count as u8);
    }
}

#[inline]
fn insert_at<T: Copy>(slots: &mut [T], len: usize, at: usize, value: T) {
    slots.copy_within(at..len, at + 1);
    slots[at] = value;
}

/// Copies `range` of `from` to the front of `to`, which has `len` values.
fn copy_to_front<T: Copy>(from: &[T], range: Range<usize>, to: &mut [T], len: usize) {
    to.copy_within(..len, range.len());
    to[..range.len()].copy_from_slice(&from[range]);
}

/// Moves the first `count` of `from`, which has `len` values, to `to` at `at`.
fn copy_from_front<T: Copy>(to: &mut [T], at: usize, from: &mut [T], len: usize, count: usize) {
    to[at..at + count].copy_from_slice(&from[..count]);
    from.copy_within(count..len, 0);
}
