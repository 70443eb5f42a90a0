//! Keys of a writable replica to which its own clients gave a time to live. The primary does not know of
//! them, so the replica has to expire them itself.

use crate::engine::call::drain_effects;
use crate::resp::Args;
use crate::server::command_table::Found;
use crate::server::{ClientFlags, ClientId, Server};

/// Takes note of keys with a time to live among those that a client's command changed.
#[cold]
pub fn note(server: &mut Server, id: ClientId, db: usize, found: Found, args: &Args) {
    let from_primary = server.clients.get(id).is_some_and(|client| client.flags.contains(ClientFlags::PRIMARY));
    if from_primary || server.config.replica_read_only {
        return;
    }
    for key in found.command.find_keys(args).into_iter().flatten() {
        let key = args.get(key.index);
        let expires =
            server.keyspace.in_db(db, |keyspace| keyspace.get(key).is_some_and(|entry| entry.expire_at().is_some()));
        if expires {
            server.replication.own_expiring.insert((db, key.into()));
        }
    }
}

/// Deletes the keys whose time has come.
pub fn expire(server: &mut Server) {
    let mut own = std::mem::take(&mut server.replication.own_expiring);
    own.retain(|(db, key)| server.keyspace.in_db(*db, |keyspace| !keyspace.expire_now(key)));
    server.replication.own_expiring = own;
    drain_effects(server, 0, None);
}
