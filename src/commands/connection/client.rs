//! CLIENT, but for KILL, LIST, INFO and TRACKING, which have files of their own beside this. What it changes are
//! fields and flags of `server/clients.rs`; pauses are in `server/pause.rs`.

use super::client_kill::kill;
use super::client_list::{info, list};
use super::client_tracking;
use crate::commands::prelude::*;
use crate::engine::blocking::{self, GaveUp};
use crate::server::pause::Pause;
use crate::server::{Client, ReplyMode};

/// What all subcommands have in common.
pub(super) const SUBCOMMAND: Command =
    Command { group: Group::Connection, categories: category::CONNECTION, ..Command::DEFAULT };

pub const CLIENT: Command = Command {
    name: "client",
    summary: "Commands about client connections",
    since: "2.4.0",
    group: Group::Connection,
    arity: -2,
    subcommands: &[
        client_tracking::CACHING,
        client_tracking::GETREDIR,
        client_tracking::TRACKING,
        client_tracking::TRACKINGINFO,
        Command {
            name: "getname",
            summary: "Gives the name of this connection",
            since: "2.6.9",
            arity: 2,
            flags: NOSCRIPT | LOADING | STALE,
            handler: Handler::Server(getname),
            ..SUBCOMMAND
        },
        Command::help("5.0.0", Group::Connection, category::CONNECTION, help),
        Command {
            name: "id",
            summary: "Gives the number of this connection",
            since: "5.0.0",
            arity: 2,
            flags: NOSCRIPT | LOADING | STALE,
            handler: Handler::Server(id),
            ..SUBCOMMAND
        },
        Command {
            name: "info",
            summary: "Describes this connection",
            since: "6.2.0",
            arity: 2,
            flags: NOSCRIPT | LOADING | STALE,
            tips: &["nondeterministic_output"],
            handler: Handler::Server(info),
            ..SUBCOMMAND
        },
        Command {
            name: "kill",
            summary: "Closes connections",
            since: "2.4.0",
            arity: -3,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            args: "filter(old-format~ip:port!2.8.12 | new-format(client-id:int=ID?^2.8.12 | client-type(normal=NORMAL | master=MASTER^3.2.0 | slave=SLAVE | replica=REPLICA^5.0.0 | pubsub=PUBSUB)=TYPE?^2.8.12 | username:string=USER? | addr:string~ip:port=ADDR? | laddr:string~ip:port=LADDR?^6.2.0 | skipme(yes=YES | no=NO)=SKIPME?)+)",
            handler: Handler::Server(kill),
            ..SUBCOMMAND
        },
        Command {
            name: "list",
            summary: "Describes open connections",
            since: "2.4.0",
            arity: -2,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            tips: &["nondeterministic_output"],
            args: "client-type(normal=NORMAL | master=MASTER | replica=REPLICA | pubsub=PUBSUB)=TYPE?^5.0.0 client-id:int=ID?+^6.2.0",
            handler: Handler::Server(list),
            ..SUBCOMMAND
        },
        Command {
            name: "no-evict",
            summary: "Keeps this connection from being evicted",
            since: "7.0.0",
            arity: 3,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            args: "enabled(on=ON | off=OFF)",
            handler: Handler::Server(no_evict),
            ..SUBCOMMAND
        },
        Command {
            name: "no-touch",
            summary: "Makes what this connection reads count as not used",
            since: "7.2.0",
            arity: 3,
            flags: NOSCRIPT | LOADING | STALE,
            args: "enabled(on=ON | off=OFF)",
            handler: Handler::Server(no_touch),
            ..SUBCOMMAND
        },
        Command {
            name: "pause",
            summary: "Holds requests of clients back for a time",
            since: "3.0.0",
            arity: -3,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            args: "timeout:int mode(write=WRITE | all=ALL)?^6.2.0",
            handler: Handler::Server(pause),
            ..SUBCOMMAND
        },
        Command {
            name: "reply",
            summary: "Chooses whether commands are replied to",
            since: "3.2.0",
            arity: 3,
            flags: NOSCRIPT | LOADING | STALE,
            args: "action(on=ON | off=OFF | skip=SKIP)",
            handler: Handler::Server(reply),
            ..SUBCOMMAND
        },
        Command {
            name: "setinfo",
            summary: "Says which library the client uses",
            since: "7.2.0",
            arity: 4,
            flags: NOSCRIPT | LOADING | STALE,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            args: "attr(libname:string=LIB-NAME | libver:string=LIB-VER)",
            handler: Handler::Server(setinfo),
            ..SUBCOMMAND
        },
        Command {
            name: "setname",
            summary: "Names this connection",
            since: "2.6.9",
            arity: 3,
            flags: NOSCRIPT | LOADING | STALE,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            args: "connection-name",
            handler: Handler::Server(setname),
            ..SUBCOMMAND
        },
        Command {
            name: "unblock",
            summary: "Wakes a client that a blocking command holds",
            since: "5.0.0",
            arity: -3,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            args: "client-id:int unblock-type(timeout=TIMEOUT | error=ERROR)?",
            handler: Handler::Server(unblock),
            ..SUBCOMMAND
        },
        Command {
            name: "unpause",
            summary: "Ends a pause at once",
            since: "6.2.0",
            arity: 2,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            handler: Handler::Server(unpause),
            ..SUBCOMMAND
        },
    ],
    ..Command::DEFAULT
};

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help(
        "client",
        &[
            "CACHING YES|NO",
            "    Say whether what the next command reads is tracked.",
            "GETNAME",
            "    Give the name of this connection.",
            "GETREDIR",
            "    Give the number of the connection that is told what this one tracks.",
            "ID",
            "    Give the number of this connection.",
            "INFO",
            "    Describe this connection.",
            "KILL <ip:port>",
            "    Close the connection from <ip:port>.",
            "KILL <filter> <value> [<filter> <value> ...]",
            "    Close the connections that pass every filter:",
            "    * ADDR <ip:port>, LADDR <ip:port>: from, or to, this address",
            "    * ID <number>",
            "    * TYPE NORMAL|MASTER|REPLICA|PUBSUB",
            "    * USER <name>",
            "    * SKIPME YES|NO: spare this connection (the default)",
            "LIST [TYPE NORMAL|MASTER|REPLICA|PUBSUB] [ID <number> ...]",
            "    Describe open connections.",
            "NO-EVICT ON|OFF",
            "    Keep this connection from being evicted.",
            "NO-TOUCH ON|OFF",
            "    Leave the times of last use of the keys that this connection reads alone.",
            "PAUSE <milliseconds> [WRITE|ALL]",
            "    Hold back the requests, or the writing ones, of all clients.",
            "REPLY ON|OFF|SKIP",
            "    Choose whether this connection gets replies.",
            "SETINFO LIB-NAME|LIB-VER <text>",
            "    Say which library, or which version of it, this connection uses.",
            "SETNAME <name>",
            "    Name this connection.",
            "TRACKING ON|OFF [REDIRECT <number>] [BCAST] [PREFIX <prefix> ...] [OPTIN] [OPTOUT] [NOLOOP]",
            "    Choose whether this connection is told which keys change.",
            "TRACKINGINFO",
            "    Describe what this connection tracks.",
            "UNBLOCK <number> [TIMEOUT|ERROR]",
            "    Wake the client that a blocking command holds.",
            "UNPAUSE",
            "    End a pause at once.",
        ],
    );
    Ok(())
}

fn id(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let number = server.clients[id].number;
    server.reply(id).integer(number as i64);
    Ok(())
}

fn getname(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let Client { name, resp3, output, .. } = &mut server.clients[id];
    let mut reply = Reply::new(output, *resp3);
    if name.is_empty() {
        reply.null()
    } else {
        reply.bulk(name)
    }
    Ok(())
}

fn setname(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    check_name(&args[2])?;
    server.clients[id].name = args[2].to_vec();
    server.reply(id).ok();
    Ok(())
}

fn setinfo(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let client = &mut server.clients[id];
    let attribute = match () {
        _ if args.is(2, "lib-name") => &mut client.lib_name,
        _ if args.is(2, "lib-ver") => &mut client.lib_ver,
        _ => {
            return Err(CommandError::err(format_args!("Unrecognized option '{}'", args.text(2))));
        }
    };
    if !is_plain(&args[3]) {
        let name = args.text(2);
        return Err(CommandError::err(format_args!("{name} cannot contain spaces, newlines or special characters.")));
    }
    *attribute = args[3].to_vec();
    server.reply(id).ok();
    Ok(())
}

/// Names end up in CLIENT LIST, whose fields are separated by spaces.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

/// Whether a connection may have this name. The empty one takes its name away.
pub fn check_name(name: &[u8]) -> CommandResult {
    if is_plain(name) {
        return Ok(());
    }
    Err(CommandError::new("ERR Client names cannot contain spaces, newlines or special characters."))
}

fn no_evict(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    set_flag(server, id, args, ClientFlags::NO_EVICT)
}

fn no_touch(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    set_flag(server, id, args, ClientFlags::NO_TOUCH)
}

fn set_flag(server: &mut Server, id: ClientId, args: &Args, flag: ClientFlags) -> CommandResult {
    let on = match () {
        _ if args.is(2, "on") => true,
        _ if args.is(2, "off") => false,
        _ => return Err(CommandError::SYNTAX),
    };
    server.clients[id].flags.set(flag, on);
    server.reply(id).ok();
    Ok(())
}

fn pause(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let timeout_ms = args.int(2).map_err(|_| CommandError::TIMEOUT_NOT_INTEGER)?;
    let timeout_ms = u64::try_from(timeout_ms).map_err(|_| CommandError::NEGATIVE_TIMEOUT)?;
    if server.clock.unix_ms().checked_add_unsigned(timeout_ms).is_none() {
        return Err(CommandError::TIMEOUT_OUT_OF_RANGE);
    }
    let pause = match args.len() {
        3 => Pause::All,
        4 if args.is(3, "all") => Pause::All,
        4 if args.is(3, "write") => Pause::Writes,
        4 => return Err(CommandError::new("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(CommandError::SYNTAX),
    };
    server.set_pause(pause, server.clock.now_ms + timeout_ms);
    server.reply(id).ok();
    Ok(())
}

fn unpause(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    server.unpause();
    server.reply(id).ok();
    Ok(())
}

fn reply(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let mode = &mut server.clients[id].reply_mode;
    match () {
        _ if args.is(2, "on") => {
            *mode = ReplyMode::On;
            server.reply(id).ok();
        }
        _ if args.is(2, "off") => *mode = ReplyMode::Off,
        // SKIP changes nothing while replies are off.
        _ if args.is(2, "skip") && *mode == ReplyMode::Off => (),
        _ if args.is(2, "skip") => *mode = ReplyMode::SkipNext,
        _ => return Err(CommandError::SYNTAX),
    }
    Ok(())
}

fn unblock(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let how = match args.len() {
        3 => GaveUp::TimedOut,
        4 if args.is(3, "timeout") => GaveUp::TimedOut,
        4 if args.is(3, "error") => GaveUp::WithError,
        4 => return Err(CommandError::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        _ => return Err(CommandError::subcommand_syntax(&args[1], "client")),
    };
    let number = args.int(2)?;
    let client = server.clients.iter().find(|client| client.number as i64 == number).map(|client| client.id);
    let was_blocked = client.is_some_and(|client| blocking::give_up(server, client, how));
    server.reply(id).integer(was_blocked as i64);
    Ok(())
}
