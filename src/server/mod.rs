//! The server: the sole owner of all state. What a command, a timer or the loop works on is here;
//! what they do is in `engine`, `commands` and `net`.
//!
//! * `acl`            users and what they may do
//! * `allocator`      memory, counted
//! * `background`     helper threads
//! * `blocked`        clients that wait for keys
//! * `client_list`    how CLIENT LIST describes a client
//! * `clients`        connections and their buffers
//! * `clock`          time
//! * `collation`      the order of texts in a language, for SORT ALPHA
//! * `command`        the specification of a command
//! * `command_table`  commands by name
//! * `cpu_list`       on which processors threads and children run
//! * `crash`          what the log gets of a crash
//! * `debug_switches` what tests switch by DEBUG
//! * `execution`      what is executed right now
//! * `latency`        events that took long, for LATENCY
//! * `listeners`      TCP and unix sockets
//! * `loading`        a data set on its way into memory
//! * `logging`        the log
//! * `machine`        settings of the machine that could harm the server
//! * `memory`         limits on memory, and clients evicted for them
//! * `migration`      connections to the servers that MIGRATE sends keys to
//! * `oom_score`      how soon the system ends the process when memory runs out
//! * `output`         replies on their way to clients, and the limits on them
//! * `pause`          CLIENT PAUSE
//! * `pending`        the loop's queues
//! * `persistence`    the child that makes a snapshot or a rewrite, and how the last ones went
//! * `process_title`  what `ps` shows
//! * `pubsub`         subscriptions, and delivering messages
//! * `replication`    primary, replicas, and the stream of changes
//! * `run`            what describes this run of the server
//! * `scripts`        scripts and functions
//! * `shutdown`       how far the end of the server is
//! * `slowlog`        slow commands
//! * `stats`          counters for INFO
//! * `supervisor`     telling systemd how far the server is
//! * `syslog`         the system's log
//! * `system`         what the operating system knows of the process
//! * `timer`          what the timers of the wheel are for
//! * `tokens`         what the poll knows sources by
//! * `tracking`       which clients are told which keys changed
//! * `transactions`   what MULTI and WATCH keep of a client
//! * `watchdog`       logs what the loop is busy with when a turn takes too long

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
pub mod cpu_list;
pub mod crash;
pub mod debug_switches;
pub mod execution;
pub mod latency;
pub mod listeners;
pub mod loading;
pub mod logging;
pub mod machine;
pub mod memory;
pub mod migration;
pub mod oom_score;
mod output;
pub mod pause;
pub mod pending;
pub mod persistence;
pub mod process_title;
pub mod pubsub;
pub mod replication;
pub mod run;
pub mod scripts;
pub mod shutdown;
pub mod slowlog;
pub mod stats;
pub mod supervisor;
mod syslog;
pub mod system;
pub mod timer;
pub mod tokens;
pub mod tracking;
pub mod transactions;
pub mod watchdog;

use crate::config::Config;
use crate::encoding::timer_wheel::{TimerId, TimerWheel};
use crate::keyspace::{ExpiryMode, Keyspace, KeyspaceOptions};
use crate::persist::aof::Aof;
use acl::Acl;
use background::Background;
use blocked::BlockedClients;
pub use clients::{Client, ClientFlags, ClientId, Clients, ReplyMode, Stream};
use clock::Clock;
pub use command::{Command, DataContext, Handler};
use command_table::CommandTable;
use debug_switches::DebugSwitches;
use execution::Execution;
use latency::LatencyEvents;
use listeners::Listener;
use loading::Loading;
use memory::MemoryState;
use migration::Peers;
use mio::Registry;
use pause::PauseState;
use pending::Pending;
use persistence::Persistence;
use pubsub::PubSub;
use replication::Replication;
use run::Run;
use scripts::Scripts;
use shutdown::ShutdownState;
use slowlog::SlowLog;
use stats::Stats;
pub use timer::Timer;
use tracking::Tracking;
use transactions::Watchers;

pub struct Server {
    pub config: Config,
    pub keyspace: Keyspace,
    pub commands: CommandTable,
    pub acl: Acl,
    pub scripts: Scripts,
    pub clock: Clock,
    pub timers: TimerWheel<Timer>,
    pub background: Background,

    pub clients: Clients,
    pub listeners: Vec<Listener>,
    /// The poll that listeners and clients register with.
    pub registry: Registry,
    pub pending: Pending,
    /// Output buffers that no client uses; the one used last is still in the cache.
    spare_outputs: Vec<Vec<u8>>,
    pub execution: Execution,
    pub pause: PauseState,
    pub blocked: BlockedClients,
    watchers: Watchers,
    pub pubsub: PubSub,
    pub tracking: Tracking,
    /// Clients that sent MONITOR.
    pub monitors: Vec<ClientId>,
    pub peers: Peers,

    pub aof: Option<Aof>,
    /// The timer for the next fsync of the append-only file.
    pub aof_sync_timer: Option<TimerId>,
    pub persistence: Persistence,
    pub loading: Loading,
    pub replication: Replication,
    pub memory: MemoryState,
    /// The timer for the next due key, and when it fires.
    pub expire_timer: Option<(TimerId, u64)>,

    pub stats: Stats,
    pub slowlog: SlowLog,
    pub latency: LatencyEvents,
    /// Commands that take at least so long are passed to SLOWLOG and LATENCY.
    pub slow_nanos: u64,
    pub run: Run,
    /// The process's score before `oom-score-adj` changed it.
    oom_score_before: Option<i32>,
    pub shutdown: ShutdownState,
    pub debug: DebugSwitches,
}

impl Server {
    pub fn new(config: Config, commands: CommandTable, background: Background, registry: Registry) -> Server {
        let clock = Clock::default();
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).expect("the operating system gives random bytes");
        let seed = u64::from_ne_bytes(seed);
        let stats = Stats::new(commands.rows().len());
        let mut server = Server {
            keyspace: Keyspace::new(config.databases, seed.rotate_left(17)),
            acl: Acl::new(&commands),
            commands,
            scripts: Scripts::default(),
            timers: TimerWheel::new(clock.now_ms),
            background,
            clients: Clients::default(),
            listeners: Vec::new(),
            registry,
            pending: Pending::default(),
            spare_outputs: Vec::new(),
            execution: Execution { command_started: clock.stamp(), ..Execution::default() },
            pause: PauseState::default(),
            blocked: BlockedClients::default(),
            watchers: Watchers::default(),
            pubsub: PubSub::default(),
            tracking: Tracking::default(),
            monitors: Vec::new(),
            peers: Peers::default(),
            aof: None,
            aof_sync_timer: None,
            persistence: Persistence::default(),
            loading: Loading::default(),
            replication: Replication::new(clock.now_ms),
            memory: MemoryState::default(),
            expire_timer: None,
            stats,
            slowlog: SlowLog::default(),
            latency: LatencyEvents::default(),
            slow_nanos: 0,
            run: Run::new(&clock),
            oom_score_before: None,
            shutdown: ShutdownState::default(),
            debug: DebugSwitches::default(),
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

    /// Reads the clocks: once a turn of the loop, so that its commands share a reading.
    pub fn refresh_time(&mut self) {
        self.clock.refresh();
        self.keyspace.now_ms = self.clock.unix_ms();
        self.keyspace.access.set_time(self.keyspace.now_ms);
    }

    /// Forgets the data set, to get another.
    pub fn empty(&mut self, lazy: bool) {
        self.keyspace.flush(None, lazy);
        self.scripts.libraries.flush();
    }

    /// The clock that entries are stamped with: seconds, in 24 bits.
    pub fn lru_clock(&self) -> u32 {
        (self.clock.unix_s() & 0xff_ffff) as u32
    }

    /// What is to be done about keys past their time.
    pub fn expiry_mode(&self) -> ExpiryMode {
        match (self.loading.is_blocking(), self.is_paused()) {
            (true, _) => ExpiryMode::Ignore,
            // The primary deletes expired keys.
            _ if self.replication.is_replica() => ExpiryMode::Hide,
            // Deleting an expired key is a write, which has to wait for the end of the pause.
            (_, true) => ExpiryMode::Hide,
            _ => ExpiryMode::Delete,
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
}
