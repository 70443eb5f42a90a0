//! Looking whether files are whole, without a server: `rondo --check-rdb` and `--check-aof`. What they
//! print is what redis-check-rdb and redis-check-aof print, as tools and people look for it.

mod aof;
mod rdb;

pub use aof::{Repair, check_aof};
pub use rdb::check_rdb;

use std::io::{self, IsTerminal, Write};

/// A bar on the terminal, where there is one, that shows how far a check is.
struct Bar {
    total: u64,
    shown: Option<u64>,
    is_wanted: bool,
}

const BAR_WIDTH: u64 = 50;

impl Bar {
    fn new(total: u64) -> Bar {
        Bar { total, shown: None, is_wanted: io::stderr().is_terminal() }
    }

    fn show(&mut self, done: u64) {
        let percent = (done as u128 * 100 / self.total.max(1) as u128) as u64;
        if !self.is_wanted || self.shown == Some(percent) {
            return;
        }
        self.shown = Some(percent);
        let full = (percent * BAR_WIDTH / 100) as usize;
        let _ = write!(io::stderr(), "\r[{:<width$}] {percent}%", "#".repeat(full), width = BAR_WIDTH as usize);
    }

    /// What is printed next has the line for itself.
    fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(io::stderr(), "\r{:width$}\r", "", width = BAR_WIDTH as usize + 8);
        }
    }
}
