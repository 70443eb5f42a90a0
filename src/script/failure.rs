//! How functions that Lua calls fail.

use mlua::Error;
use std::fmt::{self, Display};

/// Why a function gives nothing.
#[derive(Debug)]
pub enum Failure {
    /// What is wrong, in words for the script; where it called the function is put before it.
    Text(String),
    /// The value that was pushed last is raised.
    Pushed,
}

pub type Result<T> = std::result::Result<T, Failure>;

/// An error that the hook raises. The binding raises it as a value of its own, which scripts know nothing of: the
/// prelude turns it into a table with this text, as errors of commands are, wherever a script gets to see it.
#[derive(Debug)]
pub struct Raised(pub String);

impl Raised {
    pub fn error(text: impl Display) -> Error {
        Error::external(Raised(format!("ERR {text}")))
    }

    /// What an error stands for, if it is one of these.
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
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

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
