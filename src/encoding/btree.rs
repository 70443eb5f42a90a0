//! An order-statistic B+tree: entries in order, found by what they are or by their rank.
//!
//! An entry is a score and a reference to whatever else it stands for; the tree knows of the
//! reference only that it can be copied. The caller's predicates define the order: by score, and
//! among equal scores as the caller likes. What always holds:
//!
//! * Leaves hold up to 62 entries in order, scores and references apart. Inner nodes hold, for each
//!   child, its first entry and the number of entries below it. All leaves are at one depth.
//! * A search reads scores only, unless the caller's predicate looks at a reference; it need not
//!   do so but for equal scores.
//! * A node that fills up is evened out with a sibling; if both are nearly full they become three.
//!   One that gets sparse is evened out or merged. So nodes are 83 % full after random insertions
//!   (18 bytes an entry with references of 6), 75 % after many random changes, and all but full
//!   after insertions in order.
//! * There are no links between leaves: a walk finds the next one by its rank.

mod node;

use node::{Behind, Leaf, Node, Path, ToLast, ToRank};
use std::ops::Range;

/// The tree. Tests set `SLOTS`, the entries of a node, to small numbers.
pub struct BTree<R, const SLOTS: usize = 63> {
    root: Node<R, SLOTS>,
    len: usize,
}

impl<R: Copy + Default, const SLOTS: usize> Default for BTree<R, SLOTS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Copy + Default, const SLOTS: usize> BTree<R, SLOTS> {
    pub fn new() -> Self {
        BTree { root: Node::new_leaf(), len: 0 }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Allocated bytes.
    pub fn bytes(&self) -> usize {
        self.root.bytes()
    }

    /// Adds an entry behind all those for which `before` holds. Here and below, a predicate holds for
    /// no entry after one for which it does not.
    pub fn insert(&mut self, score: f64, reference: R, before: impl Fn(f64, R) -> bool) {
        let place = self.root.insert(score, reference, &mut Behind(before));
        self.len += 1;
        if self.root.is_full() {
            let root = std::mem::replace(&mut self.root, Node::new_leaf());
            self.root = Node::above(root, place.is_last);
        }
    }

    /// Adds an entry behind all others.
    pub fn push(&mut self, score: f64, reference: R) {
        self.insert(score, reference, |_, _| true);
    }

    /// Takes out the last entry for which `up_to` holds.
    ///
    /// # Panics
    ///
    /// If it holds for none.
    pub fn remove_last(&mut self, up_to: impl Fn(f64, R) -> bool) -> (f64, R) {
        self.take(&mut ToLast(up_to))
    }

    /// Takes out the entry of this rank.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn remove_at(&mut self, rank: usize) -> (f64, R) {
        assert!(rank < self.len, "rank {rank} of {}", self.len);
        self.take(&mut ToRank(rank))
    }

    fn take(&mut self, path: &mut impl Path<R, SLOTS>) -> (f64, R) {
        let entry = self.root.remove(path);
        self.len -= 1;
        while let Node::Inner(inner) = &mut self.root
            && inner.len() <= 1
        {
            self.root = inner.take_first_child().unwrap_or_else(Node::new_leaf);
        }
        entry
    }

    /// The number of entries for which `before` holds: the rank of the first one behind them.
    pub fn partition_point(&self, before: impl Fn(f64, R) -> bool) -> usize {
        let (leaf, at, rank) = self.descend(&mut Behind(before));
        debug_assert!(at <= leaf.len());
        rank + at
    }

    /// Prefetches the leaf that [`Self::insert`] would add such an entry to.
    pub fn prefetch(&self, before: impl Fn(f64, R) -> bool) {
        let mut node = &self.root;
        while let Node::Inner(inner) = node {
            node = inner.child(Behind(&before).child(inner));
        }
        if let Node::Leaf(leaf) = node {
            leaf.prefetch();
        }
    }

    /// The entry of this rank.
    pub fn get(&self, rank: usize) -> Option<(f64, R)> {
        if rank >= self.len {
            return None;
        }
        let (leaf, at, _) = self.descend(&mut ToRank(rank));
        Some(leaf.get(at))
    }

    /// The leaf at the end of `path`, the place in it, and the rank of its first entry.
    fn descend(&self, path: &mut impl Path<R, SLOTS>) -> (&Leaf<R, SLOTS>, usize, usize) {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf, path.slot(leaf), rank),
                Node::Inner(inner) => {
                    let child = path.child(inner);
                    rank += inner.count_before(child);
                    node = inner.child(child);
                }
            }
        }
    }

    /// The entries of these ranks in order.
    ///
    /// # Panics
    ///
    /// If the range ends beyond the last entry.
    pub fn range(&self, ranks: Range<usize>) -> Iter<'_, R, SLOTS> {
        assert!(ranks.end <= self.len, "end {} of {}", ranks.end, self.len);
        Iter { tree: self, ranks, front: None, back: None }
    }

    /// All entries in order.
    pub fn iter(&self) -> Iter<'_, R, SLOTS> {
        self.range(0..self.len)
    }
}

/// Entries of a [`BTree`], from either end.
pub struct Iter<'a, R, const SLOTS: usize> {
    tree: &'a BTree<R, SLOTS>,
    /// The ranks still to be visited.
    ranks: Range<usize>,
    /// The leaf of the first of them and the place in it, once looked up.
    front: Option<(&'a Leaf<R, SLOTS>, usize)>,
    /// The leaf of the last of them and the place behind it, once looked up.
    back: Option<(&'a Leaf<R, SLOTS>, usize)>,
}

impl<R: Copy + Default, const SLOTS: usize> Iterator for Iter<'_, R, SLOTS> {
    type Item = (f64, R);

    #[inline]
    fn next(&mut self) -> Option<(f64, R)> {
        let rank = self.ranks.next()?;
        let (leaf, at) = match self.front {
            Some((leaf, at)) if at < leaf.len() => (leaf, at),
            _ => {
                let (leaf, at, _) = self.tree.descend(&mut ToRank(rank));
                (leaf, at)
            }
        };
        self.front = Some((leaf, at + 1));
        Some(leaf.get(at))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl<R: Copy + Default, const SLOTS: usize> DoubleEndedIterator for Iter<'_, R, SLOTS> {
    #[inline]
    fn next_back(&mut self) -> Option<(f64, R)> {
        let rank = self.ranks.next_back()?;
        let (leaf, at) = match self.back {
            Some((leaf, behind)) if behind > 0 => (leaf, behind - 1),
            _ => {
                let (leaf, at, _) = self.tree.descend(&mut ToRank(rank));
                (leaf, at)
            }
        };
        self.back = Some((leaf, at));
        Some(leaf.get(at))
    }
}

impl<R: Copy + Default, const SLOTS: usize> ExactSizeIterator for Iter<'_, R, SLOTS> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Few scores and many references, so that there are many ties.
    type Entry = (f64, u16);

    fn before(entry: Entry) -> impl Fn(f64, u16) -> bool {
        move |score, reference| score < entry.0 || score == entry.0 && reference < entry.1
    }

    fn up_to(entry: Entry) -> impl Fn(f64, u16) -> bool {
        move |score, reference| !before((score, reference))(entry.0, entry.1)
    }

    fn entry(n: u16) -> Entry {
        (f64::from(n % 7), n)
    }

    #[derive(Clone, Debug)]
    enum Operation {
        Insert(u16),
        /// So many entries from one on, each with a higher score.
        Push(u16, u8),
        Remove(u16),
        RemoveAt(u16),
        /// So many of the entries from a rank on, first or last ones first.
        RemoveMany(u16, u8, bool),
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            8 => any::<u16>().prop_map(Operation::Insert),
            2 => (any::<u16>(), any::<u8>()).prop_map(|(from, count)| Operation::Push(from, count)),
            3 => any::<u16>().prop_map(Operation::Remove),
            2 => any::<u16>().prop_map(Operation::RemoveAt),
            1 => (any::<u16>(), 0..40u8, any::<bool>()).prop_map(|(at, count, up)| Operation::RemoveMany(at, count, up)),
        ]
    }

    /// Makes the same changes to a tree and to a sorted vector.
    fn change<const SLOTS: usize>(operation: Operation, tree: &mut BTree<u16, SLOTS>, oracle: &mut Vec<Entry>) {
        let insert = |tree: &mut BTree<u16, SLOTS>, oracle: &mut Vec<Entry>, new: Entry| {
            let at = oracle.partition_point(|old| before(new)(old.0, old.1));
            if oracle.get(at) != Some(&new) {
                oracle.insert(at, new);
                tree.insert(new.0, new.1, before(new));
            }
        };
        match operation {
            Operation::Insert(n) => insert(tree, oracle, entry(n)),
            Operation::Push(from, count) => {
                (0..u16::from(count)).for_each(|i| insert(tree, oracle, (f64::from(i) + 0.5, from.wrapping_add(i))));
            }
            Operation::Remove(n) if !oracle.is_empty() => {
                let at = usize::from(n) % oracle.len();
                let old = oracle.remove(at);
                assert_eq!(tree.remove_last(up_to(old)), old);
            }
            Operation::RemoveAt(n) if !oracle.is_empty() => {
                let at = usize::from(n) % oracle.len();
                assert_eq!(tree.remove_at(at), oracle.remove(at));
            }
            Operation::RemoveMany(at, count, up) => {
                let start = usize::from(at) % (oracle.len() + 1);
                let end = oracle.len().min(start + usize::from(count));
                let mut removed: Vec<Entry> = oracle.drain(start..end).collect();
                if !up {
                    removed.reverse();
                }
                let at = |i| if up { start } else { end - 1 - i };
                let from_tree: Vec<Entry> = (0..removed.len()).map(|i| tree.remove_at(at(i))).collect();
                assert_eq!(from_tree, removed);
            }
            _ => {}
        }
    }

    fn assert_same<const SLOTS: usize>(tree: &BTree<u16, SLOTS>, oracle: &[Entry]) {
        tree.root.check();
        assert_eq!(tree.len(), oracle.len());
        assert!(tree.iter().eq(oracle.iter().copied()));
        assert!(tree.iter().rev().eq(oracle.iter().rev().copied()));
        for (rank, &entry) in oracle.iter().enumerate() {
            assert_eq!(tree.get(rank), Some(entry));
            assert_eq!(tree.partition_point(before(entry)), rank);
            assert_eq!(tree.partition_point(up_to(entry)), rank + 1);
        }
        assert_eq!(tree.get(oracle.len()), None);
        for score in 0..8 {
            let by_score = |old: f64, _| old < f64::from(score);
            assert_eq!(tree.partition_point(by_score), oracle.partition_point(|old| by_score(old.0, old.1)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// With small nodes, so that there are many levels.
        #[test]
        fn behaves_as_a_sorted_vector(operations in prop::collection::vec(operation(), 0..120), from in any::<u16>(), count in any::<u16>()) {
            let (mut tree, mut oracle) = (BTree::<u16, 8>::new(), Vec::new());
            for operation in operations {
                change(operation, &mut tree, &mut oracle);
                tree.root.check();
            }
            assert_same(&tree, &oracle);
            // A range from both ends in turn.
            let start = usize::from(from) % (oracle.len() + 1);
            let end = start + usize::from(count) % (oracle.len() - start + 1);
            let (mut range, mut expected) = (tree.range(start..end), oracle[start..end].iter().copied());
            while let Some(first) = expected.next() {
                prop_assert_eq!(range.next(), Some(first));
                prop_assert_eq!(range.next_back(), expected.next_back());
                prop_assert_eq!(range.len(), expected.len());
            }
            prop_assert_eq!(range.next(), None);
        }

        #[test]
        fn behaves_so_with_nodes_of_the_usual_size(operations in prop::collection::vec(operation(), 0..300)) {
            let (mut tree, mut oracle) = (BTree::<u16>::new(), Vec::new());
            operations.into_iter().for_each(|operation| change(operation, &mut tree, &mut oracle));
            assert_same(&tree, &oracle);
        }
    }

    #[test]
    fn nodes_stay_well_filled() {
        const ENTRIES: u32 = 100_000;
        let bytes_each = |tree: &BTree<[u8; 6]>| tree.bytes() as f64 / tree.len() as f64;
        let mut rng = fastrand::Rng::with_seed(5);
        let mut tree = BTree::new();
        let mut add = |tree: &mut BTree<[u8; 6]>| {
            let score = rng.f64();
            tree.insert(score, [0; 6], |old, _| old < score);
        };
        (0..ENTRIES).for_each(|_| add(&mut tree));
        assert!(bytes_each(&tree) < 18.2, "{}", bytes_each(&tree));
        let mut rng = fastrand::Rng::with_seed(6);
        for _ in 0..3 * ENTRIES {
            tree.remove_at(rng.usize(..tree.len()));
            add(&mut tree);
        }
        assert!(bytes_each(&tree) < 20.0, "{}", bytes_each(&tree));
        (0..ENTRIES / 2).for_each(|_| _ = tree.remove_at(rng.usize(..tree.len())));
        assert!(bytes_each(&tree) < 25.0, "{}", bytes_each(&tree));

        let mut tree = BTree::new();
        (0..ENTRIES).for_each(|n| tree.push(f64::from(n), [0; 6]));
        assert!(bytes_each(&tree) < 15.5, "{}", bytes_each(&tree));
    }

    #[test]
    fn a_leaf_is_one_block_of_the_allocator() {
        assert!((880..=896).contains(&size_of::<Leaf<[u8; 6], 63>>()));
    }
}
