//! What the server knows of replication; what it does about it is in `engine/replication`.
//!
//! The history of a data set has a name of 40 digits, and every change is a piece of one stream of
//! bytes: that name and an offset of the stream say what a copy of the data set has seen. A primary
//! makes the stream of its own changes. A replica follows the stream of its primary, and passes the
//! same bytes on to replicas of its own, so that all of them can follow any other from where they are.
//!
//! * `stream`  the stream, and the part of it that is kept
//! * `replica` a replica of this server
//! * `primary` the primary of this server
//! * `failover` handing our role to a replica

pub mod failover;
pub mod primary;
pub mod replica;
pub mod stream;

use super::run::random_id;
use super::{ClientFlags, ClientId, Server};
use crate::encoding::byte_log::ByteLog;
use crate::encoding::timer_wheel::TimerId;
use failover::Failover;
use mio::unix::pipe;
use primary::Primary;
use std::collections::HashSet;
use stream::ReplicationStream;

pub struct Replication {
    /// The replication ID, which names the history of the data set.
    pub replid: String,
    /// What the history was called before, if it is the same up to an offset.
    pub replid2: Option<SecondReplid>,
    pub stream: ReplicationStream,
    /// Clients that asked for the data set or the stream.
    pub replicas: Vec<ClientId>,
    /// Since when there have been none, on the monotonic clock.
    pub no_replicas_since_ms: u64,
    pub transfer: Option<Transfer>,
    /// When a transfer is to begin for replicas that wait for one.
    pub transfer_timer: Option<TimerId>,
    pub primary: Option<Primary>,
    /// The database that the stream was at when the snapshot was made that was loaded at start.
    pub restored_selected: usize,
    /// The connection to the primary needs a turn without an event: it may have more than was read, or the disk has all
    /// that came.
    pub link_needs_turn: bool,
    /// A helper thread looks up the name of a primary, perhaps a former one.
    pub looks_up: bool,
    /// The primary sent REPLCONF GETACK: our offset is to be sent.
    pub ack_wanted: bool,
    /// The bytes so far of a transaction of the primary whose EXEC has not come.
    pub unfinished: Vec<u8>,
    /// Up to where our own append-only file has everything, ...
    pub aof_written: u64,
    /// ... and up to where it is known to have everything on the disk.
    pub aof_durable: u64,
    /// What `aof_durable` will be when the fsync that runs has ended.
    pub aof_syncing: u64,
    /// A script kept changes from the append-only file (`redis.set_repl`), so a data set loaded from it differs from
    /// that of the replicas.
    pub beyond_aof: bool,
    /// Keys, with their databases, that clients of this replica gave a time to live.
    pub own_expiring: HashSet<(usize, Box<[u8]>)>,
    /// Clients that wait for acknowledgements.
    pub waits: Vec<AckWait>,
    /// Replicas are to be asked before the loop sleeps how far they are.
    pub ask_for_acks: bool,
    /// Acknowledgements have come: clients in WAIT may be done.
    pub acks_came: bool,
    pub failover: Failover,
    /// Fires each second while there is a primary, a replica or a stream.
    pub heartbeat: Option<TimerId>,
    pub beats: u64,
}

/// The name of a history that ours goes on from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecondReplid {
    pub replid: String,
    /// Up to this offset both are the same.
    pub end: u64,
}

/// For INFO.
#[derive(Default)]
pub struct Counters {
    pub full: u64,
    pub partial: u64,
    pub partial_refused: u64,
    pub input_bytes: u64,
    pub output_bytes: u64,
}

/// A data set on its way from a child to replicas.
pub struct Transfer {
    pub pipe: pipe::Receiver,
    /// Bytes that have come and that some replica has not been sent yet.
    pub log: ByteLog,
    /// The pipe may have more: no end or gap was seen since it said so.
    pub readable: bool,
    /// All has come.
    pub ended: bool,
}

/// A client in WAIT or WAITAOF: it waits until replicas, or disks, have what it wrote.
pub struct AckWait {
    pub client: ClientId,
    /// What it wrote ends here in the stream.
    pub offset: u64,
    pub goal: AckGoal,
    pub timer: Option<TimerId>,
}

/// Who is to have a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AckGoal {
    pub replicas: usize,
    /// WAITAOF: the replicas, and this server if asked for, must have it on the disk.
    pub durable: Option<Durable>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Durable {
    pub local: bool,
}

impl Replication {
    pub fn new(now_ms: u64) -> Replication {
        Replication {
            replid: random_id(),
            replid2: None,
            stream: ReplicationStream::default(),
            replicas: Vec::new(),
            no_replicas_since_ms: now_ms,
            transfer: None,
            transfer_timer: None,
            primary: None,
            restored_selected: 0,
            link_needs_turn: false,
            looks_up: false,
            ack_wanted: false,
            unfinished: Vec::new(),
            aof_written: 0,
            aof_durable: 0,
            aof_syncing: 0,
            beyond_aof: false,
            own_expiring: HashSet::new(),
            waits: Vec::new(),
            ask_for_acks: false,
            acks_came: false,
            failover: Failover::default(),
            heartbeat: None,
            beats: 0,
        }
    }

    pub fn is_replica(&self) -> bool {
        self.primary.is_some()
    }

    /// The stream, for changes of this server's own; None on a replica and while nothing is kept. `count`: the
    /// offset is to move all the same, because it also says how far the append-only file is.
    #[inline]
    pub fn stream_of_own_changes(&mut self, count: bool) -> Option<&mut ReplicationStream> {
        if self.primary.is_some() {
            return None;
        }
        if !self.stream.is_kept() {
            if count {
                self.stream.count_change();
            }
            return None;
        }
        Some(&mut self.stream)
    }

    /// Gives the data set a new history that has nothing in common with any other.
    pub fn start_new_history(&mut self) {
        self.replid = random_id();
        self.replid2 = None;
    }

    /// Gives the history a new name from here on; up to here it is the same as under the old name.
    pub fn fork_history(&mut self) {
        let replid = std::mem::replace(&mut self.replid, random_id());
        self.replid2 = Some(SecondReplid { replid, end: self.stream.offset() });
    }

    /// Whether a replica that has seen `offset` bytes of the history `replid` has seen nothing that we have
    /// not.
    pub fn shares_history(&self, replid: &str, offset: u64) -> bool {
        let same = |ours: &str, end: u64| replid.eq_ignore_ascii_case(ours) && offset <= end;
        same(&self.replid, self.stream.offset())
            || self.replid2.as_ref().is_some_and(|second| same(&second.replid, second.end))
    }
}

impl Server {
    /// Ends a client's wait for acknowledgements; gives what it waited for.
    pub fn stop_waiting_for_acks(&mut self, id: ClientId) -> Option<AckWait> {
        let at = self.replication.waits.iter().position(|wait| wait.client == id)?;
        let wait = self.replication.waits.remove(at);
        if let Some(timer) = wait.timer {
            self.timers.cancel(timer);
        }
        if let Some(client) = self.clients.get_mut(id) {
            client.flags -= ClientFlags::BLOCKED;
        }
        Some(wait)
    }

    /// The number of replicas that acknowledged within `min-replicas-max-lag`.
    pub fn good_replicas(&self) -> usize {
        let max_lag_s = self.config.min_replicas_max_lag as u64;
        let replicas = self.replication.replicas.iter().filter_map(|&id| self.clients.get(id)?.replica.as_deref());
        replicas.filter(|replica| replica.is_online() && replica.lag_s(self.clock.now_ms) <= max_lag_s).count()
    }
}
