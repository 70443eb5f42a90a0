//! What the timers of the server's wheel are for. `engine::timers::fire` does it.

use super::ClientId;

/// What can be due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// The server's housekeeping, `hz` times a second.
    Cron,
    /// Keys expire.
    Expire,
    /// The once-per-second fsync of the append-only file.
    AofSync,
    /// A client may have been idle for longer than `timeout`.
    ClientIdle(ClientId),
    /// A client has waited long enough.
    BlockedClient(ClientId),
    /// CLIENT PAUSE ends.
    PauseEnd,
    /// Too much memory is in use: keys are to be evicted.
    Evict,
    /// A connection that MIGRATE opened was not used for a while.
    IdlePeers,
    /// The child has ended, but could not be waited for yet.
    ReapChild,
    /// Replicas and the primary are looked after.
    Heartbeat,
    /// Replicas that wait for a data set have waited for others for long enough.
    StartTransfer,
    /// A failover has taken too long.
    FailoverEnd,
    /// Replicas had time enough to get everything before the end.
    ShutdownEnd,
}
