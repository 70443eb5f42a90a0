//! Where in its history a data set is that is loaded at start.

use super::heartbeat;
use crate::persist::aof::ReplicationPosition;
use crate::persist::rdb::RdbLoad;
use crate::server::Server;
use crate::server::replication::SecondReplid;

/// The database that the stream was at when a data set was written.
pub fn stream_db(server: &Server, data_set: &RdbLoad) -> usize {
    let db = data_set.fact(b"repl-stream-db").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    db.filter(|&db| db < server.keyspace.databases()).unwrap_or(0)
}

/// What a snapshot says of the history it belongs to.
pub fn position_of(server: &Server, data_set: &RdbLoad) -> Option<ReplicationPosition> {
    let text = |name: &[u8]| data_set.fact(name).and_then(|value| std::str::from_utf8(value).ok());
    let replid = text(b"repl-id").filter(|replid| replid.len() == 40)?.to_owned();
    let offset = parse_offset(text(b"repl-offset")?)?;
    Some(ReplicationPosition { replid, offset, db: stream_db(server, data_set) })
}

/// The data set that was loaded at start is that at this place of a history: replicas can go on from there, or we with
/// our primary.
pub fn restore_position(server: &mut Server, position: ReplicationPosition) {
    if server.replication.stream.is_kept() {
        return;
    }
    let ReplicationPosition { replid, offset, db } = position;
    let db = if db < server.keyspace.databases() { db } else { 0 };
    let replication = &mut server.replication;
    if server.config.replicaof.is_some() {
        replication.replid = replid;
        replication.restored_selected = db;
    } else {
        // Replicas may have seen changes after the snapshot, so the history goes on under a new name.
        replication.replid2 = Some(SecondReplid { replid, end: offset });
    }
    replication.stream.restart_at(offset);
    replication.no_replicas_since_ms = server.clock.now_ms;
    heartbeat::start(server);
}

/// An offset in the stream. Half of the numbers are enough, and leave room for what follows.
pub fn parse_offset(text: &str) -> Option<u64> {
    text.parse::<i64>().ok()?.try_into().ok()
}
