//! Databases, and finding keys in them.

use super::harness::*;
use std::collections::BTreeSet;

/// The cursor and the keys of a SCAN.
fn page(reply: &str) -> (String, Vec<String>) {
    let mut lines = reply.split("\r\n").skip(2).map(str::to_string);
    let cursor = lines.next().unwrap();
    (cursor, lines.skip(2).step_by(2).collect())
}

fn scan_all(client: &mut Client, options: &str) -> BTreeSet<String> {
    let (mut cursor, mut all) = ("0".to_string(), BTreeSet::new());
    loop {
        let keys;
        (cursor, keys) = page(&client.ask(format!("SCAN {cursor} {options}").trim_end()));
        all.extend(keys);
        if cursor == "0" {
            return all;
        }
    }
}

#[test]
fn keys_and_scan() {
    let (_server, mut client) = server_and_client();
    client.check(
        "KEYS * => *0
         SCAN 0 => *2 $1 0 *0
         SET key:1 a
         KEYS * => *1 $5 key:1
         KEYS k?y:[0-9] => *1 $5 key:1
         KEYS nope* => *0
         SCAN 0 => *2 $1 0 *1 $5 key:1
         SCAN 0 TYPE string => *2 $1 0 *1 $5 key:1
         SCAN 0 TYPE STRING => *2 $1 0 *1 $5 key:1
         SCAN 0 TYPE hash => *2 $1 0 *0
         SCAN 0 TYPE nonsense => *2 $1 0 *0
         SCAN 0 MATCH *:1 COUNT 5 => *2 $1 0 *1 $5 key:1
         SCAN 0 MATCH *:2 => *2 $1 0 *0
         SCAN x => -ERR_invalid_cursor
         SCAN 18446744073709551616 => -ERR_invalid_cursor
         SCAN 0 COUNT 0 => -ERR_syntax_error
         SCAN 0 COUNT -1 => -ERR_syntax_error
         SCAN 0 COUNT x => -ERR_value_is_not_an_integer_or_out_of_range
         SCAN 0 COUNT => -ERR_syntax_error
         SCAN 0 LIMIT 1 => -ERR_syntax_error",
    );
    for i in 0..3000 {
        client.ask(&format!("SET key:{i} x"));
    }
    client.ask("HSET hash f v");
    assert_eq!(scan_all(&mut client, "").len(), 3001);
    assert_eq!(scan_all(&mut client, "COUNT 500 TYPE hash"), BTreeSet::from(["hash".to_string()]));
    assert_eq!(scan_all(&mut client, "MATCH key:12??").len(), 100);
    assert!(client.ask("KEYS *").starts_with("*3001\r\n"));
}

#[test]
fn expired_keys_are_not_shown() {
    let (_server, mut client) = server_and_client();
    client.check(
        "DEBUG SET-ACTIVE-EXPIRE 0
         SET gone x PX 1
         HSET hash f v
         PEXPIRE hash 1",
    );
    std::thread::sleep(std::time::Duration::from_millis(10));
    client.check(
        "KEYS * => *0
         RANDOMKEY => $-1
         SCAN 0 TYPE list => *2 $1 0 *0
         DBSIZE => :0",
    );
}

#[test]
fn several_databases() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET k zero
         SET only0 x
         MOVE k 0 => -ERR_source_and_destination_objects_are_the_same
         MOVE k 16 => -ERR_DB_index_is_out_of_range
         MOVE k x => -ERR_value_is_not_an_integer_or_out_of_range
         MOVE none 1 => :0
         PEXPIREAT only0 9000000000000
         MOVE only0 1 => :1
         MOVE only0 1 => :0
         SELECT 1
         PEXPIRETIME only0 => :9000000000000
         SET k one
         MOVE k 0 => :0
         DBSIZE => :2
         SWAPDB 0 1 => +OK
         DBSIZE => :1
         GET k => $4 zero
         SWAPDB 1 1 => +OK
         SWAPDB x y => -ERR_invalid_first_DB_index
         SWAPDB 99 y => -ERR_invalid_second_DB_index
         SWAPDB 0 16 => -ERR_DB_index_is_out_of_range
         SWAPDB -1 0 => -ERR_DB_index_is_out_of_range
         FLUSHDB => +OK
         DBSIZE => :0
         SELECT 0
         DBSIZE => :2
         FLUSHALL NOW => -ERR_syntax_error
         FLUSHDB SYNC ASYNC => -ERR_syntax_error
         FLUSHALL ASYNC => +OK
         DBSIZE => :0
         FLUSHDB sync => +OK",
    );
}

/// A key that moved with its expiry expires where it is now.
#[test]
fn moved_keys_expire() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET a 1 PX 500
         MOVE a 1 => :1
         SET b 1 PX 500
         RENAME b c => +OK
         SET d 1 PX 500
         COPY d e DB 1 => :1
         SET stays 1 PX 500
         COPY stays kept => :1
         PERSIST kept => :1
         SWAPDB 0 1 => +OK",
    );
    wait_until("the keys expire", || client.ask("DBSIZE") == ":0\r\n");
    client.check("SELECT 1");
    wait_until("the keys expire", || client.ask("DBSIZE") == ":1\r\n");
    client.check("GET kept => $1 1");
}
