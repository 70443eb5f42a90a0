//! One Lua state in its sandbox.
//!
//! What it can run is compiled once and kept in a table by number ([`Slot`]): the binding can hold
//! only some thousands of values itself.
#![allow(unsafe_code)]

use super::api;
use super::convert::{Fields, ReplyWriter, message, string};
use super::debugger::Debugger;
use super::{HOST, ScriptFlags};
use crate::resp::Reply;
use crate::resp::text::text_of;
use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, Lua, LuaOptions, LuaString, Result, StdLib, Table, Value, VmState};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What scripts and libraries are called where they fail.
pub const SCRIPT_NAME: &str = "@user_script";
pub const LIBRARY_NAME: &str = "@user_function";
pub const PRELUDE_NAME: &str = "=prelude";

/// Instructions of Lua between two looks at whether the script is to go on: some milliseconds.
const INSTRUCTIONS: u32 = 100_000;

/// The place of something that can be run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot(usize);

/// Why a script did not end well.
#[derive(Debug, PartialEq, Eq)]
pub struct ScriptError {
    pub text: String,
    /// The source and line where it was raised.
    pub position: Option<(String, i64)>,
    /// It is the error of a command, which was counted.
    pub counted: bool,
}

impl ScriptError {
    fn new(text: String) -> ScriptError {
        ScriptError { text, position: None, counted: false }
    }
}

/// A function that a library registered.
pub struct Registered {
    pub name: Vec<u8>,
    pub description: Option<Vec<u8>>,
    pub flags: ScriptFlags,
    pub slot: Slot,
}

pub struct Interpreter {
    lua: Lua,
    fields: Fields,
    run_script: Function,
    call_function: Function,
    load_library: Function,
    runnable: Table,
    slots: Cell<usize>,
    free: RefCell<Vec<Slot>>,
}

/// What is run.
#[derive(Clone, Copy)]
pub enum Code {
    /// Its keys and arguments are global.
    Script(Slot),
    /// It gets them as its arguments.
    Function(Slot),
}

fn hook(lua: &Lua, _: &mlua::debug::Debug) -> Result<VmState> {
    // What runs without a host is the prelude.
    let why = if HOST.is_set() { HOST.with(|host| host.interrupt()) } else { None };
    match why {
        None => Ok(VmState::Continue),
        Some(why) => {
            // A script that catches the error is to run into it again at once.
            lua.set_global_hook(HookTriggers::new().every_nth_instruction(1), hook)?;
            Err(mlua::Error::RuntimeError(why))
        }
    }
}

/// As it is while nothing is to be interrupted.
pub fn interrupt_rarely(lua: &Lua) -> Result<()> {
    lua.set_global_hook(HookTriggers::new().every_nth_instruction(INSTRUCTIONS), hook)
}

impl Interpreter {
    /// `is_library` chooses what the sandbox has: that of functions, or of scripts.
    pub fn new(is_library: bool) -> Interpreter {
        Self::build(is_library, None).unwrap_or_else(|error| panic!("the prelude runs: {error}"))
    }

    /// One for the script of a session of the debugger.
    pub fn debugging(debugger: &Rc<Debugger>) -> Interpreter {
        Self::build(false, Some(debugger)).unwrap_or_else(|error| panic!("the prelude runs: {error}"))
    }

    fn build(is_library: bool, debugger: Option<&Rc<Debugger>>) -> Result<Interpreter> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
        let lua = match debugger {
            None => Lua::new_with(libraries, LuaOptions::default())?,
            // SAFETY: of the library that Lua's binding calls unsafe only `getlocal` is kept, and scripts never see
            // it: the prelude does not hand it on.
            Some(_) => unsafe { Lua::unsafe_new_with(libraries | StdLib::DEBUG, LuaOptions::default()) },
        };
        let fields = Fields::new(&lua)?;
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(mlua::Error::external)?;
        let host = api::functions(&lua, u64::from_ne_bytes(seed))?;
        match debugger {
            None => interrupt_rarely(&lua)?,
            Some(debugger) => debugger.attach(&lua, &host)?,
        }
        let prelude = lua.load(include_str!("prelude.lua")).set_name(PRELUDE_NAME).into_function()?;
        let (environment, runnable, run_script, call_function, load_library) = prelude.call((host, is_library))?;
        lua.set_globals(environment)?;
        let (slots, free) = (Cell::new(0), RefCell::default());
        Ok(Interpreter { lua, fields, run_script, call_function, load_library, runnable, slots, free })
    }

    /// Bytes that it takes. What scripts left behind is not counted where it is quickly collected.
    pub fn memory(&self) -> usize {
        /// To go through so much takes well under a millisecond.
        const COLLECTED_MAX: usize = 1 << 20;
        if self.lua.used_memory() <= COLLECTED_MAX {
            // It can fail for want of memory only; then the figure is larger.
            let _ = self.lua.gc_collect();
        }
        self.lua.used_memory()
    }

    /// Compiles a text, of which `skip` bytes at its beginning are no Lua.
    fn compile_function(&self, name: &str, text: &[u8], skip: usize) -> std::result::Result<Function, String> {
        let chunk = self.lua.load(&text[skip..]).set_name(name).set_mode(ChunkMode::Text);
        chunk.into_function().map_err(|error| message(&error))
    }

    fn keep(&self, function: Function) -> Result<Slot> {
        let slot = self.free.borrow_mut().pop().unwrap_or_else(|| {
            self.slots.set(self.slots.get() + 1);
            Slot(self.slots.get())
        });
        self.runnable.raw_seti(slot.0, function)?;
        Ok(slot)
    }

    /// What is in a slot is not needed any more.
    pub fn free(&self, slot: Slot) {
        if self.runnable.raw_seti(slot.0, Value::Nil).is_ok() {
            self.free.borrow_mut().push(slot);
        }
    }

    /// Compiles a script; an error is in Lua's words.
    pub fn compile(&self, script: &[u8], skip: usize) -> std::result::Result<Slot, String> {
        let function = self.compile_function(SCRIPT_NAME, script, skip)?;
        self.keep(function).map_err(|error| message(&error))
    }

    /// Compiles and runs a library, which registers its functions. Needs a host, to be interrupted.
    pub fn load_library(&self, code: &[u8], skip: usize) -> std::result::Result<Vec<Registered>, LoadError> {
        let function = self.compile_function(LIBRARY_NAME, code, skip).map_err(LoadError::Compile)?;
        let failed = |error: mlua::Error| LoadError::Run(message(&error));
        let (ok, error, registered): (bool, Value, Table) = self.load_library.call(function).map_err(failed)?;
        if !ok {
            return Err(LoadError::Run(self.script_error(error).text));
        }
        let mut functions = Vec::new();
        for entry in registered.sequence_values::<Table>() {
            functions.push(entry.and_then(|entry| self.registered(&entry)).map_err(failed)?);
        }
        Ok(functions)
    }

    fn registered(&self, entry: &Table) -> Result<Registered> {
        let name: LuaString = entry.raw_get(1)?;
        let description: Option<LuaString> = entry.raw_get(3)?;
        let mut flags = ScriptFlags::empty();
        for flag in entry.raw_get::<Table>(4)?.sequence_values::<LuaString>() {
            flags |= ScriptFlags::named(&flag?.as_bytes()).unwrap_or_default();
        }
        Ok(Registered {
            name: name.as_bytes().to_vec(),
            description: description.map(|text| text.as_bytes().to_vec()),
            flags,
            slot: self.keep(entry.raw_get(2)?)?,
        })
    }

    /// Runs a script or function with the host that is set.
    pub fn run<'a>(
        &self,
        code: Code,
        keys: impl Iterator<Item = &'a [u8]>,
        arguments: impl Iterator<Item = &'a [u8]>,
    ) -> std::result::Result<Value, ScriptError> {
        let failed = |error: mlua::Error| ScriptError::new(format!("ERR {}", message(&error)));
        let (run, slot) = match code {
            Code::Script(slot) => (&self.run_script, slot),
            Code::Function(slot) => (&self.call_function, slot),
        };
        let start = || {
            let keys = self.lua.create_sequence_from(keys.map(string))?;
            let arguments = self.lua.create_sequence_from(arguments.map(string))?;
            run.call::<(bool, Value)>((slot.0, keys, arguments))
        };
        match start().map_err(failed)? {
            (true, value) => Ok(value),
            (false, error) => Err(self.script_error(error)),
        }
    }

    /// Writes what a script returned. `resp3` is what the script chose.
    pub fn write_reply(&self, value: &Value, resp3: bool, reply: &mut Reply) -> Result<()> {
        ReplyWriter { fields: &self.fields, resp3 }.write(value, reply)
    }

    /// An error that a script returned as its value.
    pub fn returned_error(&self, value: &Value) -> Option<ScriptError> {
        let table = value.as_table()?;
        let Ok(Value::String(text)) = table.raw_get(&self.fields.err) else { return None };
        let counted = table.raw_get(&self.fields.counted).unwrap_or(false);
        Some(ScriptError { text: text_of(&text.as_bytes()).into_owned(), position: None, counted })
    }

    /// An error that went through the prelude's handler.
    fn script_error(&self, error: Value) -> ScriptError {
        let Value::Table(table) = &error else {
            // There was no memory, or no stack, for the handler to run.
            let text = self.lua.coerce_string(error).ok().flatten();
            return ScriptError::new(format!(
                "ERR {}",
                text.map_or("unknown error".into(), |text| text.to_string_lossy())
            ));
        };
        let field = |name: &str| table.raw_get::<Value>(name).ok();
        let text = match table.raw_get(&self.fields.err) {
            Ok(Value::String(text)) => text_of(&text.as_bytes()).into_owned(),
            Ok(Value::Integer(number)) => number.to_string(),
            Ok(Value::Number(number)) => number.to_string(),
            _ => "ERR unknown error".to_owned(),
        };
        let position = match (field("source"), field("line")) {
            (Some(Value::String(source)), Some(Value::Integer(line))) => Some((source.to_string_lossy(), line)),
            _ => None,
        };
        let counted = table.raw_get(&self.fields.counted).unwrap_or(false);
        ScriptError { text, position, counted }
    }
}

/// Why a library could not be loaded, in Lua's words.
#[derive(Debug)]
pub enum LoadError {
    Compile(String),
    Run(String),
}
