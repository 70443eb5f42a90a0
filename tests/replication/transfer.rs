//! Data sets on their way: what is left out of them, and what becomes of those that do not arrive.

use crate::harness::*;
use crate::node::*;
use std::path::Path;
use std::process::Command;

const LIBRARY: &str = "#!lua name=lib\nredis.register_function('f',function()return(1)end)";

/// The keys and functions in a file that a tool wrote.
fn contents(file: &Path) -> (String, bool) {
    let dir = file.parent().unwrap().join("loaded");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::rename(file, dir.join("dump.rdb")).unwrap();
    let server = Server::start_in(dir, &[]);
    let mut client = server.connect();
    (client.ask("DBSIZE"), client.ask("FUNCTION LIST").contains("lib"))
}

#[test]
fn tools_may_ask_for_functions_only() {
    let primary = Node::start(&[]);
    let mut client = primary.connect();
    client.check("SET a 1 => +OK\nSELECT 1 => +OK\nSET b 2 => +OK");
    client.ask_args(&[b"FUNCTION", b"LOAD", LIBRARY.as_bytes()]);
    for diskless in ["yes", "no"] {
        client.ask(&format!("CONFIG SET repl-diskless-sync {diskless}"));
        for (mode, expected) in [("--rdb", (":1\r\n", true)), ("--functions-rdb", (":0\r\n", true))] {
            let file = primary.server.dir.join("from-tool.rdb");
            let written =
                Command::new("redis-cli").arg("-s").arg(primary.server.socket()).arg(mode).arg(&file).output();
            let Ok(output) = written else {
                println!("skipped: there is no redis-cli");
                return;
            };
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let (keys, has_functions) = contents(&file);
            assert_eq!((&*keys, has_functions), expected, "{mode}, diskless: {diskless}");
        }
    }
}

#[test]
fn a_replica_that_does_not_take_its_data_set_is_given_up() {
    let primary = Node::start(&["--repl-timeout", "1"]);
    let mut client = primary.connect();
    // More than sockets hold.
    for i in 0..32 {
        client.ask_args(&[b"SET", format!("k{i}").as_bytes(), &fast_bytes(1 << 20)]);
    }
    for diskless in ["yes", "no"] {
        client.ask(&format!("CONFIG SET repl-diskless-sync {diskless}"));
        let mut stuck = primary.connect();
        stuck.check("REPLCONF capa eof => +OK");
        stuck.send(b"PSYNC ? -1\r\n");
        assert!(stuck.line().starts_with("+FULLRESYNC "));
        wait_until("it is given up", || client.info("connected_slaves") == "0");
        wait_until("so is the child", || client.info("rdb_bgsave_in_progress") == "0");
        assert_eq!(
            primary.server.log().matches("Disconnecting timedout replica (full sync)").count(),
            1 + (diskless == "no") as usize
        );
    }
}

/// Bytes that do not compress.
fn fast_bytes(count: usize) -> Vec<u8> {
    (0..count / 8).flat_map(|_| fast_random().to_ne_bytes()).collect()
}

#[test]
fn others_go_on_when_one_of_them_is_slow() {
    let primary = Node::start(&["--repl-timeout", "1", "--repl-diskless-sync-delay", "1000"]);
    let mut client = primary.connect();
    for i in 0..32 {
        client.ask_args(&[b"SET", format!("k{i}").as_bytes(), &fast_bytes(1 << 20)]);
    }
    let mut stuck = primary.connect();
    stuck.check("REPLCONF capa eof => +OK");
    stuck.send(b"PSYNC ? -1\r\n");
    let replica = Node::start(&["--repl-timeout", "60"]);
    replica.follow(&primary);
    wait_until("both are there", || client.info("connected_slaves") == "2");
    // Both get what one child writes.
    client.check("CONFIG SET repl-diskless-sync-delay 0 => +OK");
    wait_until_equal(&primary, &[&replica]);
    assert_eq!(client.info("connected_slaves"), "1");
    assert_eq!(client.info("sync_full"), "2");
}

#[test]
fn a_data_set_that_does_not_arrive_changes_nothing() {
    let source = Node::start(&[]);
    let mut on_source = source.connect();
    on_source.check("DEBUG POPULATE 1000 => +OK\nSET k old => +OK");
    let data_set = |client: &mut Client| {
        client.check("SAVE => +OK");
        std::fs::read(source.server.dir.join("dump.rdb")).unwrap()
    };
    let old = data_set(&mut on_source);
    on_source.ask_args(&[b"FUNCTION", b"LOAD", LIBRARY.as_bytes()]);
    on_source.check("SET k new => +OK");
    let new = data_set(&mut on_source);
    let id = "a".repeat(40);
    let primary = PretendPrimary::new();
    let replica = Node::start(&["--repl-diskless-load", "swapdb"]);
    let mut client = replica.connect();
    client.ask(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    let send = |data: &[u8], offset: usize, len: usize| {
        let mut request = primary.request();
        request.send(format!("+FULLRESYNC {id} {offset}\r\n${}\r\n", data.len()).as_bytes());
        request.send(&data[..len]);
        request
    };
    let request = send(&old, 100, old.len());
    replica.wait_for_link();
    client.check("GET k => $3 old");
    drop(request);
    // While the next one comes, an older state of the same history is served, ...
    let request = send(&new, 200, new.len() / 2);
    wait_until("it comes", || client.info("async_loading") == "1");
    client.check("GET k => $3 old\nDBSIZE => :1001");
    assert!(client.ask("EVAL return(redis.call('GET','k')) 0").contains("old"));
    assert!(client.ask("SET k mine").starts_with("-READONLY"));
    let refused = client.ask("FUNCTION DELETE lib");
    assert!(refused.starts_with('-'), "{refused}");
    // ... and stays if it does not come as a whole, ...
    drop(request);
    wait_until("it is given up", || client.info("async_loading") == "0");
    client.check("GET k => $3 old\nDBSIZE => :1001\nFUNCTION LIST => *0");
    // ... or is broken.
    let mut broken = new.clone();
    let middle = broken.len() / 2;
    broken[middle..middle + 100].fill(0xee);
    let request = send(&broken, 300, broken.len());
    wait_until("it is given up", || replica.server.log().contains("Internal error in RDB reading"));
    client.check("GET k => $3 old\nDBSIZE => :1001");
    drop(request);
    // It still knows what it has.
    let mut request = primary.request();
    assert_eq!(request.from, format!("{id} 101"));
    request.send(format!("+FULLRESYNC {id} 400\r\n${}\r\n", new.len()).as_bytes());
    request.send(&new);
    wait_until("it has come", || client.ask("GET k") == "$3\r\nnew\r\n");
    assert!(client.ask("FUNCTION LIST").contains("lib"));
}

/// A child that writes hundreds of keys takes seconds.
const SLOW: [&str; 2] = ["--rdb-key-save-delay", "10000"];

#[test]
fn a_file_is_sent_from_where_it_was_written() {
    let arguments = ["--repl-diskless-sync", "no", "--save", "", "--rdb-del-sync-files", "yes"];
    let primary = Node::start(&[&arguments[..], &SLOW, &["--enable-protected-configs", "yes"]].concat());
    let mut client = primary.connect();
    client.check("DEBUG POPULATE 200 => +OK");
    let elsewhere = primary.server.dir.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("dump.rdb"), "somebody's").unwrap();
    let replica = Node::start(&[]);
    replica.follow(&primary);
    wait_until("a child writes", || client.info("rdb_bgsave_in_progress") == "1");
    client.check(&format!("CONFIG SET dir {} => +OK", elsewhere.display()));
    wait_until_equal(&primary, &[&replica]);
    assert_eq!(client.info("sync_full"), "1");
    assert_eq!(std::fs::read(elsewhere.join("dump.rdb")).unwrap(), b"somebody's");
    assert!(!primary.server.dir.join("dump.rdb").exists());
}

#[test]
fn who_was_away_at_a_flush_learns_of_it_from_a_primary_that_crashed() {
    let primary = Node::start(&[]);
    let replica = Node::start(&[]);
    replica.follow(&primary);
    let mut client = primary.connect();
    client.check("SET k v => +OK");
    wait_until_equal(&primary, &[&replica]);
    let port = primary.port.to_string();
    let dir = replica.server.terminate();
    client.check("FLUSHALL => +OK");
    let primary = primary.restart_after_a_crash(&[]);
    let replica = Node::start_in(dir, replica.port, &["--replicaof", &format!("127.0.0.1 {port}")]);
    wait_until_equal(&primary, &[&replica]);
    replica.connect().check("DBSIZE => :0");
}

#[test]
fn the_loop_of_a_replica_does_not_wait_for_the_disk() {
    let traces = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !traces.is_ok_and(|status| status.success()) {
        println!("skipped: strace is not installed, or may not trace");
        return;
    }
    let primary = Node::start(&[]);
    // Enough that the disk is told to begin before the end.
    for i in 0..12 {
        primary.connect().ask_args(&[b"SET", format!("k{i}").as_bytes(), &fast_bytes(1 << 20)]);
    }
    let trace = primary.server.dir.join("trace");
    let strace = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", trace.to_str().unwrap()];
    let port = free_port();
    let server = Server::start_through(&strace.map(str::to_owned), &["--port", &port.to_string()]);
    let mut replica = Node { server, port };
    replica.follow(&primary);
    wait_until_equal(&primary, &[&replica]);
    let mut client = replica.connect();
    let of_the_loop = format!("{} ", client.info("process_id"));
    client.send(b"SHUTDOWN NOSAVE\r\n");
    assert!(replica.server.wait().success());
    let trace = std::fs::read_to_string(trace).unwrap();
    assert!(trace.contains(" fdatasync("), "{trace}");
    assert!(!trace.lines().any(|line| line.starts_with(&of_the_loop)), "{trace}");
}
