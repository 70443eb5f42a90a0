//! Snapshots and rewrites by a child: what they hold, how they end, and what a crash leaves.

#[path = "wire/harness.rs"]
mod harness;

use harness::*;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const MISCONF: &str = "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.\r\n";
const ON: [&str; 2] = ["--appendonly", "yes"];
const BASE: &str = "appendonlydir/appendonly.aof.1.base.aof";
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";

// ---- helpers ----

/// The names of the files below a folder that are being written.
fn temporary_files(dir: &Path) -> Vec<String> {
    let names = files_below(dir).into_iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("temp-")).collect()
}

fn send_signal(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
}

/// The process id of the server's child.
fn child_of(server: &Server) -> String {
    let tasks = format!("/proc/{0}/task/{0}/children", server.pid());
    std::fs::read_to_string(tasks).unwrap().trim().to_owned()
}

/// What a server that loads this server's snapshot answers to a script.
fn check_snapshot(server: &Server, script: &str) {
    let dir = new_folder();
    std::fs::copy(server.dir.join("dump.rdb"), dir.join("dump.rdb")).unwrap();
    Server::start_in(dir, &[]).connect().check(script);
}

#[test]
fn a_snapshot_holds_the_moment_of_the_fork() {
    let (server, mut client) = server_and_client();
    client.check("DEBUG POPULATE 300 key 100 => +OK\nHSET h f before => :1\nCONFIG SET rdb-key-save-delay 1000 => +OK");
    client.check("SET changed before => +OK\nSET deleted before => +OK\nBGSAVE => +Background_saving_started");
    client.check("SET changed after => +OK\nDEL deleted => :1\nHSET h f after => :0\nSET new after => +OK");
    for i in 0..300 {
        client.check(&format!("SETRANGE key:{i} 0 after => :100"));
    }
    assert_eq!(client.info("rdb_bgsave_in_progress"), "1");
    client.wait_for_child();
    assert_eq!(client.info("rdb_changes_since_last_save"), "304");
    assert_eq!(client.info("rdb_last_bgsave_status"), "ok");
    assert!(temporary_files(&server.dir).is_empty());
    check_snapshot(
        &server,
        "DBSIZE => :303\nGET changed => $6 before\nGET deleted => $6 before\nHGET h f => $6 before\nEXISTS new => :0\nGETRANGE key:7 0 4 => $5 value",
    );
}

#[test]
fn what_flushall_empties_is_saved() {
    let server = Server::start(&["--save", "3600 1"]);
    let mut client = server.connect();
    client.check("SET k v => +OK");
    assert_eq!(client.info("rdb_changes_since_last_save"), "1");
    client.check("FLUSHALL => +OK");
    assert_eq!(client.info("rdb_changes_since_last_save"), "0");
    check_snapshot(&server, "DBSIZE => :0");
    assert_eq!(client.ask_args(&[b"CONFIG", b"SET", b"save", b""]), "+OK\r\n");
    client.check("SET k v => +OK\nFLUSHALL => +OK");
    assert_eq!(client.info("rdb_changes_since_last_save"), "2");
}

#[test]
fn one_child_at_a_time() {
    let (server, mut client) = server_and_client();
    client.check(
        "SET k v => +OK
         CONFIG SET rdb-key-save-delay 100000000 => +OK
         BGSAVE nonsense => -ERR_syntax_error
         BGSAVE schedule now => -ERR_syntax_error
         BGSAVE => +Background_saving_started
         BGSAVE => -ERR_Background_save_already_in_progress
         BGSAVE SCHEDULE => -ERR_Background_save_already_in_progress
         SAVE => -ERR_Background_save_already_in_progress
         BGREWRITEAOF => +Background_append_only_file_rewriting_scheduled
         BGREWRITEAOF => +Background_append_only_file_rewriting_scheduled",
    );
    assert_eq!(client.info("aof_rewrite_scheduled"), "1");
    // What was scheduled starts when the child has gone, and is no failure of it.
    send_signal("-USR1", &child_of(&server));
    wait_until("the rewrite starts", || client.info("aof_rewrite_in_progress") == "1");
    assert_eq!(client.info("rdb_last_bgsave_status"), "ok");
    client.check(
        "BGREWRITEAOF => -ERR_Background_append_only_file_rewriting_already_in_progress
         BGSAVE => -ERR_Another_child_process_is_active_(AOF?):_can't_BGSAVE_right_now._Use_BGSAVE_SCHEDULE_in_order_to_schedule_a_BGSAVE_whenever_possible.
         BGSAVE SCHEDULE => +Background_saving_scheduled
         CONFIG SET rdb-key-save-delay 0 => +OK",
    );
    send_signal("-USR1", &child_of(&server));
    wait_until("the snapshot is there", || server.dir.join("dump.rdb").exists());
    // In a transaction nothing is forked: not all of it is in the append-only file yet.
    client.check(
        "MULTI => +OK
         BGSAVE => +QUEUED
         BGREWRITEAOF => +QUEUED
         EXEC => *2 +Background_saving_scheduled +Background_append_only_file_rewriting_scheduled",
    );
    client.wait_for_child();
    assert_eq!(client.info("aof_last_bgrewrite_status"), "ok");
}

#[test]
fn what_a_child_tells() {
    let server = Server::start(&["--save", ""]);
    let mut client = server.connect();
    client.check("DEBUG POPULATE 20000 key 500 => +OK\nCONFIG SET rdb-key-save-delay 300 => +OK\nBGSAVE => +Background_saving_started");
    assert_eq!(client.info("current_save_keys_total"), "20000");
    for i in 0..1000 {
        client.ask(&format!("SETRANGE key:{i} 0 changed"));
    }
    wait_until("the child has told something", || client.info("current_cow_size") != "0");
    let number = |text: String| text.parse::<f64>().unwrap();
    let keys = number(client.info("current_save_keys_processed"));
    assert!((1000.0..20_000.0).contains(&keys), "{keys}");
    let percent = number(client.info("current_fork_perc"));
    assert!(percent > 0.0 && percent < 100.0, "{percent}");
    assert!(number(client.info("latest_fork_usec")) > 0.0);
    client.check("FLUSHALL => +OK");
    client.wait_for_child();
    assert_eq!(client.info("current_cow_size"), "0");
    assert_eq!(client.info("total_forks"), "1");
    assert!(number(client.info("rdb_last_cow_size")) > 0.0);
}

#[test]
fn save_points_save() {
    let server = Server::start(&["--save", "1 3"]);
    let mut client = server.connect();
    client.check("MSET a 1 b 2 => +OK");
    assert_eq!(client.info("rdb_changes_since_last_save"), "2");
    client.check("SET c 3 => +OK");
    wait_until("it is saved", || client.info("rdb_changes_since_last_save") == "0");
    assert!(server.log().contains("3 changes in 1 seconds. Saving..."));
    check_snapshot(&server, "DBSIZE => :3");
}

#[test]
fn flushall_ends_a_snapshot() {
    for save in ["", "3600 1"] {
        let server = Server::start(&["--save", save]);
        let mut client = server.connect();
        client.check("DEBUG POPULATE 10 => +OK\nSAVE => +OK\nCONFIG SET rdb-key-save-delay 10000000 => +OK");
        client.check("BGSAVE => +Background_saving_started");
        wait_until("it is being written", || !temporary_files(&server.dir).is_empty());
        client.check("FLUSHALL => +OK");
        client.wait_for_child();
        assert_eq!(client.info("rdb_last_bgsave_status"), "ok");
        assert!(temporary_files(&server.dir).is_empty());
        // With save points, not even the old snapshot has the data any more.
        check_snapshot(&server, if save.is_empty() { "DBSIZE => :10" } else { "DBSIZE => :0" });
    }
}

#[test]
fn a_failed_snapshot_stops_writes() {
    let server = Server::start(&["--save", "3600 1000000"]);
    let mut client = server.connect();
    client.check("SET k v => +OK\nCONFIG SET rdb-key-save-delay 10000000 => +OK\nBGSAVE => +Background_saving_started");
    send_signal("-KILL", &child_of(&server));
    client.wait_for_child();
    assert_eq!(client.info("rdb_last_bgsave_status"), "err");
    assert!(temporary_files(&server.dir).is_empty());
    assert_eq!(client.ask("SET k w"), MISCONF);
    assert_eq!(client.ask("PING"), MISCONF);
    client.check("GET k => $1 v\nCONFIG SET stop-writes-on-bgsave-error no => +OK\nSET k w => +OK");
    client.check("CONFIG SET stop-writes-on-bgsave-error yes => +OK");
    assert_eq!(client.ask("DEL k"), MISCONF);
    client.check("CONFIG SET rdb-key-save-delay 0 => +OK\nBGSAVE => +Background_saving_started");
    client.wait_for_child();
    client.check("DEL k => :1");
}

#[test]
fn a_full_disk_fails_a_snapshot() {
    let dir = new_folder();
    let Some(disk) = SmallDisk::mount(&dir) else { return std::fs::remove_dir(dir).unwrap() };
    let server = Server::start_in(dir, &["--save", "3600 1000000", "--rdbcompression", "no"]);
    let mut client = server.connect();
    client.check("DEBUG POPULATE 2000 key 1000 => +OK\nBGSAVE => +Background_saving_started");
    client.wait_for_child();
    assert_eq!(client.ask("SET k v"), MISCONF);
    assert!(server.log().contains("No space left on device"), "{}", server.log());
    assert!(temporary_files(&server.dir).is_empty());
    client.check("SAVE => -ERR");
    client.check("SHUTDOWN => -ERR_Errors_trying_to_SHUTDOWN._Check_logs.");
    disk.grow();
    client.check("BGSAVE => +Background_saving_started");
    client.wait_for_child();
    client.check("SET k v => +OK");
    check_snapshot(&server, "DBSIZE => :2000");
    drop(disk);
}

// ---- shutdown ----

#[test]
fn a_shutdown_saves_where_there_are_save_points() {
    let saves = |save: &str, end: &dyn Fn(&mut Server)| {
        let mut server = Server::start(&["--save", save]);
        server.connect().check("SET k v => +OK");
        end(&mut server);
        assert!(server.wait().success());
        server.dir.join("dump.rdb").exists()
    };
    let told =
        |command: &'static str| move |server: &mut Server| server.connect().send(format!("{command}\r\n").as_bytes());
    let terminated = |server: &mut Server| send_signal("-TERM", &server.pid().to_string());
    assert!(saves("3600 1", &terminated) && !saves("", &terminated));
    assert!(saves("3600 1", &told("SHUTDOWN")) && !saves("", &told("SHUTDOWN")));
    assert!(!saves("3600 1", &told("SHUTDOWN NOSAVE")) && saves("", &told("SHUTDOWN SAVE")));
}

#[test]
fn a_shutdown_ends_the_child() {
    for command in ["BGSAVE", "BGREWRITEAOF"] {
        let mut server = Server::start(&["--save", "", "--appendonly", "yes"]);
        let mut client = server.connect();
        client.check("SET k v => +OK\nCONFIG SET rdb-key-save-delay 10000000 => +OK");
        client.ask(command);
        wait_until("it is being written", || !temporary_files(&server.dir).is_empty());
        let child = child_of(&server);
        client.send(b"SHUTDOWN\r\n");
        assert!(server.wait().success());
        assert!(!Path::new("/proc").join(child).exists());
        assert!(temporary_files(&server.dir).is_empty());
    }
}

#[test]
fn a_shutdown_does_not_lose_the_first_rewrite() {
    let (mut server, mut client) = server_and_client();
    client.check("SET k v => +OK\nCONFIG SET rdb-key-save-delay 10000000 => +OK\nCONFIG SET appendonly yes => +OK");
    client.check("SHUTDOWN => -ERR_Errors_trying_to_SHUTDOWN._Check_logs.\nPING => +PONG");
    assert!(server.log().contains("Writing initial AOF, can't exit."));
    client.send(b"SHUTDOWN NOSAVE FORCE\r\n");
    assert!(server.wait().success());
}

// ---- rewrites ----

#[test]
fn rewrites_while_clients_write() {
    for preamble in ["yes", "no"] {
        let arguments = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble, "--save", ""];
        let mut server = Server::start(&arguments);
        let mut written = Vec::new();
        for round in 0..5 {
            let acknowledged = AtomicUsize::new(0);
            let (socket, prefix) = (server.socket(), format!("round{round}"));
            let dir = std::thread::scope(|scope| {
                scope.spawn(|| write_numbers(&socket, &prefix, usize::MAX, &acknowledged));
                let mut client = server.connect();
                // Some rounds end while a rewrite goes on, at whatever step that is.
                for rewrite in 0..round {
                    let before = acknowledged.load(Relaxed);
                    wait_until("something was written", || acknowledged.load(Relaxed) > before + 50 * round);
                    client.ask("BGREWRITEAOF");
                    if rewrite % 2 == 0 {
                        client.wait_for_child();
                    }
                }
                let before = acknowledged.load(Relaxed);
                wait_until("something was written", || acknowledged.load(Relaxed) > before + 100);
                server.kill()
            });
            written.push(acknowledged.into_inner());
            server = Server::start_in(dir, &arguments);
            let mut client = server.connect();
            for (round, &count) in written.iter().enumerate() {
                assert_numbers(&mut client, &format!("round{round}"), count);
            }
        }
    }
}

/// What a server finds that was killed in a rewrite.
struct Step<'a> {
    manifest: &'a str,
    /// The base and the increment from before are there.
    old: bool,
    increment: &'a [u8],
    base: &'a [u8],
    /// What a child was writing.
    temporary: &'a [u8],
}

#[test]
fn a_kill_at_each_step_of_a_rewrite() {
    let command = |key: &str| encode(&[b"SET", key.as_bytes(), b"v"]);
    const OLD: &str = "file appendonly.aof.1.base.aof seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
    const SWITCHED: &str = "file appendonly.aof.1.base.aof seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n";
    const INSTALLED: &str = "file appendonly.aof.2.base.aof seq 2 type b\nfile appendonly.aof.1.incr.aof seq 1 type h\nfile appendonly.aof.1.base.aof seq 1 type h\nfile appendonly.aof.2.incr.aof seq 2 type i\n";
    const DONE: &str = "file appendonly.aof.2.base.aof seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n";
    let (base, first, second) = (command("base"), command("first"), command("second"));
    let new_base = [&base[..], &first].concat();
    let steps = [
        Step { manifest: OLD, old: true, increment: b"", base: b"", temporary: b"" },
        // The new increment is there, but nothing is in it before the manifest names it.
        Step { manifest: SWITCHED, old: true, increment: b"", base: b"", temporary: b"" },
        Step { manifest: SWITCHED, old: true, increment: &second, base: b"", temporary: &new_base[..10] },
        Step { manifest: SWITCHED, old: true, increment: &second, base: b"", temporary: &new_base },
        Step { manifest: SWITCHED, old: true, increment: &second, base: &new_base, temporary: b"" },
        Step { manifest: INSTALLED, old: true, increment: &second, base: &new_base, temporary: b"" },
        Step { manifest: INSTALLED, old: false, increment: &second, base: &new_base, temporary: b"" },
        Step { manifest: DONE, old: false, increment: &second, base: &new_base, temporary: b"" },
    ];
    for (number, step) in steps.into_iter().enumerate() {
        let Step { manifest, old, increment, base: installed, temporary } = step;
        let dir = new_folder();
        let folder = dir.join("appendonlydir");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(dir.join(MANIFEST), manifest).unwrap();
        if old {
            std::fs::write(dir.join(BASE), &base).unwrap();
            std::fs::write(folder.join("appendonly.aof.1.incr.aof"), &first).unwrap();
        }
        std::fs::write(folder.join("appendonly.aof.2.incr.aof"), increment).unwrap();
        for (name, bytes) in [("appendonly.aof.2.base.aof", installed), ("temp-rewriteaof-bg-1.aof", temporary)] {
            if !bytes.is_empty() {
                std::fs::write(folder.join(name), bytes).unwrap();
            }
        }
        // It goes on, and the next rewrite is not in the way of what is left of the last one.
        let server = Server::start_in(dir, &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]);
        let mut client = server.connect();
        let expected = 2 + !increment.is_empty() as usize;
        client.check(&format!("DBSIZE => :{expected}\nSET more 1 => +OK"));
        client.check("BGREWRITEAOF => +Background_append_only_file_rewriting_started\nSET last 1 => +OK");
        client.wait_for_child();
        let server = Server::start_in(server.kill(), &ON);
        server.connect().check(&format!("DBSIZE => :{}\nMGET base first => *2 $1 v $1 v", expected + 2));
        let left = files_below(&server.dir.join("appendonlydir")).len() - !temporary.is_empty() as usize;
        assert_eq!(left, 3, "step {number}");
    }
}

#[test]
fn failed_rewrites_lose_nothing() {
    let server = Server::start(&ON);
    let mut client = server.connect();
    client.check("SET k0 v => +OK\nCONFIG SET rdb-key-save-delay 10000000 => +OK");
    for i in 1..4 {
        client.check("BGREWRITEAOF => +Background_append_only_file_rewriting_started");
        client.check(&format!("SET k{i} v => +OK"));
        send_signal("-KILL", &child_of(&server));
        client.wait_for_child();
        assert_eq!(client.info("aof_last_bgrewrite_status"), "err");
        assert_eq!(client.info("aof_rewrites_consecutive_failures"), i.to_string());
    }
    assert!(temporary_files(&server.dir).is_empty());
    // By itself none starts now, however large the file is.
    client.check("CONFIG SET auto-aof-rewrite-percentage 1 auto-aof-rewrite-min-size 1 => +OK");
    wait_until("it says so", || server.log().contains("triggered the limit, will retry in 1 minutes"));
    let server = Server::start_in(server.kill(), &ON);
    let mut client = server.connect();
    client.check("DBSIZE => :4\nBGREWRITEAOF => +Background_append_only_file_rewriting_started");
    client.wait_for_child();
    assert_eq!(files_below(&server.dir.join("appendonlydir")).len(), 3);
}

#[test]
fn the_file_is_rewritten_when_it_has_grown() {
    let server = Server::start(&["--appendonly", "yes", "--auto-aof-rewrite-min-size", "20kb"]);
    let mut client = server.connect();
    for _ in 0..1000 {
        client.ask("SET k vvvvvvvvvvvvvvvvvvvv");
    }
    wait_until("it is small", || client.info("aof_current_size").parse::<u64>().unwrap() < 20_000);
    assert!(server.log().contains("Starting automatic rewriting of AOF on"));
    client.wait_for_child();
    assert_eq!(client.info("aof_last_bgrewrite_status"), "ok");
}

#[test]
fn the_append_only_file_is_switched_on_and_off_while_clients_write() {
    let server = Server::start(&["--save", ""]);
    let (mut client, socket) = (server.connect(), server.socket());
    client.check("DEBUG POPULATE 1000 => +OK");
    let acknowledged = AtomicUsize::new(0);
    let dir = std::thread::scope(|scope| {
        scope.spawn(|| write_numbers(&socket, "k", usize::MAX, &acknowledged));
        for _ in 0..3 {
            client.check("CONFIG SET appendonly yes => +OK");
            assert_eq!(client.info("aof_enabled"), "1");
            client.wait_for_child();
            client.check("CONFIG SET appendonly no => +OK");
        }
        // A first rewrite that fails is done again.
        client.check("CONFIG SET rdb-key-save-delay 10000000 => +OK\nCONFIG SET appendonly yes => +OK");
        send_signal("-KILL", &child_of(&server));
        wait_until("it has failed", || server.log().contains("Removing the temp incr aof file"));
        client.check("CONFIG SET rdb-key-save-delay 0 => +OK");
        wait_until("it is done again", || {
            client.info("aof_rewrite_in_progress") == "1" || client.info("aof_rewrite_scheduled") == "0"
        });
        if let child @ [_, ..] = &child_of(&server).into_bytes()[..] {
            // This one may still be slow, or gone by now.
            let _ = Command::new("kill").args(["-KILL", std::str::from_utf8(child).unwrap()]).status();
        }
        client.wait_for_child();
        let before = acknowledged.load(Relaxed);
        wait_until("something was written", || acknowledged.load(Relaxed) > before + 100);
        server.kill()
    });
    let server = Server::start_in(dir, &ON);
    let mut client = server.connect();
    assert_numbers(&mut client, "k", acknowledged.into_inner());
    assert_eq!(client.ask("EXISTS key:0 key:999"), ":2\r\n");
    assert_eq!(files_below(&server.dir.join("appendonlydir")).len(), 3);
}

#[test]
fn a_rewrite_begins_anew_in_a_changed_folder_while_clients_write() {
    for finishes in [false, true] {
        let server = Server::start(&["--appendonly", "yes", "--save", "", "--enable-protected-configs", "yes"]);
        let (mut client, socket) = (server.connect(), server.socket());
        let elsewhere = server.dir.join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        client.check(&format!("DEBUG POPULATE 1000 => +OK\nCONFIG SET dir {} => +OK", elsewhere.display()));
        if !finishes {
            client.check("CONFIG SET rdb-key-save-delay 10000000 => +OK");
        }
        let acknowledged = AtomicUsize::new(0);
        let wait_for_writes = || {
            let before = acknowledged.load(Relaxed);
            wait_until("something was written", || acknowledged.load(Relaxed) > before + 100);
        };
        let dir = std::thread::scope(|scope| {
            scope.spawn(|| write_numbers(&socket, "k", usize::MAX, &acknowledged));
            wait_for_writes();
            client.check("BGREWRITEAOF => +Background_append_only_file_rewriting_started");
            wait_for_writes();
            if finishes {
                client.wait_for_child();
                assert_eq!(client.info("aof_last_bgrewrite_status"), "ok");
                wait_for_writes();
                // Now it is all there, and the next one is as any other.
                client.check("BGREWRITEAOF => +Background_append_only_file_rewriting_started");
                client.wait_for_child();
                wait_for_writes();
            }
            server.kill()
        });
        let new = dir.join("elsewhere");
        let server = Server::start_in(if finishes { new } else { dir.clone() }, &ON);
        let mut client = server.connect();
        assert_numbers(&mut client, "k", acknowledged.into_inner());
        assert_eq!(client.ask("EXISTS key:0 key:999"), if finishes { ":2\r\n" } else { ":0\r\n" });
        if finishes {
            assert_eq!(files_below(&server.dir.join("appendonlydir")).len(), 3);
        }
        drop(server);
        let _ = std::fs::remove_dir_all(dir);
    }
}

#[test]
fn a_set_that_begins_elsewhere_is_given_up() {
    let server = Server::start(&["--appendonly", "yes", "--save", "", "--enable-protected-configs", "yes"]);
    let elsewhere = server.dir.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let mut client = server.connect();
    client.check(&format!("SET a 1 => +OK\nCONFIG SET dir {} rdb-key-save-delay 10000000 => +OK", elsewhere.display()));
    for end in ["KILL", "DEBUG LOADAOF", "CONFIG SET appendonly no"] {
        client.check("BGREWRITEAOF => +Background_append_only_file_rewriting_started\nINCR n");
        wait_until("a base and an increment are written", || temporary_files(&elsewhere).len() == 2);
        match end {
            "KILL" => send_signal("-KILL", &child_of(&server)),
            command => client.check(&format!("{command} => +OK")),
        }
        client.wait_for_child();
        client.check("INCR n");
        assert!(temporary_files(&elsewhere).is_empty(), "{end}: {:?}", temporary_files(&elsewhere));
    }
    client.check("GET n => $1 6");
    Server::start_in(server.kill(), &ON).connect().check("GET a => $1 1\nGET n => $1 5");
}

#[test]
fn what_cannot_be_set_does_not_switch_the_append_only_file_off_for_a_moment() {
    let server = Server::start(&ON);
    let mut client = server.connect();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    client.check("SET a 1 => +OK\nCONFIG SET rdb-key-save-delay 10000000 => +OK");
    let refused = client.ask(&format!("CONFIG SET appendonly no port {port}"));
    assert!(refused.starts_with("-ERR CONFIG SET failed (possibly related to argument 'port')"), "{refused}");
    client.check("SET b 2 => +OK");
    assert_eq!(client.info("aof_rewrite_in_progress"), "0");
    Server::start_in(server.kill(), &ON).connect().check("GET a => $1 1\nGET b => $1 2");
}

#[test]
fn a_base_keeps_keys_that_expire_before_they_are_loaded() {
    for preamble in ["yes", "no"] {
        let arguments = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let server = Server::start(&arguments);
        let mut client = server.connect();
        client.check("SET kept v PX 2000 => +OK\nSET lost v PX 2000 => +OK\nBGREWRITEAOF => +Background_append_only_file_rewriting_started");
        client.wait_for_child();
        client.check("PERSIST kept => :1");
        let due = client.ask("PEXPIRETIME lost");
        let due: u128 = due.trim().trim_start_matches(':').parse().unwrap();
        let dir = server.kill();
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        wait_until("the other has expired", || now() > due);
        Server::start_in(dir, &arguments).connect().check("GET kept => $1 v\nEXISTS lost => :0");
    }
}

#[test]
fn a_single_file_of_old_becomes_a_base() {
    let tail = encode(&[b"SET", b"tail", b"v"]);
    // As Redis before 7.0 wrote it: commands alone, or a snapshot and commands.
    let server = Server::start(&[]);
    server.connect().check("SET snapshot v => +OK\nSAVE => +OK");
    let snapshot = std::fs::read(server.dir.join("dump.rdb")).unwrap();
    for (old, keys) in [(tail.clone(), 1), ([&snapshot[..], &tail].concat(), 2)] {
        let dir = new_folder();
        std::fs::write(dir.join("appendonly.aof"), &old).unwrap();
        let server = Server::start_in(dir, &ON);
        server.connect().check(&format!("DBSIZE => :{keys}\nGET tail => $1 v\nSET new v => +OK"));
        assert_eq!(std::fs::read(server.dir.join("appendonlydir/appendonly.aof")).unwrap(), old);
        assert!(!server.dir.join("appendonly.aof").exists());
        let server = Server::start_in(server.kill(), &ON);
        let mut client = server.connect();
        client.check(&format!("DBSIZE => :{}\nDEBUG LOADAOF => +OK\nDBSIZE => :{0}", keys + 1));
    }
}
