//! The functions behind the table `redis`. The prelude gives them their names.

use super::convert::{Fields, ReplyReader, message, table_of};
use super::{HOST, ReplicateTo, ScriptFlags, bits, cjson, cmsgpack, packing, random};
use crate::config::REDIS_VERSION;
use crate::encoding::number::format_f64;
use crate::resp::Args;
use crate::resp::args::Token;
use mlua::{IntoLua, Lua, LuaString, MultiValue, Result, Table, Value};
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
    let request = RefCell::new(Request::default());
    let fields = fields.clone();
    host.raw_set(
        "call",
        lua.create_function(move |lua, arguments: MultiValue| {
            call(lua, &fields, &mut request.borrow_mut(), &arguments)
        })?,
    )?;
    host.raw_set("acl_check_cmd", function(lua, acl_check_cmd)?)?;
    host.raw_set("log", function(lua, log)?)?;
    host.raw_set("setresp", function(lua, setresp)?)?;
    host.raw_set("set_repl", function(lua, set_repl)?)?;
    host.raw_set("sha1hex", function(lua, sha1hex)?)?;
    host.raw_set(
        "is_flag",
        lua.create_function(|_, name: LuaString| Ok(ScriptFlags::named(&name.as_bytes()).is_some()))?,
    )?;
    host.raw_set(
        "error_text",
        lua.create_function(|_, text: LuaString| Ok(LuaString::wrap(error_text(&text.as_bytes()))))?,
    )?;
    host.raw_set("text", lua.create_function(text)?)?;
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

/// A result, or nil and what is wrong.
type Given = std::result::Result<Value, &'static str>;

fn function(lua: &Lua, f: fn(&Lua, MultiValue) -> Result<Given>) -> Result<mlua::Function> {
    lua.create_function(move |lua, arguments| {
        Ok(match f(lua, arguments)? {
            Ok(value) => (value, None),
            Err(problem) => (Value::Nil, Some(problem)),
        })
    })
}

/// Gives the reply, or nil and the error as a table.
fn call(lua: &Lua, fields: &Fields, request: &mut Request, arguments: &MultiValue) -> Result<(Value, Option<Table>)> {
    if let Err(problem) = request.fill(arguments) {
        return Ok((Value::Nil, Some(table_of(lua, &fields.err, format!("ERR {problem}"))?)));
    }
    let mut reply = std::mem::take(&mut request.reply);
    HOST.with(|host| host.call(&request.args(), &mut reply));
    let value = ReplyReader { lua, fields, bytes: &reply }.value()?;
    let failed = reply.first() == Some(&b'-');
    request.reply = reply;
    request.shrink();
    Ok(match value {
        Value::Table(error) if failed => (Value::Nil, Some(error)),
        value => (value, None),
    })
}

fn acl_check_cmd(_: &Lua, arguments: MultiValue) -> Result<Given> {
    let mut request = Request::default();
    Ok(request.fill(&arguments).and_then(|()| {
        let allowed = HOST.with(|host| host.may_run(&request.args()));
        allowed.map(Value::Boolean).ok_or("Invalid command passed to redis.acl_check_cmd()")
    }))
}

fn log(lua: &Lua, arguments: MultiValue) -> Result<Given> {
    const LEVELS: [log::Level; 4] = [log::Level::Trace, log::Level::Debug, log::Level::Info, log::Level::Warn];
    if arguments.len() < 2 {
        return Ok(Err("redis.log() requires two arguments or more."));
    }
    let level = match &arguments[0] {
        Value::Integer(level) => *level,
        Value::Number(level) => *level as i64,
        _ => return Ok(Err("First argument must be a number (log level).")),
    };
    let Some(level) = usize::try_from(level).ok().and_then(|level| LEVELS.get(level)) else {
        return Ok(Err("Invalid debug level."));
    };
    let mut words = Vec::new();
    for argument in arguments.iter().skip(1) {
        if let Some(text) = lua.coerce_string(argument.clone())? {
            words.push(text.to_string_lossy());
        }
    }
    log::log!(*level, "{}", words.join(" "));
    Ok(Ok(Value::Nil))
}

fn setresp(lua: &Lua, arguments: MultiValue) -> Result<Given> {
    let Ok([version]) = <[Value; 1]>::try_from(arguments.into_vec()) else {
        return Ok(Err("redis.setresp() requires one argument."));
    };
    Ok(match lua.coerce_integer(version)? {
        Some(version @ 2..=3) => {
            HOST.with(|host| host.set_resp3(version == 3));
            Ok(Value::Nil)
        }
        _ => Err("RESP version must be 2 or 3."),
    })
}

fn set_repl(lua: &Lua, arguments: MultiValue) -> Result<Given> {
    let Ok([to]) = <[Value; 1]>::try_from(arguments.into_vec()) else {
        return Ok(Err("redis.set_repl() requires two arguments."));
    };
    let to = lua.coerce_integer(to)?.unwrap_or(0);
    Ok(match u8::try_from(to).ok().and_then(ReplicateTo::from_bits) {
        Some(to) => {
            HOST.with(|host| host.replicate_to(to));
            Ok(Value::Nil)
        }
        None => Err("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE."),
    })
}

fn sha1hex(lua: &Lua, arguments: MultiValue) -> Result<Given> {
    let Ok([text]) = <[Value; 1]>::try_from(arguments.into_vec()) else { return Ok(Err("wrong number of arguments")) };
    // COMPAT: what is no string counts as an empty one.
    let text = match text {
        Value::String(_) | Value::Integer(_) | Value::Number(_) => lua.coerce_string(text)?,
        _ => None,
    };
    let digest = text.map_or_else(|| super::cache::sha1_hex(b""), |text| super::cache::sha1_hex(&text.as_bytes()));
    Ok(Ok(LuaString::wrap(digest).into_lua(lua)?))
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

/// What an error says that is neither a string nor a table: one of ours, raised to end the script.
fn text(lua: &Lua, error: Value) -> Result<Value> {
    if let Value::Error(error) = &error {
        super::interpreter::interrupt_rarely(lua)?;
        return LuaString::wrap(message(error)).into_lua(lua);
    }
    LuaString::wrap(error.to_string()?).into_lua(lua)
}

/// The source and line of the innermost function of the script.
fn position(lua: &Lua, (): ()) -> Result<(Option<String>, Option<usize>)> {
    let mut level = 1;
    loop {
        let found = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let of_script = source.what != "C" && source.source.as_deref() != Some(super::interpreter::PRELUDE_NAME);
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
