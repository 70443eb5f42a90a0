//! The forked child that writes the data set as it was: started, heard, ended.
//!
//! The child owns a copy of the server, of which it uses the keyspace and the configuration alone. It
//! never returns from here. The file it has written gets its name from the server, once the child has
//! ended well and is still wanted.

use super::replication::transfer;
use super::rewrite;
use super::snapshot::{self, Contents};
use crate::config::Config;
use crate::persist::delay;
use crate::server::oom_score::OomRole;
use crate::server::persistence::{Child, Ended, Job, Report};
use crate::server::system::{self, Fork};
use crate::server::{Server, Timer, cpu_list, logging, process_title, tokens};
use mio::Interest;
use mio::unix::pipe;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// A child tells how far it is this often.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Keys after which it looks at the clock.
const KEYS_BETWEEN_LOOKS: u64 = 1024;
/// Looking at its own memory may take up one part in this many of its time.
const COW_SHARE: u32 = 100;
/// The pipe of a child is closed a moment before it can be waited for.
const REAP_AGAIN_MS: u64 = 1;

/// Where a child writes to.
pub enum Output<'f> {
    /// What this makes of its process id.
    File(&'f dyn Fn(&Server, u32) -> PathBuf),
    Pipe(pipe::Sender),
}

/// Forks a child that writes the data set.
pub fn start(server: &mut Server, job: Job, output: Output) -> io::Result<u32> {
    assert!(server.persistence.child.is_none(), "there is one child at a time");
    let (sender, mut receiver) = pipe::new()?;
    server.registry.register(&mut receiver, tokens::CHILD, Interest::READABLE)?;
    let began = server.clock.stamp();
    let pid = match system::fork()? {
        Fork::Child => run(server, job, output, sender),
        Fork::Parent(pid) => pid,
    };
    let nanos = server.clock.nanos_between(began, server.clock.stamp());
    server.persistence.last_fork_us = nanos / 1000;
    server.note_latency("fork", nanos);
    server.persistence.forks += 1;
    drop(sender);
    server.persistence.child = Some(Child {
        pid,
        job,
        temporary: match output {
            Output::File(temporary) => Some(temporary(server, pid)),
            Output::Pipe(_) => None,
        },
        for_replicas: None,
        pipe: receiver,
        started_ms: server.clock.now_ms,
        dirty: server.stats.dirty,
        keys: server.keyspace.dbs().iter().map(|db| db.len() as u64).sum(),
        report: Report::default(),
        reported_ms: server.clock.now_ms,
        cow_peak: 0,
        unwanted: false,
    });
    // What is written to from here on is copied.
    server.keyspace.allow_resize(false);
    server.keyspace.stamps = false;
    Ok(pid)
}

/// All that the child does.
fn run(server: &Server, job: Job, output: Output, pipe: pipe::Sender) -> ! {
    let (temporary, mut sender) = match output {
        Output::File(temporary) => (Some(temporary(server, std::process::id())), None),
        Output::Pipe(sender) => (None, Some(sender)),
    };
    let kept = sender.as_ref().map_or(pipe.as_raw_fd(), AsRawFd::as_raw_fd);
    system::become_child([pipe.as_raw_fd(), kept]);
    logging::in_child();
    // COMPAT: what tools look for.
    let title = match job {
        Job::Snapshot(_) => "redis-rdb-bgsave",
        Job::Rewrite(_) => "redis-aof-rewrite",
        Job::Transfer(_) => "redis-rdb-to-slaves",
    };
    process_title::set(&server.config, Some(title));
    let processors = match job {
        Job::Rewrite(_) => &server.config.aof_rewrite_cpulist,
        Job::Snapshot(_) | Job::Transfer(_) => &server.config.bgsave_cpulist,
    };
    if let Err(error) = cpu_list::run_on(processors) {
        log::warn!("Can't run on the processors that are asked for: {error}");
    }
    // A refusal is in the log.
    let _ = server.set_oom_score(OomRole::Child);
    let mut progress = Progress::new(&server.config, temporary.as_deref(), pipe);
    // A panic must not unwind into what the server was about to do.
    let written = catch_unwind(AssertUnwindSafe(|| match (job, temporary.as_deref(), &mut sender) {
        (Job::Transfer(form), _, Some(sender)) => {
            // The loop takes its time.
            sender.set_nonblocking(false)?;
            transfer::write(server, form, sender, &mut || progress.key_done())
        }
        (Job::Rewrite(form), Some(path), _) => rewrite::write_base(server, form, path, &mut || progress.key_done()),
        (Job::Snapshot(version), Some(path), _) => {
            snapshot::write(server, Contents::new(version), path, &mut || progress.key_done())
        }
        _ => Err(ErrorKind::InvalidInput.into()),
    }));
    let what = if matches!(job, Job::Rewrite(_)) { "AOF rewrite" } else { "RDB" };
    let code = match written {
        Ok(Ok(())) => {
            progress.report();
            let mb = |bytes: u64| bytes >> 20;
            log::info!("Fork CoW for {what}: current {} MB, peak {} MB", mb(progress.cow), mb(progress.cow_peak));
            0
        }
        Ok(Err(error)) => {
            log::warn!("Write error while saving the data set in the background: {error}");
            1
        }
        Err(_) => 1,
    };
    system::exit_at_once(code)
}

/// How far a child is.
struct Progress<'a> {
    config: &'a Config,
    temporary: Option<&'a Path>,
    pipe: pipe::Sender,
    keys: u64,
    reported: Instant,
    cow: u64,
    cow_peak: u64,
    /// Not before this does it look at its memory again.
    next_cow: Instant,
}

impl<'a> Progress<'a> {
    fn new(config: &'a Config, temporary: Option<&'a Path>, pipe: pipe::Sender) -> Progress<'a> {
        let now = Instant::now();
        Progress { config, temporary, pipe, keys: 0, reported: now, cow: 0, cow_peak: 0, next_cow: now }
    }

    fn key_done(&mut self) {
        self.keys += 1;
        delay(self.config.rdb_key_save_delay);
        if self.keys.is_multiple_of(KEYS_BETWEEN_LOOKS) && self.reported.elapsed() >= REPORT_INTERVAL {
            self.report();
        }
    }

    fn report(&mut self) {
        let now = Instant::now();
        if now >= self.next_cow {
            self.cow = system::private_dirty_memory();
            self.cow_peak = self.cow_peak.max(self.cow);
            self.next_cow = now + now.elapsed() * COW_SHARE;
        }
        self.reported = now;
        let report = Report { keys: self.keys, cow: self.cow };
        match self.pipe.write(&report.to_bytes()) {
            // Nobody reads: the server is gone, and with it whoever could use this.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                let _ = self.temporary.map(std::fs::remove_file);
                system::exit_at_once(1);
            }
            // A full pipe has older news.
            _ => (),
        }
    }
}

/// The child's pipe has something to say, or has ended.
pub fn hear(server: &mut Server) {
    let Some(child) = &mut server.persistence.child else { return };
    let mut bytes = [0; 64 * Report::SIZE];
    let ended = loop {
        match child.pipe.read(&mut bytes) {
            Ok(0) => break true,
            Ok(count) => {
                // Writes of this size are not torn.
                if let Some(&last) = bytes[..count].as_chunks().0.last() {
                    child.report = Report::from_bytes(last);
                    child.reported_ms = server.clock.now_ms;
                    child.cow_peak = child.cow_peak.max(child.report.cow);
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) => break error.kind() != ErrorKind::WouldBlock,
        }
    };
    if ended {
        reap(server);
    }
}

/// Takes leave of the child, if it has ended.
pub fn reap(server: &mut Server) {
    let Some(child) = &server.persistence.child else { return };
    match system::wait_for_child(child.pid) {
        None => {
            server.timers.insert(server.clock.now_ms + REAP_AGAIN_MS, Timer::ReapChild);
        }
        Some(status) => {
            ended(server, status);
            // Somebody may have waited for it to make way.
            transfer::arrange(server);
        }
    }
}

fn ended(server: &mut Server, status: ExitStatus) {
    let Some(mut child) = server.persistence.child.take() else { return };
    server.keyspace.allow_resize(true);
    server.keyspace.stamps = true;
    let what = match child.job {
        Job::Snapshot(_) => "Background saving",
        Job::Transfer(_) => "Background transfer",
        Job::Rewrite(_) => "Background AOF rewrite",
    };
    let outcome = match (status.code(), status.signal()) {
        _ if child.unwanted => Ended::Unwanted,
        (Some(0), _) => Ended::Succeeded,
        // COMPAT: how people end one without it being counted as a failure.
        (_, Some(libc::SIGUSR1)) => Ended::Unwanted,
        _ => Ended::Failed,
    };
    match status.signal() {
        Some(signal) => log::warn!("{what} terminated by signal {signal}"),
        None if outcome == Ended::Succeeded => log::info!("{what} terminated with success"),
        None if outcome == Ended::Failed => log::warn!("{what} error"),
        None => (),
    }
    match child.job {
        Job::Snapshot(_) => snapshot::finished(server, &child, outcome),
        Job::Rewrite(form) => rewrite::child_ended(server, &mut child, form, outcome),
        Job::Transfer(_) => transfer::finished(server, outcome),
    }
    let _ = child.temporary.as_deref().map(|path| server.background.remove(path));
}

/// Has the child end, and what it wrote forgotten; it is gone some time later.
pub fn end(server: &mut Server) {
    let Some(child) = &mut server.persistence.child else { return };
    child.unwanted = true;
    system::end_child(child.pid);
}

/// As [`end`], and waits until it is gone.
pub fn end_now(server: &mut Server) {
    end(server);
    if let Some(child) = &server.persistence.child {
        let status = system::wait_until_child_ends(child.pid);
        ended(server, status);
    }
}

/// What is due: snapshots and rewrites that were asked for, and those by `save` and
/// `auto-aof-rewrite-percentage`.
pub fn cron(server: &mut Server) {
    if !server.persistence.is_busy() {
        rewrite::start_scheduled(server);
    }
    if !server.persistence.is_busy() {
        snapshot::start_due(server);
    }
    if !server.persistence.is_busy() {
        rewrite::start_due(server);
    }
}
