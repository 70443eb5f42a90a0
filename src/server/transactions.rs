//! What MULTI and WATCH keep of a client. How commands are queued and run is in
//! `engine/transaction.rs`.

use super::command_table::Found;
use super::{ClientId, Server};
use crate::resp::OwnedRequest;
use std::collections::HashMap;

/// The commands queued since MULTI.
#[derive(Default)]
pub struct Transaction {
    pub queued: Vec<(Found, OwnedRequest)>,
    /// One of them was refused: EXEC will be, too.
    pub aborted: bool,
    /// The flags of all of them together.
    pub flags: u32,
    /// The flags that one of them lacks.
    pub lacks: u32,
}

impl Transaction {
    pub fn memory_usage(&self) -> usize {
        let requests = self.queued.iter().map(|(_, request)| request.memory_usage());
        size_of::<Transaction>() + self.queued.capacity() * size_of::<(Found, OwnedRequest)>() + requests.sum::<usize>()
    }
}

/// A key that a client watches.
pub struct Watched {
    pub db: usize,
    pub key: Box<[u8]>,
    /// It was there when WATCH named it: if it has expired since, it has changed.
    pub was_there: bool,
}

/// The clients that watch each key, by database.
#[derive(Default)]
pub struct Watchers(Vec<HashMap<Box<[u8]>, Vec<ClientId>>>);

impl Server {
    /// WATCH of one key of the client's database.
    pub fn watch_key(&mut self, id: ClientId, key: &[u8]) {
        let db = self.clients[id].db;
        if self.clients[id].watched.iter().any(|watched| watched.db == db && *watched.key == *key) {
            return;
        }
        // One that has expired goes now, so that its going does not count as a change later.
        let was_there = self.keyspace.in_db(db, |keyspace| keyspace.exists(key));
        let watchers = &mut self.watchers.0;
        if watchers.len() <= db {
            watchers.resize_with(db + 1, HashMap::new);
        }
        watchers[db].entry(key.into()).or_default().push(id);
        self.keyspace.watched.insert(db, key);
        self.clients[id].watched.push(Watched { db, key: key.into(), was_there });
    }

    /// The client watches nothing any more.
    pub fn unwatch(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(id) else { return };
        client.watch_failed = false;
        for Watched { db, key, .. } in std::mem::take(&mut client.watched) {
            let watchers = &mut self.watchers.0[db];
            let Some(ids) = watchers.get_mut(&key) else { continue };
            ids.retain(|&other| other != id);
            if ids.is_empty() {
                watchers.remove(&key);
                self.keyspace.watched.remove(db, &key);
            }
        }
    }

    /// Passes on that watched keys changed.
    pub fn notice_touched_keys(&mut self) {
        for (db, key) in self.keyspace.effects.watched_changes.drain(..) {
            let Some(ids) = self.watchers.0.get(db).and_then(|watchers| watchers.get(&key)) else { continue };
            for &id in ids {
                if let Some(client) = self.clients.get_mut(id) {
                    client.watch_failed = true;
                }
            }
        }
    }

    /// Whether a key that the client watches has changed.
    pub fn has_watched_key_changed(&mut self, id: ClientId) -> bool {
        let client = &self.clients[id];
        let keyspace = &mut self.keyspace;
        client.watch_failed
            || client.watched.iter().any(|watched| {
                watched.was_there && !keyspace.in_db(watched.db, |keyspace| keyspace.exists(&watched.key))
            })
    }

    /// Forgets what was queued and watched.
    pub fn discard_transaction(&mut self, id: ClientId) -> Option<Box<Transaction>> {
        self.unwatch(id);
        self.clients.get_mut(id)?.multi.take()
    }
}
