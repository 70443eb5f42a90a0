//! Listening on TCP and unix sockets.

use super::{Server, tokens};
use crate::config::Config;
use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Token};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub enum Listener {
    Tcp(TcpListener),
    /// Its path goes with it.
    Unix(UnixListener, PathBuf),
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Server {
    /// Listens on all that the configuration asks for, in the place of what was listened on before.
    pub fn listen(&mut self) -> io::Result<()> {
        self.listeners.clear();
        let mut listeners = listen_tcp(&self.config)?;
        if let Some(path) = &self.config.unixsocket {
            listeners.push(listen_unix(path, &self.config)?);
        }
        for (i, listener) in listeners.iter_mut().enumerate() {
            let source: &mut dyn Source = match listener {
                Listener::Tcp(listener) => listener,
                Listener::Unix(listener, _) => listener,
            };
            self.registry.register(source, Token(tokens::FIRST_LISTENER + i), Interest::READABLE)?;
        }
        self.listeners = listeners;
        Ok(())
    }

    /// INFO's lines about what is listened on.
    pub fn describe_listeners(&self) -> Vec<String> {
        let mut tcp: Vec<SocketAddr> = Vec::new();
        let mut lines = Vec::new();
        let mut unix = None;
        for listener in &self.listeners {
            match listener {
                Listener::Tcp(listener) => tcp.extend(listener.local_addr()),
                Listener::Unix(_, path) => unix = Some(path),
            }
        }
        if let Some(first) = tcp.first() {
            let addresses: String = tcp.iter().map(|addr| format!(",bind={}", addr.ip())).collect();
            lines.push(format!("name=tcp{addresses},port={}", first.port()));
        }
        lines.extend(unix.map(|path| format!("name=unix,bind={}", path.display())));
        lines
    }
}

/// Listens on every `bind` address. One that begins with `-` may be missing on this machine.
fn listen_tcp(config: &Config) -> io::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    if config.port == 0 {
        return Ok(listeners);
    }
    for address in &config.bind {
        let (name, optional) = match address.strip_prefix('-') {
            Some(name) => (name, true),
            None => (address.as_str(), false),
        };
        match listen_on(name, config) {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                log::warn!("Warning: Could not create server TCP listening socket {name}:{}: {error}", config.port);
                let missing = matches!(
                    error.raw_os_error(),
                    Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT)
                );
                if !(optional && missing) {
                    // In the words that tools look for, to try another port.
                    let reason = format!("Failed listening on port {} (tcp), aborting.", config.port);
                    return Err(io::Error::new(error.kind(), reason));
                }
            }
        }
    }
    Ok(listeners)
}

fn listen_on(name: &str, config: &Config) -> io::Result<Listener> {
    let ip = match name {
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        name => match name.parse() {
            Ok(ip) => ip,
            Err(_) => {
                use std::net::ToSocketAddrs;
                let mut found = (name, config.port).to_socket_addrs()?;
                found.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no address of that name"))?.ip()
            }
        },
    };
    let address = SocketAddr::new(ip, config.port);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    if config.socket_mark_id != 0 {
        socket.set_mark(config.socket_mark_id)?;
    }
    socket.bind(&address.into())?;
    socket.listen(config.tcp_backlog as i32)?;
    socket.set_nonblocking(true)?;
    Ok(Listener::Tcp(TcpListener::from_std(socket.into())))
}

fn listen_unix(path: &Path, config: &Config) -> io::Result<Listener> {
    // A socket left over from a run that was killed.
    let _ = std::fs::remove_file(path);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    if config.unixsocketperm != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(config.unixsocketperm))?;
    }
    socket.listen(config.tcp_backlog as i32)?;
    socket.set_nonblocking(true)?;
    Ok(Listener::Unix(UnixListener::from_std(socket.into()), path.to_owned()))
}
