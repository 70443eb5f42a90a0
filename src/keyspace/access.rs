//! How entries remember their use, in 24 bits.
//!
//! ```text
//! when     seconds of the Unix epoch (LRU: the key that was not used for longest goes first)
//! how often   minutes of the Unix epoch, 16 bits | counter, 8 bits (LFU)
//! ```
//!
//! The counter is logarithmic: the higher it is, the less likely is a use to add to it; it goes down
//! with the minutes that pass. Which of the two all entries have is chosen by `maxmemory-policy`.

/// What an entry keeps.
const MASK: u32 = 0xff_ffff;
const COUNTER_BITS: u32 = 8;
const MINUTE_MASK: u32 = 0xffff;
/// A new key is not the first to go.
const COUNTER_NEW: u8 = 5;

/// How the counter of uses moves: `lfu-log-factor` and `lfu-decay-time`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frequency {
    pub log_factor: u32,
    /// Minutes until it goes down by one; 0 never.
    pub decay_minutes: u32,
}

/// What is known of a key's last use from outside: RESTORE and snapshots tell it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LastUse {
    #[default]
    Now,
    IdleSeconds(u64),
    Frequency(u8),
}

/// The time as entries keep it.
#[derive(Clone, Copy, Default)]
pub struct AccessClock {
    now_s: u32,
    /// What a new entry gets.
    stamp: u32,
    frequency: Option<Frequency>,
}

impl AccessClock {
    pub fn set_time(&mut self, now_ms: i64) {
        self.now_s = (now_ms / 1000) as u32;
        self.stamp = match self.frequency {
            None => self.now_s & MASK,
            Some(_) => self.with_counter(COUNTER_NEW),
        };
    }

    /// Entries are to count their uses, or to remember the last one.
    pub fn count_uses(&mut self, frequency: Option<Frequency>) {
        self.frequency = frequency;
        self.set_time(self.now_s as i64 * 1000);
    }

    /// Uses are counted.
    pub fn counts_uses(&self) -> bool {
        self.frequency.is_some()
    }

    /// What a new entry gets.
    #[inline]
    pub fn stamp(&self) -> u32 {
        self.stamp
    }

    /// What an entry gets whose use is known. What the policy does not keep (of LRU and LFU it keeps one) is ignored.
    pub fn stamp_of(&self, last: LastUse) -> u32 {
        match (last, self.frequency) {
            (LastUse::IdleSeconds(idle_s), None) => {
                // More than can be kept stays long, for some time to come.
                let idle_s = u32::try_from(idle_s).ok().filter(|&idle_s| idle_s <= MASK).unwrap_or(MASK / 2);
                self.now_s.wrapping_sub(idle_s) & MASK
            }
            (LastUse::Frequency(counter), Some(_)) => self.with_counter(counter),
            _ => self.stamp,
        }
    }

    /// What an entry that has `kept` gets when it is used.
    #[inline]
    pub fn used(&self, kept: u32, rng: &mut fastrand::Rng) -> u32 {
        match self.frequency {
            None => self.stamp,
            Some(frequency) => self.count_use(kept, frequency, rng),
        }
    }

    fn count_use(&self, kept: u32, frequency: Frequency, rng: &mut fastrand::Rng) -> u32 {
        let counter = self.frequency_of(kept);
        let above = counter.saturating_sub(COUNTER_NEW) as f64;
        let grows = rng.f64() < 1.0 / (above * frequency.log_factor as f64 + 1.0);
        self.with_counter(counter.saturating_add(grows as u8))
    }

    /// How often an entry was used of late, where uses are counted.
    pub fn frequency_of(&self, kept: u32) -> u8 {
        let minutes = self.now_s / 60;
        let passed = minutes.wrapping_sub(kept >> COUNTER_BITS) & MINUTE_MASK;
        let decay_minutes = self.frequency.map_or(0, |frequency| frequency.decay_minutes);
        let lost = passed.checked_div(decay_minutes).unwrap_or(0);
        (kept as u8).saturating_sub(lost.min(u8::MAX as u32) as u8)
    }

    /// How long ago an entry was used, where that is kept.
    pub fn idle_seconds_of(&self, kept: u32) -> u32 {
        self.now_s.wrapping_sub(kept) & MASK
    }

    fn with_counter(&self, counter: u8) -> u32 {
        ((self.now_s / 60) & MINUTE_MASK) << COUNTER_BITS | counter as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(log_factor: u32, decay_minutes: u32) -> AccessClock {
        let mut clock = AccessClock::default();
        clock.count_uses(Some(Frequency { log_factor, decay_minutes }));
        clock.set_time(1_700_000_000_000);
        clock
    }

    #[test]
    fn the_counter_grows_ever_more_slowly() {
        // The table of the documentation of lfu-log-factor, for a million hits.
        for (log_factor, expected) in [(0, 255..=255), (10, 240..=255), (100, 120..=165)] {
            let clock = counting(log_factor, 1);
            let mut rng = fastrand::Rng::with_seed(3);
            let kept = (0..1_000_000).fold(clock.stamp(), |kept, _| clock.used(kept, &mut rng));
            assert!(expected.contains(&clock.frequency_of(kept)), "{log_factor}: {}", clock.frequency_of(kept));
        }
    }

    #[test]
    fn the_counter_goes_down_with_time() {
        let mut clock = counting(10, 2);
        let kept = clock.stamp_of(LastUse::Frequency(100));
        assert_eq!(clock.frequency_of(kept), 100);
        clock.set_time(1_700_000_000_000 + 20 * 60_000);
        assert_eq!(clock.frequency_of(kept), 90);
        clock.set_time(1_700_000_000_000 + 40_000 * 60_000);
        assert_eq!(clock.frequency_of(kept), 0);
    }

    #[test]
    fn idle_seconds_wrap_around() {
        let mut clock = AccessClock::default();
        clock.set_time((1 << 24) * 1000 - 1000);
        let kept = clock.stamp();
        clock.set_time((1 << 24) * 1000 + 9000);
        assert_eq!(clock.idle_seconds_of(kept), 10);
        assert_eq!(clock.idle_seconds_of(clock.stamp_of(LastUse::IdleSeconds(77))), 77);
        for idle_s in [1 << 24, (1 << 32) + 5, u64::MAX] {
            assert!(clock.idle_seconds_of(clock.stamp_of(LastUse::IdleSeconds(idle_s))) > 90 * 86400);
        }
        assert_eq!(clock.stamp_of(LastUse::Frequency(9)), clock.stamp());
    }
}
