//! How a function that Lua calls fails: the prelude raises what it gives.

use mlua::{Function, IntoLua, Lua, LuaString, MultiValue, Result, Value};
use std::fmt::Display;

/// Why a function gives nothing.
pub enum Failure {
    /// What is wrong, in words for the script.
    Text(Vec<u8>),
    /// Lua has no memory, or no stack.
    Lua(mlua::Error),
}

impl From<mlua::Error> for Failure {
    fn from(error: mlua::Error) -> Self {
        Failure::Lua(error)
    }
}

/// A failure in these words.
pub fn failure(text: impl Display) -> Failure {
    Failure::Text(text.to_string().into_bytes())
}

/// As Lua's own libraries complain of an argument, counted from 1.
pub fn bad_argument(number: usize, function: &str, what: impl Display) -> Failure {
    failure(format_args!("bad argument #{number} to '{function}' ({what})"))
}

/// A function for Lua whose results follow what is wrong, or nil.
pub fn fallible(
    lua: &Lua,
    f: impl Fn(&Lua, Arguments) -> std::result::Result<MultiValue, Failure> + 'static,
) -> Result<Function> {
    lua.create_function(move |lua, arguments: MultiValue| match f(lua, Arguments(arguments)) {
        Ok(mut values) => {
            values.push_front(Value::Nil);
            Ok(values)
        }
        Err(Failure::Text(text)) => Ok(MultiValue::from_vec(vec![LuaString::wrap(text).into_lua(lua)?])),
        Err(Failure::Lua(error)) => Err(error),
    })
}

/// One result.
pub fn one(value: Value) -> MultiValue {
    MultiValue::from_vec(vec![value])
}

/// The arguments of a function that Lua called.
pub struct Arguments(pub MultiValue);

impl Arguments {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn get(&self, index: usize) -> &Value {
        self.0.get(index).unwrap_or(&Value::Nil)
    }

    /// As Lua names its type, or that it is not there.
    pub fn type_name(&self, index: usize) -> &'static str {
        if index < self.len() { type_name(self.get(index)) } else { "no value" }
    }

    /// An argument that must be a string, or a number in its place.
    pub fn string(&self, lua: &Lua, index: usize, function: &str) -> std::result::Result<LuaString, Failure> {
        match self.get(index) {
            Value::String(string) => Ok(string.clone()),
            value @ (Value::Integer(_) | Value::Number(_)) => {
                Ok(lua.coerce_string(value.clone())?.expect("numbers can be strings"))
            }
            _ => Err(bad_argument(index + 1, function, format_args!("string expected, got {}", self.type_name(index)))),
        }
    }

    /// An argument that must be a number, or a string that is one.
    pub fn number(&self, lua: &Lua, index: usize, function: &str) -> std::result::Result<f64, Failure> {
        let value = self.get(index);
        let number = match value {
            Value::Integer(integer) => Some(*integer as f64),
            Value::Number(number) => Some(*number),
            Value::String(_) => lua.coerce_number(value.clone())?,
            _ => None,
        };
        number.ok_or_else(|| {
            bad_argument(index + 1, function, format_args!("number expected, got {}", self.type_name(index)))
        })
    }
}

/// The type of a value as Lua names it.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        // The binding calls whole numbers integers, and errors a type.
        Value::Integer(_) => "number",
        Value::LightUserData(_) | Value::Error(_) => "userdata",
        value => value.type_name(),
    }
}
