//! SLOWLOG: the slow commands that `server/slowlog.rs` keeps. `engine/observe.rs` adds them.

use crate::commands::prelude::*;

/// What all subcommands have in common.
const SUBCOMMAND: Command = Command { group: Group::Server, flags: ADMIN | LOADING | STALE, ..Command::DEFAULT };

pub const SLOWLOG: Command = Command {
    name: "slowlog",
    summary: "Commands about those that took long",
    since: "2.2.12",
    group: Group::Server,
    arity: -2,
    subcommands: &[
        Command {
            name: "get",
            summary: "Gives the latest slow commands",
            since: "2.2.12",
            arity: -2,
            tips: &["request_policy:all_nodes", "nondeterministic_output"],
            args: "count:int?",
            handler: Handler::Server(get),
            ..SUBCOMMAND
        },
        Command::help("6.2.0", Group::Server, 0, help),
        Command {
            name: "len",
            summary: "Counts the slow commands that are kept",
            since: "2.2.12",
            arity: 2,
            tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
            handler: Handler::Server(len),
            ..SUBCOMMAND
        },
        Command {
            name: "reset",
            summary: "Forgets all slow commands",
            since: "2.2.12",
            arity: 2,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: Handler::Server(reset),
            ..SUBCOMMAND
        },
    ],
    ..Command::DEFAULT
};

fn get(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    const DEFAULT_COUNT: usize = 10;
    const COUNT: CommandError = CommandError::new("ERR count should be greater than or equal to -1");
    let count = match args.len() {
        2 => DEFAULT_COUNT,
        3 => match args.int(2) {
            Ok(-1) => usize::MAX,
            Ok(count @ 0..) => count as usize,
            _ => return Err(COUNT),
        },
        _ => return Err(CommandError::subcommand_syntax(&args[1], "slowlog")),
    };
    let slowlog = std::mem::take(&mut server.slowlog);
    let mut reply = server.reply(id);
    reply.array(count.min(slowlog.len()));
    for command in slowlog.iter().take(count) {
        reply.array(6);
        reply.integer(command.id as i64);
        reply.integer(command.unix_s);
        reply.integer(command.us as i64);
        reply.bulks(command.arguments.iter());
        reply.bulk(command.addr.as_bytes());
        reply.bulk(&command.name);
    }
    server.slowlog = slowlog;
    Ok(())
}

fn len(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let len = server.slowlog.len() as i64;
    server.reply(id).integer(len);
    Ok(())
}

fn reset(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    server.slowlog.clear();
    server.reply(id).ok();
    Ok(())
}

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help(
        "slowlog",
        &[
            "GET [<count>]",
            "    Give the latest slow commands, ten or <count>, -1 for all: number, time,",
            "    microseconds, arguments, address and name of the client.",
            "LEN",
            "    Count the slow commands that are kept.",
            "RESET",
            "    Forget them.",
        ],
    );
    Ok(())
}
