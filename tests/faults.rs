//! What survives when a system call fails, or the server dies at one: strace (where it is installed and
//! may trace) makes them fail, or kills at them, at each step of a save, a rewrite, and the switch to
//! another manifest.

#[path = "wire/harness.rs"]
mod harness;

use harness::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The system calls that change what files there are, or make it durable.
const STEPS: [&str; 5] = ["fsync", "fdatasync", "rename", "unlink", "ftruncate"];
/// Far more of each than a run has.
const STEPS_MAX: usize = 40;

/// A server whose system calls strace has its hands in.
struct Traced {
    strace: Child,
    dir: PathBuf,
}

impl Traced {
    /// `inject`: as strace's option of that name.
    fn start(dir: &Path, inject: &str, arguments: &[&str]) -> Traced {
        // A server that was killed here left it behind.
        let _ = std::fs::remove_file(dir.join("sock"));
        let strace = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={inject}")])
            .arg(env!("CARGO_BIN_EXE_rondo"))
            .args(["--port", "0", "--unixsocket", "sock", "--logfile", "log", "--pidfile", "pid", "--dir"])
            .arg(dir)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut traced = Traced { strace, dir: dir.to_path_buf() };
        wait_until("the server listens or is gone", || traced.is_gone() || traced.connect().is_some());
        traced
    }

    fn is_gone(&mut self) -> bool {
        self.strace.try_wait().unwrap().is_some()
    }

    fn connect(&self) -> Option<Client> {
        Client::connect(&self.dir.join("sock")).ok()
    }
}

impl Drop for Traced {
    /// The server is to go, too.
    fn drop(&mut self) {
        if !self.is_gone() {
            let pid = std::fs::read_to_string(self.dir.join("pid")).unwrap_or_default();
            let _ = Command::new("kill").args(["-9", pid.trim()]).stderr(Stdio::null()).status();
            let _ = self.strace.wait();
        }
    }
}

/// A client that does not mind if the server dies.
struct Tester {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
    /// The highest number that INCR has answered.
    acknowledged: u64,
}

impl Tester {
    fn connect(server: &Traced) -> Option<Tester> {
        let stream = UnixStream::connect(server.dir.join("sock")).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Some(Tester { reader: BufReader::new(stream.try_clone().unwrap()), stream, acknowledged: 0 })
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok().filter(|&count| count > 0)?;
        Some(line.trim_end().to_owned())
    }

    /// The first line of the reply; None if the server is gone.
    fn ask(&mut self, command: &str) -> Option<String> {
        let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        self.stream.write_all(&encode(&words)).ok()?;
        self.line()
    }

    fn increment(&mut self) -> Option<String> {
        let reply = self.ask("INCR n")?;
        if let Some(n) = reply.strip_prefix(':') {
            self.acknowledged = n.parse().unwrap();
        }
        Some(reply)
    }

    fn info(&mut self, field: &str) -> Option<String> {
        let header = self.ask("INFO persistence")?;
        let mut bytes = vec![0; header.strip_prefix('$')?.parse::<usize>().unwrap() + 2];
        self.reader.read_exact(&mut bytes).ok()?;
        let text = String::from_utf8(bytes).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Some(value.expect("INFO has it").to_owned())
    }

    /// Waits until no child writes, and none is to.
    fn wait_for_child(&mut self) -> Option<()> {
        for field in ["aof_rewrite_scheduled", "aof_rewrite_in_progress", "rdb_bgsave_in_progress"] {
            while self.info(field)? != "0" {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        Some(())
    }

    /// Writes, rewrites, saves; None if the server is gone meanwhile.
    fn live(&mut self) -> Option<()> {
        for command in ["BGREWRITEAOF", "SAVE", "BGSAVE", "BGREWRITEAOF"] {
            self.increment()?;
            self.ask(command)?;
            self.increment()?;
            self.wait_for_child()?;
            self.increment()?;
        }
        Some(())
    }
}

/// What a server without faults finds.
fn number_after(dir: &Path, arguments: &[&str]) -> u64 {
    let server = Server::start_in(dir.to_path_buf(), arguments);
    let mut client = server.connect();
    let reply = client.ask("GET n");
    // The folder is wanted once more.
    server.kill();
    reply.split("\r\n").nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Kills the server, or its child, at each step that there is. `keeps`: what must hold of the number found
/// afterwards. strace counts the steps of each thread: where the files are `there` already, the loop has
/// taken none when the thread that waits for disks takes its first.
fn die_at_each_step(there: bool, arguments: &[&str], keeps: impl Fn(&Tester, u64) -> bool) {
    if !can_trace() {
        return;
    }
    let mut deaths = 0;
    for call in STEPS {
        for step in 1..=STEPS_MAX {
            let mut dir = new_folder();
            if there {
                dir = Server::start_in(dir, arguments).kill();
            }
            let mut server = Traced::start(&dir, &format!("{call}:signal=KILL:when={step}"), arguments);
            let Some(mut tester) = Tester::connect(&server) else {
                drop(server);
                std::fs::remove_dir_all(dir).unwrap();
                continue;
            };
            let lived = tester.live().is_some();
            let lived = lived && !server.is_gone();
            deaths += !lived as u32;
            drop(server);
            let found = number_after(&dir, arguments);
            assert!(keeps(&tester, found), "{call} {step}: {} acknowledged, {found} found", tester.acknowledged);
            std::fs::remove_dir_all(dir).unwrap();
            if lived && step > 12 {
                break;
            }
        }
    }
    assert!(deaths > 5, "it was killed only {deaths} times");
}

/// What was not acknowledged may be there all the same.
fn nothing_is_lost(tester: &Tester, found: u64) -> bool {
    (tester.acknowledged..=tester.acknowledged + 1).contains(&found)
}

#[test]
fn a_death_at_any_step_loses_nothing_of_an_append_only_file() {
    for preamble in ["yes", "no"] {
        let on = ["--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", preamble];
        die_at_each_step(false, &on, nothing_is_lost);
    }
}

/// The machine lives on, so what was written is in the file whether or not it is on the disk.
#[test]
fn a_death_at_any_step_of_a_rewrite_loses_nothing_that_was_written() {
    for policy in ["always", "everysec"] {
        die_at_each_step(true, &["--appendonly", "yes", "--appendfsync", policy], nothing_is_lost);
    }
}

#[test]
fn a_death_at_any_step_leaves_a_whole_snapshot() {
    die_at_each_step(false, &["--save", ""], |tester, found| found <= tester.acknowledged + 1);
}

#[test]
fn a_rewrite_whose_files_cannot_be_made_ready_is_refused() {
    if !can_trace() {
        return;
    }
    let on = ["--appendonly", "yes", "--appendfsync", "everysec"];
    // The new manifest cannot be written; it can, but its name is not durable; it does not get its name.
    for fault in ["fsync:error=EIO:when=1", "fsync:error=EIO:when=2", "rename:error=EIO:when=1"] {
        let dir = Server::start_in(new_folder(), &on).kill();
        let server = Traced::start(&dir, fault, &on);
        let mut tester = Tester::connect(&server).unwrap();
        wait_until("it is loaded", || tester.ask("PING").unwrap() == "+PONG");
        tester.increment().unwrap();
        assert!(tester.ask("BGREWRITEAOF").unwrap().starts_with("-ERR Can't execute"), "{fault}");
        assert_eq!(tester.info("aof_last_bgrewrite_status").unwrap(), "err");
        tester.increment().unwrap();
        assert!(tester.ask("BGREWRITEAOF").unwrap().starts_with("+Background"), "{fault}");
        tester.increment().unwrap();
        tester.wait_for_child().unwrap();
        drop(server);
        assert_eq!(number_after(&dir, &on), 3, "{fault}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}

/// The disk is full, or fails, at a step of putting the base in its place: the old files stay, and nothing else.
#[test]
fn a_rewrite_whose_base_cannot_be_put_in_its_place_leaves_nothing() {
    if !can_trace() {
        return;
    }
    let on = ["--appendonly", "yes", "--appendfsync", "everysec"];
    // The base does not get its name; the manifest that names it cannot be written, or gets no name.
    for fault in ["rename:error=ENOSPC:when=2", "fsync:error=ENOSPC:when=3", "rename:error=ENOSPC:when=3"] {
        let dir = Server::start_in(new_folder(), &on).kill();
        let server = Traced::start(&dir, fault, &on);
        let mut tester = Tester::connect(&server).unwrap();
        wait_until("it is loaded", || tester.ask("PING").unwrap() == "+PONG");
        for status in ["err", "ok"] {
            tester.increment().unwrap();
            assert!(tester.ask("BGREWRITEAOF").unwrap().starts_with("+Background"), "{fault}");
            tester.increment().unwrap();
            tester.wait_for_child().unwrap();
            assert_eq!(tester.info("aof_last_bgrewrite_status").unwrap(), status, "{fault}");
            let folder = dir.join("appendonlydir");
            let manifest = std::fs::read_to_string(folder.join("appendonly.aof.manifest")).unwrap();
            assert!(!manifest.contains("type h"), "{manifest}");
            for path in files_below(&folder) {
                let name = path.file_name().unwrap().to_str().unwrap();
                // What was to become the manifest is overwritten by the next one.
                let known = name.ends_with("manifest") || name.ends_with("manifest.tmp");
                assert!(known || manifest.contains(&format!("file {name} ")), "{fault}: {name} in {manifest}");
            }
        }
        drop(server);
        assert_eq!(number_after(&dir, &on), 4, "{fault}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}

#[test]
fn a_crash_of_a_helper_thread_is_reported() {
    if !can_trace() {
        return;
    }
    let dir = new_folder();
    let mut server =
        Traced::start(&dir, "fdatasync:signal=SEGV:when=1", &["--appendonly", "yes", "--appendfsync", "everysec"]);
    let mut tester = Tester::connect(&server).unwrap();
    tester.increment().unwrap();
    wait_until("the server is gone", || server.is_gone());
    let log = std::fs::read_to_string(dir.join("log")).unwrap();
    for part in ["crashed by signal: 11", "run_disk", "=== REDIS BUG REPORT END."] {
        assert!(log.contains(part), "{part} is missing in {log}");
    }
    std::fs::remove_dir_all(dir).unwrap();
}

/// The loop goes on while the disk takes its time for the files of a rewrite.
#[test]
fn a_slow_disk_does_not_stop_the_loop_at_a_rewrite() {
    if !can_trace() {
        return;
    }
    let on = ["--appendonly", "yes", "--appendfsync", "everysec"];
    // Before the child begins, and after it has ended.
    for step in [1, 3] {
        let dir = Server::start_in(new_folder(), &on).kill();
        let server = Traced::start(&dir, &format!("fsync:delay_enter=2000000:when={step}"), &on);
        let mut tester = Tester::connect(&server).unwrap();
        wait_until("it is loaded", || tester.ask("PING").unwrap() == "+PONG");
        let mut asker = Tester::connect(&server).unwrap();
        asker.stream.write_all(&encode(&[b"BGREWRITEAOF"])).unwrap();
        wait_until("it begins", || tester.info("aof_rewrite_in_progress").unwrap() == "1");
        let already = "-ERR Background append only file rewriting already in progress";
        assert_eq!(tester.ask("BGREWRITEAOF").unwrap(), already);
        // If a turn of the loop waited for the disk, there would be no more than one while that is slow.
        let mut turns = 0;
        while tester.info("aof_rewrite_in_progress").unwrap() == "1" {
            tester.increment().unwrap();
            turns += 1;
        }
        assert_eq!(asker.line().unwrap(), "+Background append only file rewriting started");
        assert!(turns > 5, "{turns} turns at step {step}");
        let acknowledged = tester.acknowledged;
        drop(server);
        assert_eq!(number_after(&dir, &on), acknowledged);
        std::fs::remove_dir_all(dir).unwrap();
    }
}

/// Giving back the space of a large file takes long, and what is to be made durable would wait behind it.
#[test]
fn files_that_a_rewrite_replaced_are_closed_apart_from_the_disk_thread() {
    if !can_trace() {
        return;
    }
    let trace = new_folder().join("trace");
    let strace = ["strace", "-f", "-qq", "-y", "-e", "trace=unlink,close", "-o", trace.to_str().unwrap()];
    let mut server = Server::start_through(&strace.map(str::to_owned), &["--appendonly", "yes"]);
    let mut client = server.connect();
    client.check("BGREWRITEAOF => +Background_append_only_file_rewriting_started");
    let thread_that = |call: &str| {
        let trace = std::fs::read_to_string(&trace).unwrap();
        let mut lines = trace.lines();
        let line = lines.find(|line| line.contains(call) && line.contains("appendonly.aof.1.base.rdb"));
        line.map(|line| line.split(' ').next().unwrap().to_owned())
    };
    wait_until("the old base is removed", || thread_that("(deleted)").is_some());
    assert_ne!(thread_that("unlink(").unwrap(), thread_that("(deleted)").unwrap());
    client.send(b"SHUTDOWN NOSAVE\r\n");
    assert!(server.wait().success());
    std::fs::remove_dir_all(trace.parent().unwrap()).unwrap();
}

#[test]
fn what_cannot_be_made_durable_is_refused_until_it_can() {
    if !can_trace() {
        return;
    }
    let on = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let dir = new_folder();
    // The disk fails twice.
    let server = Traced::start(&dir, "fdatasync:error=EIO:when=1..2", &on);
    let mut tester = Tester::connect(&server).unwrap();
    wait_until("writes are refused", || {
        tester.increment().unwrap().starts_with("-MISCONF Errors writing to the AOF file")
    });
    assert_eq!(tester.info("aof_last_write_status").unwrap(), "err");
    wait_until("writes are taken again", || tester.increment().unwrap().starts_with(':'));
    let acknowledged = tester.acknowledged;
    drop(server);
    assert_eq!(number_after(&dir, &on), acknowledged);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn an_fsync_that_fails_under_always_ends_the_server() {
    if !can_trace() {
        return;
    }
    let on = ["--appendonly", "yes", "--appendfsync", "always"];
    let dir = new_folder();
    let mut server = Traced::start(&dir, "fdatasync:error=EIO:when=3+", &on);
    let mut tester = Tester::connect(&server).unwrap();
    while tester.increment().is_some() {}
    assert_eq!(tester.acknowledged, 2);
    wait_until("the server is gone", || server.is_gone());
    assert!(number_after(&dir, &on) >= 2);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_save_that_fails_leaves_the_last_one() {
    if !can_trace() {
        return;
    }
    for fault in ["fsync:error=EIO:when=1", "rename:error=EIO:when=1"] {
        let dir = new_folder();
        let first = Server::start_in(dir.clone(), &[]);
        first.connect().check("SET n 7 => +OK\nSAVE => +OK");
        let dir = first.kill();
        let server = Traced::start(&dir, fault, &["--save", "3600 1000000"]);
        let mut tester = Tester::connect(&server).unwrap();
        wait_until("it is loaded", || tester.ask("PING").unwrap() == "+PONG");
        assert_eq!(tester.increment().unwrap(), ":8");
        assert_eq!(tester.ask("SAVE").unwrap(), "-ERR", "{fault}");
        drop(server);
        assert_eq!(number_after(&dir, &[]), 7, "{fault}");
        assert!(!files_below(&dir).iter().any(|path| path.to_string_lossy().contains("temp-")), "{fault}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}

#[test]
fn a_configuration_file_behind_a_link_is_durable_where_it_is() {
    if !can_trace() {
        return;
    }
    let dir = new_folder().canonicalize().unwrap();
    let (folder, link, trace) = (dir.join("real"), dir.join("link.conf"), dir.join("trace"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("rondo.conf"), "timeout 500\n").unwrap();
    std::os::unix::fs::symlink(folder.join("rondo.conf"), &link).unwrap();
    let strace = ["strace", "-f", "-qq", "-y", "-e", "trace=fsync", "-o", trace.to_str().unwrap()];
    let mut server = Server::start_through(&strace.map(str::to_owned), &[link.to_str().unwrap()]);
    let mut client = server.connect();
    client.check("CONFIG SET timeout 700 => +OK\nCONFIG REWRITE => +OK");
    client.send(b"SHUTDOWN NOSAVE\r\n");
    assert!(server.wait().success());
    let text = std::fs::read_to_string(folder.join("rondo.conf")).unwrap();
    assert!(text.contains("timeout 700\n"), "{text}");
    let trace = std::fs::read_to_string(trace).unwrap();
    assert!(trace.contains(&format!("<{}>)", folder.display())), "{trace}");
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn users_are_durable_once_they_are_saved() {
    if !can_trace() {
        return;
    }
    let folder = new_folder().canonicalize().unwrap();
    let (trace, file) = (folder.join("trace"), folder.join("users.acl"));
    std::fs::write(&file, "").unwrap();
    let strace = ["strace", "-f", "-qq", "-y", "-e", "trace=fsync,rename", "-o", trace.to_str().unwrap()];
    let mut server = Server::start_through(&strace.map(str::to_owned), &["--aclfile", file.to_str().unwrap()]);
    let mut client = server.connect();
    client.check("ACL SETUSER a on => +OK\nACL SAVE => +OK");
    client.send(b"SHUTDOWN NOSAVE\r\n");
    assert!(server.wait().success());
    let calls = std::fs::read_to_string(&trace).unwrap();
    let renamed = calls.lines().position(|line| line.contains("rename(")).unwrap();
    assert!(calls.lines().skip(renamed).any(|line| line.contains(&format!("<{}>)", folder.display()))), "{calls}");
    std::fs::remove_dir_all(folder).unwrap();
}
