//! Following a primary: the connection, and the handshake on it before a data set or the stream comes.
//!
//! Nothing here waits. Each event of the connection, and each heartbeat, takes the link as far as it
//! can go; whatever fails, the next heartbeat begins anew.

use super::{apply, disconnect_replicas, failover, heartbeat, receive};
use crate::engine::{blocking, rewrite};
use crate::persist::aof::ReplicationPosition;
use crate::persist::rdb::RdbLoad;
use crate::resp::encode_request;
use crate::server::replication::SecondReplid;
use crate::server::replication::primary::{Awaited, Connection, Handshake, Link, Primary, Reception};

use crate::server::{ClientId, Server, logging, tokens};
use mio::Interest;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// A line of a primary is not longer.
const LINE_MAX: usize = 64 << 10;

/// REPLICAOF host port.
pub fn start(server: &mut Server, host: String, port: u16) {
    let was_primary = server.replication.primary.is_none();
    drop_link(server);
    blocking::unblock_all(server);
    // Our own replicas stay connected; they are disconnected only if the stream turns out to be another.
    // A former primary's own history may be the beginning of the new primary's history.
    let has_history = match &server.replication.primary {
        Some(primary) => primary.has_history,
        None => server.replication.stream.is_kept(),
    };
    let mut primary = Primary::new(host, port, has_history, server.clock.now_ms);
    if was_primary {
        primary.selected = std::mem::take(&mut server.replication.restored_selected);
        log::info!(
            "Before turning into a replica, using my own master parameters to synthesize a cached master: I may be able to synchronize with the new master with just a partial transfer."
        );
    } else if let Some(before) = &server.replication.primary {
        primary.selected = before.selected;
    }
    server.replication.primary = Some(primary);
    role_changed(server);
    connect(server);
}

/// REPLICAOF NO ONE.
pub fn stop(server: &mut Server) {
    drop_link(server);
    if server.replication.primary.take().is_none() {
        return;
    }
    // The primary's stream ends here; our own changes belong to a history of another name.
    server.replication.fork_history();
    log::info!(
        "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
        server.replication.replid2.as_ref().map_or("", |second| &second.replid),
        server.replication.stream.offset() + 1,
        server.replication.replid
    );
    server.replication.stream.keep();
    server.replication.stream.forget_selected();
    server.replication.no_replicas_since_ms = server.clock.now_ms;
    disconnect_replicas(server);
    role_changed(server);
    // The append-only file is off if a data set was being received.
    if server.config.appendonly && !server.loading.is_blocking() && rewrite::switch_on(server).is_err() {
        server.persistence.rewrites.scheduled = true;
    }
}

/// The database that the stream was at when a data set was written.
pub fn stream_db(server: &Server, data_set: &RdbLoad) -> usize {
    let db = data_set.fact(b"repl-stream-db").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    db.filter(|&db| db < server.keyspace.databases()).unwrap_or(0)
}

/// What a snapshot says of the history it belongs to.
pub fn position_of(server: &Server, data_set: &RdbLoad) -> Option<ReplicationPosition> {
    let text = |name: &[u8]| data_set.fact(name).and_then(|value| std::str::from_utf8(value).ok());
    let replid = text(b"repl-id").filter(|replid| replid.len() == 40)?.to_owned();
    let offset = parse_offset(text(b"repl-offset")?)?;
    Some(ReplicationPosition { replid, offset, db: stream_db(server, data_set) })
}

/// The data set that was loaded at start is that at this place of a history: replicas can go on from there, or we with
/// our primary.
pub fn restore_position(server: &mut Server, position: ReplicationPosition) {
    if server.replication.stream.is_kept() {
        return;
    }
    let ReplicationPosition { replid, offset, db } = position;
    let db = if db < server.keyspace.databases() { db } else { 0 };
    let replication = &mut server.replication;
    if server.config.replicaof.is_some() {
        replication.replid = replid;
        replication.restored_selected = db;
    } else {
        // Replicas may have seen changes after the snapshot, so the history goes on under a new name.
        replication.replid2 = Some(SecondReplid { replid, end: offset });
    }
    replication.stream.restart_at(offset);
    replication.no_replicas_since_ms = server.clock.now_ms;
    heartbeat::start(server);
}

fn role_changed(server: &mut Server) {
    logging::set_replica(server.replication.is_replica());
    server.replication.own_expiring.clear();
    server.config.replicaof = server.replication.primary.as_ref().map(|primary| (primary.host.clone(), primary.port));
    server.keyspace.expiry_mode = server.expiry_mode();
    // A refusal is in the log.
    let _ = server.apply_oom_score();
    heartbeat::start(server);
}

/// Ends the connection to the primary, whatever it is doing.
pub fn drop_link(server: &mut Server) {
    let Some(primary) = &mut server.replication.primary else { return };
    match std::mem::replace(&mut primary.link, Link::Down) {
        Link::Up(id) => {
            primary.selected = server.clients[id].db;
            primary.down_since_ms = server.clock.now_ms;
            server.discard_transaction(id);
            server.close_client(id);
        }
        Link::Transfer(reception) => receive::give_up(server, *reception),
        Link::Loading(loading) => receive::give_up_loading(server, *loading),
        Link::Handshake(_) | Link::Resolving | Link::Down => (),
    }
}

/// The client through which the stream came is gone.
pub fn lost(server: &mut Server, id: ClientId) {
    let selected = server.clients[id].db;
    let now_ms = server.clock.now_ms;
    let Some(primary) = server.replication.primary.as_mut().filter(|primary| primary.client() == Some(id)) else {
        return;
    };
    log::warn!("Connection with master lost.");
    primary.link = Link::Down;
    primary.selected = selected;
    primary.down_since_ms = now_ms;
    apply::forget_unfinished(server);
    // COMPAT: at once, not with the next heartbeat.
    connect(server);
}

/// Begins a new connection.
pub fn connect(server: &mut Server) {
    let now_ms = server.clock.now_ms;
    let Some(primary) = &mut server.replication.primary else { return };
    primary.heard_ms = now_ms;
    primary.attempts += 1;
    log::info!("Connecting to MASTER {}:{}", primary.host, primary.port);
    if let Ok(ip) = primary.host.parse::<IpAddr>() {
        let address = SocketAddr::new(ip, primary.port);
        return connect_to(server, vec![address]);
    }
    primary.link = Link::Resolving;
    look_up(server);
}

/// Has the primary's name resolved, after the one that is being looked up, if so: that may take very long,
/// and such threads must not pile up.
fn look_up(server: &mut Server) {
    let Some(Primary { host, port, .. }) = &server.replication.primary else { return };
    if server.replication.looks_up {
        return;
    }
    let name = (host.clone(), *port);
    let resolve = move || {
        let found = name.to_socket_addrs().map(Iterator::collect);
        (name, found)
    };
    match server.background.run_apart(resolve, |server, (name, found)| resolved(server, name, found)) {
        Ok(()) => server.replication.looks_up = true,
        Err(error) => unable_to_connect(server, error),
    }
}

/// The name was resolved, or could not be.
fn resolved(server: &mut Server, (host, port): (String, u16), found: io::Result<Vec<SocketAddr>>) {
    server.replication.looks_up = false;
    match &server.replication.primary {
        Some(Primary { link: Link::Resolving, host: awaited, port: its_port, .. }) => {
            // Meanwhile it may have become another primary.
            if (awaited, *its_port) != (&host, port) {
                return look_up(server);
            }
        }
        _ => return,
    }
    match found {
        Ok(addresses) => connect_to(server, addresses),
        Err(error) => unable_to_connect(server, error),
    }
}

/// Connects to one of the primary's addresses; to the next one if that fails at once, or next time.
fn connect_to(server: &mut Server, mut addresses: Vec<SocketAddr>) {
    let Some(primary) = &server.replication.primary else { return };
    let bind = String::from_utf8_lossy(&server.config.bind_source_addr).parse::<IpAddr>().ok();
    if let Some(ip) = bind {
        addresses.retain(|address| address.is_ipv4() == ip.is_ipv4());
    }
    let first = (primary.attempts - 1).checked_rem(addresses.len() as u64).unwrap_or(0);
    addresses.rotate_left(first as usize);
    let mut opened = Err(ErrorKind::NotFound.into());
    for address in addresses {
        opened = open(address, bind).and_then(|mut stream| {
            server.registry.register(&mut stream, tokens::LINK, Interest::READABLE | Interest::WRITABLE)?;
            Ok(stream)
        });
        if opened.is_ok() {
            break;
        }
    }
    let stream = match opened {
        Ok(stream) => stream,
        Err(error) => return unable_to_connect(server, error),
    };
    let connection = Connection { stream, input: Vec::new(), output: Vec::new() };
    if let Some(primary) = &mut server.replication.primary {
        primary.link =
            Link::Handshake(Handshake { connection, awaited: VecDeque::from([Awaited::Connected]), refused: false });
    }
    log::info!("MASTER <-> REPLICA sync started");
}

fn unable_to_connect(server: &mut Server, error: io::Error) {
    log::warn!("Unable to connect to MASTER: {error}");
    if let Some(primary) = &mut server.replication.primary {
        primary.link = Link::Down;
    }
}

/// A connection that is being made.
fn open(address: SocketAddr, bind: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(ip) = bind {
        socket.bind(&SocketAddr::new(ip, 0).into())?;
    }
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
        _ => (),
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// Something happened on the connection.
pub fn event(server: &mut Server) {
    let Some(primary) = &mut server.replication.primary else { return };
    match std::mem::replace(&mut primary.link, Link::Down) {
        Link::Handshake(handshake) => {
            primary.heard_ms = server.clock.now_ms;
            converse(server, handshake);
        }
        Link::Transfer(reception) => {
            primary.heard_ms = server.clock.now_ms;
            receive::go_on(server, reception);
        }
        link => {
            primary.link = link;
            receive::load_settled(server);
        }
    }
}

/// Takes the conversation as far as it goes.
fn converse(server: &mut Server, mut handshake: Handshake) {
    let result = go_on(server, &mut handshake);
    let Some(primary) = &mut server.replication.primary else { return };
    match result {
        Ok(None) => primary.link = Link::Handshake(handshake),
        Ok(Some(Answer::GoOn(id))) => resume(server, handshake.connection, id),
        Ok(Some(Answer::Full(history))) => {
            // A primary that accepts us as a replica has taken over, whatever comes of the data set.
            failover::done(server);
            let Handshake { connection, .. } = handshake;
            let reception = Reception { connection, history, length: None, received: 0, target: None };
            receive::begin(server, reception);
        }
        Err(reason) => {
            log::warn!("{reason}");
            if handshake.refused {
                failover::refused(server);
            }
        }
    }
}

/// What the primary answered to PSYNC.
enum Answer {
    /// The stream goes on from where we are, in a history that may have another name.
    GoOn(Option<String>),
    /// A data set comes, of this history at this offset.
    Full(Option<(String, u64)>),
}

fn go_on(server: &mut Server, handshake: &mut Handshake) -> Result<Option<Answer>, String> {
    if handshake.awaited.front() == Some(&Awaited::Connected) {
        match handshake.connection.stream.take_error() {
            Ok(None) if handshake.connection.stream.peer_addr().is_ok() => (),
            Ok(None) => return Ok(None),
            Ok(Some(error)) | Err(error) => return Err(format!("Error condition on socket for SYNC: {error}")),
        }
        log::info!("Non blocking connect for SYNC fired the event.");
        let _ = handshake.connection.stream.set_nodelay(!server.config.repl_disable_tcp_nodelay);
        handshake.awaited.pop_front();
        handshake.say(Awaited::Pong, &[b"PING"]);
    }
    loop {
        handshake.connection.send().map_err(|error| format!("Error writing to master: {error}"))?;
        let line = handshake.connection.line().map_err(|error| format!("Error reading from master: {error}"))?;
        let Some(line) = line else { return Ok(None) };
        // A primary that needs time for its answer sends empty lines.
        if line.is_empty() {
            continue;
        }
        let awaited = handshake.awaited.pop_front().ok_or("The master said more than it was asked")?;
        if let Some(answer) = heard(server, handshake, awaited, &line)? {
            return Ok(Some(answer));
        }
    }
}

/// One reply.
fn heard(
    server: &mut Server,
    handshake: &mut Handshake,
    awaited: Awaited,
    line: &str,
) -> Result<Option<Answer>, String> {
    match awaited {
        Awaited::Connected => (),
        Awaited::Pong => {
            let not_yet_allowed = ["-NOAUTH", "-NOPERM", "-ERR operation not permitted"];
            if !line.starts_with('+') && !not_yet_allowed.iter().any(|error| line.starts_with(error)) {
                return Err(format!("Error reply to PING from master: '{line}'"));
            }
            log::info!("Master replied to PING, replication can continue...");
            introduce(server, handshake);
        }
        Awaited::Auth if line.starts_with('-') => return Err(format!("Unable to AUTH to MASTER: {line}")),
        Awaited::Told(what) if line.starts_with('-') => {
            log::info!("(Non critical) Master does not understand REPLCONF {what}: {line}");
        }
        Awaited::Auth | Awaited::Told(_) => (),
        Awaited::Psync if line.starts_with('-') && server.replication.primary.as_ref().is_some_and(|p| p.hand_over) => {
            handshake.refused = true;
            return Err(format!("The failover target does not take over: {line}"));
        }
        Awaited::Psync => return psync_answered(handshake, line),
    }
    if awaited != Awaited::Psync && handshake.awaited.is_empty() {
        ask(server, handshake);
    }
    Ok(None)
}

/// Sends AUTH, if there is a password, then our address and capabilities (REPLCONF).
fn introduce(server: &Server, handshake: &mut Handshake) {
    let config = &server.config;
    if !config.masterauth.is_empty() {
        match config.masteruser.is_empty() {
            true => handshake.say(Awaited::Auth, &[b"AUTH", &config.masterauth]),
            false => handshake.say(Awaited::Auth, &[b"AUTH", &config.masteruser, &config.masterauth]),
        }
    }
    let port = if config.replica_announce_port > 0 { config.replica_announce_port } else { config.port };
    let port = port.to_string();
    handshake.say(Awaited::Told("listening-port"), &[b"REPLCONF", b"listening-port", port.as_bytes()]);
    if !config.replica_announce_ip.is_empty() {
        handshake.say(Awaited::Told("ip-address"), &[b"REPLCONF", b"ip-address", &config.replica_announce_ip]);
    }
    handshake.say(Awaited::Told("capa"), &[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]);
    handshake.say(Awaited::Told("version"), &[b"REPLCONF", b"version", crate::config::REDIS_VERSION.as_bytes()]);
}

/// Asks for the stream, from where we are if there is a history.
fn ask(server: &Server, handshake: &mut Handshake) {
    let Some(primary) = &server.replication.primary else { return };
    let (id, next) = match primary.has_history {
        true => (&server.replication.replid[..], (server.replication.stream.offset() + 1).to_string()),
        false => ("?", "-1".to_owned()),
    };
    match primary.has_history {
        true => log::info!("Trying a partial resynchronization (request {id}:{next})."),
        false => log::info!("Partial resynchronization not possible (no cached master)"),
    }
    match primary.hand_over {
        true => handshake.say(Awaited::Psync, &[b"PSYNC", id.as_bytes(), next.as_bytes(), b"FAILOVER"]),
        false => handshake.say(Awaited::Psync, &[b"PSYNC", id.as_bytes(), next.as_bytes()]),
    }
}

fn psync_answered(handshake: &mut Handshake, line: &str) -> Result<Option<Answer>, String> {
    let mut words = line.split(' ');
    match words.next() {
        Some("+FULLRESYNC") => {
            let id = words.next().filter(|id| id.len() == 40);
            let offset = words.next().and_then(parse_offset);
            let history = id.map(str::to_owned).zip(offset);
            let (id, offset) =
                history.as_ref().ok_or_else(|| format!("Master replied with wrong +FULLRESYNC syntax: {line}"))?;
            log::info!("Full resync from master: {id}:{offset}");
            Ok(Some(Answer::Full(history)))
        }
        Some("+CONTINUE") => {
            log::info!("Successful partial resynchronization with master.");
            Ok(Some(Answer::GoOn(words.next().filter(|id| id.len() == 40).map(str::to_owned))))
        }
        Some("-NOMASTERLINK" | "-LOADING") => {
            Err(format!("Master is currently unable to PSYNC but should be in the future: {line}"))
        }
        _ => {
            // The primary may be too old to know PSYNC.
            log::info!("Master does not support PSYNC or is in error state (reply: {line})");
            log::info!("Retrying with SYNC...");
            encode_request(&mut handshake.connection.output, [&b"SYNC"[..]].into_iter());
            handshake.connection.send().map_err(|error| format!("I/O error writing to MASTER: {error}"))?;
            Ok(Some(Answer::Full(None)))
        }
    }
}

/// While a data set is loaded, sends the primary empty lines, so that it does not time out.
pub fn say_we_are_there(server: &mut Server) {
    if let Some(Primary { link: Link::Loading(loading), .. }) = &mut server.replication.primary {
        loading.connection.output.push(b'\n');
        // If the connection is lost, that is found when the data set is there.
        let _ = loading.connection.send();
    }
}

/// An offset in the stream. Half of the numbers are enough, and leave room for what follows.
fn parse_offset(text: &str) -> Option<u64> {
    text.parse::<i64>().ok()?.try_into().ok()
}

/// The stream goes on from where we are.
fn resume(server: &mut Server, connection: Connection, id: Option<String>) {
    if let Some(id) = id.filter(|id| *id != server.replication.replid) {
        let former = std::mem::replace(&mut server.replication.replid, id);
        server.replication.replid2 = Some(SecondReplid { replid: former, end: server.replication.stream.offset() });
        log::info!("Master replication ID changed to {}", server.replication.replid);
        // Our replicas reconnect, ask again, and learn the new name.
        disconnect_replicas(server);
    }
    server.replication.stream.keep();
    let selected = server.replication.primary.as_ref().map_or(0, |primary| primary.selected);
    log::info!("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
    apply::begin(server, connection, selected, true);
    failover::done(server);
}

impl Handshake {
    fn say(&mut self, awaited: Awaited, request: &[&[u8]]) {
        encode_request(&mut self.connection.output, request.iter().copied());
        self.awaited.push_back(awaited);
    }
}

impl Connection {
    /// Sends as much as the socket takes.
    pub fn send(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match (&self.stream).write(&self.output) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => drop(self.output.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next line, without its end; None if it has not come yet. Nothing is read beyond it that
    /// belongs to a data set: what was, stays in `input`.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.input) {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            if self.input.len() > LINE_MAX {
                return Err(io::Error::other("a line that does not end"));
            }
            let mut space = [0; 4096];
            match (&self.stream).read(&mut space) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.input.extend_from_slice(&space[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
    }
}
