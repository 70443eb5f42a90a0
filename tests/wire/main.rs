//! What a user can see, tested through the wire: one module a family.

mod acl;
mod bitmap;
mod blocking;
mod command_facts;
mod connection;
mod expire;
mod generic;
mod geo;
mod harness;
mod hash;
mod hyperloglog;
mod keyspace;
mod list;
mod memory;
mod observe;
mod protocol;
mod pubsub;
mod server;
mod set;
mod sort;
mod stream;
mod stream_groups;
mod string;
mod tracking;
mod transaction;
mod zset;
