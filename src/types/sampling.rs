//! Choosing elements at random from those that are passed one after the other.

use fastrand::Rng;

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
