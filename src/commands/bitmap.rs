//! Strings as bitmaps: commands on single bits, ranges and fields of bits, over `encoding/bits.rs`.

use super::prelude::*;
use super::string::{index_range, is_reversed};
use crate::config::Config;
use crate::encoding::bits::{self, FieldType, Operation, Overflow};
use crate::encoding::number;
use crate::keyspace::{NewExpiry, WrongType};
use crate::types::string::NewString;
use smallvec::SmallVec;
use std::ops::Range;

pub const COMMANDS: &[&Command] = &[&BITCOUNT, &BITFIELD, &BITFIELD_RO, &BITOP, &BITPOS, &GETBIT, &SETBIT];

pub const SETBIT: Command = Command {
    name: "setbit",
    summary: "Sets or clears a bit",
    since: "2.2.0",
    group: Group::Bitmap,
    arity: 4,
    flags: WRITE | DENYOOM,
    categories: category::BITMAP,
    keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
    args: "key:key#0 offset:int value:int",
    handler: Handler::Data(setbit),
    ..Command::DEFAULT
};

fn setbit(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[1];
    let offset = bit_offset(args, 2, ctx.config, None)?;
    let bit = match args.int(3) {
        Ok(bit @ 0..=1) => bit == 1,
        _ => return Err(CommandError::new("ERR bit is not an integer or out of range")),
    };
    let (before, grown) = {
        let mut string = ctx.keyspace.write_string_or_empty(key)?;
        let len = offset / 8 + 1;
        let grown = string.get().len() < len;
        (bits::set_bit(string.bytes_mut(len), offset, bit), grown)
    };
    if grown || before != bit {
        ctx.keyspace.changed(EventClass::STRING, "setbit", key);
    }
    ctx.reply.integer(before as i64);
    Ok(())
}

/// An argument that is the offset of a bit, within the longest string there may be. Where fields of
/// some `width` are addressed, `#n` is that of the nth one.
fn bit_offset(args: &Args, index: usize, config: &Config, width: Option<u32>) -> Result<usize, CommandError> {
    let text = args.get(index);
    let (text, scale) = match (text, width) {
        ([b'#', number @ ..], Some(width)) => (number, width as i64),
        _ => (text, 1),
    };
    number::parse_i64(text)
        .and_then(|number| number.checked_mul(scale))
        .filter(|&offset| offset >= 0 && offset / 8 < config.proto_max_bulk_len as i64)
        .map(|offset| offset as usize)
        .ok_or(CommandError::new("ERR bit offset is not an integer or out of range"))
}

pub const GETBIT: Command = Command {
    name: "getbit",
    summary: "Gets a bit",
    since: "2.2.0",
    group: Group::Bitmap,
    arity: 3,
    flags: READONLY | FAST,
    categories: category::BITMAP,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 offset:int",
    handler: Handler::Data(getbit),
    ..Command::DEFAULT
};

fn getbit(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let offset = bit_offset(args, 2, ctx.config, None)?;
    let bit = read(ctx, &args[1], |bytes| bits::get_bit(bytes.unwrap_or_default(), offset))?;
    ctx.reply.integer(bit as i64);
    Ok(())
}

/// Calls `f` with the bytes of a string.
fn read<R>(ctx: &mut DataContext, key: &[u8], f: impl FnOnce(Option<&[u8]>) -> R) -> Result<R, WrongType> {
    ctx.keyspace.read_string(key, |string| match string {
        None => f(None),
        Some(string) => f(Some(string.bytes(&mut itoa::Buffer::new()))),
    })
}

pub const BITCOUNT: Command = Command {
    name: "bitcount",
    summary: "Counts the set bits",
    since: "2.6.0",
    group: Group::Bitmap,
    arity: -2,
    flags: READONLY,
    categories: category::BITMAP,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 range{start:int end:int unit(byte=BYTE | bit=BIT)?^7.0.0}?",
    handler: Handler::Data(bitcount),
    ..Command::DEFAULT
};

fn bitcount(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let count = read(ctx, &args[1], |bytes| {
        // COMPAT: the other arguments are not looked at where there is no key.
        let Some(bytes) = bytes else { return Ok(0) };
        let range = match args.len() {
            2 => 0..bytes.len() * 8,
            4 | 5 => {
                let (start, end) = (args.int(2)?, args.int(3)?);
                // COMPAT: nor is the unit then.
                if is_reversed(start, end) {
                    return Ok(0);
                }
                let unit = unit(args, 4)?;
                in_bits(index_range(start, end, bytes.len() * 8 / unit), unit)
            }
            _ => return Err(CommandError::SYNTAX),
        };
        Ok(bits::count(bytes, range))
    })??;
    ctx.reply.integer(count as i64);
    Ok(())
}

/// The bits in the unit that an argument names: BYTE, which may be left out, or BIT.
fn unit(args: &Args, index: usize) -> Result<usize, CommandError> {
    match index {
        _ if index >= args.len() || args.is(index, "BYTE") => Ok(8),
        _ if args.is(index, "BIT") => Ok(1),
        _ => Err(CommandError::SYNTAX),
    }
}

fn in_bits(range: Range<usize>, unit: usize) -> Range<usize> {
    range.start * unit..range.end * unit
}

pub const BITPOS: Command = Command {
    name: "bitpos",
    summary: "Finds the first set or clear bit",
    since: "2.8.7",
    group: Group::Bitmap,
    arity: -3,
    flags: READONLY,
    categories: category::BITMAP,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 bit:int range{start:int end-unit-block{end:int unit(byte=BYTE | bit=BIT)?^7.0.0}?}?",
    handler: Handler::Data(bitpos),
    ..Command::DEFAULT
};

fn bitpos(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let bit = match args.int(2)? {
        bit @ 0..=1 => bit == 1,
        _ => return Err(CommandError::new("ERR The bit argument must be 1 or 0.")),
    };
    let position = read(ctx, &args[1], |bytes| {
        // COMPAT: as for BITCOUNT; a missing key is zeros without end.
        let Some(bytes) = bytes else { return Ok(if bit { None } else { Some(0) }) };
        if args.len() > 6 {
            return Err(CommandError::SYNTAX);
        }
        let start = if args.len() > 3 { args.int(3)? } else { 0 };
        let unit = unit(args, 5)?;
        let end = if args.len() > 4 { args.int(4)? } else { -1 };
        let range = in_bits(index_range(start, end, bytes.len() * 8 / unit), unit);
        // Without an end argument the string counts as followed by zeros.
        let beyond = (!bit && args.len() <= 4 && !range.is_empty()).then_some(range.end);
        Ok(bits::find(bytes, bit, range).or(beyond))
    })??;
    ctx.reply.integer(position.map_or(-1, |position| position as i64));
    Ok(())
}

pub const BITOP: Command = Command {
    name: "bitop",
    summary: "Combines strings bit by bit",
    since: "2.6.0",
    group: Group::Bitmap,
    arity: -4,
    flags: WRITE | DENYOOM,
    categories: category::BITMAP,
    keys: &[KeySpec::one(2, OW | UPDATE), KeySpec::range(3, -1, 1, RO | ACCESS)],
    args: "operation(and=AND | or=OR | xor=XOR | not=NOT) destkey:key#0 key:key#1+",
    handler: Handler::Data(bitop),
    ..Command::DEFAULT
};

fn bitop(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let target = &args[2];
    let operations =
        [("AND", Some(Operation::And)), ("OR", Some(Operation::Or)), ("XOR", Some(Operation::Xor)), ("NOT", None)];
    let (_, operation) = operations.into_iter().find(|(name, _)| args.is(1, name)).ok_or(CommandError::SYNTAX)?;
    if operation.is_none() && args.len() != 4 {
        return Err(CommandError::new("ERR BITOP NOT must be called with a single source key."));
    }
    let mut result = read(ctx, &args[3], |bytes| bytes.unwrap_or_default().to_vec())?;
    match operation {
        None => bits::invert(&mut result),
        Some(operation) => {
            for key in args.from(4).iter() {
                read(ctx, key, |bytes| bits::combine(operation, &mut result, bytes.unwrap_or_default()))?;
            }
        }
    }
    let len = result.len();
    if len > 0 {
        ctx.keyspace.set_string(target, NewString::raw(&result.into()), NewExpiry::None);
        ctx.keyspace.changed(EventClass::STRING, "set", target);
    } else if ctx.keyspace.delete_implicitly(target) {
        ctx.keyspace.changed(EventClass::GENERIC, "del", target);
    }
    ctx.reply.integer(len as i64);
    Ok(())
}

pub const BITFIELD: Command = Command {
    name: "bitfield",
    summary: "Reads and changes integers of any width within a string",
    since: "3.2.0",
    group: Group::Bitmap,
    arity: -2,
    flags: WRITE | DENYOOM,
    categories: category::BITMAP,
    keys: &[KeySpec::one(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)
        .notes("This command allows both access and modification of the key")],
    key_finder: Some(bitfield_keys),
    args: "key:key#0 operation(get-block{encoding offset:int}=GET | write{overflow-block(wrap=WRAP | sat=SAT | fail=FAIL)=OVERFLOW? write-operation(set-block{encoding offset:int value:int}=SET | incrby-block{encoding offset:int increment:int}=INCRBY)})?+",
    handler: Handler::Data(bitfield),
    ..Command::DEFAULT
};

fn bitfield_keys(args: &Args) -> Option<Vec<FoundKey>> {
    let writes = (2..args.len()).any(|at| args.is(at, "set") || args.is(at, "incrby"));
    let flags = if writes { RW | ACCESS | UPDATE } else { RO | ACCESS };
    Some(vec![FoundKey { index: 1, flags }])
}

fn bitfield(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let operations = parse_fields(args, ctx.config)?;
    let key = &args[1];
    let writes = operations.iter().filter(|op| op.action != Action::Get);
    let Some(len) = writes.map(|op| (op.offset + op.field.width as usize).div_ceil(8)).max() else {
        return get_fields(ctx, key, &operations);
    };
    let mut changes = 0;
    {
        let DataContext { keyspace, reply, .. } = ctx;
        let mut string = keyspace.write_string_or_empty(key)?;
        let grown = string.get().len() < len;
        let bytes = string.bytes_mut(len);
        reply.array(operations.len());
        for &FieldOperation { action, field, offset, overflow } in &operations {
            let before = field.get(bytes, offset);
            let after = match action {
                Action::Get => Some(before),
                // COMPAT: what is too negative for an unsigned field counts as a large number.
                Action::Set(value) if !field.signed => field.fit(value as u64 as i128, overflow),
                Action::Set(value) => field.fit(value as i128, overflow),
                Action::Increment(by) => field.fit(before as i128 + by as i128, overflow),
            };
            let Some(after) = after else {
                reply.null();
                continue;
            };
            if action != Action::Get {
                field.set(bytes, offset, after);
                changes += (grown || before != after) as u64;
            }
            reply.integer(if matches!(action, Action::Increment(_)) { after } else { before });
        }
    }
    if changes > 0 {
        ctx.keyspace.changed(EventClass::STRING, "setbit", key);
        ctx.keyspace.effects.dirty += changes - 1;
    }
    Ok(())
}

/// What an operation of BITFIELD does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64),
    Increment(i64),
}

/// One operation of BITFIELD.
struct FieldOperation {
    action: Action,
    field: FieldType,
    /// The field's offset in bits.
    offset: usize,
    overflow: Overflow,
}

type FieldOperations = SmallVec<[FieldOperation; 8]>;

fn parse_fields(args: &Args, config: &Config) -> Result<FieldOperations, CommandError> {
    let mut operations = FieldOperations::new();
    let mut overflow = Overflow::Wrap;
    let mut index = 2;
    while index < args.len() {
        let left = args.len() - index - 1;
        if args.is(index, "OVERFLOW") && left >= 1 {
            overflow = match index + 1 {
                word if args.is(word, "WRAP") => Overflow::Wrap,
                word if args.is(word, "SAT") => Overflow::Saturate,
                word if args.is(word, "FAIL") => Overflow::Fail,
                _ => return Err(CommandError::new("ERR Invalid OVERFLOW type specified")),
            };
            index += 2;
            continue;
        }
        let operands = match index {
            _ if args.is(index, "GET") => 2,
            _ if args.is(index, "SET") || args.is(index, "INCRBY") => 3,
            _ => return Err(CommandError::SYNTAX),
        };
        if left < operands {
            return Err(CommandError::SYNTAX);
        }
        let field = parse_field_type(args.get(index + 1))?;
        let offset = bit_offset(args, index + 2, config, Some(field.width))?;
        let action = match operands {
            2 => Action::Get,
            _ if args.is(index, "SET") => Action::Set(args.int(index + 3)?),
            _ => Action::Increment(args.int(index + 3)?),
        };
        operations.push(FieldOperation { action, field, offset, overflow });
        index += 1 + operands;
    }
    Ok(operations)
}

fn parse_field_type(text: &[u8]) -> Result<FieldType, CommandError> {
    let (signed, width_max, width) = match text {
        [b'i', width @ ..] => (true, 64, width),
        [b'u', width @ ..] => (false, 63, width),
        _ => (false, 0, text),
    };
    match number::parse_i64(width) {
        Some(width) if (1..=width_max).contains(&width) => Ok(FieldType { signed, width: width as u32 }),
        _ => Err(CommandError::new(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        )),
    }
}

/// Replies to operations that are all GET.
fn get_fields(ctx: &mut DataContext, key: &[u8], operations: &FieldOperations) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    keyspace.read_string(key, |string| {
        let mut digits = itoa::Buffer::new();
        let bytes = string.map_or(&b""[..], |string| string.bytes(&mut digits));
        reply.array(operations.len());
        operations.iter().for_each(|op| reply.integer(op.field.get(bytes, op.offset)));
    })?;
    Ok(())
}

pub const BITFIELD_RO: Command = Command {
    name: "bitfield_ro",
    summary: "Reads integers of any width within a string",
    since: "6.0.0",
    group: Group::Bitmap,
    arity: -2,
    flags: READONLY | FAST,
    categories: category::BITMAP,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 get-block{encoding offset:int}=GET?+*",
    handler: Handler::Data(bitfield_ro),
    ..Command::DEFAULT
};

fn bitfield_ro(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let operations = parse_fields(args, ctx.config)?;
    if operations.iter().any(|op| op.action != Action::Get) {
        return Err(CommandError::new("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    get_fields(ctx, &args[1], &operations)
}
