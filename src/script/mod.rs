//! Lua: scripts of EVAL and libraries of functions, and what they can reach.
//!
//! This knows the protocol but no server. What a script asks of the server goes to the [`Host`] that
//! runs it; `engine/script.rs` has one for scripts, and one for libraries that are loaded.
//!
//! * `interpreter` one Lua state in its sandbox; `prelude.lua` is what scripts see of it
//! * `api`         the functions behind the table `redis`
//! * `convert`     replies to Lua values and back
//! * `cache`       the scripts of EVAL
//! * `library`     the libraries of functions
//! * `failure`     functions that Lua calls, and how they fail
//! * `stack`       values where Lua has them, for what goes through many
//! * `shebang`     the first line of a script, and flags
//! * `random`      `math.random`
//! * `debugger`    a session of SCRIPT DEBUG
//! * `cjson`, `cmsgpack`, `packing`, `bits` the libraries that scripts have besides Lua's own
//!
//! **Why there are no references from Lua to the server.** Lua's functions live as long as the
//! interpreter, the server is borrowed by one command. So the host is put into a scoped slot of the
//! thread ([`HOST`]) while a script runs, and a function of Lua borrows it from there for one call.

pub mod api;
mod bits;
pub mod cache;
mod cjson;
mod cmsgpack;
pub mod convert;
pub mod debugger;
mod failure;
pub mod interpreter;
pub mod library;
mod packing;
mod random;
pub mod shebang;
mod stack;
#[cfg(test)]
mod tests;

use crate::resp::Args;
use bitflags::bitflags;
pub use interpreter::{Interpreter, ScriptError};
pub use shebang::ScriptFlags;

bitflags! {
    /// Where the effects of a script's commands go: `redis.set_repl`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct ReplicateTo: u8 {
        const AOF = 1;
        const REPLICAS = 2;
    }
}

/// What a script runs in. Without a server behind it there is nothing to be reached, and nothing ends it.
pub trait Host {
    /// Runs a command; false if it was refused. Its reply, or the error, is added to `reply` as it would go over
    /// the wire.
    fn call(&mut self, args: &Args, reply: &mut Vec<u8>) -> bool;

    /// Whether the caller may run this command; None if there is none such.
    fn may_run(&mut self, _: &Args) -> Option<bool> {
        None
    }

    /// `redis.setresp`.
    fn set_resp3(&mut self, _resp3: bool) {}

    /// `redis.set_repl`.
    fn replicate_to(&mut self, _: ReplicateTo) {}

    /// Called now and then while the script runs; `Some` ends it with this error.
    fn interrupt(&mut self) -> Option<String> {
        None
    }
}

scoped_tls_hkt::scoped_thread_local!(
    /// Whatever runs the script that runs.
    static mut HOST: for<'a> &'a mut (dyn Host + 'a)
);

/// Runs `f` with a host for the scripts that it runs.
pub fn with_host<R>(host: &mut dyn Host, f: impl FnOnce() -> R) -> R {
    HOST.set(host, f)
}
