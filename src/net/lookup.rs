//! What is looked up for the requests of a batch before they run: their commands and, by prefetching, what they are
//! about to use, so that the memory's delays overlap. Nothing here changes what a request does.

use crate::encoding::hash::hash;
use crate::encoding::hashtable::Ref;
use crate::encoding::number::parse_f64;
use crate::keyspace::Entry;
use crate::resp::request::Batch;
use crate::server::command::MEMBER_AFTER_SCORE;
use crate::server::command_table::Found;
use crate::server::{ClientId, Server};

/// What is known of a request before it runs.
pub struct Lookup {
    pub found: Option<Found>,
    /// The hash of its first key.
    pub hash: Option<u64>,
}

/// The lookups of a batch.
#[derive(Default)]
pub struct Lookups {
    /// In the order of the batch.
    requests: Vec<Lookup>,
    /// The requests that look a member up in a large collection, and the members' hashes.
    members: Vec<(usize, u64)>,
}

impl Lookups {
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &Lookup> {
        self.requests.iter()
    }

    /// Looks up the commands of a batch, and brings the keys they are about to use towards the
    /// cache while other requests are looked at.
    #[inline]
    pub fn look_up(&mut self, server: &Server, id: ClientId, batch: &Batch, buffer: &[u8]) {
        self.requests.clear();
        let db = server.clients[id].db;
        let prefetch = batch.len() > 1;
        // Most batches repeat one command.
        let mut last: (&[u8], Option<Found>) = (b"", None);
        for i in 0..batch.len() {
            let args = batch.args(i, buffer);
            if args.get(0) != last.0 || last.1.is_none() {
                last = (args.get(0), server.commands.find(args.get(0)));
            }
            let found = last.1;
            let mut lookup = Lookup { found, hash: None };
            let at = found.map_or(0, |found| found.first_key as usize);
            if at > 0 && args.len() > at {
                let hash = hash(args.get(at));
                lookup.hash = Some(hash);
                if prefetch {
                    server.keyspace.prefetch_bucket(db, hash);
                }
            }
            self.requests.push(lookup);
        }
        if prefetch {
            for hash in self.requests.iter().filter_map(|lookup| lookup.hash) {
                server.keyspace.prefetch_entry(db, hash);
            }
            self.prefetch_members(server, db, batch, buffer);
        }
    }

    /// Where requests look members up in large collections, does for these what was done for keys.
    fn prefetch_members(&mut self, server: &Server, db: usize, batch: &Batch, buffer: &[u8]) {
        self.members.clear();
        // Most batches work on one collection, or on none.
        let mut last: (&[u8], Option<Ref<Entry>>) = (b"", None);
        for (i, lookup) in self.requests.iter().enumerate() {
            let Some(at) = lookup.found.and_then(|found| found.command.member).map(usize::from) else { continue };
            let args = batch.args(i, buffer);
            let (Some(key_hash), true) = (lookup.hash, args.len() > at) else { continue };
            if args.get(1) != last.0 || last.1.is_none() {
                let entry = server.keyspace.entry_to_prefetch(db, key_hash, args.get(1));
                last = (args.get(1), entry.filter(|entry| entry.has_members_to_prefetch()));
            }
            let Some(entry) = &last.1 else { continue };
            let hash = hash(args.get(at));
            entry.prefetch_member_bucket(hash);
            self.members.push((i, hash));
        }
        if self.members.is_empty() {
            return;
        }
        self.each_member(server, db, batch, buffer, |entry, hash, _| entry.prefetch_member(hash));
        self.each_member(server, db, batch, buffer, |entry, hash, score| {
            if let Some(score) = score.and_then(parse_f64) {
                entry.prefetch_places(hash, score);
            }
        });
    }

    /// Calls `f` with each collection that a member is looked up in, the member's hash, and its score if
    /// it is to get one.
    fn each_member(
        &self,
        server: &Server,
        db: usize,
        batch: &Batch,
        buffer: &[u8],
        f: impl Fn(&Entry, u64, Option<&[u8]>),
    ) {
        let mut last: (&[u8], Option<Ref<Entry>>) = (b"", None);
        for &(i, hash) in &self.members {
            let args = batch.args(i, buffer);
            let lookup = &self.requests[i];
            let (Some(key_hash), Some(found)) = (lookup.hash, lookup.found) else { continue };
            if args.get(1) != last.0 {
                last = (args.get(1), server.keyspace.entry_to_prefetch(db, key_hash, args.get(1)));
            }
            if let (Some(entry), Some(at)) = (&last.1, found.command.member) {
                f(entry, hash, (at == MEMBER_AFTER_SCORE).then(|| args.get(2)));
            }
        }
    }
}
