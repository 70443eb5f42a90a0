//! CLIENT TRACKING: invalidation messages for clients that cache keys.
//!
//! In the default mode the server remembers which keys a client reads, and sends one message for each when it
//! changes. In broadcasting mode a client gets all changed keys with its prefixes, in one message before the
//! loop sleeps. A client of RESP2 redirects its messages to another connection, which subscribes to a channel.

use super::{Client, ClientFlags, ClientId, Server};
use crate::keyspace::ChangedKey;
use crate::resp::{Args, Output, Reply};
use crate::server::command::{Group, flag};
use crate::server::command_table::Found;
use bytes::Bytes;
use indexmap::{IndexMap, IndexSet};
use std::collections::BTreeMap;

/// What clients of RESP2 subscribe to.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// What a client chose.
#[derive(Clone, Default)]
pub struct ClientTracking {
    /// REDIRECT: the client that gets the messages, and its number.
    pub redirect: Option<(ClientId, u64)>,
    pub broadcast: bool,
    pub opt_in: bool,
    pub opt_out: bool,
    pub no_loop: bool,
    /// CLIENT CACHING: what the next command, or transaction, is to do about it.
    pub caching: bool,
    /// The client that messages were redirected to is gone.
    pub broken_redirect: bool,
    /// In broadcasting mode.
    pub prefixes: Vec<Vec<u8>>,
}

impl ClientTracking {
    /// Whether the keys that the client reads now are to be remembered.
    fn remembers(&self) -> bool {
        !self.broadcast && if self.opt_in { self.caching } else { !(self.opt_out && self.caching) }
    }

    pub fn memory_usage(&self) -> usize {
        let prefixes = self.prefixes.iter().map(|prefix| size_of::<Vec<u8>>() + prefix.capacity());
        size_of::<ClientTracking>() + prefixes.sum::<usize>()
    }
}

/// The clients that track a prefix, and the message that they get next.
#[derive(Default)]
struct Prefix {
    clients: IndexSet<ClientId>,
    /// The keys that changed, and the client that changed each, if it was one.
    changed: IndexMap<Box<[u8]>, Option<ClientId>>,
}

/// All keys and prefixes that clients track.
#[derive(Default)]
pub struct Tracking {
    /// The clients that read each key. They may be gone, or track no more.
    readers: IndexMap<Box<[u8]>, IndexSet<ClientId>>,
    items: usize,
    prefixes: BTreeMap<Vec<u8>, Prefix>,
    clients: usize,
}

impl Tracking {
    /// Clients that track.
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// Keys in the table.
    pub fn keys(&self) -> usize {
        self.readers.len()
    }

    /// Clients of all keys in the table.
    pub fn items(&self) -> usize {
        self.items
    }

    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }
}

impl Server {
    /// CLIENT TRACKING ON. Prefixes add to those there are.
    pub fn start_tracking(&mut self, id: ClientId, wanted: ClientTracking) {
        let client = &mut self.clients[id];
        let before = client.tracking.take();
        self.tracking.clients += before.is_none() as usize;
        let prefixes = before.map(|before| before.prefixes).unwrap_or_default();
        for prefix in &wanted.prefixes {
            self.tracking.prefixes.entry(prefix.clone()).or_default().clients.insert(id);
        }
        let prefixes = prefixes.into_iter().chain(wanted.prefixes).collect();
        client.tracking = Some(Box::new(ClientTracking { prefixes, ..wanted }));
        self.keyspace.tells_changes = true;
    }

    /// CLIENT TRACKING OFF. The client stays among the readers of keys, but gets no messages.
    pub fn stop_tracking(&mut self, id: ClientId) {
        let Some(tracking) = self.clients.get_mut(id).and_then(|client| client.tracking.take()) else { return };
        self.tracking.clients -= 1;
        for prefix in tracking.prefixes {
            if let Some(known) = self.tracking.prefixes.get_mut(&prefix) {
                known.clients.swap_remove(&id);
                if known.clients.is_empty() {
                    self.tracking.prefixes.remove(&prefix);
                }
            }
        }
        if self.tracking.clients == 0 {
            self.tracking.readers.clear();
            self.tracking.items = 0;
            self.keyspace.tells_changes = false;
        }
    }

    /// A command ran: if its client tracks, the keys it read are remembered. A script's commands read on behalf
    /// of its caller.
    pub fn track_command(&mut self, id: ClientId, found: Found, args: &Args) {
        let is_script = self.clients.get(id).is_some_and(|client| client.flags.contains(ClientFlags::SCRIPT));
        let caller = self.scripts.running.as_ref().map(|running| running.caller).filter(|_| is_script);
        self.remember_read(caller.unwrap_or(id), found, args);
        // CLIENT CACHING is about the next command, or the next transaction.
        let is_over =
            !is_script && !self.execution.is_atomic() && !self.commands.full_name(found.index).starts_with("client|");
        if let Some(client) = self.clients.get_mut(id).filter(|client| is_over && client.multi.is_none())
            && let Some(own) = &mut client.tracking
        {
            own.caching = false;
        }
    }

    fn remember_read(&mut self, id: ClientId, found: Found, args: &Args) {
        // Of a script it is its commands that read.
        let reads = found.command.has(flag::READONLY) && found.command.group != Group::Scripting;
        if !reads || !self.clients.get(id).and_then(|c| c.tracking.as_ref()).is_some_and(|own| own.remembers()) {
            return;
        }
        for key in found.command.find_keys(args).unwrap_or_default() {
            let key = args.get(key.index);
            let readers = match self.tracking.readers.get_mut(key) {
                Some(readers) => readers,
                None => self.tracking.readers.entry(key.into()).or_default(),
            };
            self.tracking.items += readers.insert(id) as usize;
        }
    }

    /// Tells of what the command that ran changed.
    #[cold]
    pub fn tell_changes(&mut self) {
        let origin = self.execution.client;
        if std::mem::take(&mut self.keyspace.effects.flushed) {
            self.tell_flush();
        }
        for ChangedKey { key, by_command } in std::mem::take(&mut self.keyspace.effects.tracked_changes) {
            let origin = origin.filter(|_| by_command);
            for (prefix, known) in &mut self.tracking.prefixes {
                if key.starts_with(prefix) {
                    known.changed.insert(key.clone(), origin);
                }
            }
            self.invalidate(&key, origin);
        }
    }

    /// Sends a key's readers a message, once, and forgets them.
    fn invalidate(&mut self, key: &[u8], origin: Option<ClientId>) {
        let Some(readers) = self.tracking.readers.swap_remove(key) else { return };
        self.tracking.items -= readers.len();
        for id in readers {
            let Some(tracking) = self.clients.get(id).and_then(|client| client.tracking.as_ref()) else { continue };
            let is_own = tracking.no_loop && origin == Some(id);
            if !tracking.broadcast && !is_own {
                self.tell_client(id, Some(&[key]));
            }
        }
    }

    fn tell_flush(&mut self) {
        self.tracking.readers.clear();
        self.tracking.items = 0;
        let tracks = |client: &&Client| client.tracking.is_some();
        let ids: Vec<ClientId> = self.clients.iter().filter(tracks).map(|client| client.id).collect();
        ids.into_iter().for_each(|id| self.tell_client(id, None));
    }

    /// Sends the clients in broadcasting mode all keys that changed since the last time.
    pub fn tell_broadcasts(&mut self) {
        if self.tracking.prefixes.is_empty() {
            return;
        }
        let mut prefixes = std::mem::take(&mut self.tracking.prefixes);
        for prefix in prefixes.values_mut().filter(|prefix| !prefix.changed.is_empty()) {
            let changed = std::mem::take(&mut prefix.changed);
            let all: Vec<&[u8]> = changed.keys().map(|key| &**key).collect();
            for &id in &prefix.clients {
                let no_loop = self.clients.get(id).and_then(|c| c.tracking.as_ref()).is_some_and(|own| own.no_loop);
                if no_loop {
                    let others = changed.iter().filter(|(_, origin)| **origin != Some(id));
                    let others: Vec<&[u8]> = others.map(|(key, _)| &**key).collect();
                    if !others.is_empty() {
                        self.tell_client(id, Some(&others));
                    }
                } else {
                    self.tell_client(id, Some(&all));
                }
            }
        }
        self.tracking.prefixes = prefixes;
    }

    /// Tells a client, or the one it chose, that keys changed; None stands for all.
    fn tell_client(&mut self, id: ClientId, keys: Option<&[&[u8]]>) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let resp3 = client.resp3;
        let Some(tracking) = client.tracking.as_deref_mut() else { return };
        let redirect = tracking.redirect;
        let receiver = redirect.map_or(id, |(receiver, _)| receiver);
        let there = self.clients.get(receiver).filter(|receiver| !receiver.flags.contains(ClientFlags::CLOSE_NOW));
        let Some(told) = there else {
            let number = redirect.map_or(0, |(_, number)| number);
            if let Some(tracking) = self.clients[id].tracking.as_deref_mut() {
                tracking.broken_redirect = true;
            }
            if resp3 {
                self.push(
                    id,
                    &encode(true, |reply| {
                        reply.push(2);
                        reply.bulk(b"tracking-redir-broken");
                        reply.integer(number as i64);
                    }),
                );
            }
            return;
        };
        let resp3 = told.resp3;
        // A client of RESP2 gets messages only by subscription.
        if !resp3 && (redirect.is_none() || !told.flags.contains(ClientFlags::SUBSCRIBED)) {
            return;
        }
        let message = encode(resp3, |reply| {
            if resp3 {
                reply.push(2);
                reply.bulk(b"invalidate");
            } else {
                reply.array(3);
                reply.bulk(b"message");
                reply.bulk(CHANNEL);
            }
            match keys {
                Some(keys) => reply.bulks(keys.iter()),
                None => reply.null(),
            }
        });
        self.push(receiver, &message);
    }

    /// Forgets some keys, and says that they changed, while there are more than `tracking-table-max-keys`.
    pub fn limit_tracked_keys(&mut self) {
        /// In one go.
        const KEYS: usize = 1000;
        let max = usize::try_from(self.config.tracking_table_max_keys).unwrap_or(usize::MAX);
        // It is not the command that runs which changes anything.
        let executing = self.execution.client.take();
        for _ in 0..KEYS {
            let len = self.tracking.readers.len();
            if max == 0 || len <= max {
                break;
            }
            let choice = self.keyspace.rng.usize(..len);
            let key = self.tracking.readers.get_index(choice).expect("below the length").0.clone();
            self.invalidate(&key, None);
        }
        self.execution.client = executing;
    }
}

fn encode(resp3: bool, write: impl FnOnce(&mut Reply)) -> Bytes {
    let mut output = Output::default();
    write(&mut Reply::new(&mut output, resp3));
    output.bytes.into()
}
