//! SAVE and LASTSAVE.

use crate::commands::prelude::*;
use crate::engine::snapshot;

pub const SAVE: Command = Command {
    name: "save",
    summary: "Saves the data set, and answers when it is on the disk",
    group: Group::Server,
    flags: ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI,
    handler: Handler::Server(save),
    ..Command::DEFAULT
};

fn save(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    if server.persistence.snapshot_runs() {
        return Err(CommandError::SAVE_IN_PROGRESS);
    }
    // COMPAT: an error that says nothing; the log does.
    snapshot::save(server).map_err(|_| CommandError::new("ERR"))?;
    server.reply(id).ok();
    Ok(())
}

pub const LASTSAVE: Command = Command {
    name: "lastsave",
    summary: "Gives the time of the last save",
    group: Group::Server,
    flags: LOADING | STALE | FAST,
    categories: category::ADMIN | category::DANGEROUS,
    tips: &["nondeterministic_output"],
    handler: Handler::Server(lastsave),
    ..Command::DEFAULT
};

fn lastsave(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let saved_at = server.persistence.snapshots.last_unix_s;
    server.reply(id).integer(saved_at);
    Ok(())
}
