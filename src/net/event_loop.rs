//! The loop: poll, read and run, expire, write the append-only file, then the replies.
//!
//! What is polled is shared with the turns that are taken while a script runs (`busy`).

use super::accept::accept;
use super::busy;
use super::input::Input;
use super::output;
use super::signals::Signals;
use crate::config::Config;
use crate::engine;
use crate::server::allocator::used_memory;
use crate::server::background::Background;
use crate::server::command_table::CommandTable;
use crate::server::tokens;
use crate::server::{ClientFlags, ClientId, Server, Timer};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

pub struct EventLoop {
    pub server: Server,
    sources: Rc<RefCell<Sources>>,
    input: Input,
}

/// What is polled, and what was heard but not seen to yet.
pub struct Sources {
    poll: Poll,
    events: Events,
    pub heard: VecDeque<Event>,
    signals: Signals,
}

impl Sources {
    /// Waits until something is heard.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
            Ok(()) => self.heard.extend(self.events.iter().cloned()),
        }
        Ok(())
    }
}

impl EventLoop {
    pub fn new(config: Config, commands: CommandTable) -> io::Result<EventLoop> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), tokens::WAKER)?;
        let background = Background::new(&config.bio_cpulist, move || {
            // A full pipe means that the loop will wake anyway.
            let _ = waker.wake();
        })?;
        let mut server = Server::new(config, commands, background, poll.registry().try_clone()?);
        let mut signals = Signals::new(server.shutdown.signalled.clone())?;
        poll.registry().register(signals.source(), tokens::SIGNALS, Interest::READABLE)?;
        server.listen()?;
        let (events, input) = (Events::with_capacity(1024), Input::default());
        let sources = Rc::new(RefCell::new(Sources { poll, events, heard: VecDeque::new(), signals }));
        server.scripts.busy_turn = Some(busy::turns(sources.clone()));
        server.run.startup_memory = used_memory();
        Ok(EventLoop { server, sources, input })
    }

    /// Runs until the server is told to shut down, or cannot go on.
    pub fn run(&mut self) -> Result<(), String> {
        self.server.timers.insert(self.server.clock.now_ms, Timer::Cron);
        let mut woken = self.server.clock.stamp();
        while !self.server.shutdown.prepared {
            self.before_sleep();
            let nanos = self.server.clock.nanos_between(woken, self.server.clock.stamp());
            self.server.stats.end_turn(nanos);
            let timeout = self.timeout();
            self.sources.borrow_mut().wait(timeout).map_err(|error| error.to_string())?;
            woken = self.server.clock.stamp();
            self.server.refresh_time();
            self.handle_events();
            self.resume_unfinished();
            while let Some(timer) = self.server.timers.pop_due(self.server.clock.now_ms) {
                engine::timers::fire(&mut self.server, timer);
            }
            if self.server.loading.load.is_some() && !self.server.shutdown.prepared {
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
        let idle = server.pending.reads.is_empty()
            && server.pending.writes.is_empty()
            && server.pending.accepts.is_empty()
            && !server.replication.link_needs_turn;
        if !idle || server.loading.load.is_some() {
            return Some(Duration::ZERO);
        }
        let due = server.timers.next_due_ms()?;
        Some(Duration::from_millis(due.saturating_sub(server.clock.now_ms)))
    }

    fn handle_events(&mut self) {
        while !self.server.shutdown.prepared {
            let Some(event) = self.sources.borrow_mut().heard.pop_front() else { break };
            handle(&mut self.server, &self.sources, &mut self.input, &event);
        }
    }

    /// What was cut short gets one more turn: the primary's link, accepting, and each client.
    fn resume_unfinished(&mut self) {
        if std::mem::take(&mut self.server.replication.link_needs_turn) {
            engine::replication::follow::event(&mut self.server);
        }
        for index in std::mem::take(&mut self.server.pending.accepts) {
            accept(&mut self.server, index);
        }
        for _ in 0..self.server.pending.reads.len() {
            if let Some(id) = self.server.pending.reads.pop_front()
                && !self.server.shutdown.prepared
            {
                self.input.turn(&mut self.server, id);
            }
        }
    }

    fn before_sleep(&mut self) {
        let server = &mut self.server;
        engine::timers::schedule_expiry(server);
        engine::append_only::flush(server);
        engine::replication::before_sleep(server);
        server.tell_broadcasts();
        send_replies(server, None);
        free_closed_clients(server, None);
        server.memory.eviction_notices = 0;
    }
}

/// Sees to one event.
pub fn handle(server: &mut Server, sources: &RefCell<Sources>, input: &mut Input, event: &Event) {
    match event.token() {
        tokens::WAKER => engine::timers::background_done(server),
        tokens::CHILD => engine::child::hear(server),
        tokens::LINK => engine::replication::follow::event(server),
        tokens::TRANSFER => engine::replication::transfer::readable(server),
        tokens::SIGNALS => {
            let signal = sources.borrow_mut().signals.take();
            if let Some(signal) = signal {
                engine::shutdown::on_signal(server, signal);
            }
        }
        Token(token) if token >= tokens::FIRST_LISTENER => accept(server, token - tokens::FIRST_LISTENER),
        Token(token) => {
            let id = ClientId::from_bits(token);
            let Some(client) = server.clients.get_mut(id) else { return };
            if event.is_read_closed() || event.is_error() {
                client.flags |= ClientFlags::PEER_CLOSED;
            }
            // Replicas are sent more than what is in their buffers.
            let has_more = !client.output.is_empty() || client.flags.contains(ClientFlags::REPLICA);
            if (event.is_writable() || event.is_error()) && has_more {
                server.will_write(id);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                input.turn(server, id);
            }
        }
    }
}

/// Sends what clients have waiting; `except` is left alone.
pub fn send_replies(server: &mut Server, except: Option<ClientId>) {
    let mut pending = std::mem::take(&mut server.pending.writes);
    for id in pending.drain(..) {
        if Some(id) == except {
            server.pending.writes.push(id);
        } else {
            output::flush(server, id);
        }
    }
    // Keep the allocation, and the clients that have more output than goes in one turn.
    pending.append(&mut server.pending.writes);
    server.pending.writes = pending;
    // What was sent no longer counts.
    server.evict_clients();
}

/// Frees clients that are closed; `except` is left alone.
pub fn free_closed_clients(server: &mut Server, except: Option<ClientId>) {
    let mut kept = None;
    while let Some(id) = server.pending.closes.pop() {
        if Some(id) == except {
            kept = except;
            continue;
        }
        server.unsubscribe_all(id);
        server.stop_tracking(id);
        engine::replication::client_closed(server, id);
        let Some(client) = server.clients.remove(id) else { continue };
        server.memory.clients -= client.counted_memory;
        if let Some(timer) = client.idle_timer {
            server.timers.cancel(timer);
        }
    }
    server.pending.closes.extend(kept);
}
