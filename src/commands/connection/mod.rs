//! Commands about the connection itself.
//!
//! * `auth`        AUTH and HELLO
//! * `client`      CLIENT
//! * `client_list` how CLIENT LIST describes a client
//! * `client_kill` CLIENT KILL
//! * `client_tracking` CLIENT TRACKING

mod auth;
mod client;
mod client_kill;
mod client_list;
mod client_tracking;

use super::prelude::*;
use crate::server::ReplyMode;

pub const COMMANDS: &[&Command] = &[&auth::AUTH, &client::CLIENT, &ECHO, &auth::HELLO, &PING, &QUIT, &RESET, &SELECT];

pub const PING: Command = Command {
    name: "ping",
    summary: "Answers that the connection is alive",
    group: Group::Connection,
    arity: -1,
    flags: FAST | IN_PUBSUB,
    categories: category::CONNECTION,
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    args: "message?",
    handler: Handler::Data(ping),
    ..Command::DEFAULT
};

fn ping(ctx: &mut DataContext, args: &Args) -> CommandResult {
    match args.len() {
        1 | 2 if ctx.only_listens() => {
            // A subscribed client of RESP2 expects a message.
            ctx.reply.array(2);
            ctx.reply.bulk(b"pong");
            ctx.reply.bulk(if args.len() > 1 { &args[1] } else { b"" });
        }
        1 => ctx.reply.raw(b"+PONG\r\n"),
        2 => ctx.reply.bulk(&args[1]),
        _ => return Err(CommandError::wrong_arity("ping")),
    }
    Ok(())
}

pub const ECHO: Command = Command {
    name: "echo",
    summary: "Gives the message back",
    group: Group::Connection,
    arity: 2,
    flags: LOADING | STALE | FAST,
    categories: category::CONNECTION,
    args: "message",
    handler: Handler::Data(echo),
    ..Command::DEFAULT
};

fn echo(ctx: &mut DataContext, args: &Args) -> CommandResult {
    ctx.reply.bulk(&args[1]);
    Ok(())
}

pub const SELECT: Command = Command {
    name: "select",
    summary: "Chooses the database that later commands work on",
    group: Group::Connection,
    arity: 2,
    flags: LOADING | STALE | FAST,
    categories: category::CONNECTION,
    args: "index:int",
    handler: Handler::Server(select),
    ..Command::DEFAULT
};

fn select(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    server.clients[id].db = args.db(1, server.keyspace.databases())?;
    server.reply(id).ok();
    Ok(())
}

pub const QUIT: Command = Command {
    name: "quit",
    summary: "Closes the connection after the replies under way",
    group: Group::Connection,
    arity: -1,
    flags: NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY | IN_PUBSUB,
    categories: category::CONNECTION,
    deprecated: Some(("7.2.0", "just closing the connection")),
    never_queued: true,
    handler: Handler::Server(quit),
    ..Command::DEFAULT
};

fn quit(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    server.reply(id).ok();
    server.clients[id].flags |= ClientFlags::CLOSE_AFTER_REPLY;
    Ok(())
}

pub const RESET: Command = Command {
    name: "reset",
    summary: "Makes the connection as good as new",
    since: "6.2.0",
    group: Group::Connection,
    flags: NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY | IN_PUBSUB,
    categories: category::CONNECTION,
    never_queued: true,
    handler: Handler::Server(reset),
    ..Command::DEFAULT
};

fn reset(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let user = server.acl.default_user().clone();
    let client = &mut server.clients[id];
    client.db = 0;
    client.resp3 = false;
    client.name.clear();
    client.authenticated = user.needs_no_password();
    client.user = user;
    client.reply_mode = ReplyMode::On;
    client.flags -= ClientFlags::NO_EVICT | ClientFlags::NO_TOUCH | ClientFlags::MONITOR;
    server.discard_transaction(id);
    server.unsubscribe_all(id);
    server.stop_tracking(id);
    server.monitors.retain(|&monitor| monitor != id);
    server.reply(id).simple("RESET");
    Ok(())
}
