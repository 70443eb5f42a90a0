//! `math.random` and `math.randomseed`.
//!
//! COMPAT: a script that seeds it gets the numbers that Redis gives: those of `lrand48`, a linear
//! congruential generator of 48 bits.

use super::failure::{Result, bad_argument, failure};
use super::stack::{Stack, function};
use mlua::{Lua, Table};
use std::cell::Cell;
use std::rc::Rc;

const MULTIPLIER: u64 = 0x5_deec_e66d;
const INCREMENT: u64 = 0xb;
const MASK: u64 = (1 << 48) - 1;
/// What a seed is followed by in the state.
const SEED_LOW: u64 = 0x330e;
/// The greatest number that comes out of it.
const MAX: i32 = i32::MAX;

/// The generator of one interpreter.
struct Generator(Cell<u64>);

impl Generator {
    fn seed(&self, seed: i32) {
        self.0.set((seed as u32 as u64) << 16 | SEED_LOW);
    }

    /// From 0 to before 1.
    fn next(&self) -> f64 {
        let state = self.0.get().wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
        self.0.set(state);
        let number = (state >> 17) as i32;
        (number % MAX) as f64 / MAX as f64
    }
}

/// Adds `random` and `randomseed` to `host`.
pub fn register(lua: &Lua, host: &Table, seed: u64) -> mlua::Result<()> {
    let generator = Rc::new(Generator(Cell::new(seed & MASK)));
    let seeded = generator.clone();
    host.raw_set("random", function(lua, move |stack| random(stack, &generator))?)?;
    host.raw_set(
        "randomseed",
        function(lua, move |stack| {
            seeded.seed(stack.integer(0, "randomseed")? as i32);
            Ok(0)
        })?,
    )
}

fn random(stack: &mut Stack, generator: &Generator) -> Result<usize> {
    let integer = |index| stack.integer(index, "random").map(|number| number as i32);
    let next = generator.next();
    let arguments = stack.len();
    let (low, high) = match arguments {
        0 => {
            stack.push_number(next);
            return Ok(1);
        }
        1 => (1, integer(0)?),
        2 => (integer(0)?, integer(1)?),
        _ => return Err(failure("wrong number of arguments")),
    };
    if low > high {
        return Err(bad_argument(arguments, "random", "interval is empty"));
    }
    let width = (high as i64 - low as i64 + 1) as f64;
    stack.push_number((next * width).floor() + low as f64);
    Ok(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_seed_are_those_of_redis() {
        let generator = Generator(Cell::new(0));
        generator.seed(0);
        assert_eq!(format!("{:.14}", generator.next()), "0.17082803611217");
        generator.seed(-5);
        assert_eq!(format!("{:.14}", generator.next()), "0.81681649285220");
    }
}
