//! LATENCY: events that took long (`server/latency.rs`) and the histogram of each command (`server/stats.rs`).
//!
//! The texts of GRAPH are drawn as Redis draws them; DOCTOR's words are our own.

use crate::commands::prelude::*;
use crate::server::command_table::CommandIndex;
use crate::server::latency::{History, Sample};
use crate::server::stats::CommandStats;
use std::fmt::Write;

/// What all subcommands have in common.
const SUBCOMMAND: Command = Command {
    group: Group::Server,
    flags: ADMIN | NOSCRIPT | LOADING | STALE,
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    ..Command::DEFAULT
};

pub const LATENCY: Command = Command {
    name: "latency",
    summary: "Commands about what took so long that clients may have noticed",
    since: "2.8.13",
    group: Group::Server,
    arity: -2,
    subcommands: &[
        Command {
            name: "doctor",
            summary: "Says what the events mean and what may help",
            since: "2.8.13",
            arity: 2,
            handler: Handler::Server(doctor),
            ..SUBCOMMAND
        },
        Command {
            name: "graph",
            summary: "Draws the samples of an event",
            since: "2.8.13",
            arity: 3,
            args: "event",
            handler: Handler::Server(graph),
            ..SUBCOMMAND
        },
        Command::help("2.8.13", Group::Server, 0, help),
        Command {
            name: "histogram",
            summary: "Gives how often commands took how long",
            since: "7.0.0",
            arity: -2,
            args: "command?+",
            handler: Handler::Server(histogram),
            ..SUBCOMMAND
        },
        Command {
            name: "history",
            summary: "Gives the samples of an event",
            since: "2.8.13",
            arity: 3,
            args: "event",
            handler: Handler::Server(history),
            ..SUBCOMMAND
        },
        Command {
            name: "latest",
            summary: "Gives the last sample of each event",
            since: "2.8.13",
            arity: 2,
            handler: Handler::Server(latest),
            ..SUBCOMMAND
        },
        Command {
            name: "reset",
            summary: "Forgets events",
            since: "2.8.13",
            arity: -2,
            tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
            args: "event?+",
            handler: Handler::Server(reset),
            ..SUBCOMMAND
        },
    ],
    ..Command::DEFAULT
};

fn latest(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let events: Vec<(&str, Sample, u64)> = server
        .latency
        .iter()
        .filter_map(|(event, history)| Some((event, *history.samples.back()?, history.max_ms)))
        .collect();
    let mut reply = server.reply(id);
    reply.array(events.len());
    for (event, last, max_ms) in events {
        reply.array(4);
        reply.bulk(event.as_bytes());
        reply.integer(last.unix_s);
        reply.integer(last.ms as i64);
        reply.integer(max_ms as i64);
    }
    Ok(())
}

fn history(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let samples = server.latency.get(&args[2]).map(|history| history.samples.clone()).unwrap_or_default();
    let mut reply = server.reply(id);
    reply.array(samples.len());
    for sample in samples {
        reply.array(2);
        reply.integer(sample.unix_s);
        reply.integer(sample.ms as i64);
    }
    Ok(())
}

fn reset(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let count: usize = match args.len() {
        2 => server.latency.reset(None),
        _ => args.from(2).iter().map(|event| server.latency.reset(Some(event))).sum(),
    };
    server.reply(id).integer(count as i64);
    Ok(())
}

fn graph(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let Some((event, history)) =
        server.latency.iter().find(|(event, _)| args[2].eq_ignore_ascii_case(event.as_bytes()))
    else {
        let event = args.text(2);
        return Err(CommandError::err(format_args!("No samples available for event '{event}'")));
    };
    let text = draw(event, history, server.clock.unix_s());
    server.reply(id).verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// One column a sample, under it how long ago that was.
fn draw(event: &str, history: &History, now_s: i64) -> String {
    const ROWS: u64 = 4;
    /// Heights within a row, and what each looks like.
    const MARKS: [char; 3] = ['_', 'o', '#'];
    const COLUMNS_MAX: usize = 80;
    let all = || history.samples.iter().map(|sample| sample.ms);
    let (low, high) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
    let mut text = format!("{event} - high {high} ms, low {low} ms (all time high {} ms)\n", history.max_ms);
    text += &"-".repeat(COLUMNS_MAX);
    text.push('\n');
    let columns: Vec<Sample> = history.samples.iter().copied().collect();
    for columns in columns.chunks(COLUMNS_MAX) {
        let steps = ROWS * MARKS.len() as u64 - 1;
        let height = |sample: &Sample| ((sample.ms - low) * steps).checked_div(high - low).unwrap_or(0);
        for row in (0..ROWS).rev() {
            let mark = |sample| match height(sample) / MARKS.len() as u64 {
                at if at < row => ' ',
                at if at > row => '|',
                _ => MARKS[height(sample) as usize % MARKS.len()],
            };
            text.extend(columns.iter().map(mark));
            text.push('\n');
        }
        let ages: Vec<String> = columns.iter().map(|sample| age(now_s - sample.unix_s)).collect();
        text.push('\n');
        for line in 0..ages.iter().map(String::len).max().unwrap_or(0) {
            text.extend(ages.iter().map(|age| age.as_bytes().get(line).map_or(' ', |&byte| byte as char)));
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

fn age(seconds: i64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// For each event what it means, and what may help against it.
const ADVICE: &[(&str, &str)] = &[
    ("command", "commands that take long: SLOWLOG GET shows which. Split them, or give them less to do"),
    ("fast-command", "even simple commands waited: the machine is busy with something else, or swaps"),
    ("fork", "the system takes long to copy page tables: huge pages, or less data in one server, may help"),
    ("expire-cycle", "many keys, or large ones, expire at once: spread their times, or set lazyfree-lazy-expire"),
    ("eviction-cycle", "much has to go at once: lower maxmemory-eviction-tenacity, or give more memory"),
    ("eviction-del", "large values are evicted: set lazyfree-lazy-eviction"),
    (
        "aof-write",
        "the disk is slow to take the append-only file: leave it to this server, or set no-appendfsync-on-rewrite",
    ),
    ("aof-fsync-always", "each change waits for the disk: appendfsync everysec does not"),
];

fn doctor(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let mut text = String::new();
    if server.config.latency_monitor_threshold == 0 {
        text += "Latency is not monitored: set latency-monitor-threshold to the milliseconds that matter.\n";
    } else if server.latency.iter().len() == 0 {
        text += "Nothing took longer than latency-monitor-threshold allows.\n";
    }
    for (event, History { samples, max_ms }) in server.latency.iter() {
        let mean = samples.iter().map(|sample| sample.ms).sum::<u64>() / samples.len().max(1) as u64;
        let count = samples.len();
        writeln!(text, "* {event}: {count} samples, {mean} ms on average, {max_ms} ms at worst.").expect("memory");
        if let Some((_, advice)) = ADVICE.iter().find(|(known, _)| *known == event) {
            writeln!(text, "  This means {advice}.").expect("memory");
        }
    }
    server.reply(id).verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn histogram(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let all = || (0..server.commands.rows().len() as u16).map(CommandIndex);
    let mut wanted: Vec<CommandIndex> = Vec::new();
    for name in args.from(2).iter() {
        let Some(found) = server.commands.find_full(name) else { continue };
        wanted.push(found.index);
        // A container stands for its subcommands, whose rows follow its own.
        let first = found.index.0 + 1;
        wanted.extend((first..first + found.command.subcommands.len() as u16).map(CommandIndex));
    }
    if args.len() == 2 {
        wanted.extend(all());
    }
    wanted.retain(|index| server.stats.of(*index).latency.is_some());
    let shown: Vec<_> = wanted
        .into_iter()
        .map(|index| {
            let stats = server.stats.of(index);
            let (calls, counts) = (stats.calls, cumulative(stats));
            (server.commands.full_name(index).to_owned(), calls, counts)
        })
        .collect();
    let mut reply = server.reply(id);
    reply.map(shown.len());
    for (name, calls, counts) in shown {
        reply.bulk(name.as_bytes());
        reply.map(2);
        reply.named("calls").integer(calls as i64);
        reply.named("histogram_usec").map(counts.len());
        for (us, count) in counts {
            reply.integer(us as i64);
            reply.integer(count as i64);
        }
    }
    Ok(())
}

/// Pairs of microseconds, each about twice the one before, and the number of calls that took no longer; steps
/// without a further call are left out.
fn cumulative(stats: &CommandStats) -> Vec<(u64, u64)> {
    const FIRST_NANOS: u64 = 1024;
    let Some(histogram) = &stats.latency else { return Vec::new() };
    let mut counts: Vec<(u64, u64)> = Vec::new();
    let mut total = 0;
    for step in histogram.iter_log(FIRST_NANOS, 2.0) {
        if step.count_since_last_iteration() > 0 {
            total += step.count_since_last_iteration();
            counts.push((histogram.highest_equivalent(step.value_iterated_to()) / 1000, total));
        }
    }
    counts
}

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help(
        "latency",
        &[
            "DOCTOR",
            "    Say what the events mean and what may help.",
            "GRAPH <event>",
            "    Draw the samples of an event.",
            "HISTOGRAM [<command> ...]",
            "    Give how often commands took how long.",
            "HISTORY <event>",
            "    Give the samples of an event.",
            "LATEST",
            "    Give the last sample of each event.",
            "RESET [<event> ...]",
            "    Forget these events, or all.",
        ],
    );
    Ok(())
}
