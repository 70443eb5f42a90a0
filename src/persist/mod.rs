//! Files that the data set survives in.
//!
//! * `rdb`  snapshots, and values by themselves
//! * `aof`  the append-only file
//! * `file` a file written once and made durable

pub mod aof;
pub mod file;
pub mod rdb;
