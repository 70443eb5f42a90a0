//! What the loop has to see to before it sleeps, although no event will come for it.

use super::{ClientFlags, ClientId, Server};
use std::collections::VecDeque;

/// The loop's queues.
#[derive(Default)]
pub struct Pending {
    /// Clients with replies to be sent.
    pub writes: Vec<ClientId>,
    /// Clients whose input was left over, for fairness or because they were held back.
    pub reads: VecDeque<ClientId>,
    /// Clients to be closed.
    pub closes: Vec<ClientId>,
    /// Listeners that may have more connections than were accepted.
    pub accepts: Vec<usize>,
    /// Listeners to be tried again by cron: the system had no descriptor left.
    pub late_accepts: Vec<usize>,
}

impl Server {
    /// Gives a client a turn although no event will come for it.
    pub fn pending_read(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id)
            && !client.flags.contains(ClientFlags::READ_PENDING)
        {
            client.flags |= ClientFlags::READ_PENDING;
            self.pending.reads.push_back(id);
        }
    }

    /// Closes a client; one that runs a command gets its reply first.
    pub fn close_after_reply(&mut self, id: ClientId) {
        if self.execution.client == Some(id) {
            self.clients[id].flags |= ClientFlags::CLOSE_AFTER_REPLY;
        } else {
            // The other end sees it now, whatever else is done in this turn.
            self.clients[id].stream.shut_down();
            self.close_client(id);
        }
    }

    /// Closes a client before the loop sleeps; until then others may still hold its id.
    pub fn close_client(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id)
            && !client.flags.contains(ClientFlags::CLOSE_NOW)
        {
            client.flags |= ClientFlags::CLOSE_NOW;
            self.pending.closes.push(id);
            // Keys that become ready from now on are for other clients.
            self.unblock_client(id);
            self.stop_waiting_for_acks(id);
            self.discard_transaction(id);
            self.monitors.retain(|&monitor| monitor != id);
        }
    }
}
