//! The arguments that HRANDFIELD and ZRANDMEMBER have in common: `key count [WITHVALUES]`.

use super::prelude::*;

/// How many elements are wanted at random.
pub struct Sampling {
    count: i64,
    /// Values or scores are wanted as well.
    pub with_values: bool,
}

impl Sampling {
    pub fn parse(args: &Args, with_values: &str) -> Result<Sampling, CommandError> {
        let count = args.int_in(2, -i64::MAX..=i64::MAX)?;
        let with_values = match args.len() {
            3 => false,
            4 if args.is(3, with_values) => true,
            _ => return Err(CommandError::SYNTAX),
        };
        if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(CommandError::new("ERR value is out of range"));
        }
        Ok(Sampling { count, with_values })
    }

    /// Whether an element may be picked more than once: a negative count says so.
    pub fn repeats(&self) -> bool {
        self.count < 0
    }

    /// How many are picked of `len` elements.
    pub fn picks(&self, len: usize) -> usize {
        if self.repeats() { self.count.unsigned_abs() as usize } else { len.min(self.count as usize) }
    }
}
