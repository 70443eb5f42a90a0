//! CLIENT KILL: in its old form by address, in the new one by filters that must all match. A client that closes
//! itself still gets its reply.

use super::client_list::ClientType;
use crate::commands::prelude::*;
use crate::resp::text::text_of;
use crate::server::Client;
use crate::server::acl::Acl;

/// The filters given; a client is killed if it passes all of them.
#[derive(Default)]
struct Filters<'a> {
    number: Option<i64>,
    kind: Option<ClientType>,
    user: Option<&'a [u8]>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    spare_self: bool,
}

impl<'a> Filters<'a> {
    fn parse(args: &Args<'a>, acl: &Acl) -> Result<Filters<'a>, CommandError> {
        let mut filters = Filters { spare_self: true, ..Filters::default() };
        for at in (2..args.len()).step_by(2) {
            if at + 1 == args.len() {
                return Err(CommandError::SYNTAX);
            }
            let value = args.get(at + 1);
            match () {
                _ if args.is(at, "id") => {
                    const INVALID: CommandError = CommandError::new("ERR client-id should be greater than 0");
                    filters.number = Some(args.int(at + 1).ok().filter(|&number| number > 0).ok_or(INVALID)?);
                }
                _ if args.is(at, "type") => filters.kind = Some(ClientType::parse(value)?),
                _ if args.is(at, "addr") => filters.addr = Some(value),
                _ if args.is(at, "laddr") => filters.laddr = Some(value),
                _ if args.is(at, "user") && acl.get(value).is_some() => filters.user = Some(value),
                _ if args.is(at, "user") => {
                    return Err(CommandError::err(format_args!("No such user '{}'", text_of(value))));
                }
                _ if args.is(at, "skipme") && args.is(at + 1, "yes") => filters.spare_self = true,
                _ if args.is(at, "skipme") && args.is(at + 1, "no") => filters.spare_self = false,
                _ => return Err(CommandError::SYNTAX),
            }
        }
        Ok(filters)
    }

    fn pass(&self, client: &Client) -> bool {
        self.number.is_none_or(|number| number == client.number as i64)
            && self.kind.is_none_or(|kind| kind == ClientType::of(client))
            && self.user.is_none_or(|user| user == client.user.name)
            && self.addr.is_none_or(|addr| addr == client.addr.as_bytes())
            && self.laddr.is_none_or(|laddr| laddr == client.laddr.as_bytes())
    }
}

pub fn kill(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let by_address = args.len() == 3;
    let filters = if by_address {
        Filters { addr: Some(args.get(2)), ..Filters::default() }
    } else {
        Filters::parse(args, &server.acl)?
    };
    let mut killed = 0;
    for victim in server.clients.ids_by_age() {
        let client = &mut server.clients[victim];
        if client.flags.contains(ClientFlags::CLOSE_NOW)
            || !filters.pass(client)
            || (victim == id && filters.spare_self)
        {
            continue;
        }
        server.close_after_reply(victim);
        killed += 1;
    }
    match by_address {
        true if killed == 0 => return Err(CommandError::new("ERR No such client")),
        true => server.reply(id).ok(),
        false => server.reply(id).integer(killed),
    }
    Ok(())
}
