//! The debugger of scripts: one session, in which one script is run.
//!
//! Lua calls back at each line of the script. Where it is to stop, the session talks to its client over the
//! client's own connection until it is told to go on; whatever runs the session waits. What there is to say is
//! kept and sent as one array of status lines, whenever the script stops, after each request, and at the end.
//!
//! Once the client is gone the script runs on without a stop. What a session costs, it costs only itself: it
//! has an interpreter of its own.

mod describe;

use super::convert::message;
use super::failure::Raised;
use super::interpreter::SCRIPT_NAME;
use super::{HOST, Host, ReplicateTo};
use crate::encoding::number::parse_i64;
use crate::resp::Args;
use crate::resp::args::OwnedRequest;
use crate::resp::request::{Batch, Limits, Parsed, RequestParser};
use mlua::debug::{Debug, DebugEvent};
use mlua::{Function, HookTriggers, Lua, LuaString, MultiValue, Result, Table, Value, VmState};
use std::cell::{Cell, OnceCell, RefCell};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

const BREAKPOINTS_MAX: usize = 64;
/// A request may have this many bytes: requests are typed by people.
const REQUEST_MAX: usize = 64 * 1024;
/// Bytes shown of a value or reply, if nothing else was asked for, and the least that can be.
const SHOWN: usize = 256;
const SHOWN_MIN: usize = 60;
/// Lines listed before and after the one that was asked for.
const LIST_AROUND: i64 = 5;
/// Instructions between two looks at how long the script has run without a stop.
const INSTRUCTIONS: u32 = 100_000;
/// Arguments shown of a command.
const ARGUMENTS_SHOWN: usize = 10;

const UNKNOWN: &str = "<error> Unknown Redis Lua debugger command or wrong number of arguments.";

const HELP: &[&str] = &[
    "Redis Lua debugger help:",
    "[h]elp               Show this list.",
    "[s]tep               Run this line, then stop at the next one.",
    "[n]ext               The same as step.",
    "[c]ontinue           Run until the next breakpoint.",
    "[l]ist               Show the script around this line.",
    "[l]ist [line]        Show it around another line; 0 is this one.",
    "[l]ist [line] [ctx]  So many lines before and after it.",
    "[w]hole              Show the whole script.",
    "[p]rint              Show all local variables.",
    "[p]rint <var>        Show one variable, be it local, KEYS or ARGV.",
    "[b]reak              Show the breakpoints.",
    "[b]reak <line>       Add a breakpoint.",
    "[b]reak -<line>      Remove a breakpoint.",
    "[b]reak 0            Remove all breakpoints.",
    "[t]race              Show which function was called from where.",
    "[e]val <code>        Run Lua code, which does not see local variables.",
    "[r]edis <cmd>        Run a command of Redis.",
    "[m]axlen [len]       Cut values and replies to this many bytes; 0 shows them whole.",
    "[a]bort              End the script. What it changed stays in sync mode.",
    "",
    "What scripts can call:",
    "redis.debug()        Shows its arguments here.",
    "redis.breakpoint()   Stops at the next line.",
];

/// Functions of Lua that the sandbox does not have.
struct Tools {
    getlocal: Function,
    pcall: Function,
}

/// What has come from the client.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    parser: RequestParser,
    batch: Batch,
}

enum Request {
    Whole(OwnedRequest),
    Broken,
    /// The client is gone.
    End,
}

/// What follows a request.
enum Next {
    /// Another one.
    Talk,
    /// The script goes on.
    Run,
}

pub struct Debugger {
    connection: File,
    source: Vec<Vec<u8>>,
    /// Without a stop for so long, the script is taken to run in circles.
    endless_after: Option<Duration>,
    tools: OnceCell<Tools>,
    input: RefCell<Input>,
    said: RefCell<Vec<Vec<u8>>>,
    breakpoints: RefCell<Vec<usize>>,
    /// The line it has stopped at.
    line: Cell<usize>,
    /// It is to stop at the next line.
    step: Cell<bool>,
    /// The script called `redis.breakpoint`.
    asked_to_stop: Cell<bool>,
    seems_endless: Cell<bool>,
    resumed: Cell<Instant>,
    /// The client is gone.
    alone: Cell<bool>,
    /// Bytes shown of a value; 0 for all.
    shown: Cell<usize>,
    hinted: Cell<bool>,
}

impl Debugger {
    /// A session over a connection that blocks.
    pub fn new(connection: File, script: &[u8], endless_after: Option<Duration>) -> Debugger {
        let script = script.strip_suffix(b"\n").unwrap_or(script);
        Debugger {
            connection,
            source: script.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect(),
            endless_after,
            tools: OnceCell::new(),
            input: RefCell::default(),
            said: RefCell::default(),
            breakpoints: RefCell::default(),
            line: Cell::new(0),
            step: Cell::new(true),
            asked_to_stop: Cell::new(false),
            seems_endless: Cell::new(false),
            resumed: Cell::new(Instant::now()),
            alone: Cell::new(false),
            shown: Cell::new(SHOWN),
            hinted: Cell::new(false),
        }
    }

    /// Takes what it needs of a new interpreter, and adds what its scripts can call to the table `host`.
    pub(super) fn attach(self: &Rc<Self>, lua: &Lua, host: &Table) -> Result<()> {
        let globals = lua.globals();
        let getlocal = globals.get::<Table>("debug")?.get("getlocal")?;
        self.tools.get_or_init(|| Tools { getlocal, pcall: globals.get("pcall").expect("Lua has it") });
        let debugger = self.clone();
        let breakpoint = lua.create_function(move |_, ()| {
            debugger.asked_to_stop.set(true);
            Ok(true)
        })?;
        host.raw_set("breakpoint", breakpoint)?;
        let debugger = self.clone();
        let debug = lua.create_function(move |lua, values: MultiValue| {
            debugger.debug(lua, &values);
            Ok(())
        })?;
        host.raw_set("debug", debug)?;
        // The hook stays as it is.
        host.raw_set("interrupt_rarely", lua.create_function(|_, ()| Ok(()))?)?;
        self.look_every(lua, INSTRUCTIONS)
    }

    /// Sets the hook: it is called at each line, and after this many instructions.
    fn look_every(self: &Rc<Self>, lua: &Lua, instructions: u32) -> Result<()> {
        let debugger = self.clone();
        let triggers = HookTriggers::new().every_line().every_nth_instruction(instructions);
        lua.set_global_hook(triggers, move |lua, debug| debugger.hook(lua, debug).map(|()| VmState::Continue))
    }

    // ---- what is said

    fn say(&self, line: impl Into<Vec<u8>>) {
        self.said.borrow_mut().push(line.into());
    }

    /// A value or reply, which is cut if it is long.
    fn say_value(&self, prefix: &str, value: &[u8]) {
        let mut line = [prefix.as_bytes(), value].concat();
        let max = self.shown.get();
        let is_long = max > 0 && line.len() > max;
        if is_long {
            line.truncate(max);
            line.extend_from_slice(b" ...");
        }
        self.say(line);
        if is_long && !self.hinted.replace(true) {
            self.say("<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.");
        }
    }

    fn send(&self) {
        let said = self.said.take();
        if self.alone.get() {
            return;
        }
        let mut bytes = format!("*{}\r\n", said.len()).into_bytes();
        for line in said {
            bytes.push(b'+');
            bytes.extend(line.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
            bytes.extend_from_slice(b"\r\n");
        }
        if (&self.connection).write_all(&bytes).is_err() {
            self.alone.set(true);
        }
    }

    /// What follows the session is sent there.
    pub fn connection(&self) -> &File {
        &self.connection
    }

    /// The script has ended.
    pub fn end(&self) {
        self.say("<endsession>");
        self.send();
    }

    // ---- where it stops

    fn hook(self: &Rc<Self>, lua: &Lua, debug: &Debug) -> Result<()> {
        if debug.event() == DebugEvent::Count {
            if self.endless_after.is_some_and(|limit| self.resumed.get().elapsed() >= limit) {
                if self.alone.get() {
                    // Nobody is there who could end it. If it catches the error, it is to run into it again at once.
                    self.look_every(lua, 1)?;
                    return Err(Raised::error("timeout during Lua debugging with client closing connection"));
                }
                self.seems_endless.set(true);
            }
            return Ok(());
        }
        let Some(line) = line_of_script(debug).filter(|_| !self.alone.get()) else { return Ok(()) };
        let reason = if self.asked_to_stop.get() {
            "redis.breakpoint() called"
        } else if self.breakpoints.borrow().contains(&line) {
            "break point"
        } else if self.seems_endless.get() {
            "timeout reached, infinite loop?"
        } else if self.step.get() {
            "step over"
        } else {
            return Ok(());
        };
        self.line.set(line);
        self.step.set(false);
        self.asked_to_stop.set(false);
        self.seems_endless.set(false);
        self.say(format!("* Stopped at {line}, stop reason = {reason}"));
        self.say_line(line);
        self.send();
        self.talk(lua)?;
        self.resumed.set(Instant::now());
        Ok(())
    }

    /// Does what the client asks for until the script is to go on.
    fn talk(&self, lua: &Lua) -> Result<()> {
        loop {
            match self.read() {
                Request::Whole(request) => match self.obey(lua, &request.args())? {
                    Next::Talk => self.send(),
                    Next::Run => return Ok(()),
                },
                Request::Broken => return Err(Raised::error("protocol error")),
                Request::End => {
                    self.alone.set(true);
                    return Ok(());
                }
            }
        }
    }

    fn read(&self) -> Request {
        let limits = Limits { bulk_max: REQUEST_MAX, authenticated: true, in_place: true };
        let Input { bytes, parser, batch } = &mut *self.input.borrow_mut();
        loop {
            batch.clear();
            if bytes.first().is_some_and(|&first| first != b'*') {
                return Request::Broken;
            }
            let parsed = parser.parse(bytes, 0, 1, limits, batch);
            if !batch.is_empty() {
                let request = batch.args(0, bytes).to_owned();
                bytes.drain(..batch.end_of_last());
                return Request::Whole(request);
            }
            match parsed {
                Ok(Parsed::Incomplete(left)) if left.len() <= REQUEST_MAX => drop(bytes.drain(..left.start)),
                _ => return Request::Broken,
            }
            let mut piece = [0; 4096];
            match (&self.connection).read(&mut piece) {
                Ok(0) => return Request::End,
                Ok(count) => bytes.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(_) => return Request::End,
            }
        }
    }

    // ---- what the client can ask for

    fn obey(&self, lua: &Lua, args: &Args) -> Result<Next> {
        let rest = args.len() - 1;
        match &args.get(0).to_ascii_lowercase()[..] {
            b"h" | b"help" => HELP.iter().for_each(|&line| self.say(line)),
            b"s" | b"step" | b"n" | b"next" => {
                self.step.set(true);
                return Ok(Next::Run);
            }
            b"c" | b"continue" => return Ok(Next::Run),
            b"l" | b"list" => {
                let number = |index| (index < args.len()).then(|| parse_i64(args.get(index)).unwrap_or(0));
                self.list(number(1).unwrap_or(0), number(2).unwrap_or(LIST_AROUND));
            }
            b"w" | b"whole" => self.list(1, i64::MAX),
            b"p" | b"print" if rest == 1 => self.print(lua, args.get(1))?,
            b"p" | b"print" => self.print_all(lua)?,
            b"b" | b"break" if rest == 0 => self.list_breakpoints(),
            b"b" | b"break" => args.from(1).iter().for_each(|argument| self.change_breakpoints(argument)),
            b"t" | b"trace" => self.trace(lua),
            b"e" | b"eval" => {
                let code = args.from(1).iter().collect::<Vec<_>>().join(&b' ');
                self.eval(lua, &code)?;
            }
            b"r" | b"redis" if rest > 0 => {
                // What it does is shown, as that of a step.
                self.step.set(true);
                HOST.with(|host| host.call(&args.from(1), &mut Vec::new()));
                self.step.set(false);
            }
            b"m" | b"maxlen" => self.limit_shown((rest == 1).then(|| args.get(1))),
            b"a" | b"abort" => return Err(Raised::error("script aborted for user request")),
            _ => self.say(UNKNOWN),
        }
        Ok(Next::Talk)
    }

    fn say_line(&self, line: usize) {
        let Some(text) = line.checked_sub(1).and_then(|index| self.source.get(index)) else { return };
        let mark = match (line == self.line.get(), self.breakpoints.borrow().contains(&line)) {
            (true, true) => "->#",
            (true, false) => "-> ",
            (false, true) => "  #",
            (false, false) => "   ",
        };
        self.say([format!("{mark}{line:<3} ").as_bytes(), text].concat());
    }

    /// Lines before and after one; the one it has stopped at is 0.
    fn list(&self, line: i64, around: i64) {
        let line = if line > 0 { line } else { self.line.get() as i64 };
        let (first, last) = (line.saturating_sub(around).max(1), line.saturating_add(around));
        (first..=last.min(self.source.len() as i64)).for_each(|line| self.say_line(line as usize));
    }

    fn list_breakpoints(&self) {
        let breakpoints = self.breakpoints.borrow().clone();
        if breakpoints.is_empty() {
            return self.say("No breakpoints set. Use 'b <line>' to add one.");
        }
        self.say(format!("{} breakpoints set:", breakpoints.len()));
        breakpoints.into_iter().for_each(|line| self.say_line(line));
    }

    fn change_breakpoints(&self, argument: &[u8]) {
        let mut breakpoints = self.breakpoints.borrow_mut();
        let said = match parse_i64(argument) {
            None => format!("Invalid argument:'{}'", String::from_utf8_lossy(argument)),
            Some(0) => {
                breakpoints.clear();
                "All breakpoints removed.".to_owned()
            }
            Some(line @ ..0) => {
                let before = breakpoints.len();
                breakpoints.retain(|&other| other as u64 != line.unsigned_abs());
                let removed = breakpoints.len() < before;
                if removed { "Breakpoint removed." } else { "No breakpoint in the specified line." }.to_owned()
            }
            Some(_) if breakpoints.len() == BREAKPOINTS_MAX => "Too many breakpoints set.".to_owned(),
            Some(line) if line > self.source.len() as i64 || breakpoints.contains(&(line as usize)) => {
                "Wrong line number.".to_owned()
            }
            Some(line) => {
                breakpoints.push(line as usize);
                drop(breakpoints);
                return self.list(line, 1);
            }
        };
        drop(breakpoints);
        self.say(said);
    }

    fn limit_shown(&self, max: Option<&[u8]>) {
        if let Some(max) = max {
            let max = parse_i64(max).unwrap_or(0).max(0) as usize;
            self.shown.set(if max == 0 { 0 } else { max.max(SHOWN_MIN) });
            // Who sets it knows of it.
            self.hinted.set(true);
        }
        match self.shown.get() {
            0 => self.say("<value> replies are unlimited."),
            max => self.say(format!("<value> replies are truncated at {max} bytes.")),
        }
    }

    /// Calls `f` with each local variable of the function at a level of the stack, until it gives something.
    fn locals<R>(&self, level: usize, mut f: impl FnMut(&[u8], &Value) -> Option<R>) -> Result<Option<R>> {
        let tools = self.tools.get().expect("it is attached");
        for number in 1.. {
            // To what is called here, its own level is 0.
            let (name, value): (Option<LuaString>, Value) = tools.getlocal.call((level + 1, number))?;
            let Some(name) = name else { break };
            // What Lua has to remember besides has names such as `(*temporary)`.
            if name.as_bytes().starts_with(b"(*") {
                continue;
            }
            let found = f(&name.as_bytes(), &value);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn print_all(&self, lua: &Lua) -> Result<()> {
        let mut some = false;
        if let Some(frame) = frames(lua).first() {
            self.locals(frame.level, |name, value| -> Option<()> {
                some = true;
                let line = [name, b" = ", &describe::value(value)].concat();
                self.say_value("<value> ", &line);
                None
            })?;
        }
        if !some {
            self.say("No local variables in the current context.");
        }
        Ok(())
    }

    /// COMPAT: of variables with the same name the outer one is shown, and those of the functions that
    /// called are found as well.
    fn print(&self, lua: &Lua, wanted: &[u8]) -> Result<()> {
        let mut found = None;
        for frame in frames(lua) {
            found = self.locals(frame.level, |name, value| (name == wanted).then(|| value.clone()))?;
            if found.is_some() {
                break;
            }
        }
        if found.is_none() && [&b"KEYS"[..], b"ARGV"].contains(&wanted) {
            found = Some(lua.globals().get::<Value>(LuaString::wrap(wanted))?);
        }
        match found {
            Some(value) => self.say_value("<value> ", &describe::value(&value)),
            None => self.say("No such variable."),
        }
        Ok(())
    }

    fn trace(&self, lua: &Lua) {
        for (depth, frame) in frames(lua).into_iter().enumerate() {
            let preposition = if depth == 0 { "In" } else { "From" };
            self.say(format!("{preposition} {}:", frame.name.as_deref().unwrap_or("top level")));
            self.say_line(frame.line);
        }
    }

    /// Runs an expression or, if it is none, statements.
    fn eval(&self, lua: &Lua, code: &[u8]) -> Result<()> {
        let compile = |code: &[u8]| lua.load(code).set_name("@ldb_eval").into_function();
        let function = match compile(&[b"return ", code].concat()).or_else(|_| compile(code)) {
            Ok(function) => function,
            Err(error) => {
                self.say_value("<error> ", message(&error).as_bytes());
                return Ok(());
            }
        };
        let tools = self.tools.get().expect("it is attached");
        let (ok, value): (bool, Value) = tools.pcall.call(function)?;
        if ok {
            self.say_value("<retval> ", &describe::value(&value));
        } else {
            self.say_value("<error> ", &describe::error(lua, &value));
        }
        Ok(())
    }

    /// `redis.debug`.
    fn debug(&self, lua: &Lua, values: &MultiValue) {
        let line = lua.inspect_stack(1, |debug| debug.current_line()).flatten().unwrap_or(0);
        let values: Vec<_> = values.iter().map(describe::value).collect();
        self.say([format!("<debug> line {line}: ").as_bytes(), &values.join(&b", "[..])].concat());
    }
}

/// A function of the script that runs, or waits for one it called.
struct Frame {
    level: usize,
    line: usize,
    name: Option<String>,
}

/// The innermost first.
fn frames(lua: &Lua) -> Vec<Frame> {
    let at = |level| {
        lua.inspect_stack(level, |debug| {
            line_of_script(debug).map(|line| Frame { level, line, name: debug.names().name.map(Into::into) })
        })
    };
    (0..).map_while(at).flatten().collect()
}

/// Where a function of the script is; None if it is another's.
fn line_of_script(debug: &Debug) -> Option<usize> {
    let line = debug.current_line()?;
    (debug.source().source.as_deref() == Some(SCRIPT_NAME)).then_some(line)
}

/// What a script runs in while it is debugged: it shows the commands of a step.
pub struct DebuggedHost<'a> {
    pub host: &'a mut dyn Host,
    pub debugger: &'a Debugger,
}

impl Host for DebuggedHost<'_> {
    fn call(&mut self, args: &Args, reply: &mut Vec<u8>) -> bool {
        if !self.debugger.step.get() {
            return self.host.call(args, reply);
        }
        let mut line = b"<redis> ".to_vec();
        line.extend(args.iter().take(ARGUMENTS_SHOWN).collect::<Vec<_>>().join(&b' '));
        if args.len() > ARGUMENTS_SHOWN {
            // COMPAT: the last one is not counted.
            line.extend(format!(" ... ({} more)", args.len() - ARGUMENTS_SHOWN - 1).bytes());
        }
        self.debugger.say(line);
        let start = reply.len();
        let ran = self.host.call(args, reply);
        let answered = &reply[start..];
        if let Some(error) = answered.strip_prefix(b"-") {
            let error = error.strip_suffix(b"\r\n").unwrap_or(error);
            // COMPAT: the code is left out if the command was refused, unless that has one of its own.
            let text = if ran { None } else { error.strip_prefix(b"ERR ") };
            self.debugger.say(match text {
                Some(text) => [b"<error> ", text].concat(),
                None => [b"<error> -", error].concat(),
            });
        }
        if ran {
            self.debugger.say_value("<reply> ", &describe::reply(answered));
        }
        ran
    }

    fn may_run(&mut self, args: &Args) -> Option<bool> {
        self.host.may_run(args)
    }

    fn set_resp3(&mut self, resp3: bool) {
        self.host.set_resp3(resp3);
    }

    fn replicate_to(&mut self, to: ReplicateTo) {
        self.host.replicate_to(to);
    }

    fn interrupt(&mut self) -> Option<String> {
        self.host.interrupt()
    }
}
