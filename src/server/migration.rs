//! Connections to the servers that MIGRATE sends keys to. One that is used again soon is kept open.

use super::{Server, Timer};
use crate::encoding::timer_wheel::TimerId;
use std::collections::HashMap;
use std::io::{self, BufReader, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// A connection that no MIGRATE used for so long is closed.
const IDLE_MS: u64 = 10_000;
/// Connections that are kept.
const KEPT_MAX: usize = 64;

/// A connection to another server.
pub struct Peer {
    pub stream: BufReader<TcpStream>,
    /// The database that was selected there, if that is known.
    pub db: Option<i64>,
    /// When it was used last, on the monotonic clock.
    used_ms: u64,
}

/// The connections that are open, by host and port.
#[derive(Default)]
pub struct Peers {
    open: HashMap<(String, u16), Peer>,
    timer: Option<TimerId>,
}

impl Peers {
    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

impl Server {
    /// Takes the connection that is open, or opens one; also tells whether it was open. No step waits
    /// longer than `timeout`, here or later.
    pub fn take_peer(&mut self, host: &str, port: u16, timeout: Duration) -> io::Result<(Peer, bool)> {
        let open = self.peers.open.remove(&(host.to_owned(), port));
        let was_open = open.is_some();
        let peer = match open {
            Some(peer) => peer,
            None => Peer { stream: BufReader::new(connect(host, port, timeout)?), db: None, used_ms: 0 },
        };
        peer.stream.get_ref().set_read_timeout(Some(timeout))?;
        peer.stream.get_ref().set_write_timeout(Some(timeout))?;
        Ok((peer, was_open))
    }

    /// Keeps a connection for the next MIGRATE.
    pub fn keep_peer(&mut self, host: &str, port: u16, peer: Peer) {
        if self.peers.open.len() >= KEPT_MAX
            && let Some(any) = self.peers.open.keys().next().cloned()
        {
            self.peers.open.remove(&any);
        }
        let now_ms = self.clock.now_ms;
        self.peers.open.insert((host.to_owned(), port), Peer { used_ms: now_ms, ..peer });
        if self.peers.timer.is_none() {
            self.peers.timer = Some(self.timers.insert(now_ms + IDLE_MS, Timer::IdlePeers));
        }
    }

    /// Closes connections that were not used for a while.
    pub fn close_idle_peers(&mut self) {
        let now_ms = self.clock.now_ms;
        self.peers.open.retain(|_, peer| now_ms - peer.used_ms < IDLE_MS);
        let next = self.peers.open.values().map(|peer| peer.used_ms + IDLE_MS).min();
        self.peers.timer = next.map(|at| self.timers.insert(at, Timer::IdlePeers));
    }
}

fn connect(host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let mut result = Err(ErrorKind::NotFound.into());
    for address in (host, port).to_socket_addrs()? {
        result = TcpStream::connect_timeout(&address, timeout);
        if result.is_ok() {
            break;
        }
    }
    let stream = result?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
