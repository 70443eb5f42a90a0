//! CLUSTER and what else only clusters need. There are no clusters: these commands say so, as Redis's do where cluster
//! mode is off.

use super::prelude::*;

pub const COMMANDS: &[&Command] = &[&ASKING, &CLUSTER, &READONLY, &READWRITE];

const DISABLED: Handler =
    Handler::Data(|_, _| Err(CommandError::new("ERR This instance has cluster support disabled")));

/// What all of them have in common, subcommands included.
const IN_CLUSTER: Command = Command { group: Group::Cluster, handler: DISABLED, ..Command::DEFAULT };

pub const ASKING: Command = Command {
    name: "asking",
    summary: "Lets the next command reach a slot that is being imported",
    since: "3.0.0",
    flags: FAST,
    categories: category::CONNECTION,
    ..IN_CLUSTER
};

pub const READONLY: Command = Command {
    name: "readonly",
    summary: "Lets this client read from a replica",
    since: "3.0.0",
    flags: LOADING | STALE | FAST,
    categories: category::CONNECTION,
    ..IN_CLUSTER
};

pub const READWRITE: Command = Command {
    name: "readwrite",
    summary: "Takes READONLY back",
    since: "3.0.0",
    flags: LOADING | STALE | FAST,
    categories: category::CONNECTION,
    ..IN_CLUSTER
};

pub const CLUSTER: Command = Command {
    name: "cluster",
    summary: "What concerns clusters",
    since: "3.0.0",
    group: Group::Cluster,
    arity: -2,
    subcommands: &[
        Command {
            name: "getkeysinslot",
            summary: "Lists keys of a slot",
            since: "3.0.0",
            arity: 4,
            flags: STALE,
            tips: &["nondeterministic_output"],
            args: "slot:int count:int",
            ..IN_CLUSTER
        },
        Command {
            name: "links",
            summary: "Lists the connections to other nodes",
            since: "7.0.0",
            arity: 2,
            flags: STALE,
            tips: &["nondeterministic_output"],
            ..IN_CLUSTER
        },
        Command {
            name: "setslot",
            summary: "Changes which node a slot belongs to",
            since: "3.0.0",
            arity: -4,
            flags: ADMIN | STALE | NO_ASYNC_LOADING,
            args: "slot:int subcommand(importing:string~node-id=IMPORTING | migrating:string~node-id=MIGRATING | node:string~node-id=NODE | stable=STABLE)",
            ..IN_CLUSTER
        },
        Command {
            name: "count-failure-reports",
            summary: "Counts the nodes that report another to have failed",
            since: "3.0.0",
            arity: 3,
            flags: ADMIN | STALE,
            tips: &["nondeterministic_output"],
            args: "node-id",
            ..IN_CLUSTER
        },
        Command {
            name: "addslotsrange",
            summary: "Gives this node ranges of slots",
            since: "7.0.0",
            arity: -4,
            flags: ADMIN | STALE | NO_ASYNC_LOADING,
            args: "range{start-slot:int end-slot:int}+",
            ..IN_CLUSTER
        },
        Command {
            name: "keyslot",
            summary: "Gives the slot of a key",
            since: "3.0.0",
            arity: 3,
            flags: STALE,
            args: "key",
            ..IN_CLUSTER
        },
        Command {
            name: "bumpepoch",
            summary: "Advances the configuration epoch",
            since: "3.0.0",
            arity: 2,
            flags: ADMIN | STALE | NO_ASYNC_LOADING,
            tips: &["nondeterministic_output"],
            ..IN_CLUSTER
        },
        Command {
            name: "help",
            summary: "Lists the subcommands",
            since: "5.0.0",
            arity: 2,
            flags: LOADING | STALE,
            ..IN_CLUSTER
        },
        Command {
            name: "delslotsrange",
            summary: "Takes ranges of slots from this node",
            since: "7.0.0",
            arity: -4,
            flags: ADMIN | STALE | NO_ASYNC_LOADING,
            args: "range{start-slot:int end-slot:int}+",
            ..IN_CLUSTER
        },
        Command {
            name: "set-config-epoch",
            summary: "Sets the configuration epoch of a new node",
            since: "3.0.0",
            arity: 3,
            flags: ADMIN | STALE | NO_ASYNC_LOADING,
            args: "config-epoch:int",
            ..IN_CLUSTER
        },
        Command {
            name: "myshardid",
            summary: "Gives the id of the shard",
            since: "7.2.0",
            arity: 2,
            flags: STALE,
            tips: &["nondeterministic_output"],
            ..IN_CLUSTER
        },
        Command {
            name: "shards",
            summary: "Lists shards, their slots and nodes",
            since: "7.0.0",
            arity: 2,
            flags: LOADING | STALE,
            tips: &["nondeterministic_output"],
            ..IN_CLUSTER
        },
        Command {
            name: "myid",
            summary: "Gives the id of this node",
            since: "3.0.0",
            arity: 2,
            flags: STALE,
            ..IN_CLUSTER
        },
        Command {
            name: "flushslots",
            summary: "Takes all slots from this node",
            since: "3.0.0",
            arity: 2,
            flags: ADMIN | STALE | NO_ASYNC_LOADING,
            ..IN_CLUSTER
        },
        Command {
            name: "saveconfig",
            summary: "Saves the nodes' configuration",
            since: "3.0.0",
            arity: 2,
            flags: ADMIN | STALE | NO_ASYNC_LOADING,
            ..IN_CLUSTER
        },
        Command {
            name: "reset",
            summary: "Makes this a new node",
            since: "3.0.0",
            arity: -2,
            flags: ADMIN | NOSCRIPT | STALE,
            args: "reset-type(hard=HARD | soft=SOFT)?",
            ..IN_CLUSTER
        },
        Command {
            name: "slots",
            summary: "Lists slots and their nodes",
            since: "3.0.0",
            arity: 2,
            flags: LOADING | STALE,
            tips: &["nondeterministic_output"],
            deprecated: Some(("7.0.0", "`CLUSTER SHARDS`")),
            ..IN_CLUSTER
        },
        Command {
            name: "nodes",
            summary: "Lists the nodes",
            since: "3.0.0",
            arity: 2,
            flags: STALE,
            tips: &["nondeterministic_output"],
            ..IN_CLUSTER
        },
        Command {
            name: "delslots",
            summary: "Takes slots from this node",
            since: "3.0.0",
            arity: -3,
            flags: ADMIN | STALE | NO_ASYNC_LOADING,
            args: "slot:int+",
            ..IN_CLUSTER
        },
        Command {
            name: "addslots",
            summary: "Gives this node slots",
            since: "3.0.0",
            arity: -3,
            flags: ADMIN | STALE | NO_ASYNC_LOADING,
            args: "slot:int+",
            ..IN_CLUSTER
        },
        Command {
            name: "forget",
            summary: "Makes a node unknown",
            since: "3.0.0",
            arity: 3,
            flags: ADMIN | STALE | NO_ASYNC_LOADING,
            args: "node-id",
            ..IN_CLUSTER
        },
        Command {
            name: "info",
            summary: "Describes the state of the cluster",
            since: "3.0.0",
            arity: 2,
            flags: STALE,
            tips: &["nondeterministic_output"],
            ..IN_CLUSTER
        },
        Command {
            name: "countkeysinslot",
            summary: "Counts the keys of a slot",
            since: "3.0.0",
            arity: 3,
            flags: STALE,
            args: "slot:int",
            ..IN_CLUSTER
        },
        Command {
            name: "replicas",
            summary: "Lists the replicas of a node",
            since: "5.0.0",
            arity: 3,
            flags: ADMIN | STALE,
            tips: &["nondeterministic_output"],
            args: "node-id",
            ..IN_CLUSTER
        },
        Command {
            name: "replicate",
            summary: "Makes this node the replica of another",
            since: "3.0.0",
            arity: 3,
            flags: ADMIN | STALE | NO_ASYNC_LOADING,
            args: "node-id",
            ..IN_CLUSTER
        },
        Command {
            name: "slaves",
            summary: "Lists the replicas of a node",
            since: "3.0.0",
            arity: 3,
            flags: ADMIN | STALE,
            tips: &["nondeterministic_output"],
            args: "node-id",
            deprecated: Some(("5.0.0", "`CLUSTER REPLICAS`")),
            ..IN_CLUSTER
        },
        Command {
            name: "failover",
            summary: "Makes this replica the primary",
            since: "3.0.0",
            arity: -2,
            flags: ADMIN | STALE | NO_ASYNC_LOADING,
            args: "options(force=FORCE | takeover=TAKEOVER)?",
            ..IN_CLUSTER
        },
        Command {
            name: "meet",
            summary: "Makes another node known",
            since: "3.0.0",
            arity: -4,
            flags: ADMIN | STALE | NO_ASYNC_LOADING,
            args: "ip port:int cluster-bus-port:int?^4.0.0",
            ..IN_CLUSTER
        },
    ],
    ..Command::DEFAULT
};
