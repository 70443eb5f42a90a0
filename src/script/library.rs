//! The libraries of functions.
//!
//! A library is loaded in two steps: it is *staged*, that is compiled and run, which makes its
//! functions known only to itself; then it is *added*, which may find that a name is taken. So
//! whatever fails, what was there before is still there.

use super::interpreter::{LoadError, Registered};
use super::{Interpreter, ScriptFlags, shebang};
use crate::resp::CommandError;
use crate::resp::text::text_of;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// One library, with the functions that it registered.
pub struct Library {
    pub name: Vec<u8>,
    /// Its whole text, as it was loaded.
    pub code: Vec<u8>,
    pub functions: Vec<Registered>,
}

/// A function and what it needs to be called.
#[derive(Clone, Copy)]
pub struct Callable {
    pub slot: super::interpreter::Slot,
    pub flags: ScriptFlags,
}

/// What becomes of a library that has the name of a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Existing {
    /// The new one is refused.
    Keep,
    Replace,
    /// All libraries make way.
    Flush,
}

#[derive(Default)]
pub struct Libraries {
    interpreter: Option<Rc<Interpreter>>,
    libraries: BTreeMap<Vec<u8>, Library>,
    /// By name in lower case: COMPAT: FCALL does not care about it, libraries do.
    functions: HashMap<Vec<u8>, Callable>,
}

impl Libraries {
    /// The interpreter that they run in, made when it is first needed.
    pub fn interpreter(&mut self) -> Rc<Interpreter> {
        self.interpreter.get_or_insert_with(|| Rc::new(Interpreter::new(true))).clone()
    }

    pub fn len(&self) -> usize {
        self.libraries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.libraries.is_empty()
    }

    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Library> {
        self.libraries.values()
    }

    /// The codes of all libraries.
    pub fn codes(&self) -> Vec<&[u8]> {
        self.iter().map(|library| &library.code[..]).collect()
    }

    /// Bytes that texts and names take.
    pub fn memory(&self) -> usize {
        let functions = |library: &Library| {
            let texts = |f: &Registered| f.name.len() * 2 + f.description.as_ref().map_or(0, Vec::len);
            library.functions.iter().map(|f| size_of::<Registered>() + size_of::<Callable>() + texts(f)).sum::<usize>()
        };
        self.iter()
            .map(|library| size_of::<Library>() + library.name.len() + library.code.len() + functions(library))
            .sum()
    }

    /// Bytes that Lua takes.
    pub fn interpreter_memory(&self) -> usize {
        self.interpreter.as_ref().map_or(0, |interpreter| interpreter.memory())
    }

    pub fn contains(&self, name: &[u8]) -> bool {
        self.libraries.contains_key(name)
    }

    pub fn find(&self, function: &[u8]) -> Option<Callable> {
        self.functions.get(&function.to_ascii_lowercase()).copied()
    }

    /// Deletes a library; false if there is none of this name.
    pub fn delete(&mut self, name: &[u8]) -> bool {
        let Some(library) = self.libraries.remove(name) else { return false };
        for function in &library.functions {
            self.functions.remove(&function.name.to_ascii_lowercase());
        }
        self.discard(&library);
        true
    }

    /// Deletes all, and what they left in the interpreter.
    pub fn flush(&mut self) {
        *self = Libraries::default();
    }

    /// Forgets a library that was staged.
    pub fn discard(&mut self, library: &Library) {
        let interpreter = self.interpreter();
        library.functions.iter().for_each(|function| interpreter.free(function.slot));
    }

    /// Adds libraries that were staged, all or none.
    pub fn add(&mut self, staged: Vec<Library>, existing: Existing) -> Result<(), CommandError> {
        if let Err(error) = self.check(&staged, existing) {
            staged.iter().for_each(|library| self.discard(library));
            return Err(error);
        }
        if existing == Existing::Flush {
            for name in self.libraries.keys().cloned().collect::<Vec<_>>() {
                self.delete(&name);
            }
        }
        for library in staged {
            self.delete(&library.name);
            for function in &library.functions {
                let callable = Callable { slot: function.slot, flags: function.flags };
                self.functions.insert(function.name.to_ascii_lowercase(), callable);
            }
            self.libraries.insert(library.name.clone(), library);
        }
        Ok(())
    }

    /// Whether names are taken, by what stays or by one another.
    fn check(&self, staged: &[Library], existing: Existing) -> Result<(), CommandError> {
        let replaced = |name: &[u8]| existing == Existing::Flush || staged.iter().any(|library| library.name == name);
        if existing == Existing::Keep
            && let Some(library) = staged.iter().find(|library| self.contains(&library.name))
        {
            return Err(already_exists("Library", &library.name));
        }
        let mut taken: std::collections::HashSet<Vec<u8>> = self
            .iter()
            .filter(|library| !replaced(&library.name))
            .flat_map(|library| &library.functions)
            .map(|function| function.name.to_ascii_lowercase())
            .collect();
        for function in staged.iter().flat_map(|library| &library.functions) {
            if !taken.insert(function.name.to_ascii_lowercase()) {
                return Err(already_exists("Function", &function.name));
            }
        }
        Ok(())
    }
}

fn already_exists(what: &str, name: &[u8]) -> CommandError {
    CommandError::err(format_args!("{what} {} already exists", text_of(name)))
}

/// Compiles and runs a library. Needs a host, to be interrupted.
pub fn stage(interpreter: &Interpreter, code: &[u8]) -> Result<Library, CommandError> {
    let (name, skip) = shebang::library_name(code)?;
    let functions = interpreter.load_library(code, skip).map_err(|error| match error {
        LoadError::Compile(error) => CommandError::err(format_args!("Error compiling function: {error}")),
        LoadError::Run(error) => CommandError::err(format_args!("Error registering functions: {error}")),
    })?;
    if functions.is_empty() {
        return Err(CommandError::new("ERR No functions registered"));
    }
    Ok(Library { name, code: code.to_vec(), functions })
}
