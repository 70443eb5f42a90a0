//! Clients that wait for keys.
//!
//! A command that may wait ([`Handler::Blocking`](super::Handler)) is one that is simply run again,
//! arguments and all, when one of its keys got a value of its type. Here is which client waits for which
//! key, in the order in which they came; `engine/blocking.rs` decides when a waiter is served.

use super::{ClientFlags, ClientId, Server};
use crate::encoding::timer_wheel::TimerId;
use crate::resp::OwnedRequest;
use crate::types::Type;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// What a blocking command's handler did.
pub enum Attempt {
    /// It replied.
    Done,
    /// It changed nothing and replied nothing, because no key has anything for it yet.
    Wait(Wait),
}

/// What a command waits for.
pub struct Wait {
    /// The indices of its keys among the arguments.
    pub keys: Range<usize>,
    /// The type of value it can use.
    pub for_type: Type,
    /// Milliseconds until it gives up; 0 waits for ever.
    pub timeout_ms: u64,
    /// The command is also run again when a key is gone or of another type: it replies an error then.
    pub until_gone: bool,
    /// The reply where waiting is not allowed; after a time-out it is always a null array.
    pub refused: Refused,
    /// The request to run again, if not the one that came.
    pub request: Option<OwnedRequest>,
}

/// The reply of a command that found nothing and may not wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    Null,
    NullArray,
}

/// What a client waits for.
pub struct Blocked {
    pub request: OwnedRequest,
    pub db: usize,
    pub keys: Range<usize>,
    pub for_type: Type,
    pub until_gone: bool,
    /// When it gives up, on the monotonic clock.
    pub deadline_ms: Option<u64>,
    timer: Option<TimerId>,
    /// Its place in the order of all blocked clients.
    ticket: u64,
}

/// The clients that wait for each key of a database, by ticket.
type Waiters = HashMap<Box<[u8]>, BTreeMap<u64, ClientId>>;

/// All that wait for keys, by database.
#[derive(Default)]
pub struct BlockedClients {
    waiters: Vec<Waiters>,
    next_ticket: u64,
    /// Clients that wait.
    count: usize,
    /// How many of these clients wait until a key is gone, too.
    until_gone: usize,
    /// Waiters are being served: what their commands make ready has to queue.
    pub serving: bool,
    /// Set while a command that had waited is run again.
    pub retry: Option<Retry>,
}

/// A command on its second or later attempt.
#[derive(Clone, Copy)]
pub struct Retry {
    pub deadline_ms: Option<u64>,
}

impl BlockedClients {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The keys that clients wait for, each with its clients in order.
    pub fn keys(&self) -> impl Iterator<Item = (usize, &[u8], &BTreeMap<u64, ClientId>)> {
        let by_db = self.waiters.iter().enumerate();
        by_db.flat_map(|(db, waiters)| waiters.iter().map(move |(key, clients)| (db, &key[..], clients)))
    }

    /// The first client that waits for a key with a ticket in `range`.
    pub fn next_waiter(&self, db: usize, key: &[u8], range: Range<u64>) -> Option<(u64, ClientId)> {
        let (&ticket, &id) = self.waiters.get(db)?.get(key)?.range(range).next()?;
        Some((ticket, id))
    }

    /// Whether any client waits until a key is gone.
    pub fn any_until_gone(&self) -> bool {
        self.until_gone > 0
    }

    /// Tickets from here on are not given out yet.
    pub fn next_ticket(&self) -> u64 {
        self.next_ticket
    }
}

impl Server {
    /// Makes a client wait. `deadline_ms` is on the monotonic clock.
    pub fn block_client(&mut self, id: ClientId, request: OwnedRequest, wait: &Wait, deadline_ms: Option<u64>) {
        let blocked = &mut self.blocked;
        let ticket = blocked.next_ticket;
        blocked.next_ticket += 1;
        blocked.count += 1;
        blocked.until_gone += wait.until_gone as usize;
        let client = &mut self.clients[id];
        let db = client.db;
        if blocked.waiters.len() <= db {
            blocked.waiters.resize_with(db + 1, Waiters::new);
        }
        for index in wait.keys.clone() {
            let key = request.args().get(index);
            blocked.waiters[db].entry(key.into()).or_default().insert(ticket, id);
            self.keyspace.awaited.insert(db, key);
        }
        let timer = deadline_ms.map(|at| self.timers.insert(at, super::Timer::BlockedClient(id)));
        client.flags |= ClientFlags::BLOCKED;
        client.blocked = Some(Box::new(Blocked {
            request,
            db,
            keys: wait.keys.clone(),
            for_type: wait.for_type,
            until_gone: wait.until_gone,
            deadline_ms,
            timer,
            ticket,
        }));
    }

    /// Ends a client's waiting; gives what it waited for.
    pub fn unblock_client(&mut self, id: ClientId) -> Option<Box<Blocked>> {
        let client = self.clients.get_mut(id)?;
        let was = client.blocked.take()?;
        client.flags -= ClientFlags::BLOCKED;
        if let Some(timer) = was.timer {
            self.timers.cancel(timer);
        }
        self.blocked.count -= 1;
        self.blocked.until_gone -= was.until_gone as usize;
        let waiters = &mut self.blocked.waiters[was.db];
        for index in was.keys.clone() {
            let key = was.request.args().get(index);
            // The same key may have been named twice.
            let Some(clients) = waiters.get_mut(key) else { continue };
            clients.remove(&was.ticket);
            if clients.is_empty() {
                waiters.remove(key);
                self.keyspace.awaited.remove(was.db, key);
            }
        }
        Some(was)
    }
}
