//! Data structures. They know no protocol, no clock and no configuration.
//!
//! * `bits`        strings as arrays of bits: BITCOUNT, BITFIELD
//! * `btree`       the order of a large sorted set
//! * `byte_log`    a window of an endless stream of bytes: replication
//! * `due_index`   which keys expire when
//! * `geohash`     positions as integers
//! * `glob`        patterns
//! * `hash`        the hash function
//! * `hashtable`   keys, and members of large collections
//! * `hyperloglog` the bytes of a HyperLogLog
//! * `intset`      small sets of integers
//! * `lcs`         the longest common subsequence
//! * `listpack`    small collections in one block
//! * `lzf`         compression
//! * `number`      numbers from text and to text
//! * `packed_size` what Redis would take for elements
//! * `prefixed`    a text with its length before it
//! * `quicklist`   long lists
//! * `size_class`  the allocator's size classes
//! * `stream_log`  the entries of a stream
//! * `timer_wheel` timers
//! * `words`       words and quotes, as in redis.conf

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
pub mod packed_size;
pub mod prefixed;
pub mod quicklist;
pub mod size_class;
pub mod stream_log;
pub mod timer_wheel;
pub mod words;
