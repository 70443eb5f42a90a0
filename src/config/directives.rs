//! The table of directives, one row each. To add one, add a row:
//!
//! ```text
//! /// What a reader of the code must know beyond the name: units, what 0 means.
//! "name" | "alias" => field: type = default, kind, [flags], status;
//! ```
//!
//! The kind, from `kinds/`, fixes what is accepted and how it is shown; the type must be one
//! that the kind serves. When the status becomes `Works`, redis.conf.example must describe the
//! directive (`tests/config.rs` checks it). Bounds and defaults are those of Redis 7.2.4.

use crate::keyspace::EventClass;
use std::path::PathBuf;

use super::{
    directive::{Directive, Flags, Status::*, directives},
    kinds::*,
    values::*,
};

const ONE_THREAD: &str = "one thread does all the work";
const NO_MODULES: &str = "modules are not supported";

directives! {
    // Network
    "bind" => bind: Vec<String> = vec!["*".into(), "-::*".into()], Addresses, [MULTI_ARG], Works;
    "bind-source-addr" => bind_source_addr: Vec<u8> = Vec::new(), Text, [], Works;
    /// 0 listens on no TCP port.
    "port" => port: u16 = 6379, Int(0, 65535), [], Works;
    "protected-mode" => protected_mode: bool = true, YesNo, [], Works;
    "tcp-backlog" => tcp_backlog: u32 = 511, Int(0, INT_MAX), [IMMUTABLE], Works;
    /// Seconds; 0 is off.
    "tcp-keepalive" => tcp_keepalive: u32 = 300, Int(0, INT_MAX), [], Works;
    /// Seconds; 0 is off.
    "timeout" => timeout: u32 = 0, Int(0, INT_MAX), [], Works;
    "unixsocket" => unixsocket: Option<PathBuf> = None, OptionalPath, [IMMUTABLE], Works;
    /// 0 leaves the permissions to the umask.
    "unixsocketperm" => unixsocketperm: u32 = 0, Octal(0o777), [IMMUTABLE], Works;
    "socket-mark-id" => socket_mark_id: u32 = 0, Int(0, u32::MAX as i128), [IMMUTABLE], Works;
    "maxclients" => maxclients: u64 = 10_000, Int(1, u32::MAX as i128), [], Works;
    /// By [`ClientClass`].
    "client-output-buffer-limit" => client_output_buffer_limit: [OutputBufferLimit; 3] = [
        OutputBufferLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 },
        OutputBufferLimit { hard_bytes: 256 << 20, soft_bytes: 64 << 20, soft_seconds: 60 },
        OutputBufferLimit { hard_bytes: 32 << 20, soft_bytes: 8 << 20, soft_seconds: 60 },
    ], OutputBufferLimits, [MULTI_ARG], Works;
    /// Bytes.
    "client-query-buffer-limit" => client_query_buffer_limit: u64 = 1 << 30, Memory(1 << 20, LONG_MAX), [], Works;
    /// Bytes.
    "proto-max-bulk-len" => proto_max_bulk_len: u64 = 512 << 20, Memory(1 << 20, LONG_MAX), [], Works;
    "io-threads" => io_threads: u32 = 1, Int(1, 128), [IMMUTABLE], Ignored(ONE_THREAD);
    "io-threads-do-reads" => io_threads_do_reads: bool = false, YesNo, [IMMUTABLE], Ignored(ONE_THREAD);

    // TLS
    "tls-port" => tls_port: u16 = 0, Int(0, 65535), [], Later;
    "tls-cert-file" => tls_cert_file: Vec<u8> = Vec::new(), Text, [VOLATILE], Later;
    "tls-key-file" => tls_key_file: Vec<u8> = Vec::new(), Text, [VOLATILE], Later;
    "tls-key-file-pass" => tls_key_file_pass: Vec<u8> = Vec::new(), Text, [SENSITIVE], Later;
    "tls-client-cert-file" => tls_client_cert_file: Vec<u8> = Vec::new(), Text, [VOLATILE], Later;
    "tls-client-key-file" => tls_client_key_file: Vec<u8> = Vec::new(), Text, [VOLATILE], Later;
    "tls-client-key-file-pass" => tls_client_key_file_pass: Vec<u8> = Vec::new(), Text, [SENSITIVE], Later;
    "tls-dh-params-file" => tls_dh_params_file: Vec<u8> = Vec::new(), Text, [VOLATILE], Later;
    "tls-ca-cert-file" => tls_ca_cert_file: Vec<u8> = Vec::new(), Text, [VOLATILE], Later;
    "tls-ca-cert-dir" => tls_ca_cert_dir: Vec<u8> = Vec::new(), Text, [VOLATILE], Later;
    "tls-auth-clients" => tls_auth_clients: TlsAuthClients = TlsAuthClients::Yes, OneOf, [], Later;
    "tls-cluster" => tls_cluster: bool = false, YesNo, [], Later;
    "tls-replication" => tls_replication: bool = false, YesNo, [], Later;
    "tls-protocols" => tls_protocols: Vec<u8> = Vec::new(), Text, [], Later;
    "tls-ciphers" => tls_ciphers: Vec<u8> = Vec::new(), Text, [], Later;
    "tls-ciphersuites" => tls_ciphersuites: Vec<u8> = Vec::new(), Text, [], Later;
    "tls-prefer-server-ciphers" => tls_prefer_server_ciphers: bool = false, YesNo, [], Later;
    "tls-session-caching" => tls_session_caching: bool = true, YesNo, [], Later;
    "tls-session-cache-size" => tls_session_cache_size: u32 = 20_480, Int(0, INT_MAX), [], Later;
    /// Seconds.
    "tls-session-cache-timeout" => tls_session_cache_timeout: u32 = 300, Int(0, INT_MAX), [], Later;

    // Process and log
    "daemonize" => daemonize: bool = false, YesNo, [IMMUTABLE], Works;
    "supervised" => supervised: Supervised = Supervised::No, OneOf, [IMMUTABLE], Works;
    "pidfile" => pidfile: Option<PathBuf> = None, OptionalPath, [IMMUTABLE], Works;
    "loglevel" => loglevel: LogLevel = LogLevel::Notice, OneOf, [], Works;
    /// None logs to standard output.
    "logfile" => logfile: Option<PathBuf> = None, OptionalPath, [IMMUTABLE], Works;
    "syslog-enabled" => syslog_enabled: bool = false, YesNo, [IMMUTABLE], Works;
    "syslog-ident" => syslog_ident: Vec<u8> = b"redis".into(), Text, [IMMUTABLE], Works;
    "syslog-facility" => syslog_facility: SyslogFacility = SyslogFacility::Local0, OneOf, [IMMUTABLE], Works;
    "crash-log-enabled" => crash_log_enabled: bool = true, YesNo, [], Works;
    "crash-memcheck-enabled" => crash_memcheck_enabled: bool = true, YesNo, [], Ignored("memory is not tested after a crash");
    "use-exit-on-panic" => use_exit_on_panic: bool = false, YesNo, [HIDDEN], Works;
    "always-show-logo" => always_show_logo: bool = false, YesNo, [IMMUTABLE], Works;
    "set-proc-title" => set_proc_title: bool = true, YesNo, [IMMUTABLE], Works;
    "proc-title-template" =>
        proc_title_template: Vec<u8> = b"{title} {listen-addr} {server-mode}".into(),
        Checked(title_template), [], Works;
    /// Empty takes it from the environment.
    "locale-collate" => locale_collate: Vec<u8> = Vec::new(), Text, [], Works;
    "ignore-warnings" => ignore_warnings: Vec<u8> = Vec::new(), Text, [], Later;
    "disable-thp" => disable_thp: bool = true, YesNo, [IMMUTABLE], Works;
    "oom-score-adj" => oom_score_adj: OomScoreAdj = OomScoreAdj::No, OomScoreMode, [], Works;
    /// For the primary, a replica and a child process.
    "oom-score-adj-values" => oom_score_adj_values: [i32; 3] = [0, 200, 800], OomScores, [MULTI_ARG], Works;
    "server_cpulist" => server_cpulist: Vec<u8> = Vec::new(), Text, [IMMUTABLE], Works;
    "bio_cpulist" => bio_cpulist: Vec<u8> = Vec::new(), Text, [IMMUTABLE], Works;
    "aof_rewrite_cpulist" => aof_rewrite_cpulist: Vec<u8> = Vec::new(), Text, [IMMUTABLE], Works;
    "bgsave_cpulist" => bgsave_cpulist: Vec<u8> = Vec::new(), Text, [IMMUTABLE], Works;
    "shutdown-on-sigint" =>
        shutdown_on_sigint: ShutdownFlags = ShutdownFlags::empty(), ShutdownOptions, [MULTI_ARG], Works;
    "shutdown-on-sigterm" =>
        shutdown_on_sigterm: ShutdownFlags = ShutdownFlags::empty(), ShutdownOptions, [MULTI_ARG], Works;
    /// Seconds to wait for replicas.
    "shutdown-timeout" => shutdown_timeout: u32 = 10, Int(0, INT_MAX), [], Works;
    /// Milliseconds; 0 is off.
    "watchdog-period" => watchdog_period: u32 = 0, Int(0, INT_MAX), [HIDDEN], Works;

    // Security
    /// Empty asks for no password.
    "requirepass" => requirepass: Vec<u8> = Vec::new(), Text, [SENSITIVE], Works;
    "enable-protected-configs" =>
        enable_protected_configs: CommandAccess = CommandAccess::No, OneOf, [IMMUTABLE], Works;
    "enable-debug-command" => enable_debug_command: CommandAccess = CommandAccess::No, OneOf, [IMMUTABLE], Works;
    "enable-module-command" =>
        enable_module_command: CommandAccess = CommandAccess::No, OneOf, [IMMUTABLE], Ignored(NO_MODULES);
    "aclfile" => aclfile: Option<PathBuf> = None, OptionalPath, [IMMUTABLE], Works;
    "acllog-max-len" => acllog_max_len: u64 = 128, Int(0, LONG_MAX), [], Works;
    "acl-pubsub-default" => acl_pubsub_default: AclPubsubDefault = AclPubsubDefault::ResetChannels, OneOf, [], Works;
    /// Whatever it says, all is always checked in full.
    "sanitize-dump-payload" => sanitize_dump_payload: SanitizeDumpPayload = SanitizeDumpPayload::No, OneOf, [], Works;

    // Keyspace
    "databases" => databases: usize = 16, Int(1, INT_MAX), [IMMUTABLE], Works;
    /// Runs of the server cron a second.
    "hz" => hz: u32 = 10, Clamped(Int(0, INT_MAX), 1, 500), [], Works;
    "dynamic-hz" => dynamic_hz: bool = true, YesNo, [], Works;
    "active-expire-effort" => active_expire_effort: u32 = 1, Int(1, 10), [], Works;
    "activerehashing" => activerehashing: bool = true, YesNo, [], Works;
    "notify-keyspace-events" =>
        notify_keyspace_events: EventClass = EventClass::empty(), EventLetters, [], Works;
    "lazyfree-lazy-eviction" => lazyfree_lazy_eviction: bool = false, YesNo, [], Works;
    "lazyfree-lazy-expire" => lazyfree_lazy_expire: bool = false, YesNo, [], Works;
    "lazyfree-lazy-server-del" => lazyfree_lazy_server_del: bool = false, YesNo, [], Works;
    "lazyfree-lazy-user-del" => lazyfree_lazy_user_del: bool = false, YesNo, [], Works;
    "lazyfree-lazy-user-flush" => lazyfree_lazy_user_flush: bool = false, YesNo, [], Works;
    /// Greatest number of keys CLIENT TRACKING remembers; 0 is no limit.
    "tracking-table-max-keys" => tracking_table_max_keys: u64 = 1_000_000, Int(0, LONG_MAX), [], Works;

    // Memory
    /// Bytes; 0 is no limit.
    "maxmemory" => maxmemory: u64 = 0, Memory(0, u64::MAX as i128), [], Works;
    "maxmemory-policy" => maxmemory_policy: MaxmemoryPolicy = MaxmemoryPolicy::NoEviction, OneOf, [], Works;
    "maxmemory-samples" => maxmemory_samples: u32 = 5, Int(1, INT_MAX), [], Works;
    "maxmemory-eviction-tenacity" => maxmemory_eviction_tenacity: u32 = 10, Int(0, 100), [], Works;
    "maxmemory-clients" =>
        maxmemory_clients: MemoryOrPercent = MemoryOrPercent::Bytes(0), MemoryOrPercentage, [], Works;
    "lfu-log-factor" => lfu_log_factor: u32 = 10, Int(0, INT_MAX), [], Works;
    /// Minutes.
    "lfu-decay-time" => lfu_decay_time: u32 = 1, Int(0, INT_MAX), [], Works;
    "activedefrag" => activedefrag: bool = false, YesNo, [], Later;
    /// Bytes.
    "active-defrag-ignore-bytes" => active_defrag_ignore_bytes: u64 = 100 << 20, Memory(1, LONG_MAX), [], Later;
    /// Percent, as are the three that follow.
    "active-defrag-threshold-lower" => active_defrag_threshold_lower: u32 = 10, Int(0, 1000), [], Later;
    "active-defrag-threshold-upper" => active_defrag_threshold_upper: u32 = 100, Int(0, 1000), [], Later;
    "active-defrag-cycle-min" => active_defrag_cycle_min: u32 = 1, Int(1, 99), [], Later;
    "active-defrag-cycle-max" => active_defrag_cycle_max: u32 = 25, Int(1, 99), [], Later;
    "active-defrag-max-scan-fields" => active_defrag_max_scan_fields: u64 = 1000, Int(1, LONG_MAX), [], Later;
    "jemalloc-bg-thread" => jemalloc_bg_thread: bool = true, YesNo, [], Later;

    // Encodings
    "hash-max-listpack-entries" | "hash-max-ziplist-entries" =>
        hash_max_listpack_entries: usize = 512, Int(0, LONG_MAX), [], Works;
    /// Bytes.
    "hash-max-listpack-value" | "hash-max-ziplist-value" =>
        hash_max_listpack_value: usize = 64, Memory(0, LONG_MAX), [], Works;
    "set-max-intset-entries" => set_max_intset_entries: usize = 512, Int(0, LONG_MAX), [], Works;
    "set-max-listpack-entries" => set_max_listpack_entries: usize = 128, Int(0, LONG_MAX), [], Works;
    /// Bytes.
    "set-max-listpack-value" => set_max_listpack_value: usize = 64, Memory(0, LONG_MAX), [], Works;
    "zset-max-listpack-entries" | "zset-max-ziplist-entries" =>
        zset_max_listpack_entries: usize = 128, Int(0, LONG_MAX), [], Works;
    /// Bytes.
    "zset-max-listpack-value" | "zset-max-ziplist-value" =>
        zset_max_listpack_value: usize = 64, Memory(0, LONG_MAX), [], Works;
    /// Entries of a node if positive; -1 to -5 are 4, 8, 16, 32 and 64 KiB.
    "list-max-listpack-size" | "list-max-ziplist-size" =>
        list_max_listpack_size: i32 = -2, Int(i32::MIN as i128, INT_MAX), [], Works;
    /// Nodes at either end that stay uncompressed; 0 compresses none.
    "list-compress-depth" => list_compress_depth: u32 = 0, Int(0, INT_MAX), [], Works;
    /// Bytes; 0 is no limit.
    "stream-node-max-bytes" => stream_node_max_bytes: usize = 4096, Memory(0, LONG_MAX), [], Works;
    /// 0 is no limit.
    "stream-node-max-entries" => stream_node_max_entries: usize = 100, Int(0, LONG_MAX), [], Works;
    /// Bytes.
    "hll-sparse-max-bytes" => hll_sparse_max_bytes: usize = 3000, Memory(0, LONG_MAX), [], Works;

    // Persistence
    "dir" =>
        dir: PathBuf = std::env::current_dir().unwrap_or_else(|_| "/".into()), WorkingDirectory,
        [PROTECTED, DENY_LOADING], Works;
    "save" => save: Vec<SavePoint> = vec![(3600, 1), (300, 100), (60, 10_000)], SavePoints, [MULTI_ARG], Works;
    "dbfilename" =>
        dbfilename: PathBuf = "dump.rdb".into(),
        FileName { directive: "dbfilename", what: "filename", may_be_empty: true }, [PROTECTED], Works;
    "rdbcompression" => rdbcompression: bool = true, YesNo, [], Works;
    "rdbchecksum" => rdbchecksum: bool = true, YesNo, [IMMUTABLE], Works;
    /// Not one of Redis's: 10 is what Redis 7.0 reads.
    "rdb-version" => rdb_version: u16 = 11, Int(10, 11), [], Works;
    "rdb-del-sync-files" => rdb_del_sync_files: bool = false, YesNo, [], Works;
    "rdb-save-incremental-fsync" => rdb_save_incremental_fsync: bool = true, YesNo, [], Works;
    "stop-writes-on-bgsave-error" => stop_writes_on_bgsave_error: bool = true, YesNo, [], Works;
    "appendonly" => appendonly: bool = false, YesNo, [DENY_LOADING], Works;
    "appendfilename" =>
        appendfilename: PathBuf = "appendonly.aof".into(),
        FileName { directive: "appendfilename", what: "filename", may_be_empty: false }, [IMMUTABLE], Works;
    "appenddirname" =>
        appenddirname: PathBuf = "appendonlydir".into(),
        FileName { directive: "appenddirname", what: "dirname", may_be_empty: false }, [IMMUTABLE], Works;
    "appendfsync" => appendfsync: AppendFsync = AppendFsync::Everysec, OneOf, [], Works;
    "no-appendfsync-on-rewrite" => no_appendfsync_on_rewrite: bool = false, YesNo, [], Works;
    /// 0 is off.
    "auto-aof-rewrite-percentage" => auto_aof_rewrite_percentage: u32 = 100, Int(0, INT_MAX), [], Works;
    /// Bytes.
    "auto-aof-rewrite-min-size" => auto_aof_rewrite_min_size: u64 = 64 << 20, Memory(0, LONG_MAX), [], Works;
    "aof-load-truncated" => aof_load_truncated: bool = true, YesNo, [], Works;
    "aof-use-rdb-preamble" => aof_use_rdb_preamble: bool = true, YesNo, [], Works;
    "aof-timestamp-enabled" => aof_timestamp_enabled: bool = false, YesNo, [], Works;
    "aof-rewrite-incremental-fsync" => aof_rewrite_incremental_fsync: bool = true, YesNo, [], Works;
    "aof-disable-auto-gc" => aof_disable_auto_gc: bool = false, YesNo, [HIDDEN], Works;
    /// Microseconds a key; below 0 one sleep of a microsecond for that many keys.
    "rdb-key-save-delay" => rdb_key_save_delay: i32 = 0, Int(i32::MIN as i128, INT_MAX), [HIDDEN], Works;
    /// Microseconds a key, as `rdb-key-save-delay`.
    "key-load-delay" => key_load_delay: i32 = 0, Int(i32::MIN as i128, INT_MAX), [HIDDEN], Works;
    "loading-process-events-interval-bytes" =>
        loading_process_events_interval_bytes: u64 = 2 << 20, Int(1024, INT_MAX), [HIDDEN], Works;

    // Replication
    /// The primary's host and port.
    "replicaof" | "slaveof" => replicaof: Option<(String, u16)> = None, PrimaryAddress, [IMMUTABLE, MULTI_ARG], Works;
    "masteruser" => masteruser: Vec<u8> = Vec::new(), Text, [SENSITIVE], Works;
    "masterauth" => masterauth: Vec<u8> = Vec::new(), Text, [SENSITIVE], Works;
    "replica-serve-stale-data" | "slave-serve-stale-data" => replica_serve_stale_data: bool = true, YesNo, [], Works;
    "replica-read-only" | "slave-read-only" => replica_read_only: bool = true, YesNo, [], Works;
    "replica-ignore-maxmemory" | "slave-ignore-maxmemory" => replica_ignore_maxmemory: bool = true, YesNo, [], Works;
    "replica-ignore-disk-write-errors" => replica_ignore_disk_write_errors: bool = false, YesNo, [], Works;
    "replica-lazy-flush" | "slave-lazy-flush" => replica_lazy_flush: bool = false, YesNo, [], Works;
    "replica-priority" | "slave-priority" => replica_priority: u32 = 100, Int(0, INT_MAX), [], Works;
    "replica-announced" => replica_announced: bool = true, YesNo, [], Works;
    "replica-announce-ip" | "slave-announce-ip" => replica_announce_ip: Vec<u8> = Vec::new(), Text, [], Works;
    "replica-announce-port" | "slave-announce-port" => replica_announce_port: u16 = 0, Int(0, 65535), [], Works;
    "min-replicas-to-write" | "min-slaves-to-write" => min_replicas_to_write: u32 = 0, Int(0, INT_MAX), [], Works;
    /// Seconds.
    "min-replicas-max-lag" | "min-slaves-max-lag" => min_replicas_max_lag: u32 = 10, Int(0, INT_MAX), [], Works;
    /// Seconds.
    "repl-ping-replica-period" | "repl-ping-slave-period" =>
        repl_ping_replica_period: u32 = 10, Int(1, INT_MAX), [], Works;
    /// Seconds.
    "repl-timeout" => repl_timeout: u32 = 60, Int(1, INT_MAX), [], Works;
    /// Bytes.
    "repl-backlog-size" =>
        repl_backlog_size: u64 = 1 << 20, Clamped(Memory(1, LONG_MAX), 16 << 10, LONG_MAX), [], Works;
    /// Seconds; 0 keeps it for ever.
    "repl-backlog-ttl" => repl_backlog_ttl: u64 = 3600, Int(0, LONG_MAX), [], Works;
    "repl-disable-tcp-nodelay" => repl_disable_tcp_nodelay: bool = false, YesNo, [], Works;
    "repl-diskless-sync" => repl_diskless_sync: bool = true, YesNo, [], Works;
    /// Seconds.
    "repl-diskless-sync-delay" => repl_diskless_sync_delay: u32 = 5, Int(0, INT_MAX), [], Works;
    "repl-diskless-sync-max-replicas" => repl_diskless_sync_max_replicas: u32 = 0, Int(0, INT_MAX), [], Works;
    "repl-diskless-load" =>
        repl_diskless_load: ReplDisklessLoad = ReplDisklessLoad::Disabled, OneOf, [DENY_LOADING], Works;
    "propagation-error-behavior" =>
        propagation_error_behavior: PropagationErrorBehavior = PropagationErrorBehavior::Ignore, OneOf, [], Later;

    // Cluster
    "cluster-enabled" => cluster_enabled: bool = false, YesNo, [IMMUTABLE], Later;
    "cluster-config-file" => cluster_config_file: Vec<u8> = b"nodes.conf".into(), Text, [IMMUTABLE], Later;
    /// Milliseconds.
    "cluster-node-timeout" => cluster_node_timeout: u64 = 15_000, Int(0, LONG_MAX), [], Later;
    "cluster-port" => cluster_port: u16 = 0, Int(0, 65535), [IMMUTABLE], Later;
    "cluster-announce-ip" => cluster_announce_ip: Vec<u8> = Vec::new(), Text, [], Later;
    "cluster-announce-port" => cluster_announce_port: u16 = 0, Int(0, 65535), [], Later;
    "cluster-announce-tls-port" => cluster_announce_tls_port: u16 = 0, Int(0, 65535), [], Later;
    "cluster-announce-bus-port" => cluster_announce_bus_port: u16 = 0, Int(0, 65535), [], Later;
    "cluster-announce-hostname" => cluster_announce_hostname: Vec<u8> = Vec::new(), Checked(hostname), [], Later;
    "cluster-announce-human-nodename" =>
        cluster_announce_human_nodename: Vec<u8> = Vec::new(), Checked(node_name), [], Later;
    "cluster-preferred-endpoint-type" =>
        cluster_preferred_endpoint_type: ClusterEndpointType = ClusterEndpointType::Ip, OneOf, [], Later;
    "cluster-require-full-coverage" => cluster_require_full_coverage: bool = true, YesNo, [], Later;
    "cluster-allow-reads-when-down" => cluster_allow_reads_when_down: bool = false, YesNo, [], Later;
    "cluster-allow-pubsubshard-when-down" => cluster_allow_pubsubshard_when_down: bool = true, YesNo, [], Later;
    "cluster-allow-replica-migration" => cluster_allow_replica_migration: bool = true, YesNo, [], Later;
    "cluster-migration-barrier" => cluster_migration_barrier: u32 = 1, Int(0, INT_MAX), [], Later;
    "cluster-replica-validity-factor" | "cluster-slave-validity-factor" =>
        cluster_replica_validity_factor: u32 = 10, Int(0, INT_MAX), [], Later;
    "cluster-replica-no-failover" | "cluster-slave-no-failover" =>
        cluster_replica_no_failover: bool = false, YesNo, [], Later;
    /// Bytes; 0 is no limit.
    "cluster-link-sendbuf-limit" => cluster_link_sendbuf_limit: u64 = 0, Memory(0, u64::MAX as i128), [], Later;

    // Scripts
    /// Milliseconds.
    "busy-reply-threshold" | "lua-time-limit" => busy_reply_threshold: u64 = 5000, Int(0, LONG_MAX), [], Works;

    // Observation
    /// Microseconds; below 0 is off.
    "slowlog-log-slower-than" => slowlog_log_slower_than: i64 = 10_000, Int(-1, LONG_MAX), [], Works;
    "slowlog-max-len" => slowlog_max_len: u64 = 128, Int(0, LONG_MAX), [], Works;
    /// Milliseconds; 0 is off.
    "latency-monitor-threshold" => latency_monitor_threshold: u64 = 0, Int(0, LONG_MAX), [], Works;
    "latency-tracking" => latency_tracking: bool = true, YesNo, [], Works;
    "latency-tracking-info-percentiles" =>
        latency_tracking_info_percentiles: Vec<f64> = vec![50.0, 99.0, 99.9], Percentiles, [MULTI_ARG], Works;

    beside them {
        /// The file this came from, absolute; CONFIG REWRITE writes to it.
        config_file: Option<PathBuf> = None;
        /// The words after `user`, a line each.
        users: Vec<Vec<Vec<u8>>> = Vec::new();
        /// The words of `rename-command`: what a command is called and its new name, empty to
        /// remove it.
        renamed_commands: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        /// Bytes from which an element of a quicklist has a node to itself: DEBUG
        /// QUICKLIST-PACKED-THRESHOLD.
        quicklist_packed_threshold: usize = 1 << 30;
        /// RESTORE does not look at checksums: DEBUG SET-SKIP-CHECKSUM-VALIDATION.
        skip_checksum_validation: bool = false;
    }
}
