//! MONITOR: makes the client a monitor. `engine/observe.rs` shows it the commands that run.

use crate::commands::prelude::*;

pub const MONITOR: Command = Command {
    name: "monitor",
    summary: "Shows all commands that run from now on",
    group: Group::Server,
    flags: ADMIN | NOSCRIPT | LOADING | STALE,
    handler: Handler::Server(monitor),
    ..Command::DEFAULT
};

fn monitor(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    if server.execution.is_atomic() || server.clients[id].flags.contains(ClientFlags::INTERNAL) {
        return Err(CommandError::new("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    // COMPAT: a second one is not even answered.
    if !server.monitors.contains(&id) {
        server.monitors.push(id);
        server.clients[id].flags |= ClientFlags::MONITOR;
        server.reply(id).ok();
    }
    Ok(())
}
