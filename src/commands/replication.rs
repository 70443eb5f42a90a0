//! Replication: REPLICAOF, PSYNC, REPLCONF, ROLE, FAILOVER, WAIT and WAITAOF, over `engine/replication/`.

use super::prelude::*;
use crate::engine::replication::{acks, failover, follow, replica_address, serve};
use crate::resp::text::text_of;
use crate::server::replication::replica::{RdbFilter, Replica};
use crate::server::replication::{AckGoal, Durable};

pub const COMMANDS: &[&Command] = &[&FAILOVER, &PSYNC, &REPLCONF, &REPLICAOF, &ROLE, &SLAVEOF, &SYNC, &WAIT, &WAITAOF];

pub const REPLICAOF: Command = Command {
    name: "replicaof",
    summary: "Makes the server follow another, or follow none any more",
    since: "5.0.0",
    group: Group::Server,
    arity: 3,
    flags: ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING,
    args: "args(host-port{host port:int} | no-one{no=NO one=ONE})",
    handler: Handler::Server(replicaof),
    ..Command::DEFAULT
};

pub const SLAVEOF: Command = Command {
    name: "slaveof",
    summary: "Makes the server follow another, or follow none any more",
    group: Group::Server,
    arity: 3,
    flags: ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING,
    args: "args(host-port{host port:int} | no-one{no=NO one=ONE})",
    deprecated: Some(("5.0.0", "`REPLICAOF`")),
    handler: Handler::Server(replicaof),
    ..Command::DEFAULT
};

fn replicaof(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    if server.replication.failover.state != Default::default() {
        return Err(CommandError::new("ERR REPLICAOF not allowed while failing over."));
    }
    if args.is(1, "no") && args.is(2, "one") {
        if server.replication.is_replica() {
            log::info!("MASTER MODE enabled (user request from '{}')", server.clients[id].addr);
            follow::stop(server);
        }
        server.reply(id).ok();
        return Ok(());
    }
    if server.clients[id].flags.contains(ClientFlags::REPLICA) {
        return Err(CommandError::new("ERR Command is not valid when client is a replica."));
    }
    const INVALID: CommandError = CommandError::new("ERR Invalid master port");
    let port = args.int(2).ok().and_then(|port| u16::try_from(port).ok()).ok_or(INVALID)?;
    let host = args.text(1).into_owned();
    if server
        .replication
        .primary
        .as_ref()
        .is_some_and(|primary| primary.host.eq_ignore_ascii_case(&host) && primary.port == port)
    {
        log::info!(
            "REPLICAOF would result into synchronization with the master we are already connected with. No operation performed."
        );
        server.reply(id).simple("OK Already connected to specified master");
        return Ok(());
    }
    log::info!("REPLICAOF {host}:{port} enabled (user request from '{}')", server.clients[id].addr);
    follow::start(server, host, port);
    server.reply(id).ok();
    Ok(())
}

pub const PSYNC: Command = Command {
    name: "psync",
    summary: "Asks for the stream of changes from an offset on",
    since: "2.8.0",
    group: Group::Server,
    arity: -3,
    flags: ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI,
    args: "replicationid offset:int",
    handler: Handler::Server(serve::sync),
    ..Command::DEFAULT
};

pub const SYNC: Command = Command {
    name: "sync",
    summary: "Asks for the data set and the stream of changes after it",
    group: Group::Server,
    flags: ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI,
    handler: Handler::Server(serve::sync),
    ..Command::DEFAULT
};

pub const REPLCONF: Command = Command {
    name: "replconf",
    summary: "What replicas and their primary tell each other",
    since: "3.0.0",
    group: Group::Server,
    arity: -1,
    flags: ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY,
    handler: Handler::Server(replconf),
    system: true,
    ..Command::DEFAULT
};

fn replconf(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::SYNTAX);
    }
    for at in (1..args.len()).step_by(2) {
        if args.is(at, "ack") {
            // ACK has no reply; from a client that is no replica it means nothing.
            if server.clients[id].flags.contains(ClientFlags::REPLICA)
                && let Some(offset) = number(args, at + 1)
            {
                let durable = (at + 3 < args.len() && args.is(at + 2, "fack")).then(|| number(args, at + 3)).flatten();
                serve::acknowledged(server, id, offset, durable);
            }
            return Ok(());
        }
        if args.is(at, "getack") {
            if server.clients[id].flags.contains(ClientFlags::PRIMARY) {
                server.replication.ack_wanted = true;
            }
            return Ok(());
        }
        describe_replica(server.clients[id].replica.get_or_insert_default(), args, at)?;
    }
    server.reply(id).ok();
    Ok(())
}

/// What a replica says of itself before it asks for the data set: the option at `at`.
fn describe_replica(replica: &mut Replica, args: &Args, at: usize) -> CommandResult {
    let value = args.get(at + 1);
    if args.is(at, "listening-port") {
        replica.listening_port = u16::try_from(args.int(at + 1)?).map_err(|_| CommandError::NOT_INTEGER)?;
    } else if args.is(at, "ip-address") {
        /// As long as a host's name may be.
        const ADDRESS_MAX: usize = 255;
        if value.len() > ADDRESS_MAX {
            return Err(CommandError::err(format_args!(
                "REPLCONF ip-address provided by replica instance is too long: {} bytes",
                value.len()
            )));
        }
        replica.address = value.to_vec();
    } else if args.is(at, "capa") {
        replica.understands_mark |= args.is(at + 1, "eof");
        replica.understands_new_ids |= args.is(at + 1, "psync2");
    } else if args.is(at, "version") {
        replica.version = parse_version(value)
            .ok_or_else(|| CommandError::err(format_args!("Unrecognized version format: {}", text_of(value))))?;
    } else if args.is(at, "rdb-only") {
        replica.snapshot_only = args.int_in(at + 1, 0..=1)? == 1;
    } else if args.is(at, "rdb-filter-only") {
        replica.wanted = RdbFilter { keys: false, functions: false };
        for word in value.split(|&byte| byte == b' ').filter(|word| !word.is_empty()) {
            match word {
                b"functions" => replica.wanted.functions = true,
                _ => {
                    return Err(CommandError::err(format_args!(
                        "Unsupported rdb-filter-only option: {}",
                        text_of(word)
                    )));
                }
            }
        }
    } else {
        return Err(CommandError::err(format_args!("Unrecognized REPLCONF option: {}", args.text(at))));
    }
    Ok(())
}

fn number(args: &Args, at: usize) -> Option<u64> {
    args.int(at).ok().and_then(|number| u64::try_from(number).ok())
}

/// `7.2.4` as 0x070204.
fn parse_version(text: &[u8]) -> Option<u32> {
    let parts = std::str::from_utf8(text).ok()?.split('.').map(|part| part.parse::<u8>().ok());
    let [major, minor, patch] = parts.collect::<Option<Vec<_>>>()?.try_into().ok()?;
    Some(u32::from_be_bytes([0, major, minor, patch]))
}

pub const ROLE: Command = Command {
    name: "role",
    summary: "Gives the server's part in replication",
    since: "2.8.12",
    group: Group::Server,
    flags: NOSCRIPT | LOADING | STALE | FAST,
    categories: category::ADMIN | category::DANGEROUS,
    handler: Handler::Server(role),
    ..Command::DEFAULT
};

fn role(server: &mut Server, id: ClientId, _: &Args) -> CommandResult {
    let offset = server.replication.stream.offset() as i64;
    if let Some(primary) = &server.replication.primary {
        let (host, port, state) = (primary.host.clone(), primary.port, primary.state_name());
        // COMPAT: a replica that was never synchronized has no offset.
        let offset = if primary.is_up() { offset } else { -1 };
        let mut reply = server.reply(id);
        reply.array(5);
        reply.bulk(b"slave");
        reply.bulk(host.as_bytes());
        reply.integer(port as i64);
        reply.bulk(state.as_bytes());
        reply.integer(offset);
        return Ok(());
    }
    let online = crate::engine::replication::online_replicas(server);
    let replicas: Vec<_> = online
        .into_iter()
        .map(|replica| {
            let (address, port) = replica_address(server, replica);
            (address, port, server.clients[replica].replica.as_deref().map_or(0, |replica| replica.acked))
        })
        .collect();
    let mut reply = server.reply(id);
    reply.array(3);
    reply.bulk(b"master");
    reply.integer(offset);
    reply.array(replicas.len());
    for (address, port, acked) in replicas {
        reply.array(3);
        reply.bulk(address.as_bytes());
        reply.bulk_int(port as i64);
        reply.bulk_int(acked as i64);
    }
    Ok(())
}

pub const WAIT: Command = Command {
    name: "wait",
    summary: "Waits until a number of replicas have what the client has written",
    since: "3.0.0",
    arity: 3,
    categories: category::CONNECTION,
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    args: "numreplicas:int timeout:int",
    handler: Handler::Server(wait),
    ..Command::DEFAULT
};

fn wait(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    if server.replication.is_replica() {
        return Err(CommandError::new(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.",
        ));
    }
    let replicas = args.int(1)?;
    let timeout_ms = args.timeout_ms(2)?;
    let wanted = AckGoal { replicas: usize::try_from(replicas).unwrap_or(0), durable: None };
    acks::wait(server, id, wanted, timeout_ms);
    Ok(())
}

pub const WAITAOF: Command = Command {
    name: "waitaof",
    summary: "Waits until what the client has written is on the disks of a number of servers",
    since: "7.2.0",
    arity: 4,
    flags: NOSCRIPT,
    categories: category::CONNECTION,
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    args: "numlocal:int numreplicas:int timeout:int",
    handler: Handler::Server(waitaof),
    ..Command::DEFAULT
};

fn waitaof(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let local = args.int_in(1, 0..=1)? == 1;
    let replicas = args.int_in(2, 0..=i64::MAX)?;
    let timeout_ms = args.timeout_ms(3)?;
    if server.replication.is_replica() {
        return Err(CommandError::new(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.",
        ));
    }
    if local && !server.config.appendonly {
        return Err(acks::WITHOUT_AOF);
    }
    let wanted = AckGoal { replicas: replicas as usize, durable: Some(Durable { local }) };
    acks::wait(server, id, wanted, timeout_ms);
    Ok(())
}

pub const FAILOVER: Command = Command {
    name: "failover",
    summary: "Hands the part of the primary to a replica",
    since: "6.2.0",
    group: Group::Server,
    arity: -1,
    flags: ADMIN | NOSCRIPT | STALE,
    args: "target{host port:int force=FORCE?}=TO? abort=ABORT? milliseconds:int=TIMEOUT?",
    handler: Handler::Server(failover),
    ..Command::DEFAULT
};

fn failover(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let mut options = failover::Options { target: None, force: false, timeout_ms: 0 };
    let (mut at, mut abort) = (1, false);
    while at < args.len() {
        let left = args.len() - at - 1;
        if args.is(at, "timeout") && left >= 1 && options.timeout_ms == 0 {
            const NOT_POSITIVE: CommandError = CommandError::new("ERR FAILOVER timeout must be greater than 0");
            options.timeout_ms = u64::try_from(args.int(at + 1)?).ok().filter(|&ms| ms > 0).ok_or(NOT_POSITIVE)?;
            at += 2;
        } else if args.is(at, "abort") && left == 0 && at == 1 {
            abort = true;
            at += 1;
        } else if args.is(at, "to") && left >= 2 && options.target.is_none() {
            let port = u16::try_from(args.int(at + 2)?).map_err(|_| CommandError::NOT_INTEGER)?;
            options.target = Some((args.text(at + 1).into_owned(), port));
            at += 3;
        } else if args.is(at, "force") && !options.force {
            options.force = true;
            at += 1;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    if abort {
        failover::abort(server)?;
    } else {
        failover::start(server, options)?;
    }
    server.reply(id).ok();
    Ok(())
}
