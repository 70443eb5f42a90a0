//! BGSAVE and BGREWRITEAOF: asking for work of a forked child (`engine/child.rs`).

use crate::commands::prelude::*;
use crate::engine::rewrite::{self, CANNOT_START, STARTED};
use crate::engine::snapshot;
use crate::server::ClientFlags;

pub const BGSAVE: Command = Command {
    name: "bgsave",
    summary: "Has a child save a snapshot of the data set",
    group: Group::Server,
    arity: -1,
    flags: ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
    args: "schedule=SCHEDULE?^3.2.2",
    handler: Handler::Server(bgsave),
    ..Command::DEFAULT
};

fn bgsave(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let schedule = match args.len() {
        1 => false,
        2 if args.is(1, "schedule") => true,
        _ => return Err(CommandError::SYNTAX),
    };
    if server.persistence.snapshot_runs() {
        return Err(CommandError::SAVE_IN_PROGRESS);
    }
    let in_transaction = server.execution.is_atomic();
    if server.persistence.is_busy() || in_transaction {
        if !schedule && !in_transaction {
            return Err(CommandError::new(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.",
            ));
        }
        server.persistence.snapshots.scheduled = true;
        server.reply(id).simple("Background saving scheduled");
        return Ok(());
    }
    snapshot::save_in_background(server).map_err(|_| CommandError::new("ERR"))?;
    server.reply(id).simple("Background saving started");
    Ok(())
}

pub const BGREWRITEAOF: Command = Command {
    name: "bgrewriteaof",
    summary: "Has a child rewrite the append-only file, as short as can be",
    group: Group::Server,
    flags: ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
    handler: Handler::Server(bgrewriteaof),
    ..Command::DEFAULT
};

fn bgrewriteaof(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    if server.persistence.rewrite_runs() {
        return Err(CommandError::new("ERR Background append only file rewriting already in progress"));
    }
    if server.persistence.is_busy() || server.execution.is_atomic() {
        server.persistence.rewrites.scheduled = true;
        // A rewrite that is asked for does not wait for the delay after a failed one.
        server.persistence.rewrites.failures_in_a_row = 0;
        server.reply(id).simple("Background append only file rewriting scheduled");
        return Ok(());
    }
    match rewrite::start(server, Some(id)) {
        Ok(true) => server.reply(id).simple(STARTED),
        Ok(false) => server.clients[id].flags |= ClientFlags::BLOCKED,
        Err(_) => return Err(CANNOT_START),
    }
    Ok(())
}
