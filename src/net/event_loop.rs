//! The loop: poll, read and run, expire, write the append-only file, then the replies.

use super::input::Input;
use super::output;
use super::signals::Signals;
use crate::config::Config;
use crate::engine;
use crate::server::allocator::used_memory;
use crate::server::background::Background;
use crate::server::command_table::CommandTable;
use crate::server::listeners::{FIRST_TOKEN, Listener};
use crate::server::persistence::CHILD_TOKEN;
use crate::server::replication::{LINK_TOKEN, TRANSFER_TOKEN};
use crate::server::{ClientFlags, ClientId, Server, Stream, Timer};
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

/// Tokens from here down are not clients; a client's generation would have to come to 2^32 - 1.
const WAKER: Token = Token(usize::MAX);
const SIGNALS: Token = Token(usize::MAX - 1);
/// Connections accepted a turn and listener.
const ACCEPTS_MAX: usize = 1000;

pub struct EventLoop {
    pub server: Server,
    poll: Poll,
    events: Events,
    signals: Signals,
    input: Input,
}

impl EventLoop {
    pub fn new(config: Config, commands: CommandTable) -> io::Result<EventLoop> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let background = Background::new(move || {
            // A full pipe means that the loop will wake anyway.
            let _ = waker.wake();
        })?;
        let mut server = Server::new(config, commands, background, poll.registry().try_clone()?);
        let mut signals = Signals::new(server.told_to_end.clone())?;
        poll.registry().register(signals.source(), SIGNALS, Interest::READABLE)?;
        server.listen()?;
        let (events, input) = (Events::with_capacity(1024), Input::default());
        server.startup_memory = used_memory();
        Ok(EventLoop { server, poll, events, signals, input })
    }

    /// Runs until the server is told to shut down, or cannot go on.
    pub fn run(&mut self) -> Result<(), String> {
        self.server.timers.insert(self.server.clock.now_ms, Timer::Cron);
        let mut woken = self.server.clock.stamp();
        while !self.server.shutdown {
            self.before_sleep();
            let nanos = self.server.clock.nanos_between(woken, self.server.clock.stamp());
            self.server.stats.end_turn(nanos);
            let timeout = self.timeout();
            match self.poll.poll(&mut self.events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => self.events.clear(),
                result => result.map_err(|error| error.to_string())?,
            }
            woken = self.server.clock.stamp();
            self.server.refresh_time();
            self.handle_events();
            self.pending_reads();
            while let Some(timer) = self.server.timers.pop_due(self.server.clock.now_ms) {
                engine::timers::fire(&mut self.server, timer);
            }
            if self.server.load.is_some() && !self.server.shutdown {
                engine::load::step(&mut self.server).map_err(|error| error.0)?;
            }
        }
        // What was answered before the end is still sent.
        self.before_sleep();
        log::warn!("Redis is now ready to exit, bye bye...");
        Ok(())
    }

    /// How long poll may sleep: until the next timer, or not at all if there is work.
    fn timeout(&self) -> Option<Duration> {
        let server = &self.server;
        let idle = server.pending_reads.is_empty()
            && server.pending_writes.is_empty()
            && server.accept_again.is_empty()
            && !server.replication.receive_again;
        if !idle || server.load.is_some() {
            return Some(Duration::ZERO);
        }
        let due = server.timers.next_due_ms()?;
        Some(Duration::from_millis(due.saturating_sub(server.clock.now_ms)))
    }

    fn handle_events(&mut self) {
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            if self.server.shutdown {
                break;
            }
            match event.token() {
                WAKER => engine::timers::background_done(&mut self.server),
                CHILD_TOKEN => engine::child::hear(&mut self.server),
                LINK_TOKEN => engine::replication::follow::event(&mut self.server),
                TRANSFER_TOKEN => engine::replication::transfer::readable(&mut self.server),
                SIGNALS => {
                    if let Some(signal) = self.signals.take() {
                        engine::shutdown::on_signal(&mut self.server, signal);
                    }
                }
                Token(token) if token >= FIRST_TOKEN => self.accept(token - FIRST_TOKEN),
                Token(token) => {
                    let id = ClientId::from_bits(token);
                    let Some(client) = self.server.clients.get_mut(id) else { continue };
                    if event.is_read_closed() || event.is_error() {
                        client.flags |= ClientFlags::PEER_CLOSED;
                    }
                    if (event.is_writable() || event.is_error()) && !client.output.is_empty() {
                        self.server.will_write(id);
                    }
                    if event.is_readable() || event.is_read_closed() || event.is_error() {
                        self.input.turn(&mut self.server, id);
                    }
                }
            }
        }
        self.events = events;
    }

    /// Clients that were cut short get one more turn each.
    fn pending_reads(&mut self) {
        if std::mem::take(&mut self.server.replication.receive_again) {
            engine::replication::follow::event(&mut self.server);
        }
        for index in std::mem::take(&mut self.server.accept_again) {
            self.accept(index);
        }
        for _ in 0..self.server.pending_reads.len() {
            if let Some(id) = self.server.pending_reads.pop_front()
                && !self.server.shutdown
            {
                self.input.turn(&mut self.server, id);
            }
        }
    }

    fn before_sleep(&mut self) {
        let server = &mut self.server;
        engine::timers::schedule_expiry(server);
        engine::timers::flush_append_only_file(server);
        engine::replication::before_sleep(server);
        let mut pending = std::mem::take(&mut server.pending_writes);
        for id in pending.drain(..) {
            output::flush(server, id);
        }
        // Keep the allocation, and those who have more to be sent than goes in a turn.
        pending.append(&mut server.pending_writes);
        server.pending_writes = pending;
        server.evict_clients();
        while let Some(id) = server.pending_closes.pop() {
            server.unsubscribe_all(id);
            engine::replication::client_closed(server, id);
            let Some(client) = server.clients.remove(id) else { continue };
            server.memory.clients -= client.counted_memory;
            if let Some(timer) = client.idle_timer {
                server.timers.cancel(timer);
            }
        }
    }

    fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTS_MAX {
            let Some(listener) = self.server.listeners.get(index) else { return };
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
                Ok((stream, addr, laddr)) => self.add_client(stream, addr, laddr),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => match error.raw_os_error() {
                    // That one connection is gone; others may wait.
                    Some(libc::ECONNABORTED | libc::EINTR | libc::EPROTO) => (),
                    _ => {
                        log::warn!("Accepting client connection: {error}");
                        return self.server.accept_later.push(index);
                    }
                },
            }
        }
        // An edge tells of new connections only: come back for those that are left.
        self.server.accept_again.push(index);
    }

    fn add_client(&mut self, stream: Stream, addr: String, laddr: String) {
        let server = &mut self.server;
        if server.clients.len() as u64 >= server.config.maxclients {
            server.stats.connections_rejected += 1;
            let _ = (&stream).write(b"-ERR max number of clients reached\r\n");
            return;
        }
        if let Stream::Tcp(tcp) = &stream {
            if server.config.protected_mode && server.config.requirepass.is_empty() && !stream.is_local() {
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
        let authenticated = server.config.requirepass.is_empty();
        let now_ms = server.clock.now_ms;
        let id = server.clients.add(stream, addr, laddr, authenticated, now_ms);
        let token = Token(id.to_bits());
        let client = &mut server.clients[id];
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = match &mut client.stream {
            Stream::Tcp(stream) => self.poll.registry().register(stream, token, both),
            Stream::Unix(stream) => self.poll.registry().register(stream, token, both),
            Stream::None => Ok(()),
        };
        if let Err(error) = registered {
            log::warn!("Error registering fd event for the new client: {error}");
            server.close_client(id);
        }
        server.watch_idle(id);
    }
}

const DENIED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. Only connections from the loopback interface are accepted. Set a password, or turn protected mode off, to connect from elsewhere.\r\n";
