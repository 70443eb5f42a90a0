//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use crate::harness::*;

#[test]
fn queueing_and_running() {
    let (_server, mut client) = server_and_client();
    client.check(
        "EXEC => -ERR_EXEC_without_MULTI
         DISCARD => -ERR_DISCARD_without_MULTI
         MULTI => +OK
         MULTI => -ERR_MULTI_calls_can_not_be_nested
         SET a 1 => +QUEUED
         INCR a => +QUEUED
         LRANGE a 0 -1 => +QUEUED
         GET a => +QUEUED
         EXEC => *4 +OK :2 -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value $1 2
         EXEC => -ERR_EXEC_without_MULTI
         MULTI => +OK
         EXEC => *0
         MULTI => +OK
         SET a 5 => +QUEUED
         DISCARD => +OK
         GET a => $1 2
         EXEC => -ERR_EXEC_without_MULTI
         MULTI => +OK
         SELECT 1 => +QUEUED
         SET b 1 => +QUEUED
         EXEC => *2 +OK +OK
         GET b => $1 1
         SELECT 0 => +OK
         GET b => $-1
         MULTI => +OK
         HELLO 3 => +QUEUED
         HGETALL none => +QUEUED
         GET none => +QUEUED
         PING => +QUEUED",
    );
    let reply = client.ask("EXEC");
    assert!(reply.starts_with("*4\r\n%7\r\n") && reply.ends_with("%0\r\n_\r\n+PONG\r\n"), "{reply}");
}

#[test]
fn what_is_refused_when_queued_aborts() {
    let (_server, mut client) = server_and_client();
    let aborted = "-EXECABORT_Transaction_discarded_because_of_previous_errors.";
    for (refused, error) in [
        ("GET", "-ERR_wrong_number_of_arguments_for_'get'_command"),
        ("NOSUCH a", "-ERR_unknown_command_'NOSUCH',_with_args_beginning_with:_'a'_"),
        ("OBJECT NOSUCH a", "-ERR_unknown_subcommand_'NOSUCH'._Try_OBJECT_HELP."),
        ("DISCARD x", "-ERR_wrong_number_of_arguments_for_'discard'_command"),
    ] {
        client.check(&format!(
            "MULTI => +OK
             SET a 1 => +QUEUED
             {refused} => {error}
             SET a 2 => +QUEUED
             EXEC => {aborted}
             EXISTS a => :0"
        ));
    }
    client.check(
        "MULTI => +OK
         WATCH a => -ERR_WATCH_inside_MULTI_is_not_allowed
         SET a 1 => +QUEUED
         EXEC => *1 +OK
         EXEC x => -EXECABORT_Transaction_discarded_because_of:_wrong_number_of_arguments_for_'exec'_command
         WATCH a => +OK
         SET a 2 => +OK
         MULTI => +OK
         EXEC x => -EXECABORT_Transaction_discarded_because_of:_wrong_number_of_arguments_for_'exec'_command
         MULTI => +OK
         EXEC => *0",
    );
}

#[test]
fn a_watched_key_that_changed() {
    let (server, mut client) = server_and_client();
    let mut other = server.connect();
    other.check("SET there 1\n SELECT 1\n SET elsewhere 1\n SELECT 0\n RPUSH list 1\n SET gone 1 PX 1");
    wait_until("it has expired", || other.ask("GET gone") == "$-1\r\n");
    // The key that is watched, what another client does, and whether that counts.
    let cases = [
        ("there", "SET there 1", true),
        ("there", "GET there", false),
        ("there", "SET other 1", false),
        ("there", "EXPIRE there 1000", true),
        ("there", "EXPIRE none 1000", false),
        ("list", "LPOP list 0", false),
        ("list", "RPUSH list 2", true),
        ("list", "SORT list STORE list", true),
        ("none", "DEL none", false),
        ("new", "SETNX new 1", true),
        ("new", "SETNX new 1", false),
        ("new", "RENAME new new2", true),
        ("new", "RENAME new2 new", true),
        ("new", "DEL new", true),
        ("gone", "GET gone", false),
        ("stream", "XGROUP CREATE stream g $ MKSTREAM", true),
        ("stream", "XGROUP CREATECONSUMER stream g c", false),
        ("stream", "XADD stream 1-1 a b", true),
        ("stream", "XREADGROUP GROUP g c STREAMS stream >", false),
        ("there", "SWAPDB 1 2", false),
        ("there", "SWAPDB 0 1", true),
        ("there", "SWAPDB 0 1", true),
        ("none", "SWAPDB 0 1", false),
        ("none", "SWAPDB 0 1", false),
        ("none", "FLUSHALL", false),
        ("there", "FLUSHALL", false),
    ];
    for (key, command, counts) in cases {
        client.check(&format!("WATCH x {key} {key} => +OK"));
        other.ask(command);
        client.check("MULTI => +OK\n PING => +QUEUED");
        let expected = if counts { "*-1\r\n" } else { "*1\r\n+PONG\r\n" };
        assert_eq!(client.ask("EXEC"), expected, "{key} watched: {command}");
    }
    for flush in ["FLUSHDB", "FLUSHALL", "FLUSHALL ASYNC", "DEBUG RELOAD"] {
        other.check("SET there 1 => +OK");
        client.check("WATCH there => +OK");
        other.ask(flush);
        client.check("MULTI => +OK");
        assert_eq!(client.ask("EXEC"), "*-1\r\n", "{flush}");
    }
    // One's own changes count as well, and only those of the watched key of the watched database.
    client.check(
        "SET there 1 => +OK
         WATCH there => +OK
         SET there 2 => +OK
         MULTI => +OK
         EXEC => *-1
         WATCH there => +OK
         SELECT 1 => +OK
         SET there 3 => +OK
         MULTI => +OK
         EXEC => *0
         SELECT 0 => +OK
         HELLO 3
         WATCH there => +OK
         SET there 4 => +OK
         MULTI => +OK
         EXEC => _",
    );
}

#[test]
fn watching_ends() {
    let (_server, mut client) = server_and_client();
    client.check("SET k 1 => +OK");
    for end in ["UNWATCH", "MULTI\n EXEC", "MULTI\n DISCARD", "RESET"] {
        client.check("WATCH k => +OK");
        client.check(end);
        client.check("SET k 2 => +OK\n MULTI => +OK\n EXEC => *0");
    }
    // A change before the end of watching is forgotten with it; within a transaction it is too late.
    client.check(
        "WATCH k => +OK
         SET k 3 => +OK
         UNWATCH => +OK
         MULTI => +OK
         EXEC => *0
         WATCH k => +OK
         SET k 4 => +OK
         MULTI => +OK
         UNWATCH => +QUEUED
         EXEC => *-1",
    );
}

#[test]
fn a_watched_key_that_expires() {
    let (server, mut client) = server_and_client();
    let mut other = server.connect();
    client.check(
        "DEBUG SET-ACTIVE-EXPIRE 0 => +OK
         SET k 1 PX 1 => +OK",
    );
    // Whether it had expired when it was watched decides, not when that was noticed.
    wait_until("it has expired", || client.ask("EXISTS k") == ":0\r\n");
    client.check(
        "SET k 1 PX 1 => +OK
         SET l 1 PX 100000 => +OK",
    );
    std::thread::sleep(std::time::Duration::from_millis(5));
    client.check(
        "WATCH k l => +OK
         GET k => $-1
         MULTI => +OK
         EXEC => *0
         WATCH l => +OK
         PEXPIRE l 1",
    );
    client.check("UNWATCH => +OK\n SET l 1 PX 50 => +OK\n WATCH l => +OK");
    wait_until("it has expired", || other.ask("PTTL l") == ":-2\r\n");
    client.check("MULTI => +OK\n EXEC => *-1");
}

#[test]
fn what_a_client_list_shows() {
    let (server, mut client) = server_and_client();
    let mut other = server.connect();
    let id = client.ask("CLIENT ID").trim_start_matches(':').trim().to_owned();
    let mut shows = |part: &str| {
        let list = other.ask(&format!("CLIENT LIST ID {id}"));
        assert!(list.contains(part), "{part} in {list}");
    };
    shows(" multi=-1 ");
    client.check("SET k 1\n WATCH k => +OK\n MULTI => +OK");
    shows(" flags=xU ");
    shows(" multi=0 ");
    client.check("GET k => +QUEUED\n GET k => +QUEUED");
    shows(" multi=2 ");
    shows(" cmd=get ");
    client.check("DISCARD => +OK\n WATCH k => +OK\n SET k 2 => +OK\n MULTI => +OK\n GET k => +QUEUED");
    shows(" flags=xdU ");
    // It will not run.
    shows(" multi=0 ");
    client.check("RESET => +RESET");
    shows(" flags=U ");
    shows(" multi=-1 ");
}

#[test]
fn a_reply_that_is_not_wanted() {
    let (_server, mut client) = server_and_client();
    client.send(b"CLIENT REPLY OFF\r\nMULTI\r\nSET k 1\r\nEXEC\r\nCLIENT REPLY ON\r\nGET k\r\n");
    assert_eq!(client.reply(), "+OK\r\n");
    assert_eq!(client.reply(), "$1\r\n1\r\n");
}

#[test]
fn what_a_closed_client_queued_and_watched_is_forgotten() {
    let (server, mut client) = server_and_client();
    let mut other = server.connect();
    other.check("WATCH k => +OK\n MULTI => +OK\n SET k 1 => +QUEUED");
    drop(other);
    wait_until("it is gone", || client.ask("INFO clients").contains("connected_clients:1\r\n"));
    client.check("SET k 2 => +OK\n GET k => $1 2");
}

/// Nobody sees a transaction half done.
#[test]
fn a_transaction_is_not_interrupted() {
    let (server, mut client) = server_and_client();
    let mut waiting = server.connect();
    waiting.send(&encode(&[b"BLPOP", b"l", b"0"]));
    wait_until("it waits", || client.ask("INFO clients").contains("blocked_clients:1\r\n"));
    client.check(
        "MULTI => +OK
         RPUSH l 1 => +QUEUED
         DEL l => +QUEUED
         RPUSH l 2 3 => +QUEUED
         LLEN l => +QUEUED
         EXEC => *4 :1 :1 :2 :2
         LRANGE l 0 -1 => *1 $1 3",
    );
    assert_eq!(waiting.reply(), "*2\r\n$1\r\nl\r\n$1\r\n2\r\n");
}

/// What a change is, is told by each command: here by those that once did not.
#[test]
fn changes_without_an_event_of_their_own_are_seen_by_who_watches() {
    let (server, mut client) = server_and_client();
    let mut other = server.connect();
    for (setup, change, fails) in [
        (&["RPUSH a 1 2 3"][..], "LTRIM a 0 0", true),
        (&["RPUSH b 1 2", "RPUSH a 1"], "LMOVE b a LEFT LEFT", true),
        (&["RPUSH b 1 2", "RPUSH a 1"], "RPOPLPUSH b a", true),
        (&["RPUSH b 1 2", "RPUSH a 1"], "BLMOVE b a LEFT LEFT 0", true),
        (&["PFADD a 1"], "PFCOUNT a", true),
        (&["SET a x"], "SWAPDB 0 0", false),
        (&["SET a x"], "GET a", false),
    ] {
        client.check("FLUSHALL => +OK");
        setup.iter().for_each(|command| client.check(command));
        client.check("WATCH a => +OK");
        other.check(change);
        client.check("MULTI => +OK");
        client.check("PING => +QUEUED");
        client.check(if fails { "EXEC => *-1" } else { "EXEC => *1 +PONG" });
    }
}

#[test]
fn time_stands_still_within_a_transaction() {
    let (_server, mut client) = server_and_client();
    client.check("MULTI\n TIME\n DEBUG SLEEP 0.01\n TIME");
    let reply = client.ask("EXEC");
    let (first, second) = reply.split_once("+OK\r\n").unwrap();
    assert_eq!(first.strip_prefix("*3\r\n"), Some(second));
}
