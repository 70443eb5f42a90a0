//! Keys, whatever they hold.

use super::harness::*;

#[test]
fn keys_come_and_go() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET a 1
         SET b 2
         HSET h f v
         EXISTS a b none a => :3
         TOUCH a b none => :2
         TYPE a => +string
         TYPE h => +hash
         TYPE none => +none
         DBSIZE => :3
         DEL a a none => :1
         UNLINK b h none => :2
         DBSIZE => :0
         RANDOMKEY => $-1
         SET a 1
         RANDOMKEY => $1 a
         DEL => -ERR_wrong_number_of_arguments_for_'del'_command",
    );
}

#[test]
fn many_keys_at_once() {
    let (_server, mut client) = server_and_client();
    let names: Vec<String> = (0..1000).map(|i| format!("key:{i}")).collect();
    names.iter().for_each(|name| drop(client.ask(&format!("SET {name} x"))));
    let names = names.join(" ");
    assert_eq!(client.ask(&format!("EXISTS {names} {names}")), ":2000\r\n");
    assert_eq!(client.ask(&format!("TOUCH {names}")), ":1000\r\n");
    assert_eq!(client.ask(&format!("DEL {names} {names}")), ":1000\r\n");
    assert_eq!(client.ask(&format!("UNLINK {names}")), ":0\r\n");
}

#[test]
fn rename() {
    let (_server, mut client) = server_and_client();
    client.check(
        "RENAME none a => -ERR_no_such_key
         RENAME none none => -ERR_no_such_key
         RENAMENX none a => -ERR_no_such_key
         SET a 1
         RENAME a a => +OK
         RENAMENX a a => :0
         PEXPIREAT a 9000000000000
         HSET b f v
         RENAMENX a b => :0
         RENAME a b => +OK
         GET b => $1 1
         PEXPIRETIME b => :9000000000000
         EXISTS a => :0
         SET c 3
         RENAME c b => +OK
         TTL b => :-1
         RENAMENX b d => :1
         GET d => $1 3
         DBSIZE => :1",
    );
}

#[test]
fn copy() {
    let (_server, mut client) = server_and_client();
    client.check(
        "COPY none a => :0
         SET a 1
         HSET h f v g w
         PEXPIREAT h 9000000000000
         COPY a a => -ERR_source_and_destination_objects_are_the_same
         COPY a b => :1
         COPY a h => :0
         COPY h b => :0
         COPY h b REPLACE => :1
         HGETALL b => *4 $1 f $1 v $1 g $1 w
         PEXPIRETIME b => :9000000000000
         HSET b f x
         HGET h f => $1 v
         COPY h a DB 1 => :1
         COPY h h db 1 replace => :1
         COPY a a DB 1 => :0
         COPY a b DB 16 => -ERR_DB_index_is_out_of_range
         COPY a b DB -1 => -ERR_DB_index_is_out_of_range
         COPY a b DB x => -ERR_value_is_not_an_integer_or_out_of_range
         COPY a b DB 3000000000 => -ERR_value_is_out_of_range,_value_must_between_-2147483648_and_2147483647
         COPY a b DB => -ERR_syntax_error
         COPY a b FOO => -ERR_syntax_error
         DBSIZE => :3
         SELECT 1
         DBSIZE => :2
         PEXPIRETIME a => :9000000000000",
    );
}

#[test]
fn object() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET int 9999
         SET large 10000
         SET text hello
         OBJECT ENCODING int => $3 int
         OBJECT ENCODING text => $6 embstr
         OBJECT REFCOUNT int => :2147483647
         OBJECT REFCOUNT large => :1
         OBJECT REFCOUNT text => :1
         OBJECT IDLETIME text => :0
         OBJECT ENCODING none => $-1
         OBJECT IDLETIME none => $-1
         OBJECT FREQ none => $-1
         OBJECT FREQ int => -ERR_An_LFU_maxmemory_policy_is_not_selected,_access_frequency_not_tracked._Please_note_that_when_switching_between_policies_at_runtime_LRU_and_LFU_data_will_take_some_time_to_adjust.
         OBJECT FOO int => -ERR_unknown_subcommand_'FOO'._Try_OBJECT_HELP.
         OBJECT ENCODING => -ERR_wrong_number_of_arguments_for_'object|encoding'_command
         OBJECT => -ERR_wrong_number_of_arguments_for_'object'_command
         HELLO 3
         OBJECT REFCOUNT none => _",
    );
    assert!(client.ask("OBJECT HELP").starts_with("*11\r\n+OBJECT <subcommand> [<arg> [value] [opt] ...]."));
}

/// A server that also listens on a TCP port, which is given.
fn tcp_server(arguments: &[&str]) -> (Server, Client, String) {
    // Whoever takes the port between the two calls gets it; then the next one is tried.
    for _ in 0..100 {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let server = Server::start(arguments);
        let mut client = server.connect();
        if client.ask(&format!("CONFIG SET bind 127.0.0.1 port {port}")) == "+OK\r\n" {
            return (server, client, port);
        }
    }
    panic!("no port is free");
}

#[test]
fn migrate() {
    let (server, mut source) = server_and_client();
    let (target_server, mut target, port) = tcp_server(&[]);
    let migrate = |client: &mut Client, rest: &str| client.ask(&format!("MIGRATE 127.0.0.1 {port} {rest}"));
    source.check("SET k v\n RPUSH l a b\n SET soon v PX 100000\n MSET a 1 b 2 c 3");
    assert_eq!(migrate(&mut source, "k 9 60000"), "+OK\r\n");
    assert_eq!(migrate(&mut source, "k 9 60000"), "+NOKEY\r\n");
    assert_eq!(migrate(&mut source, "l 9 60000 COPY"), "+OK\r\n");
    assert_eq!(
        migrate(&mut source, "l 9 60000 COPY"),
        "-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n"
    );
    assert_eq!(migrate(&mut source, "l 9 60000 REPLACE"), "+OK\r\n");
    assert_eq!(migrate(&mut source, "soon 9 60000"), "+OK\r\n");
    source.check("EXISTS k l soon => :0");
    assert_eq!(source.info("migrate_cached_sockets"), "1");
    target.check("SELECT 9\n GET k => $1 v\n LRANGE l 0 -1 => *2 $1 a $1 b\n TTL k => :-1");
    assert!((1..=100_000).contains(&target.ask("PTTL soon")[1..].trim_end().parse::<i64>().unwrap()));

    // What the target refuses stays.
    target.check("SET b taken => +OK");
    let many = format!("MIGRATE 127.0.0.1 {port}  9 60000 KEYS a b missing c");
    assert!(source.ask(&many).starts_with("-ERR Target instance replied with error: BUSYKEY"));
    source.check("EXISTS a => :0\n EXISTS b => :1\n EXISTS c => :0");
    assert_eq!(
        migrate(&mut source, "x 9 60000 KEYS a"),
        "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty string\r\n"
    );

    // The connection that is kept is of no use after this.
    target.check("CLIENT KILL TYPE normal SKIPME yes => :1");
    assert_eq!(migrate(&mut source, "b 9 60000 REPLACE"), "+OK\r\n");

    source.check("SET k v\n SET l v");
    target.check("CONFIG SET requirepass secret => +OK");
    target.check("CLIENT KILL TYPE normal SKIPME yes => :1");
    assert_eq!(
        migrate(&mut source, "k 9 60000 REPLACE"),
        "-ERR Target instance replied with error: NOAUTH Authentication required.\r\n"
    );
    assert_eq!(
        migrate(&mut source, "k 9 60000 REPLACE AUTH wrong"),
        "-ERR Target instance replied with error: WRONGPASS invalid username-password pair or user is disabled.\r\n"
    );
    assert_eq!(migrate(&mut source, "k 9 60000 REPLACE AUTH2 default secret"), "+OK\r\n");
    assert_eq!(
        migrate(&mut source, "l 99 60000 AUTH secret"),
        "-ERR Target instance replied with error: ERR DB index is out of range\r\n"
    );
    source.check(
        "EXISTS k l => :1
         MIGRATE 127.0.0.1 1 l 0 1x => -ERR_value_is_not_an_integer_or_out_of_range
         MIGRATE 127.0.0.1 1 l x 1 => -ERR_value_is_not_an_integer_or_out_of_range
         MIGRATE 127.0.0.1 1 l 0 1 AUTH => -ERR_syntax_error
         MIGRATE 127.0.0.1 1 l 0 1 AUTH2 x => -ERR_syntax_error
         MIGRATE 127.0.0.1 1 l 0 1 WHAT => -ERR_syntax_error
         COMMAND GETKEYS MIGRATE h 1 k 0 1 COPY => *1 $1 k
         COMMAND GETKEYS MIGRATE h 1 k 0 1 KEYS a b => -ERR_Invalid_arguments_specified_for_command
         COMMAND GETKEYS MIGRATE h 1  0 1 AUTH keys KEYS a b => *2 $1 a $1 b",
    );

    // Who does not answer is waited for as long as the time-out says.
    let pid = target_server.pid().to_string();
    let signal =
        |name: &str| assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    signal("-STOP");
    assert_eq!(migrate(&mut source, "l 9 50"), "-IOERR error or timeout reading from target instance\r\n");
    signal("-CONT");
    drop(target_server);
    assert_eq!(migrate(&mut source, "l 9 60000"), "-IOERR error or timeout writing to target instance\r\n");
    source.check("EXISTS l => :1");
    assert_eq!(source.info("migrate_cached_sockets"), "0");
    drop(server);
}
