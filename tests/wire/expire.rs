//! The time to live of keys.

use super::harness::*;

#[test]
fn set_and_ask() {
    let (_server, mut client) = server_and_client();
    client.check(
        "TTL k => :-2
         PTTL k => :-2
         EXPIRETIME k => :-2
         PEXPIRETIME k => :-2
         EXPIRE k 100 => :0
         PERSIST k => :0
         SET k v
         TTL k => :-1
         PTTL k => :-1
         EXPIRETIME k => :-1
         PEXPIREAT k 9223372036854775700 => :1
         EXPIRETIME k => :9223372036854776
         PERSIST k => :1
         PEXPIRETIME k => :-1
         PERSIST k => :0
         EXPIRE k 100 => :1
         TTL k => :100
         PEXPIRE k 200000 => :1
         TTL k => :200
         EXPIREAT k 9000000000 => :1
         EXPIRETIME k => :9000000000
         PEXPIREAT k 9000000000499 => :1
         PEXPIRETIME k => :9000000000499
         EXPIRETIME k => :9000000000
         PEXPIREAT k 9000000000500 => :1
         EXPIRETIME k => :9000000001
         PEXPIREAT k 9223372036854775807 => :1
         PEXPIRETIME k => :9223372036854775807
         PERSIST k => :1
         TTL k => :-1
         GET k => $1 v",
    );
}

#[test]
fn conditions() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET k v
         PEXPIREAT k 9000000000000 XX => :0
         PEXPIREAT k 9000000000000 GT => :0
         PEXPIREAT k 9000000000000 LT => :1
         PEXPIREAT k 9000000000001 NX => :0
         PEXPIREAT k 9000000000000 GT => :0
         PEXPIREAT k 9000000000000 lt => :0
         PEXPIREAT k 9000000000001 xx gt => :1
         PEXPIREAT k 9000000000000 LT XX => :1
         PERSIST k => :1
         PEXPIREAT k 9000000000000 LT XX => :0
         PEXPIREAT k 9000000000000 NX => :1
         EXPIRE k 1 NX XX => -ERR_NX_and_XX,_GT_or_LT_options_at_the_same_time_are_not_compatible
         EXPIRE k 1 GT NX => -ERR_NX_and_XX,_GT_or_LT_options_at_the_same_time_are_not_compatible
         EXPIRE k 1 GT LT => -ERR_GT_and_LT_options_at_the_same_time_are_not_compatible
         EXPIRE k x FOO => -ERR_Unsupported_option_FOO
         EXPIRE k x => -ERR_value_is_not_an_integer_or_out_of_range
         EXPIRE k 9223372036854775807 => -ERR_invalid_expire_time_in_'expire'_command
         EXPIRE k -9223372036854775808 => -ERR_invalid_expire_time_in_'expire'_command
         PEXPIRE k 9223372036854775807 => -ERR_invalid_expire_time_in_'pexpire'_command
         EXPIREAT k 9223372036854775807 => -ERR_invalid_expire_time_in_'expireat'_command
         EXPIRE none 9223372036854775807 => -ERR_invalid_expire_time_in_'expire'_command
         PEXPIRETIME k => :9000000000000",
    );
}

#[test]
fn times_gone_by_delete_at_once() {
    let (_server, mut client) = server_and_client();
    for command in ["EXPIRE k 0", "EXPIRE k -1", "PEXPIRE k -5", "EXPIREAT k 1", "PEXPIREAT k -9223372036854775808"] {
        client.check(&format!("SET k v => +OK\n {command} => :1\n EXISTS k => :0"));
    }
    client.check("SET k v\n EXPIRE k -1 GT => :0\n EXISTS k => :1\n EXPIRE k -1 LT => :1\n EXISTS k => :0");
}

#[test]
fn keys_go_at_their_time() {
    let (_server, mut client) = server_and_client();
    client.check("SET a v\n SET b v\n PEXPIRE a 30 => :1\n PEXPIRE b 30 => :1\n PEXPIRE b 100000 => :1");
    wait_until("the key expires", || client.ask("DBSIZE") == ":1\r\n");
    client.check("GET a => $-1\n GET b => $1 v");
}

/// What the append-only file repeats must not depend on when it is read.
#[test]
fn propagated_with_absolute_times() {
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut client = server.connect();
    client.check(
        "SET k v
         EXPIRE k 1000 => :1
         EXPIRE k 500 LT => :1
         EXPIRE k 400 GT => :0
         PEXPIREAT k 9000000000000 => :1
         PERSIST k => :1
         EXPIRE k -1 => :1
         HINCRBYFLOAT h f 0.1 => $3 0.1
         FLUSHDB => +OK
         FLUSHALL async => +OK",
    );
    let text = appended(&server);
    assert!(text.starts_with("SELECT 0 SET k v PEXPIREAT k 1"), "{text}");
    assert_eq!(text.matches("PEXPIREAT").count(), 3);
    assert_eq!(text.matches(" LT ").count(), 1);
    assert!(text.ends_with("PEXPIREAT k 9000000000000 PERSIST k DEL k HSET h f 0.1 FLUSHDB FLUSHALL async "), "{text}");
}

/// The words of the append-only file, without lengths.
fn appended(server: &Server) -> String {
    let files = files_below(&server.dir);
    let log = files.iter().find(|path| path.to_string_lossy().ends_with(".incr.aof")).unwrap();
    let log = String::from_utf8(std::fs::read(log).unwrap()).unwrap();
    let words: Vec<&str> = log.split("\r\n").filter(|line| !line.starts_with(['*', '$'])).collect();
    words.join(" ")
}

/// Keys that a walk finds expired have nothing to do with each other; those that another command
/// does belong to it.
#[test]
fn deletions_on_a_walk_stand_alone() {
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut client = server.connect();
    client.check("DEBUG SET-ACTIVE-EXPIRE 0 => +OK");
    for (command, wrapped) in [("SCAN 0", false), ("RANDOMKEY", false), ("MGET a b", true)] {
        client.check("PSETEX a 1 v\n PSETEX b 1 v");
        std::thread::sleep(std::time::Duration::from_millis(10));
        let before = appended(&server).len();
        client.ask(command);
        // The reply comes after the file was written.
        let text = appended(&server)[before..].to_string();
        assert!(text.contains("DEL a") && text.contains("DEL b"), "{command}: {text}");
        assert_eq!(text.contains("MULTI"), wrapped, "{command}: {text}");
    }
}

#[test]
fn a_crowd_due_at_once_goes_and_the_server_lives() {
    let (_server, mut client) = server_and_client();
    client.ask("SET far x EX 10000");
    for crowd in [1, 64, 72, 99, 150, 500] {
        let now: u64 = client.ask("TIME").split("\r\n").nth(2).unwrap().parse().unwrap();
        let due = now * 1000 + 1200;
        for i in 0..crowd {
            client.ask(&format!("SET key:{i} v PXAT {due}"));
        }
        wait_until("the crowd is gone", || client.ask("DBSIZE") == ":1\r\n");
    }
}
