//! The server: the sole owner of all state. What a command, a timer or the loop works on is here;
//! what they do is in `engine`, `commands` and `net`.
//!
//! * `acl`           users and what they may do
//! * `allocator`     memory, counted
//! * `background`    helper threads
//! * `blocked`       clients that wait for keys
//! * `client_list`   how CLIENT LIST describes a client
//! * `clients`       connections and their buffers
//! * `clock`         time
//! * `collation`     the order of texts in a language, for SORT ALPHA
//! * `command`       the specification of a command
//! * `command_table` commands by name
//! * `crash`         what the log gets of a crash
//! * `latency`       events that took long, for LATENCY
//! * `listeners`     TCP and unix sockets
//! * `loading`       a data set on its way into memory
//! * `logging`       the log
//! * `memory`        limits on memory, and clients evicted for them
//! * `migration`     connections to the servers that MIGRATE sends keys to
//! * `oom_score`     how soon the system ends the process when memory runs out
//! * `pause`         CLIENT PAUSE
//! * `persistence`   the child that makes a snapshot or a rewrite, and how the last ones went
//! * `process_title` what `ps` shows
//! * `pubsub`        subscriptions, and delivering messages
//! * `replication`   primary, replicas, and the stream of changes
//! * `scripts`       scripts and functions
//! * `slowlog`       slow commands
//! * `stats`         counters for INFO
//! * `supervisor`    telling systemd how far the server is
//! * `system`        what the operating system knows of the process
//! * `tracking`      which clients are told which keys changed
//! * `transactions`  what MULTI and WATCH keep of a client
//! * `watchdog`      logs what the loop is busy with when a turn takes too long

pub mod acl;
pub mod allocator;
pub mod background;
pub mod blocked;
pub mod client_list;
pub mod clients;
pub mod clock;
pub mod collation;
pub mod command;
pub mod command_table;
pub mod crash;
pub mod latency;
pub mod listeners;
pub mod loading;
pub mod logging;
pub mod memory;
pub mod migration;
pub mod oom_score;
mod pause;
pub mod persistence;
pub mod process_title;
pub mod pubsub;
pub mod replication;
pub mod scripts;
pub mod slowlog;
pub mod stats;
pub mod supervisor;
pub mod system;
pub mod tracking;
pub mod transactions;
pub mod watchdog;

use crate::config::{ClientClass, Config, os_reason};
use crate::encoding::timer_wheel::{TimerId, TimerWheel};
use crate::keyspace::{Commands, ExpiryMode, Keyspace, KeyspaceOptions};
use crate::persist::aof::Aof;
use crate::persist::rdb::Loaded;
use crate::resp::{CommandError, Output, Reply};
use crate::script::ReplicateTo;
use acl::Acl;
use background::Background;
use blocked::BlockedClients;
pub use clients::{Client, ClientFlags, ClientId, Clients, ReplyMode, Stream};
use clock::Clock;
pub use command::{Command, DataContext, Handler};
use command_table::CommandTable;
use latency::{LatencyEvents, Sample};
use listeners::Listener;
use loading::{Load, LoadProgress};
use memory::MemoryState;
use migration::Peers;
use mio::Registry;
use persistence::Persistence;
use pubsub::PubSub;
use replication::Replication;
use replication::replica::Replica;
use scripts::Scripts;
use slowlog::SlowLog;
use stats::Stats;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tracking::Tracking;
use transactions::Watchers;

/// What can be due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// The server's housekeeping, `hz` times a second while there is some.
    Cron,
    /// Keys expire.
    Expire,
    /// The once-per-second fsync of the append-only file.
    AofSync,
    /// A client may have been idle for longer than `timeout`.
    ClientIdle(ClientId),
    /// A client has waited long enough.
    BlockedClient(ClientId),
    /// CLIENT PAUSE ends.
    PauseEnd,
    /// Too much memory is in use: keys are to be evicted.
    Evict,
    /// A connection that MIGRATE opened was not used for a while.
    IdlePeers,
    /// The child has ended, but could not be waited for yet.
    ReapChild,
    /// Replicas and the primary are looked after.
    Heartbeat,
    /// Replicas that wait for a data set have waited for others for long enough.
    StartTransfer,
    /// A failover has taken too long.
    FailoverEnd,
    /// Replicas had time enough to get everything before the end.
    ShutdownEnd,
}

/// CLIENT PAUSE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pause {
    Writes,
    All,
}

/// How the server ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShutdownOptions {
    pub save: Option<bool>,
    pub now: bool,
    pub force: bool,
}

/// The server is to end as soon as its replicas have everything.
pub struct ShutdownWait {
    pub options: ShutdownOptions,
    /// When it no longer waits, on the monotonic clock.
    pub until_ms: u64,
    pub timer: TimerId,
    /// Clients whose SHUTDOWN has no reply yet.
    pub clients: Vec<ClientId>,
}

pub struct Server {
    pub config: Config,
    pub keyspace: Keyspace,
    pub clients: Clients,
    pub acl: Acl,
    pub blocked: BlockedClients,
    watchers: Watchers,
    pub pubsub: PubSub,
    pub tracking: Tracking,
    pub peers: Peers,
    /// While a transaction or a script runs: what its commands did so far, to be propagated as a whole.
    pub transaction: Option<Commands>,
    /// From which command of the transaction on it is propagated where, if not everywhere.
    pub transaction_targets: Vec<(usize, ReplicateTo)>,
    pub scripts: Scripts,
    pub commands: CommandTable,
    pub timers: TimerWheel<Timer>,
    pub clock: Clock,
    pub stats: Stats,
    pub slowlog: SlowLog,
    pub latency: LatencyEvents,
    /// Commands that take at least so long are passed to SLOWLOG and LATENCY.
    pub slow_nanos: u64,
    /// Clients that sent MONITOR.
    pub monitors: Vec<ClientId>,
    pub background: Background,
    pub aof: Option<Aof>,
    pub persistence: Persistence,
    pub memory: MemoryState,

    /// The client whose commands run.
    pub executing: Option<ClientId>,
    /// When the command that runs, or the batch it is in, began: a stamp of the clock.
    pub command_started: u64,

    /// 40 hexadecimal digits that no other run has.
    pub run_id: String,
    pub replication: Replication,
    /// Bytes allocated when the server had started, before it had any data.
    pub startup_memory: usize,
    pub started_unix_s: i64,
    /// What the snapshot that was loaded last said of itself.
    pub loaded: Loaded,
    pub executable: String,
    pub listeners: Vec<Listener>,
    /// The poll that listeners and clients register with.
    pub registry: Registry,

    /// Clients with replies to be sent before the loop sleeps.
    pub pending_writes: Vec<ClientId>,
    /// Clients whose input was left over, for fairness or because they were held back.
    pub pending_reads: VecDeque<ClientId>,
    /// Clients to be closed before the loop sleeps.
    pub pending_closes: Vec<ClientId>,
    /// Listeners that may have more connections than were accepted.
    pub accept_again: Vec<usize>,
    /// Listeners to be tried again by cron: the system had no descriptor left.
    pub accept_later: Vec<usize>,
    /// The process's score before `oom-score-adj` changed it.
    oom_score_before: Option<i32>,
    /// The timer for the next fsync of the append-only file.
    pub aof_sync_timer: Option<TimerId>,
    /// The timer for the next due key, and when it fires.
    pub expire_timer: Option<(TimerId, u64)>,
    /// Output buffers that no client uses; the one used last is still in the cache.
    spare_outputs: Vec<Vec<u8>>,

    /// What is paused, and until when on the monotonic clock.
    pub pause: Option<(Pause, u64)>,
    pause_timer: Option<TimerId>,
    /// Writes wait although no client sent CLIENT PAUSE: for a failover or the end of the server.
    pub holds_writes: bool,
    /// The data set is being loaded: only the client that loads it may see it.
    pub loading: bool,
    /// A data set is loaded beside the one that is served.
    pub async_loading: bool,
    pub load_progress: LoadProgress,
    /// The data set that the loop loads, a step each turn.
    pub load: Option<Box<Load>>,
    /// A signal asked for the end; cron will see to it.
    pub shutdown_asked: Option<ShutdownOptions>,
    /// The end waits for replicas.
    pub shutdown_wait: Option<ShutdownWait>,
    /// A signal has arrived, and the server may be about to end.
    pub told_to_end: Arc<AtomicBool>,
    /// All is prepared for the end: the loop ends with this turn.
    pub shutdown: bool,
    /// How long to wait before each write to the append-only file: DEBUG AOF-FLUSH-SLEEP.
    pub aof_flush_sleep: Duration,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub active_expire: bool,
    /// DEBUG PAUSE-CRON.
    pub cron_paused: bool,
}

/// Bytes of replies that may wait for a client that has not authenticated.
const UNAUTHENTICATED_OUTPUT_MAX: u64 = 16 * 1024;

impl Server {
    pub fn new(config: Config, commands: CommandTable, background: Background, registry: Registry) -> Server {
        let clock = Clock::default();
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).expect("the operating system gives random bytes");
        let seed = u64::from_ne_bytes(seed);
        let stats = Stats::new(commands.rows().len());
        let mut server = Server {
            keyspace: Keyspace::new(config.databases, seed.rotate_left(17)),
            clients: Clients::default(),
            acl: Acl::new(&commands),
            blocked: BlockedClients::default(),
            watchers: Watchers::default(),
            pubsub: PubSub::default(),
            tracking: Tracking::default(),
            peers: Peers::default(),
            transaction: None,
            transaction_targets: Vec::new(),
            scripts: Scripts::default(),
            commands,
            timers: TimerWheel::new(clock.now_ms),
            stats,
            slowlog: SlowLog::default(),
            latency: LatencyEvents::default(),
            slow_nanos: 0,
            monitors: Vec::new(),
            background,
            aof: None,
            persistence: Persistence::default(),
            memory: MemoryState::default(),
            executing: None,
            command_started: clock.stamp(),
            run_id: random_id(),
            replication: Replication::new(clock.now_ms),
            startup_memory: 0,
            started_unix_s: clock.unix_s(),
            loaded: Loaded::default(),
            executable: std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default(),
            listeners: Vec::new(),
            registry,
            pending_writes: Vec::new(),
            pending_reads: VecDeque::new(),
            pending_closes: Vec::new(),
            accept_again: Vec::new(),
            accept_later: Vec::new(),
            oom_score_before: None,
            aof_sync_timer: None,
            expire_timer: None,
            spare_outputs: Vec::new(),
            pause: None,
            pause_timer: None,
            holds_writes: false,
            loading: false,
            async_loading: false,
            load_progress: LoadProgress::default(),
            load: None,
            shutdown_asked: None,
            shutdown_wait: None,
            told_to_end: Arc::default(),
            shutdown: false,
            aof_flush_sleep: Duration::ZERO,
            active_expire: true,
            cron_paused: false,
            clock,
            config,
        };
        server.apply_keyspace_options();
        server.apply_wanted_events();
        server.apply_slow_nanos();
        server.refresh_time();
        server.persistence.snapshots.last_unix_s = server.clock.unix_s();
        server
    }

    /// Hands the keyspace the choices of the configuration that it needs.
    pub fn apply_keyspace_options(&mut self) {
        self.keyspace.options = KeyspaceOptions {
            lazy_expire: self.config.lazyfree_lazy_expire,
            lazy_server_del: self.config.lazyfree_lazy_server_del,
            lazy_user_del: self.config.lazyfree_lazy_user_del,
            lazy_user_flush: self.config.lazyfree_lazy_user_flush,
        };
        self.keyspace.access.count_uses(self.config.frequency());
        self.keyspace.evictable.clear();
    }

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

    /// Reads the clocks: once a turn of the loop, so that its commands share a reading.
    pub fn refresh_time(&mut self) {
        self.clock.refresh();
        self.keyspace.now_ms = self.clock.unix_ms();
        self.keyspace.access.set_time(self.keyspace.now_ms);
    }

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

    /// Forgets the data set, to get another.
    pub fn empty(&mut self, lazy: bool) {
        self.keyspace.flush(None, lazy);
        self.scripts.libraries.flush();
    }

    /// Commands added to the transaction from now on are propagated only to `to`.
    pub fn replicate_transaction_to(&mut self, to: ReplicateTo) {
        if let Some(commands) = &self.transaction
            && (!to.is_all() || !self.transaction_targets.is_empty())
        {
            self.transaction_targets.push((commands.len(), to));
        }
    }

    /// The clock that entries are stamped with: seconds, in 24 bits.
    pub fn lru_clock(&self) -> u32 {
        (self.clock.unix_s() & 0xff_ffff) as u32
    }

    /// What is to be done about keys past their time.
    pub fn expiry_mode(&self) -> ExpiryMode {
        match (self.loading, self.is_paused()) {
            (true, _) => ExpiryMode::Ignore,
            // The primary deletes expired keys.
            _ if self.replication.is_replica() => ExpiryMode::Hide,
            // Deleting an expired key is a write, which has to wait for the end of the pause.
            (_, true) => ExpiryMode::Hide,
            _ => ExpiryMode::Delete,
        }
    }

    /// Writes replies to a client. They are sent before the loop sleeps.
    pub fn reply(&mut self, id: ClientId) -> Reply<'_> {
        self.will_write(id);
        let client = &mut self.clients[id];
        let resp3 = client.resp3;
        Reply::new(&mut client.output, resp3)
    }

    /// Makes sure that the client has a buffer and the loop knows that there is something in it.
    #[inline]
    pub fn will_write(&mut self, id: ClientId) {
        let client = &mut self.clients[id];
        if !client.flags.contains(ClientFlags::WRITE_PENDING) {
            client.flags |= ClientFlags::WRITE_PENDING;
            self.pending_writes.push(id);
        }
        if client.output.bytes.capacity() == 0
            && let Some(spare) = self.spare_outputs.pop()
        {
            client.output.bytes = spare;
        }
    }

    /// Takes back the buffer of a client that has nothing left to be sent.
    pub fn reclaim_output(&mut self, id: ClientId) {
        /// Larger buffers go back to the system, and no more than so many are kept.
        const SPARE_BYTES_MAX: usize = 256 * 1024;
        const SPARES_MAX: usize = 64;
        let Some(client) = self.clients.get_mut(id) else { return };
        debug_assert!(client.output.is_empty());
        let Output { bytes, .. } = std::mem::take(&mut client.output);
        if bytes.capacity() > 0 && bytes.capacity() <= SPARE_BYTES_MAX && self.spare_outputs.len() < SPARES_MAX {
            self.spare_outputs.push(bytes);
        }
    }

    /// Gives large buffers with nothing in them back to the system.
    pub fn free_spare_outputs(&mut self) {
        /// Smaller ones are needed again at once, and come to little.
        const KEPT_MAX: usize = 1024;
        self.spare_outputs.retain(|buffer| buffer.capacity() <= KEPT_MAX);
        // The client whose command comes next has one already.
        if let Some(client) = self.executing.and_then(|id| self.clients.get_mut(id))
            && client.output.is_empty()
        {
            client.output.bytes.shrink_to(KEPT_MAX);
        }
    }

    /// Gives a client a turn although no event will come for it.
    pub fn pending_read(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id)
            && !client.flags.contains(ClientFlags::READ_PENDING)
        {
            client.flags |= ClientFlags::READ_PENDING;
            self.pending_reads.push_back(id);
        }
    }

    /// The fewest waiting bytes at which [`Self::check_output_limit`] may close a client.
    pub fn output_watermark(&self) -> u64 {
        // Subscribers are checked after each message.
        let limit = self.config.client_output_buffer_limit[0];
        let clients = self.config.clients_memory_max() as u64;
        [limit.hard_bytes, limit.soft_bytes, clients].into_iter().filter(|&bytes| bytes > 0).min().unwrap_or(u64::MAX)
    }

    /// Closes clients that have been over the soft limit for too long, those included that get no more replies.
    pub fn check_output_limits(&mut self) {
        let over = self.clients.iter().filter(|client| client.soft_limit_since_ms.is_some());
        for id in over.map(|client| client.id).collect::<Vec<_>>() {
            self.check_output_limit(id);
        }
    }

    /// Closes a client whose replies wait beyond the limits of its class.
    pub fn check_output_limit(&mut self, id: ClientId) {
        let now_ms = self.clock.now_ms;
        let stream_end = self.replication.stream.offset();
        let Some(client) = self.clients.get_mut(id) else { return };
        let needed = client.replica.as_deref().and_then(Replica::needs_from);
        let waiting = client.output.len() as u64 + needed.map_or(0, |from| stream_end.saturating_sub(from));
        let class = match () {
            _ if client.flags.contains(ClientFlags::REPLICA) => ClientClass::Replica,
            _ if client.flags.contains(ClientFlags::SUBSCRIBED) => ClientClass::Pubsub,
            _ => ClientClass::Normal,
        };
        let mut limit = self.config.client_output_buffer_limit[class as usize];
        if class == ClientClass::Replica {
            // The backlog is shared, so a replica's limit is at least repl-backlog-size.
            let kept = self.config.repl_backlog_size;
            for bytes in [&mut limit.hard_bytes, &mut limit.soft_bytes].into_iter().filter(|bytes| **bytes > 0) {
                *bytes = kept.max(*bytes);
            }
        }
        let over_hard = limit.hard_bytes > 0 && waiting >= limit.hard_bytes;
        let mut over_soft = false;
        if limit.soft_bytes > 0 && waiting >= limit.soft_bytes {
            let since = *client.soft_limit_since_ms.get_or_insert(now_ms);
            // COMPAT: counted in whole seconds.
            over_soft = now_ms / 1000 - since / 1000 > limit.soft_seconds;
        } else {
            client.soft_limit_since_ms = None;
        }
        // An unauthenticated client may have at most 16 KiB of unsent replies.
        let too_much = !client.authenticated && waiting > UNAUTHENTICATED_OUTPUT_MAX;
        if over_hard || over_soft || too_much {
            log::warn!(
                "Client id={} addr={} closed for overcoming of output buffer limits.",
                client.number,
                client.addr
            );
            self.close_client(id);
            return;
        }
        let clients_max = self.config.clients_memory_max();
        let may_be_evicted = !client.flags.contains(ClientFlags::NO_EVICT);
        if clients_max > 0 && may_be_evicted && client.output_memory() > clients_max {
            self.evict_client(id);
        }
    }

    /// Sets the timer that closes the client when it has been idle for `timeout` seconds.
    pub fn watch_idle(&mut self, id: ClientId) {
        let timeout_ms = self.config.timeout as u64 * 1000;
        let Some(client) = self.clients.get_mut(id) else { return };
        if let Some(timer) = client.idle_timer.take() {
            self.timers.cancel(timer);
        }
        if timeout_ms > 0 {
            client.idle_timer = Some(self.timers.insert(client.active_ms + timeout_ms + 1, Timer::ClientIdle(id)));
        }
    }

    /// Closes a client before the loop sleeps; until then others may still hold its id.
    pub fn close_client(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id)
            && !client.flags.contains(ClientFlags::CLOSE_NOW)
        {
            client.flags |= ClientFlags::CLOSE_NOW;
            self.pending_closes.push(id);
            // Keys that become ready from now on are for other clients.
            self.unblock_client(id);
            self.stop_waiting_for_acks(id);
            self.discard_transaction(id);
            self.monitors.retain(|&monitor| monitor != id);
        }
    }
}

/// 40 random hexadecimal digits.
pub fn random_id() -> String {
    let mut id = [0; 20];
    getrandom::fill(&mut id).expect("the operating system gives random bytes");
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
