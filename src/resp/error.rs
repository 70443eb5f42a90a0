//! Error replies. Every text that more than one command gives is here, to the byte as Redis has it.

use crate::keyspace::WrongType;
use crate::resp::text::text_of;
use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// What a command handler answers: it wrote its reply, or this error is the reply.
pub type CommandResult = Result<(), CommandError>;

/// An error reply: its text with the code in front, without the leading `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    text: Cow<'static, str>,
    /// INFO errorstats has it already: it is that of a command that this one ran.
    is_counted: bool,
}

impl CommandError {
    pub const SYNTAX: CommandError = Self::new("ERR syntax error");
    pub const WRONG_TYPE: CommandError = Self::new("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub const NOT_INTEGER: CommandError = Self::new("ERR value is not an integer or out of range");
    pub const NOT_FLOAT: CommandError = Self::new("ERR value is not a valid float");
    pub const NO_SUCH_KEY: CommandError = Self::new("ERR no such key");
    pub const OUT_OF_RANGE: CommandError = Self::new("ERR index out of range");
    pub const SAME_OBJECT: CommandError = Self::new("ERR source and destination objects are the same");
    pub const DB_INDEX: CommandError = Self::new("ERR DB index is out of range");
    pub const INVALID_CURSOR: CommandError = Self::new("ERR invalid cursor");
    pub const OVERFLOW: CommandError = Self::new("ERR increment or decrement would overflow");
    pub const NAN_OR_INFINITY: CommandError = Self::new("ERR increment would produce NaN or Infinity");
    pub const STRING_TOO_LONG: CommandError = Self::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    pub const NEGATIVE_TIMEOUT: CommandError = Self::new("ERR timeout is negative");
    pub const TIMEOUT_NOT_INTEGER: CommandError = Self::new("ERR timeout is not an integer or out of range");
    pub const TIMEOUT_OUT_OF_RANGE: CommandError = Self::new("ERR timeout is out of range");
    pub const NUMKEYS_NOT_POSITIVE: CommandError = Self::new("ERR numkeys should be greater than 0");
    pub const TOO_MANY_KEYS: CommandError = Self::new("ERR Number of keys can't be greater than number of args");
    pub const NEGATIVE_LIMIT: CommandError = Self::new("ERR LIMIT can't be negative");
    pub const COUNT_NOT_POSITIVE: CommandError = Self::new("ERR COUNT must be > 0");
    pub const SAVE_IN_PROGRESS: CommandError = Self::new("ERR Background save already in progress");
    pub const NO_AUTH: CommandError = Self::new("NOAUTH Authentication required.");
    pub const WRONG_PASS: CommandError = Self::new("WRONGPASS invalid username-password pair or user is disabled.");
    pub const OOM: CommandError = Self::new("OOM command not allowed when used memory > 'maxmemory'.");
    pub const LOADING: CommandError = Self::new("LOADING Redis is loading the dataset in memory");

    pub const fn new(text: &'static str) -> CommandError {
        CommandError { text: Cow::Borrowed(text), is_counted: false }
    }

    /// An error with code ERR whose text is put together.
    pub fn err(text: impl Display) -> CommandError {
        Self::coded(format!("ERR {text}"))
    }

    /// An error whose text, code and all, is put together.
    pub fn coded(text: String) -> CommandError {
        CommandError { text: Cow::Owned(text), is_counted: false }
    }

    /// The same error, which is not to be counted again.
    pub fn counted(self) -> CommandError {
        CommandError { is_counted: true, ..self }
    }

    pub fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// `name` is the command's full name, such as `client|kill`.
    pub fn wrong_arity(name: &str) -> CommandError {
        Self::err(format_args!("wrong number of arguments for '{name}' command"))
    }

    pub fn invalid_expire(name: &str) -> CommandError {
        Self::err(format_args!("invalid expire time in '{name}' command"))
    }

    pub fn out_of_range(range: RangeInclusive<i64>) -> CommandError {
        match (*range.start(), *range.end()) {
            (0, i64::MAX) => Self::new("ERR value is out of range, must be positive"),
            (min, max) => Self::err(format_args!("value is out of range, value must between {min} and {max}")),
        }
    }

    pub fn unknown_subcommand(subcommand: &[u8], command: &str) -> CommandError {
        let subcommand = text_of(&subcommand[..subcommand.len().min(128)]).into_owned();
        Self::err(format_args!("unknown subcommand '{subcommand}'. Try {} HELP.", command.to_uppercase()))
    }

    /// `command` is known and its subcommand too, but not with these arguments.
    pub fn subcommand_syntax(subcommand: &[u8], command: &str) -> CommandError {
        let subcommand = text_of(&subcommand[..subcommand.len().min(128)]).into_owned();
        let command = command.to_uppercase();
        Self::err(format_args!(
            "unknown subcommand or wrong number of arguments for '{subcommand}'. Try {command} HELP."
        ))
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The code, by which INFO errorstats counts.
    pub fn code(&self) -> &str {
        self.text.split(' ').next().unwrap_or("ERR")
    }
}

impl From<WrongType> for CommandError {
    fn from(_: WrongType) -> Self {
        CommandError::WRONG_TYPE
    }
}
