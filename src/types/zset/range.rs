//! Ranges of a sorted set by score and by member.

/// A range in the order of a sorted set, told by what comes before its start and before its end.
/// What does so comes before all that does not, so both ends are found by bisection. `member` is
/// called only where the score cannot tell.
pub trait Interval {
    /// Whether an entry comes before the start.
    fn starts_after<'m>(&self, score: f64, member: impl FnOnce() -> &'m [u8]) -> bool;
    /// Whether an entry comes before the end.
    fn ends_after<'m>(&self, score: f64, member: impl FnOnce() -> &'m [u8]) -> bool;
}

/// Where a range by score starts or ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreBound {
    pub score: f64,
    /// The score itself is not in the range.
    pub excluded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    pub min: ScoreBound,
    pub max: ScoreBound,
}

impl Interval for ScoreRange {
    #[inline]
    fn starts_after<'m>(&self, score: f64, _: impl FnOnce() -> &'m [u8]) -> bool {
        score < self.min.score || self.min.excluded && score == self.min.score
    }

    #[inline]
    fn ends_after<'m>(&self, score: f64, _: impl FnOnce() -> &'m [u8]) -> bool {
        score < self.max.score || !self.max.excluded && score == self.max.score
    }
}

/// Where a range by member starts or ends. Members compare byte by byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LexBound<'a> {
    /// Before all members.
    Lowest,
    /// After all members.
    Highest,
    Included(&'a [u8]),
    Excluded(&'a [u8]),
}

/// A range by member. It is only meaningful where all scores are the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LexRange<'a> {
    pub min: LexBound<'a>,
    pub max: LexBound<'a>,
}

impl Interval for LexRange<'_> {
    #[inline]
    fn starts_after<'m>(&self, _: f64, member: impl FnOnce() -> &'m [u8]) -> bool {
        match self.min {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Included(min) => member() < min,
            LexBound::Excluded(min) => member() <= min,
        }
    }

    #[inline]
    fn ends_after<'m>(&self, _: f64, member: impl FnOnce() -> &'m [u8]) -> bool {
        match self.max {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Included(max) => member() <= max,
            LexBound::Excluded(max) => member() < max,
        }
    }
}
