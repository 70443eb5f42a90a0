//! Choosing elements at random from those that are passed one after the other.

use fastrand::Rng;

/// Whether picking `count` of `of` elements one by one at random, again if one was picked before, costs less
/// than passing over all of them with a [`Selection`].
#[inline]
pub fn is_few(count: usize, of: usize) -> bool {
    /// Picking one element at random costs about as much as passing over this many in order.
    const PASSED_PER_PICK: usize = 3;
    count.saturating_mul(PASSED_PER_PICK) < of
}

/// Selects `wanted` of `left` things as they pass by, each choice of that many being equally likely:
/// a thing is taken with probability `wanted / left` (Knuth, The Art of Computer Programming, volume
/// 2, section 3.4.2, algorithm S).
pub struct Selection {
    wanted: usize,
    left: usize,
}

impl Selection {
    /// `wanted` may be more than there are: then all are taken.
    pub fn new(wanted: usize, of: usize) -> Selection {
        Selection { wanted: wanted.min(of), left: of }
    }

    /// Whether to take the next thing.
    #[inline]
    pub fn takes_next(&mut self, rng: &mut Rng) -> bool {
        let takes = rng.usize(..self.left) < self.wanted;
        self.wanted -= takes as usize;
        self.left -= 1;
        takes
    }
}
