//! The data set is sent to replicas.
//!
//! A child writes it: to the snapshot's file, which is sent when it is whole, or (`repl-diskless-sync`)
//! to a pipe, from which the loop passes it on as it comes. Replicas that can use the same bytes share
//! a child: those that wait when it starts, and, of a file, those that come while it writes. What
//! the stream gets meanwhile is kept for them.

use super::{replica_name, replicas_that, serve};
use crate::encoding::byte_log::ByteLog;
use crate::engine::child;
use crate::engine::snapshot::{self, Contents, write_rdb};
use crate::server::persistence::{Child, Ended, Job};
use crate::server::replication::Transfer;
use crate::server::replication::replica::{FileTransfer, Replica, ReplicaState, TransferForm};
use crate::server::run::random_id;
use crate::server::tokens;
use crate::server::{ClientId, Server, Timer};
use mio::Interest;
use mio::unix::pipe;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

/// Bytes of a data set that wait to be sent before the child has to wait.
const WAITING_MAX: u64 = 1 << 20;
const READ: usize = 64 << 10;

/// Sees to it that replicas that wait for a child will get one.
pub fn arrange(server: &mut Server) {
    let waiting = replicas_that(server, Replica::waits_for_child);
    if waiting.is_empty() {
        return;
    }
    join_file(server, &waiting);
    let waiting = replicas_that(server, Replica::waits_for_child);
    if waiting.is_empty() || server.persistence.is_busy() || server.replication.transfer.is_some() {
        return;
    }
    let diskless = forms(server, &waiting).any(|form| form.diskless);
    let delay_ms = server.config.repl_diskless_sync_delay as u64 * 1000;
    let enough = server.config.repl_diskless_sync_max_replicas as usize;
    if diskless && delay_ms > 0 && !(enough > 0 && waiting.len() >= enough) {
        if server.replication.transfer_timer.is_none() {
            log::info!("Delay next BGSAVE for diskless SYNC");
            let at = server.clock.now_ms + delay_ms;
            server.replication.transfer_timer = Some(server.timers.insert(at, Timer::StartTransfer));
        }
        return;
    }
    start(server);
}

/// The delay is over.
pub fn delay_over(server: &mut Server) {
    server.replication.transfer_timer = None;
    if !server.persistence.is_busy() && server.replication.transfer.is_none() {
        start(server);
    }
}

fn forms<'s>(server: &'s Server, ids: &'s [ClientId]) -> impl Iterator<Item = TransferForm> + 's {
    let replicas = ids.iter().filter_map(|&id| server.clients[id].replica.as_deref());
    replicas.map(|replica| TransferForm::of(replica, server.config.repl_diskless_sync))
}

/// Replicas for which a file is being written already need only wait for it.
fn join_file(server: &mut Server, waiting: &[ClientId]) {
    let Some(child) = &server.persistence.child else { return };
    let Some((form, offset)) = child.for_replicas.filter(|(form, _)| !form.diskless && !child.unwanted) else { return };
    // What came since is kept only while somebody waits for it.
    if !server.replication.stream.has_from(offset) {
        return;
    }
    let joining: Vec<ClientId> =
        waiting.iter().zip(forms(server, waiting)).filter(|(_, f)| *f == form).map(|(id, _)| *id).collect();
    for id in joining {
        log::info!("Waiting for end of BGSAVE for SYNC");
        begin(server, id, offset, ReplicaState::WaitsForFile);
    }
}

/// Tells a replica at which offset the data set is that it will get.
fn begin(server: &mut Server, id: ClientId, offset: u64, state: ReplicaState) {
    let Some(replica) = server.clients[id].replica.as_deref_mut() else { return };
    replica.position = offset;
    replica.state = state;
    if !replica.without_offsets {
        let line = format!("+FULLRESYNC {} {offset}\r\n", server.replication.replid);
        server.reply(id).raw(line.as_bytes());
    }
}

/// Starts a child for the replica that has waited longest, and all that can use the same.
fn start(server: &mut Server) {
    if let Some(timer) = server.replication.transfer_timer.take() {
        server.timers.cancel(timer);
    }
    let waiting = replicas_that(server, Replica::waits_for_child);
    let Some(form) = forms(server, &waiting).next() else { return };
    let members: Vec<ClientId> =
        waiting.iter().zip(forms(server, &waiting)).filter(|(_, f)| *f == form).map(|(id, _)| *id).collect();
    log::info!("Starting BGSAVE for SYNC with target: {}", if form.diskless { "replicas sockets" } else { "disk" });
    let offset = server.replication.stream.offset();
    // Whoever starts from here knows no database yet.
    server.replication.stream.forget_selected();
    let started = if form.diskless {
        start_pipe(server, form)
    } else {
        snapshot::save_in_background_as(server, form.rdb_version)
    };
    if let Err(error) = started {
        log::warn!("BGSAVE for replication failed: {error}");
        for id in members {
            server.close_client(id);
        }
        return;
    }
    if let Some(child) = &mut server.persistence.child {
        child.for_replicas = Some((form, offset));
    }
    for id in members {
        let state = if form.diskless { ReplicaState::ReceivesPipe(0) } else { ReplicaState::WaitsForFile };
        begin(server, id, offset, state);
    }
}

fn start_pipe(server: &mut Server, form: TransferForm) -> io::Result<()> {
    let (sender, mut receiver) = pipe::new()?;
    server.registry.register(&mut receiver, tokens::TRANSFER, Interest::READABLE)?;
    let pid = child::start(server, Job::Transfer(form), child::Output::Pipe(sender))?;
    log::info!("Background RDB transfer started by pid {pid}");
    server.replication.transfer = Some(Transfer { pipe: receiver, log: ByteLog::at(0), readable: true, ended: false });
    Ok(())
}

/// What the child writes to the pipe: the data set, and a mark before and after it.
pub fn write(server: &Server, form: TransferForm, out: &mut dyn Write, each_key: &mut dyn FnMut()) -> io::Result<()> {
    let mark = random_id();
    write!(out, "$EOF:{mark}\r\n")?;
    let contents = Contents { wanted: form.wanted, ..Contents::new(form.rdb_version) };
    write_rdb(server, contents, out, each_key)?;
    out.write_all(mark.as_bytes())?;
    out.flush()
}

/// The pipe has something, or its end.
pub fn readable(server: &mut Server) {
    if let Some(transfer) = &mut server.replication.transfer {
        transfer.readable = true;
        pump(server);
    }
}

/// Takes from the pipe what replicas are ready for, and has it sent.
pub fn pump(server: &mut Server) {
    let Some(mut transfer) = server.replication.transfer.take() else { return };
    let receivers = replicas_that(server, |replica| matches!(replica.state, ReplicaState::ReceivesPipe(_)));
    let at = |id: &ClientId| match server.clients[*id].replica.as_deref().map(|replica| &replica.state) {
        Some(ReplicaState::ReceivesPipe(at)) => Some(*at),
        _ => None,
    };
    let slowest = receivers.iter().filter_map(at).min();
    transfer.log.drop_before(slowest.unwrap_or(u64::MAX));
    let before = transfer.log.end();
    let mut space = [0; READ];
    while transfer.readable && transfer.log.len() < WAITING_MAX {
        match transfer.pipe.read(&mut space) {
            Ok(0) => {
                transfer.ended = true;
                transfer.readable = false;
                log::info!("Diskless rdb transfer, done reading from pipe, {} replicas still up.", receivers.len());
            }
            Ok(count) => transfer.log.append(&space[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(_) => transfer.readable = false,
        }
    }
    if transfer.log.end() > before {
        for &id in &receivers {
            server.will_write(id);
        }
    }
    let all_sent = transfer.ended && transfer.log.is_empty();
    server.replication.transfer = Some(transfer);
    if all_sent {
        finish_pipe(server, &receivers);
    }
}

/// All has come through the pipe and was sent; what is still open is how the child ended.
fn finish_pipe(server: &mut Server, receivers: &[ClientId]) {
    if server.persistence.transfer_runs() {
        return;
    }
    server.replication.transfer = None;
    for &id in receivers {
        log::info!(
            "Streamed replica synchronization with replica {} succeeded (socket). Waiting for REPLCONF ACK from replica to enable streaming",
            replica_name(server, id)
        );
        let now_ms = server.clock.now_ms;
        if let Some(replica) = server.clients[id].replica.as_deref_mut() {
            replica.state = ReplicaState::Loads;
            replica.acked_ms = now_ms;
            // One that asked with SYNC says nothing.
            if replica.acked_early || replica.without_offsets {
                serve::put_online(server, id);
            }
        }
    }
    arrange(server);
}

/// A replica is gone: if it was the last one, nobody wants what the child writes.
pub fn replica_gone(server: &mut Server) {
    let receives = |replica: &Replica| matches!(replica.state, ReplicaState::ReceivesPipe(_));
    if server.replication.transfer.is_some() && replicas_that(server, receives).is_empty() {
        if server.persistence.transfer_runs() {
            log::info!("Diskless rdb transfer, last replica dropped, killing fork child.");
            child::end(server);
        }
        server.replication.transfer = None;
    }
    let awaits_file = |replica: &Replica| matches!(replica.state, ReplicaState::WaitsForFile);
    let child = server.persistence.child.as_ref();
    let writes_file = child.is_some_and(|child| child.for_replicas.is_some_and(|(form, _)| !form.diskless));
    // Where there are save points the file is welcome all the same.
    if writes_file && server.config.save.is_empty() && replicas_that(server, awaits_file).is_empty() {
        log::info!("Last replica dropped, killing the child that writes a snapshot for it.");
        child::end(server);
    }
}

/// A child that wrote to the pipe has ended.
pub fn finished(server: &mut Server, outcome: Ended) {
    if outcome == Ended::Succeeded {
        log::info!("Background RDB transfer terminated with success");
        return pump(server);
    }
    let receivers = replicas_that(server, |replica| matches!(replica.state, ReplicaState::ReceivesPipe(_)));
    server.replication.transfer = None;
    for id in receivers {
        log::warn!("SYNC failed. BGSAVE child returned an error");
        server.close_client(id);
    }
}

/// A child that wrote a snapshot has ended, and the file is at `path` if that went well.
pub fn snapshot_finished(server: &mut Server, child: &Child, path: Option<&Path>) {
    if child.for_replicas.is_none() {
        return;
    }
    for id in replicas_that(server, |replica| matches!(replica.state, ReplicaState::WaitsForFile)) {
        let open = |path| File::open(path).and_then(|file| Ok((file.metadata()?.len(), file))).ok();
        match path.and_then(open) {
            Some((size, file)) => {
                let Some(replica) = server.clients[id].replica.as_deref_mut() else { continue };
                replica.state = ReplicaState::ReceivesFile(FileTransfer { file, size, sent: 0 });
                server.reply(id).raw(format!("${size}\r\n").as_bytes());
            }
            None => {
                log::warn!("SYNC failed. BGSAVE child returned an error");
                server.close_client(id);
            }
        }
    }
    let nobody_needs_it = server.config.rdb_del_sync_files && server.config.save.is_empty() && server.aof.is_none();
    if let Some(path) = path.filter(|_| nobody_needs_it) {
        // Whoever receives it has it open.
        log::info!("Removing the RDB file {} used to feed replicas in a persistence-less instance", path.display());
        let _ = server.background.remove(path);
    }
}
