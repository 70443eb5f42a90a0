//! Files that the data set survives in.
//!
//! * `rdb`  snapshots, and values by themselves
//! * `aof`  the append-only file
//! * `check` looking whether files are whole, as redis-check-rdb and redis-check-aof do
//! * `file` a file written once and made durable

pub mod aof;
pub mod check;
pub mod file;
pub mod rdb;

use std::time::Duration;

/// `rdb-key-save-delay` and `key-load-delay`, by which tests slow things down: waits after a key for so
/// many microseconds, or, if negative, for one after that many keys on average.
pub fn delay(configured: i32) {
    let us = match configured {
        0 => return,
        us @ 1.. => us as u64,
        n => (fastrand::u32(..n.unsigned_abs()) == 0) as u64,
    };
    if us > 0 {
        std::thread::sleep(Duration::from_micros(us));
    }
}
