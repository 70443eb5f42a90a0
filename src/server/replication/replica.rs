//! A replica of this server, or a client that prepares to become one.

use crate::persist::rdb;
use std::fs::File;

/// The first version that reads files of version 11.
const READS_11: u32 = 0x070200;

#[derive(Default)]
pub struct Replica {
    pub state: ReplicaState,
    /// It has been sent, or has seen, the stream up to here.
    pub position: u64,
    /// It says that it has applied the stream up to here, ...
    pub acked: u64,
    /// ... and has it on its disk up to here.
    pub acked_durable: u64,
    /// On the monotonic clock.
    pub acked_ms: u64,
    /// It said that it has the data set before we knew that it has been sent all of it.
    pub acked_early: bool,
    pub listening_port: u16,
    /// The address at which it can be reached, if it sent one (REPLCONF ip-address).
    pub address: Vec<u8>,
    /// It finds the end of a data set of unknown length.
    pub understands_mark: bool,
    /// It can go on from a history of another name.
    pub understands_new_ids: bool,
    /// 7.2.4 as 0x070204; 0 if it did not say.
    pub version: u32,
    /// It wants a data set, and nothing after it.
    pub snapshot_only: bool,
    /// What it wants of the data set.
    pub wanted: RdbFilter,
    /// It asked with SYNC: it acknowledges nothing.
    pub without_offsets: bool,
}

/// REPLCONF rdb-filter-only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RdbFilter {
    pub keys: bool,
    pub functions: bool,
}

impl Default for RdbFilter {
    fn default() -> Self {
        RdbFilter { keys: true, functions: true }
    }
}

#[derive(Default)]
pub enum ReplicaState {
    /// It sent REPLCONF, but has not asked for anything yet.
    #[default]
    Handshake,
    /// It waits for a child to begin.
    WaitsForChild,
    /// It waits until the file is written.
    WaitsForFile,
    ReceivesFile(FileTransfer),
    /// It receives what the child writes: the offset in that.
    ReceivesPipe(u64),
    /// It has been sent the data set, and is to say that it has it.
    Loads,
    Online,
}

/// A data set in a file on its way to a replica.
pub struct FileTransfer {
    pub file: File,
    pub size: u64,
    pub sent: u64,
}

impl Replica {
    /// As INFO has it; None before it asked for anything.
    pub fn state_name(&self) -> Option<&'static str> {
        Some(match self.state {
            ReplicaState::Handshake => return None,
            ReplicaState::WaitsForChild | ReplicaState::WaitsForFile | ReplicaState::ReceivesPipe(_) => "wait_bgsave",
            ReplicaState::ReceivesFile(_) | ReplicaState::Loads => "send_bulk",
            ReplicaState::Online => "online",
        })
    }

    pub fn is_online(&self) -> bool {
        matches!(self.state, ReplicaState::Online)
    }

    pub fn waits_for_child(&self) -> bool {
        matches!(self.state, ReplicaState::WaitsForChild)
    }

    /// Seconds since it last said how far it is.
    pub fn lag_s(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.acked_ms) / 1000
    }

    /// Bytes of the stream that must be kept for it: from here on.
    pub fn needs_from(&self) -> Option<u64> {
        match self.state {
            ReplicaState::Handshake | ReplicaState::WaitsForChild => None,
            _ if self.snapshot_only => None,
            _ => Some(self.position),
        }
    }
}

/// What a data set must be for a replica to use it. Replicas of one form share a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransferForm {
    pub rdb_version: u16,
    pub wanted: RdbFilter,
    /// It is sent as the child writes it, not through a file.
    pub diskless: bool,
}

impl TransferForm {
    /// `diskless`: if the replica can tell where it ends.
    pub fn of(replica: &Replica, diskless: bool) -> TransferForm {
        let rdb_version = if replica.version >= READS_11 { rdb::VERSION } else { rdb::VERSION_7_0 };
        // A filtered data set is no snapshot.
        let whole = replica.wanted == RdbFilter::default();
        let diskless = (diskless || !whole) && replica.understands_mark;
        TransferForm { rdb_version, wanted: replica.wanted, diskless }
    }
}
