//! CLIENT LIST and CLIENT INFO: which clients are listed. `server/client_list.rs` writes a client's line.

use crate::commands::prelude::*;
use crate::resp::text::text_of;
use crate::server::Client;
use crate::server::client_list::describe;

pub fn info(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let mut text = Vec::new();
    describe(server, &server.clients[id], Some(args), &mut text);
    server.reply(id).verbatim(b"txt", &text);
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
    server.reply(id).verbatim(b"txt", &text);
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
            .ok_or_else(|| CommandError::err(format_args!("Unknown client type '{}'", &text_of(name))))
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
