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
    pub transaction: Option<Commands>,
    /// From which command of the transaction on it is propagated where, if not everywhere.
    pub transaction_targets: Vec<(usize, ReplicateTo)>,
}

impl Execution {
    /// Commands added to the transaction from now on are propagated only to `to`.
    pub fn replicate_transaction_to(&mut self, to: ReplicateTo) {
        if let Some(commands) = &self.transaction
            && (!to.is_all() || !self.transaction_targets.is_empty())
        {
            self.transaction_targets.push((commands.len(), to));
        }
    }
}
