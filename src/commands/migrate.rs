//! MIGRATE: keys are sent to another server with RESTORE and, once it has them, deleted here.
//!
//! The loop waits for the other server, as Redis does, so that nobody sees a key that is on its way:
//! each step (connecting, one write, one read) at most the time-out that the command names.

use super::prelude::*;
use crate::persist::rdb;
use crate::resp::encode_request;
use crate::server::migration::Peer;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::time::Duration;

pub const COMMANDS: &[&Command] = &[&MIGRATE];

pub const MIGRATE: Command = Command {
    name: "migrate",
    summary: "Moves keys to another server",
    since: "2.6.0",
    arity: -6,
    flags: WRITE | MOVABLE_KEYS,
    categories: category::KEYSPACE | category::DANGEROUS,
    keys: &[
        KeySpec::one(3, RW | ACCESS | DELETE),
        KeySpec {
            begin: Begin::Keyword("KEYS", -2),
            find: Find::Range { last: -1, step: 1, limit: 0 },
            flags: RW | ACCESS | DELETE | INCOMPLETE,
            notes: "",
        },
    ],
    key_finder: Some(find_keys),
    tips: &["nondeterministic_output"],
    args: "host port:int key-selector(key:key#0 | empty-string='') destination-db:int timeout:int copy=COPY?^3.0.0 replace=REPLACE?^3.0.0 authentication(auth:string~password=AUTH^4.0.7 | auth2{username password}=AUTH2^6.0.0)? keys:key~key#1=KEYS?+^3.0.6",
    secrets: Some(secrets),
    handler: Handler::Server(migrate),
    ..Command::DEFAULT
};

/// The keys are the arguments after KEYS where that is given, else the third argument.
fn find_keys(args: &Args) -> Option<Vec<FoundKey>> {
    let mut keys = 3..4;
    let mut at = 6;
    while at < args.len() {
        if args.is(at, "keys") {
            if !args[3].is_empty() {
                // MIGRATE refuses that, so it has no keys.
                return Some(Vec::new());
            }
            keys = at + 1..args.len();
            break;
        }
        at += match () {
            () if args.is(at, "auth") => 2,
            () if args.is(at, "auth2") => 3,
            () => 1,
        };
    }
    Some(keys.map(|index| FoundKey { index, flags: RW | ACCESS | DELETE }).collect())
}

/// The arguments of AUTH and AUTH2.
fn secrets(args: &Args) -> Vec<usize> {
    let option = (6..args.len()).find(|&at| args.is(at, "auth") || args.is(at, "auth2") || args.is(at, "keys"));
    let count = option.map_or(0, |at| if args.is(at, "keys") { 0 } else { 1 + args.is(at, "auth2") as usize });
    let first = option.map_or(0, |at| at + 1);
    (first..(first + count).min(args.len())).collect()
}

/// What MIGRATE is to do.
struct Request<'a> {
    host: String,
    port: u16,
    db: i64,
    timeout: Duration,
    copy: bool,
    replace: bool,
    /// The arguments of AUTH.
    credentials: Vec<&'a [u8]>,
    keys: Vec<&'a [u8]>,
}

impl<'a> Request<'a> {
    fn parse(args: &Args<'a>) -> Result<Request<'a>, CommandError> {
        const KEY_AND_KEYS: CommandError =
            CommandError::new("ERR When using MIGRATE KEYS option, the key argument must be set to the empty string");
        const DEFAULT_TIMEOUT_MS: u64 = 1000;
        let (mut copy, mut replace, mut credentials) = (false, false, Vec::new());
        let mut keys = vec![args.get(3)];
        let mut at = 6;
        while at < args.len() {
            let left = args.len() - at - 1;
            if args.is(at, "copy") {
                copy = true;
            } else if args.is(at, "replace") {
                replace = true;
            } else if args.is(at, "auth") && left >= 1 {
                credentials = vec![args.get(at + 1)];
                at += 1;
            } else if args.is(at, "auth2") && left >= 2 {
                credentials = vec![args.get(at + 1), args.get(at + 2)];
                at += 2;
            } else if args.is(at, "keys") {
                if !args[3].is_empty() {
                    return Err(KEY_AND_KEYS);
                }
                keys = args.from(at + 1).iter().collect();
                break;
            } else {
                return Err(CommandError::SYNTAX);
            }
            at += 1;
        }
        let timeout_ms = u64::try_from(args.int(5)?).ok().filter(|&ms| ms > 0).unwrap_or(DEFAULT_TIMEOUT_MS);
        Ok(Request {
            host: args.text(1).into_owned(),
            // A number that is no port cannot be connected to.
            port: args.int(2).ok().and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
            db: args.int(4)?,
            timeout: Duration::from_millis(timeout_ms),
            copy,
            replace,
            credentials,
            keys,
        })
    }

    /// Appends the RESTORE of a key; false if there is no such key.
    fn restore(&self, server: &mut Server, key: &[u8], requests: &mut Vec<u8>) -> bool {
        let now_ms = server.keyspace.now_ms;
        let Some(entry) = server.keyspace.read(key) else { return false };
        let payload = rdb::dump(&entry, server.config.rdbcompression);
        let ttl = entry.expire_at().map_or(0, |at| (at - now_ms).max(1)).to_string();
        let restore: [&[u8]; 5] = [b"RESTORE", key, ttl.as_bytes(), &payload, b"REPLACE"];
        encode_request(requests, restore[..4 + self.replace as usize].iter().copied());
        true
    }
}

fn migrate(server: &mut Server, id: ClientId, args: &Args) -> CommandResult {
    let request = Request::parse(args)?;
    let mut restores = Vec::new();
    let mut keys = request.keys.clone();
    keys.retain(|key| request.restore(server, key, &mut restores));
    if keys.is_empty() {
        server.reply(id).simple("NOKEY");
        return Ok(());
    }
    let mut moved = Vec::new();
    let mut result = send(server, &request, &restores, &keys, &mut moved);
    if matches!(result, Err(Failure::Stale)) {
        result = send(server, &request, &restores, &keys, &mut moved);
    }
    if !request.copy {
        delete(server, &moved);
    }
    result.map_err(|failure| match failure {
        Failure::Connect => CommandError::new("IOERR error or timeout connecting to the client"),
        Failure::Stale | Failure::Write => CommandError::new("IOERR error or timeout writing to target instance"),
        Failure::Read => CommandError::new("IOERR error or timeout reading from target instance"),
        Failure::Refused(text) => CommandError::err(format_args!("Target instance replied with error: {text}")),
    })?;
    server.reply(id).ok();
    Ok(())
}

/// Deletes the keys that the other server has.
fn delete(server: &mut Server, moved: &[&[u8]]) {
    let keyspace = &mut server.keyspace;
    let mut del: Vec<&[u8]> = vec![b"DEL"];
    for key in moved {
        if keyspace.delete(key) {
            keyspace.changed(EventClass::GENERIC, "del", key);
            del.push(key);
        }
    }
    if del.len() > 1 {
        keyspace.effects.propagate_instead(keyspace.selected(), &del);
    }
}

/// Why not all keys could be moved.
enum Failure {
    Connect,
    Write,
    Read,
    /// A cached connection was closed by the other server before it took anything: worth another try.
    Stale,
    /// The other server answered this error.
    Refused(String),
}

/// Sends the keys. `moved` gets the keys that the other server has taken, whatever the result.
fn send<'a>(
    server: &mut Server,
    request: &Request,
    restores: &[u8],
    keys: &[&'a [u8]],
    moved: &mut Vec<&'a [u8]>,
) -> Result<(), Failure> {
    let Request { host, port, db, timeout, .. } = request;
    let (mut peer, was_open) = server.take_peer(host, *port, *timeout).map_err(|error| match error.kind() {
        // COMPAT: Redis notices when it writes.
        ErrorKind::ConnectionRefused => Failure::Write,
        _ => Failure::Connect,
    })?;
    // A time-out leaves no time for a second attempt.
    let may_be_stale = |error: &io::Error| was_open && !is_timeout(error);
    let mut introduction = Vec::new();
    let mut introductions = 0;
    if !request.credentials.is_empty() {
        let auth: Vec<&[u8]> = std::iter::once(&b"AUTH"[..]).chain(request.credentials.iter().copied()).collect();
        encode_request(&mut introduction, auth.into_iter());
        introductions += 1;
    }
    if peer.db != Some(*db) {
        encode_request(&mut introduction, [b"SELECT", db.to_string().as_bytes()].into_iter());
        introductions += 1;
    }
    let stream = peer.stream.get_mut();
    let written = stream.write_all(&introduction).and_then(|()| stream.write_all(restores));
    written.map_err(|error| if may_be_stale(&error) { Failure::Stale } else { Failure::Write })?;

    let read = |peer: &mut Peer, first: bool| {
        read_reply(peer).map_err(|error| if first && may_be_stale(&error) { Failure::Stale } else { Failure::Read })
    };
    let mut refusals = Vec::new();
    for i in 0..introductions {
        refusals.extend(read(&mut peer, i == 0)?.err());
    }
    // If SELECT failed, it is not known which database the keys went to.
    let introduced = refusals.is_empty();
    for (i, key) in keys.iter().enumerate() {
        match read(&mut peer, introductions == 0 && i == 0)? {
            Ok(()) if introduced => moved.push(key),
            Ok(()) => (),
            Err(refusal) => refusals.push(refusal),
        }
    }
    peer.db = Some(*db).filter(|_| refusals.is_empty());
    server.keep_peer(host, *port, peer);
    match refusals.into_iter().next() {
        None => Ok(()),
        Some(refusal) => Err(Failure::Refused(refusal)),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// One reply, a line; the inner error is that of the other server.
fn read_reply(peer: &mut Peer) -> io::Result<Result<(), String>> {
    /// Replies to these commands are short.
    const REPLY_MAX: u64 = 1024;
    let mut line = Vec::new();
    peer.stream.by_ref().take(REPLY_MAX).read_until(b'\n', &mut line)?;
    let Some(line) = line.strip_suffix(b"\r\n") else { return Err(ErrorKind::UnexpectedEof.into()) };
    Ok(match line.strip_prefix(b"-") {
        Some(error) => Err(String::from_utf8_lossy(error).into_owned()),
        None => Ok(()),
    })
}
