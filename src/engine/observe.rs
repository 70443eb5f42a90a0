//! Passing commands to those who watch the server: MONITOR, SLOWLOG and LATENCY.

use crate::encoding::words::quote;
use crate::resp::Args;
use crate::server::command::{Command, flag};
use crate::server::command_table::Found;
use crate::server::slowlog::{REDACTED, SlowCommand, shown_arguments};
use crate::server::{ClientFlags, ClientId, Server};
use bytes::Bytes;
use std::io::Write;

/// Records a command that took long enough for SLOWLOG or LATENCY.
#[cold]
pub fn slow(server: &mut Server, id: ClientId, found: Found, args: &Args, nanos: u64) {
    server.note_latency(if found.command.has(flag::FAST) { "fast-command" } else { "command" }, nanos);
    let us = nanos / 1000;
    let is_slow = u64::try_from(server.config.slowlog_log_slower_than).is_ok_and(|slow_us| us >= slow_us);
    let Some(client) = server.clients.get(id) else { return };
    // A script's commands are part of the script's own time.
    if !is_slow || found.command.has(flag::SKIP_SLOWLOG) || client.flags.contains(ClientFlags::INTERNAL) {
        return;
    }
    let arguments = shown_arguments(args, &found.command.secrets(args));
    let (addr, name) = (client.addr.clone(), client.name.clone());
    let command = SlowCommand { id: 0, unix_s: server.clock.unix_s(), us, arguments, addr, name };
    server.slowlog.add(command, server.config.slowlog_max_len);
}

/// Shows a command that ran to the monitors.
#[cold]
pub fn show(server: &mut Server, id: ClientId, command: &Command, args: &Args) {
    // COMPAT: commands of administrators are not shown.
    let is_script = command.script_flags.is_some();
    if command.has(flag::SKIP_MONITOR | flag::ADMIN) && !is_script || server.loading.is_blocking() {
        return;
    }
    let Some(client) = server.clients.get(id) else { return };
    let (seconds, micros) = (server.clock.unix_us / 1_000_000, server.clock.unix_us % 1_000_000);
    let mut line = format!("+{seconds}.{micros:06} [{} ", client.db).into_bytes();
    match client.flags {
        flags if flags.contains(ClientFlags::INTERNAL) => line.extend_from_slice(b"lua"),
        flags if flags.contains(ClientFlags::UNIX_SOCKET) => write!(line, "unix:{}", client.addr).expect("memory"),
        _ => line.extend_from_slice(client.addr.as_bytes()),
    }
    line.push(b']');
    let secrets = command.secrets(args);
    for (index, argument) in args.iter().enumerate() {
        line.push(b' ');
        line.extend(quote(if secrets.contains(&index) { REDACTED } else { argument }));
    }
    line.extend_from_slice(b"\r\n");
    let line = Bytes::from(line);
    for monitor in server.monitors.clone() {
        server.push(monitor, &line);
    }
}
