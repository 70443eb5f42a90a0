//! CONFIG GET, SET, REWRITE, RESETSTAT and HELP, over `config/`.
//!
//! CONFIG SET is all or nothing: `Config::set_many` parses and sets every value, then `engine/apply_config.rs` brings
//! them into effect, and puts the old configuration back if one of them fails. Values of sensitive directives are
//! `secrets`.

use crate::commands::prelude::*;
use crate::config::{self, Flags, SetContext, lookup, os_reason};
use crate::encoding::glob::glob_match;
use crate::engine::apply_config;
use crate::keyspace::KeyspaceStats;
use crate::server::loading::LoadMode;

/// What all subcommands have in common.
const SUBCOMMAND: Command =
    Command { group: Group::Server, flags: ADMIN | NOSCRIPT | LOADING | STALE, ..Command::DEFAULT };

pub const CONFIG: Command = Command {
    name: "config",
    summary: "Commands about the configuration",
    since: "2.0.0",
    group: Group::Server,
    arity: -2,
    subcommands: &[
        Command {
            name: "get",
            summary: "Gives the values of directives",
            since: "2.0.0",
            arity: -3,
            args: "parameter+",
            handler: Handler::Server(get),
            ..SUBCOMMAND
        },
        Command::help("5.0.0", Group::Server, 0, help),
        Command {
            name: "resetstat",
            summary: "Sets the counters of INFO back",
            since: "2.0.0",
            arity: 2,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: Handler::Server(resetstat),
            ..SUBCOMMAND
        },
        Command {
            name: "rewrite",
            summary: "Writes the values in use into the configuration file",
            since: "2.8.0",
            arity: 2,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: Handler::Server(rewrite),
            ..SUBCOMMAND
        },
        Command {
            name: "set",
            summary: "Sets directives, all or none",
            since: "2.0.0",
            arity: -4,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            args: "data{parameter value}+",
            secrets: Some(secrets),
            handler: Handler::Server(set),
            ..SUBCOMMAND
        },
    ],
    ..Command::DEFAULT
};

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help(
        "config",
        &[
            "GET <pattern> [<pattern> ...]",
            "    Give the values of the directives whose names match.",
            "RESETSTAT",
            "    Set the counters of INFO back.",
            "REWRITE",
            "    Write the values in use into the configuration file.",
            "SET <directive> <value> [<directive> <value> ...]",
            "    Set directives, all or none.",
        ],
    );
    Ok(())
}

fn get(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let patterns: Vec<&[u8]> = args.from(2).iter().collect();
    let found = server.config.get_matching(&patterns, |pattern, name| glob_match(pattern, name, true));
    let mut reply = server.reply(id);
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk(&name);
        reply.bulk(&value);
    }
    Ok(())
}

fn set(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    if args.len() % 2 == 1 {
        return Err(CommandError::SYNTAX);
    }
    let pairs: Vec<(&[u8], &[u8])> = (2..args.len()).step_by(2).map(|at| (args.get(at), args.get(at + 1))).collect();
    let context =
        SetContext { client_is_local: server.clients[id].is_local(), loading: server.loading.mode != LoadMode::None };
    let before = server.config.clone();
    let changed = server.config.set_many(&pairs, context);
    changed
        .and_then(|changed| apply_config::apply(server, before, &changed))
        .map_err(|error| CommandError::coded(error.to_string()))?;
    server.reply(id).ok();
    Ok(())
}

/// The values of directives such as `requirepass`.
fn secrets(args: &Args) -> Vec<usize> {
    let is_secret = |at: &usize| lookup(&args[*at]).is_some_and(|directive| directive.flags.contains(Flags::SENSITIVE));
    (2..args.len()).step_by(2).filter(is_secret).map(|at| at + 1).filter(|&at| at < args.len()).collect()
}

fn rewrite(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    server.users_to_config();
    if server.config.config_file.is_none() {
        return Err(CommandError::new("ERR The server is running without a config file"));
    }
    if let Err(error) = config::rewrite(&server.config, |user| server.is_current_user(user)) {
        log::warn!("CONFIG REWRITE failed: {error}");
        return Err(CommandError::err(format_args!("Rewriting config file: {}", os_reason(&error))));
    }
    log::info!("CONFIG REWRITE executed with success.");
    server.reply(id).ok();
    Ok(())
}

fn resetstat(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    server.stats.reset();
    server.keyspace.stats = KeyspaceStats::default();
    server.acl.counts = Default::default();
    server.memory.evicted_clients = 0;
    server.memory.over_nanos = 0;
    server.background.reset_freed();
    server.persistence.reset_counters();
    server.reply(id).ok();
    Ok(())
}
