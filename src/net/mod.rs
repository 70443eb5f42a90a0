//! Sockets and the loop that waits for them. Knows no command.
//!
//! * `accept`     accepting connections
//! * `busy`       turns while a script runs for long
//! * `event_loop` one turn after another
//! * `input`      reading and running requests
//! * `lookup`     looking up and prefetching what requests are about to use
//! * `output`     sending replies
//! * `replica_output` sending the data set and the stream to replicas
//! * `signals`    being told to end

mod accept;
mod busy;
pub mod event_loop;
pub mod input;
mod lookup;
pub mod output;
mod replica_output;
pub mod signals;
