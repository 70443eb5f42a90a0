//! AUTH and HELLO: a client's user, and the version of the protocol that it speaks.

use super::client::check_name;
use crate::commands::prelude::*;
use crate::config::REDIS_VERSION;
use crate::server::acl::DEFAULT_USER;

pub const AUTH: Command = Command {
    name: "auth",
    summary: "Identifies the client by a password",
    group: Group::Connection,
    arity: -2,
    flags: NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
    categories: category::CONNECTION,
    args: "username?^6.0.0 password",
    secrets: Some(|args| (1..args.len()).collect()),
    handler: Handler::Server(auth),
    ..Command::DEFAULT
};

fn auth(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    match args.len() {
        2 if server.acl.default_user().nopass => return Err(NO_PASSWORD),
        2 => server.authenticate(id, DEFAULT_USER, &args[1], &args[0])?,
        3 => server.authenticate(id, &args[1], &args[2], &args[0])?,
        _ => return Err(CommandError::SYNTAX),
    }
    server.reply(id).ok();
    Ok(())
}

const NO_PASSWORD: CommandError = CommandError::new(
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
);

pub const HELLO: Command = Command {
    name: "hello",
    summary: "Chooses the protocol version and introduces the client",
    since: "6.0.0",
    group: Group::Connection,
    arity: -1,
    flags: NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
    categories: category::CONNECTION,
    args: "arguments{protover:int auth{username password}=AUTH? clientname:string=SETNAME?}?",
    secrets: Some(hello_secrets),
    handler: Handler::Server(hello),
    ..Command::DEFAULT
};

/// The user and the password after AUTH.
fn hello_secrets(args: &Args) -> Vec<usize> {
    let auth = (2..args.len()).find(|&at| args.is(at, "auth"));
    auth.map_or(Vec::new(), |at| (at + 1..(at + 3).min(args.len())).collect())
}

fn hello(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let resp3 = if args.len() > 1 { Some(protocol(args)?) } else { None };
    let (mut credentials, mut name) = (None, None);
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "auth") && at + 2 < args.len() {
            credentials = Some((args.get(at + 1), args.get(at + 2)));
            at += 3;
        } else if args.is(at, "setname") && at + 1 < args.len() {
            check_name(args.get(at + 1))?;
            name = Some(args.get(at + 1));
            at += 2;
        } else {
            let option = args.text(at);
            return Err(CommandError::err(format_args!("Syntax error in HELLO option '{option}'")));
        }
    }
    if let Some((user, password)) = credentials {
        server.authenticate(id, user, password, &args[0])?;
    }
    if !server.clients[id].authenticated {
        return Err(MUST_BE_AUTHENTICATED);
    }
    let client = &mut server.clients[id];
    if let Some(name) = name {
        client.name = name.to_vec();
    }
    client.resp3 = resp3.unwrap_or(client.resp3);
    let (resp3, number) = (client.resp3, client.number);
    let mut reply = server.reply(id);
    reply.map(7);
    for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.named("proto").integer(if resp3 { 3 } else { 2 });
    reply.named("id").integer(number as i64);
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.named("modules").array(0);
    Ok(())
}

/// Whether the version asked for is the third.
fn protocol(args: &Args) -> Result<bool, CommandError> {
    const NOT_INTEGER: CommandError = CommandError::new("ERR Protocol version is not an integer or out of range");
    match args.int(1).map_err(|_| NOT_INTEGER)? {
        2 => Ok(false),
        3 => Ok(true),
        _ => Err(CommandError::new("NOPROTO unsupported protocol version")),
    }
}

const MUST_BE_AUTHENTICATED: CommandError = CommandError::new(
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
);
