//! Sockets and the loop that waits for them. Knows no command.
//!
//! * `event_loop` one turn after another, and accepting connections
//! * `input`      reading and running requests
//! * `output`     sending replies
//! * `replica_output` sending the data set and the stream to replicas
//! * `signals`    being told to end

pub mod event_loop;
pub mod input;
pub mod output;
mod replica_output;
pub mod signals;
