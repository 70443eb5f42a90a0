//! Commands about the connection itself.

use super::prelude::*;

pub const COMMANDS: &[&Command] = &[&PING];

pub const PING: Command = Command {
    name: "ping",
    summary: "Answers that the connection is alive",
    group: Group::Connection,
    arity: -1,
    flags: FAST,
    categories: category::CONNECTION,
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    args: "message?",
    handler: Handler::Data(ping),
    ..Command::DEFAULT
};

fn ping(ctx: &mut DataContext, args: &Args) -> CommandResult {
    match args.len() {
        1 => ctx.reply.raw(b"+PONG\r\n"),
        2 => ctx.reply.bulk(&args[1]),
        _ => return Err(CommandError::wrong_arity("ping")),
    }
    Ok(())
}
