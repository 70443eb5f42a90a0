//! Scripts and functions: what the server has of them, and the one that runs. Running them is in
//! `engine/script.rs`.

use super::{ClientFlags, ClientId, Server, Stream};
use crate::resp::{CommandError, OwnedRequest};
use crate::script::cache::Cache;
use crate::script::library::Libraries;

/// A turn of the loop for all clients but the one whose script runs.
pub type BusyTurn = Box<dyn FnMut(&mut Server)>;

#[derive(Default)]
pub struct Scripts {
    /// Scripts of EVAL.
    pub cache: Cache,
    /// Libraries of functions.
    pub libraries: Libraries,
    /// The client without a connection that runs the commands of scripts.
    client: Option<ClientId>,
    pub running: Option<Running>,
    /// Set by the loop.
    pub busy_turn: Option<BusyTurn>,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS: scripts may run every command.
    pub allow_all_commands: bool,
    /// Processes in which scripts are debugged.
    pub debug_sessions: Vec<u32>,
}

/// What runs: by which command it can be killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunningKind {
    Script,
    Function,
}

/// The script that runs.
pub struct Running {
    pub kind: RunningKind,
    pub caller: ClientId,
    /// A stamp of the clock.
    pub started: u64,
    /// When the other clients last had a turn: a stamp of the clock.
    pub turned: u64,
    /// What TIME answers it, in microseconds of the Unix epoch: as of its start, or of that turn.
    pub time_us: i64,
    /// It ran a command that writes.
    pub wrote: bool,
    pub killed: bool,
    /// It has run for longer than `busy-reply-threshold`.
    pub busy: Option<OwnedRequest>,
}

impl Scripts {
    /// Why nearly all commands are refused for now, if they are.
    #[inline]
    pub fn busy_error(&self) -> Option<CommandError> {
        let running = self.running.as_ref().filter(|running| running.busy.is_some())?;
        Some(running.kind.busy_error())
    }

    pub fn is_busy(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.busy.is_some())
    }

    /// SCRIPT KILL and FUNCTION KILL.
    pub fn kill(&mut self, kind: RunningKind) -> Result<(), CommandError> {
        let Some(running) = &mut self.running else {
            return Err(CommandError::new("NOTBUSY No scripts in execution right now."));
        };
        if running.wrote {
            return Err(CommandError::new(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
            ));
        }
        if running.kind != kind {
            return Err(running.kind.busy_error());
        }
        running.killed = true;
        Ok(())
    }
}

impl RunningKind {
    fn busy_error(self) -> CommandError {
        CommandError::new(match self {
            RunningKind::Script => {
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
            }
            RunningKind::Function => {
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
            }
        })
    }

    /// The command that kills it.
    pub fn kill_command(self) -> &'static str {
        match self {
            RunningKind::Script => "SCRIPT KILL",
            RunningKind::Function => "FUNCTION KILL",
        }
    }
}

impl Server {
    /// The client that runs the commands of a caller's scripts, as that caller.
    pub fn script_client(&mut self, caller: ClientId) -> ClientId {
        let id = match self.scripts.client {
            Some(id) => id,
            None => {
                let user = self.clients[caller].user.clone();
                let id = self.clients.add(Stream::None, String::new(), String::new(), user, self.clock.now_ms);
                // What it is answered is not sent, so the loop need not know.
                self.clients[id].flags = ClientFlags::INTERNAL | ClientFlags::SCRIPT | ClientFlags::WRITE_PENDING;
                self.scripts.client = Some(id);
                id
            }
        };
        let from = &self.clients[caller];
        let (db, user, no_touch) = (from.db, from.user.clone(), from.flags & ClientFlags::NO_TOUCH);
        let client = &mut self.clients[id];
        (client.db, client.user, client.resp3) = (db, user, false);
        client.flags = (client.flags - ClientFlags::NO_TOUCH) | no_touch;
        id
    }
}
