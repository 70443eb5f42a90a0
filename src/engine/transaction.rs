//! MULTI and EXEC: commands are queued once they have passed the gates, and run one after the other.
//! Their changes are propagated as a whole, and clients blocked on keys are served after it.

use super::call::{apply_reply_mode, call};
use super::dispatch::flags_of;
use super::propagate::end_transaction;
use crate::keyspace::Commands;
use crate::resp::{Args, CommandError, CommandResult};
use crate::server::acl::{Context, Denied};
use crate::server::command_table::Found;
use crate::server::{ClientId, Server};

/// Queues a command that passed the gates.
pub fn queue(server: &mut Server, id: ClientId, found: Found, args: &Args) {
    let flags = flags_of(server, found.command, args);
    let client = &mut server.clients[id];
    let mark = client.output.mark();
    client.last_command = Some(found.index);
    let Some(multi) = &mut client.multi else { return };
    // A command that EXEC will not run anyway is not kept.
    if !multi.aborted && !client.watch_failed {
        multi.flags |= flags;
        multi.lacks |= !flags;
        multi.queued.push((found, args.to_owned()));
    }
    server.reply(id).simple("QUEUED");
    apply_reply_mode(server, id, mark);
}

/// Answers a queued command that the client's user was allowed when it was queued, but is no more.
#[cold]
fn refuse(server: &mut Server, id: ClientId, denied: Denied) {
    let reason = match denied {
        Denied::Command => "no permission to execute the command or subcommand",
        Denied::Key(_) => "no permission to touch the specified keys",
        Denied::Channel(_) => "no permission to access one of the channels used as arguments to the command",
    };
    let error = CommandError::coded(format!(
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: {reason}"
    ));
    server.stats.count_error(error.code());
    server.reply(id).error(&error);
}

/// EXEC.
pub fn execute(server: &mut Server, id: ClientId) -> CommandResult {
    const WITHOUT_MULTI: CommandError = CommandError::new("ERR EXEC without MULTI");
    const ABORTED: CommandError = CommandError::new("EXECABORT Transaction discarded because of previous errors.");
    if server.clients[id].multi.is_none() {
        return Err(WITHOUT_MULTI);
    }
    let has_changed = server.has_watched_key_changed(id);
    let multi = server.discard_transaction(id).ok_or(WITHOUT_MULTI)?;
    if multi.aborted {
        return Err(ABORTED);
    }
    if has_changed {
        server.reply(id).null_array();
        return Ok(());
    }
    server.reply(id).array(multi.queued.len());
    server.execution.also_propagate = Some(Commands::default());
    for (found, request) in &multi.queued {
        if let Err(denied) = server.check_access(id, *found, &request.args(), Context::Multi) {
            refuse(server, id, denied);
            continue;
        }
        call(server, id, *found, &request.args());
        // SHUTDOWN NOSAVE ended a script in it half way: all it did is gone.
        if server.shutdown.prepared {
            return Ok(());
        }
    }
    end_transaction(server);
    // Clients that wait for its keys are served in a time of their own: a key may have expired meanwhile.
    if !server.keyspace.effects.ready.is_empty() {
        server.refresh_time();
    }
    server.clients[id].write_offset = server.replication.stream.offset();
    Ok(())
}
