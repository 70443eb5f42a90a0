//! WAIT and WAITAOF: clients that wait until replicas, or disks, have what they wrote.

use super::online_replicas;
use crate::engine::call::apply_reply_mode;
use crate::resp::CommandError;
use crate::server::replication::{AckGoal, AckWait};
use crate::server::{ClientFlags, ClientId, Server, Timer};

/// Without an append-only file a local fsync will never come.
pub const WITHOUT_AOF: CommandError =
    CommandError::new("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");

/// The reply is given at once if the goal is met, or the client may not wait; else later.
pub fn wait(server: &mut Server, id: ClientId, goal: AckGoal, timeout_ms: u64) {
    let offset = server.clients[id].write_offset;
    let may_wait = !server.execution.is_atomic() && !server.clients[id].flags.contains(ClientFlags::INTERNAL);
    if is_met(server, offset, goal) || !may_wait {
        return reply(server, id, offset, goal);
    }
    let timer = (timeout_ms > 0).then(|| {
        let at = server.clock.now_ms.saturating_add(timeout_ms);
        server.timers.insert(at, Timer::BlockedClient(id))
    });
    server.clients[id].flags |= ClientFlags::BLOCKED;
    server.replication.waits.push(AckWait { client: id, offset, goal, timer });
    server.replication.ask_for_acks = true;
}

/// Replies to the waiting clients whose condition is met now.
pub fn serve(server: &mut Server) {
    let mut at = 0;
    while let Some(wait) = server.replication.waits.get(at) {
        let (id, offset, goal) = (wait.client, wait.offset, wait.goal);
        let waits_in_vain = goal.durable.is_some_and(|durable| durable.local) && !server.config.appendonly;
        if waits_in_vain {
            end_with(server, id, |server| server.reply(id).error(&WITHOUT_AOF));
        } else if is_met(server, offset, goal) {
            end(server, id);
        } else {
            at += 1;
        }
    }
}

/// Ends a client's wait with what there is; false if it does not wait.
pub fn end(server: &mut Server, id: ClientId) -> bool {
    let Some(AckWait { offset, goal, .. }) = server.stop_waiting_for_acks(id) else { return false };
    end_with(server, id, |server| reply(server, id, offset, goal));
    true
}

fn end_with(server: &mut Server, id: ClientId, reply: impl FnOnce(&mut Server)) {
    server.stop_waiting_for_acks(id);
    let mark = server.clients[id].output.mark();
    reply(server);
    apply_reply_mode(server, id, mark);
    server.pending_read(id);
}

fn is_met(server: &Server, offset: u64, goal: AckGoal) -> bool {
    let local = goal.durable.is_none_or(|durable| !durable.local || durable_here(server) >= offset);
    local && replicas_with(server, offset, goal.durable.is_some()) >= goal.replicas
}

fn reply(server: &mut Server, id: ClientId, offset: u64, goal: AckGoal) {
    let replicas = replicas_with(server, offset, goal.durable.is_some()) as i64;
    let here = durable_here(server) >= offset && server.aof.is_some();
    let mut reply = server.reply(id);
    if goal.durable.is_some() {
        reply.array(2);
        reply.integer(here as i64);
    }
    reply.integer(replicas);
}

fn replicas_with(server: &Server, offset: u64, durable: bool) -> usize {
    let has = |id: &ClientId| {
        server.clients[*id]
            .replica
            .as_deref()
            .is_some_and(|replica| (if durable { replica.acked_durable } else { replica.acked }) >= offset)
    };
    online_replicas(server).iter().filter(|id| has(id)).count()
}

/// Up to which offset of the stream our own append-only file has everything on the disk.
pub fn durable_here(server: &Server) -> u64 {
    match &server.aof {
        // Nothing can be loaded from it yet.
        Some(aof) if aof.provisional => 0,
        Some(aof) if !aof.syncs.is_behind() && aof.buffered() == 0 => server.replication.stream.offset(),
        _ => server.replication.aof_durable,
    }
}

/// Asks all replicas how far they are.
pub fn ask(server: &mut Server) {
    if let Some(stream) = server.replication.stream_of_own_changes(false) {
        stream.append_marker([&b"REPLCONF"[..], b"GETACK", b"*"].into_iter());
    }
}
