//! The library `struct`: values as bytes laid out as a format says, and back.
//!
//! | in a format | stands for |
//! |---|---|
//! | `>` `<` | big or little endian from here on |
//! | `!n` | alignment up to `n` (a power of two; 8 without a number) from here on |
//! | `b` `h` `l` `i`, `B` `H` `L` `I` `T` | signed and unsigned integers; after `i` and `I` may be their size |
//! | `f` `d` | floating point |
//! | `s` | a string that a zero ends |
//! | `cn` | a string of `n` bytes; `c0` all of it, or as many as the number before it said |
//! | `x` | a byte of padding |

use super::failure::{Failure, Result, STACK_MAX, bad_argument, failure};
use super::stack::{Peeked, Stack, function};
use mlua::{Lua, Table};

/// The widest integer.
const INTEGER_MAX: usize = 32;
/// Alignment of `!` without a number.
const ALIGN_DEFAULT: usize = 8;

pub fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("pack", function(lua, pack)?)?;
    library.raw_set("unpack", function(lua, unpack)?)?;
    library.raw_set("size", function(lua, size)?)?;
    Ok(library)
}

/// One thing that a format asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Item {
    Padding,
    Integer {
        size: usize,
        signed: bool,
    },
    Float,
    Double,
    /// Ended by a zero.
    Terminated,
    Bytes(usize),
    /// COMPAT: `size` takes it for nothing, the others refuse it.
    Unknown(u8),
}

impl Item {
    fn size(self) -> usize {
        match self {
            Item::Padding => 1,
            Item::Integer { size, .. } => size,
            Item::Float => 4,
            Item::Double => 8,
            Item::Terminated | Item::Unknown(_) => 0,
            Item::Bytes(len) => len,
        }
    }
}

/// A format as it is read.
struct Format<'a> {
    rest: &'a [u8],
    big_endian: bool,
    align: usize,
}

impl<'a> Format<'a> {
    fn new(text: &'a [u8]) -> Format<'a> {
        Format { rest: text, big_endian: false, align: 1 }
    }

    /// The number that follows, if there is one.
    fn number(&mut self) -> Result<Option<usize>> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let value = number.iter().try_fold(0usize, |value, &digit| {
            let value = value * 10 + (digit - b'0') as usize;
            (value <= i32::MAX as usize).then_some(value)
        });
        let value = value.ok_or_else(|| failure("integral size overflow"))?;
        Ok((digits > 0).then_some(value))
    }

    fn integer_size(&mut self) -> Result<usize> {
        let size = self.number()?.unwrap_or(4);
        if size > INTEGER_MAX {
            return Err(failure(format_args!("integral size {size} is larger than limit of {INTEGER_MAX}")));
        }
        Ok(size)
    }

    /// The next item; what comes between items changes how they are laid out.
    fn next(&mut self) -> Result<Option<Item>> {
        while let Some((&option, rest)) = self.rest.split_first() {
            self.rest = rest;
            let integer = |size, signed| Item::Integer { size, signed };
            return Ok(Some(match option {
                b' ' => continue,
                b'>' => {
                    self.big_endian = true;
                    continue;
                }
                b'<' => {
                    self.big_endian = false;
                    continue;
                }
                b'!' => {
                    let align = self.number()?.unwrap_or(ALIGN_DEFAULT);
                    if !align.is_power_of_two() {
                        return Err(failure(format_args!("alignment {align} is not a power of 2")));
                    }
                    self.align = align;
                    continue;
                }
                b'x' => Item::Padding,
                b'b' => integer(1, true),
                b'B' => integer(1, false),
                b'h' => integer(2, true),
                b'H' => integer(2, false),
                b'l' => integer(8, true),
                b'L' | b'T' => integer(8, false),
                b'i' => integer(self.integer_size()?, true),
                b'I' => integer(self.integer_size()?, false),
                b'f' => Item::Float,
                b'd' => Item::Double,
                b's' => Item::Terminated,
                b'c' => Item::Bytes(self.number()?.unwrap_or(1)),
                _ => Item::Unknown(option),
            }));
        }
        Ok(None)
    }

    /// Bytes of padding before an item at `position`.
    fn padding(&self, item: Item, position: usize) -> usize {
        let align = match item {
            Item::Padding | Item::Terminated | Item::Bytes(_) | Item::Unknown(_) => 1,
            item => item.size().min(self.align),
        };
        // COMPAT: the same arithmetic for sizes that are no power of two.
        if align > 1 { (align - (position & (align - 1))) & (align - 1) } else { 0 }
    }
}

fn unknown(option: u8, function: &str) -> Failure {
    bad_argument(1, function, format_args!("invalid format option '{}'", option.escape_ascii()))
}

fn pack(stack: &mut Stack) -> Result<usize> {
    let mut format = Format::new(stack.string(0, "pack")?);
    let mut out: Vec<u8> = Vec::new();
    let mut next = 1;
    while let Some(item) = format.next()? {
        out.resize(out.len() + format.padding(item, out.len()), 0);
        let index = next;
        next += (item != Item::Padding) as usize;
        match item {
            Item::Padding => out.push(0),
            Item::Unknown(option) => return Err(unknown(option, "pack")),
            Item::Integer { size, .. } => {
                let number = number(stack, index)?;
                // COMPAT: negative numbers wrap, whatever the sign of the format.
                let bits = if number < 0.0 { number as i64 as u64 } else { unsigned_bits(number) };
                let bytes = (0..size).map(|i| if i < 8 { (bits >> (8 * i)) as u8 } else { 0 });
                let start = out.len();
                out.extend(bytes);
                if format.big_endian {
                    out[start..].reverse();
                }
            }
            Item::Float => push_float(&mut out, format.big_endian, (number(stack, index)? as f32).to_le_bytes()),
            Item::Double => push_float(&mut out, format.big_endian, number(stack, index)?.to_le_bytes()),
            Item::Terminated | Item::Bytes(_) => {
                let bytes = stack.string(index, "pack")?;
                let len = match item {
                    Item::Bytes(len @ 1..) => len,
                    _ => bytes.len(),
                };
                let bytes = bytes.get(..len).ok_or_else(|| bad_argument(index + 2, "pack", "string too short"))?;
                out.extend_from_slice(bytes);
                if item == Item::Terminated {
                    out.push(0);
                }
            }
        }
    }
    stack.push_string(&out);
    Ok(1)
}

/// COMPAT: what 64 bits do not hold is what a processor of x86 makes of it.
fn unsigned_bits(number: f64) -> u64 {
    const LIMIT: f64 = 18_446_744_073_709_551_616.0;
    match number {
        _ if number.is_nan() => 1 << 63,
        _ if number >= LIMIT => 0,
        _ => number as u64,
    }
}

/// COMPAT: an argument that is not there is called nil.
fn number(stack: &Stack, index: usize) -> Result<f64> {
    if index >= stack.len() {
        return Err(bad_argument(index + 1, "pack", "number expected, got nil"));
    }
    stack.number(index, "pack")
}

fn push_float<const N: usize>(out: &mut Vec<u8>, big_endian: bool, mut bytes: [u8; N]) {
    if big_endian {
        bytes.reverse();
    }
    out.extend_from_slice(&bytes);
}

fn unpack(stack: &mut Stack) -> Result<usize> {
    // What is unpacked is put on the stack that these are on.
    let text = stack.string(0, "unpack")?.to_vec();
    let data = stack.string(1, "unpack")?.to_vec();
    let arguments = stack.len();
    let offset = stack.optional_integer(2, "unpack")?.unwrap_or(1);
    if offset < 1 {
        return Err(bad_argument(3, "unpack", "offset must be 1 or greater"));
    }
    let too_short = || bad_argument(2, "unpack", "data string too short");
    let mut position = offset as usize - 1;
    let mut format = Format::new(&text);
    while let Some(item) = format.next()? {
        if stack.len() >= STACK_MAX {
            return Err(failure("stack overflow (too many results)"));
        }
        stack.reserve()?;
        position += format.padding(item, position);
        let mut take = |len: usize| {
            let end = position.checked_add(len).filter(|&end| end <= data.len()).ok_or_else(too_short)?;
            let taken = &data[position..end];
            position = end;
            Ok::<_, Failure>(taken)
        };
        match item {
            Item::Padding => drop(take(1)?),
            Item::Unknown(option) => return Err(unknown(option, "unpack")),
            Item::Integer { size, signed } => {
                stack.push_number(integer(take(size)?, format.big_endian, signed));
            }
            Item::Float => {
                let bits = unsigned(take(4)?, format.big_endian) as u32;
                stack.push_number(f32::from_bits(bits) as f64);
            }
            Item::Double => {
                let bits = unsigned(take(8)?, format.big_endian);
                stack.push_number(f64::from_bits(bits));
            }
            Item::Bytes(0) => {
                let last = stack.top();
                let len = match stack.peek(last) {
                    _ if stack.len() == arguments => return Err(failure("format 'c0' needs a previous size")),
                    Peeked::Number(len) if len >= 0.0 => len as usize,
                    Peeked::Number(_) => return Err(too_short()),
                    _ => return Err(failure("format 'c0' needs a previous size")),
                };
                stack.pop_from(last);
                stack.push_string(take(len)?);
            }
            Item::Bytes(len) => stack.push_string(take(len)?),
            Item::Terminated => {
                let rest = data.get(position..).ok_or_else(too_short)?;
                let len = memchr::memchr(0, rest).ok_or_else(|| failure("unfinished string in data"))?;
                stack.push_string(&rest[..len]);
                position += len + 1;
            }
        }
    }
    stack.push_number(position as f64 + 1.0);
    Ok(stack.count_after(arguments))
}

/// The low 64 bits of an integer.
fn unsigned(bytes: &[u8], big_endian: bool) -> u64 {
    let add = |number: u64, &byte: &u8| number << 8 | byte as u64;
    if big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
}

fn integer(bytes: &[u8], big_endian: bool, signed: bool) -> f64 {
    let bits = unsigned(bytes, big_endian);
    if !signed {
        return bits as f64;
    }
    let unused = 64 - 8 * bytes.len().clamp(1, 8) as u32;
    ((bits << unused) as i64 >> unused) as f64
}

fn size(stack: &mut Stack) -> Result<usize> {
    let mut format = Format::new(stack.string(0, "size")?);
    let mut position = 0;
    while let Some(item) = format.next()? {
        position += format.padding(item, position);
        match item {
            Item::Terminated => return Err(bad_argument(1, "size", "option 's' has no fixed size")),
            Item::Bytes(0) => return Err(bad_argument(1, "size", "option 'c0' has no fixed size")),
            item => position += item.size(),
        }
    }
    stack.push_number(position as f64);
    Ok(1)
}
