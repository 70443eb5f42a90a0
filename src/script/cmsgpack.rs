//! The library `cmsgpack`: values as MessagePack and back.
//!
//! COMPAT: it is that of Redis, which is older than the format's `bin` and `ext` types and knows
//! neither; what it cannot pack, and tables beyond a depth of 16, become nil.

use super::failure::{Result, STACK_MAX, bad_argument, failure};
use super::stack::{Index, Keys, Peeked, Stack, function};
use mlua::{Lua, Table};

/// Tables are packed to this depth.
const DEPTH_MAX: usize = 16;
/// Most of what is packed has no more bytes.
const USUAL_LEN: usize = 128;
/// Tables are unpacked to this depth: more would need a deep stack.
const UNPACK_DEPTH_MAX: usize = 1000;

pub fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("pack", function(lua, pack)?)?;
    library.raw_set("unpack", function(lua, |stack| unpack(stack, "unpack", 0, 0))?)?;
    library.raw_set("unpack_one", function(lua, unpack_one)?)?;
    library.raw_set("unpack_limit", function(lua, unpack_limit)?)?;
    library.raw_set("_NAME", "cmsgpack")?;
    library.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    library.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    library.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(library)
}

fn pack(stack: &mut Stack) -> Result<usize> {
    if stack.len() == 0 {
        return Err(bad_argument(0, "pack", "MessagePack pack needs input."));
    }
    let mut out = Vec::with_capacity(USUAL_LEN);
    stack.indices().try_for_each(|at| pack_value(&mut out, stack, at, 0))?;
    stack.push_string(&out);
    Ok(1)
}

fn pack_value(out: &mut Vec<u8>, stack: &mut Stack, at: Index, depth: usize) -> Result<()> {
    match stack.peek(at) {
        Peeked::Boolean(truth) => out.push(if truth { 0xc3 } else { 0xc2 }),
        Peeked::Number(number) => pack_number(out, number),
        Peeked::String(bytes) => {
            pack_header(out, bytes.len(), Some((0xa0, 31)), Some(0xd9), 0xda);
            out.extend_from_slice(bytes);
        }
        Peeked::Table if depth == DEPTH_MAX => out.push(0xc0),
        Peeked::Table => return pack_table(out, stack, at, depth + 1),
        Peeked::Absent | Peeked::Nil | Peeked::Null | Peeked::Other(_) => out.push(0xc0),
    }
    Ok(())
}

fn pack_integer(out: &mut Vec<u8>, integer: i64) {
    match integer {
        0..=0x7f => out.push(integer as u8),
        0x80..=0xff => out.extend_from_slice(&[0xcc, integer as u8]),
        0x100..=0xffff => pack_with(out, 0xcd, &(integer as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => pack_with(out, 0xce, &(integer as u32).to_be_bytes()),
        0x1_0000_0000.. => pack_with(out, 0xcf, &integer.to_be_bytes()),
        -32..0 => out.push(integer as u8),
        -0x80..-32 => out.extend_from_slice(&[0xd0, integer as u8]),
        -0x8000..-0x80 => pack_with(out, 0xd1, &(integer as i16).to_be_bytes()),
        -0x8000_0000..-0x8000 => pack_with(out, 0xd2, &(integer as i32).to_be_bytes()),
        _ => pack_with(out, 0xd3, &integer.to_be_bytes()),
    }
}

/// A number that has no fraction and fits.
fn as_integer(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number)).then_some(number as i64)
}

/// Integers as such, other numbers in four bytes if that loses nothing.
fn pack_number(out: &mut Vec<u8>, number: f64) {
    if let Some(integer) = as_integer(number) {
        return pack_integer(out, integer);
    }
    let single = number as f32;
    if single as f64 == number {
        pack_with(out, 0xca, &single.to_be_bytes());
    } else {
        pack_with(out, 0xcb, &number.to_be_bytes());
    }
}

fn pack_with(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    out.push(kind);
    out.extend_from_slice(bytes);
}

/// A length: within the kind's own byte, in one byte if there is such a kind, in two or in four.
fn pack_header(out: &mut Vec<u8>, len: usize, fix: Option<(u8, usize)>, byte: Option<u8>, two: u8) {
    match (fix, byte) {
        (Some((kind, max)), _) if len <= max => out.push(kind | len as u8),
        (_, Some(kind)) if len <= 0xff => out.extend_from_slice(&[kind, len as u8]),
        _ if len <= 0xffff => pack_with(out, two, &(len as u16).to_be_bytes()),
        _ => pack_with(out, two + 1, &(len as u32).to_be_bytes()),
    }
}

/// As an array if its keys are those of one, else as a map.
fn pack_table(out: &mut Vec<u8>, stack: &mut Stack, table: Index, depth: usize) -> Result<()> {
    let Keys { count, greatest } = stack.keys(table)?;
    if greatest == Some(count) {
        pack_header(out, count, Some((0x90, 15)), None, 0xdc);
        return stack.each_element(table, count, |stack, element| pack_value(out, stack, element, depth));
    }
    pack_header(out, count, Some((0x80, 15)), None, 0xde);
    stack.each_pair(table, |stack, key, value| {
        pack_value(out, stack, key, depth)?;
        pack_value(out, stack, value, depth)
    })
}

fn unpack_one(stack: &mut Stack) -> Result<usize> {
    let offset = stack.optional_integer(1, "unpack_one")?.unwrap_or(0);
    unpack(stack, "unpack_one", 1, offset)
}

fn unpack_limit(stack: &mut Stack) -> Result<usize> {
    stack.string(0, "unpack_limit")?;
    let limit = stack.integer(1, "unpack_limit")?;
    let offset = stack.optional_integer(2, "unpack_limit")?.unwrap_or(0);
    unpack(stack, "unpack_limit", limit, offset)
}

/// Unpacks up to `limit` values, and says first at which offset to go on, -1 at the end.
///
/// COMPAT: all values, and no offset, if both the limit and the offset are 0.
fn unpack(stack: &mut Stack, function: &str, limit: i64, offset: i64) -> Result<usize> {
    // What is unpacked is put on the stack that the string is on.
    let bytes = stack.string(0, function)?.to_vec();
    if offset < 0 || limit < 0 {
        return Err(failure(format_args!(
            "Invalid request to unpack with offset of {offset} and limit of {}.",
            bytes.len()
        )));
    }
    let Some(rest) = bytes.get(offset as usize..) else {
        return Err(failure(format_args!("Start offset {offset} greater than input length {}.", bytes.len())));
    };
    let takes_all = limit == 0 && offset == 0;
    let arguments = stack.len();
    let mut reader = Reader { stack, rest };
    for count in 0.. {
        if reader.rest.is_empty() || (!takes_all && count == limit as usize) {
            break;
        }
        if count + arguments >= STACK_MAX {
            return Err(failure(
                "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
            ));
        }
        reader.value(0)?;
    }
    let rest = reader.rest;
    if !takes_all {
        let next = if rest.is_empty() { -1.0 } else { (bytes.len() - rest.len()) as f64 };
        stack.push_number(next);
        stack.move_last_to(Index::argument(arguments));
    }
    Ok(stack.count_after(arguments))
}

/// What is left to be unpacked, and where the values go.
struct Reader<'a, 's> {
    stack: &'s mut Stack,
    rest: &'a [u8],
}

impl<'a> Reader<'a, '_> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| failure("Missing bytes in input."))?;
        self.rest = rest;
        Ok(taken)
    }

    /// An unsigned integer of this many bytes.
    fn unsigned(&mut self, len: usize) -> Result<u64> {
        Ok(self.take(len)?.iter().fold(0, |number, &byte| number << 8 | byte as u64))
    }

    /// A signed one.
    fn signed(&mut self, len: usize) -> Result<i64> {
        let unused = 64 - 8 * len as u32;
        Ok((self.unsigned(len)? << unused) as i64 >> unused)
    }

    /// Pushes the next value.
    fn value(&mut self, depth: usize) -> Result<()> {
        if depth > UNPACK_DEPTH_MAX {
            return Err(failure("Bad data format in input."));
        }
        self.stack.reserve()?;
        let kind = self.take(1)?[0];
        let number = match kind {
            0..=0x7f => kind as f64,
            0xca => f32::from_bits(self.unsigned(4)? as u32) as f64,
            0xcb => f64::from_bits(self.unsigned(8)?),
            0xcc..=0xce => self.unsigned(1 << (kind - 0xcc))? as f64,
            // COMPAT: as if it were signed.
            0xcf => self.unsigned(8)? as i64 as f64,
            0xd0..=0xd3 => self.signed(1 << (kind - 0xd0))? as f64,
            0xe0..=0xff => kind as i8 as f64,
            _ => return self.no_number(kind, depth),
        };
        self.stack.push_number(number);
        Ok(())
    }

    fn no_number(&mut self, kind: u8, depth: usize) -> Result<()> {
        match kind {
            0xc0 => self.stack.push_nil(),
            0xc2 | 0xc3 => self.stack.push_boolean(kind == 0xc3),
            0x80..=0x8f => self.map((kind & 15) as usize, depth)?,
            0x90..=0x9f => self.array((kind & 15) as usize, depth)?,
            0xa0..=0xbf => self.string((kind & 31) as usize)?,
            0xd9..=0xdb => {
                let len = self.unsigned(1 << (kind - 0xd9))? as usize;
                self.string(len)?;
            }
            0xdc | 0xdd => {
                let len = self.unsigned(2 << (kind - 0xdc))? as usize;
                self.array(len, depth)?;
            }
            0xde | 0xdf => {
                let len = self.unsigned(2 << (kind - 0xde))? as usize;
                self.map(len, depth)?;
            }
            _ => return Err(failure("Bad data format in input.")),
        }
        Ok(())
    }

    fn string(&mut self, len: usize) -> Result<()> {
        let bytes = self.take(len)?;
        self.stack.push_string(bytes);
        Ok(())
    }

    fn array(&mut self, len: usize, depth: usize) -> Result<()> {
        // Each element takes a byte at least, whatever the length says.
        let table = self.stack.push_table(len.min(self.rest.len()), 0);
        for number in 1..=len {
            self.value(depth + 1)?;
            self.stack.set_element(table, number);
        }
        Ok(())
    }

    fn map(&mut self, len: usize, depth: usize) -> Result<()> {
        let table = self.stack.push_table(0, len.min(self.rest.len() / 2));
        for _ in 0..len {
            self.value(depth + 1)?;
            match self.stack.peek(self.stack.top()) {
                Peeked::Nil => return Err(failure("table index is nil")),
                Peeked::Number(number) if number.is_nan() => return Err(failure("table index is NaN")),
                _ => (),
            }
            self.value(depth + 1)?;
            self.stack.set_pair(table);
        }
        Ok(())
    }
}
