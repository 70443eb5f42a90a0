//! What is executed right now: at most one command of one client, perhaps within a transaction or a script.

use super::ClientId;
use crate::keyspace::Commands;
use crate::script::ReplicateTo;

#[derive(Default)]
pub struct Execution {
    /// The client whose commands run.
    pub client: Option<ClientId>,
    /// When the command that runs, or the batch it is in, began: a stamp of the clock.
    pub command_started: u64,
    /// While a transaction or a script runs: what its commands did so far, to be propagated as a whole.
    pub also_propagate: Option<Commands>,
    /// From which of these on they are propagated where, if not everywhere.
    pub propagate_targets: Vec<(usize, ReplicateTo)>,
}

impl Execution {
    /// The command is one of a transaction or a script: nothing comes between, and it may not wait.
    #[inline]
    pub fn is_atomic(&self) -> bool {
        self.also_propagate.is_some()
    }

    /// What the transaction or script does from now on is propagated only to `to`.
    pub fn propagate_to(&mut self, to: ReplicateTo) {
        if let Some(commands) = &self.also_propagate
            && (!to.is_all() || !self.propagate_targets.is_empty())
        {
            self.propagate_targets.push((commands.len(), to));
        }
    }
}
