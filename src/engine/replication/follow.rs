//! Following a primary: the connection, from being made to being lost.
//!
//! Nothing here waits. Each event of the connection, and each heartbeat, takes the link as far as it
//! can go; whatever fails, the next heartbeat begins anew.

use super::handshake::{self, Answer};
use super::{apply, disconnect_replicas, failover, heartbeat, receive};
use crate::engine::{blocking, rewrite};
use crate::server::replication::SecondReplid;
use crate::server::replication::primary::{Awaited, Connection, Handshake, Link, Primary, Reception};
use crate::server::{ClientId, Server, logging, tokens};
use mio::Interest;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

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
    let result = handshake::go_on(server, &mut handshake);
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

/// While a data set is loaded, sends the primary empty lines, so that it does not time out.
pub fn say_we_are_there(server: &mut Server) {
    if let Some(Primary { link: Link::Loading(loading), .. }) = &mut server.replication.primary {
        loading.connection.output.push(b'\n');
        // If the connection is lost, that is found when the data set is there.
        let _ = loading.connection.send();
    }
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
