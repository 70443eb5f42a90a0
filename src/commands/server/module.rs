//! MODULE: there are none, and there will be none.

use crate::commands::prelude::*;

/// What all subcommands have in common.
const SUBCOMMAND: Command = Command { group: Group::Server, ..Command::DEFAULT };

pub const MODULE: Command = Command {
    name: "module",
    summary: "Commands about modules, which are not supported",
    since: "4.0.0",
    group: Group::Server,
    arity: -2,
    subcommands: &[
        Command::help("5.0.0", Group::Server, 0, help),
        Command {
            name: "list",
            summary: "Lists the modules, none",
            since: "4.0.0",
            arity: 2,
            flags: ADMIN | NOSCRIPT,
            tips: &["nondeterministic_output_order"],
            handler: Handler::Data(list),
            ..SUBCOMMAND
        },
        Command {
            name: "load",
            summary: "Answers that modules are not supported",
            since: "4.0.0",
            arity: -3,
            flags: ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
            args: "path arg?+",
            handler: Handler::Data(load),
            ..SUBCOMMAND
        },
        Command {
            name: "loadex",
            summary: "Answers that modules are not supported",
            since: "7.0.0",
            arity: -3,
            flags: ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
            args: "path configs{name value}=CONFIG?+* args:string=ARGS?+",
            handler: Handler::Data(load),
            ..SUBCOMMAND
        },
        Command {
            name: "unload",
            summary: "Answers that there is no such module",
            since: "4.0.0",
            arity: 3,
            flags: ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
            args: "name",
            handler: Handler::Data(unload),
            ..SUBCOMMAND
        },
    ],
    ..Command::DEFAULT
};

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help(
        "module",
        &[
            "LIST",
            "    List the modules: there are none.",
            "LOAD <path> [<arg> ...]",
            "    Answer that modules are not supported.",
            "LOADEX <path> [CONFIG <name> <value> ...] [ARGS <arg> ...]",
            "    Answer that modules are not supported.",
            "UNLOAD <name>",
            "    Answer that there is no such module.",
        ],
    );
    Ok(())
}

fn list(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.array(0);
    Ok(())
}

fn load(_: &mut DataContext, _: &Args) -> CommandResult {
    log::warn!("Modules are not supported");
    Err(CommandError::new("ERR Error loading the extension. Please check the server logs."))
}

fn unload(_: &mut DataContext, _: &Args) -> CommandResult {
    Err(CommandError::new("ERR Error unloading module: no such module with that name"))
}
