//! What the server knows of its snapshots and rewrites: the child that makes one, and how the last
//! ones went. `engine` starts and ends them.

use super::Server;
use super::clock::Clock;
use super::replication::replica::TransferForm;
use crate::config::os_reason;
use crate::persist::aof::Form;
use crate::resp::CommandError;
use mio::unix::pipe;
use std::path::PathBuf;

#[derive(Default)]
pub struct Persistence {
    /// There is one at a time.
    pub child: Option<Child>,
    pub snapshots: Snapshots,
    pub rewrites: Rewrites,
    pub forks: u64,
    pub last_fork_us: u64,
}

/// A forked child that writes the data set as it was when it was forked.
pub struct Child {
    pub pid: u32,
    pub job: Job,
    /// What it writes to, if that is a file, which gets its name when the child has ended well.
    pub temporary: Option<PathBuf>,
    /// Replicas wait for what it writes: in which form that is, and the offset of the stream it is at.
    pub for_replicas: Option<(TransferForm, u64)>,
    /// [`Report`]s come here; its end means that the child has ended.
    pub pipe: pipe::Receiver,
    pub started_ms: u64,
    /// Changes since the last save when it was forked: it writes them.
    pub dirty: u64,
    pub keys: u64,
    pub report: Report,
    pub reported_ms: u64,
    pub cow_peak: u64,
    /// It was told to end: what it wrote is not wanted, however it ends.
    pub unwanted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Job {
    /// In this version of the format.
    Snapshot(u16),
    /// Of the append-only file.
    Rewrite(Form),
    /// For replicas, through a pipe.
    Transfer(TransferForm),
}

/// What a child tells of itself.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Report {
    pub keys: u64,
    /// Bytes of memory that it no longer shares with the server.
    pub cow: u64,
}

impl Report {
    pub const SIZE: usize = 16;

    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        (self.keys as u128 | (self.cow as u128) << 64).to_le_bytes()
    }

    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Report {
        let both = u128::from_le_bytes(bytes);
        Report { keys: both as u64, cow: (both >> 64) as u64 }
    }
}

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    Succeeded,
    Failed,
    /// Because it was told to.
    Unwanted,
}

/// When snapshots were made, and how they went.
pub struct Snapshots {
    pub scheduled: bool,
    /// When the data set was last saved, or this run began.
    pub last_unix_s: i64,
    /// On the monotonic clock.
    pub last_ms: u64,
    pub last_try_ms: u64,
    pub last_ok: bool,
    /// How long the last one by a child took.
    pub last_took_s: Option<u64>,
    /// That were started.
    pub count: u64,
    pub last_cow: u64,
}

impl Default for Snapshots {
    fn default() -> Self {
        Snapshots {
            scheduled: false,
            last_unix_s: 0,
            last_ms: 0,
            last_try_ms: 0,
            last_ok: true,
            last_took_s: None,
            count: 0,
            last_cow: 0,
        }
    }
}

impl Snapshots {
    /// One is on the disk.
    pub fn succeeded(&mut self, clock: &Clock) {
        self.last_unix_s = clock.unix_s();
        self.last_ms = clock.now_ms;
        self.last_ok = true;
    }
}

/// The same of the rewrites.
pub struct Rewrites {
    pub scheduled: bool,
    pub last_ok: bool,
    pub last_took_s: Option<u64>,
    pub count: u64,
    pub failures_in_a_row: u32,
    pub last_cow: u64,
    /// After several failures none starts by itself for a while.
    pub retry: Option<RewriteDelay>,
    /// Another thread changes the files, before a child begins or after it has ended.
    pub changes_files: bool,
    /// No child is to begin once the files are ready for it.
    pub called_off: bool,
}

/// The delay of a rewrite after several have failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RewriteDelay {
    /// When one may start, on the monotonic clock; None once that time has come.
    pub at_ms: Option<u64>,
    /// How long the delay is, or was.
    pub minutes: u64,
}

impl Default for Rewrites {
    fn default() -> Self {
        Rewrites {
            scheduled: false,
            last_ok: true,
            last_took_s: None,
            count: 0,
            failures_in_a_row: 0,
            last_cow: 0,
            retry: None,
            changes_files: false,
            called_off: false,
        }
    }
}

impl Persistence {
    /// CONFIG RESETSTAT.
    pub fn reset_counters(&mut self) {
        (self.forks, self.last_fork_us) = (0, 0);
        self.snapshots.count = 0;
        (self.rewrites.count, self.rewrites.failures_in_a_row) = (0, 0);
    }

    /// Whether no child can start at present.
    pub fn is_busy(&self) -> bool {
        self.child.is_some() || self.rewrites.changes_files
    }

    pub fn snapshot_runs(&self) -> bool {
        self.child.as_ref().is_some_and(|child| matches!(child.job, Job::Snapshot(_)))
    }

    pub fn rewrite_runs(&self) -> bool {
        self.rewrites.changes_files || self.child.as_ref().is_some_and(|child| matches!(child.job, Job::Rewrite(_)))
    }

    pub fn transfer_runs(&self) -> bool {
        self.child.as_ref().is_some_and(|child| matches!(child.job, Job::Transfer(_)))
    }
}

impl Server {
    /// Why writes are refused, if they are.
    pub fn write_error(&self) -> Option<CommandError> {
        if self.config.stop_writes_on_bgsave_error
            && !self.config.save.is_empty()
            && !self.persistence.snapshots.last_ok
        {
            return Some(CommandError::new(
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.",
            ));
        }
        let error = self.aof.as_ref()?.error()?;
        Some(CommandError::coded(format!("MISCONF Errors writing to the AOF file: {}", os_reason(error))))
    }
}
