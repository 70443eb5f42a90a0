//! The library `cjson`: values as JSON and back.
//!
//! COMPAT: settings, limits and words are those of lua-cjson 2.1, which Redis has; JSON in another
//! library's words would break scripts that look at errors.

mod decode;
mod encode;

use super::failure::{Arguments, Failure, Result, bad_argument, fallible, type_name};
use mlua::{IntoLua, Lua, LuaString, MultiValue, Table, Value};
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
    let add = |name: &'static str, f: fn(&Call) -> Result<Value>| {
        let settings = settings.clone();
        let function = fallible(lua, move |lua, arguments| f(&Call { lua, settings: &settings, arguments, name }))?;
        library.raw_set(name, function)
    };
    add("encode", |call| {
        call.expect_one()?;
        let json = encode::encode(call.lua, call.settings, call.arguments.get(0))?;
        Ok(LuaString::wrap(json).into_lua(call.lua)?)
    })?;
    add("decode", |call| {
        call.expect_one()?;
        let json = call.arguments.string(call.lua, 0, call.name)?;
        decode::decode(call.lua, call.settings, &json.as_bytes())
    })?;
    library.raw_set("encode_sparse_array", {
        let settings = settings.clone();
        fallible(lua, move |lua, arguments| {
            sparse(&Call { lua, settings: &settings, arguments, name: "encode_sparse_array" })
        })?
    })?;
    add("encode_max_depth", |call| call.integer(&call.settings.encode_depth, 1, i32::MAX as i64))?;
    add("decode_max_depth", |call| call.integer(&call.settings.decode_depth, 1, i32::MAX as i64))?;
    add("encode_number_precision", |call| call.integer(&call.settings.precision, 1, PRECISION_MAX))?;
    add("encode_keep_buffer", |call| {
        call.at_most(1)?;
        call.boolean(0, &call.settings.keep_buffer)
    })?;
    add("encode_invalid_numbers", encode_invalid_numbers)?;
    add("decode_invalid_numbers", |call| {
        call.at_most(1)?;
        call.boolean(0, &call.settings.decode_invalid)
    })?;
    library.raw_set("null", Value::NULL)?;
    library.raw_set("_NAME", "cjson")?;
    library.raw_set("_VERSION", "2.1.0")?;
    Ok(library)
}

/// One call of a function.
struct Call<'a> {
    lua: &'a Lua,
    settings: &'a Settings,
    arguments: Arguments,
    name: &'static str,
}

impl Call<'_> {
    fn expect_one(&self) -> Result<()> {
        if self.arguments.len() == 1 { Ok(()) } else { Err(bad_argument(1, self.name, "expected 1 argument")) }
    }

    fn at_most(&self, count: usize) -> Result<()> {
        if self.arguments.len() <= count {
            return Ok(());
        }
        Err(bad_argument(count + 1, self.name, "found too many arguments"))
    }

    fn invalid_option(&self, index: usize) -> Failure {
        let value = self.arguments.get(index);
        match self.lua.coerce_string(value.clone()) {
            Ok(Some(text)) => {
                bad_argument(index + 1, self.name, format_args!("invalid option '{}'", text.to_string_lossy()))
            }
            _ => bad_argument(index + 1, self.name, format_args!("string expected, got {}", type_name(value))),
        }
    }

    /// Sets a truth value if there is an argument for it, and gives what it is.
    fn boolean(&self, index: usize, setting: &Cell<bool>) -> Result<Value> {
        match self.arguments.get(index) {
            Value::Nil => (),
            Value::Boolean(value) => setting.set(*value),
            Value::String(text) if text == "on" || text == "off" => setting.set(text == "on"),
            _ => return Err(self.invalid_option(index)),
        }
        Ok(Value::Boolean(setting.get()))
    }

    /// The same of an integer.
    fn integer_at(&self, index: usize, setting: &Cell<i64>, min: i64, max: i64) -> Result<Value> {
        if *self.arguments.get(index) != Value::Nil {
            let value = self.arguments.number(self.lua, index, self.name)? as i64;
            if !(min..=max).contains(&value) {
                let what = format!("expected integer between {min} and {max}");
                return Err(bad_argument(index + 1, self.name, what));
            }
            setting.set(value);
        }
        Ok(Value::Integer(setting.get()))
    }

    fn integer(&self, setting: &Cell<i64>, min: i64, max: i64) -> Result<Value> {
        self.at_most(1)?;
        self.integer_at(0, setting, min, max)
    }
}

fn sparse(call: &Call) -> Result<MultiValue> {
    call.at_most(3)?;
    let values = vec![
        call.boolean(0, &call.settings.sparse_convert)?,
        call.integer_at(1, &call.settings.sparse_ratio, 0, i32::MAX as i64)?,
        call.integer_at(2, &call.settings.sparse_safe, 0, i32::MAX as i64)?,
    ];
    Ok(MultiValue::from_vec(values))
}

fn encode_invalid_numbers(call: &Call) -> Result<Value> {
    call.at_most(1)?;
    let setting = &call.settings.encode_invalid;
    match call.arguments.get(0) {
        Value::Nil => (),
        Value::Boolean(true) => setting.set(InvalidNumbers::Allow),
        Value::Boolean(false) => setting.set(InvalidNumbers::Refuse),
        Value::String(text) if text == "on" => setting.set(InvalidNumbers::Allow),
        Value::String(text) if text == "off" => setting.set(InvalidNumbers::Refuse),
        Value::String(text) if text == "null" => setting.set(InvalidNumbers::Null),
        _ => return Err(call.invalid_option(0)),
    }
    Ok(match setting.get() {
        InvalidNumbers::Refuse => Value::Boolean(false),
        InvalidNumbers::Allow => Value::Boolean(true),
        InvalidNumbers::Null => LuaString::wrap("null").into_lua(call.lua)?,
    })
}
