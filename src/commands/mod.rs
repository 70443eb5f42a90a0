//! The commands, a family a file or folder. A spec and its handler stand side by side; to add a
//! command, write both in the family's file and add the spec to the family's list. Nothing else
//! lists commands. See docs/adding-a-command.md.
//!
//! The types:
//! * `string`, `bitmap`, `hyperloglog`, `hash`, `list`, `set`, `zset`, `geo`, `stream`
//! * `multi_pop` arguments that LMPOP and ZMPOP share
//! * `sampling`  arguments that HRANDFIELD and ZRANDMEMBER share
//!
//! Keys of every type:
//! * `generic`  DEL, EXISTS, COPY, RENAME, TYPE and so on
//! * `expire`   times to live
//! * `scan`     SCAN, KEYS, RANDOMKEY, and what all SCAN commands share
//! * `sort`     SORT
//! * `object`   OBJECT
//! * `dump`     DUMP, RESTORE
//! * `migrate`  MIGRATE
//! * `database` FLUSHALL, SWAPDB, DBSIZE
//!
//! The rest:
//! * `connection` AUTH, HELLO, CLIENT, PING, SELECT
//! * `transaction`, `pubsub`, `script`, `function`, `acl`, `replication`
//! * `cluster`    there is none
//! * `server`     INFO, CONFIG, DEBUG, COMMAND and so on

pub mod acl;
pub mod bitmap;
pub mod cluster;
pub mod connection;
pub mod database;
pub mod dump;
pub mod expire;
pub mod function;
pub mod generic;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod list;
pub mod migrate;
mod multi_pop;
pub mod object;
pub mod pubsub;
pub mod replication;
mod sampling;
pub mod scan;
pub mod script;
pub mod server;
pub mod set;
pub mod sort;
pub mod stream;
pub mod string;
pub mod transaction;
pub mod zset;

use crate::server::Command;

/// The families, each a list of its commands.
pub const FAMILIES: &[&[&Command]] = &[
    acl::COMMANDS,
    bitmap::COMMANDS,
    cluster::COMMANDS,
    connection::COMMANDS,
    database::COMMANDS,
    dump::COMMANDS,
    expire::COMMANDS,
    function::COMMANDS,
    generic::COMMANDS,
    geo::COMMANDS,
    hash::COMMANDS,
    list::COMMANDS,
    migrate::COMMANDS,
    hyperloglog::COMMANDS,
    object::COMMANDS,
    pubsub::COMMANDS,
    replication::COMMANDS,
    scan::COMMANDS,
    script::COMMANDS,
    server::COMMANDS,
    stream::COMMANDS,
    set::COMMANDS,
    sort::COMMANDS,
    string::COMMANDS,
    transaction::COMMANDS,
    zset::COMMANDS,
];

/// Imported by the file of every family.
mod prelude {
    pub use crate::keyspace::EventClass;
    pub use crate::resp::{Args, CommandError, CommandResult, Reply};
    pub use crate::server::blocked::{Attempt, Refused, Wait};
    pub use crate::server::command::flag::*;
    pub use crate::server::command::key_flag::*;
    pub use crate::server::command::{
        Begin, Command, DataContext, Find, FoundKey, Group, Handler, KeySpec, category, flag, key_flag,
    };
    pub use crate::server::{ClientFlags, ClientId, Server};
}
