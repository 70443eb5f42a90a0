//! The library `bit`: operations on 32 bits. What is given is taken modulo 2^32, and results are signed.

use super::failure::Result;
use super::stack::{Stack, function};
use mlua::{Lua, Table};

/// A number as 32 bits: the nearest integer, halves to even, modulo 2^32.
fn to_bits(number: f64) -> u32 {
    /// Added to a number below 2^51 it leaves its integer in the low bits.
    const SHIFTER: f64 = 6755399441055744.0;
    (number + SHIFTER).to_bits() as u32
}

pub fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    let add = |name: &'static str, f: fn(&Operands) -> Result<u32>| -> mlua::Result<()> {
        let function = function(lua, move |stack| {
            let result = f(&Operands { stack, name })?;
            stack.push_number(result as i32 as f64);
            Ok(1)
        })?;
        library.raw_set(name, function)
    };
    add("tobit", |of| of.get(0))?;
    add("bnot", |of| Ok(!of.get(0)?))?;
    add("bswap", |of| Ok(of.get(0)?.swap_bytes()))?;
    add("band", |of| of.fold(|a, b| a & b))?;
    add("bor", |of| of.fold(|a, b| a | b))?;
    add("bxor", |of| of.fold(|a, b| a ^ b))?;
    add("lshift", |of| Ok(of.get(0)? << (of.get(1)? & 31)))?;
    add("rshift", |of| Ok(of.get(0)? >> (of.get(1)? & 31)))?;
    add("arshift", |of| Ok((of.get(0)? as i32 >> (of.get(1)? & 31)) as u32))?;
    add("rol", |of| Ok(of.get(0)?.rotate_left(of.get(1)? & 31)))?;
    add("ror", |of| Ok(of.get(0)?.rotate_right(of.get(1)? & 31)))?;
    library.raw_set("tohex", function(lua, tohex)?)?;
    Ok(library)
}

/// The arguments of one operation.
struct Operands<'a> {
    stack: &'a Stack,
    name: &'static str,
}

impl Operands<'_> {
    fn get(&self, index: usize) -> Result<u32> {
        self.stack.number(index, self.name).map(to_bits)
    }

    fn fold(&self, f: impl Fn(u32, u32) -> u32) -> Result<u32> {
        let first = self.get(0)?;
        (1..self.stack.len()).try_fold(first, |so_far, index| Ok(f(so_far, self.get(index)?)))
    }
}

/// The last digits of a number in hexadecimal: eight, or that many; in capitals if that is negative.
fn tohex(stack: &mut Stack) -> Result<usize> {
    let of = Operands { stack, name: "tohex" };
    let number = of.get(0)?;
    let digits = if stack.len() > 1 { of.get(1)? as i32 } else { 8 };
    let text = if digits < 0 { format!("{number:08X}") } else { format!("{number:08x}") };
    let shown = digits.unsigned_abs().min(8) as usize;
    stack.push_string(&text.as_bytes()[8 - shown..]);
    Ok(1)
}

#[cfg(test)]
mod tests {
    use super::to_bits;

    #[test]
    fn numbers_are_rounded_and_wrap() {
        let cases = [(1.5, 2), (2.5, 2), (-1.5, -2), (4294967296.0, 0), (2147483648.0, i32::MIN), (-1.0, -1)];
        for (number, bits) in cases {
            assert_eq!(to_bits(number) as i32, bits, "{number}");
        }
    }
}
