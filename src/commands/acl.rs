//! ACL: parsing and replying for users, rules, ACL LOG and the file of users. `server/acl/` owns all of these and
//! knows the rules' grammar; the checks that commands pass are in `server/acl/selector.rs`.
//!
//! Rules are arguments that nobody else may see (`secrets`): they may hold passwords.

use super::prelude::*;
use crate::engine::dispatch;
use crate::resp::text::{bytes_of, text_of};
use crate::server::acl::{self, BadRule, DEFAULT_USER, Denied, Selector, UnmatchedParenthesis};

pub const COMMANDS: &[&Command] = &[&ACL];

/// What all subcommands have in common.
const SUBCOMMAND: Command = Command { group: Group::Server, ..Command::DEFAULT };

pub const ACL: Command = Command {
    name: "acl",
    summary: "Commands about users and what they may do",
    since: "6.0.0",
    group: Group::Server,
    arity: -2,
    subcommands: &[
        Command {
            name: "cat",
            summary: "Lists the categories, or the commands of one",
            since: "6.0.0",
            arity: -2,
            flags: NOSCRIPT | LOADING | STALE,
            args: "category?",
            handler: Handler::Server(cat),
            ..SUBCOMMAND
        },
        Command {
            name: "deluser",
            summary: "Deletes users and closes their connections",
            since: "6.0.0",
            arity: -3,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            args: "username+",
            secrets: Some(|args| (2..args.len()).collect()),
            handler: Handler::Server(deluser),
            ..SUBCOMMAND
        },
        Command {
            name: "dryrun",
            summary: "Says whether a user may run a command",
            since: "7.0.0",
            arity: -4,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            args: "username command arg?+",
            handler: Handler::Server(dryrun),
            ..SUBCOMMAND
        },
        Command {
            name: "genpass",
            summary: "Makes up a password",
            since: "6.0.0",
            arity: -2,
            flags: NOSCRIPT | LOADING | STALE,
            args: "bits:int?",
            handler: Handler::Data(genpass),
            ..SUBCOMMAND
        },
        Command {
            name: "getuser",
            summary: "Describes a user",
            since: "6.0.0",
            arity: 3,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            args: "username",
            secrets: Some(|_| vec![2]),
            handler: Handler::Server(getuser),
            ..SUBCOMMAND
        },
        Command::help("6.0.0", Group::Server, 0, help),
        Command {
            name: "list",
            summary: "Describes all users as lines of a file",
            since: "6.0.0",
            arity: 2,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            handler: Handler::Server(list),
            ..SUBCOMMAND
        },
        Command {
            name: "load",
            summary: "Reads the users from the file anew",
            since: "6.0.0",
            arity: 2,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            handler: Handler::Server(load),
            ..SUBCOMMAND
        },
        Command {
            name: "log",
            summary: "Gives what was denied of late, or forgets it",
            since: "6.0.0",
            arity: -2,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            args: "operation(count:int | reset=RESET)?",
            handler: Handler::Server(log),
            ..SUBCOMMAND
        },
        Command {
            name: "save",
            summary: "Writes the users to the file",
            since: "6.0.0",
            arity: 2,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: Handler::Server(save),
            ..SUBCOMMAND
        },
        Command {
            name: "setuser",
            summary: "Makes a user, or changes its rules",
            since: "6.0.0",
            arity: -3,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            args: "username rule?+",
            secrets: Some(|args| (2..args.len()).collect()),
            handler: Handler::Server(setuser),
            ..SUBCOMMAND
        },
        Command {
            name: "users",
            summary: "Gives the names of all users",
            since: "6.0.0",
            arity: 2,
            flags: ADMIN | NOSCRIPT | LOADING | STALE,
            handler: Handler::Server(users),
            ..SUBCOMMAND
        },
        Command {
            name: "whoami",
            summary: "Gives the name of this connection's user",
            since: "6.0.0",
            arity: 2,
            flags: NOSCRIPT | LOADING | STALE,
            handler: Handler::Server(whoami),
            ..SUBCOMMAND
        },
    ],
    ..Command::DEFAULT
};

fn setuser(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    if !acl::is_valid_name(&args[2]) {
        return Err(CommandError::new("ERR Usernames can't contain spaces or null characters"));
    }
    let rules = acl::merge_rules(args.from(3).iter()).map_err(|UnmatchedParenthesis(rule)| {
        let rule = text_of(rule.split(|&byte| byte == b' ').next().unwrap_or_default());
        CommandError::err(format_args!("Unmatched parenthesis in acl selector starting at '{rule}'."))
    })?;
    server.set_user(&args[2], &rules).map_err(|BadRule { rule, error }| {
        let rule = text_of(&rule).into_owned();
        CommandError::err(format_args!("Error in ACL SETUSER modifier '{rule}': {error}"))
    })?;
    server.reply(id).ok();
    Ok(())
}

fn deluser(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    if args.from(2).iter().any(|name| name == DEFAULT_USER) {
        return Err(CommandError::new("ERR The 'default' user cannot be removed"));
    }
    let deleted = args.from(2).iter().filter(|name| server.delete_user(name)).count();
    server.reply(id).integer(deleted as i64);
    Ok(())
}

fn getuser(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let user = server.acl.get(&args[2]).cloned();
    let mut reply = server.reply(id);
    let Some(user) = user else {
        reply.null();
        return Ok(());
    };
    reply.map(6);
    reply.bulk(b"flags");
    let flags = user.flags();
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.named("passwords").bulks(user.password_hashes().into_iter());
    reply_permissions(&mut reply, user.root());
    reply.named("selectors").array(user.further_selectors().len());
    for selector in user.further_selectors() {
        reply.map(3);
        reply_permissions(&mut reply, selector);
    }
    Ok(())
}

/// Three pairs.
fn reply_permissions(reply: &mut Reply, selector: &Selector) {
    reply.named("commands").bulk(selector.describe_commands().as_bytes());
    reply.named("keys").bulk(&selector.describe_keys());
    reply.named("channels").bulk(&selector.describe_channels());
}

fn list(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let lines: Vec<Vec<u8>> = server.acl.describe_users().map(|line| [b"user ", &line[..]].concat()).collect();
    server.reply(id).bulks(lines.iter());
    Ok(())
}

fn users(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let names: Vec<Vec<u8>> = server.acl.users().map(|user| user.name.clone()).collect();
    server.reply(id).bulks(names.iter());
    Ok(())
}

fn whoami(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let user = server.clients[id].user.clone();
    server.reply(id).bulk(&user.name);
    Ok(())
}

fn cat(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let names: Vec<&str> = match args.len() {
        2 => category::NAMES.iter().map(|(_, name)| *name).collect(),
        3 => {
            const SHOWN_MAX: usize = 128;
            let known = category::NAMES.iter().find(|(_, name)| args[2].eq_ignore_ascii_case(name.as_bytes()));
            let &(bit, _) = known.ok_or_else(|| {
                CommandError::err(format_args!(
                    "Unknown category '{}'",
                    text_of(&args[2][..args[2].len().min(SHOWN_MAX)])
                ))
            })?;
            let rows = server.commands.rows().iter();
            rows.filter(|row| row.command.categories() & bit != 0).map(|row| row.full_name.as_str()).collect()
        }
        _ => return Err(CommandError::subcommand_syntax(&args[1], "acl")),
    };
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    server.reply(id).bulks(names.iter());
    Ok(())
}

fn genpass(ctx: &mut DataContext, args: &Args) -> CommandResult {
    const BITS: CommandError = CommandError::new(
        "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
    );
    const BITS_MAX: i64 = 4096;
    let bits = match args.len() {
        2 => 256,
        3 => args.int(2).ok().filter(|bits| (1..=BITS_MAX).contains(bits)).ok_or(BITS)?,
        _ => return Err(CommandError::subcommand_syntax(&args[1], "acl")),
    };
    let mut bytes = [0; BITS_MAX as usize / 8];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    ctx.reply.bulk(&digits.as_bytes()[..(bits as usize).div_ceil(4)]);
    Ok(())
}

fn dryrun(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let text = |bytes: &[u8]| text_of(bytes).into_owned();
    let user = server.acl.get(&args[2]).cloned();
    let user = user.ok_or_else(|| CommandError::err(format_args!("User '{}' not found", text(&args[2]))))?;
    let request = args.from(3);
    let not_found = || CommandError::err(format_args!("Command '{}' not found", text(&args[3])));
    let found = server.commands.find(request.get(0)).ok_or_else(not_found)?;
    let found = dispatch::resolve(server, found, &request)?;
    let denied = user.check(found, &request).err();
    let name = text(&user.name);
    let what = denied.map(|denied| match denied {
        Denied::Command => format!("run the '{}' command", server.commands.full_name(found.index)),
        Denied::Key(index) => format!("access the '{}' key", text(request.get(index))),
        Denied::Channel(index) => format!("access the '{}' channel", text(request.get(index))),
    });
    match what {
        None => server.reply(id).ok(),
        Some(what) => server.reply(id).bulk(&bytes_of(&format!("User {name} has no permissions to {what}"))),
    }
    Ok(())
}

fn log(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    const DEFAULT_COUNT: usize = 10;
    let count = match args.len() {
        2 => DEFAULT_COUNT,
        3 if args.is(2, "reset") => {
            server.acl.log.clear();
            server.reply(id).ok();
            return Ok(());
        }
        3 => args.int(2)?.max(0) as usize,
        _ => return Err(CommandError::subcommand_syntax(&args[1], "acl")),
    };
    let now_ms = server.clock.unix_ms();
    let denials = std::mem::take(&mut server.acl.log);
    let mut reply = server.reply(id);
    reply.array(count.min(denials.iter().len()));
    for denial in denials.iter().take(count) {
        reply.map(10);
        reply.named("count").integer(denial.count as i64);
        let texts = [
            ("reason", denial.reason.name().as_bytes()),
            ("context", denial.context.name().as_bytes()),
            ("object", &denial.object),
            ("username", &denial.username),
        ];
        for (name, text) in texts {
            reply.bulk(name.as_bytes());
            reply.bulk(text);
        }
        reply.named("age-seconds").double((now_ms - denial.updated_ms) as f64 / 1000.0);
        reply.named("client-info").bulk(&denial.client);
        let numbers = [
            ("entry-id", denial.id as i64),
            ("timestamp-created", denial.created_ms),
            ("timestamp-last-updated", denial.updated_ms),
        ];
        for (name, number) in numbers {
            reply.bulk(name.as_bytes());
            reply.integer(number);
        }
    }
    server.acl.log = denials;
    Ok(())
}

const NO_FILE: CommandError = CommandError::new(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.",
);

fn load(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    if server.config.aclfile.is_none() {
        return Err(NO_FILE);
    }
    server.load_acl_file().map_err(CommandError::err)?;
    server.reply(id).ok();
    Ok(())
}

fn save(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    if server.config.aclfile.is_none() {
        return Err(NO_FILE);
    }
    server.save_acl_file().map_err(|error| {
        log::warn!("Saving the ACLs failed: {error}");
        CommandError::new(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        )
    })?;
    log::info!("The ACLs were saved.");
    server.reply(id).ok();
    Ok(())
}

fn help(ctx: &mut DataContext, _: &Args) -> CommandResult {
    ctx.reply.help(
        "acl",
        &[
            "CAT [<category>]",
            "    List the categories, or the commands of one.",
            "DELUSER <username> [<username> ...]",
            "    Delete users and close their connections.",
            "DRYRUN <username> <command> [<arg> ...]",
            "    Say whether a user may run a command.",
            "GENPASS [<bits>]",
            "    Make up a password of that many bits, in hexadecimal digits.",
            "GETUSER <username>",
            "    Describe a user.",
            "LIST",
            "    Describe all users as lines of a file.",
            "LOAD",
            "    Read the users from the file anew.",
            "LOG [<count>|RESET]",
            "    Give what was denied of late, or forget it.",
            "SAVE",
            "    Write the users to the file.",
            "SETUSER <username> <rule> [<rule> ...]",
            "    Make a user, or change its rules.",
            "USERS",
            "    Give the names of all users.",
            "WHOAMI",
            "    Give the name of this connection's user.",
        ],
    );
    Ok(())
}
