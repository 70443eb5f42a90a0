//! How CLIENT LIST and CLIENT INFO describe clients.

use crate::commands::prelude::*;
use crate::server::Client;
use crate::server::pubsub::SubscriptionKind;
use std::io::Write;

pub fn info(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let mut text = Vec::new();
    describe(server, &server.clients[id], Some(args), &mut text);
    server.reply(id).verbatim("txt", &text);
    Ok(())
}

pub fn list(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let ids = match args.len() {
        2 => server.clients.ids_by_age(),
        4 if args.is(2, "type") => {
            let wanted = ClientType::parse(&args[3])?;
            server
                .clients
                .ids_by_age()
                .into_iter()
                .filter(|&id| ClientType::of(&server.clients[id]) == wanted)
                .collect()
        }
        4.. if args.is(2, "id") => {
            const INVALID: CommandError = CommandError::new("ERR Invalid client ID");
            let numbers = (3..args.len()).map(|at| args.int(at).map_err(|_| INVALID)).collect::<Result<Vec<_>, _>>()?;
            let by_number = |number: i64| {
                server.clients.iter().find(|client| client.number as i64 == number).map(|client| client.id)
            };
            numbers.into_iter().filter_map(by_number).collect()
        }
        _ => return Err(CommandError::SYNTAX),
    };
    let mut text = Vec::new();
    for listed in ids {
        let client = &server.clients[listed];
        if !client.flags.contains(ClientFlags::CLOSE_NOW) {
            describe(server, client, Some(args).filter(|_| listed == id), &mut text);
        }
    }
    server.reply(id).verbatim("txt", &text);
    Ok(())
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientType {
    Normal,
    Primary,
    Replica,
    Pubsub,
}

impl ClientType {
    pub fn parse(name: &[u8]) -> Result<ClientType, CommandError> {
        const NAMES: &[(&str, ClientType)] = &[
            ("normal", ClientType::Normal),
            ("slave", ClientType::Replica),
            ("replica", ClientType::Replica),
            ("pubsub", ClientType::Pubsub),
            ("master", ClientType::Primary),
        ];
        let named = NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        named
            .map(|&(_, kind)| kind)
            .ok_or_else(|| CommandError::err(format_args!("Unknown client type '{}'", &String::from_utf8_lossy(name))))
    }

    pub fn of(client: &Client) -> ClientType {
        if client.flags.contains(ClientFlags::PRIMARY) {
            return ClientType::Primary;
        }
        if client.flags.contains(ClientFlags::REPLICA) {
            return ClientType::Replica;
        }
        if client.flags.contains(ClientFlags::SUBSCRIBED) { ClientType::Pubsub } else { ClientType::Normal }
    }
}

/// Appends the line of one client. `request` is the one that runs, if that is this client's.
fn describe(server: &Server, client: &Client, request: Option<&Args>, line: &mut Vec<u8>) {
    let seconds_since = |ms: u64| server.clock.now_ms.saturating_sub(ms) / 1000;
    let argument_bytes: usize = request.map_or(0, |args| args.iter().map(<[u8]>::len).sum());
    let query_bytes =
        client.input.len() + client.parser.buffered() + request.and_then(Args::raw).map_or(argument_bytes, <[u8]>::len);
    // COMPAT: Redis has a buffer of this size, and a list of such for what is beyond it.
    const CHUNK: usize = 16 * 1024;
    let output = &client.output;
    let beyond = output.len().saturating_sub(CHUNK);
    let subscriptions = |kind| client.subscriptions.as_ref().map_or(0, |own| own.of(kind).len());
    let command = client.last_command.map_or("NULL", |index| server.commands.full_name(index));
    let fields: &[(&str, &dyn std::fmt::Display)] = &[
        ("id", &client.number),
        ("addr", &client.addr),
        ("laddr", &client.laddr),
        ("fd", &client.stream.fd()),
        ("name", &String::from_utf8_lossy(&client.name)),
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
        ("user", &client.user),
        ("redir", &-1),
        ("resp", &(if client.resp3 { 3 } else { 2 })),
        ("lib-name", &String::from_utf8_lossy(&client.lib_name)),
        ("lib-ver", &String::from_utf8_lossy(&client.lib_ver)),
    ];
    for (at, (name, value)) in fields.iter().enumerate() {
        let separator = if at == 0 { "" } else { " " };
        write!(line, "{separator}{name}={value}").expect("memory takes all");
    }
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
