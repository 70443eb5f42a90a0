//! CLIENT TRACKING, CACHING, GETREDIR and TRACKINGINFO, over `server/tracking.rs`. All options are checked against
//! each other and against those of before, before any is taken.

use super::client;
use crate::commands::prelude::*;
use crate::resp::text::text_of;
use crate::server::tracking::ClientTracking;

/// What these subcommands have in common.
const SUBCOMMAND: Command = Command { flags: NOSCRIPT | LOADING | STALE, ..client::SUBCOMMAND };

pub const CACHING: Command = Command {
    name: "caching",
    summary: "Says whether what the next command reads is tracked",
    since: "6.0.0",
    arity: 3,
    args: "mode(yes=YES | no=NO)",
    handler: Handler::Server(caching),
    ..SUBCOMMAND
};

pub const GETREDIR: Command = Command {
    name: "getredir",
    summary: "Gives the connection that is told what this one tracks",
    since: "6.0.0",
    arity: 2,
    handler: Handler::Server(getredir),
    ..SUBCOMMAND
};

pub const TRACKING: Command = Command {
    name: "tracking",
    summary: "Chooses whether this connection is told which keys change",
    since: "6.0.0",
    arity: -3,
    args: "status(on=ON | off=OFF) client-id:int=REDIRECT? prefix:string=PREFIX?+* bcast=BCAST? optin=OPTIN? optout=OPTOUT? noloop=NOLOOP?",
    handler: Handler::Server(tracking),
    ..SUBCOMMAND
};

pub const TRACKINGINFO: Command = Command {
    name: "trackinginfo",
    summary: "Describes what this connection tracks",
    since: "6.2.0",
    arity: 2,
    handler: Handler::Server(trackinginfo),
    ..SUBCOMMAND
};

fn tracking(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let mut wanted = parse_options(server, args)?;
    match () {
        () if args.is(2, "on") => (),
        () if args.is(2, "off") => {
            server.stop_tracking(id);
            server.reply(id).ok();
            return Ok(());
        }
        () => return Err(CommandError::SYNTAX),
    }
    check_modes(&wanted, server.clients[id].tracking.as_deref())?;
    if wanted.broadcast {
        let known = server.clients[id].tracking.as_ref().map_or(&[][..], |own| &own.prefixes);
        check_prefixes(&wanted.prefixes, known)?;
        // Without a prefix, it is all keys.
        if wanted.prefixes.is_empty() {
            wanted.prefixes.push(Vec::new());
        }
        wanted.prefixes.retain(|prefix| !known.contains(prefix));
    }
    server.start_tracking(id, wanted);
    server.reply(id).ok();
    Ok(())
}

fn parse_options(server: &Server, args: &Args) -> Result<ClientTracking, CommandError> {
    const TWICE: CommandError = CommandError::new("ERR A client can only redirect to a single other client");
    const NO_SUCH_CLIENT: CommandError = CommandError::new("ERR The client ID you want redirect to does not exist");
    let mut wanted = ClientTracking::default();
    let mut at = 3;
    while at < args.len() {
        let more = at + 1 < args.len();
        match () {
            () if args.is(at, "redirect") && more => {
                at += 1;
                if wanted.redirect.is_some() {
                    return Err(TWICE);
                }
                let number = args.int(at)? as u64;
                let found = server.clients.iter().find(|client| client.number == number);
                wanted.redirect = Some((found.ok_or(NO_SUCH_CLIENT)?.id, number));
            }
            () if args.is(at, "prefix") && more => {
                at += 1;
                wanted.prefixes.push(args[at].to_vec());
            }
            () if args.is(at, "bcast") => wanted.broadcast = true,
            () if args.is(at, "optin") => wanted.opt_in = true,
            () if args.is(at, "optout") => wanted.opt_out = true,
            () if args.is(at, "noloop") => wanted.no_loop = true,
            () => return Err(CommandError::SYNTAX),
        }
        at += 1;
    }
    Ok(wanted)
}

fn check_modes(wanted: &ClientTracking, before: Option<&ClientTracking>) -> CommandResult {
    const SWITCHED: &str = "before disabling tracking for this client, and then re-enabling it with a different mode.";
    if !wanted.broadcast && !wanted.prefixes.is_empty() {
        return Err(CommandError::new("ERR PREFIX option requires BCAST mode to be enabled"));
    }
    if before.is_some_and(|before| before.broadcast != wanted.broadcast) {
        return Err(CommandError::err(format_args!("You can't switch BCAST mode on/off {SWITCHED}")));
    }
    if wanted.broadcast && (wanted.opt_in || wanted.opt_out) {
        return Err(CommandError::new("ERR OPTIN and OPTOUT are not compatible with BCAST"));
    }
    if wanted.opt_in && wanted.opt_out {
        return Err(CommandError::new("ERR You can't specify both OPTIN mode and OPTOUT mode"));
    }
    if before.is_some_and(|before| (wanted.opt_in && before.opt_out) || (wanted.opt_out && before.opt_in)) {
        return Err(CommandError::err(format_args!("You can't switch OPTIN/OPTOUT mode {SWITCHED}")));
    }
    Ok(())
}

/// A key must not have two prefixes of one client.
fn check_prefixes(wanted: &[Vec<u8>], known: &[Vec<u8>]) -> CommandResult {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let text = |bytes: &[u8]| text_of(bytes).into_owned();
    for (i, prefix) in wanted.iter().enumerate() {
        if let Some(other) = known.iter().find(|other| overlap(prefix, other)) {
            return Err(CommandError::err(format_args!(
                "Prefix '{}' overlaps with an existing prefix '{}'. Prefixes for a single client must not overlap.",
                text(prefix),
                text(other)
            )));
        }
        if let Some(other) = wanted[i + 1..].iter().find(|other| overlap(prefix, other)) {
            return Err(CommandError::err(format_args!(
                "Prefix '{}' overlaps with another provided prefix '{}'. Prefixes for a single client must not overlap.",
                text(prefix),
                text(other)
            )));
        }
    }
    Ok(())
}

fn caching(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let own = server.clients[id].tracking.as_deref_mut();
    let Some(own) = own else {
        return Err(CommandError::new(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    match () {
        () if args.is(2, "yes") && own.opt_in => (),
        () if args.is(2, "no") && own.opt_out => (),
        () if args.is(2, "yes") => {
            return Err(CommandError::new(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
        () if args.is(2, "no") => {
            return Err(CommandError::new(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
        () => return Err(CommandError::SYNTAX),
    }
    own.caching = true;
    server.reply(id).ok();
    Ok(())
}

/// The number of the client that gets the messages: 0 for this one, -1 if it does not track.
fn redirection(server: &Server, id: ClientId) -> i64 {
    let own = server.clients[id].tracking.as_ref();
    own.map_or(-1, |own| own.redirect.map_or(0, |(_, number)| number as i64))
}

fn getredir(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let redirection = redirection(server, id);
    server.reply(id).integer(redirection);
    Ok(())
}

fn trackinginfo(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let redirection = redirection(server, id);
    let own = server.clients[id].tracking.as_deref().cloned();
    let is_on = own.is_some();
    let own = own.unwrap_or_default();
    let flags = [
        (!is_on, "off"),
        (is_on, "on"),
        (own.broadcast, "bcast"),
        (own.opt_in, "optin"),
        (own.opt_in && own.caching, "caching-yes"),
        (own.opt_out, "optout"),
        (own.opt_out && own.caching, "caching-no"),
        (own.no_loop, "noloop"),
        (own.broken_redirect, "broken_redirect"),
    ];
    let flags: Vec<&str> = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect();
    let mut reply = server.reply(id);
    reply.map(3);
    reply.named("flags").set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.named("redirect").integer(redirection);
    reply.named("prefixes").bulks(own.prefixes.iter());
    Ok(())
}
