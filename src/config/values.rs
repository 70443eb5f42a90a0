//! The types of those directives that are more than a number, a switch or a text.

use bitflags::bitflags;

/// An enumeration whose members have one name each in redis.conf.
pub trait Named: Copy + PartialEq + 'static {
    /// The members with their names, in the order in which Redis's error messages list them.
    const MEMBERS: &'static [(Self, &'static str)];
}

/// Declares an enumeration and its names, in the order in which Redis's error messages list them.
macro_rules! named {
    ($($(#[$doc:meta])* $enum:ident { $($(#[$member_doc:meta])* $member:ident = $name:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $enum {
            $($(#[$member_doc])* #[doc = concat!("`", $name, "`")] $member),+
        }

        impl Named for $enum {
            const MEMBERS: &'static [(Self, &'static str)] = &[$(($enum::$member, $name)),+];
        }
    )+};
}

named! {
    /// Which Pub/Sub channels a new ACL user may use.
    AclPubsubDefault { AllChannels = "allchannels", ResetChannels = "resetchannels" }

    /// When the append-only file is forced to disk.
    AppendFsync { Everysec = "everysec", Always = "always", No = "no" }

    /// What CLUSTER SLOTS names a node by.
    ClusterEndpointType { Ip = "ip", Hostname = "hostname", Unknown = "unknown-endpoint" }

    /// From whom a dangerous command is accepted.
    CommandAccess {
        No = "no",
        Yes = "yes",
        /// Only over loopback and the unix socket.
        Local = "local",
    }

    /// The least severe lines that are logged.
    LogLevel {
        Debug = "debug",
        Verbose = "verbose",
        Notice = "notice",
        Warning = "warning",
        Nothing = "nothing",
    }

    /// Which key goes first once `maxmemory` is reached.
    MaxmemoryPolicy {
        VolatileLru = "volatile-lru",
        VolatileLfu = "volatile-lfu",
        VolatileRandom = "volatile-random",
        VolatileTtl = "volatile-ttl",
        AllkeysLru = "allkeys-lru",
        AllkeysLfu = "allkeys-lfu",
        AllkeysRandom = "allkeys-random",
        NoEviction = "noeviction",
    }

    /// How `oom-score-adj-values` are read.
    OomScoreAdj {
        No = "no",
        // COMPAT: "relative" is a second name for it; CONFIG GET shows "yes" for both.
        Yes = "yes",
        Absolute = "absolute",
    }

    /// What happens when a command from the primary or the AOF fails.
    PropagationErrorBehavior {
        Ignore = "ignore",
        Panic = "panic",
        PanicOnReplicas = "panic-on-replicas",
    }

    /// Whether a replica loads the primary's snapshot straight from the socket.
    ReplDisklessLoad {
        Disabled = "disabled",
        OnEmptyDb = "on-empty-db",
        SwapDb = "swapdb",
    }

    /// Whose DUMP payloads and RDB files are checked in depth.
    SanitizeDumpPayload { No = "no", Yes = "yes", Clients = "clients" }

    /// Which service manager started the server.
    Supervised { Upstart = "upstart", Systemd = "systemd", Auto = "auto", No = "no" }

    /// The syslog facility.
    SyslogFacility {
        User = "user",
        Local0 = "local0",
        Local1 = "local1",
        Local2 = "local2",
        Local3 = "local3",
        Local4 = "local4",
        Local5 = "local5",
        Local6 = "local6",
        Local7 = "local7",
    }

    /// Whether TLS clients must show a certificate.
    TlsAuthClients { No = "no", Yes = "yes", Optional = "optional" }
}

/// An amount of memory, absolute or as a share of `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryOrPercent {
    /// Bytes.
    Bytes(u64),
    /// 0 to 100 percent of `maxmemory`.
    Percent(u8),
}

/// The classes of clients that `client-output-buffer-limit` tells apart; the value is the index
/// into [`Config::client_output_buffer_limit`](super::Config::client_output_buffer_limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum ClientClass {
    /// Every client that is neither of the others.
    Normal = 0,
    /// Replicas.
    Replica = 1,
    /// Clients with a subscription.
    Pubsub = 2,
}

/// How much output may wait for a client of one class before it is disconnected. 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputBufferLimit {
    /// Disconnects at once.
    pub hard_bytes: u64,
    /// Disconnects when exceeded for `soft_seconds` on end.
    pub soft_bytes: u64,
    /// See `soft_bytes`.
    pub soft_seconds: u64,
}

/// A save point: a snapshot is due once these seconds have passed since the last one, and
/// these changes have been made.
pub type SavePoint = (u64, u64);

bitflags! {
    /// The options of a shutdown that a signal asked for; none is `default`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ShutdownFlags: u8 {
        /// Save a snapshot even without save points.
        const SAVE = 1;
        /// Save no snapshot.
        const NOSAVE = 2;
        /// Don't wait for replicas.
        const NOW = 4;
        /// Exit even if saving fails.
        const FORCE = 8;
    }
}
