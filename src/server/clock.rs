//! Time, read once a turn of the loop and injected everywhere else. Two clocks: a monotonic one that drives
//! timers and measures commands, and the wall clock that expiries and people go by.

use quanta::Clock as Tsc;
use std::time::{SystemTime, UNIX_EPOCH};

pub struct Clock {
    tsc: Tsc,
    started: u64,
    /// Monotonic milliseconds since the start, as of the last [`Self::refresh`].
    pub now_ms: u64,
    /// Microseconds of the Unix epoch, as of the last [`Self::refresh`].
    pub unix_us: i64,
}

impl Default for Clock {
    fn default() -> Self {
        let tsc = Tsc::new();
        let started = tsc.raw();
        let mut clock = Clock { tsc, started, now_ms: 0, unix_us: 0 };
        clock.refresh();
        clock
    }
}

impl Clock {
    /// Reads both clocks.
    pub fn refresh(&mut self) {
        self.now_ms = self.tsc.delta_as_nanos(self.started, self.tsc.raw()) / 1_000_000;
        self.unix_us = unix_us();
    }

    /// Milliseconds of the Unix epoch, as of the last [`Self::refresh`].
    pub fn unix_ms(&self) -> i64 {
        self.unix_us / 1000
    }

    /// Seconds of the Unix epoch, as of the last [`Self::refresh`].
    pub fn unix_s(&self) -> i64 {
        self.unix_us / 1_000_000
    }

    /// A stamp of this moment for [`Self::nanos_between`]: the processor's own counter, so cheap
    /// enough to take for each command.
    #[inline]
    pub fn stamp(&self) -> u64 {
        self.tsc.raw()
    }

    #[inline]
    pub fn nanos_between(&self, from: u64, to: u64) -> u64 {
        self.tsc.delta_as_nanos(from, to)
    }
}

/// Microseconds of the Unix epoch, read now.
pub fn unix_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
