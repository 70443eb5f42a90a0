//! The helper threads. They own nothing of the keyspace: one makes files durable, one frees what
//! was handed to it. They answer through a waker of the loop.

use crate::keyspace::Garbage;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// Work for the thread that waits for disks.
enum DiskJob {
    Sync { file: Arc<File>, upto: u64 },
    Close(Arc<File>),
    Barrier(Sender<()>),
}

/// How a sync ended.
pub struct Synced {
    /// As given to [`Background::sync`].
    pub file: Arc<File>,
    pub upto: u64,
    pub result: io::Result<()>,
}

#[derive(Default)]
struct Shared {
    pending_free: AtomicUsize,
    freed: AtomicU64,
    synced: Mutex<Vec<Synced>>,
}

pub struct Background {
    disk: Sender<DiskJob>,
    free: Sender<Vec<Garbage>>,
    shared: Arc<Shared>,
}

impl Background {
    /// Starts the threads; `wake` wakes the loop when there is an answer.
    pub fn new(wake: impl Fn() + Send + 'static) -> io::Result<Background> {
        let (disk, disk_jobs) = channel();
        let (free, free_jobs) = channel();
        let shared = Arc::new(Shared::default());
        let for_disk = shared.clone();
        thread::Builder::new().name("rondo-disk".into()).spawn(move || run_disk(disk_jobs, &for_disk, wake))?;
        let for_free = shared.clone();
        thread::Builder::new().name("rondo-free".into()).spawn(move || run_free(free_jobs, &for_free))?;
        Ok(Background { disk, free, shared })
    }

    /// Makes what was written to `file` so far durable; both come back with the answer.
    pub fn sync(&self, file: Arc<File>, upto: u64) {
        self.send(DiskJob::Sync { file, upto });
    }

    /// Closes a file, which can take long if it was deleted.
    pub fn close(&self, file: Arc<File>) {
        self.send(DiskJob::Close(file));
    }

    /// Waits until all disk work given so far is done.
    pub fn wait_for_disk(&self) {
        let (done, wait) = channel();
        self.send(DiskJob::Barrier(done));
        let _ = wait.recv();
    }

    fn send(&self, job: DiskJob) {
        // The thread ends only with this sender.
        let _ = self.disk.send(job);
    }

    pub fn free(&self, garbage: Vec<Garbage>) {
        let objects = garbage.iter().map(Garbage::objects).sum();
        self.shared.pending_free.fetch_add(objects, Relaxed);
        let _ = self.free.send(garbage);
    }

    pub fn pending_free(&self) -> usize {
        self.shared.pending_free.load(Relaxed)
    }

    pub fn freed(&self) -> u64 {
        self.shared.freed.load(Relaxed)
    }

    pub fn reset_freed(&self) {
        self.shared.freed.store(0, Relaxed);
    }

    /// The answers to [`Self::sync`] since the last call.
    pub fn take_synced(&self) -> Vec<Synced> {
        std::mem::take(&mut *self.shared.synced.lock().expect("no panic while holding it"))
    }
}

fn run_disk(jobs: Receiver<DiskJob>, shared: &Shared, wake: impl Fn()) {
    for job in jobs {
        match job {
            DiskJob::Sync { file, upto } => {
                let result = file.sync_data();
                shared.synced.lock().expect("no panic while holding it").push(Synced { file, upto, result });
                wake();
            }
            DiskJob::Close(file) => drop(file),
            DiskJob::Barrier(done) => {
                let _ = done.send(());
            }
        }
    }
}

fn run_free(jobs: Receiver<Vec<Garbage>>, shared: &Shared) {
    for garbage in jobs {
        for value in garbage {
            let objects = value.objects();
            drop(value);
            shared.pending_free.fetch_sub(objects, Relaxed);
            shared.freed.fetch_add(objects as u64, Relaxed);
        }
        super::allocator::publish_thread_usage();
    }
}
