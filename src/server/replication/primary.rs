//! The primary of this server, and the state of the connection to it.

use crate::keyspace::Keyspace;
use crate::persist::file::SteadyFile;
use crate::persist::rdb::RdbLoad;
use crate::server::ClientId;
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub struct Primary {
    pub host: String,
    pub port: u16,
    pub link: Link,
    /// Since when the stream has not come, on the monotonic clock.
    pub down_since_ms: u64,
    /// When something last came from it.
    pub heard_ms: u64,
    /// How often a connection was tried.
    pub attempts: u64,
    /// We have data of its history, or of one that it may share: PSYNC asks it to go on from our offset.
    pub has_history: bool,
    /// The database that the stream was at when the connection was lost.
    pub selected: usize,
    /// It answered PSYNC, not SYNC, so it gets our offset (REPLCONF ACK).
    pub acknowledges: bool,
    /// It is to take over from us: FAILOVER.
    pub hand_over: bool,
}

/// The connection to the primary.
pub enum Link {
    /// To be tried by the next heartbeat.
    Down,
    /// The addresses of the host are looked up.
    Resolving,
    Handshake(Handshake),
    /// The data set comes.
    Transfer(Box<Reception>),
    /// The data set has come and is made durable, then loaded.
    Loading(Box<Loading>),
    /// The stream comes through this client.
    Up(ClientId),
}

/// Requests sent one after the other, whose replies are awaited.
pub struct Handshake {
    pub connection: Connection,
    /// What is awaited, in order.
    pub awaited: VecDeque<Awaited>,
    /// It was asked to take over, and does not.
    pub refused: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Awaited {
    Connected,
    Pong,
    Auth,
    /// REPLCONF with this option; an older primary may refuse it.
    Told(&'static str),
    Psync,
}

/// A connection that is not yet a client: what came and was not looked at, and what is to be sent.
pub struct Connection {
    pub stream: TcpStream,
    pub input: Vec<u8>,
    pub output: Vec<u8>,
}

/// A data set that comes.
pub struct Reception {
    pub connection: Connection,
    /// The name of its history, and the offset of the stream that it is at; None if the primary does
    /// not say such things.
    pub history: Option<(String, u64)>,
    pub length: Option<Length>,
    pub received: u64,
    pub target: Option<Target>,
}

/// Where a data set ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Length {
    Bytes(u64),
    /// After these bytes, which come once only. The end of what came so far is kept to compare.
    Mark {
        mark: Vec<u8>,
        tail: Vec<u8>,
    },
}

/// Where a data set goes that comes.
pub enum Target {
    /// To be loaded when all of it is there.
    File { file: SteadyFile, path: PathBuf },
    /// Loaded as it comes, into what is served or into what will take its place. `whole`: all keys are there,
    /// and only the mark may be still to come.
    Memory { load: Box<RdbLoad<'static>>, spare: Option<Box<Keyspace>>, whole: bool },
}

/// A data set that came and is in a file.
pub struct ReceivedFile {
    pub path: PathBuf,
    pub state: FileState,
}

/// How far a file is that came.
pub enum FileState {
    /// The disk is still at work on it.
    Unsettled(Arc<File>),
    /// The disk has it, or that failed.
    Settled(io::Result<()>),
    /// It has the name of a snapshot, and is loaded.
    Named,
}

/// A data set that came, and the connection that waits for it to be loaded.
pub struct Loading {
    pub connection: Connection,
    pub history: Option<(String, u64)>,
    /// The database that the stream is at.
    pub selected: usize,
    /// There is an append-only file to be started anew.
    pub appends: bool,
    /// Where it is, if it was not loaded as it came.
    pub file: Option<ReceivedFile>,
}

impl Primary {
    pub fn new(host: String, port: u16, has_history: bool, now_ms: u64) -> Primary {
        Primary {
            host,
            port,
            link: Link::Down,
            down_since_ms: now_ms,
            heard_ms: now_ms,
            attempts: 0,
            has_history,
            selected: 0,
            acknowledges: false,
            hand_over: false,
        }
    }

    pub fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// The client through which the stream comes.
    pub fn client(&self) -> Option<ClientId> {
        match self.link {
            Link::Up(id) => Some(id),
            _ => None,
        }
    }

    /// As ROLE names it.
    pub fn state_name(&self) -> &'static str {
        match &self.link {
            Link::Down | Link::Resolving => "connect",
            Link::Handshake(handshake) if handshake.awaited.contains(&Awaited::Connected) => "connecting",
            Link::Handshake(_) => "handshake",
            Link::Transfer(_) | Link::Loading(_) => "sync",
            Link::Up(_) => "connected",
        }
    }
}
