//! Data sets on their way: what is left out of them, and what becomes of those that do not arrive.

use crate::harness::*;
use crate::node::*;
use std::path::{Path, PathBuf};
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

/// A server whose system calls strace delays or lets fail, as its options of these words say.
fn start_traced(options: &[&str]) -> Node {
    let strace = [&["strace", "-f", "-qq", "-o", "/dev/null"], options].concat();
    let port = free_port();
    let strace: Vec<String> = strace.into_iter().map(str::to_owned).collect();
    Node { server: Server::start_through(&strace, &["--port", &port.to_string()]), port }
}

/// The files of data sets that have not all come.
fn unfinished_files(node: &Node) -> Vec<PathBuf> {
    let is_unfinished = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("temp-");
    files_below(&node.server.dir).into_iter().filter(is_unfinished).collect()
}

#[test]
fn a_data_set_that_is_of_no_use_leaves_no_file() {
    let source = Node::start(&[]);
    source.connect().check("SET k v => +OK\nSAVE => +OK");
    let data_set = std::fs::read(source.server.dir.join("dump.rdb")).unwrap();
    let (history, whole) = ("0".repeat(40), data_set.len() as u64);
    for (delays, comes) in [(false, whole - 1), (true, whole)] {
        if delays && !can_trace() {
            continue;
        }
        for ends in [&b"SHUTDOWN NOSAVE\r\n"[..], b"REPLICAOF no one\r\n"] {
            // The disk does not get done with it in time.
            let mut replica = match delays {
                true => start_traced(&["-e", "inject=fdatasync:delay_enter=5000000"]),
                false => Node::start(&[]),
            };
            let primary = PretendPrimary::new();
            let mut client = replica.connect();
            client.check(&format!("REPLICAOF 127.0.0.1 {} => +OK", primary.port()));
            let mut request = primary.request();
            request.send(format!("+FULLRESYNC {history} 0\r\n${whole}\r\n").as_bytes());
            request.send(&data_set[..comes as usize]);
            wait_until("it has come", || {
                unfinished_files(&replica).iter().any(|path| path.metadata().is_ok_and(|data| data.len() == comes))
            });
            client.send(ends);
            if ends.starts_with(b"REPLICAOF") {
                assert_eq!(client.reply(), "+OK\r\n");
                assert!(unfinished_files(&replica).is_empty());
                client.send(b"SHUTDOWN NOSAVE\r\n");
            }
            assert!(replica.server.wait().success());
            assert!(unfinished_files(&replica).is_empty());
        }
    }
}

/// However often a server turns to another primary, and however long it takes to look its name up.
#[test]
fn one_name_is_looked_up_at_a_time() {
    if !can_trace() {
        return;
    }
    let mut node = start_traced(&["-P", "/etc/hosts", "-e", "inject=openat:delay_enter=1000000"]);
    let mut client = node.connect();
    let threads = format!("/proc/{}/task", client.info("process_id"));
    let helpers = || {
        let names = std::fs::read_dir(&threads).unwrap().filter_map(|thread| {
            std::fs::read_to_string(thread.unwrap().path().join("comm")).ok().filter(|name| name == "rondo-apart\n")
        });
        names.count()
    };
    for number in 0..10 {
        client.check(&format!("REPLICAOF nobody{number}.invalid 1 => +OK"));
        assert!(helpers() <= 1);
    }
    let primary = PretendPrimary::new();
    client.check(&format!("REPLICAOF localhost {} => +OK", primary.port()));
    primary.request();
    assert!(helpers() <= 1);
    client.send(b"SHUTDOWN NOSAVE\r\n");
    assert!(node.server.wait().success());
}

#[test]
fn the_loop_of_a_replica_does_not_wait_for_the_disk() {
    if !can_trace() {
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
