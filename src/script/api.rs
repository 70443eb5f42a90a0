//! The functions behind the table `redis`. The prelude gives them their names.

use super::cache::sha1_hex;
use super::convert::{Fields, ReplyReader, message};
use super::failure::Raised;
use super::interpreter::{PRELUDE_NAME, interrupt_rarely};
use super::{HOST, ReplicateTo, ScriptFlags, bits, cjson, cmsgpack, packing, random};
use crate::config::REDIS_VERSION;
use crate::encoding::number::format_f64;
use crate::resp::Args;
use crate::resp::args::Token;
use mlua::{Error, IntoLua, Lua, LuaString, MultiValue, Result, Table, Value};
use std::cell::RefCell;
use std::rc::Rc;

const NO_ARGUMENTS: &str = "Please specify at least one argument for this redis lib call";
const BAD_ARGUMENT: &str = "Lua redis lib command arguments must be strings or integers";

/// A request on its way to the host, and its reply; kept between calls so that these allocate nothing.
#[derive(Default)]
struct Request {
    buffer: Vec<u8>,
    tokens: Vec<Token>,
    reply: Vec<u8>,
}

impl Request {
    /// More than this is given back after a call.
    const KEPT_MAX: usize = 64 * 1024;

    fn fill(&mut self, arguments: &MultiValue) -> std::result::Result<(), &'static str> {
        self.buffer.clear();
        self.tokens.clear();
        self.reply.clear();
        if arguments.is_empty() {
            return Err(NO_ARGUMENTS);
        }
        for argument in arguments {
            let start = self.buffer.len();
            match argument {
                Value::String(string) => self.buffer.extend_from_slice(&string.as_bytes()),
                Value::Integer(integer) => self.push_integer(*integer),
                Value::Number(number) => self.push_number(*number),
                _ => return Err(BAD_ARGUMENT),
            }
            self.tokens.push(Token::slice(start, self.buffer.len() - start));
        }
        Ok(())
    }

    fn push_integer(&mut self, integer: i64) {
        /// Up to here all whole numbers are doubles, and are written as integers.
        const EXACT_MAX: u64 = 1 << 53;
        if integer.unsigned_abs() <= EXACT_MAX {
            self.buffer.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
        } else {
            self.push_number(integer as f64);
        }
    }

    fn push_number(&mut self, number: f64) {
        match number {
            0.0 => self.buffer.push(b'0'),
            // COMPAT: Redis shows the sign, and 0/0 has one on x86.
            _ if number.is_nan() => {
                self.buffer.extend_from_slice(if number.is_sign_negative() { b"-nan" } else { b"nan" })
            }
            _ => self.buffer.extend_from_slice(&format_f64(number)),
        }
    }

    fn args(&self) -> Args<'_> {
        Args::new(&self.buffer, &self.tokens, &[], None)
    }

    fn shrink(&mut self) {
        self.buffer.shrink_to(Self::KEPT_MAX);
        self.reply.shrink_to(Self::KEPT_MAX);
    }
}

/// The table that the prelude gets.
pub fn functions(lua: &Lua, fields: &Rc<Fields>, seed: u64) -> Result<Table> {
    let host = lua.create_table()?;
    let request = Rc::new(RefCell::new(Request::default()));
    for (name, protected) in [("call", false), ("pcall", true)] {
        let (fields, request) = (fields.clone(), request.clone());
        let function = lua.create_function(move |lua, arguments: MultiValue| {
            call(lua, &fields, &mut request.borrow_mut(), &arguments, protected)
        });
        host.raw_set(name, function?)?;
    }
    host.raw_set("acl_check_cmd", lua.create_function(acl_check_cmd)?)?;
    host.raw_set("log", lua.create_function(log)?)?;
    host.raw_set("setresp", lua.create_function(setresp)?)?;
    host.raw_set("set_repl", lua.create_function(set_repl)?)?;
    host.raw_set("sha1hex", lua.create_function(sha1hex)?)?;
    let is_flag = |_: &Lua, name: LuaString| Ok(ScriptFlags::named(&name.as_bytes()).is_some());
    host.raw_set("is_flag", lua.create_function(is_flag)?)?;
    let error_text = |_: &Lua, text: LuaString| Ok(LuaString::wrap(error_text(&text.as_bytes())));
    host.raw_set("error_text", lua.create_function(error_text)?)?;
    let names = fields.clone();
    host.raw_set("error_value", lua.create_function(move |lua, error| error_value(lua, &names, error))?)?;
    host.raw_set("interrupt_rarely", lua.create_function(|lua, ()| interrupt_rarely(lua))?)?;
    host.raw_set("position", lua.create_function(position)?)?;
    host.raw_set("version", REDIS_VERSION)?;
    let number = REDIS_VERSION.split('.').fold(0, |number, part| number << 8 | part.parse::<i64>().unwrap_or(0));
    host.raw_set("version_number", number)?;
    random::register(lua, &host, seed)?;
    host.raw_set("bit", bits::library(lua)?)?;
    host.raw_set("struct", packing::library(lua)?)?;
    host.raw_set("cmsgpack", cmsgpack::library(lua)?)?;
    host.raw_set("cjson", lua.create_function(|lua, ()| cjson::library(lua))?)?;
    Ok(host)
}

/// `redis.call` raises the error of a command, `redis.pcall` gives it.
fn call(
    lua: &Lua,
    fields: &Fields,
    request: &mut Request,
    arguments: &MultiValue,
    is_protected: bool,
) -> Result<Value> {
    let fail = |text: Vec<u8>, counted| match is_protected {
        true => fields.error(lua, &text, counted).map(Value::Table),
        false => Err(Error::external(Raised::Table { text, counted })),
    };
    if let Err(problem) = request.fill(arguments) {
        return fail(format!("ERR {problem}").into_bytes(), false);
    }
    let mut reply = std::mem::take(&mut request.reply);
    HOST.with(|host| host.call(&request.args(), &mut reply));
    let result = match reply.strip_prefix(b"-") {
        Some(error) => fail(error.strip_suffix(b"\r\n").unwrap_or(error).to_vec(), true),
        None => ReplyReader { lua, fields, bytes: &reply }.value(),
    };
    request.reply = reply;
    request.shrink();
    result
}

fn acl_check_cmd(_: &Lua, arguments: MultiValue) -> Result<bool> {
    let mut request = Request::default();
    request.fill(&arguments).map_err(Raised::table)?;
    let allowed = HOST.with(|host| host.may_run(&request.args()));
    allowed.ok_or_else(|| Raised::table("Invalid command passed to redis.acl_check_cmd()"))
}

fn log(lua: &Lua, arguments: MultiValue) -> Result<()> {
    const LEVELS: [log::Level; 4] = [log::Level::Trace, log::Level::Debug, log::Level::Info, log::Level::Warn];
    if arguments.len() < 2 {
        return Err(Raised::table("redis.log() requires two arguments or more."));
    }
    let level = match &arguments[0] {
        Value::Integer(level) => *level,
        Value::Number(level) => *level as i64,
        _ => return Err(Raised::table("First argument must be a number (log level).")),
    };
    let Some(level) = usize::try_from(level).ok().and_then(|level| LEVELS.get(level)) else {
        return Err(Raised::table("Invalid debug level."));
    };
    let mut words = Vec::new();
    for argument in arguments.iter().skip(1) {
        if let Some(text) = lua.coerce_string(argument.clone())? {
            words.push(text.to_string_lossy());
        }
    }
    log::log!(*level, "{}", words.join(" "));
    Ok(())
}

/// The only argument of a function.
fn single(arguments: MultiValue, otherwise: &str) -> Result<Value> {
    let [argument] = <[Value; 1]>::try_from(arguments.into_vec()).map_err(|_| Raised::table(otherwise))?;
    Ok(argument)
}

fn setresp(lua: &Lua, arguments: MultiValue) -> Result<()> {
    let version = single(arguments, "redis.setresp() requires one argument.")?;
    match lua.coerce_integer(version)? {
        Some(version @ 2..=3) => HOST.with(|host| host.set_resp3(version == 3)),
        _ => return Err(Raised::table("RESP version must be 2 or 3.")),
    }
    Ok(())
}

fn set_repl(lua: &Lua, arguments: MultiValue) -> Result<()> {
    const INVALID: &str = "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
    let to = single(arguments, "redis.set_repl() requires two arguments.")?;
    let to = lua.coerce_integer(to)?.unwrap_or(0);
    let to = u8::try_from(to).ok().and_then(ReplicateTo::from_bits).ok_or_else(|| Raised::table(INVALID))?;
    HOST.with(|host| host.replicate_to(to));
    Ok(())
}

fn sha1hex(lua: &Lua, arguments: MultiValue) -> Result<LuaString> {
    // COMPAT: what is no string counts as an empty one.
    let text = match single(arguments, "wrong number of arguments")? {
        text @ (Value::String(_) | Value::Integer(_) | Value::Number(_)) => lua.coerce_string(text)?,
        _ => None,
    };
    lua.create_string(text.map_or_else(|| sha1_hex(b""), |text| sha1_hex(&text.as_bytes())))
}

/// The text of `redis.error_reply`.
///
/// COMPAT: its first word is the code, with or without a `-` before it, and ERR if there is but one.
fn error_text(text: &[u8]) -> Vec<u8> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let end = text.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    let start = text.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(end);
    match text.contains(&b' ') {
        true => text[..end].to_vec(),
        false => [b"ERR ", &text[start.min(end)..end]].concat(),
    }
}

/// What an error of Rust's is to a script.
fn error_value(lua: &Lua, fields: &Fields, error: Value) -> Result<Value> {
    let Value::Error(error) = &error else { return Ok(error) };
    match Raised::of(error) {
        Some(Raised::Table { text, counted }) => fields.error(lua, text, *counted).map(Value::Table),
        Some(Raised::Text(text)) => text.as_str().into_lua(lua),
        None => message(error).into_lua(lua),
    }
}

/// The source and line of the innermost function of the script.
fn position(lua: &Lua, (): ()) -> Result<(Option<String>, Option<usize>)> {
    let mut level = 1;
    loop {
        let found = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let of_script = source.what != "C" && source.source.as_deref() != Some(PRELUDE_NAME);
            (of_script && debug.current_line().is_some())
                .then(|| (source.source.map(|source| source.into_owned()), debug.current_line()))
        });
        match found {
            None => return Ok((None, None)),
            Some(Some(position)) => return Ok(position),
            Some(None) => level += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::error_text;

    #[test]
    fn texts_of_error_replies() {
        let cases: [(&str, &str); 6] = [
            ("", "ERR "),
            ("x", "ERR x"),
            ("-x y", "x y"),
            ("CODE text", "CODE text"),
            ("x y\r\nz", "x y\r\nz"),
            ("x y\r\n", "x y"),
        ];
        for (given, text) in cases {
            assert_eq!(error_text(given.as_bytes()), text.as_bytes(), "{given:?}");
        }
    }
}
