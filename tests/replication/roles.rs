//! Histories: who may go on from where, and what a change of roles does to them.

use crate::harness::*;
use crate::node::*;

#[test]
fn a_chain_goes_on_in_the_right_database() {
    let (top, middle, bottom) = (Node::start(&[]), Node::start(&[]), Node::start(&[]));
    middle.follow(&top);
    wait_for_sync(&top, &[&middle]);
    let mut client = top.connect();
    client.check("SELECT 5 => +OK\nSET k 1 => +OK");
    // It comes while the stream of the top is at database 5 and says no more SELECT.
    bottom.follow(&middle);
    wait_until_equal(&top, &[&middle, &bottom]);
    client.check("INCR k => :2");
    wait_until_equal(&top, &[&middle, &bottom]);
    bottom.connect().check("SELECT 5 => +OK\nGET k => $1 2\nSELECT 0 => +OK\nDBSIZE => :0");
    // So does one that resumes ...
    assert_eq!(middle.connect().ask("CLIENT KILL TYPE replica"), ":1\r\n");
    client.check("INCR k => :3");
    wait_until_equal(&top, &[&middle, &bottom]);
    assert_eq!(top.connect().ask("CLIENT KILL TYPE replica"), ":1\r\n");
    client.check("INCR k => :4");
    wait_until_equal(&top, &[&middle, &bottom]);
    bottom.connect().check("SELECT 5 => +OK\nGET k => $1 4");
    assert_eq!((&*top.info("sync_full"), &*middle.info("sync_full")), ("1", "1"));
    // ... and one whose primary becomes its own master.
    middle.connect().check("REPLICAOF NO ONE => +OK\nSELECT 7 => +OK\nSET own 1 => +OK");
    wait_until_equal(&middle, &[&bottom]);
    bottom.connect().check("SELECT 7 => +OK\nGET own => $1 1");
}

#[test]
fn one_that_was_a_primary_meanwhile_has_a_history_of_its_own() {
    let (primary, replica) = (Node::start(&[]), Node::start(&[]));
    replica.follow(&primary);
    write_some(&mut primary.connect(), 0);
    wait_for_sync(&primary, &[&replica]);
    let (id, offset) = (primary.info("master_replid"), primary.info("master_repl_offset"));
    replica.connect().check("REPLICAOF NO ONE => +OK");
    assert_eq!(replica.info("master_replid2"), id);
    assert!(replica.info("second_repl_offset").parse::<u64>().unwrap() > offset.parse().unwrap());
    assert_ne!(replica.info("master_replid"), id);
    // Both go on for the same number of bytes, but not with the same.
    replica.connect().check("SET own 1 => +OK");
    primary.connect().check("SET its 1 => +OK");
    replica.follow(&primary);
    wait_until_equal(&primary, &[&replica]);
    replica.connect().check("EXISTS own => :0\nEXISTS its => :1");
    assert_eq!((primary.info("sync_partial_ok"), replica.info("master_replid")), ("0".into(), id));
}

#[test]
fn an_emptied_replica_offers_no_history() {
    let source = Node::start(&[]);
    let mut client = source.connect();
    client.check("SET k v => +OK\nSAVE => +OK");
    let data_set = std::fs::read(source.server.dir.join("dump.rdb")).unwrap();
    let id = "a".repeat(40);
    let primary = PretendPrimary::new();
    let replica = Node::start(
        &["--repl-diskless-load", "on-empty-db", "--replicaof"]
            .into_iter()
            .chain([format!("127.0.0.1 {}", primary.port()).as_str()])
            .collect::<Vec<_>>(),
    );
    // It gets a data set, ...
    let mut request = primary.request();
    request.send(format!("+FULLRESYNC {id} 100\r\n${}\r\n", data_set.len()).as_bytes());
    request.send(&data_set);
    replica.wait_for_link();
    replica.connect().check("GET k => $1 v");
    drop(request);
    // ... and would go on from there, ...
    let mut request = primary.request();
    assert_eq!(request.from, format!("{id} 101"));
    // ... but gets a new one, on disk for it is not empty, which is none.
    request.send(format!("+FULLRESYNC {id} 200\r\n$20\r\nthis is no data set!").as_bytes());
    let mut request = primary.request();
    assert_eq!(request.from, "? -1", "what it had is gone");
    replica.connect().check("DBSIZE => :0");
    request.send(format!("+FULLRESYNC {id} 300\r\n${}\r\n", data_set.len()).as_bytes());
    request.send(&data_set);
    wait_until("it is back", || replica.connect().ask("GET k") == "$1\r\nv\r\n");
}

#[test]
fn a_new_name_of_the_stream_is_passed_on() {
    let primary = PretendPrimary::new();
    let (middle, bottom) = (Node::start(&[]), Node::start(&[]));
    middle.connect().ask(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    let source = Node::start(&[]);
    source.connect().check("SAVE => +OK");
    let data_set = std::fs::read(source.server.dir.join("dump.rdb")).unwrap();
    let (old, new) = ("a".repeat(40), "b".repeat(40));
    let mut request = primary.request();
    request.send(format!("+FULLRESYNC {old} 100\r\n${}\r\n", data_set.len()).as_bytes());
    request.send(&data_set);
    middle.wait_for_link();
    bottom.follow(&middle);
    bottom.wait_for_link();
    assert_eq!(bottom.info("master_replid"), old);
    drop(request);
    // The same stream goes on under another name: replicas are disconnected, so that they learn it.
    let mut request = primary.request();
    assert_eq!(request.from, format!("{old} 101"));
    request.send(format!("+CONTINUE {new}\r\n").as_bytes());
    request.send(&encode(&[b"SELECT", b"0"]));
    request.send(&encode(&[b"SET", b"k", b"v"]));
    wait_until("it is there", || bottom.connect().ask("GET k") == "$1\r\nv\r\n");
    for node in [&middle, &bottom] {
        assert_eq!((node.info("master_replid"), node.info("master_replid2")), (new.clone(), old.clone()));
        assert_eq!(node.info("second_repl_offset"), "101");
    }
    assert_eq!((&*middle.info("sync_full"), &*middle.info("sync_partial_ok")), ("1", "1"));
}

#[test]
fn what_a_writable_replica_writes_is_its_own() {
    let (primary, replica) = (Node::start(&[]), Node::start(&["--replica-read-only", "no"]));
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    let below = Node::start(&[]);
    below.follow(&replica);
    wait_for_sync(&primary, &[&replica, &below]);
    let (mut client, mut on_replica) = (primary.connect(), replica.connect());
    on_replica.check("SET own 1 => +OK\nSET brief 1 PX 1 => +OK\nSELECT 3 => +OK\nSET brief 1 PX 1 => +OK");
    client.check("SET theirs 1 PX 1000000 => +OK\nWAIT 1 0 => :1");
    wait_until("its keys have expired, in each database", || {
        on_replica.ask("DBSIZE") == ":0\r\n" && replica.connect().ask("EXISTS brief") == ":0\r\n"
    });
    replica.connect().check("EXISTS theirs own => :2");
    // Nothing of that goes on to those below.
    wait_for_sync(&primary, &[&replica, &below]);
    below.connect().check("DBSIZE => :1\nEXISTS theirs => :1");
    // A key that the primary writes is the primary's, whatever it was here.
    on_replica.check("SELECT 0 => +OK\nSET taken 1 PX 600 => +OK");
    client.check("SET taken 2 => +OK\nWAIT 1 0 => :1");
    on_replica.check("GET taken => $1 2\nTTL taken => :-1");
}

/// A replica that has everything but does not say so.
fn start_failover(primary: &Node, options: &str) -> (Client, Client) {
    let replica = pretend_replica(primary);
    let mut client = primary.connect();
    wait_until("it is online", || client.ask("INFO replication").contains("state=online"));
    client.check("SET a 1 => +OK");
    assert_eq!(client.ask(&format!("FAILOVER{options}")), "+OK\r\n");
    assert_eq!(client.info("master_failover_state"), "waiting-for-sync");
    (client, replica)
}

#[test]
fn a_failover_can_be_called_off() {
    let primary = Node::start(&[]);
    primary.connect().check("FAILOVER ABORT => -ERR_No_failover_in_progress.");
    let (mut client, _replica) = start_failover(&primary, "");
    client.check("FAILOVER => -ERR_FAILOVER_already_in_progress.");
    client.check("REPLICAOF NO ONE => -ERR_REPLICAOF_not_allowed_while_failing_over.");
    // Writes wait, for the replica could never catch up with them.
    let mut writer = primary.connect();
    writer.send(b"SET a 2\r\n");
    wait_until("it waits", || client.info("blocked_clients") == "1");
    client.check("GET a => $1 1\nFAILOVER ABORT => +OK");
    assert_eq!(writer.reply(), "+OK\r\n");
    assert_eq!((&*client.info("master_failover_state"), &*client.info("role")), ("no-failover", "master"));
    client.check("GET a => $1 2");
}

#[test]
fn a_failover_takes_no_longer_than_it_may() {
    let primary = Node::start(&[]);
    let (mut client, _replica) = start_failover(&primary, " TIMEOUT 100");
    wait_until("it is given up", || client.info("master_failover_state") == "no-failover");
    assert!(primary.server.log().contains("Replica never caught up before timeout"));
    client.check("SET a 2 => +OK");
    assert_eq!(client.info("role"), "master");
}

#[test]
fn a_failover_needs_somebody() {
    let primary = Node::start(&[]);
    let (mut client, replica) = start_failover(&primary, "");
    drop(replica);
    wait_until("it is given up", || client.info("master_failover_state") == "no-failover");
    client.check("SET a 2 => +OK");
    let replica = Node::start(&[]);
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    client.check("FAILOVER TO 127.0.0.1 1 => -ERR_FAILOVER_target_HOST_and_PORT_is_not_a_replica.");
    let forced = format!("FAILOVER TO 127.0.0.1 {} FORCE", replica.port);
    client
        .check(&format!("{forced} => -ERR_FAILOVER_with_force_option_requires_both_a_timeout_and_target_HOST_and_IP."));
    client.check("FAILOVER TIMEOUT 0 => -ERR_FAILOVER_timeout_must_be_greater_than_0");
    client.check("FAILOVER ABORT TIMEOUT 1 => -ERR_syntax_error\nFAILOVER TO 127.0.0.1 => -ERR_syntax_error");
}

#[test]
fn a_forced_failover_does_not_wait_for_ever() {
    let (primary, replica) = (Node::start(&[]), Node::start(&[]));
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    let mut client = primary.connect();
    // It is so busy that it does not know what was written last.
    let mut busy = replica.connect();
    busy.send(b"DEBUG SLEEP 1\r\n");
    wait_until("it sleeps", || {
        client.ask("SET a 1");
        client.ask("WAIT 1 20") == ":0\r\n"
    });
    assert_eq!(client.ask(&format!("FAILOVER TO 127.0.0.1 {} FORCE TIMEOUT 50", replica.port)), "+OK\r\n");
    wait_until("the roles have changed", || {
        primary.connect().ask("INFO replication").contains("role:slave")
            && replica.connect().ask("INFO replication").contains("role:master")
    });
    wait_for_sync(&replica, &[&primary]);
    replica.connect().check("SET after 1 => +OK\nWAIT 1 0 => :1");
    assert_eq!(replica.digest(), primary.digest());
}
