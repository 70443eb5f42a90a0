//! Functions that Lua calls, and how they fail.
//!
//! The binding raises an error of Rust's as a value of its own, which scripts know nothing of: the
//! prelude turns it into what it stands for ([`Raised`]) wherever a script gets to see it.

use mlua::{Error, Function, IntoLuaMulti, Lua, LuaString, MultiValue, Value};
use std::fmt::{self, Display};

/// Why a function gives nothing.
pub enum Failure {
    /// What is wrong, in words for the script; where it called the function is put before it.
    Text(String),
    /// What else is raised.
    Lua(Error),
}

pub type Result<T> = std::result::Result<T, Failure>;

/// What an error of ours is to scripts.
#[derive(Debug)]
pub enum Raised {
    /// A string.
    Text(String),
    /// A table with this text, as errors of commands are.
    Table { text: Vec<u8>, counted: bool },
}

impl Raised {
    /// One of the table `redis`.
    pub fn table(text: impl Display) -> Error {
        Error::external(Raised::Table { text: format!("ERR {text}").into_bytes(), counted: false })
    }

    /// What an error stands for, if it is one of ours.
    pub fn of(error: &Error) -> Option<&Raised> {
        match error {
            Error::CallbackError { cause, .. } => Raised::of(cause),
            Error::ExternalError(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Raised::Text(text) => f.write_str(text),
            Raised::Table { text, .. } => f.write_str(&String::from_utf8_lossy(text)),
        }
    }
}

impl std::error::Error for Raised {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Lua(error)
    }
}

/// A failure in these words.
pub fn failure(text: impl Display) -> Failure {
    Failure::Text(text.to_string())
}

/// Values that a function may have and give, less a few.
pub const STACK_MAX: usize = 7990;

/// As Lua's own libraries complain of an argument, counted from 1.
pub fn bad_argument(number: usize, function: &str, what: impl Display) -> Failure {
    failure(format_args!("bad argument #{number} to '{function}' ({what})"))
}

/// A function for Lua.
pub fn fallible<R: IntoLuaMulti>(
    lua: &Lua,
    f: impl Fn(&Lua, Arguments) -> Result<R> + 'static,
) -> mlua::Result<Function> {
    lua.create_function(move |lua, arguments: MultiValue| {
        f(lua, Arguments(arguments)).map_err(|failure| match failure {
            Failure::Text(text) => Error::external(Raised::Text(format!("{}{text}", caller(lua)))),
            Failure::Lua(error) => error,
        })
    })
}

/// Where the function was called, as Lua puts it before its errors.
fn caller(lua: &Lua) -> String {
    let position = lua.inspect_stack(1, |debug| {
        let line = debug.current_line()?;
        Some(format!("{}:{line}: ", debug.source().short_src?))
    });
    position.flatten().unwrap_or_default()
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
    fn type_name(&self, index: usize) -> &'static str {
        if index < self.len() { type_name(self.get(index)) } else { "no value" }
    }

    /// An argument that must be a string, or a number in its place.
    pub fn string(&self, lua: &Lua, index: usize, function: &str) -> Result<LuaString> {
        match self.get(index) {
            Value::String(string) => Ok(string.clone()),
            value @ (Value::Integer(_) | Value::Number(_)) => {
                Ok(lua.coerce_string(value.clone())?.expect("numbers can be strings"))
            }
            _ => Err(bad_argument(index + 1, function, format_args!("string expected, got {}", self.type_name(index)))),
        }
    }

    /// An argument that must be a number, or a string that is one.
    pub fn number(&self, lua: &Lua, index: usize, function: &str) -> Result<f64> {
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
