//! Publishing and subscribing, over `server/pubsub.rs`. Confirmations are pushes, not replies, so CLIENT REPLY
//! says nothing about them.

use super::prelude::*;
use crate::encoding::glob::glob_match;
use crate::engine::propagate::send_to_replicas;
use crate::server::pubsub::SubscriptionKind;

pub const COMMANDS: &[&Command] =
    &[&PSUBSCRIBE, &PUBLISH, &PUBSUB, &PUNSUBSCRIBE, &SPUBLISH, &SSUBSCRIBE, &SUBSCRIBE, &SUNSUBSCRIBE, &UNSUBSCRIBE];

pub const SUBSCRIBE: Command = Command {
    name: "subscribe",
    summary: "Listens to channels",
    since: "2.0.0",
    group: Group::PubSub,
    arity: -2,
    flags: flag::PUBSUB | NOSCRIPT | LOADING | STALE | IN_PUBSUB,
    args: "channel+",
    handler: Handler::Server(|server, id, args| subscribe(server, id, args, SubscriptionKind::Channel, b"subscribe")),
    ..Command::DEFAULT
};

pub const PSUBSCRIBE: Command = Command {
    name: "psubscribe",
    summary: "Listens to all channels that match patterns",
    args: "pattern:pattern+",
    handler: Handler::Server(|server, id, args| subscribe(server, id, args, SubscriptionKind::Pattern, b"psubscribe")),
    ..SUBSCRIBE
};

pub const SSUBSCRIBE: Command = Command {
    name: "ssubscribe",
    summary: "Listens to shard channels",
    since: "7.0.0",
    keys: &[KeySpec::range(1, -1, 1, NOT_KEY)],
    args: "shardchannel+",
    handler: Handler::Server(|server, id, args| {
        subscribe(server, id, args, SubscriptionKind::ShardChannel, b"ssubscribe")
    }),
    ..SUBSCRIBE
};

fn subscribe(server: &mut Server, id: ClientId, args: &Args, kind: SubscriptionKind, word: &[u8]) -> CommandResult {
    for name in args.from(1).iter() {
        server.subscribe(id, kind, name);
        confirm(server, id, kind, word, Some(name));
    }
    Ok(())
}

pub const UNSUBSCRIBE: Command = Command {
    name: "unsubscribe",
    summary: "Stops listening to channels",
    arity: -1,
    args: "channel?+",
    handler: Handler::Server(|server, id, args| {
        unsubscribe(server, id, args, SubscriptionKind::Channel, b"unsubscribe")
    }),
    ..SUBSCRIBE
};

pub const PUNSUBSCRIBE: Command = Command {
    name: "punsubscribe",
    summary: "Stops listening to channels that match patterns",
    args: "pattern:pattern?+",
    handler: Handler::Server(|server, id, args| {
        unsubscribe(server, id, args, SubscriptionKind::Pattern, b"punsubscribe")
    }),
    ..UNSUBSCRIBE
};

pub const SUNSUBSCRIBE: Command = Command {
    name: "sunsubscribe",
    summary: "Stops listening to shard channels",
    arity: -1,
    args: "shardchannel?+",
    handler: Handler::Server(|server, id, args| {
        unsubscribe(server, id, args, SubscriptionKind::ShardChannel, b"sunsubscribe")
    }),
    ..SSUBSCRIBE
};

fn unsubscribe(server: &mut Server, id: ClientId, args: &Args, kind: SubscriptionKind, word: &[u8]) -> CommandResult {
    for name in args.from(1).iter() {
        server.unsubscribe(id, kind, name);
        confirm(server, id, kind, word, Some(name));
    }
    if args.len() > 1 {
        return Ok(());
    }
    let all = server.clients[id].subscriptions.as_ref().map(|own| own.of(kind).clone()).unwrap_or_default();
    if all.is_empty() {
        confirm(server, id, kind, word, None);
    }
    for name in all {
        server.unsubscribe(id, kind, &name);
        confirm(server, id, kind, word, Some(&name));
    }
    Ok(())
}

/// Confirms one subscription or its end, with the number of subscriptions left.
fn confirm(server: &mut Server, id: ClientId, kind: SubscriptionKind, word: &[u8], name: Option<&[u8]>) {
    server.clients[id].flags |= ClientFlags::PUSHED;
    let count = server.clients[id].subscriptions.as_ref().map_or(0, |own| own.count(kind));
    let mut reply = server.reply(id);
    reply.push(3);
    reply.bulk(word);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.integer(count as i64);
}

pub const PUBLISH: Command = Command {
    name: "publish",
    summary: "Sends a message to those who listen to a channel",
    since: "2.0.0",
    group: Group::PubSub,
    arity: 3,
    flags: flag::PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE,
    args: "channel message",
    handler: Handler::Server(|server, id, args| publish(server, id, args, Server::publish)),
    ..Command::DEFAULT
};

fn publish(
    server: &mut Server,
    id: ClientId,
    args: &Args,
    send: fn(&mut Server, &[u8], &[u8]) -> usize,
) -> CommandResult {
    let receivers = send(server, &args[1], &args[2]);
    send_to_replicas(server, server.clients[id].db, args);
    server.reply(id).integer(receivers as i64);
    Ok(())
}

pub const SPUBLISH: Command = Command {
    name: "spublish",
    summary: "Sends a message to those who listen to a shard channel",
    since: "7.0.0",
    keys: &[KeySpec::one(1, NOT_KEY)],
    args: "shardchannel message",
    handler: Handler::Server(|server, id, args| publish(server, id, args, Server::publish_to_shard)),
    ..PUBLISH
};

/// What all subcommands have in common.
const SUBCOMMAND: Command = Command { group: Group::PubSub, flags: flag::PUBSUB | LOADING | STALE, ..Command::DEFAULT };

pub const PUBSUB: Command = Command {
    name: "pubsub",
    summary: "Commands about who listens to what",
    since: "2.8.0",
    group: Group::PubSub,
    arity: -2,
    subcommands: &[
        Command {
            name: "numpat",
            summary: "Counts the patterns that are listened to",
            since: "2.8.0",
            arity: 2,
            handler: Handler::Server(numpat),
            ..SUBCOMMAND
        },
        Command::help("6.2.0", Group::PubSub, 0, help),
        Command {
            name: "channels",
            summary: "Lists the channels that somebody listens to",
            since: "2.8.0",
            arity: -2,
            args: "pattern:pattern?",
            handler: Handler::Server(|server, id, args| channels(server, id, args, SubscriptionKind::Channel)),
            ..SUBCOMMAND
        },
        Command {
            name: "shardchannels",
            summary: "Lists the shard channels that somebody listens to",
            since: "7.0.0",
            arity: -2,
            args: "pattern:pattern?",
            handler: Handler::Server(|server, id, args| channels(server, id, args, SubscriptionKind::ShardChannel)),
            ..SUBCOMMAND
        },
        Command {
            name: "numsub",
            summary: "Counts those who listen to channels",
            since: "2.8.0",
            arity: -2,
            args: "channel?+",
            handler: Handler::Server(|server, id, args| numsub(server, id, args, SubscriptionKind::Channel)),
            ..SUBCOMMAND
        },
        Command {
            name: "shardnumsub",
            summary: "Counts those who listen to shard channels",
            since: "7.0.0",
            arity: -2,
            args: "shardchannel?+",
            handler: Handler::Server(|server, id, args| numsub(server, id, args, SubscriptionKind::ShardChannel)),
            ..SUBCOMMAND
        },
    ],
    ..Command::DEFAULT
};

fn numpat(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let count = server.pubsub.of(SubscriptionKind::Pattern).len();
    server.reply(id).integer(count as i64);
    Ok(())
}

fn channels(server: &mut Server, id: ClientId, args: &Args, kind: SubscriptionKind) -> CommandResult {
    if args.len() > 3 {
        let subcommand = args.text(1);
        return Err(CommandError::err(format_args!(
            "unknown subcommand or wrong number of arguments for '{subcommand}'. Try PUBSUB HELP."
        )));
    }
    let pattern = (args.len() > 2).then(|| args.get(2));
    let matches = |name: &&bytes::Bytes| pattern.is_none_or(|pattern| glob_match(pattern, name, false));
    let names: Vec<_> = server.pubsub.of(kind).keys().filter(matches).cloned().collect();
    server.reply(id).bulks(names.iter());
    Ok(())
}

fn numsub(server: &mut Server, id: ClientId, args: &Args, kind: SubscriptionKind) -> CommandResult {
    let names = args.from(2);
    let all = server.pubsub.of(kind);
    let counts: Vec<usize> =
        names.iter().map(|name| all.get(name).map_or(0, |subscribers| subscribers.len())).collect();
    let mut reply = server.reply(id);
    reply.array(2 * names.len());
    for (name, count) in names.iter().zip(counts) {
        reply.bulk(name);
        reply.integer(count as i64);
    }
    Ok(())
}

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help(
        "pubsub",
        &[
            "CHANNELS [<pattern>]",
            "    List the channels that somebody listens to, or those of them that match.",
            "NUMPAT",
            "    Count the patterns that are listened to.",
            "NUMSUB [<channel> ...]",
            "    Count those who listen to each channel, patterns left out.",
            "SHARDCHANNELS [<pattern>]",
            "    List the shard channels that somebody listens to, or those of them that match.",
            "SHARDNUMSUB [<channel> ...]",
            "    Count those who listen to each shard channel.",
        ],
    );
    Ok(())
}
