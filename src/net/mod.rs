//! Sockets and the loop that waits for them. Knows no command.
//!
//! * `event_loop` one turn after another
//! * `listener`   accepting connections
//! * `input`      reading and running requests
//! * `output`     sending replies

pub mod event_loop;
pub mod input;
pub mod listener;
pub mod output;
