//! The functions behind the table `redis`. The prelude gives them their names.

use super::cache::sha1_hex;
use super::convert::{Fields, ReplyReader, message, push_error};
use super::failure::{Failure, Raised, Result};
use super::interpreter::{PRELUDE_NAME, interrupt_rarely};
use super::stack::{Index, Peeked, Stack, function};
use super::{HOST, ReplicateTo, ScriptFlags, bits, cjson, cmsgpack, packing, random};
use crate::config::REDIS_VERSION;
use crate::encoding::number::format_f64;
use crate::resp::Args;
use crate::resp::args::Token;
use mlua::{IntoLua, Lua, Table, Value};
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

    /// Takes the arguments of a function for those of a command.
    fn fill(&mut self, stack: &mut Stack) -> Result<()> {
        self.buffer.clear();
        self.tokens.clear();
        self.reply.clear();
        if stack.len() == 0 {
            return Err(fail(stack, NO_ARGUMENTS));
        }
        for at in stack.indices() {
            let start = self.buffer.len();
            match stack.peek(at) {
                Peeked::String(bytes) => self.buffer.extend_from_slice(bytes),
                Peeked::Number(number) => self.push_number(number),
                _ => return Err(fail(stack, BAD_ARGUMENT)),
            }
            self.tokens.push(Token::slice(start, self.buffer.len() - start));
        }
        Ok(())
    }

    fn push_number(&mut self, number: f64) {
        /// Up to here all whole numbers are doubles, and are written as integers.
        const EXACT_MAX: f64 = (1u64 << 53) as f64;
        match number {
            _ if number.fract() == 0.0 && number.abs() <= EXACT_MAX => {
                self.buffer.extend_from_slice(itoa::Buffer::new().format(number as i64).as_bytes());
            }
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

/// The failure of a function of the table `redis`.
fn fail(stack: &mut Stack, text: &str) -> Failure {
    push_error(stack, &[b"ERR ", text.as_bytes()].concat(), false);
    Failure::Pushed
}

/// The table that the prelude gets.
pub fn functions(lua: &Lua, fields: &Rc<Fields>, seed: u64) -> mlua::Result<Table> {
    let host = lua.create_table()?;
    let request = Rc::new(RefCell::new(Request::default()));
    for (name, is_protected) in [("call", false), ("pcall", true)] {
        let request = request.clone();
        host.raw_set(name, function(lua, move |stack| call(stack, &mut request.borrow_mut(), is_protected))?)?;
    }
    host.raw_set("acl_check_cmd", function(lua, acl_check_cmd)?)?;
    host.raw_set("log", function(lua, log)?)?;
    host.raw_set("setresp", function(lua, setresp)?)?;
    host.raw_set("set_repl", function(lua, set_repl)?)?;
    host.raw_set("sha1hex", function(lua, sha1hex)?)?;
    let is_flag = |stack: &mut Stack| {
        let is_flag = ScriptFlags::named(stack.string(0, "is_flag")?).is_some();
        stack.push_boolean(is_flag);
        Ok(1)
    };
    host.raw_set("is_flag", function(lua, is_flag)?)?;
    let error_text = |stack: &mut Stack| {
        let text = error_text(stack.string(0, "error_text")?);
        stack.push_string(&text);
        Ok(1)
    };
    host.raw_set("error_text", function(lua, error_text)?)?;
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
fn call(stack: &mut Stack, request: &mut Request, is_protected: bool) -> Result<usize> {
    let outcome = request.fill(stack).and_then(|()| {
        let mut reply = std::mem::take(&mut request.reply);
        HOST.with(|host| host.call(&request.args(), &mut reply));
        ReplyReader { stack, bytes: &reply }.value()?;
        let failed = reply.first() == Some(&b'-');
        request.reply = reply;
        request.shrink();
        if failed { Err(Failure::Pushed) } else { Ok(()) }
    });
    match outcome {
        Err(Failure::Pushed) if is_protected => Ok(1),
        outcome => outcome.map(|()| 1),
    }
}

fn acl_check_cmd(stack: &mut Stack) -> Result<usize> {
    let mut request = Request::default();
    request.fill(stack)?;
    match HOST.with(|host| host.may_run(&request.args())) {
        Some(allowed) => stack.push_boolean(allowed),
        None => return Err(fail(stack, "Invalid command passed to redis.acl_check_cmd()")),
    }
    Ok(1)
}

fn log(stack: &mut Stack) -> Result<usize> {
    const LEVELS: [log::Level; 4] = [log::Level::Trace, log::Level::Debug, log::Level::Info, log::Level::Warn];
    if stack.len() < 2 {
        return Err(fail(stack, "redis.log() requires two arguments or more."));
    }
    let Peeked::Number(level) = stack.peek(Index::argument(0)) else {
        return Err(fail(stack, "First argument must be a number (log level)."));
    };
    let Some(level) = LEVELS.get(level as usize).filter(|_| level > -1.0) else {
        return Err(fail(stack, "Invalid debug level."));
    };
    let words = (1..stack.len()).filter_map(|index| stack.string(index, "log").ok());
    log::log!(*level, "{}", words.map(String::from_utf8_lossy).collect::<Vec<_>>().join(" "));
    Ok(0)
}

fn expect_one(stack: &mut Stack, otherwise: &str) -> Result<()> {
    if stack.len() == 1 { Ok(()) } else { Err(fail(stack, otherwise)) }
}

fn setresp(stack: &mut Stack) -> Result<usize> {
    expect_one(stack, "redis.setresp() requires one argument.")?;
    match stack.integer(0, "setresp") {
        Ok(version @ 2..=3) => HOST.with(|host| host.set_resp3(version == 3)),
        _ => return Err(fail(stack, "RESP version must be 2 or 3.")),
    }
    Ok(0)
}

fn set_repl(stack: &mut Stack) -> Result<usize> {
    const INVALID: &str = "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
    expect_one(stack, "redis.set_repl() requires two arguments.")?;
    let to = stack.integer(0, "set_repl").unwrap_or(0);
    match u8::try_from(to).ok().and_then(ReplicateTo::from_bits) {
        Some(to) => HOST.with(|host| host.replicate_to(to)),
        None => return Err(fail(stack, INVALID)),
    }
    Ok(0)
}

fn sha1hex(stack: &mut Stack) -> Result<usize> {
    expect_one(stack, "wrong number of arguments")?;
    // COMPAT: what is no string counts as an empty one.
    let digest = sha1_hex(stack.string(0, "sha1hex").unwrap_or_default());
    stack.push_string(&digest);
    Ok(1)
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

/// What an error of the hook is to a script.
fn error_value(lua: &Lua, fields: &Fields, error: Value) -> mlua::Result<Value> {
    let Value::Error(error) = &error else { return Ok(error) };
    match Raised::of(error) {
        Some(Raised(text)) => fields.error(lua, text).map(Value::Table),
        None => message(error).into_lua(lua),
    }
}

/// The source and line of the innermost function of the script.
fn position(lua: &Lua, (): ()) -> mlua::Result<(Option<String>, Option<usize>)> {
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
