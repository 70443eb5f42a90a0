//! The arguments that LMPOP, ZMPOP and the forms of them that wait have in common:
//! `numkeys key [key ...] <end> [COUNT count]`.

use super::prelude::*;
use std::ops::Range;

/// Where to take elements from, and how many.
pub struct MultiPop<End> {
    /// The indices of the keys among the arguments.
    pub keys: Range<usize>,
    pub end: End,
    pub count: usize,
}

impl<End> MultiPop<End> {
    /// Parses the arguments from the number of keys, at `number`, on.
    pub fn parse(
        args: &Args,
        number: usize,
        parse_end: impl FnOnce(&Args, usize) -> Result<End, CommandError>,
    ) -> Result<MultiPop<End>, CommandError> {
        let positive = |index, error| args.int(index).ok().filter(|&n| n > 0).ok_or(CommandError::new(error));
        let numkeys = positive(number, "ERR numkeys should be greater than 0")? as usize;
        let keys = number + 1..numkeys.saturating_add(number + 1);
        if keys.end >= args.len() {
            return Err(CommandError::SYNTAX);
        }
        let end = parse_end(args, keys.end)?;
        let count = match args.len() - keys.end {
            1 => 1,
            options @ 3.. if args.is(keys.end + 1, "count") => {
                let count = positive(keys.end + 2, "ERR count should be greater than 0")?;
                if options > 3 {
                    return Err(CommandError::SYNTAX);
                }
                count as usize
            }
            _ => return Err(CommandError::SYNTAX),
        };
        Ok(MultiPop { keys, end, count })
    }
}
