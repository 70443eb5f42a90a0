//! COMMAND: what there is to know about each command, from its spec.

use super::docs::docs;
use crate::commands::prelude::*;
use crate::encoding::glob::glob_match;
use crate::server::command_table::{CommandTable, Found};

/// What all subcommands have in common.
const SUBCOMMAND: Command =
    Command { group: Group::Server, flags: LOADING | STALE, categories: category::CONNECTION, ..Command::DEFAULT };

pub const COMMAND: Command = Command {
    name: "command",
    summary: "Describes commands",
    since: "2.8.13",
    group: Group::Server,
    arity: -1,
    flags: LOADING | STALE,
    categories: category::CONNECTION,
    tips: &["nondeterministic_output_order"],
    subcommands: &[
        Command {
            name: "count",
            summary: "Gives the number of commands",
            since: "2.8.13",
            arity: 2,
            handler: Handler::Server(count),
            ..SUBCOMMAND
        },
        Command {
            name: "docs",
            summary: "Documents commands",
            since: "7.0.0",
            arity: -2,
            tips: &["nondeterministic_output_order"],
            args: "command-name?+",
            handler: Handler::Server(docs),
            ..SUBCOMMAND
        },
        Command {
            name: "getkeys",
            summary: "Finds the keys in a request",
            since: "2.8.13",
            arity: -3,
            args: "command arg?+",
            handler: Handler::Server(getkeys),
            ..SUBCOMMAND
        },
        Command {
            name: "getkeysandflags",
            summary: "Finds the keys in a request, and what it does with them",
            since: "7.0.0",
            arity: -3,
            args: "command arg?+",
            handler: Handler::Server(getkeysandflags),
            ..SUBCOMMAND
        },
        Command::help("5.0.0", Group::Server, category::CONNECTION, help),
        Command {
            name: "info",
            summary: "Describes commands by name",
            since: "2.8.13",
            arity: -2,
            tips: &["nondeterministic_output_order"],
            args: "command-name?+",
            handler: Handler::Server(info),
            ..SUBCOMMAND
        },
        Command {
            name: "list",
            summary: "Lists the names of commands",
            since: "7.0.0",
            arity: -2,
            tips: &["nondeterministic_output_order"],
            args: "filterby(module-name:string=MODULE | category:string=ACLCAT | pattern:pattern=PATTERN)=FILTERBY?",
            handler: Handler::Server(list),
            ..SUBCOMMAND
        },
    ],
    handler: Handler::Server(command),
    ..Command::DEFAULT
};

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help(
        "command",
        &[
            "(no subcommand)",
            "    Describe all commands.",
            "COUNT",
            "    Give the number of commands.",
            "DOCS [<name> ...]",
            "    Document all commands, or those named.",
            "GETKEYS <request>",
            "    Find the keys in a request.",
            "GETKEYSANDFLAGS <request>",
            "    Find the keys in a request, and what it does with them.",
            "INFO [<name> ...]",
            "    Describe all commands, or those named.",
            "LIST [FILTERBY MODULE <name> | ACLCAT <category> | PATTERN <pattern>]",
            "    List the names of commands.",
        ],
    );
    Ok(())
}

/// The table, and the reply to a client beside it.
pub fn table_and_reply(server: &mut Server, id: ClientId) -> (&CommandTable, Reply<'_>) {
    let client = &mut server.clients[id];
    (&server.commands, Reply::new(&mut client.output, client.resp3))
}

/// Each subcommand of a command, with its full name.
pub fn subcommands(command: &'static Command) -> impl ExactSizeIterator<Item = (String, &'static Command)> {
    command.subcommands.iter().map(|subcommand| (format!("{}|{}", command.name, subcommand.name), subcommand))
}

fn command(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let (table, mut reply) = table_and_reply(server, id);
    reply.array(table.top_level().count());
    table.top_level().for_each(|(_, found)| describe(&mut reply, found.command.name, found.command));
    Ok(())
}

fn count(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let (table, mut reply) = table_and_reply(server, id);
    reply.integer(table.top_level().count() as i64);
    Ok(())
}

fn info(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    if args.len() == 2 {
        return command(server, id, args);
    }
    let (table, mut reply) = table_and_reply(server, id);
    reply.array(args.len() - 2);
    for name in args.from(2).iter() {
        match table.find_full(name) {
            Some(found) => describe(&mut reply, table.full_name(found.index), found.command),
            // COMPAT: not the null of an array.
            None => reply.null(),
        }
    }
    Ok(())
}

/// The ten elements of COMMAND INFO.
fn describe(reply: &mut Reply, full_name: &str, command: &'static Command) {
    let (first, last, step) = command.key_range();
    reply.array(10);
    reply.bulk(full_name.as_bytes());
    reply.integer(command.arity as i64);
    bit_names(reply, command.flags, flag::NAMES, "");
    [first, last, step].iter().for_each(|&n| reply.integer(n as i64));
    bit_names(reply, command.categories(), category::NAMES, "@");
    reply.set(command.tips.len());
    command.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(command.keys.len());
    command.keys.iter().for_each(|spec| key_spec(reply, spec));
    reply.set(command.subcommands.len());
    subcommands(command).for_each(|(name, subcommand)| describe(reply, &name, subcommand));
}

/// The set of the names of the bits that are set.
fn bit_names(reply: &mut Reply, bits: u32, names: &[(u32, &str)], prefix: &str) {
    // Bits without a name are our own.
    let named = || names.iter().filter(|(bit, _)| bits & bit != 0);
    reply.set(named().count());
    for (_, name) in named() {
        reply.simple(&format!("{prefix}{name}"));
    }
}

fn key_spec(reply: &mut Reply, spec: &KeySpec) {
    let KeySpec { begin, find, flags, notes } = spec;
    reply.map(3 + !notes.is_empty() as usize);
    if !notes.is_empty() {
        reply.named("notes").bulk(notes.as_bytes());
    }
    bit_names(reply.named("flags"), *flags, key_flag::NAMES, "");
    reply.bulk(b"begin_search");
    match *begin {
        Begin::Index(index) => search(reply, "index", &[("index", index)]),
        Begin::Keyword(keyword, from) => {
            search_header(reply, "keyword", 2);
            reply.named("keyword").bulk(keyword.as_bytes());
            reply.named("startfrom").integer(from as i64);
        }
        Begin::Unknown => search(reply, "unknown", &[]),
    }
    reply.bulk(b"find_keys");
    match *find {
        Find::Range { last, step, limit } => {
            search(reply, "range", &[("lastkey", last), ("keystep", step), ("limit", limit)])
        }
        Find::KeyNum { number, first, step } => {
            search(reply, "keynum", &[("keynumidx", number), ("firstkey", first), ("keystep", step)]);
        }
        Find::Unknown => search(reply, "unknown", &[]),
    }
}

fn search_header(reply: &mut Reply, kind: &str, fields: usize) {
    reply.map(2);
    reply.named("type").bulk(kind.as_bytes());
    reply.named("spec").map(fields);
}

fn search(reply: &mut Reply, kind: &str, fields: &[(&str, i32)]) {
    search_header(reply, kind, fields.len());
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.integer(*value as i64);
    }
}

fn list(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let wanted: &dyn Fn(&str, &Command) -> bool = match args.len() {
        2 => &|_, _| true,
        5 if args.is(2, "filterby") => match () {
            // There are no modules.
            _ if args.is(3, "module") => &|_, _| false,
            _ if args.is(3, "aclcat") => {
                let named = category::NAMES.iter().find(|(_, name)| args.is(4, name));
                let bits = named.map_or(0, |(bit, _)| *bit);
                &move |_, command| command.categories() & bits != 0
            }
            _ if args.is(3, "pattern") => &|name, _| glob_match(&args[4], name.as_bytes(), true),
            _ => return Err(CommandError::SYNTAX),
        },
        _ => return Err(CommandError::SYNTAX),
    };
    let (table, mut reply) = table_and_reply(server, id);
    reply.array_of(|reply| {
        let mut count = 0;
        let mut add = |name: &str, command: &Command| {
            if wanted(name, command) {
                reply.bulk(name.as_bytes());
                count += 1;
            }
        };
        for (_, Found { command, .. }) in table.top_level() {
            add(command.name, command);
            subcommands(command).for_each(|(name, subcommand)| add(&name, subcommand));
        }
        count
    });
    Ok(())
}

fn getkeys(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let keys = keys_of_request(&server.commands, &args.from(2))?;
    server.reply(id).bulks(keys.iter().map(|key| args.get(2 + key.index)));
    Ok(())
}

fn getkeysandflags(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let keys = keys_of_request(&server.commands, &args.from(2))?;
    let mut reply = server.reply(id);
    reply.array(keys.len());
    for key in keys {
        reply.array(2);
        reply.bulk(args.get(2 + key.index));
        bit_names(&mut reply, key.flags, key_flag::NAMES, "");
    }
    Ok(())
}

fn keys_of_request(table: &CommandTable, request: &Args) -> Result<Vec<FoundKey>, CommandError> {
    let Some(Found { command, .. }) = table.find_request(request) else {
        return Err(CommandError::new("ERR Invalid command specified"));
    };
    if command.keys.is_empty() {
        return Err(CommandError::new("ERR The command has no key arguments"));
    }
    if !command.accepts(request.len()) {
        return Err(CommandError::new("ERR Invalid number of arguments specified for command"));
    }
    let keys = command.find_keys(request).unwrap_or_default();
    if keys.is_empty() && !command.has(NO_MANDATORY_KEYS) {
        return Err(CommandError::new("ERR Invalid arguments specified for command"));
    }
    Ok(keys)
}
