//! Accepting connections.

use crate::server::listeners::Listener;
use crate::server::{Server, Stream};
use mio::{Interest, Token};
use socket2::{SockRef, TcpKeepalive};
use std::io::{ErrorKind, Write};
use std::time::Duration;

/// Connections accepted a turn and listener.
const ACCEPTS_MAX: usize = 1000;

/// Accepts what waits at a listener, up to a bound.
pub fn accept(server: &mut Server, index: usize) {
    for _ in 0..ACCEPTS_MAX {
        let Some(listener) = server.listeners.get(index) else { return };
        let accepted = match listener {
            Listener::Tcp(listener) => listener.accept().map(|(stream, addr)| {
                let laddr = stream.local_addr().map(|addr| addr.to_string()).unwrap_or_default();
                (Stream::Tcp(stream), addr.to_string(), laddr)
            }),
            Listener::Unix(listener, path) => listener.accept().map(|(stream, _)| {
                let addr = format!("{}:0", path.display());
                (Stream::Unix(stream), addr.clone(), addr)
            }),
        };
        match accepted {
            Ok((stream, addr, laddr)) => add_client(server, stream, addr, laddr),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => match error.raw_os_error() {
                // That one connection is gone; others may wait.
                Some(libc::ECONNABORTED | libc::EINTR | libc::EPROTO) => (),
                _ => {
                    log::warn!("Accepting client connection: {error}");
                    return server.pending.late_accepts.push(index);
                }
            },
        }
    }
    // An edge announces new connections only: come back for the ones that are left.
    server.pending.accepts.push(index);
}

fn add_client(server: &mut Server, stream: Stream, addr: String, laddr: String) {
    if server.clients.len() as u64 >= server.config.maxclients {
        server.stats.connections_rejected += 1;
        let _ = (&stream).write(b"-ERR max number of clients reached\r\n");
        return;
    }
    if let Stream::Tcp(tcp) = &stream {
        if server.config.protected_mode && server.acl.default_user().nopass && !stream.is_local() {
            server.stats.connections_rejected += 1;
            let _ = (&stream).write(DENIED);
            return;
        }
        let _ = tcp.set_nodelay(true);
        if server.config.tcp_keepalive > 0 {
            let interval = Duration::from_secs(server.config.tcp_keepalive as u64);
            let third = Duration::from_secs((server.config.tcp_keepalive as u64 / 3).max(1));
            let keepalive = TcpKeepalive::new().with_time(interval).with_interval(third).with_retries(3);
            let _ = SockRef::from(tcp).set_tcp_keepalive(&keepalive);
        }
    }
    server.stats.connections_received += 1;
    let user = server.acl.default_user().clone();
    let now_ms = server.clock.now_ms;
    let id = server.clients.add(stream, addr, laddr, user, now_ms);
    let token = Token(id.to_bits());
    let client = &mut server.clients[id];
    let both = Interest::READABLE | Interest::WRITABLE;
    let registered = match &mut client.stream {
        Stream::Tcp(stream) => server.registry.register(stream, token, both),
        Stream::Unix(stream) => server.registry.register(stream, token, both),
        Stream::None => Ok(()),
    };
    if let Err(error) = registered {
        log::warn!("Error registering fd event for the new client: {error}");
        server.close_client(id);
    }
    server.watch_idle(id);
}

const DENIED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. Only connections from the loopback interface are accepted. Set a password, or turn protected mode off, to connect from elsewhere.\r\n";
