//! How far the end of the server is. `engine::shutdown` brings it about.

use super::ClientId;
use crate::encoding::timer_wheel::TimerId;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[derive(Default)]
pub struct ShutdownState {
    /// A signal asked for the end; cron will see to it.
    pub asked: Option<ShutdownOptions>,
    /// The end waits for replicas.
    pub wait: Option<ShutdownWait>,
    /// A signal has arrived, and the server may be about to end.
    pub signalled: Arc<AtomicBool>,
    /// All is prepared for the end: the loop ends with this turn.
    pub prepared: bool,
}

/// How the server ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShutdownOptions {
    pub save: Option<bool>,
    pub now: bool,
    pub force: bool,
}

/// The server is to end as soon as its replicas have everything.
pub struct ShutdownWait {
    pub options: ShutdownOptions,
    /// When it no longer waits, on the monotonic clock.
    pub until_ms: u64,
    pub timer: TimerId,
    /// Clients whose SHUTDOWN has no reply yet.
    pub clients: Vec<ClientId>,
}
