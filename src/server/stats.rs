//! Counters for INFO. All only ever grow, but for CONFIG RESETSTAT; and `dirty` counts from the last save on.

use super::command_table::CommandIndex;
use super::replication::Counters;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Counters of one command.
#[derive(Default)]
pub struct CommandStats {
    pub calls: u64,
    pub nanos: u64,
    /// Refused before they ran.
    pub rejected: u64,
    /// Ran and answered an error.
    pub failed: u64,
    /// Nanoseconds a call; none until the first call.
    pub latency: Option<Box<Histogram<u32>>>,
}

/// Latencies are kept up to a second with two significant digits, as Redis does.
const LATENCY_MAX_NANOS: u64 = 1_000_000_000;

impl CommandStats {
    #[inline]
    pub fn record(&mut self, nanos: u64, track_latency: bool) {
        self.calls += 1;
        self.nanos += nanos;
        if track_latency {
            let histogram = self.latency.get_or_insert_with(|| {
                Box::new(Histogram::new_with_bounds(1, LATENCY_MAX_NANOS, 2).expect("valid bounds"))
            });
            histogram.saturating_record(nanos.max(1));
        }
    }
}

#[derive(Default)]
pub struct Stats {
    pub commands: Vec<CommandStats>,
    /// Error replies by code.
    pub errors: BTreeMap<String, u64>,
    pub error_replies: u64,
    pub commands_processed: u64,
    pub connections_received: u64,
    pub connections_rejected: u64,
    pub net_input: u64,
    pub net_output: u64,
    pub replication: Counters,
    pub reads: u64,
    pub writes: u64,
    pub loop_cycles: u64,
    /// Time spent in turns of the loop, without the sleep between them.
    pub loop_nanos: u64,
    /// The longest turn, and the most commands run in one.
    pub loop_nanos_max: u64,
    pub loop_commands_max: u64,
    /// Commands processed when this turn began.
    commands_before_turn: u64,
    pub cron_nanos: u64,
    pub aof_nanos: u64,
    pub loop_command_nanos: u64,
    pub expire_cycle_nanos: u64,
    /// Changes since the data set was last saved.
    pub dirty: u64,
    pub memory_peak: usize,
    pub rates: Rates,
}

impl Stats {
    /// For a table of `commands` commands.
    pub fn new(commands: usize) -> Stats {
        let mut stats = Stats::default();
        stats.commands.resize_with(commands, CommandStats::default);
        stats
    }

    pub fn of(&mut self, command: CommandIndex) -> &mut CommandStats {
        &mut self.commands[command.0 as usize]
    }

    /// Counts a command that ran.
    #[inline]
    pub fn ran(&mut self, command: CommandIndex, nanos: u64, track_latency: bool) {
        self.commands_processed += 1;
        self.loop_command_nanos += nanos;
        self.of(command).record(nanos, track_latency);
    }

    pub fn count_error(&mut self, code: &str) {
        /// Scripts can make codes up: beyond this many, new ones are not counted.
        const CODES_MAX: usize = 128;
        self.error_replies += 1;
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else if self.errors.len() < CODES_MAX {
            self.errors.insert(code.to_owned(), 1);
        }
    }

    /// Counts a turn of the loop that took so long.
    pub fn end_turn(&mut self, nanos: u64) {
        self.loop_cycles += 1;
        self.loop_nanos += nanos;
        self.loop_nanos_max = self.loop_nanos_max.max(nanos);
        self.loop_commands_max = self.loop_commands_max.max(self.commands_processed - self.commands_before_turn);
        self.commands_before_turn = self.commands_processed;
    }

    /// What rates are taken of, as of now.
    pub fn totals(&self) -> Totals {
        Totals {
            commands: self.commands_processed,
            net_input: self.net_input,
            net_output: self.net_output,
            replication_input: self.replication.input_bytes,
            replication_output: self.replication.output_bytes,
            loop_cycles: self.loop_cycles,
            loop_nanos: self.loop_nanos,
        }
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&mut self) {
        let (memory_peak, dirty) = (self.memory_peak, self.dirty);
        *self = Stats { memory_peak, dirty, ..Stats::new(self.commands.len()) };
    }
}

/// Rates over the last 1.6 seconds: INFO's `instantaneous_*`.
#[derive(Default)]
pub struct Rates {
    samples: [Sample; 16],
    next: usize,
    last: Totals,
    last_ms: u64,
}

#[derive(Default, Clone, Copy)]
struct Sample {
    change: Totals,
    ms: u64,
}

/// What rates are taken of.
#[derive(Default, Clone, Copy)]
pub struct Totals {
    pub commands: u64,
    pub net_input: u64,
    pub net_output: u64,
    pub replication_input: u64,
    pub replication_output: u64,
    pub loop_cycles: u64,
    pub loop_nanos: u64,
}

impl Rates {
    /// Called about ten times a second.
    pub fn sample(&mut self, totals: Totals, now_ms: u64) {
        let since = |now: u64, then: u64| now.saturating_sub(then);
        let change = Totals {
            commands: since(totals.commands, self.last.commands),
            net_input: since(totals.net_input, self.last.net_input),
            net_output: since(totals.net_output, self.last.net_output),
            replication_input: since(totals.replication_input, self.last.replication_input),
            replication_output: since(totals.replication_output, self.last.replication_output),
            loop_cycles: since(totals.loop_cycles, self.last.loop_cycles),
            loop_nanos: since(totals.loop_nanos, self.last.loop_nanos),
        };
        self.samples[self.next] = Sample { change, ms: since(now_ms, self.last_ms) };
        self.next = (self.next + 1) % self.samples.len();
        (self.last, self.last_ms) = (totals, now_ms);
    }

    fn sum(&self, of: impl Fn(&Totals) -> u64) -> u64 {
        self.samples.iter().map(|sample| of(&sample.change)).sum()
    }

    /// A second's worth of what `of` picks.
    pub fn per_second(&self, of: impl Fn(&Totals) -> u64) -> u64 {
        let ms: u64 = self.samples.iter().map(|sample| sample.ms).sum();
        (self.sum(of) * 1000).checked_div(ms).unwrap_or(0)
    }

    /// The mean time of a turn of the loop.
    pub fn loop_nanos(&self) -> u64 {
        self.sum(|totals| totals.loop_nanos).checked_div(self.sum(|totals| totals.loop_cycles)).unwrap_or(0)
    }
}
