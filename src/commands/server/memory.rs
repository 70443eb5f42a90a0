//! MEMORY, and the account of memory that INFO shows too.

use crate::commands::prelude::*;
use crate::keyspace::Db;
use crate::server::{Client, allocator, system};

/// What all subcommands have in common.
const SUBCOMMAND: Command = Command { group: Group::Server, ..Command::DEFAULT };

pub const MEMORY: Command = Command {
    name: "memory",
    summary: "Commands about memory",
    since: "4.0.0",
    group: Group::Server,
    arity: -2,
    subcommands: &[
        Command {
            name: "doctor",
            summary: "Says what is wrong with the use of memory",
            since: "4.0.0",
            arity: 2,
            tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            handler: Handler::Server(doctor),
            ..SUBCOMMAND
        },
        Command::help("4.0.0", Group::Server, 0, help),
        Command {
            name: "malloc-stats",
            summary: "Gives the allocator's own report",
            since: "4.0.0",
            arity: 2,
            tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            handler: Handler::Data(malloc_stats),
            ..SUBCOMMAND
        },
        Command {
            name: "purge",
            summary: "Gives memory not in use back to the system",
            since: "4.0.0",
            arity: 2,
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            handler: Handler::Data(purge),
            ..SUBCOMMAND
        },
        Command {
            name: "stats",
            summary: "Says what memory is used for",
            since: "4.0.0",
            arity: 2,
            tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
            handler: Handler::Server(stats),
            ..SUBCOMMAND
        },
        Command {
            name: "usage",
            summary: "Gives the bytes that a key takes",
            since: "4.0.0",
            arity: -3,
            flags: READONLY,
            keys: &[KeySpec::one(2, RO)],
            args: "key:key#0 count:int=SAMPLES?",
            handler: Handler::Data(usage),
            ..SUBCOMMAND
        },
    ],
    ..Command::DEFAULT
};

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help(
        "memory",
        &[
            "DOCTOR",
            "    Say what is wrong with the use of memory.",
            "MALLOC-STATS",
            "    Give the allocator's own report.",
            "PURGE",
            "    Give memory not in use back to the system.",
            "STATS",
            "    Say what memory is used for.",
            "USAGE <key> [SAMPLES <count>]",
            "    Give the bytes that a key takes. All of it is counted, whatever the count.",
        ],
    );
    Ok(())
}

/// What memory is used for, in bytes.
pub struct Account {
    pub used: usize,
    pub peak: usize,
    pub startup: usize,
    /// Buffers and state of clients.
    pub clients: usize,
    /// The same of replicas, with the part of the stream that is held for slow ones.
    pub replicas: usize,
    /// The part of the replication stream that is the backlog, kept for replicas that reconnect.
    pub backlog: usize,
    /// The whole of it that is kept.
    pub stream: usize,
    pub aof_buffer: usize,
    /// Everything but data: memory used at start, clients, buffers and tables.
    pub overhead: usize,
    pub keys: usize,
    pub allocated: usize,
    pub active: usize,
    pub resident: usize,
    /// As the operating system counts.
    pub rss: usize,
}

impl Account {
    pub fn of(server: &Server) -> Account {
        let used = allocator::used_memory();
        let memory_of = |replicas: bool| {
            let clients = server.clients.iter();
            let wanted = clients.filter(|client| client.flags.contains(ClientFlags::REPLICA) == replicas);
            wanted.map(Client::memory_usage).sum::<usize>()
        };
        let (clients, mut replicas) = (memory_of(false), memory_of(true));
        let stream = server.replication.stream.kept().map_or(0, |log| log.allocated());
        let mut backlog = stream;
        if !server.replication.replicas.is_empty() {
            backlog = stream.min(server.config.repl_backlog_size as usize);
            replicas += stream - backlog;
        }
        let aof_buffer = server.aof.as_ref().map_or(0, |aof| aof.buffered());
        let tables: usize = server.keyspace.dbs().iter().map(|db| db.table().array_bytes() + db.volatile_bytes()).sum();
        let jemalloc = allocator::jemalloc_stats();
        Account {
            used,
            peak: server.stats.memory_peak.max(used),
            startup: server.run.startup_memory,
            clients,
            replicas,
            backlog,
            stream,
            aof_buffer,
            overhead: server.run.startup_memory + clients + replicas + backlog + aof_buffer + tables,
            keys: server.keyspace.dbs().iter().map(Db::len).sum(),
            allocated: jemalloc.allocated,
            active: jemalloc.active,
            resident: jemalloc.resident,
            rss: system::resident_memory() as usize,
        }
    }

    pub fn dataset(&self) -> usize {
        self.used.saturating_sub(self.overhead)
    }

    /// The data's share of what was allocated since the start.
    pub fn dataset_percent(&self) -> f64 {
        percent(self.dataset(), self.used.saturating_sub(self.startup))
    }

    pub fn peak_percent(&self) -> f64 {
        percent(self.used, self.peak)
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * ratio(part, whole)
}

pub fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

pub fn difference(left: usize, right: usize) -> i64 {
    left as i64 - right as i64
}

enum Figure {
    Integer(i64),
    Double(f64),
    /// The tables of one database.
    Tables {
        keys: usize,
        expires: usize,
    },
}

fn stats(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    use Figure::*;
    let account = Account::of(server);
    let bytes = |bytes: usize| Integer(bytes as i64);
    let mut figures: Vec<(String, Figure)> = Vec::new();
    let mut add = |name: &str, figure: Figure| figures.push((name.to_owned(), figure));
    add("peak.allocated", bytes(account.peak));
    add("total.allocated", bytes(account.used));
    add("startup.allocated", bytes(account.startup));
    add("replication.backlog", bytes(account.backlog));
    add("clients.slaves", bytes(account.replicas));
    add("clients.normal", bytes(account.clients));
    add("cluster.links", Integer(0));
    add("aof.buffer", bytes(account.aof_buffer));
    add("lua.caches", bytes(server.scripts.cache.memory()));
    add("functions.caches", bytes(server.scripts.libraries.memory()));
    for (number, db) in server.keyspace.dbs().iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        add(&format!("db.{number}"), Tables { keys: db.table().array_bytes(), expires: db.volatile_bytes() });
    }
    add("overhead.total", bytes(account.overhead));
    add("keys.count", bytes(account.keys));
    let data = account.used.saturating_sub(account.startup);
    add("keys.bytes-per-key", bytes(data.checked_div(account.keys).unwrap_or(0)));
    add("dataset.bytes", bytes(account.dataset()));
    add("dataset.percentage", Double(account.dataset_percent()));
    add("peak.percentage", Double(account.peak_percent()));
    add("allocator.allocated", bytes(account.allocated));
    add("allocator.active", bytes(account.active));
    add("allocator.resident", bytes(account.resident));
    let ratios = [
        ("allocator-fragmentation", account.active, account.allocated),
        ("allocator-rss", account.resident, account.active),
        ("rss-overhead", account.rss, account.resident),
    ];
    for (name, left, right) in ratios {
        add(&format!("{name}.ratio"), Double(ratio(left, right)));
        add(&format!("{name}.bytes"), Integer(difference(left, right)));
    }
    add("fragmentation", Double(ratio(account.rss, account.used)));
    add("fragmentation.bytes", Integer(difference(account.rss, account.used)));

    let mut reply = server.reply(id);
    reply.map(figures.len());
    for (name, figure) in figures {
        reply.bulk(name.as_bytes());
        match figure {
            Integer(n) => reply.integer(n),
            Double(n) => reply.double(n),
            Tables { keys, expires } => {
                reply.map(2);
                reply.named("overhead.hashtable.main").integer(keys as i64);
                reply.named("overhead.hashtable.expires").integer(expires as i64);
            }
        }
    }
    Ok(())
}

fn usage(ctx: &mut DataContext, args: &Args) -> CommandResult {
    match args.len() {
        3 => (),
        5 if args.is(3, "samples") => {
            if args.int(4)? < 0 {
                return Err(CommandError::SYNTAX);
            }
        }
        _ => return Err(CommandError::SYNTAX),
    }
    let bytes = ctx.keyspace.peek(&args[2]).map(|entry| entry.memory_usage());
    match bytes {
        Some(bytes) => ctx.reply.integer(bytes as i64),
        None => ctx.reply.null(),
    }
    Ok(())
}

fn purge(ctx: &mut DataContext, _: &Args) -> CommandResult {
    allocator::purge();
    ctx.reply.ok();
    Ok(())
}

fn malloc_stats(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.verbatim(b"txt", &allocator::report());
    Ok(())
}

/// Below this many bytes in use there is nothing to find fault with.
const DOCTOR_USED_MIN: usize = 5 << 20;
/// DOCTOR mentions a loss only beyond this many bytes.
const DOCTOR_LOSS_MIN: usize = 10 << 20;
const DOCTOR_CLIENT_MAX: usize = 200 << 10;

fn doctor(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let account = Account::of(server);
    let lost = |left: usize, right: usize, most: f64| ratio(left, right) > most && left > right + DOCTOR_LOSS_MIN;
    let mut text = String::new();
    let mut say = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    if account.used < DOCTOR_USED_MIN {
        say("There is little data yet: nothing to say about its memory.");
    } else {
        if ratio(account.peak, account.used) > 1.5 {
            say(
                "* Peak: more than 1.5 times as much was in use once. The allocator may hold on to some of that; MEMORY PURGE gives it back.",
            );
        }
        if lost(account.rss, account.used, 1.4) {
            say("* Fragmentation: the process holds more than 1.4 times what is in use.");
        }
        if lost(account.active, account.allocated, 1.1) {
            say("* Allocator: its pages in use are less than nine tenths full.");
        }
        if lost(account.resident, account.active, 1.1) {
            say("* Allocator: it keeps pages that are not in use. MEMORY PURGE gives them back.");
        }
        if lost(account.rss, account.resident, 1.1) {
            say("* Process: more than a tenth of its memory is not the allocator's.");
        }
        if account.clients / server.clients.len().max(1) > DOCTOR_CLIENT_MAX {
            say("* Clients: their buffers take more than 200 KiB each. CLIENT LIST shows whose (tot-mem).");
        }
        if text.is_empty() {
            text.push_str("No fault found with the use of memory.\n");
        }
    }
    server.reply(id).verbatim(b"txt", text.as_bytes());
    Ok(())
}
