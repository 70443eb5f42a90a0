//! What tests switch by DEBUG.

use std::time::Duration;

pub struct DebugSwitches {
    /// How long to wait before each write to the append-only file: DEBUG AOF-FLUSH-SLEEP.
    pub aof_flush_sleep: Duration,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub active_expire: bool,
    /// DEBUG PAUSE-CRON.
    pub cron_paused: bool,
}

impl Default for DebugSwitches {
    fn default() -> Self {
        DebugSwitches { aof_flush_sleep: Duration::ZERO, active_expire: true, cron_paused: false }
    }
}
