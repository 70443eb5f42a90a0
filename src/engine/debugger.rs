//! Sessions of the debugger of scripts: SCRIPT DEBUG.
//!
//! A session is a child that has the client's connection and a copy of the data set; the server lets go of that
//! client and goes on. In sync mode it is the server itself that talks to the client, and everybody else waits.
//! Either way the connection is closed in the end.

use crate::resp::{CommandError, CommandResult};
use crate::script::debugger::Debugger;
use crate::server::system::{self, Fork};
use crate::server::{ClientFlags, ClientId, Server, logging};
use socket2::SockRef;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

/// Runs a script in a session.
pub fn session(
    server: &mut Server,
    id: ClientId,
    script: &[u8],
    run: impl FnOnce(&mut Server, &Rc<Debugger>) -> CommandResult,
) -> CommandResult {
    if server.execution.is_atomic() {
        // The others' commands would wait for the session, or the rest of this one's be lost.
        return Err(CommandError::new("ERR Can't debug a script within a transaction"));
    }
    let failed = |error| CommandError::err(format_args!("Can't debug: {error}"));
    let stream = &server.clients[id].stream;
    let connection = stream.duplicate().map_err(failed)?;
    let threshold_ms = server.config.busy_reply_threshold;
    let endless_after = (threshold_ms > 0).then(|| Duration::from_millis(threshold_ms));
    let debugger = Rc::new(Debugger::new(connection, script, endless_after));
    if server.clients[id].flags.contains(ClientFlags::DEBUGS_IN_SYNC) {
        begin(server, id, &debugger).map_err(failed)?;
        log::warn!("Redis synchronous debugging eval session started");
        let result = run(server, &debugger);
        debugger.end();
        server.clients[id].flags |= ClientFlags::CLOSE_AFTER_REPLY;
        log::warn!("Redis synchronous debugging eval session ended");
        SockRef::from(debugger.connection()).set_nonblocking(true).map_err(failed)?;
        return result;
    }
    match system::fork().map_err(failed)? {
        Fork::Child => in_child(server, id, &debugger, run),
        Fork::Parent(pid) => {
            server.scripts.debug_sessions.push(pid);
            // The child keeps the connection open: for as long the poll would have heard of it.
            let _ = server.clients[id].stream.deregister(&server.registry);
            server.close_client(id);
            Ok(())
        }
    }
}

/// Sends what the client was answered before its session.
fn begin(server: &mut Server, id: ClientId, debugger: &Debugger) -> io::Result<()> {
    // A session waits for its client. Both descriptors are of one connection.
    SockRef::from(debugger.connection()).set_nonblocking(false)?;
    send_replies(server, id, debugger)
}

fn send_replies(server: &mut Server, id: ClientId, debugger: &Debugger) -> io::Result<()> {
    let output = &mut server.clients[id].output;
    let sent = output.slices().try_for_each(|slice| debugger.connection().write_all(slice));
    output.clear();
    sent
}

/// All that the child does. What it changes, it changes in its own copy: it is the loop that writes to the
/// append-only file and sends to others, and the loop does not run here.
fn in_child(
    server: &mut Server,
    id: ClientId,
    debugger: &Rc<Debugger>,
    run: impl FnOnce(&mut Server, &Rc<Debugger>) -> CommandResult,
) -> ! {
    system::become_child([debugger.connection().as_raw_fd(); 2]);
    logging::in_child();
    log::warn!("Redis forked for debugging eval");
    // A panic must not unwind into what the server was about to do.
    let ended = catch_unwind(AssertUnwindSafe(|| {
        // If the client is gone, nobody wants what is sent.
        let _ = begin(server, id, debugger);
        let result = run(server, debugger);
        debugger.end();
        if let Err(error) = result {
            server.reply(id).error(&error);
        }
        let _ = send_replies(server, id, debugger);
    }));
    log::warn!("Lua debugging session child exiting");
    system::exit_at_once(ended.is_err() as i32)
}

/// Takes leave of sessions that have ended.
pub fn reap(server: &mut Server) {
    server.scripts.debug_sessions.retain(|&pid| system::wait_for_child(pid).is_none());
}

/// The server ends, and all sessions with it.
pub fn end_all(server: &mut Server) {
    for pid in server.scripts.debug_sessions.drain(..) {
        system::end_child(pid);
    }
}
