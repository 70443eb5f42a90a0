//! What replicas may cost, and what a primary asks of them.

use crate::harness::*;
use crate::node::*;

fn number(client: &mut Client, field: &str) -> usize {
    client.info(field).parse().unwrap()
}

#[test]
fn three_slow_replicas_cost_what_one_does() {
    const WRITTEN: usize = 16 << 20;
    let most_of = |replicas: usize| {
        let primary = Node::start(&["--client-output-buffer-limit", "replica 0 0 0", "--repl-backlog-size", "1mb"]);
        let mut client = primary.connect();
        let _slow: Vec<Client> = (0..replicas).map(|_| pretend_replica(&primary)).collect();
        wait_until("they are online", || client.ask("INFO replication").matches("state=online").count() == replicas);
        let before = number(&mut client, "used_memory");
        let large = vec![b'x'; 1 << 20];
        for _ in 0..WRITTEN >> 20 {
            client.ask_args(&[b"SET", b"large", &large]);
        }
        client.check("DEL large => :1");
        let buffers = number(&mut client, "mem_total_replication_buffers");
        (buffers, number(&mut client, "used_memory") - before, number(&mut client, "mem_clients_slaves"))
    };
    let (one, three) = (most_of(1), most_of(3));
    println!("buffers, used_memory, mem_clients_slaves with one: {one:?}, with three: {three:?}");
    // What they have not read is kept, and counted as theirs, ...
    assert!(one.0 > WRITTEN * 3 / 4 && one.2 > WRITTEN * 3 / 4, "{one:?}");
    // ... once.
    assert!(three.0 < one.0 + (1 << 20), "{one:?} {three:?}");
    assert!(three.1 < one.1 + (1 << 20), "{one:?} {three:?}");
    assert!(three.2 < one.2 + (1 << 20), "{one:?} {three:?}");
}

#[test]
fn a_replica_that_does_not_answer_is_no_good_one() {
    let primary = Node::start(&["--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"]);
    let mut client = primary.connect();
    let mut replica = pretend_replica(&primary);
    wait_until("it is good", || client.info("min_slaves_good_slaves") == "1");
    client.check("SET a 1 => +OK");
    // It says nothing more.
    wait_until("it is not good any more", || client.info("min_slaves_good_slaves") == "0");
    client.check("SET a 2 => -NOREPLICAS_Not_enough_good_replicas_to_write.\nGET a => $1 1");
    assert!(client.ask("EVAL redis.call('SET','a',3) 0").starts_with("-NOREPLICAS Not enough good replicas to write."));
    replica.send(b"REPLCONF ACK 1\r\n");
    wait_until("it is good again", || client.info("min_slaves_good_slaves") == "1");
    client.check("SET a 2 => +OK");
}

#[test]
fn a_silent_replica_is_given_up() {
    let primary = Node::start(&["--repl-timeout", "1"]);
    let mut client = primary.connect();
    let _replica = pretend_replica(&primary);
    wait_until("it is online", || client.ask("INFO replication").contains("state=online"));
    wait_until("it is given up", || client.info("connected_slaves") == "0");
    let log = primary.server.log();
    assert!(log.contains("Disconnecting timedout replica (streaming sync)"), "{log}");
}

#[test]
fn a_pause_of_all_does_not_hold_replicas_up() {
    let primary = Node::start(&["--repl-timeout", "2", "--repl-ping-replica-period", "1"]);
    let replica = Node::start(&[]);
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    let mut client = primary.connect();
    // The replica's own pause does not hold the stream up.
    replica.connect().check("CLIENT PAUSE 300 ALL => +OK");
    client.check("SET a 1 => +OK\nWAIT 1 0 => :1");
    // While the primary answers nobody, it hears what the replica acknowledges: else it would soon give
    // it up.
    client.check("CLIENT PAUSE 1000000 ALL => +OK");
    let offset = || replica.info("slave_repl_offset").parse::<u64>().unwrap();
    let (before, ping) = (offset(), encode(&[b"PING"]).len() as u64);
    wait_until("it was pinged for longer than the time-out", || offset() >= before + 4 * ping);
    assert!(!primary.server.log().contains("Disconnecting timedout replica"), "{}", primary.server.log());
}

#[test]
fn a_pause_of_writes_lets_replicas_come() {
    let (primary, replica) = (Node::start(&[]), Node::start(&[]));
    let mut client = primary.connect();
    client.check("SET a 1 => +OK\nCLIENT PAUSE 1000000 WRITE => +OK");
    let mut writer = primary.connect();
    writer.send(b"SET a 2\r\n");
    wait_until("it waits", || client.info("blocked_clients") == "1");
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    replica.connect().check("GET a => $1 1");
    client.check("CLIENT UNPAUSE => +OK");
    assert_eq!(writer.reply(), "+OK\r\n");
    wait_until("it has gone on", || replica.connect().ask("GET a") == "$1\r\n2\r\n");
}

#[test]
fn the_backlog_is_kept_for_a_while() {
    let primary = Node::start(&["--repl-backlog-ttl", "1"]);
    let mut client = primary.connect();
    drop(pretend_replica(&primary));
    let id = client.info("master_replid");
    wait_until("it is dropped", || client.info("repl_backlog_active") == "0");
    // What comes now is not counted, so its name must be another.
    assert_ne!(client.info("master_replid"), id);
    assert_eq!(client.info("master_replid2"), "0".repeat(40));
    assert!(primary.server.log().contains("Replication backlog freed after 1 seconds without connected replicas."));
    client.check("SET a 1 => +OK");
    let mut late = primary.connect();
    late.send(format!("PSYNC {id} 1\r\n").as_bytes());
    assert!(late.line().starts_with("+FULLRESYNC "));
}

#[test]
fn waiting_for_a_replica_that_goes() {
    let (primary, replica) = (Node::start(&[]), Node::start(&[]));
    replica.follow(&primary);
    wait_for_sync(&primary, &[&replica]);
    let mut client = primary.connect();
    let (mut patient, mut other) = (primary.connect(), primary.connect());
    // The replica cannot acknowledge.
    let mut on_replica = replica.connect();
    on_replica.send(b"DEBUG SLEEP 1000\r\n");
    wait_until("it sleeps", || {
        patient.ask("SET a 1");
        patient.ask("WAIT 1 20") == ":0\r\n"
    });
    patient.send(b"SET a 2\r\nWAIT 1 0\r\n");
    other.send(b"SET a 3\r\nWAIT 1 100\r\n");
    assert_eq!((other.reply(), other.reply()), ("+OK\r\n".into(), ":0\r\n".into()));
    drop(replica);
    wait_until("it is gone", || client.info("connected_slaves") == "0");
    // Another one has all of it.
    let replica = Node::start(&[]);
    replica.follow(&primary);
    assert_eq!((patient.reply(), patient.reply()), ("+OK\r\n".into(), ":1\r\n".into()));
    replica.connect().check("GET a => $1 3");
}
