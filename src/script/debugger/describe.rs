//! How the debugger shows values of Lua, and replies of commands, on one line.

use crate::encoding::number::{format_f64_digits, parse_i64};
use crate::encoding::words::quote;
use crate::script::convert::message;
use crate::script::failure::Raised;
use mlua::{Lua, Value as LuaValue};

/// Tables are shown to this depth.
const DEPTH_MAX: usize = 10;
const TOO_DEEP: &[u8] = b"<max recursion level reached! Nested table?>";

/// A value of Lua.
pub fn value(value: &LuaValue) -> Vec<u8> {
    let mut text = Vec::new();
    write_value(&mut text, value, 0);
    text
}

fn write_value(out: &mut Vec<u8>, value: &LuaValue, depth: usize) {
    if depth == DEPTH_MAX {
        return out.extend_from_slice(TOO_DEEP);
    }
    match value {
        LuaValue::Nil => out.extend_from_slice(b"nil"),
        LuaValue::Boolean(truth) => out.extend(truth.to_string().bytes()),
        LuaValue::Integer(integer) => write_number(out, *integer as f64),
        LuaValue::Number(number) => write_number(out, *number),
        LuaValue::String(string) => out.extend(quote(&string.as_bytes())),
        LuaValue::Table(table) => {
            let entries: Vec<(LuaValue, LuaValue)> = table.pairs().flatten().collect();
            let is_list = (1..).zip(&entries).all(|(index, (key, _))| key.as_i64() == Some(index));
            out.push(b'{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(b"; ");
                }
                if !is_list {
                    out.push(b'[');
                    write_value(out, key, depth + 1);
                    out.extend_from_slice(b"]=");
                }
                write_value(out, value, depth + 1);
            }
            out.push(b'}');
        }
        other => out.extend(format!("\"{}@{:p}\"", other.type_name(), other.to_pointer()).bytes()),
    }
}

/// As C's `%g`.
fn write_number(out: &mut Vec<u8>, number: f64) {
    if number.is_nan() && number.is_sign_negative() {
        out.push(b'-');
    }
    out.extend_from_slice(&format_f64_digits(number, 6));
}

/// What code raised.
pub fn error(lua: &Lua, error: &LuaValue) -> Vec<u8> {
    match error {
        LuaValue::Error(error) => Raised::of(error).map_or_else(|| message(error), Raised::to_string).into_bytes(),
        LuaValue::Table(table) => match table.raw_get("err") {
            Ok(LuaValue::String(text)) => text.as_bytes().to_vec(),
            _ => value(&LuaValue::Table(table.clone())),
        },
        other => match lua.coerce_string(other.clone()) {
            Ok(Some(text)) => text.as_bytes().to_vec(),
            _ => value(other),
        },
    }
}

/// The reply of a command, as it would go over the wire.
pub fn reply(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    write_reply(&mut text, &mut &bytes[..]);
    text
}

fn line<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let end = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    let line = &bytes[..end];
    *bytes = bytes.get(end + 2..).unwrap_or_default();
    line
}

fn write_reply(out: &mut Vec<u8>, bytes: &mut &[u8]) {
    let whole = line(bytes);
    let Some((&kind, rest)) = whole.split_first() else { return };
    let count = parse_i64(rest).and_then(|count| usize::try_from(count).ok());
    match (kind, count) {
        (b'+' | b'-', _) => out.extend(quote(whole)),
        (b'$' | b'*', None) => out.extend_from_slice(b"NULL"),
        (b'$' | b'=', Some(len)) => {
            // A verbatim string begins with its format.
            let start = if kind == b'=' { 4 } else { 0 };
            out.extend(quote(&bytes[start..len]));
            *bytes = &bytes[len + 2..];
        }
        (b'*' | b'>', Some(len)) => write_elements(out, bytes, len, "[", "]"),
        (b'~', Some(len)) => write_elements(out, bytes, len, "~(", ")"),
        (b'%', Some(len)) => {
            out.push(b'{');
            for index in 0..len {
                out.extend_from_slice(if index > 0 { b"," } else { b"" });
                write_reply(out, bytes);
                out.extend_from_slice(b" => ");
                write_reply(out, bytes);
            }
            out.push(b'}');
        }
        (b'|', Some(len)) => {
            // Attributes are not for scripts.
            (0..2 * len).for_each(|_| write_reply(&mut Vec::new(), bytes));
            write_reply(out, bytes);
        }
        (b'_', _) => out.extend_from_slice(b"(null)"),
        (b'#', _) => out.extend_from_slice(if rest == b"t" { b"#true" } else { b"#false" }),
        (b',', _) => out.extend([b"(double) ", rest].concat()),
        (_, _) => out.extend_from_slice(rest),
    }
}

fn write_elements(out: &mut Vec<u8>, bytes: &mut &[u8], len: usize, open: &str, close: &str) {
    out.extend(open.bytes());
    for index in 0..len {
        out.extend_from_slice(if index > 0 { b"," } else { b"" });
        write_reply(out, bytes);
    }
    out.extend(close.bytes());
}
