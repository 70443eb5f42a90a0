//! The scripts of EVAL, by the SHA-1 of their text.
//!
//! Scripts that came by SCRIPT LOAD stay. Scripts that came by EVAL make way, the least recently used
//! first, for EVAL is often given a new text each time: 7.2.4 keeps them all and grows without end,
//! later versions do as is done here.

use super::interpreter::Slot;
use super::{Interpreter, ScriptFlags, shebang};
use crate::resp::CommandError;
use sha1::{Digest, Sha1};
use std::collections::HashMap;
use std::rc::Rc;

/// 40 hexadecimal digits in lower case.
pub type Sha = [u8; 40];

/// Scripts of EVAL that are kept.
const EVICTABLE_MAX: usize = 500;

/// What a script costs besides its text: its entry here and what Lua has of it is counted there.
const OVERHEAD: usize = size_of::<Sha>() + size_of::<Script>();

pub fn sha1_hex(text: &[u8]) -> Sha {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha1::digest(text);
    std::array::from_fn(|i| DIGITS[(digest[i / 2] >> (4 * (1 - i % 2)) & 15) as usize])
}

/// Compiles a script of EVAL.
pub fn compile(interpreter: &Interpreter, text: &[u8], skip: usize) -> Result<Slot, CommandError> {
    let error = |error| CommandError::err(format_args!("Error compiling script (new function): {error}"));
    interpreter.compile(text, skip).map_err(error)
}

/// One script.
#[derive(Clone, Copy)]
pub struct Script {
    pub slot: Slot,
    pub flags: ScriptFlags,
    /// The length of its text.
    len: usize,
    /// Its place among the scripts that make way.
    evictable: Option<usize>,
}

#[derive(Default)]
pub struct Cache {
    interpreter: Option<Rc<Interpreter>>,
    scripts: HashMap<Sha, Script>,
    /// When each script that makes way was used, as a number that grows.
    evictable: Vec<(Sha, u64)>,
    uses: u64,
    bytes: usize,
}

impl Cache {
    /// The interpreter that they run in, made when it is first needed.
    pub fn interpreter(&mut self) -> Rc<Interpreter> {
        self.interpreter.get_or_insert_with(|| Rc::new(Interpreter::new(false))).clone()
    }

    pub fn len(&self) -> usize {
        self.scripts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.scripts.is_empty()
    }

    /// Bytes that the texts take, and what names them.
    pub fn memory(&self) -> usize {
        self.bytes
    }

    /// Bytes that Lua takes.
    pub fn interpreter_memory(&self) -> usize {
        self.interpreter.as_ref().map_or(0, |interpreter| interpreter.memory())
    }

    /// The script with this digest, in any case.
    pub fn find(&self, sha: &[u8]) -> Option<&Script> {
        let sha: Sha = sha.try_into().ok()?;
        self.scripts.get(&sha).or_else(|| self.scripts.get(&sha.map(|digit| digit.to_ascii_lowercase())))
    }

    /// As [`Self::find`]; it counts as used.
    pub fn get(&mut self, sha: &[u8]) -> Option<Script> {
        let script = *self.find(sha)?;
        if let Some(place) = script.evictable {
            self.uses += 1;
            self.evictable[place].1 = self.uses;
        }
        Some(script)
    }

    /// A script by its text, compiled if it is new. With `keep` it stays, as one of SCRIPT LOAD does.
    pub fn load(&mut self, text: &[u8], keep: bool) -> Result<(Sha, Script), CommandError> {
        let sha = sha1_hex(text);
        if let Some(script) = self.get(&sha) {
            if keep && let Some(place) = script.evictable {
                self.forget_place(place);
            }
            return Ok((sha, script));
        }
        let (flags, skip) = shebang::script_flags(text)?;
        let slot = compile(&self.interpreter(), text, skip)?;
        let mut script = Script { slot, flags, len: text.len(), evictable: None };
        if !keep {
            if self.evictable.len() == EVICTABLE_MAX {
                self.evict();
            }
            self.uses += 1;
            script.evictable = Some(self.evictable.len());
            self.evictable.push((sha, self.uses));
        }
        self.bytes += script.len + OVERHEAD;
        self.scripts.insert(sha, script);
        Ok((sha, script))
    }

    fn evict(&mut self) {
        let oldest = self.evictable.iter().enumerate().min_by_key(|(_, (_, used))| *used);
        let Some((place, &(sha, _))) = oldest else { return };
        self.forget_place(place);
        if let Some(script) = self.scripts.remove(&sha) {
            self.bytes -= script.len + OVERHEAD;
            self.interpreter().free(script.slot);
        }
    }

    /// The script at a place does not make way any more, or is gone.
    fn forget_place(&mut self, place: usize) {
        let (sha, _) = self.evictable.swap_remove(place);
        if let Some(script) = self.scripts.get_mut(&sha) {
            script.evictable = None;
        }
        if let Some((moved, _)) = self.evictable.get(place)
            && let Some(script) = self.scripts.get_mut(moved)
        {
            script.evictable = Some(place);
        }
    }

    /// Forgets all scripts, and what they left in the interpreter.
    pub fn flush(&mut self) {
        *self = Cache::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digests() {
        assert_eq!(&sha1_hex(b""), b"da39a3ee5e6b4b0d3255bfef95601890afd80709");
    }

    proptest! {
        /// Against a list in the order of use.
        #[test]
        fn the_least_recently_used_makes_way(
            steps in prop::collection::vec((0..3u8, 0..EVICTABLE_MAX + 100), EVICTABLE_MAX + 100..EVICTABLE_MAX + 400),
        ) {
            let mut cache = Cache::default();
            let mut used: Vec<Sha> = Vec::new();
            let mut kept: Vec<Sha> = Vec::new();
            for (kind, number) in steps {
                let text = format!("return {number}");
                let sha = sha1_hex(text.as_bytes());
                let known = used.contains(&sha) || kept.contains(&sha);
                prop_assert_eq!(cache.find(&sha).is_some(), known);
                match kind {
                    0 => prop_assert_eq!(cache.get(&sha).is_some(), known),
                    1 => prop_assert!(cache.load(text.as_bytes(), false).is_ok()),
                    _ => prop_assert!(cache.load(text.as_bytes(), true).is_ok()),
                }
                if kept.contains(&sha) || (kind == 0 && !known) {
                    continue;
                }
                used.retain(|other| *other != sha);
                if kind == 2 { kept.push(sha) } else { used.push(sha) }
                if used.len() > EVICTABLE_MAX {
                    used.remove(0);
                }
                prop_assert_eq!(cache.len(), used.len() + kept.len());
            }
        }
    }
}
