//! The library `cjson`: values as JSON and back.
//!
//! COMPAT: settings, limits and words are those of lua-cjson 2.1, which Redis has; JSON in another
//! library's words would break scripts that look at errors.

mod decode;
mod encode;

use super::failure::{Failure, Result, bad_argument};
use super::stack::{Index, Peeked, Stack, function};
use mlua::{Lua, Table, Value};
use std::cell::Cell;
use std::rc::Rc;

/// Deeper nesting is refused whatever a script sets, for neither our stack nor Lua's is endless.
const DEPTH_MAX: usize = 2500;
/// Digits of a number: the default, and the most.
const PRECISION_MAX: i64 = 14;

/// What becomes of numbers that JSON does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InvalidNumbers {
    Refuse,
    /// They are written as C writes them.
    Allow,
    Null,
}

/// The settings of one table of functions: `cjson.new` makes another.
struct Settings {
    sparse_convert: Cell<bool>,
    sparse_ratio: Cell<i64>,
    sparse_safe: Cell<i64>,
    encode_depth: Cell<i64>,
    decode_depth: Cell<i64>,
    precision: Cell<i64>,
    keep_buffer: Cell<bool>,
    encode_invalid: Cell<InvalidNumbers>,
    decode_invalid: Cell<bool>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_convert: Cell::new(false),
            sparse_ratio: Cell::new(2),
            sparse_safe: Cell::new(10),
            encode_depth: Cell::new(1000),
            decode_depth: Cell::new(1000),
            precision: Cell::new(PRECISION_MAX),
            keep_buffer: Cell::new(true),
            encode_invalid: Cell::new(InvalidNumbers::Refuse),
            decode_invalid: Cell::new(true),
        }
    }
}

pub fn library(lua: &Lua) -> mlua::Result<Table> {
    let settings = Rc::new(Settings::default());
    let library = lua.create_table()?;
    let add = |name: &'static str, f: fn(&mut Call) -> Result<usize>| {
        let settings = settings.clone();
        let function = function(lua, move |stack| f(&mut Call { stack, settings: &settings, name }))?;
        library.raw_set(name, function)
    };
    add("encode", |call| {
        call.expect_one()?;
        let json = encode::encode(call.stack, call.settings)?;
        call.stack.push_string(&json);
        Ok(1)
    })?;
    add("decode", |call| {
        call.expect_one()?;
        // What it stands for is put on the stack that the text is on.
        let json = call.stack.string(0, call.name)?.to_vec();
        decode::decode(call.stack, call.settings, &json)?;
        Ok(1)
    })?;
    add("encode_sparse_array", |call| {
        call.at_most(3)?;
        call.boolean(0, &call.settings.sparse_convert)?;
        call.integer(1, &call.settings.sparse_ratio, 0, i32::MAX as i64)?;
        call.integer(2, &call.settings.sparse_safe, 0, i32::MAX as i64)?;
        Ok(3)
    })?;
    add("encode_max_depth", |call| call.only_integer(&call.settings.encode_depth, i32::MAX as i64))?;
    add("decode_max_depth", |call| call.only_integer(&call.settings.decode_depth, i32::MAX as i64))?;
    add("encode_number_precision", |call| call.only_integer(&call.settings.precision, PRECISION_MAX))?;
    add("encode_keep_buffer", |call| call.only_boolean(&call.settings.keep_buffer))?;
    add("encode_invalid_numbers", encode_invalid_numbers)?;
    add("decode_invalid_numbers", |call| call.only_boolean(&call.settings.decode_invalid))?;
    library.raw_set("null", Value::NULL)?;
    library.raw_set("_NAME", "cjson")?;
    library.raw_set("_VERSION", "2.1.0")?;
    Ok(library)
}

/// One call of a function.
struct Call<'a> {
    stack: &'a mut Stack,
    settings: &'a Settings,
    name: &'static str,
}

impl Call<'_> {
    fn expect_one(&self) -> Result<()> {
        if self.stack.len() == 1 { Ok(()) } else { Err(bad_argument(1, self.name, "expected 1 argument")) }
    }

    fn at_most(&self, count: usize) -> Result<()> {
        if self.stack.len() <= count {
            return Ok(());
        }
        Err(bad_argument(count + 1, self.name, "found too many arguments"))
    }

    fn invalid_option(&self, index: usize) -> Failure {
        match self.stack.string(index, self.name) {
            Ok(text) => {
                let text = String::from_utf8_lossy(text);
                bad_argument(index + 1, self.name, format_args!("invalid option '{text}'"))
            }
            Err(failure) => failure,
        }
    }

    /// Sets a truth value if there is an argument for it, and pushes what it is.
    fn boolean(&mut self, index: usize, setting: &Cell<bool>) -> Result<()> {
        match self.stack.peek(Index::argument(index)) {
            Peeked::Absent | Peeked::Nil => (),
            Peeked::Boolean(value) => setting.set(value),
            Peeked::String(text @ (b"on" | b"off")) => setting.set(text == b"on"),
            _ => return Err(self.invalid_option(index)),
        }
        self.stack.push_boolean(setting.get());
        Ok(())
    }

    fn only_boolean(&mut self, setting: &Cell<bool>) -> Result<usize> {
        self.at_most(1)?;
        self.boolean(0, setting)?;
        Ok(1)
    }

    /// The same of an integer.
    fn integer(&mut self, index: usize, setting: &Cell<i64>, min: i64, max: i64) -> Result<()> {
        if !matches!(self.stack.peek(Index::argument(index)), Peeked::Absent | Peeked::Nil) {
            let value = self.stack.integer(index, self.name)?;
            if !(min..=max).contains(&value) {
                let what = format!("expected integer between {min} and {max}");
                return Err(bad_argument(index + 1, self.name, what));
            }
            setting.set(value);
        }
        self.stack.push_number(setting.get() as f64);
        Ok(())
    }

    fn only_integer(&mut self, setting: &Cell<i64>, max: i64) -> Result<usize> {
        self.at_most(1)?;
        self.integer(0, setting, 1, max)?;
        Ok(1)
    }
}

fn encode_invalid_numbers(call: &mut Call) -> Result<usize> {
    call.at_most(1)?;
    let setting = &call.settings.encode_invalid;
    match call.stack.peek(Index::argument(0)) {
        Peeked::Absent | Peeked::Nil => (),
        Peeked::Boolean(true) | Peeked::String(b"on") => setting.set(InvalidNumbers::Allow),
        Peeked::Boolean(false) | Peeked::String(b"off") => setting.set(InvalidNumbers::Refuse),
        Peeked::String(b"null") => setting.set(InvalidNumbers::Null),
        _ => return Err(call.invalid_option(0)),
    }
    match setting.get() {
        InvalidNumbers::Refuse => call.stack.push_boolean(false),
        InvalidNumbers::Allow => call.stack.push_boolean(true),
        InvalidNumbers::Null => call.stack.push_string(b"null"),
    }
    Ok(1)
}
