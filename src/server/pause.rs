//! CLIENT PAUSE: all requests, or only writes, wait until a time.
//!
//! `engine::dispatch` holds a request back and marks its client `PAUSED`; the end of the pause, by
//! its timer or by CLIENT UNPAUSE, gives every such client a turn.

use super::{ClientFlags, ClientId, Server, Timer};
use crate::encoding::timer_wheel::TimerId;

/// What waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pause {
    Writes,
    All,
}

#[derive(Default)]
pub struct PauseState {
    /// What CLIENT PAUSE asked for, and until when on the monotonic clock.
    pub asked: Option<(Pause, u64)>,
    timer: Option<TimerId>,
    /// Writes wait although no client sent CLIENT PAUSE: for a failover or the end of the server.
    pub holds_writes: bool,
}

impl Server {
    /// Pauses until `until_ms` of the monotonic clock.
    ///
    /// COMPAT: over a pause under way the later end and the stricter kind hold.
    pub fn set_pause(&mut self, pause: Pause, until_ms: u64) {
        let (pause, until_ms) = match self.pause.asked {
            Some((before, before_ms)) => {
                let all = before == Pause::All || pause == Pause::All;
                (if all { Pause::All } else { Pause::Writes }, until_ms.max(before_ms))
            }
            None => (pause, until_ms),
        };
        self.pause.asked = Some((pause, until_ms));
        if let Some(timer) = self.pause.timer.take() {
            self.timers.cancel(timer);
        }
        self.pause.timer = Some(self.timers.insert(until_ms, Timer::PauseEnd));
        self.keyspace.expiry_mode = self.expiry_mode();
    }

    /// Whether writes, at least, have to wait.
    pub fn is_paused(&self) -> bool {
        self.pause.asked.is_some() || self.pause.holds_writes
    }

    /// Has writes wait, or wait no longer, for the server's own sake.
    pub fn hold_writes(&mut self, hold: bool) {
        self.pause.holds_writes = hold;
        self.keyspace.expiry_mode = self.expiry_mode();
        if !hold {
            self.wake_paused();
        }
    }

    /// Ends the pause, if there is one.
    pub fn unpause(&mut self) {
        self.pause.asked = None;
        if let Some(timer) = self.pause.timer.take() {
            self.timers.cancel(timer);
        }
        self.keyspace.expiry_mode = self.expiry_mode();
        self.wake_paused();
    }

    /// Gives all held clients a turn; a request that still has to wait is held again.
    fn wake_paused(&mut self) {
        let paused: Vec<ClientId> = self
            .clients
            .iter()
            .filter(|client| client.flags.contains(ClientFlags::PAUSED))
            .map(|client| client.id)
            .collect();
        for id in paused {
            self.clients[id].flags -= ClientFlags::PAUSED;
            self.pending_read(id);
        }
    }
}
