//! SHUTDOWN: its options. `engine/shutdown.rs` saves, waits for replicas and ends the server; a client whose
//! SHUTDOWN succeeds gets no reply.

use crate::commands::prelude::*;
use crate::engine::shutdown::{FAILED, Shutdown, call_off, shut_down, wait_for_end};
use crate::server::shutdown::ShutdownOptions;

pub const SHUTDOWN: Command = Command {
    name: "shutdown",
    summary: "Ends the server",
    group: Group::Server,
    arity: -1,
    flags: ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY,
    args: "save-selector(nosave=NOSAVE | save=SAVE)? now=NOW?^7.0.0 force=FORCE?^7.0.0 abort=ABORT?^7.0.0",
    handler: Handler::Server(shutdown),
    ..Command::DEFAULT
};

fn shutdown(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let mut options = ShutdownOptions::default();
    let mut abort = false;
    for at in 1..args.len() {
        match () {
            _ if args.is(at, "nosave") && options.save != Some(true) => options.save = Some(false),
            _ if args.is(at, "save") && options.save != Some(false) => options.save = Some(true),
            _ if args.is(at, "now") => options.now = true,
            _ if args.is(at, "force") => options.force = true,
            _ if args.is(at, "abort") => abort = true,
            _ => return Err(CommandError::SYNTAX),
        }
    }
    if abort {
        if options != ShutdownOptions::default() {
            return Err(CommandError::SYNTAX);
        }
        if !call_off(server) {
            return Err(CommandError::new("ERR No shutdown in progress."));
        }
        server.reply(id).ok();
        return Ok(());
    }
    match shut_down(server, options) {
        Shutdown::Now => (),
        Shutdown::Waits => wait_for_end(server, id),
        Shutdown::Failed => return Err(FAILED),
    }
    // COMPAT: the closed connection is the reply.
    Ok(())
}
