//! `--check-rdb`, `--check-aof` and `--check-system`: what they say, and what they cut off.

#[path = "wire/harness.rs"]
mod harness;

use harness::*;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$3\r\nfoo\r\n$5\r\nhello\r\n";
const CUT: &[u8] = b"*3\r\n$3\r\nSET\r\n$3\r\nfo";

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        Folder(new_folder())
    }

    fn write(&self, name: &str, parts: &[&[u8]]) {
        fs::write(self.0.join(name), parts.concat()).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }

    /// Runs a program here; gives whether it succeeded, and what it printed.
    fn run(&self, program: &str, arguments: &[&str], input: &str) -> (bool, String) {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It need not read what it does not ask for.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    fn check(&self, arguments: &[&str], input: &str) -> (bool, String) {
        self.run(env!("CARGO_BIN_EXE_rondo"), arguments, input)
    }

    /// Expects this success and these lines.
    fn expect(&self, arguments: &[&str], input: &str, success: bool, lines: &str) {
        let expected = format!("{lines}\n");
        assert_eq!(self.check(arguments, input), (success, expected), "{arguments:?}");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn one_file_of_commands() {
    let folder = Folder::new();
    folder.write("a", &[SET]);
    folder.expect(
        &["--check-aof", "a"],
        "",
        true,
        "Start checking Old-Style AOF\nAOF analyzed: filename=a, size=33, ok_up_to=33, ok_up_to_line=8, diff=0\nAOF a is valid",
    );
    folder.write("a", &[SET, b"!!!"]);
    folder.expect(
        &["--check-aof", "a"],
        "",
        false,
        "Start checking Old-Style AOF\n0x              21: expected '*', got '!'\nAOF a format error\nAOF analyzed: filename=a, size=36, ok_up_to=33, ok_up_to_line=8, diff=3\nAOF a is not valid. Use the --fix option to try fixing it.",
    );
    folder.write("a", &[SET, b"*1\r\n$5\r\nMULTI\r\n", SET]);
    folder.expect(
        &["--check-aof", "a"],
        "",
        false,
        "Start checking Old-Style AOF\n0x              51: Reached EOF before reading EXEC for MULTI\nAOF analyzed: filename=a, size=81, ok_up_to=33, ok_up_to_line=8, diff=48\nAOF a is not valid. Use the --fix option to try fixing it.",
    );
    folder.write("a", &[]);
    folder.expect(&["--check-aof", "a"], "", true, "Start checking Old-Style AOF\nAOF a is empty");
    folder.expect(&["--check-aof", "b"], "", false, "Cannot open file b: No such file or directory, aborting...");
    for usage in [&["--check-aof"][..], &["--check-aof", "--fix"], &["--check-aof", "a", "b"], &["--check-rdb"]] {
        // An option by itself is taken for a file.
        assert!(!folder.check(usage, "").0);
    }
}

#[test]
fn what_is_cut_off_is_kept() {
    let folder = Folder::new();
    folder.write("a", &[SET, CUT]);
    let asked = "Start checking Old-Style AOF\n0x              21: Reached EOF before the end of a command\nAOF analyzed: filename=a, size=52, ok_up_to=33, ok_up_to_line=8, diff=19\nThis will shrink the AOF a from 52 bytes, with 19 bytes, to 33 bytes\nContinue? [y/N]: ";
    for no in ["", "n\n"] {
        folder.expect(&["--check-aof", "--fix", "a"], no, false, &format!("{asked}Aborting..."));
        assert_eq!(folder.read("a"), [SET, CUT].concat());
    }
    for kept in ["a.cut-33", "a.cut-33.1"] {
        folder.write("a", &[SET, CUT]);
        folder.expect(&["--check-aof", "--fix", "a"], "y\n", true, &format!("{asked}Successfully truncated AOF a"));
        assert_eq!((folder.read("a"), folder.read(kept)), (SET.to_vec(), CUT.to_vec()));
    }
}

#[test]
fn a_manifest_and_what_it_names() {
    let folder = Folder::new();
    folder.write(
        "m",
        &[b"file base seq 1 type b\nfile one seq 1 type i\nfile two seq 2 type i\nfile old seq 1 type h\n"],
    );
    folder.write("base", &[SET]);
    folder.write("one", &[SET, SET]);
    folder.write("two", &[CUT]);
    let before = "Start checking Multi Part AOF\nStart to check BASE AOF (RESP format).\nAOF analyzed: filename=base, size=33, ok_up_to=33, ok_up_to_line=8, diff=0\nBASE AOF base is valid\nStart to check INCR files.\nAOF analyzed: filename=one, size=66, ok_up_to=66, ok_up_to_line=15, diff=0\nINCR AOF one is valid";
    let two = "0x               0: Reached EOF before the end of a command\nAOF analyzed: filename=two, size=19, ok_up_to=0, ok_up_to_line=1, diff=19";
    folder.expect(
        &["--check-aof", "m"],
        "",
        false,
        &format!("{before}\n{two}\nAOF two is not valid. Use the --fix option to try fixing it."),
    );
    folder.expect(
        &["--check-aof", "--fix", "m"],
        "y\n",
        true,
        &format!("{before}\n{two}\nThis will shrink the AOF two from 19 bytes, with 19 bytes, to 0 bytes\nContinue? [y/N]: Successfully truncated AOF two\nAll AOF files and manifest are valid"),
    );
    folder.expect(
        &["--check-aof", "m"],
        "",
        true,
        &format!("{before}\nINCR AOF two is empty\nAll AOF files and manifest are valid"),
    );
    folder.write("one", &[SET, CUT]);
    folder.write("two", &[SET]);
    let (success, text) = folder.check(&["--check-aof", "--fix", "m"], "y\n");
    assert!(!success && text.ends_with("Failed to truncate AOF one because it is not the last file\n"), "{text}");
    // A rewrite was about to begin: the last one was not written to yet.
    folder.write("two", &[]);
    let (success, text) = folder.check(&["--check-aof", "--fix", "m"], "y\n");
    assert!(success && text.contains("Successfully truncated AOF one\nINCR AOF two is empty\n"), "{text}");
    folder.write("m", &[b"file base seq 1 type b\nnonsense\n"]);
    let (success, text) = folder.check(&["--check-aof", "m"], "");
    assert!(!success && text.contains("Invalid AOF manifest file format"), "{text}");
}

#[test]
fn up_to_a_time() {
    let folder = Folder::new();
    let all = [b"#TS:100\r\n", SET, b"#TS:200\r\n", SET].concat();
    let start = "Start checking Old-Style AOF\n";
    for (time, success, end, size) in [
        ("99", false, "AOF a has nothing before timestamp 99, aborting...", 84),
        ("100", true, "Successfully truncated AOF a to timestamp 100", 42),
        ("199", true, "Successfully truncated AOF a to timestamp 199", 42),
        ("200", true, "Truncate nothing in AOF a to timestamp 200\nAOF a is valid", 84),
    ] {
        folder.write("a", &[&all]);
        folder.expect(&["--check-aof", "--truncate-to-timestamp", time, "a"], "", success, &format!("{start}{end}"));
        assert_eq!(folder.read("a"), all[..size]);
    }
    folder.write("m", &[b"file a seq 1 type b\nfile b seq 1 type i\n"]);
    folder.write("b", &[SET]);
    let (success, text) = folder.check(&["--check-aof", "--truncate-to-timestamp", "100", "m"], "");
    let expected = "Failed to truncate AOF a to timestamp 100 to offset 42 because it is not the last file.";
    assert!(!success && text.contains(expected), "{text}");
}

#[test]
fn snapshots() {
    let (server, mut client) = server_and_client();
    client.check("SET k v => +OK\nSET gone v EX 1000 => +OK\nRPUSH list a b => :2\nSAVE => +OK");
    let file = fs::read(server.dir.join("dump.rdb")).unwrap();
    let folder = Folder::new();
    folder.write("dump.rdb", &[&file]);
    let (success, text) = folder.check(&["--check-rdb", "dump.rdb"], "");
    let size = file.len();
    assert!(
        success
            && text.starts_with("[offset 0] Checking RDB file dump.rdb\n[offset 26] AUX FIELD redis-ver = '7.2.4'\n"),
        "{text}"
    );
    assert!(text.ends_with(&format!("[offset {size}] Checksum OK\n[offset {size}] \\o/ RDB looks OK! \\o/\n[info] 3 keys read\n[info] 1 expires\n[info] 0 already expired\n")), "{text}");
    assert_eq!(text.matches("Selecting DB ID 0").count(), 1);
    folder.write("cut", &[&file[..size - 12]]);
    let (success, text) = folder.check(&["--check-rdb", "cut"], "");
    assert!(!success && text.contains("--- RDB ERROR DETECTED ---\n"), "{text}");
    // As part of an append-only file.
    folder.write("aof", &[&file, SET]);
    let (success, text) = folder.check(&["--check-aof", "aof"], "");
    assert!(success && text.contains("RDB preamble is OK, proceeding with AOF tail...\n"), "{text}");
    folder.write("aof", &[&file[..size - 12]]);
    let (success, text) = folder.check(&["--check-aof", "aof"], "");
    assert!(!success && text.ends_with("RDB preamble of AOF file is not sane, aborting.\n"), "{text}");
}

/// Called by the name of Redis's tool, it is that tool; and where Redis's is installed both agree on
/// whether a file is whole.
#[test]
fn by_the_names_of_redis_tools() {
    let folder = Folder::new();
    for tool in ["redis-check-aof", "redis-check-rdb"] {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rondo"), folder.0.join(tool)).unwrap();
    }
    let theirs = Command::new("redis-check-aof").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !theirs {
        eprintln!("redis-check-aof is not installed: ours is not held against it");
    }
    let ours = folder.0.join("redis-check-aof");
    for parts in [&[SET][..], &[SET, CUT], &[SET, b"junk"], &[b"#TS:1\r\n", SET], &[b"*1\r\n$5\r\nMULTI\r\n"], &[]] {
        folder.write("a", parts);
        let (success, text) = folder.run(ours.to_str().unwrap(), &["a"], "");
        assert!(text.starts_with("Start checking Old-Style AOF\n"), "{text}");
        if theirs {
            let (their_success, their_text) = folder.run("redis-check-aof", &["a"], "");
            assert_eq!((success, text.lines().last()), (their_success, their_text.lines().last()));
        }
    }
}

#[test]
fn what_of_the_machine_could_do_harm_is_said() {
    let folder = Folder::new();
    let (is_fine, said) = folder.run(env!("CARGO_BIN_EXE_rondo"), &["--check-system"], "");
    for name in ["slow-clocksource", "xen-clocksource", "overcommit", "THP"] {
        assert!(said.contains(&format!("[{name}]...")), "{said}");
    }
    assert_eq!(is_fine, !said.contains("WARNING"), "{said}");
    let overcommit = fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap();
    assert_eq!(said.contains("[overcommit]...OK"), overcommit.trim() == "1", "{said}");
}
