//! What the log gets when the server crashes or hangs, and what `ps` shows of it.

#[path = "wire/harness.rs"]
mod harness;

use harness::*;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

const START: &str = "=== REDIS BUG REPORT START: Cut & paste starting from here ===";
const END: &str = "=== REDIS BUG REPORT END. Make sure to include from START to END. ===";

/// The report in the log of a server that this command ends.
fn report_of(command: &str, arguments: &[&str]) -> (std::process::ExitStatus, String) {
    let mut server = Server::start(arguments);
    let mut client = server.connect();
    client.until_closed(&encode(&command.split(' ').map(str::as_bytes).collect::<Vec<_>>()));
    let status = server.wait();
    let log = server.log();
    assert!(log.matches(START).count() <= 1, "{log}");
    let report = log.split_once(START).map_or("", |(_, report)| report);
    (status, report.to_owned())
}

fn check_report(report: &str, facts: &[&str]) {
    for fact in facts.iter().chain(&["------ STACK TRACE ------", "commands/server/debug.rs:", END]) {
        assert!(report.contains(fact), "{fact} is missing in {report}");
    }
}

#[test]
fn a_crash_is_reported() {
    let (status, report) = report_of("DEBUG SEGFAULT", &[]);
    assert_eq!(status.signal(), Some(11));
    check_report(&report, &["Redis 7.2.4 crashed by signal: 11, si_code: ", "Killed by PID: "]);
}

#[test]
fn a_signal_from_outside_is_reported() {
    for (name, number) in [("ABRT", 6), ("BUS", 7), ("FPE", 8), ("ILL", 4), ("SEGV", 11)] {
        let mut server = Server::start(&[]);
        server.connect().check("PING => +PONG");
        Command::new("kill").args([&format!("-{name}"), &server.pid().to_string()]).status().unwrap();
        assert_eq!(server.wait().signal(), Some(number));
        let log = server.log();
        assert!(log.contains(&format!("Redis 7.2.4 crashed by signal: {number}, si_code: 0")), "{log}");
        assert!(log.contains("Killed by PID: ") && log.contains(END), "{log}");
    }
}

#[test]
fn a_panic_is_reported() {
    let (status, report) = report_of("DEBUG PANIC", &[]);
    assert!(!status.success());
    check_report(&report, &["Guru Meditation: DEBUG PANIC #src/commands/server/debug.rs:"]);
    let (status, report) = report_of("DEBUG ASSERT", &["--use-exit-on-panic", "yes"]);
    assert_eq!(status.code(), Some(1));
    check_report(&report, &["=== ASSERTION FAILED ===", ".rs:", " assertion failed: 1 == 2"]);
}

#[test]
fn reports_can_be_switched_off() {
    let (status, report) = report_of("DEBUG SEGFAULT", &["--crash-log-enabled", "no"]);
    assert_eq!((status.signal(), &report[..]), (Some(11), ""));
    let mut server = Server::start(&[]);
    let mut client = server.connect();
    client.check("CONFIG SET crash-log-enabled no => +OK");
    client.until_closed(&encode(&[b"DEBUG", b"SEGFAULT"]));
    assert_eq!(server.wait().signal(), Some(11));
    assert!(!server.log().contains(START));
}

#[test]
fn the_watchdog_tells_what_takes_long() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.check("CONFIG SET watchdog-period 200 => +OK\nDEBUG SLEEP 1 => +OK");
    wait_until("the watchdog has barked", || {
        let log = server.log();
        log.contains("--- WATCHDOG TIMER EXPIRED ---") && log.contains("commands/server/debug.rs:")
    });
    client.check("CONFIG SET watchdog-period 0 => +OK\nPING => +PONG");
}

/// As `ps` shows it.
fn title(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    String::from_utf8(bytes).unwrap().trim_end_matches('\0').to_owned()
}

#[test]
fn the_title_of_the_process() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let executable = env!("CARGO_BIN_EXE_rondo");
    assert_eq!(title(server.pid()), format!("{executable} sock"));
    client.check("CONFIG SET proc-title-template {wrong} => -ERR_CONFIG_SET_failed_(possibly_related_to_argument_'proc-title-template')_-_template_format_is_invalid_or_contains_unknown_variables");
    client.check("CONFIG SET proc-title-template a{port},{tls-port},{server-mode}{config-file},{unixsocket}b => +OK");
    assert_eq!(title(server.pid()), "a0,0,,sockb");
    let longer = "x".repeat(100_000);
    client.ask_args(&[b"CONFIG", b"SET", b"proc-title-template", longer.as_bytes()]);
    let cut = title(server.pid());
    assert!(!cut.is_empty() && longer.starts_with(&cut));
    client.check("PING => +PONG");
}

#[test]
fn the_title_of_a_child() {
    let server = Server::start(&["--rdb-key-save-delay", "1000000"]);
    let mut client = server.connect();
    client.check("SET k v => +OK\nBGSAVE => +Background_saving_started");
    let children = format!("/proc/{0}/task/{0}/children", server.pid());
    wait_until("the child says what it does", || {
        let children = std::fs::read_to_string(&children).unwrap();
        let child = children.split(' ').find_map(|pid| pid.parse().ok());
        child.is_some_and(|child| title(child).starts_with("redis-rdb-bgsave "))
    });
}

#[test]
fn no_title() {
    let server = Server::start(&["--set-proc-title", "no"]);
    assert!(title(server.pid()).contains("--set-proc-title\0no"));
}
