//! Replies of commands as Lua values, and what a script returns as a reply.
//!
//! | reply | Lua |
//! |---|---|
//! | integer | number |
//! | bulk string | string |
//! | array | table |
//! | status, error | `{ok=..}`, `{err=..}` |
//! | null of RESP2 | false |
//! | null of RESP3, truth | nil, boolean |
//! | double, map, set | `{double=..}`, `{map={..}}`, `{set={member=true,..}}` |
//! | big number | `{big_number=..}` |
//! | verbatim string | `{verbatim_string={format=.., string=..}}` |

use super::failure;
use super::stack::{Index, Stack};
use crate::encoding::number::{parse_f64, parse_i64};
use crate::resp::{CommandError, Reply};
use mlua::{BString, Either, Error, Lua, LuaString, Result, Table, Value};

const ERR: &str = "err";
const OK: &str = "ok";
const DOUBLE: &str = "double";
const MAP: &str = "map";
const SET: &str = "set";
const BIG_NUMBER: &str = "big_number";
const VERBATIM_STRING: &str = "verbatim_string";
const FORMAT: &str = "format";
const STRING: &str = "string";
/// COMPAT: marks errors that were counted when the command gave them; scripts can see it.
const COUNTED: &str = "ignore_error_stats_update";

/// The names of fields as Lua strings, made once: every table that a script returns is looked at for them.
pub struct Fields {
    pub err: LuaString,
    ok: LuaString,
    double: LuaString,
    map: LuaString,
    set: LuaString,
    big_number: LuaString,
    verbatim_string: LuaString,
    format: LuaString,
    string: LuaString,
    pub counted: LuaString,
}

impl Fields {
    pub fn new(lua: &Lua) -> Result<Fields> {
        Ok(Fields {
            err: lua.create_string(ERR)?,
            ok: lua.create_string(OK)?,
            double: lua.create_string(DOUBLE)?,
            map: lua.create_string(MAP)?,
            set: lua.create_string(SET)?,
            big_number: lua.create_string(BIG_NUMBER)?,
            verbatim_string: lua.create_string(VERBATIM_STRING)?,
            format: lua.create_string(FORMAT)?,
            string: lua.create_string(STRING)?,
            counted: lua.create_string(COUNTED)?,
        })
    }
}

/// A string for Lua, on the shortest way there: the binding pushes a `str` as it is.
pub fn string(bytes: &[u8]) -> Either<&str, BString> {
    std::str::from_utf8(bytes).map_or_else(|_| Either::Right(bytes.into()), Either::Left)
}

/// Pushes an error as a table; it says whether it was counted when a command gave it.
pub fn push_error(stack: &mut Stack, text: &[u8], counted: bool) {
    let table = push_field(stack, ERR, |stack| stack.push_string(text));
    if counted {
        stack.push_string(COUNTED.as_bytes());
        stack.push_boolean(true);
        stack.set_pair(table);
    }
}

/// Pushes a table with one field.
fn push_field(stack: &mut Stack, name: &str, push_value: impl FnOnce(&mut Stack)) -> Index {
    let table = stack.push_table(0, 1);
    stack.push_string(name.as_bytes());
    push_value(stack);
    stack.set_pair(table);
    table
}

/// A reply being made into Lua values. It is one that a command wrote, so it is whole and valid.
pub struct ReplyReader<'a> {
    pub stack: &'a mut Stack,
    pub bytes: &'a [u8],
}

impl<'a> ReplyReader<'a> {
    /// The next line, without its end.
    fn line(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\r', self.bytes).unwrap_or(self.bytes.len());
        let line = &self.bytes[..end];
        self.bytes = self.bytes.get(end + 2..).unwrap_or_default();
        line
    }

    fn text(&mut self, len: usize) -> &'a [u8] {
        let text = &self.bytes[..len];
        self.bytes = &self.bytes[len + 2..];
        text
    }

    /// Pushes a table with one field.
    fn field(&mut self, name: &str, push_value: impl FnOnce(&mut Stack)) {
        push_field(self.stack, name, push_value);
    }

    /// Pushes the next value.
    pub fn value(&mut self) -> failure::Result<()> {
        let line = self.line();
        let Some((kind, rest)) = line.split_first() else {
            self.stack.push_nil();
            return Ok(());
        };
        let count = || parse_i64(rest).and_then(|count| usize::try_from(count).ok());
        match kind {
            b'+' => self.field(OK, |stack| stack.push_string(rest)),
            b'-' => push_error(self.stack, rest, true),
            b':' => self.stack.push_number(parse_i64(rest).unwrap_or(0) as f64),
            b'$' => match count() {
                Some(len) => {
                    let text = self.text(len);
                    self.stack.push_string(text);
                }
                None => self.stack.push_boolean(false),
            },
            b'*' | b'>' => match count() {
                Some(len) => self.array(len)?,
                None => self.stack.push_boolean(false),
            },
            b'#' => self.stack.push_boolean(rest == b"t"),
            b',' => self.field(DOUBLE, |stack| stack.push_number(parse_f64(rest).unwrap_or(f64::NAN))),
            b'(' => self.field(BIG_NUMBER, |stack| stack.push_string(rest)),
            b'=' => {
                self.stack.reserve()?;
                let text = self.text(count().unwrap_or(0));
                self.field(VERBATIM_STRING, |stack| {
                    let verbatim = push_field(stack, FORMAT, |stack| stack.push_string(&text[..3]));
                    stack.push_string(STRING.as_bytes());
                    stack.push_string(&text[4..]);
                    stack.set_pair(verbatim);
                });
            }
            b'%' => self.members(MAP, count().unwrap_or(0), Self::value)?,
            b'~' => self.members(SET, count().unwrap_or(0), |reader| {
                reader.stack.push_boolean(true);
                Ok(())
            })?,
            // Attributes are not for scripts.
            b'|' => {
                for _ in 0..2 * count().unwrap_or(0) {
                    self.value()?;
                    let attribute = self.stack.top();
                    self.stack.pop_from(attribute);
                }
                self.value()?;
            }
            _ => self.stack.push_nil(),
        }
        Ok(())
    }

    fn array(&mut self, len: usize) -> failure::Result<()> {
        self.stack.reserve()?;
        let table = self.stack.push_table(len, 0);
        for number in 1..=len {
            self.value()?;
            self.stack.set_element(table, number);
        }
        Ok(())
    }

    /// Pushes `{name={key=value, ..}}`, where `value` pushes each value.
    fn members(
        &mut self,
        name: &str,
        len: usize,
        value: impl Fn(&mut Self) -> failure::Result<()>,
    ) -> failure::Result<()> {
        self.stack.reserve()?;
        let outer = self.stack.push_table(0, 1);
        self.stack.push_string(name.as_bytes());
        let inner = self.stack.push_table(0, len);
        for _ in 0..len {
            self.value()?;
            value(self)?;
            self.stack.set_pair(inner);
        }
        self.stack.set_pair(outer);
        Ok(())
    }
}

/// Tables are written to this depth. Redis goes as deep as Lua's stack allows, to some thousands.
const DEPTH_MAX: usize = 1000;

/// Writes what a script returned.
pub struct ReplyWriter<'a> {
    pub fields: &'a Fields,
    /// What the script chose: it decides what truth values are.
    pub resp3: bool,
}

impl ReplyWriter<'_> {
    pub fn write(&self, value: &Value, reply: &mut Reply) -> Result<()> {
        self.write_at(value, reply, 0)
    }

    fn write_at(&self, value: &Value, reply: &mut Reply, depth: usize) -> Result<()> {
        match value {
            Value::String(string) => reply.bulk(&string.as_bytes()),
            Value::Integer(integer) => reply.integer(*integer),
            Value::Number(number) => reply.integer(truncate(*number)),
            Value::Boolean(truth) if self.resp3 => reply.boolean(*truth),
            Value::Boolean(true) => reply.integer(1),
            Value::Table(_) if depth == DEPTH_MAX => {
                reply.error(&CommandError::new("ERR reached lua stack limit"));
            }
            Value::Table(table) => self.write_table(table, reply, depth + 1)?,
            _ => reply.null(),
        }
        Ok(())
    }

    fn write_table(&self, table: &Table, reply: &mut Reply, depth: usize) -> Result<()> {
        let fields = self.fields;
        if let Value::String(error) = table.raw_get(&fields.err)? {
            line(reply, b'-', &error.as_bytes());
        } else if let Value::String(status) = table.raw_get(&fields.ok)? {
            // COMPAT: it ends at a NUL.
            line(reply, b'+', status.as_bytes().split(|&byte| byte == 0).next().unwrap_or_default());
        } else if let Some(double) = number(&table.raw_get(&fields.double)?) {
            reply.double(double);
        } else if let Value::Table(map) = table.raw_get(&fields.map)? {
            return self.write_pairs(&map, reply, depth, true, |reply, len| reply.map(len));
        } else if let Value::Table(set) = table.raw_get(&fields.set)? {
            return self.write_pairs(&set, reply, depth, false, |reply, len| reply.set(len));
        } else if let Value::String(big) = table.raw_get(&fields.big_number)? {
            if reply.is_resp3() {
                line(reply, b'(', &big.as_bytes());
            } else {
                reply.bulk(&without_breaks(&big.as_bytes()).collect::<Vec<u8>>());
            }
        } else if let Some((format, text)) = self.verbatim(table)? {
            let mut three = *b"   ";
            three.iter_mut().zip(format.as_bytes().iter()).for_each(|(to, &from)| *to = from);
            reply.verbatim(&three, &text.as_bytes());
        } else {
            return self.write_array(table, reply, depth);
        }
        Ok(())
    }

    fn verbatim(&self, table: &Table) -> Result<Option<(LuaString, LuaString)>> {
        let Value::Table(verbatim) = table.raw_get(&self.fields.verbatim_string)? else { return Ok(None) };
        match (verbatim.raw_get(&self.fields.format)?, verbatim.raw_get(&self.fields.string)?) {
            (Value::String(format), Value::String(text)) => Ok(Some((format, text))),
            _ => Ok(None),
        }
    }

    /// The elements up to the first nil.
    fn write_array(&self, table: &Table, reply: &mut Reply, depth: usize) -> Result<()> {
        let mut result = Ok(());
        reply.array_of(|reply| {
            let mut len = 0;
            result = table.for_each_value(|value: Value| {
                len += 1;
                self.write_at(&value, reply, depth)
            });
            len
        });
        result
    }

    fn write_pairs(
        &self,
        table: &Table,
        reply: &mut Reply,
        depth: usize,
        with_values: bool,
        head: impl FnOnce(&mut Reply, usize),
    ) -> Result<()> {
        let mut result = Ok(());
        reply.headed(
            |reply| {
                let mut len = 0;
                result = table.for_each(|key: Value, value: Value| {
                    len += 1;
                    self.write_at(&key, reply, depth)?;
                    if with_values { self.write_at(&value, reply, depth) } else { Ok(()) }
                });
                len
            },
            head,
        );
        result
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(integer) => Some(*integer as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

/// COMPAT: what is no 64-bit integer is the least of them, as a processor of x86 converts it.
fn truncate(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}

/// A line break would end the reply early.
fn without_breaks(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    text.iter().map(|&byte| if byte == b'\r' || byte == b'\n' { b' ' } else { byte })
}

fn line(reply: &mut Reply, kind: u8, text: &[u8]) {
    reply.raw(&[kind]);
    without_breaks(text).for_each(|byte| reply.raw(&[byte]));
    reply.raw(b"\r\n");
}

/// What an error says, without the words that the binding puts before it.
pub fn message(error: &Error) -> String {
    match error {
        Error::RuntimeError(text) | Error::MemoryError(text) => text.clone(),
        Error::SyntaxError { message, .. } => message.clone(),
        Error::CallbackError { cause, .. } => message(cause),
        Error::ExternalError(error) => error.to_string(),
        error => error.to_string(),
    }
}
