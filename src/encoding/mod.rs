//! Data structures. They know no protocol, no clock and no configuration.

pub mod bits;
pub mod btree;
pub mod byte_log;
pub mod due_index;
pub mod geohash;
pub mod glob;
pub mod hash;
pub mod hashtable;
pub mod hyperloglog;
pub mod intset;
pub mod lcs;
pub mod listpack;
pub mod lzf;
pub mod number;
pub mod prefixed;
pub mod quicklist;
pub mod size_class;
pub mod stream_log;
pub mod timer_wheel;
pub mod words;
