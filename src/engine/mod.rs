//! Running commands.
//!
//! * `blocking` commands that wait for keys
//! * `dispatch` a client's request through the gates
//! * `call`     one command, its effects drained, its time counted
//! * `load`     loading the append-only file
//! * `snapshot` saving and loading an RDB file
//! * `shutdown` ending in order
//! * `transaction` MULTI and EXEC
//! * `timers`   what happens when a timer is due

pub mod blocking;
pub mod call;
pub mod dispatch;
pub mod load;
pub mod shutdown;
pub mod snapshot;
pub mod timers;
pub mod transaction;
