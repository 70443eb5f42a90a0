//! The helper threads. They own nothing of the keyspace: one does what waits for disks, one frees what
//! was handed to it, and others come and go for what may take very long. They answer through a waker of
//! the loop.
//!
//! They hold no lock that a forked child takes: in particular they never log.

use super::Server;
use super::cpu_list;
use super::crash::HandlerStack;
use crate::keyspace::Garbage;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the loop does once a piece of work is done.
pub type Answer = Box<dyn FnOnce(&mut Server) + Send>;
/// Work for the thread that waits for disks.
type DiskJob = Box<dyn FnOnce() -> Answer + Send>;

struct Shared {
    pending_free: AtomicUsize,
    freed: AtomicU64,
    answers: Mutex<Vec<Answer>>,
    /// The processors that the threads may run on.
    processors: Vec<u8>,
    /// Wakes the loop.
    wake: Box<dyn Fn() + Send + Sync>,
}

pub struct Background {
    disk: Sender<DiskJob>,
    free: Sender<Vec<Garbage>>,
    shared: Arc<Shared>,
}

impl Background {
    /// Starts the threads on the processors of a list; `wake` wakes the loop when there is an answer.
    pub fn new(processors: &[u8], wake: impl Fn() + Send + Sync + 'static) -> io::Result<Background> {
        let (disk, disk_jobs) = channel();
        let (free, free_jobs) = channel();
        let shared = Arc::new(Shared {
            pending_free: AtomicUsize::new(0),
            freed: AtomicU64::new(0),
            answers: Mutex::default(),
            processors: processors.to_vec(),
            wake: Box::new(wake),
        });
        spawn("rondo-disk", &shared, move |shared| run_disk(disk_jobs, shared))?;
        spawn("rondo-free", &shared, move |shared| run_free(free_jobs, shared))?;
        Ok(Background { disk, free, shared })
    }

    /// Has the thread that waits for disks do `work`, after all it was given before, and then the loop
    /// `then` with what came of it.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        then: impl FnOnce(&mut Server, T) + Send + 'static,
    ) {
        let job: DiskJob = Box::new(move || {
            let result = work();
            Box::new(move |server| then(server, result))
        });
        // The thread ends only with this sender.
        let _ = self.disk.send(job);
    }

    /// As [`Self::run`], in a thread of its own: for what may take very long, and must not hold up disks.
    pub fn run_apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        then: impl FnOnce(&mut Server, T) + Send + 'static,
    ) -> io::Result<()> {
        spawn("rondo-apart", &self.shared, move |shared| {
            let result = work();
            shared.answer(Box::new(move |server| then(server, result)));
        })
    }

    /// Closes files, which can take long if they were deleted.
    pub fn close(&self, files: impl Send + 'static) {
        // Syncs must not wait behind it. Without a thread for it, they are closed here.
        let _ = self.run_apart(move || drop(files), |_, ()| ());
    }

    /// Removes a file at once; its space is given back off the loop.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.freeing(path, || fs::remove_file(path))
    }

    /// Renames a file at once; the space of one that had the name is given back off the loop.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.freeing(to, || fs::rename(from, to))
    }

    /// Does what takes a file its last name. Once that is gone, closing it is what takes long.
    fn freeing(&self, path: &Path, unname: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let open = File::open(path);
        unname()?;
        if let Ok(file) = open {
            self.close(file);
        }
        Ok(())
    }

    /// Waits until all disk work given so far is done; the loop has not done its part then.
    pub fn wait_for_disk(&self) {
        let (done, wait) = channel::<()>();
        self.run(move || drop(done), |_, ()| ());
        // Ends when the other end is dropped.
        let _ = wait.recv();
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

    /// What the loop is to do for work that was done since the last call.
    pub fn take_answers(&self) -> Vec<Answer> {
        std::mem::take(&mut *self.shared.answers.lock().expect("no panic while holding it"))
    }
}

impl Shared {
    fn answer(&self, answer: Answer) {
        self.answers.lock().expect("no panic while holding it").push(answer);
        (self.wake)();
    }
}

/// Starts a thread whose crash is reported as the loop's would be.
fn spawn(name: &str, shared: &Arc<Shared>, run: impl FnOnce(&Shared) + Send + 'static) -> io::Result<()> {
    let shared = shared.clone();
    let run = move || {
        let _stack = HandlerStack::install();
        // Where that cannot be, it runs where the loop does.
        let _ = cpu_list::run_on(&shared.processors);
        run(&shared);
    };
    thread::Builder::new().name(name.into()).spawn(run).map(drop)
}

fn run_disk(jobs: Receiver<DiskJob>, shared: &Shared) {
    for job in jobs {
        shared.answer(job());
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
