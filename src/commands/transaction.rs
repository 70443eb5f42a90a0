//! MULTI, EXEC, DISCARD, WATCH and UNWATCH. `engine/transaction.rs` queues commands and runs them,
//! `server/transactions.rs` keeps the queue and the watched keys of a client.
//!
//! All but UNWATCH are `never_queued`: they run at once even after MULTI.

use super::prelude::*;
use crate::engine::transaction::execute;
use crate::server::transactions::Transaction;

pub const COMMANDS: &[&Command] = &[&DISCARD, &EXEC, &MULTI, &UNWATCH, &WATCH];

pub const MULTI: Command = Command {
    name: "multi",
    summary: "Begins a transaction",
    since: "1.2.0",
    group: Group::Transactions,
    flags: NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
    categories: category::TRANSACTION,
    never_queued: true,
    handler: Handler::Server(multi),
    ..Command::DEFAULT
};

fn multi(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    if server.clients[id].multi.is_some() {
        return Err(CommandError::new("ERR MULTI calls can not be nested"));
    }
    server.clients[id].multi = Some(Box::<Transaction>::default());
    server.reply(id).ok();
    Ok(())
}

pub const EXEC: Command = Command {
    name: "exec",
    summary: "Runs the commands of a transaction",
    since: "1.2.0",
    group: Group::Transactions,
    flags: NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG,
    categories: category::TRANSACTION,
    never_queued: true,
    handler: Handler::Server(|server, id, _| execute(server, id)),
    ..Command::DEFAULT
};

pub const DISCARD: Command = Command {
    name: "discard",
    summary: "Forgets the commands of a transaction",
    since: "2.0.0",
    group: Group::Transactions,
    flags: NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
    categories: category::TRANSACTION,
    never_queued: true,
    handler: Handler::Server(discard),
    ..Command::DEFAULT
};

fn discard(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    if server.clients[id].multi.is_none() {
        return Err(CommandError::new("ERR DISCARD without MULTI"));
    }
    server.discard_transaction(id);
    server.reply(id).ok();
    Ok(())
}

pub const WATCH: Command = Command {
    name: "watch",
    summary: "Makes the next transaction fail if one of these keys changes before it runs",
    since: "2.2.0",
    group: Group::Transactions,
    arity: -2,
    flags: NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
    categories: category::TRANSACTION,
    keys: &[KeySpec::range(1, -1, 1, RO)],
    args: "key:key#0+",
    never_queued: true,
    handler: Handler::Server(watch),
    ..Command::DEFAULT
};

fn watch(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    if server.clients[id].multi.is_some() {
        return Err(CommandError::new("ERR WATCH inside MULTI is not allowed"));
    }
    args.from(1).iter().for_each(|key| server.watch_key(id, key));
    server.reply(id).ok();
    Ok(())
}

pub const UNWATCH: Command = Command {
    name: "unwatch",
    summary: "Watches no keys any more",
    since: "2.2.0",
    group: Group::Transactions,
    flags: NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
    categories: category::TRANSACTION,
    handler: Handler::Server(unwatch),
    ..Command::DEFAULT
};

fn unwatch(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    server.unwatch(id);
    server.reply(id).ok();
    Ok(())
}
