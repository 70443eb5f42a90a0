//! A client's request on its way to its handler: looked up, let through the gates, then queued (after
//! MULTI) or run.
//!
//! The gates, in Redis's order; the first that is closed answers:
//!
//!  1. the command exists, with this subcommand and this number of arguments
//!  2. the server's own clients and the primary's stream pass all gates
//!  3. authentication: NOAUTH
//!  4. DEBUG is allowed
//!  5. the command may be queued, after MULTI
//!  6. the user's permissions: NOPERM
//!  7. memory, after evicting: OOM
//!  8. the disk, for writes and PING: MISCONF
//!  9. replication, for writes: READONLY, NOREPLICAS
//! 10. a subscribed client of RESP2 may do little else
//! 11. a replica without its primary: MASTERDOWN
//! 12. loading: LOADING
//! 13. a script that takes long: BUSY
//! 14. replicas and monitors do not touch the keyspace
//! 15. a pause holds the request back, without an answer
//!
//! A refused command of a transaction makes EXEC fail; a refused EXEC discards the transaction.

use super::call::call;
use super::memory;
use super::replication::{apply, serve};
use super::script::flags_of_script;
use super::transaction;
use crate::config::CommandAccess;
use crate::resp::text::{bytes_of, text_of};
use crate::resp::{Args, CommandError, CommandResult};
use crate::server::acl::{Context, Denied};
use crate::server::command::{Command, flag};
use crate::server::command_table::Found;
use crate::server::loading::LoadMode;
use crate::server::pause::Pause;
use crate::server::{ClientFlags, ClientId, Server};

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Done,
    /// The request has to wait; keep it and the client's requests after it.
    Held,
    /// The client waits for keys; keep its requests after this one.
    Blocked,
}

/// Runs one request of a client. The reply, or an error, is in the client's output afterwards.
#[inline]
pub fn dispatch(server: &mut Server, id: ClientId, args: &Args) -> Outcome {
    match server.commands.find(args.get(0)) {
        Some(found) => dispatch_found(server, id, found, args),
        // A web page can make a browser send HTTP here, with commands in what it posts.
        None if args.is(0, "post") || args.is(0, "host:") => {
            log::warn!(
                "Closing a client that speaks HTTP, for it may do so on behalf of others: {}",
                server.clients[id].addr
            );
            server.close_client(id);
            Outcome::Done
        }
        None => {
            let mark = serve::mark_of_replica(server, id);
            refuse(server, id, None, unknown_command(args));
            serve::expect_no_reply(server, id, mark, args);
            Outcome::Done
        }
    }
}

/// As [`dispatch`], for a request whose command was looked up when it was batched.
#[inline]
pub fn dispatch_found(server: &mut Server, id: ClientId, found: Found, args: &Args) -> Outcome {
    let mark = serve::mark_of_replica(server, id);
    let outcome = pass_gates(server, id, found, args);
    serve::expect_no_reply(server, id, mark, args);
    outcome
}

#[inline]
fn pass_gates(server: &mut Server, id: ClientId, found: Found, args: &Args) -> Outcome {
    let found = match resolve(server, found, args) {
        Ok(found) => found,
        Err(error) => {
            refuse(server, id, Some(found), error);
            return Outcome::Done;
        }
    };
    match gates(server, id, found, args) {
        Ok(Outcome::Done) if server.clients[id].multi.is_some() && !found.command.never_queued => {
            transaction::queue(server, id, found, args);
        }
        Ok(Outcome::Done) => {
            call(server, id, found, args);
            if server.clients.get(id).is_some_and(|client| client.flags.contains(ClientFlags::BLOCKED)) {
                return Outcome::Blocked;
            }
        }
        Ok(outcome) => return outcome,
        Err(error) => refuse(server, id, Some(found), error),
    }
    Outcome::Done
}

/// Whether the client's data commands need not be held against the gates one by one.
pub fn gates_are_open(server: &Server, id: ClientId) -> bool {
    let Some(client) = server.clients.get(id) else { return false };
    (is_unrestricted(server) || client.flags.contains(ClientFlags::PRIMARY))
        && server.monitors.is_empty()
        && client.authenticated
        && client.user.is_unrestricted()
        && client.tracking.is_none()
        && client.multi.is_none()
        && !client.only_listens()
        && !client.flags.contains(ClientFlags::REPLICA)
}

/// Whether the state of the server holds no command back, whatever the command does.
fn is_unrestricted(server: &Server) -> bool {
    server.loading.mode == LoadMode::None
        && !server.is_paused()
        && !server.scripts.is_busy()
        && server.write_error().is_none()
        && server.replication.primary.is_none()
        && server.config.min_replicas_to_write == 0
}

/// Finds the subcommand where there is one, and checks the number of arguments.
#[inline]
pub fn resolve(server: &Server, found: Found, args: &Args) -> Result<Found, CommandError> {
    let mut found = found;
    if !found.command.subcommands.is_empty() && args.len() > 1 {
        found = server
            .commands
            .find_subcommand(found, args.get(1))
            .ok_or_else(|| CommandError::unknown_subcommand(args.get(1), found.command.name))?;
    }
    if !found.command.accepts(args.len()) {
        return Err(CommandError::wrong_arity(server.commands.full_name(found.index)));
    }
    Ok(found)
}

/// The error for a command that does not exist.
pub fn unknown_command(args: &Args) -> CommandError {
    /// Bytes shown of the name, and of all arguments together.
    const SHOWN_MAX: usize = 128;
    let shown = |bytes: &[u8], max: usize| text_of(&bytes[..bytes.len().min(max)]).into_owned();
    let mut arguments = String::new();
    for argument in args.iter().skip(1) {
        let left = SHOWN_MAX.saturating_sub(bytes_of(&arguments).len());
        if left == 0 {
            break;
        }
        arguments += &format!("'{}' ", shown(argument, left));
    }
    let name = shown(args.get(0), SHOWN_MAX);
    CommandError::err(format_args!("unknown command '{name}', with args beginning with: {arguments}"))
}

/// Flags that open a gate, others close one: EXEC has them only if every queued command does.
const LENIENT: u32 = flag::STALE | flag::LOADING;

#[inline]
fn gates(server: &mut Server, id: ClientId, found: Found, args: &Args) -> Result<Outcome, CommandError> {
    if server.clients[id].flags.intersects(ClientFlags::INTERNAL | ClientFlags::PRIMARY) {
        return Ok(Outcome::Done);
    }
    check_caller(server, id, found, args)?;
    let flags = check_memory(server, id, found.command, args)?;
    check_state(server, id, found, flags)?;
    // COMPAT: a pause of all holds back even CLIENT UNPAUSE.
    let changes = flags & (flag::WRITE | flag::MAY_REPLICATE) != 0;
    let is_held = server.pause.asked.is_some_and(|(pause, _)| pause == Pause::All) || (changes && server.is_paused());
    // A replica's own connection is not held: its REPLCONF ACK says how far it is.
    if is_held && !server.clients[id].flags.contains(ClientFlags::REPLICA) {
        return Ok(Outcome::Held);
    }
    Ok(Outcome::Done)
}

/// Refuses what the client may not send.
#[inline]
fn check_caller(server: &mut Server, id: ClientId, found: Found, args: &Args) -> Result<(), CommandError> {
    let command = found.command;
    let client = &server.clients[id];
    if !client.authenticated && !command.has(flag::NO_AUTH) && !server.acl.default_user().needs_no_password() {
        return Err(CommandError::NO_AUTH);
    }
    if command.system && command.name == "debug" {
        debug_allowed(server, id)?;
    }
    if client.multi.is_some() && command.has(flag::NO_MULTI) {
        return Err(CommandError::new("ERR Command not allowed inside a transaction"));
    }
    if !client.user.is_unrestricted() {
        check_access(server, id, found, args)?;
    }
    Ok(())
}

/// Makes room, and refuses what takes memory if there is none. Gives the command's flags, as far as gates go by them.
#[inline]
fn check_memory(server: &mut Server, id: ClientId, command: &Command, args: &Args) -> Result<u32, CommandError> {
    if server.tracking.clients() > 0 {
        server.limit_tracked_keys();
    }
    let has_room = memory::make_room(server);
    if server.clients[id].is_closing() {
        // It was evicted for its own memory, and its transaction with it.
        return Err(CommandError::OOM);
    }
    // The commands of a script are held against it as it was when the script started.
    server.memory.exhausted = !has_room;
    let client = &server.clients[id];
    // EXEC is checked with the flags of its queued commands.
    let flags = match &client.multi {
        Some(multi) if command.name == "exec" => (command.flags | multi.flags) & !(multi.lacks & LENIENT),
        // The flags that a script declares matter only if some gate is closed.
        _ if has_room && is_unrestricted(server) => command.flags,
        _ => flags_of(server, command, args),
    };
    // A queued command takes memory, whatever it does.
    let is_queued = client.multi.is_some() && !command.never_queued && command.name != "unwatch";
    if !has_room && (flags & flag::DENYOOM != 0 || is_queued) {
        return Err(CommandError::OOM);
    }
    Ok(flags)
}

/// Refuses what the server cannot do at present.
#[inline]
fn check_state(server: &Server, id: ClientId, found: Found, flags: u32) -> Result<(), CommandError> {
    let command = found.command;
    let client = &server.clients[id];
    let writes = flags & flag::WRITE != 0;
    // PING is refused as well, so that health checks notice.
    if (writes || command.name == "ping")
        && let Some(error) = server.write_error()
    {
        return Err(error);
    }
    if writes {
        replication_allows_writes(server)?;
    }
    if client.only_listens() && !command.has(flag::IN_PUBSUB) {
        return Err(CommandError::err(format_args!(
            "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
            server.commands.full_name(found.index)
        )));
    }
    if flags & flag::STALE == 0
        && let Some(error) = stale(server)
    {
        return Err(error);
    }
    if (server.loading.is_blocking() && flags & flag::LOADING == 0)
        || (server.loading.is_async() && command.has(flag::NO_ASYNC_LOADING))
    {
        return Err(CommandError::LOADING);
    }
    if !command.has(flag::ALLOW_BUSY)
        && let Some(error) = server.scripts.busy_error()
    {
        return Err(error);
    }
    let touches_data = flags & (flag::READONLY | flag::WRITE | flag::MAY_REPLICATE) != 0;
    if touches_data && client.flags.intersects(ClientFlags::REPLICA | ClientFlags::MONITOR) {
        return Err(CommandError::new("ERR Replica can't interact with the keyspace"));
    }
    Ok(())
}

/// The flags of a command; for one that runs a script, with the flags that the script declares.
pub fn flags_of(server: &Server, command: &Command, args: &Args) -> u32 {
    match command.script_flags.and_then(|flags| flags(server, args)) {
        Some(script_flags) => flags_of_script(command.flags, script_flags),
        None => command.flags,
    }
}

/// The error of a replica that lost its primary and is not to serve its old data.
pub fn stale(server: &Server) -> Option<CommandError> {
    let primary = server.replication.primary.as_ref()?;
    let is_stale = !primary.is_up() && !server.config.replica_serve_stale_data;
    is_stale.then_some(CommandError::new(
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    ))
}

/// Whether a script may write.
pub fn writes_allowed(server: &Server) -> CommandResult {
    replication_allows_writes(server)?;
    server.write_error().map_or(Ok(()), Err)
}

/// Refuses what the client's user may not do.
fn check_access(server: &mut Server, id: ClientId, found: Found, args: &Args) -> Result<(), CommandError> {
    let client = &mut server.clients[id];
    client.last_command = Some(found.index);
    let context = if client.multi.is_some() { Context::Multi } else { Context::TopLevel };
    let checked = server.check_access(id, found, args, context);
    checked.map_err(|denied| CommandError::coded(format!("NOPERM {}", denied_text(server, id, found, denied))))
}

/// What the client's user may not do, in Redis's words.
pub fn denied_text(server: &Server, id: ClientId, found: Found, denied: Denied) -> String {
    match denied {
        Denied::Command => {
            let (user, command) = (&server.clients[id].user.name, server.commands.full_name(found.index));
            format!("User {} has no permissions to run the '{command}' command", text_of(user))
        }
        Denied::Key(_) => "No permissions to access a key".to_owned(),
        Denied::Channel(_) => "No permissions to access a channel".to_owned(),
    }
}

/// Refuses writes on a read-only replica, and on a primary with too few good replicas.
fn replication_allows_writes(server: &Server) -> Result<(), CommandError> {
    let config = &server.config;
    if server.replication.is_replica() {
        if config.replica_read_only {
            return Err(CommandError::new("READONLY You can't write against a read only replica."));
        }
    } else if config.min_replicas_to_write > 0
        && config.min_replicas_max_lag > 0
        && server.good_replicas() < config.min_replicas_to_write as usize
    {
        return Err(CommandError::new("NOREPLICAS Not enough good replicas to write."));
    }
    Ok(())
}

fn debug_allowed(server: &Server, id: ClientId) -> Result<(), CommandError> {
    match server.config.enable_debug_command {
        CommandAccess::Yes => Ok(()),
        CommandAccess::Local if server.clients[id].is_local() => Ok(()),
        _ => Err(CommandError::new(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
        )),
    }
}

/// Answers an error to a request that was not run.
#[cold]
fn refuse(server: &mut Server, id: ClientId, found: Option<Found>, error: CommandError) {
    if let Some(found) = found {
        server.stats.of(found.index).rejected += 1;
    }
    server.stats.count_error(error.code());
    if server.clients[id].flags.contains(ClientFlags::PRIMARY) {
        apply::log_error(found.map_or("?", |found| found.command.name), &error);
    }
    let client = &mut server.clients[id];
    let mark = client.output.mark();
    let mut error = error;
    if let Some(multi) = &mut client.multi {
        multi.aborted = true;
    }
    if found.is_some_and(|found| found.command.name == "exec") {
        server.discard_transaction(id);
        let reason = error.text().strip_prefix("ERR ").unwrap_or(error.text());
        error = CommandError::coded(format!("EXECABORT Transaction discarded because of: {reason}"));
    }
    server.reply(id).error(&error);
    super::call::apply_reply_mode(server, id, mark);
}
