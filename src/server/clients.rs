//! The clients: each one's connection, state and buffers.

use super::acl::User;
use super::blocked::{Blocked, Retry};
use super::command_table::CommandIndex;
use super::pubsub::Subscriptions;
use super::replication::replica::Replica;
use super::tracking::ClientTracking;
use super::transactions::{Transaction, Watched};
use crate::encoding::timer_wheel::TimerId;
use crate::resp::request::RequestParser;
use crate::resp::{Output, OwnedRequest};
use bitflags::bitflags;
use bytes::Bytes;
use mio::Registry;
use mio::net::{TcpStream, UnixStream};
use slab::Slab;
use std::fs::File;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;

/// Names one client for good: a later one in the same place has another generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClientId {
    slot: u32,
    generation: u32,
}

impl ClientId {
    /// For the poll's tokens.
    pub fn to_bits(self) -> usize {
        (self.generation as usize) << 32 | self.slot as usize
    }

    pub fn from_bits(bits: usize) -> ClientId {
        ClientId { slot: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// What a client is connected by.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Nothing: it runs commands for the server itself, such as those of the append-only file.
    None,
}

impl Stream {
    /// Its other end is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Stream::Tcp(stream) => stream.peer_addr().is_ok_and(|addr| addr.ip().to_canonical().is_loopback()),
            Stream::Unix(_) | Stream::None => true,
        }
    }

    /// Ends the connection; what it holds is freed when it is dropped.
    pub fn shut_down(&self) {
        let _ = match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Both),
            Stream::None => Ok(()),
        };
    }

    /// Another descriptor of the same connection.
    pub fn duplicate(&self) -> io::Result<File> {
        let fd = match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
            Stream::None => return Err(io::ErrorKind::NotConnected.into()),
        };
        fd.try_clone_to_owned().map(File::from)
    }

    /// The poll reports no more events of it.
    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => registry.deregister(stream),
            Stream::Unix(stream) => registry.deregister(stream),
            Stream::None => Ok(()),
        }
    }

    pub fn fd(&self) -> RawFd {
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
            Stream::None => -1,
        }
    }
}

impl io::Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).read(buffer),
            Stream::Unix(stream) => (&*stream).read(buffer),
            Stream::None => Ok(0),
        }
    }
}

impl io::Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).write(bytes),
            Stream::Unix(stream) => (&*stream).write(bytes),
            Stream::None => Ok(bytes.len()),
        }
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).write_vectored(slices),
            Stream::Unix(stream) => (&*stream).write_vectored(slices),
            Stream::None => Ok(slices.iter().map(|s| s.len()).sum()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

bitflags! {
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct ClientFlags: u32 {
        /// Close once its replies were sent; read no more of it.
        const CLOSE_AFTER_REPLY = 1 << 0;
        /// Close at the next opportunity.
        const CLOSE_NOW = 1 << 1;
        const UNIX_SOCKET = 1 << 2;
        /// CLIENT NO-EVICT.
        const NO_EVICT = 1 << 3;
        /// CLIENT NO-TOUCH.
        const NO_TOUCH = 1 << 4;
        /// Input is kept back: blocked by CLIENT PAUSE.
        const PAUSED = 1 << 5;
        /// It is in the queue of clients with output to be sent.
        const WRITE_PENDING = 1 << 6;
        /// It is in the queue of clients with input left over.
        const READ_PENDING = 1 << 7;
        /// The peer has closed its side, or the socket failed.
        const PEER_CLOSED = 1 << 8;
        /// A client without a connection that runs commands for the server itself; they pass no gate.
        const INTERNAL = 1 << 9;
        /// Its input holds complete requests that have not run yet.
        const INPUT_WAITING = 1 << 10;
        /// Its command has not replied yet: it waits for keys ([`Client::blocked`]), for acknowledgements, for the end
        /// of the server, or for a rewrite to start.
        const BLOCKED = 1 << 11;
        /// It has subscriptions.
        const SUBSCRIBED = 1 << 12;
        /// The command wrote a push, not a reply: CLIENT REPLY does not suppress it.
        const PUSHED = 1 << 13;
        /// It is sent the data set or the replication stream.
        const REPLICA = 1 << 14;
        /// The replication stream comes through it.
        const PRIMARY = 1 << 15;
        /// It sent MONITOR.
        const MONITOR = 1 << 16;
        /// It runs the commands of scripts.
        const SCRIPT = 1 << 17;
        /// Its scripts are debugged: SCRIPT DEBUG.
        const DEBUGS = 1 << 18;
        /// SCRIPT DEBUG SYNC: its scripts are debugged in the server itself, not in a child.
        const DEBUGS_IN_SYNC = 1 << 19;
    }
}

impl ClientFlags {
    /// Its commands ran before, here or at the primary.
    pub fn repeats(self) -> bool {
        self.intersects(ClientFlags::INTERNAL | ClientFlags::PRIMARY) && !self.contains(ClientFlags::SCRIPT)
    }
}

/// What CLIENT REPLY chose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyMode {
    On,
    Off,
    /// Not the reply to the command that set this, nor the next one.
    SkipNext,
    Skip,
}

/// One client.
pub struct Client {
    pub id: ClientId,
    /// The number that CLIENT ID shows; never used twice.
    pub number: u64,
    pub stream: Stream,
    pub flags: ClientFlags,
    pub addr: String,
    pub laddr: String,
    pub name: Vec<u8>,
    pub lib_name: Vec<u8>,
    pub lib_ver: Vec<u8>,
    pub user: Arc<User>,
    pub authenticated: bool,
    pub resp3: bool,
    pub db: usize,
    pub reply_mode: ReplyMode,
    pub last_command: Option<CommandIndex>,
    /// Milliseconds of the monotonic clock, as is `active_ms`.
    pub created_ms: u64,
    pub active_ms: u64,
    pub net_input: u64,
    pub net_output: u64,

    /// The bytes of an incomplete request, or of requests that have not run yet.
    pub input: Vec<u8>,
    pub parser: RequestParser,
    /// Requests that were parsed but have to wait; they come before `input`.
    pub held: Vec<OwnedRequest>,
    /// The first of them has waited for keys before.
    pub held_retry: Option<Retry>,
    /// What it waits for, if that is keys.
    pub blocked: Option<Box<Blocked>>,
    /// The commands queued since MULTI.
    pub multi: Option<Box<Transaction>>,
    pub watched: Vec<Watched>,
    /// One of the keys it watches has changed.
    pub watch_failed: bool,
    pub subscriptions: Option<Box<Subscriptions>>,
    /// CLIENT TRACKING, while it is on.
    pub tracking: Option<Box<ClientTracking>>,
    /// What it said of itself as a replica, and what it has been sent.
    pub replica: Option<Box<Replica>>,
    /// Up to where the replication stream has what it wrote.
    pub write_offset: u64,
    /// Replies not sent yet. It owns memory only while there are any.
    pub output: Output,
    /// Messages that its own command brought it: they follow the command's reply.
    pub after_reply: Vec<Bytes>,
    /// Since when the output has been over the soft limit.
    pub soft_limit_since_ms: Option<u64>,
    pub idle_timer: Option<TimerId>,
    /// Its memory as it is counted towards the limit on all clients.
    pub counted_memory: usize,
}

impl Client {
    /// Connected from this machine.
    pub fn is_local(&self) -> bool {
        self.stream.is_local()
    }

    /// Its requests have to wait: for the end of a pause, or because its last command has not replied yet.
    pub fn is_waiting(&self) -> bool {
        self.flags.intersects(ClientFlags::PAUSED | ClientFlags::BLOCKED)
    }

    /// COMPAT: with subscriptions a client of RESP2 can do little else, for there replies and messages
    /// look the same.
    pub fn only_listens(&self) -> bool {
        self.flags.contains(ClientFlags::SUBSCRIBED) && !self.resp3
    }

    pub fn is_closing(&self) -> bool {
        self.flags.intersects(ClientFlags::CLOSE_AFTER_REPLY | ClientFlags::CLOSE_NOW)
    }

    /// Bytes it holds for input that was not run yet.
    pub fn input_memory(&self) -> usize {
        self.input.capacity() + self.parser.allocated()
    }

    /// All bytes it costs, with its place among the clients.
    pub fn memory_usage(&self) -> usize {
        let texts = [&self.name, &self.lib_name, &self.lib_ver];
        size_of::<Client>()
            + self.addr.capacity()
            + self.laddr.capacity()
            + texts.iter().map(|text| text.capacity()).sum::<usize>()
            + self.input_memory()
            + self.output_memory()
            + self.held.iter().map(OwnedRequest::memory_usage).sum::<usize>()
            + self.blocked.as_ref().map_or(0, |blocked| size_of::<Blocked>() + blocked.request.memory_usage())
            + self.transaction_memory()
            + self.tracking.as_ref().map_or(0, |tracking| tracking.memory_usage())
            + self.subscriptions.as_ref().map_or(0, |subscriptions| subscriptions.memory_usage())
    }

    /// Bytes of what MULTI and WATCH keep.
    pub fn transaction_memory(&self) -> usize {
        self.multi.as_ref().map_or(0, |multi| multi.memory_usage())
            + self.watched.iter().map(|watched| size_of::<Watched>() + watched.key.len()).sum::<usize>()
    }

    pub fn output_memory(&self) -> usize {
        self.output.bytes.capacity() + self.output.large_bytes()
    }
}

/// All clients.
#[derive(Default)]
pub struct Clients {
    slab: Slab<Client>,
    next_number: u64,
    /// Clients without a connection, which INFO does not count.
    internal: usize,
}

impl Clients {
    /// Adds a client; the rest of its state is that of a fresh connection.
    pub fn add(&mut self, stream: Stream, addr: String, laddr: String, user: Arc<User>, now_ms: u64) -> ClientId {
        self.next_number += 1;
        let number = self.next_number;
        let entry = self.slab.vacant_entry();
        let id = ClientId { slot: entry.key() as u32, generation: number as u32 };
        let mut flags = ClientFlags::empty();
        match stream {
            Stream::Unix(_) => flags |= ClientFlags::UNIX_SOCKET,
            Stream::None => {
                flags |= ClientFlags::INTERNAL;
                self.internal += 1;
            }
            Stream::Tcp(_) => (),
        }
        entry.insert(Client {
            id,
            number,
            stream,
            flags,
            addr,
            laddr,
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_ver: Vec::new(),
            authenticated: user.needs_no_password(),
            user,
            resp3: false,
            db: 0,
            reply_mode: ReplyMode::On,
            last_command: None,
            created_ms: now_ms,
            active_ms: now_ms,
            net_input: 0,
            net_output: 0,
            input: Vec::new(),
            parser: RequestParser::default(),
            held: Vec::new(),
            held_retry: None,
            blocked: None,
            multi: None,
            watched: Vec::new(),
            watch_failed: false,
            subscriptions: None,
            tracking: None,
            replica: None,
            write_offset: 0,
            output: Output::default(),
            after_reply: Vec::new(),
            soft_limit_since_ms: None,
            idle_timer: None,
            counted_memory: 0,
        });
        id
    }

    #[inline]
    pub fn get(&self, id: ClientId) -> Option<&Client> {
        self.slab.get(id.slot as usize).filter(|client| client.id == id)
    }

    #[inline]
    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        self.slab.get_mut(id.slot as usize).filter(|client| client.id == id)
    }

    pub fn remove(&mut self, id: ClientId) -> Option<Client> {
        self.get(id)?;
        let client = self.slab.remove(id.slot as usize);
        if client.flags.contains(ClientFlags::INTERNAL) {
            self.internal -= 1;
        }
        Some(client)
    }

    /// Connected clients.
    pub fn len(&self) -> usize {
        self.slab.len() - self.internal
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The connected clients, oldest first.
    pub fn ids_by_age(&self) -> Vec<ClientId> {
        let mut ids: Vec<_> = self.iter().map(|client| (client.number, client.id)).collect();
        ids.sort_unstable_by_key(|&(number, _)| number);
        ids.into_iter().map(|(_, id)| id).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.slab.iter().map(|(_, client)| client).filter(|client| !client.flags.contains(ClientFlags::INTERNAL))
    }
}

impl std::ops::Index<ClientId> for Clients {
    type Output = Client;
    #[inline]
    fn index(&self, id: ClientId) -> &Client {
        self.get(id).expect("a client that is there")
    }
}

impl std::ops::IndexMut<ClientId> for Clients {
    #[inline]
    fn index_mut(&mut self, id: ClientId) -> &mut Client {
        self.get_mut(id).expect("a client that is there")
    }
}
