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

use crate::encoding::number::{parse_f64, parse_i64};
use crate::resp::{CommandError, Reply};
use mlua::{BString, Either, Error, IntoLua, Lua, LuaString, Result, Table, Value};

/// The names of fields, as Lua strings: made once, for every reply needs some.
pub struct Fields {
    pub err: LuaString,
    pub ok: LuaString,
    /// The status of nearly all replies that are one.
    ok_status: LuaString,
    double: LuaString,
    map: LuaString,
    set: LuaString,
    big_number: LuaString,
    verbatim_string: LuaString,
    format: LuaString,
    string: LuaString,
    /// Marks errors that were counted when the command gave them.
    pub counted: LuaString,
}

impl Fields {
    pub fn new(lua: &Lua) -> Result<Fields> {
        Ok(Fields {
            err: lua.create_string("err")?,
            ok: lua.create_string("ok")?,
            ok_status: lua.create_string("OK")?,
            double: lua.create_string("double")?,
            map: lua.create_string("map")?,
            set: lua.create_string("set")?,
            big_number: lua.create_string("big_number")?,
            verbatim_string: lua.create_string("verbatim_string")?,
            format: lua.create_string("format")?,
            string: lua.create_string("string")?,
            // COMPAT: scripts can see it.
            counted: lua.create_string("ignore_error_stats_update")?,
        })
    }

    /// An error as a table.
    pub fn error(&self, lua: &Lua, text: &[u8], counted: bool) -> Result<Table> {
        let table = table_of(lua, &self.err, string(text))?;
        if counted {
            table.raw_set(&self.counted, true)?;
        }
        Ok(table)
    }
}

/// A string for Lua, on the shortest way there: the binding pushes a `str` as it is.
pub fn string(bytes: &[u8]) -> Either<&str, BString> {
    std::str::from_utf8(bytes).map_or_else(|_| Either::Right(bytes.into()), Either::Left)
}

/// A table with one field.
fn table_of(lua: &Lua, field: &LuaString, value: impl IntoLua) -> Result<Table> {
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set(field, value)?;
    Ok(table)
}

/// A reply being made into Lua values. It is one that a command wrote, so it is whole and valid.
pub struct ReplyReader<'a> {
    pub lua: &'a Lua,
    pub fields: &'a Fields,
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

    fn table(&self, field: &LuaString, value: impl IntoLua) -> Result<Value> {
        table_of(self.lua, field, value).map(Value::Table)
    }

    /// The next value.
    pub fn value(&mut self) -> Result<Value> {
        let line = self.line();
        let Some((kind, rest)) = line.split_first() else { return Ok(Value::Nil) };
        let count = || parse_i64(rest).and_then(|count| usize::try_from(count).ok());
        match kind {
            b'+' if rest == b"OK" => self.table(&self.fields.ok, &self.fields.ok_status),
            b'+' => self.table(&self.fields.ok, string(rest)),
            b'-' => self.fields.error(self.lua, rest, true).map(Value::Table),
            b':' => Ok(Value::Number(parse_i64(rest).unwrap_or(0) as f64)),
            b'$' => match count() {
                Some(len) => {
                    let text = self.text(len);
                    self.lua.create_string(text).map(Value::String)
                }
                None => Ok(Value::Boolean(false)),
            },
            b'*' | b'>' => match count() {
                Some(len) => self.array(len).map(Value::Table),
                None => Ok(Value::Boolean(false)),
            },
            b'_' => Ok(Value::Nil),
            b'#' => Ok(Value::Boolean(rest == b"t")),
            b',' => self.table(&self.fields.double, parse_f64(rest).unwrap_or(f64::NAN)),
            b'(' => self.table(&self.fields.big_number, string(rest)),
            b'=' => {
                let text = self.text(count().unwrap_or(0));
                let verbatim = table_of(self.lua, &self.fields.format, string(&text[..3]))?;
                verbatim.raw_set(&self.fields.string, string(&text[4..]))?;
                self.table(&self.fields.verbatim_string, verbatim)
            }
            b'%' => {
                let len = count().unwrap_or(0);
                let map = self.lua.create_table_with_capacity(0, len)?;
                for _ in 0..len {
                    let (key, value) = (self.value()?, self.value()?);
                    map.raw_set(key, value)?;
                }
                self.table(&self.fields.map, map)
            }
            b'~' => {
                let len = count().unwrap_or(0);
                let set = self.lua.create_table_with_capacity(0, len)?;
                for _ in 0..len {
                    set.raw_set(self.value()?, true)?;
                }
                self.table(&self.fields.set, set)
            }
            // Attributes are not for scripts.
            b'|' => {
                for _ in 0..2 * count().unwrap_or(0) {
                    self.value()?;
                }
                self.value()
            }
            _ => Ok(Value::Nil),
        }
    }

    /// What comes next, if it is a string: most elements are.
    fn bulk(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(b'\r', self.bytes)?;
        let len = parse_i64(self.bytes[..end].strip_prefix(b"$")?).filter(|&len| len >= 0)?;
        self.line();
        Some(self.text(len as usize))
    }

    fn array(&mut self, len: usize) -> Result<Table> {
        let table = self.lua.create_table_with_capacity(len, 0)?;
        for index in 1..=len {
            match self.bulk() {
                Some(text) => table.raw_seti(index, string(text))?,
                None => table.raw_seti(index, self.value()?)?,
            }
        }
        Ok(table)
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
            line(reply, b'+', &status.as_bytes());
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
