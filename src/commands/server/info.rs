//! INFO: sections of `name:value` lines. To add a field, add a line to its section; the order is
//! Redis's, and a test holds that no field of Redis's is missing.

use super::memory::{Account, difference, ratio};
use crate::commands::prelude::*;
use crate::config::{REDIS_VERSION, lookup};
use crate::engine::replication::{replica_address, replicas_that};
use crate::server::persistence::{Persistence, Report};
use crate::server::pubsub::SubscriptionKind;
use crate::server::replication::primary::{Length, Link};
use crate::server::system::{self, Whose};
use crate::server::{Client, allocator, supervisor};
use std::fmt::{Display, Write};

pub const INFO: Command = Command {
    name: "info",
    summary: "Tells about the server, section by section",
    group: Group::Server,
    arity: -1,
    flags: LOADING | STALE,
    categories: category::DANGEROUS,
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    args: "section?+",
    handler: Handler::Server(info),
    ..Command::DEFAULT
};

/// One section.
struct Section {
    /// As it is asked for.
    name: &'static str,
    title: &'static str,
    shown: Shown,
    write: fn(&Server, &mut Fields),
}

/// When a section is shown without being asked for by name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Always,
    /// With `all` and `everything`.
    WithAll,
    Never,
}

impl Section {
    const fn new(name: &'static str, title: &'static str, shown: Shown, write: fn(&Server, &mut Fields)) -> Section {
        Section { name, title, shown, write }
    }

    fn is_wanted(&self, args: &Args) -> bool {
        let named = |name: &[u8]| {
            let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
            match self.shown {
                _ if is(self.name) => true,
                Shown::Always => is("default") || is("all") || is("everything"),
                Shown::WithAll => is("all") || is("everything"),
                Shown::Never => false,
            }
        };
        if args.len() == 1 { self.shown == Shown::Always } else { args.from(1).iter().any(named) }
    }
}

const SECTIONS: &[Section] = &[
    Section::new("server", "Server", Shown::Always, server_section),
    Section::new("clients", "Clients", Shown::Always, clients),
    Section::new("memory", "Memory", Shown::Always, memory),
    Section::new("persistence", "Persistence", Shown::Always, persistence),
    Section::new("stats", "Stats", Shown::Always, stats),
    Section::new("replication", "Replication", Shown::Always, replication),
    Section::new("cpu", "CPU", Shown::Always, cpu),
    Section::new("modules", "Modules", Shown::Always, |_, _| ()),
    Section::new("commandstats", "Commandstats", Shown::WithAll, commandstats),
    Section::new("errorstats", "Errorstats", Shown::Always, errorstats),
    Section::new("latencystats", "Latencystats", Shown::WithAll, latencystats),
    Section::new("cluster", "Cluster", Shown::Always, cluster),
    Section::new("keyspace", "Keyspace", Shown::Always, keyspace),
    Section::new("debug", "Debug", Shown::Never, debug),
];

/// The lines written so far.
struct Fields(String);

impl Fields {
    fn add(&mut self, name: impl Display, value: impl Display) {
        write!(self.0, "{name}:{value}\r\n").expect("a string takes all");
    }

    /// Several fields of one value, as those of features that do not exist have.
    fn add_all(&mut self, names: &[&str], value: impl Display) {
        names.iter().for_each(|name| self.add(name, &value));
    }

    /// Bytes, and the same for people.
    fn add_bytes(&mut self, name: &str, bytes: usize) {
        self.add(name, bytes);
        self.add(format_args!("{name}_human"), human(bytes));
    }
}

/// As Redis shows bytes to people: `1.50M`.
fn human(bytes: usize) -> String {
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut amount = bytes as f64;
    let mut unit = ' ';
    for next in "KMGTP".chars() {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        unit = next;
    }
    format!("{amount:.2}{unit}")
}

fn info(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let mut fields = Fields(String::new());
    for section in SECTIONS.iter().filter(|section| section.is_wanted(args)) {
        if !fields.0.is_empty() {
            fields.0.push_str("\r\n");
        }
        write!(fields.0, "# {}\r\n", section.title).expect("a string takes all");
        (section.write)(server, &mut fields);
    }
    server.reply(id).verbatim(b"txt", fields.0.as_bytes());
    Ok(())
}

fn server_section(server: &Server, fields: &mut Fields) {
    let uptime_s = server.clock.unix_s() - server.run.started_unix_s;
    fields.add("redis_version", REDIS_VERSION);
    fields.add("rondo_version", env!("CARGO_PKG_VERSION"));
    fields.add("redis_git_sha1", "00000000");
    fields.add("redis_git_dirty", 0);
    fields.add("redis_build_id", 0);
    fields.add("redis_mode", "standalone");
    fields.add("os", system::kernel());
    fields.add("arch_bits", usize::BITS);
    fields.add("monotonic_clock", "TSC or POSIX clock_gettime");
    fields.add("multiplexing_api", "epoll");
    fields.add("atomicvar_api", "rust");
    // Not built by gcc.
    fields.add("gcc_version", "0.0.0");
    fields.add("process_id", std::process::id());
    let is_supervised = supervisor::is_supervised(&server.config);
    fields.add("process_supervised", if is_supervised { "systemd" } else { "no" });
    fields.add("run_id", &server.run.id);
    fields.add("tcp_port", server.config.port);
    fields.add("server_time_usec", server.clock.unix_us);
    fields.add("uptime_in_seconds", uptime_s);
    fields.add("uptime_in_days", uptime_s / (24 * 3600));
    fields.add("hz", server.config.hz);
    fields.add("configured_hz", server.config.hz);
    fields.add("lru_clock", server.lru_clock());
    fields.add("executable", &server.run.executable);
    fields.add("config_file", server.config.config_file.as_deref().unwrap_or("".as_ref()).display());
    fields.add("io_threads_active", 0);
    if let Some(wait) = &server.shutdown.wait {
        fields.add("shutdown_in_milliseconds", wait.until_ms.saturating_sub(server.clock.now_ms));
    }
    for (i, listener) in server.describe_listeners().iter().enumerate() {
        fields.add(format_args!("listener{i}"), listener);
    }
}

fn clients(server: &Server, fields: &mut Fields) {
    let most = |of: fn(&Client) -> usize| server.clients.iter().map(of).max().unwrap_or(0);
    fields.add("connected_clients", server.clients.len() - server.replication.replicas.len());
    fields.add("cluster_connections", 0);
    fields.add("maxclients", server.config.maxclients);
    fields.add("client_recent_max_input_buffer", most(Client::input_memory));
    fields.add("client_recent_max_output_buffer", most(Client::output_memory));
    fields.add("blocked_clients", server.clients.iter().filter(|client| client.is_waiting()).count());
    fields.add("tracking_clients", server.tracking.clients());
    let blocked = || server.clients.iter().filter_map(|client| client.blocked.as_ref());
    fields.add("clients_in_timeout_table", blocked().filter(|blocked| blocked.deadline_ms.is_some()).count());
    let until_gone = |id: &ClientId| server.clients[*id].blocked.as_ref().is_some_and(|blocked| blocked.until_gone);
    let keys = || server.blocked.keys();
    fields.add("total_blocking_keys", keys().count());
    let on_nokey = keys().filter(|(.., waiters)| waiters.values().any(until_gone));
    fields.add("total_blocking_keys_on_nokey", on_nokey.count());
}

fn memory(server: &Server, fields: &mut Fields) {
    let account = Account::of(server);
    fields.add_bytes("used_memory", account.used);
    fields.add_bytes("used_memory_rss", account.rss);
    fields.add_bytes("used_memory_peak", account.peak);
    fields.add("used_memory_peak_perc", format_args!("{:.2}%", account.peak_percent()));
    fields.add("used_memory_overhead", account.overhead);
    fields.add("used_memory_startup", account.startup);
    fields.add("used_memory_dataset", account.dataset());
    fields.add("used_memory_dataset_perc", format_args!("{:.2}%", account.dataset_percent()));
    fields.add("allocator_allocated", account.allocated);
    fields.add("allocator_active", account.active);
    fields.add("allocator_resident", account.resident);
    fields.add_bytes("total_system_memory", system::total_memory() as usize);
    let (scripts, libraries) = (&server.scripts.cache, &server.scripts.libraries);
    let (vm_eval, vm_functions) = (scripts.interpreter_memory(), libraries.interpreter_memory());
    fields.add_all(&["used_memory_lua", "used_memory_vm_eval"], vm_eval);
    fields.add("used_memory_lua_human", human(vm_eval));
    fields.add("used_memory_scripts_eval", scripts.memory());
    fields.add("number_of_cached_scripts", scripts.len());
    fields.add("number_of_functions", libraries.functions());
    fields.add("number_of_libraries", libraries.len());
    fields.add("used_memory_vm_functions", vm_functions);
    fields.add_bytes("used_memory_vm_total", vm_eval + vm_functions);
    fields.add("used_memory_functions", libraries.memory());
    fields.add_bytes("used_memory_scripts", scripts.memory() + libraries.memory());
    fields.add_bytes("maxmemory", server.config.maxmemory as usize);
    let policy = lookup(b"maxmemory-policy").expect("a directive").get(&server.config);
    fields.add("maxmemory_policy", String::from_utf8_lossy(&policy));
    let ratios = [
        ("allocator_frag", account.active, account.allocated),
        ("allocator_rss", account.resident, account.active),
        ("rss_overhead", account.rss, account.resident),
        ("mem_fragmentation", account.rss, account.used),
    ];
    for (name, left, right) in ratios {
        fields.add(format_args!("{name}_ratio"), format_args!("{:.2}", ratio(left, right)));
        fields.add(format_args!("{name}_bytes"), difference(left, right));
    }
    fields.add("mem_not_counted_for_evict", server.not_counted_for_eviction());
    fields.add("mem_replication_backlog", account.backlog);
    fields.add("mem_total_replication_buffers", account.stream);
    fields.add("mem_clients_slaves", account.replicas);
    fields.add("mem_clients_normal", account.clients);
    fields.add("mem_cluster_links", 0);
    fields.add("mem_aof_buffer", account.aof_buffer);
    fields.add("mem_allocator", allocator::name());
    fields.add("active_defrag_running", 0);
    fields.add("lazyfree_pending_objects", server.background.pending_free());
    fields.add("lazyfreed_objects", server.background.freed());
}

fn persistence(server: &Server, fields: &mut Fields) {
    let Persistence { child, snapshots, rewrites, .. } = &server.persistence;
    let now_ms = server.clock.now_ms;
    let status = |ok: bool| if ok { "ok" } else { "err" };
    let seconds = |took_s: Option<u64>| took_s.map_or(-1, |took_s| took_s as i64);
    let running = |runs: bool| {
        let child = child.as_ref().filter(|_| runs);
        seconds(child.map(|child| now_ms.saturating_sub(child.started_ms) / 1000))
    };
    let report = child.as_ref().map(|child| child.report).unwrap_or_default();
    let keys = child.as_ref().map_or(0, |child| child.keys);
    fields.add("loading", server.loading.is_blocking() as u8);
    fields.add("async_loading", server.loading.is_async() as u8);
    fields.add("current_cow_peak", child.as_ref().map_or(0, |child| child.cow_peak));
    fields.add("current_cow_size", report.cow);
    let age = child.as_ref().filter(|child| child.report != Report::default());
    fields.add("current_cow_size_age", age.map_or(0, |child| now_ms.saturating_sub(child.reported_ms) / 1000));
    fields.add("current_fork_perc", format_args!("{:.2}", report.keys as f64 * 100.0 / keys.max(1) as f64));
    fields.add("current_save_keys_processed", report.keys);
    fields.add("current_save_keys_total", keys);
    fields.add("rdb_changes_since_last_save", server.stats.dirty);
    let saves = server.persistence.snapshot_runs() || server.persistence.transfer_runs();
    fields.add("rdb_bgsave_in_progress", saves as u8);
    fields.add("rdb_last_save_time", snapshots.last_unix_s);
    fields.add("rdb_last_bgsave_status", status(snapshots.last_ok));
    fields.add("rdb_last_bgsave_time_sec", seconds(snapshots.last_took_s));
    fields.add("rdb_current_bgsave_time_sec", running(saves));
    fields.add("rdb_saves", snapshots.count);
    fields.add("rdb_last_cow_size", snapshots.last_cow);
    fields.add("rdb_last_load_keys_expired", server.loading.last.expired);
    fields.add("rdb_last_load_keys_loaded", server.loading.last.keys);
    fields.add("aof_enabled", server.config.appendonly as u8);
    fields.add("aof_rewrite_in_progress", server.persistence.rewrite_runs() as u8);
    fields.add("aof_rewrite_scheduled", rewrites.scheduled as u8);
    fields.add("aof_last_rewrite_time_sec", seconds(rewrites.last_took_s));
    fields.add("aof_current_rewrite_time_sec", running(server.persistence.rewrite_runs()));
    fields.add("aof_last_bgrewrite_status", status(rewrites.last_ok));
    fields.add("aof_rewrites", rewrites.count);
    fields.add("aof_rewrites_consecutive_failures", rewrites.failures_in_a_row);
    let failed = server.aof.as_ref().is_some_and(|aof| aof.error().is_some());
    fields.add("aof_last_write_status", status(!failed));
    fields.add("aof_last_cow_size", rewrites.last_cow);
    fields.add_all(&["module_fork_in_progress", "module_fork_last_cow_size"], 0);
    if server.config.appendonly {
        let aof = server.aof.as_ref();
        fields.add("aof_current_size", aof.map_or(0, |aof| aof.size));
        fields.add("aof_base_size", aof.map_or(0, |aof| aof.base_size));
        fields.add("aof_pending_rewrite", 0);
        fields.add("aof_buffer_length", aof.map_or(0, |aof| aof.buffered()));
        fields.add("aof_pending_bio_fsync", aof.is_some_and(|aof| aof.syncs.is_running()) as u8);
        fields.add("aof_delayed_fsync", aof.map_or(0, |aof| aof.syncs.delayed));
    }
    if server.loading.is_blocking() {
        let progress = &server.loading.progress;
        fields.add("loading_start_time", progress.started_unix_s);
        fields.add("loading_total_bytes", progress.total_bytes);
        fields.add("loading_rdb_used_mem", progress.used_memory);
        fields.add("loading_loaded_bytes", progress.loaded_bytes);
        fields.add("loading_loaded_perc", format_args!("{:.2}", progress.percent()));
        fields.add("loading_eta_seconds", progress.eta_s(server.clock.unix_s()));
    }
}

fn stats(server: &Server, fields: &mut Fields) {
    let stats = &server.stats;
    let kbps = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    let rates = &stats.rates;
    fields.add("total_connections_received", stats.connections_received);
    fields.add("total_commands_processed", stats.commands_processed);
    fields.add("instantaneous_ops_per_sec", rates.per_second(|totals| totals.commands));
    fields.add("total_net_input_bytes", stats.net_input);
    fields.add("total_net_output_bytes", stats.net_output);
    let replication = &stats.replication;
    fields.add("total_net_repl_input_bytes", replication.input_bytes);
    fields.add("total_net_repl_output_bytes", replication.output_bytes);
    fields.add("instantaneous_input_kbps", kbps(rates.per_second(|totals| totals.net_input)));
    fields.add("instantaneous_output_kbps", kbps(rates.per_second(|totals| totals.net_output)));
    fields.add("instantaneous_input_repl_kbps", kbps(rates.per_second(|totals| totals.replication_input)));
    fields.add("instantaneous_output_repl_kbps", kbps(rates.per_second(|totals| totals.replication_output)));
    fields.add("rejected_connections", stats.connections_rejected);
    fields.add("sync_full", replication.full);
    fields.add("sync_partial_ok", replication.partial);
    fields.add("sync_partial_err", replication.partial_refused);
    fields.add("expired_keys", server.keyspace.stats.expired);
    // Keys go in the order of their times, so none is stale for long and no cycle is cut short.
    fields.add("expired_stale_perc", "0.00");
    fields.add("expired_time_cap_reached_count", 0);
    fields.add("expire_cycle_cpu_milliseconds", stats.expire_cycle_nanos / 1_000_000);
    let memory = &server.memory;
    let now = server.clock.stamp();
    let over_nanos = memory.over_since.map_or(0, |since| server.clock.nanos_between(since, now));
    fields.add("evicted_keys", server.keyspace.stats.evicted);
    fields.add("evicted_clients", memory.evicted_clients);
    fields.add("total_eviction_exceeded_time", (memory.over_nanos + over_nanos) / 1_000_000);
    fields.add("current_eviction_exceeded_time", over_nanos / 1_000_000);
    fields.add("keyspace_hits", server.keyspace.stats.hits);
    fields.add("keyspace_misses", server.keyspace.stats.misses);
    let subscribed = |kind| server.pubsub.of(kind).len();
    fields.add("pubsub_channels", subscribed(SubscriptionKind::Channel));
    fields.add("pubsub_patterns", subscribed(SubscriptionKind::Pattern));
    fields.add("pubsubshard_channels", subscribed(SubscriptionKind::ShardChannel));
    fields.add("latest_fork_usec", server.persistence.last_fork_us);
    fields.add("total_forks", server.persistence.forks);
    fields.add("migrate_cached_sockets", server.peers.len());
    fields.add("slave_expires_tracked_keys", server.replication.own_expiring.len());
    fields.add("active_defrag_hits", 0);
    fields.add_all(&["active_defrag_misses", "active_defrag_key_hits", "active_defrag_key_misses"], 0);
    fields.add_all(&["total_active_defrag_time", "current_active_defrag_time"], 0);
    fields.add("tracking_total_keys", server.tracking.keys());
    fields.add("tracking_total_items", server.tracking.items());
    fields.add("tracking_total_prefixes", server.tracking.prefixes());
    fields.add("unexpected_error_replies", 0);
    fields.add("total_error_replies", stats.error_replies);
    fields.add("dump_payload_sanitizations", 0);
    fields.add("total_reads_processed", stats.reads);
    fields.add("total_writes_processed", stats.writes);
    fields.add_all(&["io_threaded_reads_processed", "io_threaded_writes_processed"], 0);
    fields.add_all(&["reply_buffer_shrinks", "reply_buffer_expands"], 0);
    fields.add("eventloop_cycles", stats.loop_cycles);
    fields.add("eventloop_duration_sum", stats.loop_nanos / 1000);
    fields.add("eventloop_duration_cmd_sum", stats.loop_command_nanos / 1000);
    fields.add("instantaneous_eventloop_cycles_per_sec", rates.per_second(|totals| totals.loop_cycles));
    fields.add("instantaneous_eventloop_duration_usec", rates.loop_nanos() / 1000);
    let denied = &server.acl.counts;
    fields.add("acl_access_denied_auth", denied.auth);
    fields.add("acl_access_denied_cmd", denied.command);
    fields.add("acl_access_denied_key", denied.key);
    fields.add("acl_access_denied_channel", denied.channel);
}

fn replication(server: &Server, fields: &mut Fields) {
    let (config, replication, now_ms) = (&server.config, &server.replication, server.clock.now_ms);
    let seconds_since = |ms: u64| now_ms.saturating_sub(ms) / 1000;
    let offset = replication.stream.offset();
    fields.add("role", if replication.is_replica() { "slave" } else { "master" });
    if let Some(primary) = &replication.primary {
        let heard_ms = primary.client().map_or(primary.heard_ms, |id| server.clients[id].active_ms);
        fields.add("master_host", &primary.host);
        fields.add("master_port", primary.port);
        fields.add("master_link_status", if primary.is_up() { "up" } else { "down" });
        let last_io = if primary.is_up() { seconds_since(heard_ms) as i64 } else { -1 };
        fields.add("master_last_io_seconds_ago", last_io);
        fields.add("master_sync_in_progress", matches!(primary.link, Link::Transfer(_) | Link::Loading(_)) as u8);
        let not_run = primary.client().map_or(0, |id| server.clients[id].input.len()) + replication.unfinished.len();
        fields.add("slave_read_repl_offset", offset + not_run as u64);
        fields.add("slave_repl_offset", offset);
        if let Link::Transfer(reception) = &primary.link {
            let total = match reception.length {
                Some(Length::Bytes(bytes)) => bytes,
                _ => 0,
            };
            let percent = if total > 0 { reception.received as f64 / total as f64 * 100.0 } else { 0.0 };
            fields.add("master_sync_total_bytes", total);
            fields.add("master_sync_read_bytes", reception.received);
            fields.add("master_sync_left_bytes", total.saturating_sub(reception.received));
            fields.add("master_sync_perc", format_args!("{percent:.2}"));
            fields.add("master_sync_last_io_seconds_ago", seconds_since(primary.heard_ms));
        }
        if !primary.is_up() {
            fields.add("master_link_down_since_seconds", seconds_since(primary.down_since_ms));
        }
        fields.add("slave_priority", config.replica_priority);
        fields.add("slave_read_only", config.replica_read_only as u8);
        fields.add("replica_announced", config.replica_announced as u8);
    }
    let attached = replicas_that(server, |replica| replica.state_name().is_some());
    fields.add("connected_slaves", attached.len());
    if config.min_replicas_to_write > 0 && config.min_replicas_max_lag > 0 {
        fields.add("min_slaves_good_slaves", server.good_replicas());
    }
    for (at, &id) in attached.iter().enumerate() {
        let Some(replica) = server.clients[id].replica.as_deref() else { continue };
        let ((ip, port), state) = (replica_address(server, id), replica.state_name().unwrap_or_default());
        let lag = if replica.is_online() { replica.lag_s(now_ms) } else { 0 };
        fields.add(
            format_args!("slave{at}"),
            format_args!("ip={ip},port={port},state={state},offset={},lag={lag}", replica.acked),
        );
    }
    fields.add("master_failover_state", replication.failover.state.name());
    fields.add("master_replid", &replication.replid);
    let second = replication.replid2.as_ref();
    fields.add("master_replid2", second.map_or("0".repeat(40), |second| second.replid.clone()));
    fields.add("master_repl_offset", offset);
    fields.add("second_repl_offset", second.map_or(-1, |second| second.end as i64 + 1));
    let kept = replication.stream.kept();
    fields.add("repl_backlog_active", kept.is_some() as u8);
    fields.add("repl_backlog_size", config.repl_backlog_size);
    fields.add("repl_backlog_first_byte_offset", kept.map_or(0, |log| log.start() + 1));
    fields.add("repl_backlog_histlen", kept.map_or(0, |log| log.len()));
}

fn cpu(_: &Server, fields: &mut Fields) {
    for (suffix, whose) in [("", Whose::Process), ("_children", Whose::Children), ("_main_thread", Whose::Thread)] {
        let (system, user) = system::cpu_times(whose);
        for (mode, time) in [("sys", system), ("user", user)] {
            fields.add(format_args!("used_cpu_{mode}{suffix}"), format_args!("{:.6}", time.as_secs_f64()));
        }
    }
}

fn commandstats(server: &Server, fields: &mut Fields) {
    for (row, stats) in server.commands.rows().iter().zip(&server.stats.commands) {
        if stats.calls + stats.rejected + stats.failed == 0 {
            continue;
        }
        let usec = stats.nanos / 1000;
        let each = usec as f64 / stats.calls.max(1) as f64;
        fields.add(
            format_args!("cmdstat_{}", row.full_name),
            format_args!(
                "calls={},usec={usec},usec_per_call={each:.2},rejected_calls={},failed_calls={}",
                stats.calls, stats.rejected, stats.failed
            ),
        );
    }
}

fn errorstats(server: &Server, fields: &mut Fields) {
    for (code, count) in &server.stats.errors {
        fields.add(format_args!("errorstat_{code}"), format_args!("count={count}"));
    }
}

fn latencystats(server: &Server, fields: &mut Fields) {
    for (row, stats) in server.commands.rows().iter().zip(&server.stats.commands) {
        let Some(histogram) = &stats.latency else { continue };
        let usec = |percentile: &f64| histogram.value_at_percentile(*percentile) as f64 / 1000.0;
        let percentiles = &server.config.latency_tracking_info_percentiles;
        let values: Vec<String> = percentiles.iter().map(|p| format!("p{p}={:.3}", usec(p))).collect();
        fields.add(format_args!("latency_percentiles_usec_{}", row.full_name), values.join(","));
    }
}

fn cluster(_: &Server, fields: &mut Fields) {
    fields.add("cluster_enabled", 0);
}

fn keyspace(server: &Server, fields: &mut Fields) {
    for (number, db) in server.keyspace.dbs().iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        let (keys, expires, ttl) = (db.len(), db.volatile(), db.average_ttl(server.clock.unix_ms()));
        fields.add(format_args!("db{number}"), format_args!("keys={keys},expires={expires},avg_ttl={ttl}"));
    }
}

fn debug(server: &Server, fields: &mut Fields) {
    let stats = &server.stats;
    fields.add("eventloop_duration_aof_sum", stats.aof_nanos / 1000);
    fields.add("eventloop_duration_cron_sum", stats.cron_nanos / 1000);
    fields.add("eventloop_duration_max", stats.loop_nanos_max / 1000);
    fields.add("eventloop_cmd_per_cycle_max", stats.loop_commands_max);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people() {
        let shown = [0, 1023, 1024, 1536, 1 << 20, 5_368_709_120].map(human);
        assert_eq!(shown, ["0B", "1023B", "1.00K", "1.50K", "1.00M", "5.00G"]);
    }
}
