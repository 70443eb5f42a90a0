//! Running commands.
//!
//! * `dispatch` a client's request through the gates
//! * `call`     one command, its effects drained, its time counted
//! * `timers`   what happens when a timer is due

pub mod call;
pub mod dispatch;
pub mod timers;
