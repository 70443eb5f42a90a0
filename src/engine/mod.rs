//! Running commands.
//!
//! * `append_only` writing the append-only file, and its fsyncs
//! * `apply_config` what follows from a changed configuration
//! * `blocking` commands that wait for keys
//! * `dispatch` a client's request through the gates
//! * `call`     one command, its effects drained, its time counted
//! * `load`     loading the data set in steps
//! * `load_aof` the same from the append-only file
//! * `child`    the forked child that writes the data set
//! * `debugger` sessions of SCRIPT DEBUG
//! * `memory`   evicting keys to keep within `maxmemory`
//! * `observe`  MONITOR, SLOWLOG and LATENCY
//! * `propagate` what commands did, for the append-only file and the replicas
//! * `snapshot` saving an RDB file
//! * `replication` following a primary, and being followed
//! * `rewrite`  rewriting the append-only file, switching it on and off
//! * `script`   scripts and functions
//! * `shutdown` ending in order
//! * `transaction` MULTI and EXEC
//! * `timers`   what happens when a timer is due

pub mod append_only;
pub mod apply_config;
pub mod blocking;
pub mod call;
pub mod child;
pub mod debugger;
pub mod dispatch;
pub mod load;
pub mod load_aof;
pub mod memory;
pub mod observe;
pub mod propagate;
pub mod replication;
pub mod rewrite;
pub mod script;
pub mod shutdown;
pub mod snapshot;
pub mod timers;
pub mod transaction;
