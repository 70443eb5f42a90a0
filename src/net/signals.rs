//! SIGTERM and SIGINT ask the server to end; a SIGINT while it is about to ends the process at once.

use crate::server::system;
use mio::net::UnixStream;
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::{flag, low_level};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

pub struct Signals {
    /// A byte arrives with each signal.
    pipe: UnixStream,
    /// The last one that arrived.
    last: Arc<AtomicUsize>,
}

impl Signals {
    /// `told` is set when a signal has arrived; whoever acts on it sets it back if the server goes on.
    pub fn new(told: Arc<AtomicBool>) -> io::Result<Signals> {
        let (reader, writer) = std::os::unix::net::UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let last = Arc::new(AtomicUsize::new(0));
        // In this order: the second signal finds the flag that the first one set.
        system::end_if_told_again(SIGINT, told.clone())?;
        for signal in [SIGTERM, SIGINT] {
            flag::register(signal, told.clone())?;
            flag::register_usize(signal, last.clone(), signal as usize)?;
            low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        // Rust ignores SIGPIPE already; a hang-up must not end a server either.
        let ignored = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGPIPE] {
            flag::register(signal, ignored.clone())?;
        }
        Ok(Signals { pipe: UnixStream::from_std(reader), last })
    }

    pub fn source(&mut self) -> &mut UnixStream {
        &mut self.pipe
    }

    /// The signal that arrived.
    pub fn take(&mut self) -> Option<i32> {
        let mut bytes = [0; 16];
        while let Ok(1..) = (&self.pipe).read(&mut bytes) {}
        match self.last.swap(0, Relaxed) {
            0 => None,
            signal => Some(signal as i32),
        }
    }
}
