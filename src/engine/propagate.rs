//! What commands did, on its way to the append-only file and the replicas: as they came, rewritten, or as one
//! transaction.

use crate::config::Config;
use crate::keyspace::Propagate;
use crate::persist::aof::Aof;
use crate::resp::Args;
use crate::script::ReplicateTo;
use crate::server::Server;
use crate::server::clock::Clock;
use crate::server::replication::Replication;
use crate::server::replication::stream::ReplicationStream;

/// Adds what was done to the transaction under way, or to the append-only file and the replication stream. `args`
/// is the command, for one that propagates as it came.
#[inline]
pub fn propagate(server: &mut Server, db: usize, args: Option<&Args>) {
    let effects = &mut server.keyspace.effects;
    let dirty = std::mem::take(&mut effects.dirty);
    server.stats.dirty += dirty;
    let as_it_came = args.filter(|_| dirty > 0 && effects.propagate == Propagate::Request);
    effects.propagate = Propagate::Request;
    let count = effects.deleted.len() + effects.rewritten.len() + as_it_came.is_some() as usize;
    if let Some(commands) = server.execution.also_propagate.as_mut().filter(|_| !server.loading.is_blocking()) {
        // Without an append-only file and a replication stream nothing need be kept.
        if server.aof.is_some() || server.replication.stream.is_kept() {
            commands.append(&mut effects.deleted);
            commands.append(&mut effects.rewritten);
            if let Some(args) = as_it_came {
                commands.push_all(db, args.iter());
            }
        }
    } else if count > 0
        && !server.loading.is_blocking()
        && let Some(mut targets) = Targets::of(&mut server.aof, &mut server.replication)
    {
        targets.note_time(&server.config, &server.clock);
        // Several propagated commands that came from one are repeated as a whole or not at all.
        let in_multi = count > 1 && !effects.deleted_apart;
        if in_multi {
            targets.append_marker(b"MULTI");
        }
        for (db, arguments) in effects.deleted.iter() {
            targets.append(db, arguments);
        }
        match as_it_came {
            Some(args) => match args.raw() {
                Some(raw) => targets.append_raw(db, raw),
                None => targets.append(db, args.iter()),
            },
            None => effects.rewritten.iter().for_each(|(db, arguments)| targets.append(db, arguments)),
        }
        if in_multi {
            targets.append_marker(b"EXEC");
        }
    }
    effects.deleted.clear();
    effects.deleted_apart = false;
    effects.rewritten.clear();
}

/// Propagates what the commands of a transaction did, as a whole.
pub fn end_transaction(server: &mut Server) {
    let mut changes_of_targets = std::mem::take(&mut server.execution.propagate_targets).into_iter().peekable();
    let Some(commands) =
        server.execution.also_propagate.take().filter(|commands| !commands.is_empty() && !server.loading.is_blocking())
    else {
        return;
    };
    let Some(mut targets) = Targets::of(&mut server.aof, &mut server.replication) else { return };
    targets.note_time(&server.config, &server.clock);
    let in_multi = commands.len() > 1;
    if in_multi {
        targets.append_marker(b"MULTI");
    }
    let mut to = ReplicateTo::all();
    for (place, (db, arguments)) in commands.iter().enumerate() {
        while let Some((_, next)) = changes_of_targets.next_if(|&(from, _)| from <= place) {
            to = next;
        }
        targets.append_to(to, db, arguments);
    }
    if in_multi {
        targets.append_marker(b"EXEC");
    }
}

/// Propagates a command that changed nothing to replicas only: a published message, for their subscribers.
pub fn send_to_replicas(server: &mut Server, db: usize, args: &Args) {
    if server.execution.is_atomic() {
        let before = server.execution.propagate_targets.last().map_or(ReplicateTo::all(), |&(_, to)| to);
        server.execution.propagate_to(before & ReplicateTo::REPLICAS);
        server.execution.also_propagate.as_mut().expect("there is one").push_all(db, args.iter());
        server.execution.propagate_to(before);
    } else if !server.loading.is_blocking()
        && let Some(stream) = server.replication.stream_of_own_changes(false)
    {
        stream.append(db, args.iter());
    }
}

/// Where commands that changed the data set are propagated to: the append-only file, the replicas, or both.
struct Targets<'s> {
    aof: Option<&'s mut Aof>,
    stream: Option<&'s mut ReplicationStream>,
}

impl<'s> Targets<'s> {
    /// None if there is neither.
    #[inline]
    fn of(aof: &'s mut Option<Aof>, replication: &'s mut Replication) -> Option<Targets<'s>> {
        let stream = replication.stream_of_own_changes(aof.is_some());
        let aof = aof.as_mut();
        (aof.is_some() || stream.is_some()).then_some(Targets { aof, stream })
    }

    fn note_time(&mut self, config: &Config, clock: &Clock) {
        if config.aof_timestamp_enabled
            && let Some(aof) = &mut self.aof
        {
            aof.note_time(clock.unix_s());
        }
    }

    fn append<'a>(&mut self, db: usize, arguments: impl ExactSizeIterator<Item = &'a [u8]> + Clone) {
        self.append_to(ReplicateTo::all(), db, arguments);
    }

    #[inline]
    fn append_to<'a>(
        &mut self,
        to: ReplicateTo,
        db: usize,
        arguments: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
    ) {
        if let Some(aof) = self.aof.as_mut().filter(|_| to.contains(ReplicateTo::AOF)) {
            aof.append(db, arguments.clone());
        }
        if let Some(stream) = self.stream.as_mut().filter(|_| to.contains(ReplicateTo::REPLICAS)) {
            stream.append(db, arguments);
        }
    }

    #[inline]
    fn append_raw(&mut self, db: usize, request: &[u8]) {
        if let Some(aof) = &mut self.aof {
            aof.append_raw(db, request);
        }
        if let Some(stream) = &mut self.stream {
            stream.append_raw(db, request);
        }
    }

    fn append_marker(&mut self, name: &'static [u8]) {
        if let Some(aof) = &mut self.aof {
            aof.append_marker(name);
        }
        if let Some(stream) = &mut self.stream {
            stream.append_marker([name].into_iter());
        }
    }
}
