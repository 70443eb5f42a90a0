//! SLOWLOG, LATENCY and MONITOR.

use crate::harness::*;

#[test]
fn slowlog() {
    let (server, mut client) = server_and_client();
    client.check(
        "SLOWLOG LEN => :0
         CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 4 => +OK
         CLIENT SETNAME me => +OK
         SLOWLOG RESET => +OK",
    );
    let long = "x".repeat(130);
    client.ask(&format!("ECHO {long}"));
    let many: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    client.ask(&format!("DEL {}", many.join(" ")));
    assert_eq!(client.ask_args(&[b"CONFIG", b"SET", b"masterauth", b"secret", b"requirepass", b""]), "+OK\r\n");
    client.check("MULTI\n GET k\n EXEC");
    let log = client.ask("SLOWLOG GET -1");
    assert!(log.starts_with("*4\r\n*6\r\n:"), "{log}");
    // The newest first; EXEC is what it ran.
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text} is not in {log}"));
    assert!(at("$3\r\nGET\r\n$1\r\nk\r\n") < at("$5\r\nMULTI\r\n"));
    assert!(at("$10\r\nmasterauth\r\n$10\r\n(redacted)\r\n$11\r\nrequirepass\r\n$10\r\n(redacted)\r\n") > at("MULTI"));
    assert!(at("$3\r\nDEL\r\n") > at("masterauth") && log.contains("$2\r\n29\r\n$23\r\n... (10 more arguments)\r\n"));
    assert!(log.ends_with("$2\r\nme\r\n") && !log.contains("ECHO") && !log.contains("EXEC"));
    client.check("SLOWLOG RESET");
    client.ask(&format!("ECHO {long}"));
    assert!(client.ask("SLOWLOG GET 1").contains(&format!("$146\r\n{}... (2 more bytes)\r\n", &long[..128])));
    client.check(
        "CONFIG SET slowlog-log-slower-than -1 => +OK
         SLOWLOG RESET => +OK
         GET k
         SLOWLOG LEN => :0
         SLOWLOG GET => *0
         SLOWLOG GET -2 => -ERR_count_should_be_greater_than_or_equal_to_-1
         SLOWLOG GET x => -ERR_count_should_be_greater_than_or_equal_to_-1
         CONFIG SET slowlog-log-slower-than 20000 => +OK
         GET k
         DEBUG SLEEP 0.03 => +OK
         SLOWLOG LEN => :1",
    );
    drop(server);
}

#[test]
fn a_command_is_not_slow_because_it_waited() {
    let (server, mut client) = server_and_client();
    client.check(
        "CONFIG SET slowlog-log-slower-than 200000 => +OK
         XADD s 1-1 f v => $3 1-1
         XGROUP CREATE s g $ => +OK
         PEXPIRE s 500 => :1",
    );
    let mut waiter = server.connect();
    waiter.send(b"XREADGROUP GROUP g c BLOCK 0 STREAMS s >\r\n");
    assert!(waiter.reply().starts_with("-NOGROUP "));
    client.check("SLOWLOG LEN => :0");
}

#[test]
fn latency() {
    let (_server, mut client) = server_and_client();
    client.check(
        "LATENCY LATEST => *0
         LATENCY HISTORY command => *0
         DEBUG SLEEP 0.02
         LATENCY LATEST => *0
         CONFIG SET latency-monitor-threshold 10 => +OK
         DEBUG SLEEP 0.02 => +OK",
    );
    assert!(client.ask("LATENCY LATEST").starts_with("*1\r\n*4\r\n$7\r\ncommand\r\n:"));
    assert!(client.ask("LATENCY HISTORY command").starts_with("*1\r\n*2\r\n:"));
    assert!(client.ask("LATENCY GRAPH command").contains("command - high "));
    assert!(client.ask("LATENCY DOCTOR").contains("* command: 1 samples"));
    client.check(
        "LATENCY GRAPH what => -ERR_No_samples_available_for_event_'what'
         LATENCY RESET what => :0
         LATENCY RESET what command => :1
         LATENCY RESET => :0
         CONFIG RESETSTAT
         SET k v
         SET k v
         LATENCY HISTOGRAM what get => *0",
    );
    let histogram = client.ask("LATENCY HISTOGRAM set config");
    assert!(
        histogram.starts_with("*4\r\n$3\r\nset\r\n*4\r\n$5\r\ncalls\r\n:2\r\n$14\r\nhistogram_usec\r\n*"),
        "{histogram}"
    );
    assert!(histogram.contains("$16\r\nconfig|resetstat\r\n"));
    client.ask("HELLO 3");
    assert!(
        client
            .ask("LATENCY HISTOGRAM set")
            .starts_with("%1\r\n$3\r\nset\r\n%2\r\n$5\r\ncalls\r\n:2\r\n$14\r\nhistogram_usec\r\n%")
    );
}

#[test]
fn monitor() {
    let (server, mut client) = server_and_client();
    let mut monitor = server.connect();
    monitor.check("MONITOR => +OK\n GET k => -ERR_Replica_can't_interact_with_the_keyspace");
    let mut shown = || {
        let line = monitor.line();
        let (time, rest) = line.split_once(' ').unwrap();
        let (seconds, micros) = time.strip_prefix('+').unwrap().split_once('.').unwrap();
        assert!(seconds.parse::<u64>().is_ok() && micros.len() == 6, "{line}");
        rest.to_owned()
    };
    client.ask_args(&[b"SET", b"k\"\\", b"a\n\r\t\x07\x08\x01\xff~"]);
    let line = shown();
    let (head, arguments) = line.split_once("] ").unwrap();
    assert!(head.starts_with("[0 unix:") && head.ends_with("sock:0"), "{head}");
    assert_eq!(arguments, r#""SET" "k\"\\" "a\n\r\t\a\b\x01\xff~""#);
    // What only administrators do is not shown, nor are passwords; EXEC comes after what it runs.
    client.check("SELECT 3\n CONFIG GET port\n AUTH user secret\n MULTI\n GET k\n EXEC\n WHAT");
    assert!(shown().ends_with(r#"] "SELECT" "3""#));
    let auth = shown();
    assert!(auth.starts_with("[3 ") && auth.ends_with(r#"] "AUTH" "(redacted)" "(redacted)""#), "{auth}");
    assert!(shown().ends_with(r#""MULTI""#) && shown().ends_with(r#""GET" "k""#) && shown().ends_with(r#""EXEC""#));
    assert!(client.ask("CLIENT LIST").contains(" flags=OU "));
    // A script comes before what it runs.
    client.check("EVAL redis.call('GET','k') 0 => $-1");
    assert!(shown().ends_with(r#"] "EVAL" "redis.call('GET','k')" "0""#));
    assert_eq!(shown(), r#"[3 lua] "GET" "k""#);
    // A pipeline is shown whole.
    client.send(b"PING 1\r\nPING 2\r\n");
    assert_eq!((client.reply(), client.reply()), ("$1\r\n1\r\n".to_owned(), "$1\r\n2\r\n".to_owned()));
    assert!(shown().ends_with(r#""PING" "1""#) && shown().ends_with(r#""PING" "2""#));
    monitor.send(b"RESET\r\n");
    assert_eq!(monitor.reply(), "+RESET\r\n");
    client.check("MULTI\n MONITOR => +QUEUED\n EXEC => *1 -ERR_MONITOR_isn't_allowed_for_DENY_BLOCKING_client");
}
