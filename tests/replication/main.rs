//! Replication over real connections: resyncs in full and in part, chains, role changes, restarts,
//! acknowledgements, other servers at either end, and networks that lose, delay and part.

#[path = "../wire/harness.rs"]
mod harness;
mod limits;
mod node;
mod roles;
mod transfer;

use harness::*;
use node::*;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;

#[test]
fn a_replica_gets_everything_and_then_what_changes() {
    for sync in ["yes", "no"] {
        for load in ["disabled", "on-empty-db", "swapdb"] {
            let primary = Node::start(&["--repl-diskless-sync", sync]);
            let replica = Node::start(&["--repl-diskless-load", load]);
            let mut client = primary.connect();
            write_some(&mut client, 0);
            client.ask("FUNCTION LOAD #!lua name=lib\nredis.register_function('f',function()return(1)end)");
            replica.follow(&primary);
            write_some(&mut client, 1);
            wait_until_equal(&primary, &[&replica]);
            assert_eq!(primary.info("sync_full"), "1", "{}\n{}", primary.server.log(), replica.server.log());
        }
    }
}

#[test]
fn limits_of_requests_are_those_of_the_primary() {
    let (primary, replica) = (Node::start(&[]), Node::start(&["--proto-max-bulk-len", "1mb"]));
    replica.follow(&primary);
    wait_until_equal(&primary, &[&replica]);
    primary.connect().ask_args(&[b"SET", b"k", &vec![b'v'; 2 << 20]]);
    wait_until_equal(&primary, &[&replica]);
    replica.connect().check("STRLEN k => :2097152");
}

#[test]
fn a_lost_connection_is_resumed_where_it_ended() {
    let (primary, replica) = (Node::start(&[]), Node::start(&[]));
    let mut client = primary.connect();
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    for round in 0..5 {
        write_some(&mut client, round);
        assert_eq!(client.ask("CLIENT KILL TYPE replica"), ":1\r\n");
        let resumed = (round + 1).to_string();
        wait_until("it is resumed", || primary.info("sync_partial_ok") == resumed);
    }
    wait_until_equal(&primary, &[&replica]);
    assert_eq!(primary.info("sync_full"), "1");
}

#[test]
fn who_was_away_for_too_long_gets_everything_again() {
    let (primary, replica) = (Node::start(&["--repl-backlog-size", "16kb"]), Node::start(&[]));
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    let mut on_replica = replica.connect();
    on_replica.ask("REPLICAOF 127.0.0.1 1");
    let mut client = primary.connect();
    let large = vec![b'x'; 64 << 10];
    client.ask_args(&[b"SET", b"large", &large]);
    replica.follow(&primary);
    wait_until_equal(&primary, &[&replica]);
    assert_eq!((primary.info("sync_full"), primary.info("sync_partial_err")), ("2".into(), "1".into()));
}

#[test]
fn a_chain_survives_a_change_of_roles() {
    let nodes = [Node::start(&[]), Node::start(&[]), Node::start(&[])];
    let [first, second, third] = &nodes;
    second.follow(first);
    wait_for_sync(first, &[second]);
    third.follow(second);
    wait_for_sync(first, &[second, third]);
    write_some(&mut first.connect(), 0);
    wait_until_equal(first, &[second, third]);
    // The second becomes the primary; the others follow it, from where they are.
    second.connect().check("REPLICAOF NO ONE => +OK");
    write_some(&mut second.connect(), 1);
    first.follow(second);
    wait_until_equal(second, &[first, third]);
    assert_eq!(first.info("sync_full"), "1", "{}", first.server.log());
    assert_eq!(second.info("sync_full"), "1", "{}", second.server.log());
    // And what was written to nobody's knowledge on the first would have been refused.
    assert!(first.connect().ask("SET a b").starts_with("-READONLY You can't write against a read only replica."));
}

#[test]
fn histories_survive_restarts() {
    for saving in [["--save", "900 1000000"], ["--appendonly", "yes"]] {
        let (primary, replica) = (Node::start(&saving), Node::start(&saving));
        replica.follow(&primary);
        write_some(&mut primary.connect(), 0);
        wait_for_sync(&primary, &[&replica]);
        // The append-only file of a new data set is begun by a child.
        replica.connect().wait_for_child();
        // The replica comes back, ...
        let address = format!("127.0.0.1 {}", primary.port);
        let replica = replica.restart(&[saving[0], saving[1], "--replicaof", &address]);
        write_some(&mut primary.connect(), 1);
        wait_for_sync(&primary, &[&replica]);
        assert_eq!((primary.info("sync_full"), primary.info("sync_partial_ok")), ("1".into(), "1".into()));
        // ... and so does the primary.
        let primary = primary.restart(&saving);
        write_some(&mut primary.connect(), 2);
        wait_for_sync(&primary, &[&replica]);
        assert_eq!((primary.info("sync_full"), primary.info("sync_partial_ok")), ("0".into(), "1".into()));
        assert_eq!(replica.digest(), primary.digest());
    }
}

/// What an append-only file says of its history is true only if that is its last line.
#[test]
fn an_append_only_file_that_was_not_closed_has_no_history() {
    let (primary, replica) = (Node::start(&["--appendonly", "yes"]), Node::start(&[]));
    replica.follow(&primary);
    write_some(&mut primary.connect(), 0);
    wait_for_sync(&primary, &[&replica]);
    let primary = primary.restart(&["--appendonly", "yes"]);
    wait_for_sync(&primary, &[&replica]);
    primary.connect().check("SELECT 5 => +OK\nSET more 1 => +OK");
    wait_for_sync(&primary, &[&replica]);
    let primary = primary.restart_after_a_crash(&["--appendonly", "yes"]);
    wait_for_sync(&primary, &[&replica]);
    assert_eq!((primary.info("sync_full"), primary.info("sync_partial_ok")), ("1".into(), "0".into()));
    assert_eq!(replica.digest(), primary.digest());
    // Nor if it is not what replicas have seen.
    let script = "redis.set_repl(redis.REPL_REPLICA); redis.call('SET', KEYS[1], 1); return 1";
    assert_eq!(primary.connect().ask_args(&[b"EVAL", script.as_bytes(), b"1", b"theirs"]), ":1\r\n");
    wait_for_sync(&primary, &[&replica]);
    let primary = primary.restart(&["--appendonly", "yes"]);
    wait_for_sync(&primary, &[&replica]);
    assert_eq!(primary.info("sync_full"), "1");
    assert_eq!(replica.digest(), primary.digest());
}

#[test]
fn the_stream_says_what_was_done() {
    let primary = Node::start(&[]);
    let mut replica = pretend_replica(&primary);
    let mut client = primary.connect();
    client.check("SET a 1 => +OK\nSADD s x => :1\nSPOP s => $1 x\nSELECT 3 => +OK");
    client.check("MULTI => +OK\nINCR n => +QUEUED\nEXPIREAT n 1 => +QUEUED\nEXEC => *2 :1 :1");
    client.check("PUBLISH channel message => :0");
    client.check("EVAL redis.call('SET',KEYS[1],1);redis.call('DEL',KEYS[1]) 1 k => $-1");
    let seen: Vec<String> = (0..13).map(|_| next_command(&mut replica)).collect();
    assert_eq!(
        seen,
        [
            "SELECT 0",
            "SET a 1",
            "SADD s x",
            "SREM s x",
            "MULTI",
            "SELECT 3",
            "INCR n",
            "DEL n",
            "EXEC",
            "PUBLISH channel message",
            "MULTI",
            "SET k 1",
            "DEL k"
        ]
    );
}

#[test]
fn acknowledgements_are_waited_for() {
    let (primary, replica) = (Node::start(&["--appendonly", "yes"]), Node::start(&["--appendonly", "yes"]));
    let mut client = primary.connect();
    client.check("WAIT 0 0 => :0\nSET a 1 => +OK\nWAIT 1 10 => :0\nWAITAOF 1 0 0 => *2 :1 :0");
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    client.check("SET a 2 => +OK\nWAIT 1 0 => :1\nSET a 3 => +OK\nWAITAOF 0 1 0 => *2 :1 :1");
    client.check("MULTI => +OK\nSET a 4 => +QUEUED\nWAIT 9 0 => +QUEUED\nEXEC => *2 +OK :1");
    // Who waits for a disk that is not written to any more waits for nothing.
    let mut waiting = primary.connect();
    waiting.send(b"SET a 5\r\nWAITAOF 1 9 0\r\n");
    wait_until("it waits", || client.info("blocked_clients") == "1");
    client.check("CONFIG SET appendonly no => +OK");
    assert_eq!(waiting.reply(), "+OK\r\n");
    assert!(waiting.reply().starts_with("-ERR WAITAOF cannot be used"));
    let error = replica.connect().ask("WAIT 1 0");
    assert!(error.starts_with("-ERR WAIT cannot be used with replica instances."), "{error}");
}

#[test]
fn writes_need_good_replicas_and_stale_data_is_not_served() {
    let (primary, replica) = (Node::start(&["--min-replicas-to-write", "1"]), Node::start(&[]));
    let mut client = primary.connect();
    client.check("SET a 1 => -NOREPLICAS_Not_enough_good_replicas_to_write.");
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    client.check("SET a 1 => +OK");
    let mut on_replica = replica.connect();
    on_replica.check("CONFIG SET replica-serve-stale-data no => +OK");
    on_replica.ask("REPLICAOF 127.0.0.1 1");
    let answer = on_replica.ask("GET a");
    assert!(answer.starts_with("-MASTERDOWN Link with MASTER is down"), "{answer}");
    assert_eq!(
        on_replica.ask("PING"),
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n"
    );
}

#[test]
fn keys_expire_where_they_were_written() {
    let (primary, replica) = (Node::start(&[]), Node::start(&[]));
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    let (mut client, mut on_replica) = (primary.connect(), replica.connect());
    client.check("DEBUG SET-ACTIVE-EXPIRE 0 => +OK\nSET a 1 PX 1 => +OK\nWAIT 1 0 => :1");
    // Its time has come, but it is the primary that says so.
    wait_until("it has expired", || on_replica.ask("GET a") == "$-1\r\n");
    on_replica.check("DBSIZE => :1");
    client.check("GET a => $-1\nWAIT 1 0 => :1");
    on_replica.check("DBSIZE => :0");
    // A writable replica looks after its own.
    on_replica.check("CONFIG SET replica-read-only no => +OK\nSET own 1 PX 1 => +OK");
    wait_until("its own key is gone", || on_replica.ask("DBSIZE") == ":0\r\n");
}

#[test]
fn a_primary_hands_over() {
    let (primary, replica) = (Node::start(&[]), Node::start(&[]));
    primary.connect().check("FAILOVER => -ERR_FAILOVER_requires_connected_replicas.");
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    write_some(&mut primary.connect(), 0);
    assert_eq!(primary.connect().ask(&format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 60000", replica.port)), "+OK\r\n");
    wait_until("the roles have changed", || {
        primary.connect().ask("INFO replication").contains("role:slave")
            && replica.connect().ask("INFO replication").contains("role:master")
    });
    wait_for_sync(&replica, &[&primary]);
    assert_eq!(primary.info("master_failover_state"), "no-failover");
    replica.connect().check("SET after 1 => +OK\nWAIT 1 0 => :1");
    assert_eq!(replica.digest(), primary.digest());
    assert_eq!(replica.info("sync_full"), "0");
}

#[test]
fn a_replica_that_does_not_read_costs_no_more_than_the_limit() {
    let primary = Node::start(&["--client-output-buffer-limit", "replica 4mb 0 0", "--repl-backlog-size", "1mb"]);
    let mut client = primary.connect();
    let mut replica = primary.connect();
    replica.check("REPLCONF capa eof => +OK");
    replica.send(b"PSYNC ? -1\r\n");
    wait_until("it is served", || client.info("connected_slaves") == "1");
    let large = vec![b'x'; 1 << 20];
    let mut most = 0;
    wait_until("it is given up", || {
        client.ask_args(&[b"SET", b"large", &large]);
        most = most.max(client.info("mem_total_replication_buffers").parse::<usize>().unwrap());
        client.info("connected_slaves") == "0"
    });
    assert!(most < 7 << 20, "{most} bytes were kept for it");
}

#[test]
fn a_client_that_is_served_as_a_replica_is_not_answered() {
    let primary = Node::start(&[]);
    let mut client = primary.connect();
    for (request, what) in [("PING", "ping"), ("GET k", "get"), ("XINFO HELP", "xinfo|help"), ("NONSENSE", "NONSENSE")]
    {
        let mut replica = primary.connect();
        replica.send(b"PSYNC ? -1\r\n");
        assert!(replica.line().starts_with("+FULLRESYNC "));
        replica.send(format!("{request}\r\n").as_bytes());
        wait_until("it is disconnected", || client.info("connected_slaves") == "0");
        let log = primary.server.log();
        assert!(log.contains(&format!("Replica generated a reply to command '{what}', disconnecting it")), "{log}");
    }
    assert!(primary.server.log().contains("'ERR Replica can't interact with the keyspace' after processing"));
    client.check("PSYNC ? x => -ERR_value_is_not_an_integer_or_out_of_range\n PING => +PONG");
}

#[test]
fn nobody_writes_a_data_set_that_nobody_wants() {
    let primary = Node::start(&["--rdb-key-save-delay", "100000", "--save", ""]);
    let mut client = primary.connect();
    client.check("DEBUG POPULATE 1000 => +OK");
    let serve = |client: &mut Client| {
        let mut replica = primary.connect();
        replica.send(b"REPLCONF capa eof\r\n");
        assert_eq!(replica.reply(), "+OK\r\n");
        replica.send(b"PSYNC ? -1\r\n");
        assert!(replica.line().starts_with("+FULLRESYNC "));
        assert_eq!(client.info("rdb_bgsave_in_progress"), "1");
        replica
    };
    for diskless in ["yes", "no"] {
        client.ask(&format!("CONFIG SET repl-diskless-sync {diskless}"));
        drop(serve(&mut client));
        wait_until("the child is ended", || client.info("rdb_bgsave_in_progress") == "0");
        // Nor one of keys that are gone.
        let mut replica = serve(&mut client);
        client.check("FLUSHALL => +OK\n DEBUG POPULATE 1000 => +OK");
        let told = replica.until_closed(b"");
        assert!(told.is_empty() || told.starts_with("$EOF:"), "{told}");
    }
}

#[test]
fn replicas_stay_with_one_that_turns_to_another_primary() {
    let (top, middle, bottom) = (Node::start(&[]), Node::start(&[]), Node::start(&[]));
    middle.follow(&top);
    middle.wait_for_link();
    bottom.follow(&middle);
    bottom.wait_for_link();
    // Nobody is there.
    assert_eq!(middle.connect().ask(&format!("REPLICAOF 127.0.0.1 {}", free_port())), "+OK\r\n");
    middle.follow(&top);
    top.connect().check("SET k v => +OK");
    wait_until_equal(&top, &[&middle, &bottom]);
    assert_eq!((&*top.info("sync_full"), &*middle.info("sync_full")), ("1", "1"));
    assert_eq!(middle.info("sync_partial_ok"), "0");
}

#[test]
fn only_what_was_run_of_the_stream_is_counted() {
    let replica = Node::start(&["--repl-diskless-load", "swapdb"]);
    let primary = PretendPrimary::new();
    let mut client = replica.connect();
    // By name, which has to be looked up.
    client.check(&format!("REPLICAOF localhost {} => +OK", primary.port()));
    let id = "0123456789".repeat(4);
    // No offset can be so large.
    primary.request().send(format!("+FULLRESYNC {id} {}\r\n", u64::MAX).as_bytes());
    let empty = b"$18\r\nREDIS0011\xff\0\0\0\0\0\0\0\0";
    let mut request = primary.request();
    assert_eq!(request.from, "? -1");
    request.send(&[format!("+FULLRESYNC {id} 0\r\n").as_bytes(), empty].concat());
    replica.wait_for_link();
    let (first, quit) = (encode(&[b"SET", b"a", b"1"]), encode(&[b"QUIT"]));
    request.send(&[&first[..], &quit, &encode(&[b"SET", b"b", b"1"])].concat());
    let mut request = primary.request();
    assert_eq!(request.from, format!("{id} {}", first.len() + quit.len() + 1));
    request.send(b"+CONTINUE\r\n");
    client.check("GET a => $1 1\n GET b => $-1");
}

#[test]
fn a_data_set_is_not_joined_whose_stream_is_gone() {
    let primary =
        Node::start(&["--repl-diskless-sync", "no", "--repl-backlog-size", "16kb", "--rdb-key-save-delay", "3000"]);
    let mut client = primary.connect();
    client.check("DEBUG POPULATE 300 => +OK");
    let mut first = primary.connect();
    first.check(
        "REPLCONF rdb-only 1 => +OK\n REPLCONF rdb-only 2 => -ERR_value_is_out_of_range,_value_must_between_0_and_1",
    );
    first.send(b"PSYNC ? -1\r\n");
    assert!(first.line().starts_with("+FULLRESYNC "));
    for _ in 0..20 {
        client.ask_args(&[b"SET", b"large", &[b'x'; 20_000]]);
    }
    let mut second = primary.connect();
    second.send(b"PSYNC ? -1\r\n");
    // While it waits it hears that we are there.
    let mut next = || std::iter::repeat_with(|| second.line()).find(|line| !line.trim().is_empty()).unwrap();
    assert!(next().starts_with("+FULLRESYNC ") && next().starts_with('$'));
    client.check("CONFIG SET rdb-key-save-delay 0 => +OK\n PING => +PONG");
}

#[test]
fn no_data_set_is_written_for_replicas_at_the_end() {
    let mut primary =
        Node::start(&["--repl-diskless-sync", "no", "--rdb-key-save-delay", "1000000", "--shutdown-timeout", "0"]);
    let mut client = primary.connect();
    client.check("SET k v => +OK\n BGSAVE => +Background_saving_started");
    let mut replica = primary.connect();
    replica.send(b"PSYNC ? -1\r\n");
    wait_until("it waits", || client.ask("INFO replication").contains("state=wait_bgsave"));
    client.send(b"SHUTDOWN NOSAVE\r\n");
    primary.server.wait();
    assert!(!primary.server.log().contains("Starting BGSAVE for SYNC"));
}

#[test]
fn the_address_of_a_former_primary_is_not_taken_for_that_of_the_next() {
    let (replica, former) = (Node::start(&[]), TcpListener::bind("127.0.0.1:0").unwrap());
    former.set_nonblocking(true).unwrap();
    let mut client = replica.connect();
    let port = former.local_addr().unwrap().port();
    for _ in 0..20 {
        // Both names have to be looked up; the second one is that of nobody.
        let requests = format!("REPLICAOF localhost {port}\r\nREPLICAOF nobody.invalid {port}\r\n");
        client.send(requests.as_bytes());
        assert_eq!((client.reply(), client.reply()), ("+OK\r\n".to_owned(), "+OK\r\n".to_owned()));
        wait_until("the name is known to be nobody's", || {
            replica.server.log().matches("Unable to connect to MASTER").count() > 0
        });
        assert!(former.accept().is_err(), "it went to the former one");
        client.check("REPLICAOF no one => +OK");
    }
}

#[test]
fn a_paused_replica_reads_but_changes_nothing() {
    let (primary, replica) = (Node::start(&[]), Node::start(&[]));
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    let (mut client, mut paused) = (primary.connect(), replica.connect());
    client.check("SET k 1 => +OK");
    wait_for_sync(&primary, &[&replica]);
    let before = paused.info("slave_repl_offset");
    paused.check("CLIENT PAUSE 1000000 WRITE => +OK");
    client.check("SET k 2 => +OK");
    wait_until("it has come", || paused.info("slave_read_repl_offset") == client.info("master_repl_offset"));
    assert_eq!(paused.info("slave_repl_offset"), before);
    paused.check("GET k => $1 1\n CLIENT UNPAUSE => +OK");
    wait_until_equal(&primary, &[&replica]);
    paused.check("GET k => $1 2");
}

#[test]
fn requests_about_replication_that_make_no_sense() {
    let node = Node::start(&[]);
    let mut client = node.connect();
    client.check(
        "REPLICAOF h abc => -ERR_Invalid_master_port
         REPLICAOF h 65536 => -ERR_Invalid_master_port
         REPLICAOF no two => -ERR_Invalid_master_port
         CONFIG SET repl-backlog-ttl 9223372036854775807 => +OK",
    );
    // The reply that is skipped is the one that comes later.
    client.send(b"CLIENT REPLY SKIP\r\nWAIT 1 1\r\nPING\r\n");
    assert_eq!(client.reply(), "+PONG\r\n");
}

#[test]
fn shutdown_waits_for_replicas() {
    let (mut primary, replica) = (Node::start(&[]), Node::start(&[]));
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    let mut client = primary.connect();
    write_some(&mut client, 0);
    client.send(b"SET last 1\r\nSHUTDOWN\r\n");
    primary.server.wait();
    assert_eq!(replica.connect().ask("GET last"), "$1\r\n1\r\n");
}

/// Another server of the family, over TCP.
struct Foreign {
    redis: Redis,
    port: u16,
}

impl Foreign {
    fn start(binary: &str) -> Option<Foreign> {
        let (dir, port) = (new_folder(), free_port());
        let redis =
            Redis::start_binary(binary, &dir, &["--port", &port.to_string(), "--repl-diskless-sync-delay", "0"])?;
        Some(Foreign { redis, port })
    }
}

/// All keys of the first two databases, each with its value and when it expires.
fn contents(client: &mut Client) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for db in 0..2 {
        client.ask(&format!("SELECT {db}"));
        let keys = client.ask("KEYS *");
        for key in keys.lines().skip(1).filter(|line| !line.starts_with('$')) {
            let read = match client.ask(&format!("TYPE {key}")).trim_end() {
                "+string" => format!("GET {key}"),
                "+list" => format!("LRANGE {key} 0 -1"),
                "+set" => format!("SMEMBERS {key}"),
                "+hash" => format!("HGETALL {key}"),
                "+zset" => format!("ZRANGE {key} 0 -1 WITHSCORES"),
                "+stream" => format!("XRANGE {key} - +"),
                // It has expired since.
                _ => continue,
            };
            let value = client.ask(&read);
            // Sets and hashes have no order.
            let mut lines: Vec<&str> = value.lines().collect();
            if read.starts_with('S') || read.starts_with('H') {
                lines.sort_unstable();
            }
            let expires = client.ask(&format!("PEXPIRETIME {key}"));
            all.insert(format!("{db} {key}"), format!("{} {expires}", lines.join(" ")));
        }
    }
    client.ask("SELECT 0");
    all
}

fn exchange_with(binary: &str) {
    let (Some(foreign), ours) = (Foreign::start(binary), Node::start(&[])) else { return };
    let mut theirs = foreign.redis.connect();
    let equal = |theirs: &mut Client| contents(theirs) == contents(&mut ours.connect());
    // It follows us, ...
    write_some(&mut ours.connect(), 0);
    assert_eq!(theirs.ask(&format!("REPLICAOF 127.0.0.1 {}", ours.port)), "+OK\r\n");
    wait_until("it follows", || theirs.ask("INFO replication").contains("master_link_status:up"));
    write_some(&mut ours.connect(), 1);
    wait_until("it has everything", || ours.connect().ask("WAIT 1 1000") == ":1\r\n");
    wait_until("both are equal after it followed", || equal(&mut theirs));
    ours.connect().check("CLIENT KILL TYPE replica => :1");
    wait_until("it is resumed", || ours.info("sync_partial_ok") == "1");
    // ... and we follow it, from where we are.
    theirs.check("REPLICAOF NO ONE => +OK");
    assert_eq!(ours.connect().ask(&format!("REPLICAOF 127.0.0.1 {}", foreign.port)), "+OK\r\n");
    ours.wait_for_link();
    write_some(&mut theirs, 2);
    wait_until("we have everything", || theirs.ask("WAIT 1 1000") == ":1\r\n");
    wait_until("both are equal", || equal(&mut theirs));
    assert_eq!(theirs.info("sync_full"), "0");
}

#[test]
fn redis_follows_and_is_followed() {
    exchange_with("redis-server");
}

#[test]
fn newer_peers_follow_and_are_followed() {
    Redis::peers().iter().for_each(|binary| exchange_with(binary));
}

/// Two hosts with a cable between them, in namespaces of their own.
struct Network(String);

impl Network {
    fn new() -> Option<Network> {
        let name = format!("rt{:x}", fast_random() & 0xff_ffff);
        let network = Network(name.clone());
        let made = network.run(&[
            &format!("ip netns add {name}a"),
            &format!("ip netns add {name}b"),
            &format!("ip link add {name}0 netns {name}a type veth peer name {name}1 netns {name}b"),
            &format!("ip -n {name}a addr add 10.99.0.1/24 dev {name}0"),
            &format!("ip -n {name}b addr add 10.99.0.2/24 dev {name}1"),
            &format!("ip -n {name}a link set {name}0 up"),
            &format!("ip -n {name}b link set {name}1 up"),
            &format!("ip netns exec {name}a tc qdisc add dev {name}0 root netem delay 20ms 5ms loss 3%"),
            &format!("ip netns exec {name}b tc qdisc add dev {name}1 root netem delay 20ms 5ms loss 3%"),
        ]);
        if !made {
            println!("skipped: no network namespaces, veth or netem here (they need root, ip and tc)");
        }
        made.then_some(network)
    }

    fn run(&self, commands: &[&str]) -> bool {
        commands.iter().all(|command| {
            let mut words = command.split(' ');
            let run = Command::new(words.next().unwrap()).args(words).output();
            run.is_ok_and(|output| output.status.success())
        })
    }

    fn cable(&self, state: &str) {
        assert!(self.run(&[&format!("ip -n {0}a link set {0}0 {state}", self.0)]));
    }

    fn start(&self, host: &str, arguments: &[&str]) -> Server {
        let common = ["--port", "6379", "--bind", "*", "--protected-mode", "no", "--repl-timeout", "3"];
        let prefix = ["ip", "netns", "exec", &format!("{}{host}", self.0)].map(str::to_owned);
        Server::start_through(&prefix, &[&common[..], arguments].concat())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in ["a", "b"] {
            self.run(&[&format!("ip netns del {}{host}", self.0)]);
        }
    }
}

#[test]
fn a_parted_network_heals() {
    let Some(network) = Network::new() else { return };
    let delay = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];
    let primary = network.start("a", &delay);
    let replica = network.start("b", &delay);
    replica.connect().check("REPLICAOF 10.99.0.1 6379 => +OK");
    let link_is =
        |state: &str| replica.connect().ask("INFO replication").contains(&format!("master_link_status:{state}"));
    wait_until("the link is up", || link_is("up"));
    for round in 0..2 {
        write_some(&mut primary.connect(), round);
        network.cable("down");
        write_some(&mut primary.connect(), round + 10);
        wait_until("both have noticed", || link_is("down") && primary.connect().info("connected_slaves") == "0");
        network.cable("up");
        wait_until("the link is up again", || link_is("up"));
    }
    let mut client = primary.connect();
    client.check("SET last 1 => +OK\nWAIT 1 0 => :1");
    assert_eq!(replica.connect().ask("DEBUG DIGEST"), client.ask("DEBUG DIGEST"));
    assert_eq!((client.info("sync_full"), client.info("sync_partial_ok")), ("1".into(), "2".into()));
}
