//! Choosing elements at random from those that are passed one after the other.

use fastrand::Rng;

/// Whether `count` of `of` elements are so few that it costs less to pick each at random, again if it was picked
/// before, than to pass by all of them with a [`Selection`].
#[inline]
pub fn is_few(count: usize, of: usize) -> bool {
    /// Picking one of many at random costs about as much as passing by so many in order.
    const PASSED_PER_PICK: usize = 3;
    count.saturating_mul(PASSED_PER_PICK) < of
}

/// Takes `wanted` of `left` things that pass by one by one, each choice of so many being as likely as
/// any other: each thing is taken with the probability that is left for it (Knuth, The Art of
/// Computer Programming, volume 2, section 3.4.2, algorithm S).
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
