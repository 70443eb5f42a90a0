//! A data set on its way from files into memory, in steps between which clients are served. `engine`
//! takes the steps.

use super::clock::Clock;
use super::{ClientId, Stats};
use crate::keyspace::KeyspaceStats;
use crate::persist::aof::{CommandFile, Files, ReplicationPosition};
use crate::persist::rdb::{Loaded, RdbLoad};
use crate::resp::OwnedRequest;
use std::path::PathBuf;

#[derive(Default)]
pub struct Loading {
    pub mode: LoadMode,
    pub progress: LoadProgress,
    /// What the loop loads, a step each turn.
    pub load: Option<Box<Load>>,
    /// What the snapshot that was loaded last said of itself.
    pub last: Loaded,
}

/// Whether a data set is being loaded, and what clients may do meanwhile.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum LoadMode {
    #[default]
    None,
    /// Most commands are refused.
    Blocking,
    /// The data set that there was is served until then: it is of the same history.
    Async,
}

impl Loading {
    #[inline]
    pub fn is_blocking(&self) -> bool {
        self.mode == LoadMode::Blocking
    }

    #[inline]
    pub fn is_async(&self) -> bool {
        self.mode == LoadMode::Async
    }
}

/// How far a load is.
#[derive(Clone, Copy, Default, Debug)]
pub struct LoadProgress {
    pub started_unix_s: i64,
    /// Of the sources together, and what of it is loaded.
    pub total_bytes: u64,
    pub loaded_bytes: u64,
    /// Memory that was in use when the snapshot was made, if it says so.
    pub used_memory: u64,
    /// On the monotonic clock.
    pub logged_ms: u64,
}

impl LoadProgress {
    pub fn begin(total_bytes: u64, clock: &Clock) -> LoadProgress {
        let (started_unix_s, logged_ms) = (clock.unix_s(), clock.now_ms);
        LoadProgress { started_unix_s, total_bytes, logged_ms, ..LoadProgress::default() }
    }

    pub fn percent(&self) -> f64 {
        self.loaded_bytes as f64 * 100.0 / self.total_bytes.max(1) as f64
    }

    /// How long it will still take, going by how long it has taken.
    pub fn eta_s(&self, now_unix_s: i64) -> u64 {
        // COMPAT: within the first second nothing is known, and this is said.
        const UNKNOWN: u64 = 1;
        let elapsed = (now_unix_s - self.started_unix_s).max(0) as u64;
        if elapsed == 0 {
            return UNKNOWN;
        }
        let left = self.total_bytes.saturating_sub(self.loaded_bytes);
        (elapsed as u128 * left as u128 / self.loaded_bytes.max(1) as u128) as u64
    }
}

/// What is loaded.
pub struct Load {
    pub source: LoadSource,
    /// When it began: a stamp of the clock.
    pub started: u64,
}

pub enum LoadSource {
    Snapshot(SnapshotLoad),
    /// As a replica: what the primary sent.
    FromPrimary(SnapshotLoad),
    AppendOnlyFile(Box<AofLoad>),
}

pub struct SnapshotLoad {
    pub path: PathBuf,
    pub data_set: RdbLoad<'static>,
    /// It is loaded because the server starts: not by DEBUG RELOAD, nor from a primary.
    pub at_start: bool,
}

/// The files of an append-only file, which are loaded one after the other.
pub struct AofLoad {
    pub files: Files,
    /// The part that is loaded, and its number.
    pub part: Option<PartLoad>,
    pub number: usize,
    /// Bytes of the parts before it.
    pub bytes_before: u64,
    /// Runs the commands.
    pub client: ClientId,
    /// The commands since MULTI.
    pub transaction: Option<Vec<OwnedRequest>>,
    /// The place in the history that the last line names, if it does.
    pub history: Option<ReplicationPosition>,
    /// The counters that the file's commands add to, apart from the server's: they do not count as run again.
    pub stats: (Stats, KeyspaceStats),
}

pub struct PartLoad {
    pub path: PathBuf,
    pub contents: PartContents,
    /// The part is good up to here: whole commands, and whole transactions.
    pub good_up_to: u64,
    pub started: u64,
}

/// A part may begin with a data set.
pub enum PartContents {
    DataSet(Box<RdbLoad<'static>>),
    Commands(Box<CommandFile>),
}
