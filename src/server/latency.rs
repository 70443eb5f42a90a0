//! LATENCY: what took so long that clients may have noticed, by kind of event.

use super::Server;
use std::collections::{BTreeMap, VecDeque};

/// Samples kept of each event.
const SAMPLES_MAX: usize = 160;

/// The longest that an event took within one second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    pub unix_s: i64,
    pub ms: u64,
}

/// The latest samples of an event, the oldest first. There is at least one.
#[derive(Default)]
pub struct History {
    pub samples: VecDeque<Sample>,
    /// The longest of all, those included that are gone.
    pub max_ms: u64,
}

impl History {
    fn add(&mut self, sample: Sample) {
        self.max_ms = self.max_ms.max(sample.ms);
        match self.samples.back_mut() {
            Some(last) if last.unix_s == sample.unix_s => last.ms = last.ms.max(sample.ms),
            _ => {
                if self.samples.len() == SAMPLES_MAX {
                    self.samples.pop_front();
                }
                self.samples.push_back(sample);
            }
        }
    }
}

/// All events that there have been.
#[derive(Default)]
pub struct LatencyEvents(BTreeMap<&'static str, History>);

impl LatencyEvents {
    pub fn add(&mut self, event: &'static str, sample: Sample) {
        self.0.entry(event).or_default().add(sample);
    }

    pub fn get(&self, event: &[u8]) -> Option<&History> {
        self.0.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(event)).map(|(_, history)| history)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &History)> {
        self.0.iter().map(|(&name, history)| (name, history))
    }

    /// Forgets one event, or all; gives the number of those that there were.
    pub fn reset(&mut self, event: Option<&[u8]>) -> usize {
        let before = self.0.len();
        self.0.retain(|name, _| event.is_some_and(|event| !name.as_bytes().eq_ignore_ascii_case(event)));
        before - self.0.len()
    }
}

impl Server {
    /// Sets the time from which on SLOWLOG or LATENCY wants to see a command.
    pub fn apply_slow_nanos(&mut self) {
        let slowlog_us = u64::try_from(self.config.slowlog_log_slower_than).unwrap_or(u64::MAX);
        let latency_ms = match self.config.latency_monitor_threshold {
            0 => u64::MAX,
            ms => ms,
        };
        self.slow_nanos = slowlog_us.saturating_mul(1000).min(latency_ms.saturating_mul(1_000_000));
    }

    /// Records that something took so long, if that is long enough for LATENCY.
    pub fn note_latency(&mut self, event: &'static str, nanos: u64) {
        let (ms, threshold_ms) = (nanos / 1_000_000, self.config.latency_monitor_threshold);
        if threshold_ms > 0 && ms >= threshold_ms {
            self.latency.add(event, Sample { unix_s: self.clock.unix_s(), ms });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_a_second() {
        let mut events = LatencyEvents::default();
        for unix_s in 0..200 {
            for ms in [5, 9, 7] {
                events.add("fork", Sample { unix_s, ms });
            }
        }
        events.add("command", Sample { unix_s: 1, ms: 1 });
        let history = events.get(b"FORK").unwrap();
        assert_eq!(history.samples.len(), SAMPLES_MAX);
        assert_eq!(history.samples[0], Sample { unix_s: 40, ms: 9 });
        assert_eq!((events.reset(Some(b"what")), events.reset(Some(b"fork")), events.reset(None)), (0, 1, 1));
    }
}
