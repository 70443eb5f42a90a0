//! Limits on memory: keys and clients that go for them, and what is refused.

use crate::harness::*;

fn used(client: &mut Client) -> u64 {
    client.info("used_memory").parse().unwrap()
}

fn set_limit(client: &mut Client, bytes: u64) {
    assert_eq!(client.ask(&format!("CONFIG SET maxmemory {bytes}")), "+OK\r\n");
}

#[test]
fn what_needs_memory_is_refused() {
    let (_server, mut client) = server_and_client();
    client.check("SET k v\n RPUSH l a b");
    set_limit(&mut client, 1);
    client.check(
        "SET k w => -OOM_command_not_allowed_when_used_memory_>_'maxmemory'.
         GET k => $1 v
         LPOP l => $1 a
         DEL l => :1
         MULTI => +OK
         GET k => -OOM_command_not_allowed_when_used_memory_>_'maxmemory'.
         EXEC => -EXECABORT_Transaction_discarded_because_of_previous_errors.
         CONFIG SET maxmemory 0 => +OK
         MULTI => +OK
         SET k w => +QUEUED
         SET k x => +QUEUED",
    );
    let mut other = _server.connect();
    set_limit(&mut other, 1);
    client.check(
        "EXEC => -EXECABORT_Transaction_discarded_because_of:_OOM_command_not_allowed_when_used_memory_>_'maxmemory'.
         CONFIG SET maxmemory-policy volatile-lru
         SET k w => -OOM_command_not_allowed_when_used_memory_>_'maxmemory'.",
    );
    assert_eq!(client.info("evicted_keys"), "0");
    wait_until("time passes over the limit", || client.info("current_eviction_exceeded_time") != "0");
    set_limit(&mut client, 0);
    client.check("SET k w => +OK\n GET k => $1 w");
}

#[test]
fn keys_go_for_others() {
    for policy in [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] {
        let server = Server::start(&["--maxmemory-policy", policy]);
        let mut client = server.connect();
        // What does not expire stays under a volatile policy, however rare what does expire is.
        (0..500).for_each(|n| drop(client.ask(&format!("SET stays:{n} x"))));
        client.ask("SETEX first 1000 x");
        let limit = used(&mut client) + 200_000;
        set_limit(&mut client, limit);
        for n in 0..5000 {
            assert_eq!(client.ask(&format!("SETEX key:{n} {} x", 1000 + n)), "+OK\r\n", "{policy}");
        }
        assert!(used(&mut client) < limit + 20_000, "{policy}");
        set_limit(&mut client, 0);
        let evicted: usize = client.info("evicted_keys").parse().unwrap();
        let there: usize = client.ask("DBSIZE")[1..].trim_end().parse().unwrap();
        assert_eq!(there + evicted, 5501, "{policy}");
        if policy.starts_with("volatile") {
            let names: Vec<String> = (0..500).map(|n| format!("stays:{n}")).collect();
            assert_eq!(client.ask(&format!("EXISTS {}", names.join(" "))), ":500\r\n", "{policy}");
        }
        if policy == "volatile-ttl" {
            client.check("EXISTS first => :0");
        }
    }
}

#[test]
fn what_was_propagated_is_not_kept() {
    let server = Server::start(&["--appendonly", "yes"]);
    let mut client = server.connect();
    client.check("SET k v EX 100 => +OK\n DEL k => :1");
    let before = used(&mut client);
    assert_eq!(client.ask_args(&[b"SET", b"k", &vec![b'x'; 20_000_000], b"EX", b"100"]), "+OK\r\n");
    client.check("DEL k => :1\n SET k v EX 100 => +OK");
    wait_until("memory is freed", || used(&mut client) < before + 1_000_000);
}

#[test]
fn clients_go_before_keys() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru", "--maxmemory-clients", "1mb"]);
    let mut client = server.connect();
    client.check("CLIENT NO-EVICT on => +OK");
    (0..20).for_each(|n| drop(client.ask(&format!("SETRANGE key:{n} 100000 x"))));
    let limit = used(&mut client) + 3_000_000;
    set_limit(&mut client, limit);
    for _ in 0..3 {
        // One batch asks for more than there is room for, and nobody reads it.
        let mut reader = server.connect();
        reader.send_as_far_as_possible(&b"GETRANGE key:1 0 -1\r\n".repeat(60));
        wait_until("the client is closed", || !client.ask("CLIENT LIST").contains("cmd=getrange"));
    }
    client.check("DBSIZE => :20");
    assert_eq!(client.info("evicted_keys"), "0");
}

#[test]
fn telling_of_evictions_does_not_lead_to_more() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let mut client = server.connect();
    let mut trackers: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    for tracker in &mut trackers {
        tracker.ask("HELLO 3");
        tracker.check("CLIENT TRACKING on => +OK");
    }
    for n in 0..300 {
        let key = format!("{n}:{}", "x".repeat(1000));
        client.ask(&format!("SET {key} x"));
        trackers.iter_mut().for_each(|tracker| assert_eq!(tracker.ask(&format!("GET {key}")), "$1\r\nx\r\n"));
    }
    let limit = used(&mut client) - 40_000;
    set_limit(&mut client, limit);
    wait_until("there is room", || client.info("current_eviction_exceeded_time") == "0");
    trackers.iter_mut().for_each(|tracker| assert!(tracker.reply().contains("invalidate")));
    // Neither what they are told nor the buffers for it count as what keys have to go for.
    let evicted = client.info("evicted_keys").parse().unwrap();
    assert!((30..100).contains(&evicted), "{evicted}");
}

#[test]
fn evictions_are_told_and_repeated() {
    let server = Server::start(&["--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"]);
    let mut client = server.connect();
    let mut listener = server.connect();
    client.check("CONFIG SET notify-keyspace-events Ee => +OK\n SET a 1\n SET b 2");
    listener.check("SUBSCRIBE __keyevent@0__:evicted");
    set_limit(&mut client, 1);
    // Without a command that asks for it, as well.
    let mut events = [listener.reply(), listener.reply()].concat();
    events.retain(|byte| byte.is_ascii_lowercase());
    assert!(events.ends_with("evicteda") || events.ends_with("evictedb"), "{events}");
    client.check("DBSIZE => :0\n CONFIG SET maxmemory 0 lazyfree-lazy-eviction yes\n SET c 3");
    set_limit(&mut client, 1);
    assert!(listener.reply().ends_with("$1\r\nc\r\n"));
    client.check("CONFIG SET maxmemory 0 => +OK");
    let file = std::fs::read_to_string(server.dir.join("appendonlydir/appendonly.aof.1.incr.aof")).unwrap();
    assert_eq!((file.matches("DEL\r\n").count(), file.matches("UNLINK\r\n$1\r\nc").count()), (2, 1), "{file}");
    assert!(!file.contains("MULTI"));
    drop(client);
    let server = Server::start_in(server.kill(), &["--appendonly", "yes"]);
    server.connect().check("DBSIZE => :0");
}

#[test]
fn how_keys_remember_their_use() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET k v
         OBJECT IDLETIME k => :0
         OBJECT FREQ k => -ERR_An_LFU_maxmemory_policy_is_not_selected,_access_frequency_not_tracked._Please_note_that_when_switching_between_policies_at_runtime_LRU_and_LFU_data_will_take_some_time_to_adjust.
         OBJECT FREQ none => $-1
         CONFIG SET maxmemory-policy allkeys-lfu lfu-log-factor 0 => +OK
         OBJECT IDLETIME k => -ERR_An_LFU_maxmemory_policy_is_selected,_idle_time_not_tracked._Please_note_that_when_switching_between_policies_at_runtime_LRU_and_LFU_data_will_take_some_time_to_adjust.
         SET new v
         OBJECT FREQ new => :5
         GET new
         GET new
         OBJECT FREQ new => :7
         SET new w
         OBJECT FREQ new => :8
         CLIENT NO-TOUCH on
         GET new
         CLIENT NO-TOUCH off
         OBJECT FREQ new => :8",
    );
    let raw = server_payload(&mut client);
    let restore = |client: &mut Client, raw: &[u8], options: &[&[u8]]| {
        let request: Vec<&[u8]> =
            [&b"RESTORE"[..], b"r", b"0", raw, b"REPLACE"].into_iter().chain(options.iter().copied()).collect();
        client.ask_args(&request)
    };
    assert_eq!(restore(&mut client, &raw, &[b"FREQ", b"100"]), "+OK\r\n");
    client.check("OBJECT FREQ r => :100\n SAVE => +OK\n DEBUG RELOAD => +OK\n OBJECT FREQ r => :100");
    assert_eq!(restore(&mut client, &raw, &[b"FREQ", b"256"]), "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n");
    assert_eq!(restore(&mut client, &raw, &[b"FREQ", b"1", b"IDLETIME", b"1"]), "-ERR syntax error\r\n");
    client.check("CONFIG SET maxmemory-policy volatile-lru => +OK");
    assert_eq!(restore(&mut client, &raw, &[b"IDLETIME", b"1000"]), "+OK\r\n");
    client.check("DEBUG RELOAD => +OK");
    let idle: u64 = client.ask("OBJECT IDLETIME r")[1..].trim_end().parse().unwrap();
    assert!((1000..1100).contains(&idle));
    // Values that share nothing.
    client.check("SET n 7\n OBJECT REFCOUNT n => :2147483647\n CONFIG SET maxmemory 1gb\n OBJECT REFCOUNT n => :1");
}

/// What DUMP gives, as bytes.
fn server_payload(client: &mut Client) -> Vec<u8> {
    client.send(&encode(&[b"DUMP", b"new"]));
    let reply = client.reply_bytes();
    let start = reply.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    reply[start..reply.len() - 2].to_vec()
}

#[test]
fn the_largest_clients_go() {
    let (server, mut client) = server_and_client();
    client.check("CLIENT NO-EVICT on\n CONFIG SET maxmemory-clients 1mb => +OK");
    let partial = |bytes: usize| format!("*1\r\n${}\r\n{}", 10_000_000, "x".repeat(bytes)).into_bytes();
    let named = |name: &str| {
        let mut client = server.connect();
        client.ask(&format!("CLIENT SETNAME {name}"));
        client
    };
    let listed = |client: &mut Client, name: &str| client.ask("CLIENT LIST").contains(&format!("name={name} "));
    // An argument that is announced is memory.
    let mut large = named("large");
    let small = named("small");
    large.send_as_far_as_possible(&partial(100_000));
    wait_until("the large client is closed", || !listed(&mut client, "large"));
    assert!(listed(&mut client, "small"));
    // Replies that nobody reads, queued commands, watched keys.
    client.ask_args(&[b"SET", b"big", &vec![b'x'; 300_000]]);
    let mut slow = named("slow");
    slow.send_as_far_as_possible(&b"GET big\r\n".repeat(2000));
    wait_until("the slow reader is closed", || !listed(&mut client, "slow"));
    let mut queues = named("queues");
    queues.ask("MULTI");
    let set = encode(&[b"SET", b"k", &vec![b'x'; 300_000]]);
    (0..5).for_each(|_| queues.send_as_far_as_possible(&set));
    wait_until("who queues too much is closed", || !listed(&mut client, "queues"));
    assert!(listed(&mut client, "small"));
    assert_eq!(client.info("evicted_clients"), "3");
    // It takes effect at once, in percent of maxmemory as well.
    client.check("CONFIG SET maxmemory 100mb maxmemory-clients 1% => +OK");
    assert!(listed(&mut client, "small"));
    // A limit is 128 KiB at least, or whoever sets it could not take it back.
    client.check("CONFIG SET maxmemory-clients 1 => +OK");
    assert!(listed(&mut client, "small"));
    let mut small = small;
    small.ask("MULTI");
    small.send_as_far_as_possible(&set);
    wait_until("the small client is closed, too", || !listed(&mut client, "small"));
    client.check("CONFIG SET maxmemory-clients 0 => +OK");
}

#[test]
fn a_client_that_takes_too_much_is_gone_before_others_look() {
    let (server, mut client) = server_and_client();
    client.check("CONFIG SET maxmemory-clients 1mb => +OK");
    let mut large = server.connect();
    large.ask("CLIENT SETNAME large");
    // The server finds both at once when it goes on.
    let signal = |signal| assert_eq!(unsafe { libc::kill(server.pid() as i32, signal) }, 0);
    signal(libc::SIGSTOP);
    let status = format!("/proc/{}/status", server.pid());
    wait_until("the server is stopped", || std::fs::read_to_string(&status).unwrap().contains("State:\tT"));
    large.send(b"*1\r\n$2000000\r\nx");
    client.send(b"CLIENT LIST\r\n");
    signal(libc::SIGCONT);
    assert!(!client.reply().contains("name=large"));
}
