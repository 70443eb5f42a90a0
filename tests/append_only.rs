//! What a server was told survives its end: the append-only file, from restart to a torn tail.

#[path = "wire/harness.rs"]
mod harness;

use harness::*;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

const INCREMENT: &str = "appendonlydir/appendonly.aof.1.incr.aof";
const ON: [&str; 2] = ["--appendonly", "yes"];
/// For Redis: a base file of commands, not in RDB form.
const IN_COMMANDS: [&str; 4] = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];

// ---- helpers ----

/// The elements of an array of bulk strings.
fn words(reply: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = reply;
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(len) = line.strip_prefix(b"$") {
            let len: usize = std::str::from_utf8(len).unwrap().trim_end().parse().unwrap();
            words.push(rest[..len].to_vec());
            rest = &rest[len + 2..];
        }
    }
    words
}

/// All that a server holds, in an order that does not depend on the server.
fn contents(client: &mut Client) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for db in 0..16 {
        client.ask(&format!("SELECT {db}"));
        client.send(&encode(&[b"KEYS", b"*"]));
        let mut keys = words(&client.reply_bytes());
        keys.sort();
        for key in keys {
            let type_ = client.ask_args(&[b"TYPE", &key]);
            let expire_at = client.ask_args(&[b"PEXPIRETIME", &key]);
            let get: &[u8] = if type_ == "+hash\r\n" { b"HGETALL" } else { b"GET" };
            client.send(&encode(&[get, &key]));
            let mut value = client.reply_bytes();
            if type_ == "+hash\r\n" {
                let fields = words(&value);
                let mut pairs: Vec<&[Vec<u8>]> = fields.chunks(2).collect();
                pairs.sort();
                value = pairs.concat().join(&b' ');
            }
            all.push([format!("{db} {type_}{expire_at}").as_bytes(), &key, b" ", &value].concat());
        }
    }
    client.ask("SELECT 0");
    all
}

/// A folder whose append-only file holds these bytes.
fn folder_with(increment: &[u8]) -> PathBuf {
    let dir = new_folder();
    std::fs::create_dir(dir.join("appendonlydir")).unwrap();
    let manifest = "file appendonly.aof.1.incr.aof seq 1 type i\n";
    std::fs::write(dir.join("appendonlydir/appendonly.aof.manifest"), manifest).unwrap();
    std::fs::write(dir.join(INCREMENT), increment).unwrap();
    dir
}

/// Runs a server that is expected to end at once. Its log is on standard output.
fn run_to_end(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rondo"));
    command.args(["--port", "0", "--appendonly", "yes", "--dir"]).arg(dir).args(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + DEADLINE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// Asserts that a server refuses to start with this append-only file, and leaves it as it is.
fn assert_refused(increment: &[u8], arguments: &[&str], reason: &str) {
    let dir = folder_with(increment);
    let output = run_to_end(&dir, arguments);
    let log = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains(reason), "{log}");
    assert_eq!(std::fs::read(dir.join(INCREMENT)).unwrap(), increment);
    std::fs::remove_dir_all(dir).unwrap();
}

/// Fills a server with some of everything.
fn fill(client: &mut Client) {
    client.check(
        "SET plain value => +OK
         SET number 41
         INCR number => :42
         INCRBYFLOAT float 3.25 => $4 3.25
         INCRBYFLOAT float 0.1 => $4 3.35
         SET options 1 EX 1000 => +OK
         SET options 2 KEEPTTL GET => $1 1
         SET options 3 NX => $-1
         SET never 3 XX => $-1
         PSETEX psetex 100000 v => +OK
         SETRANGE range 3 abc => :6
         APPEND range d => :7
         GETDEL gone
         SET getex v EX 100
         GETEX getex PERSIST => $1 v
         SETBIT bits 100 1 => :0
         BITFIELD bits SET u8 8 200 INCRBY u8 8 10 => *2 :0 :210
         BITOP NOT inverted bits => :13
         MSET a 1 b 2 c 3 => +OK
         DEL b => :1
         EXPIRE c 500 => :1
         HSET hash f1 v1 f2 v2 f3 3 => :3
         HINCRBY hash f3 4 => :7
         HINCRBYFLOAT hash f4 0.5 => $3 0.5
         HDEL hash f1 => :1
         SADD set 1 2 3 4 5 6 => :6
         SREM set 1 9 => :1
         SPOP set
         SPOP set 2
         SADD popped a b c => :3
         SPOP popped 3
         SUNIONSTORE stored set popped => :2
         SMOVE stored moved 99 => :0
         PFADD visitors a b c => :1
         PFCOUNT visitors => :3
         PFMERGE merged visitors => +OK
         HSET expiring f v
         PEXPIRE expiring 300000 => :1
         SELECT 3 => +OK
         SET third 3 => +OK
         SELECT 15 => +OK
         SET last 15 PX 500000 => +OK
         MOVE last 2 => :1
         COPY nothing to => :0
         SELECT 1 => +OK
         SET swapped 1
         RENAME swapped renamed => +OK
         SWAPDB 1 4 => +OK
         SELECT 0 => +OK",
    );
    client.send(b"SET inline \"a\\r\\n b\"\r\n");
    assert_eq!(client.reply(), "+OK\r\n");
    // Arguments of this size arrive in buffers of their own.
    let (large, larger) = (vec![b'x'; 40_000], (0..=255u8).cycle().take(300_000).collect::<Vec<_>>());
    let reply = client.ask_args(&[b"MSET", b"large", &large, b"small", b"s", b"larger", &larger, b"after", b"a"]);
    assert_eq!(reply, "+OK\r\n");
    for i in 0..2000 {
        client.send(&encode(&[b"HSET", b"big hash", format!("field {i}").as_bytes(), b"value"]));
        client.send(&encode(&[b"SADD", b"big set", format!("member {i}").as_bytes()]));
    }
    (0..4000).for_each(|_| assert_eq!(client.reply(), ":1\r\n"));
    client.ask_args(&[b"SPOP", b"big set", b"500"]);
    client.ask_args(&[b"SPOP", b"big set", b"1400"]);
}

// ---- restarts ----

#[test]
fn commands_for_a_database_that_is_not_there_are_not_run_elsewhere() {
    let server = Server::start(&["--appendonly", "yes", "--databases", "32"]);
    server.connect().check("SELECT 20 => +OK\n SET k v => +OK");
    let dir = server.terminate();
    let output = run_to_end(&dir, &["--databases", "16"]);
    let log = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && log.contains("a database beyond those configured"), "{log}");
    let _ = std::fs::remove_dir_all(dir);
}

#[test]
fn everything_is_there_after_a_restart() {
    for policy in ["always", "everysec", "no"] {
        let arguments = ["--appendonly", "yes", "--appendfsync", policy];
        let server = Server::start(&arguments);
        let mut client = server.connect();
        fill(&mut client);
        let before = contents(&mut client);
        assert!(before.len() > 20);
        let server = Server::start_in(server.terminate(), &arguments);
        assert!(contents(&mut server.connect()) == before, "{policy}, terminated");
        let server = Server::start_in(server.kill(), &arguments);
        assert!(contents(&mut server.connect()) == before, "{policy}, killed");
        server.connect().check("FLUSHDB => +OK\nSET only 1 => +OK");
        let server = Server::start_in(server.kill(), &arguments);
        server.connect().check("KEYS * => *1 $4 only\nSELECT 3 => +OK\nKEYS * => *1 $5 third\nFLUSHALL => +OK");
        let server = Server::start_in(server.kill(), &arguments);
        assert!(contents(&mut server.connect()).is_empty());
    }
}

#[test]
fn what_expires_while_the_server_is_down_is_gone() {
    let server = Server::start(&ON);
    let mut client = server.connect();
    client.check("SET short v PX 30 => +OK\nHSET long f v => :1\nEXPIRE long 1000 => :1");
    let expire_at = client.ask("PEXPIRETIME long");
    let dir = server.kill();
    std::thread::sleep(Duration::from_millis(40));
    let server = Server::start_in(dir, &ON);
    let mut client = server.connect();
    client.check("EXISTS short => :0\nDBSIZE => :1");
    assert_eq!(client.ask("PEXPIRETIME long"), expire_at);
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    for policy in ["always", "everysec"] {
        let arguments = ["--appendonly", "yes", "--appendfsync", policy];
        let mut server = Server::start(&arguments);
        let mut written = Vec::new();
        for round in 0..4 {
            let acknowledged = AtomicUsize::new(0);
            let socket = server.socket();
            let dir = std::thread::scope(|scope| {
                scope.spawn(|| write_numbers(&socket, &round.to_string(), usize::MAX, &acknowledged));
                wait_until("something was written", || acknowledged.load(Relaxed) > 300 + 100 * round);
                server.kill()
            });
            written.push(acknowledged.into_inner());
            server = Server::start_in(dir, &arguments);
            let mut client = server.connect();
            for (round, &count) in written.iter().enumerate() {
                assert_numbers(&mut client, &round.to_string(), count);
            }
        }
    }
}

#[test]
fn switched_on_and_off_at_run_time() {
    let (server, mut client) = server_and_client();
    client.check(
        "SET before 1 => +OK\nSELECT 2 => +OK\nHSET h f v => :1\nCONFIG SET appendonly yes => +OK\nSET while 2 => +OK",
    );
    client.wait_for_child();
    client.check("CONFIG SET appendonly no => +OK\nSET off 3 => +OK\nCONFIG SET appendonly yes => +OK\nSET on 4 PX 100000 => +OK");
    client.wait_for_child();
    let all = contents(&mut client);
    assert_eq!(all.len(), 5);
    client.check("CONFIG SET appendonly no => +OK\nSET lost 5 => +OK");
    let server = Server::start_in(server.kill(), &ON);
    assert_eq!(contents(&mut server.connect()), all);
    // Nothing but what the manifest names is left.
    assert_eq!(files_below(&server.dir.join("appendonlydir")).len(), 3);
}

#[test]
fn what_is_loaded_is_not_counted() {
    let server = Server::start(&ON);
    server.connect().check("SET k v => +OK\nSET k v XX => +OK\nHINCRBY h f 1 => :1\nGETDEL k => $1 v");
    let server = Server::start_in(server.kill(), &ON);
    let mut client = server.connect();
    client.check("EXISTS h => :1\nDEBUG LOADAOF => +OK\nEXISTS h => :1");
    let info = client.ask("INFO everything");
    for absent in ["cmdstat_set:", "cmdstat_hincrby:", "cmdstat_del:", "latency_percentiles_usec_set:"] {
        assert!(!info.contains(absent), "{info}");
    }
    for line in ["rdb_changes_since_last_save:0\r", "keyspace_hits:2\r", "keyspace_misses:0\r"] {
        assert!(info.contains(line), "{line} in {info}");
    }
}

// ---- files that must not be lost ----

#[test]
fn a_new_file_does_not_overwrite_another() {
    let set = encode(&[b"SET", b"k", b"v"]);
    let server = Server::start_in(folder_with(&set), &[]);
    let manifest = server.dir.join("appendonlydir/appendonly.aof.manifest");
    let mut client = server.connect();
    // No manifest can tell what the files are.
    std::fs::write(&manifest, "nonsense").unwrap();
    client.check("CONFIG SET appendonly yes => -ERR_CONFIG_SET_failed_(possibly_related_to_argument_'appendonly')_-_Unable_to_turn_on_AOF._Check_server_logs.");
    client.check("CONFIG GET appendonly => *2 $10 appendonly $2 no");
    assert_eq!(std::fs::read(&manifest).unwrap(), b"nonsense");
    std::fs::remove_file(&manifest).unwrap();
    client.check("CONFIG SET appendonly yes => +OK\nSET new 1 => +OK");
    client.wait_for_child();
    assert_eq!(std::fs::read(server.dir.join(INCREMENT)).unwrap(), set);
    let server = Server::start_in(server.kill(), &ON);
    server.connect().check("KEYS * => *1 $3 new");
}

#[test]
fn without_a_manifest_that_can_be_read_nothing_starts_and_nothing_is_lost() {
    let dir = folder_with(&encode(&[b"SET", b"k", b"v"]));
    let manifest = dir.join("appendonlydir/appendonly.aof.manifest");
    let whole = std::fs::read_to_string(&manifest).unwrap();
    let refuses = |manifest: &str| {
        let contents = || {
            let files = files_below(&dir).into_iter();
            files.map(|path| (std::fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
        };
        let before = contents();
        assert_eq!(run_to_end(&dir, &[]).status.code(), Some(1), "{manifest}");
        assert!(contents() == before, "{manifest}");
    };
    for broken in ["", "nonsense", &whole[..whole.len() - 3], &format!("{whole}file /etc/passwd seq 2 type i\n")] {
        std::fs::write(&manifest, broken).unwrap();
        refuses(broken);
    }
    // Nobody, not even root, can read it.
    std::fs::remove_file(&manifest).unwrap();
    std::fs::create_dir(&manifest).unwrap();
    refuses("a folder");
    std::fs::remove_dir(&manifest).unwrap();
    std::fs::write(&manifest, whole).unwrap();
    Server::start_in(dir, &ON).connect().check("GET k => $1 v");
}

#[test]
fn a_reload_that_fails_ends_nothing() {
    let server = Server::start(&ON);
    let mut client = server.connect();
    client.check(
        "SET k v => +OK\nDEBUG LOADAOF => +OK\nGET k => $1 v\nSET l v => +OK\nDEBUG LOADAOF => +OK\nDBSIZE => :2",
    );
    let path = server.dir.join(INCREMENT);
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&good[..], b"garbage\r\n"].concat()).unwrap();
    client.check("DEBUG LOADAOF => -ERR_Error_trying_to_load_the_AOF_files,_check_server_logs.");
    assert!(server.log().contains("Bad file format"));
    std::fs::write(&path, good).unwrap();
    client.check("SET later 1 => +OK");
    let server = Server::start_in(server.kill(), &ON);
    server.connect().check("DBSIZE => :3\nGET later => $1 1");
}

/// A folder for a server whose append-only file is on a small disk.
fn folder_on_small_disk() -> Option<(PathBuf, SmallDisk)> {
    let dir = folder_with(b"");
    match SmallDisk::mount(&dir.join("appendonlydir")) {
        Some(disk) => Some((dir, disk)),
        None => {
            std::fs::remove_dir_all(dir).unwrap();
            None
        }
    }
}

/// Sets `prefix:0`, `prefix:1`, ... until that is refused, or the server is gone; gives how many were
/// acknowledged, and what was answered last.
fn set_until_refused(server: &Server, prefix: &str) -> (usize, String) {
    let stream = UnixStream::connect(server.socket()).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    for i in 0.. {
        let request = encode(&[b"SET", format!("{prefix}:{i}").as_bytes(), &[b'x'; 10_000]]);
        let mut line = String::new();
        let _ = (&stream).write_all(&request).and_then(|()| replies.read_line(&mut line));
        if line != "+OK\r\n" {
            return (i, line);
        }
    }
    unreachable!()
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    const REFUSED: &str = "-MISCONF Errors writing to the AOF file: No space left on device\r\n";
    for policy in ["everysec", "no"] {
        let arguments = ["--appendonly", "yes", "--appendfsync", policy, "--aof-load-truncated", "no"];
        let Some((dir, disk)) = folder_on_small_disk() else { return };
        let server = Server::start_in(dir, &arguments);
        let (count, reply) = set_until_refused(&server, "a");
        assert_eq!(reply, REFUSED);
        assert!(count > 90, "{count}");
        let mut client = server.connect();
        assert_eq!(client.ask("PING"), REFUSED);
        assert_eq!(client.ask("DEL a:0"), REFUSED);
        client.check("STRLEN a:0 => :10000\nSHUTDOWN => -ERR_Errors_trying_to_SHUTDOWN._Check_logs.");
        assert!(client.ask("INFO persistence").contains("aof_last_write_status:err\r\n"));
        // The disk has whole commands only: what was torn was taken back.
        let file = std::fs::read(server.dir.join(INCREMENT)).unwrap();
        assert!(file.ends_with(b"xxx\r\n"));

        disk.grow();
        // Nothing but cron tries again.
        wait_until("the file is written again", || server.log().contains("AOF write error looks solved"));
        client.check("PING => +PONG\nSET after 1 => +OK");
        let info = client.ask("INFO persistence");
        assert!(info.contains("aof_last_write_status:ok\r\n") && info.contains("aof_buffer_length:0\r\n"), "{info}");
        // Even the one that was acknowledged when the disk was full.
        let server = Server::start_in(server.kill(), &arguments);
        let mut client = server.connect();
        client.check(&format!("DBSIZE => :{}\nGET after => $1 1\nSTRLEN a:{} => :10000", count + 1, count - 1));
        // Doing without the file is a way out as well.
        assert!(set_until_refused(&server, "b").1 == REFUSED);
        client.check("CONFIG SET appendonly no => +OK\nPING => +PONG\nSET k v => +OK");
        // The folder cannot go before what is mounted there.
        drop(disk);
    }
}

#[test]
fn a_full_disk_ends_a_server_that_syncs_always() {
    let arguments = ["--appendonly", "yes", "--appendfsync", "always"];
    let Some((dir, disk)) = folder_on_small_disk() else { return };
    let mut server = Server::start_in(dir, &arguments);
    let (count, reply) = set_until_refused(&server, "a");
    assert_eq!(reply, "");
    assert_eq!(server.wait().code(), Some(1));
    disk.grow();
    let server = Server::start_in(server.kill(), &arguments);
    server.connect().check(&format!("DBSIZE => :{count}\nSTRLEN a:{} => :10000", count - 1));
    drop(disk);
}

// ---- files that are not whole ----

#[test]
fn a_cut_tail_is_truncated_or_refused() {
    let whole = encode(&[b"SET", b"first", b"1"]);
    let last = encode(&[b"SET", b"last", b"a\r\nb"]);
    for cut in 1..last.len() {
        let torn = [&whole[..], &last[..cut]].concat();
        assert_refused(&torn, &["--aof-load-truncated", "no"], "Unexpected end of file");
        let server = Server::start_in(folder_with(&torn), &ON);
        server.connect().check("KEYS * => *1 $5 first\nSET next 1 => +OK");
        assert!(server.log().contains("short read while loading the AOF file"), "cut at {cut}");
        let expected = [&whole[..], &encode(&[b"SELECT", b"0"]), &encode(&[b"SET", b"next", b"1"])].concat();
        assert_eq!(std::fs::read(server.dir.join(INCREMENT)).unwrap(), expected, "cut at {cut}");
    }
}

/// A rewrite was about to begin: the manifest names an increment that was not written to yet.
#[test]
fn a_cut_tail_before_an_empty_increment() {
    let torn = [encode(&[b"SET", b"k", b"v"]), b"*3\r\n$3\r\nSE".to_vec()].concat();
    let dir = folder_with(&torn);
    let folder = dir.join("appendonlydir");
    let manifest = folder.join("appendonly.aof.manifest");
    let named = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, named + "file appendonly.aof.2.incr.aof seq 2 type i\n").unwrap();
    std::fs::write(folder.join("appendonly.aof.2.incr.aof"), b"").unwrap();
    let server = Server::start_in(dir, &["--appendonly", "yes"]);
    server.connect().check("GET k => $1 v\nDBSIZE => :1");
}

#[test]
fn a_cut_in_a_long_argument() {
    let whole = encode(&[b"SET", b"first", &[b'1'; 70_000]]);
    let last = encode(&[b"MSET", b"a", &[b'2'; 40_000], b"b", &[b'3'; 2_500_000], b"c", b"4"]);
    for cut in [1, 30, 31, 20_000, 40_030, 40_036, 40_050, 1_000_000, 2_540_055, last.len() - 1] {
        let torn = [&whole[..], &last[..cut]].concat();
        let server = Server::start_in(folder_with(&torn), &ON);
        server.connect().check("KEYS * => *1 $5 first\nSTRLEN first => :70000");
        assert_eq!(std::fs::metadata(server.dir.join(INCREMENT)).unwrap().len(), whole.len() as u64, "cut at {cut}");
    }
    let server = Server::start_in(folder_with(&[&whole[..], &last].concat()), &ON);
    server.connect().check("DBSIZE => :4\nSTRLEN b => :2500000");
}

#[test]
fn garbage_is_refused() {
    let good = encode(&[b"SET", b"k", b"v"]);
    let cases: [(&[u8], &str); 8] = [
        (b"garbage\r\n", "Bad file format"),
        (b"PING\r\n", "Bad file format"),
        (b"\0\0\0\0\0\0\0\0", "Bad file format"),
        (b"*3\r\n$3\r\nSET\r\n$x\r\nk\r\n$1\r\nv\r\n", "Bad file format"),
        (b"*3\r\n:3\r\nSET\r\n", "Bad file format"),
        (b"*x\r\n", "Bad file format"),
        (b"*1\r\n$6\r\nNOSUCH\r\n", "Unknown command 'NOSUCH'"),
        (b"*2\r\n$3\r\nSET\r\n$1\r\nk\r\n", "wrong number of arguments"),
    ];
    for (garbage, reason) in cases {
        assert_refused(&[&good[..], garbage, &good].concat(), &[], reason);
        assert_refused(&[garbage, &good].concat(), &[], reason);
        assert_refused(&[&good[..], garbage].concat(), &[], reason);
    }
}

#[test]
fn a_transaction_is_loaded_whole_or_not_at_all() {
    let set = |key: &str| encode(&[b"SET", key.as_bytes(), b"1"]);
    let (multi, exec) = (encode(&[b"MULTI"]), encode(&[b"EXEC"]));
    let good = [set("a"), multi.clone(), set("b"), set("c"), exec.clone()].concat();
    let server = Server::start_in(folder_with(&good), &ON);
    server.connect().check("DBSIZE => :3");

    let torn = [&good[..], &multi, &set("d"), &set("e")].concat();
    let dir = folder_with(&torn);
    let server = Server::start_in(dir, &ON);
    server.connect().check("DBSIZE => :3\nEXISTS d e => :0");
    assert_eq!(std::fs::metadata(server.dir.join(INCREMENT)).unwrap().len(), good.len() as u64);
    assert_refused(&torn, &["--aof-load-truncated", "no"], "Unexpected end of file");
}

#[test]
fn annotations_are_skipped() {
    let text = [b"#TS:1700000000\r\n", &encode(&[b"SET", b"k", b"v"])[..], b"#TS:1700000001\r\n"].concat();
    let server = Server::start_in(folder_with(&text), &ON);
    server.connect().check("KEYS * => *1 $1 k");
    assert_eq!(std::fs::metadata(server.dir.join(INCREMENT)).unwrap().len(), text.len() as u64);
}

// ---- with Redis ----

#[test]
fn redis_loads_what_this_server_wrote() {
    let server = Server::start(&[&ON[..], &IN_COMMANDS[2..]].concat());
    let mut client = server.connect();
    fill(&mut client);
    // A base as well as an increment.
    client.check("BGREWRITEAOF => +Background_append_only_file_rewriting_started");
    client.wait_for_child();
    client.check("SET increment 1 => +OK");
    let before = contents(&mut client);
    // The last line says where a replica was.
    let mut replica = server.connect();
    replica.send(b"PSYNC ? -1\r\n");
    assert!(replica.line().starts_with("+FULLRESYNC "));
    drop(replica);
    let dir = server.terminate();
    let increment = std::fs::read(dir.join("appendonlydir/appendonly.aof.2.incr.aof")).unwrap();
    assert!(increment[..increment.len() - 2].rsplit(|&byte| byte == b'\n').next().unwrap().starts_with(b"#HISTORY:"));
    if let Some(redis) = Redis::start(&dir, &IN_COMMANDS) {
        assert!(contents(&mut redis.connect()) == before);
    }
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn this_server_loads_what_redis_wrote() {
    let dir = folder_with(b"");
    std::fs::remove_dir_all(dir.join("appendonlydir")).unwrap();
    let Some(redis) = Redis::start(&dir, &IN_COMMANDS) else { return };
    let mut client = redis.connect();
    fill(&mut client);
    assert!(client.ask("BGREWRITEAOF").starts_with('+'));
    wait_until("the file was rewritten", || {
        let info = client.ask("INFO persistence");
        info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
    });
    client.check("SET increment 1 EX 1000 => +OK\nSELECT 7 => +OK\nHSET h f v => :1");
    let before = contents(&mut client);
    client.ask("CONFIG SET appendfsync always");
    drop(redis);
    let server = Server::start_in(dir, &ON);
    let mut client = server.connect();
    assert!(contents(&mut client) == before);
    client.check("SET afterwards 1 => +OK");
    let server = Server::start_in(server.kill(), &ON);
    assert_eq!(contents(&mut server.connect()).len(), before.len() + 1);
}
