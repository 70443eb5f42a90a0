//! Rondo: a drop-in local Redis.
//!
//! One thread runs one poll loop that owns every client buffer and the whole keyspace, so there
//! are no locks. `docs/architecture.md` walks through the house; this is its floor plan.
//!
//! Layers, lowest first; a module imports only from modules to its left
//! (`tests/layers.rs` holds this):
//!
//! ```text
//! encoding <- types <- keyspace <- {resp, config} <- {persist, script} <- server <- engine <- commands <- net <- main
//! ```
#![deny(unsafe_code)]

pub mod commands;
pub mod config;
pub mod encoding;
pub mod engine;
pub mod keyspace;
pub mod net;
pub mod persist;
pub mod resp;
pub mod script;
pub mod server;
pub mod types;
