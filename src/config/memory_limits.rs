//! What the configuration says about the use of memory, as the keyspace and the server want to hear it.

use super::{Config, MaxmemoryPolicy, MemoryOrPercent};
use crate::keyspace::{EvictionPolicy, Frequency, Rank};
use std::time::Duration;

impl MaxmemoryPolicy {
    /// Which keys go; None if none may.
    pub fn eviction(self) -> Option<EvictionPolicy> {
        use MaxmemoryPolicy::*;
        let rank = match self {
            NoEviction => return None,
            VolatileLru | AllkeysLru => Rank::LeastRecent,
            VolatileLfu | AllkeysLfu => Rank::LeastFrequent,
            VolatileTtl => Rank::SoonestExpiry,
            VolatileRandom | AllkeysRandom => Rank::Random,
        };
        let volatile_only = matches!(self, VolatileLru | VolatileLfu | VolatileRandom | VolatileTtl);
        Some(EvictionPolicy { rank, volatile_only })
    }

    /// Keys go by when or how often they were used.
    pub fn keeps_use(self) -> bool {
        matches!(self.eviction(), Some(EvictionPolicy { rank: Rank::LeastRecent | Rank::LeastFrequent, .. }))
    }

    /// Keys go by how often they were used.
    pub fn keeps_frequency(self) -> bool {
        matches!(self.eviction(), Some(EvictionPolicy { rank: Rank::LeastFrequent, .. }))
    }
}

impl Config {
    /// How uses of keys are counted, if they are.
    pub fn frequency(&self) -> Option<Frequency> {
        let frequency = Frequency { log_factor: self.lfu_log_factor, decay_minutes: self.lfu_decay_time };
        self.maxmemory_policy.keeps_frequency().then_some(frequency)
    }

    /// Bytes that all clients together may take; 0 is no limit.
    pub fn clients_memory_max(&self) -> usize {
        /// With less, whoever set it could not even be answered.
        const MIN: u64 = 128 * 1024;
        let bytes = match self.maxmemory_clients {
            MemoryOrPercent::Bytes(bytes) => bytes,
            MemoryOrPercent::Percent(percent) => (self.maxmemory as u128 * percent as u128 / 100) as u64,
        };
        if bytes == 0 { 0 } else { bytes.max(MIN) as usize }
    }

    /// How long clients may be kept waiting for keys to be evicted in one go: `maxmemory-eviction-tenacity`.
    pub fn eviction_time_max(&self) -> Duration {
        const STEP_US: u64 = 50;
        match self.maxmemory_eviction_tenacity {
            tenacity @ 0..=10 => Duration::from_micros(STEP_US * tenacity as u64),
            100.. => Duration::MAX,
            // From 500 microseconds on it grows by 15 percent a step, up to two minutes.
            tenacity => Duration::from_micros(500).mul_f64(1.15f64.powi(tenacity as i32 - 10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenacity() {
        let time = |tenacity| Config { maxmemory_eviction_tenacity: tenacity, ..Config::default() }.eviction_time_max();
        assert_eq!((time(0), time(10), time(100)), (Duration::ZERO, Duration::from_micros(500), Duration::MAX));
        assert!((Duration::from_secs(100)..Duration::from_secs(160)).contains(&time(99)), "{:?}", time(99));
    }
}
