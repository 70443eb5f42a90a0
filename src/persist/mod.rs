//! Files that the data set survives in.

pub mod aof;
pub mod rdb;
