//! How CLIENT LIST describes a client.

use super::pubsub::SubscriptionKind;
use super::{Client, ClientFlags, Server};
use crate::resp::Args;
use crate::resp::text::{bytes_of, text_of};
use std::fmt::Write;

/// Appends the line of one client. `request` is the one that runs, if that is this client's.
pub fn describe(server: &Server, client: &Client, request: Option<&Args>, line: &mut Vec<u8>) {
    let seconds_since = |ms: u64| server.clock.now_ms.saturating_sub(ms) / 1000;
    let argument_bytes: usize = request.map_or(0, |args| args.iter().map(<[u8]>::len).sum());
    let query_bytes = client.parser.buffered().unwrap_or(client.input.len())
        + request.and_then(Args::raw).map_or(argument_bytes, <[u8]>::len);
    // COMPAT: Redis has a buffer of this size, and a list of such for what is beyond it.
    const CHUNK: usize = 16 * 1024;
    let output = &client.output;
    let beyond = output.len().saturating_sub(CHUNK);
    let subscriptions = |kind| client.subscriptions.as_ref().map_or(0, |own| own.of(kind).len());
    let command = client.last_command.map_or("NULL", |index| server.commands.full_name(index));
    let redirect = client.tracking.as_ref().map_or(-1, |own| own.redirect.map_or(0, |(_, number)| number as i64));
    let fields: &[(&str, &dyn std::fmt::Display)] = &[
        ("id", &client.number),
        ("addr", &client.addr),
        ("laddr", &client.laddr),
        ("fd", &client.stream.fd()),
        ("name", &text_of(&client.name)),
        ("age", &seconds_since(client.created_ms)),
        ("idle", &seconds_since(client.active_ms)),
        ("flags", &flag_letters(client)),
        ("db", &client.db),
        ("sub", &subscriptions(SubscriptionKind::Channel)),
        ("psub", &subscriptions(SubscriptionKind::Pattern)),
        ("ssub", &subscriptions(SubscriptionKind::ShardChannel)),
        ("multi", &client.multi.as_ref().map_or(-1, |multi| multi.queued.len() as i64)),
        ("qbuf", &query_bytes),
        ("qbuf-free", &(client.input.capacity() - client.input.len())),
        ("argv-mem", &argument_bytes),
        ("multi-mem", &client.transaction_memory()),
        ("rbs", &output.bytes.capacity()),
        ("rbp", &output.bytes.capacity()),
        ("obl", &output.len().min(CHUNK)),
        ("oll", &beyond.div_ceil(CHUNK)),
        ("omem", &beyond),
        ("tot-mem", &client.memory_usage()),
        ("events", &events(client)),
        ("cmd", &command),
        ("user", &text_of(&client.user.name)),
        ("redir", &redirect),
        ("resp", &(if client.resp3 { 3 } else { 2 })),
        ("lib-name", &text_of(&client.lib_name)),
        ("lib-ver", &text_of(&client.lib_ver)),
    ];
    let mut text = String::new();
    for (at, (name, value)) in fields.iter().enumerate() {
        let separator = if at == 0 { "" } else { " " };
        write!(text, "{separator}{name}={value}").expect("memory takes all");
    }
    line.extend_from_slice(&bytes_of(&text));
    line.push(b'\n');
}

fn flag_letters(client: &Client) -> String {
    let has = |flags: ClientFlags| client.flags.intersects(flags);
    let letters = [
        (has(ClientFlags::MONITOR), 'O'),
        (has(ClientFlags::REPLICA), 'S'),
        (has(ClientFlags::PRIMARY), 'M'),
        (has(ClientFlags::SUBSCRIBED), 'P'),
        (client.multi.is_some(), 'x'),
        (has(ClientFlags::PAUSED | ClientFlags::BLOCKED), 'b'),
        (client.tracking.is_some(), 't'),
        (client.tracking.as_ref().is_some_and(|tracking| tracking.broken_redirect), 'R'),
        (client.tracking.as_ref().is_some_and(|tracking| tracking.broadcast), 'B'),
        (client.watch_failed, 'd'),
        (has(ClientFlags::CLOSE_AFTER_REPLY), 'c'),
        (has(ClientFlags::CLOSE_NOW), 'A'),
        (has(ClientFlags::UNIX_SOCKET), 'U'),
        (has(ClientFlags::NO_EVICT), 'e'),
        (has(ClientFlags::NO_TOUCH), 'T'),
    ];
    let letters: String = letters.into_iter().filter(|(is_set, _)| *is_set).map(|(_, letter)| letter).collect();
    if letters.is_empty() { "N".to_owned() } else { letters }
}

/// What the loop waits for: requests, and a socket that takes more where replies were left over.
fn events(client: &Client) -> &'static str {
    let waits_to_write = !client.output.is_empty() && !client.flags.contains(ClientFlags::WRITE_PENDING);
    if waits_to_write { "rw" } else { "r" }
}
