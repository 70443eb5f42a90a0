//! SIGTERM and SIGINT ask the server to end; a second one ends the process at once.

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
    pub fn new() -> io::Result<Signals> {
        let (reader, writer) = std::os::unix::net::UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let last = Arc::new(AtomicUsize::new(0));
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the second signal finds the flag that the first one set.
            flag::register_conditional_shutdown(signal, 1, asked.clone())?;
            flag::register(signal, asked.clone())?;
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
