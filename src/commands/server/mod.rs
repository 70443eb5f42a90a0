//! Commands about the server, a file a command or a topic.
//!
//! * `background` BGSAVE and BGREWRITEAOF
//! * `command`  COMMAND
//! * `docs`     COMMAND DOCS, and the notation of arguments
//! * `config`   CONFIG
//! * `debug`    DEBUG
//! * `info`     INFO
//! * `latency`  LATENCY
//! * `lolwut`   LOLWUT
//! * `memory`   MEMORY, and the account of memory that INFO shows
//! * `module`   MODULE
//! * `monitor`  MONITOR
//! * `save`     SAVE, LASTSAVE
//! * `shutdown` SHUTDOWN
//! * `slowlog`  SLOWLOG

mod background;
mod command;
mod config;
mod debug;
mod docs;
mod info;
mod latency;
mod lolwut;
mod memory;
mod module;
mod monitor;
mod save;
mod shutdown;
mod slowlog;

use super::prelude::*;
use crate::server::clock::unix_us;

pub const COMMANDS: &[&Command] = &[
    &background::BGREWRITEAOF,
    &background::BGSAVE,
    &command::COMMAND,
    &config::CONFIG,
    &debug::DEBUG,
    &info::INFO,
    &latency::LATENCY,
    &lolwut::LOLWUT,
    &memory::MEMORY,
    &module::MODULE,
    &monitor::MONITOR,
    &save::LASTSAVE,
    &save::SAVE,
    &shutdown::SHUTDOWN,
    &slowlog::SLOWLOG,
    &TIME,
];

pub const TIME: Command = Command {
    name: "time",
    summary: "Gives the time of the server",
    since: "2.6.0",
    group: Group::Server,
    flags: LOADING | STALE | FAST,
    tips: &["nondeterministic_output"],
    handler: Handler::Server(time),
    ..Command::DEFAULT
};

fn time(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    // TIME reads the clock anew: a client that asks for microseconds wants them now, not as of the beginning of the
    // turn. But for a transaction time stands still, and for a script that does not take long: one may wait for it.
    let now_us = match &server.scripts.running {
        Some(running) => running.time_us,
        None if server.execution.is_atomic() => server.clock.unix_us,
        None => unix_us(),
    };
    let mut reply = server.reply(id);
    reply.array(2);
    reply.bulk_int(now_us / 1_000_000);
    reply.bulk_int(now_us % 1_000_000);
    Ok(())
}
