//! Values leave and return: DUMP and RESTORE, snapshots, what Redis wrote and what it reads, the forms
//! of old versions, and bytes that are no value.

#[path = "wire/harness.rs"]
mod harness;

use crc::{CRC_64_REDIS, Crc};
use harness::*;

// ---- helpers ----

/// The version that Debian's Redis 7.0 writes, and the latest that it reads.
const REDIS_70: u16 = 10;

/// A reply, taken apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Reply {
    Text(Vec<u8>),
    Array(Vec<Reply>),
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reply::Text(text) if text.len() > 200 => write!(f, "{} bytes", text.len()),
            Reply::Text(text) => write!(f, "{}", text.escape_ascii()),
            Reply::Array(elements) => f.debug_list().entries(elements.iter().take(20)).finish(),
        }
    }
}

impl Reply {
    fn parse(bytes: &[u8]) -> Reply {
        let mut rest = bytes;
        let reply = Reply::take(&mut rest);
        assert!(rest.is_empty());
        reply
    }

    fn take(rest: &mut &[u8]) -> Reply {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let line = &rest[..end];
        *rest = &rest[end + 2..];
        let number = || std::str::from_utf8(&line[1..]).unwrap().parse::<i64>().unwrap();
        match line[0] {
            b'$' if number() >= 0 => {
                let text = rest[..number() as usize].to_vec();
                *rest = &rest[text.len() + 2..];
                Reply::Text(text)
            }
            b'*' if number() >= 0 => Reply::Array((0..number()).map(|_| Reply::take(rest)).collect()),
            _ => Reply::Text(line.to_vec()),
        }
    }

    fn elements(self) -> Vec<Reply> {
        match self {
            Reply::Array(elements) => elements,
            Reply::Text(_) => panic!("{self:?} is no array"),
        }
    }

    /// The elements, or pairs of them, in order.
    fn sorted(self, by: usize) -> Reply {
        let mut chunks: Vec<Vec<Reply>> = self.elements().chunks(by).map(<[Reply]>::to_vec).collect();
        chunks.sort();
        Reply::Array(chunks.concat())
    }

    /// Members and scores, these bit by bit: versions differ in how they print them.
    fn with_exact_scores(self) -> Reply {
        let mut elements = self.elements();
        for score in elements.iter_mut().skip(1).step_by(2) {
            let Reply::Text(text) = score else { unreachable!() };
            let value: f64 = std::str::from_utf8(text).unwrap().parse().unwrap();
            *text = value.to_le_bytes().to_vec();
        }
        Reply::Array(elements)
    }

    /// Without the fields that depend on the layout of streams, on the version, or on the time.
    fn without_chance(self) -> Reply {
        const CHANCE: [&[u8]; 4] = [b"radix-tree-keys", b"radix-tree-nodes", b"active-time", b"seen-time"];
        let Reply::Array(elements) = self else { return self };
        let mut kept = Vec::new();
        let mut elements = elements.into_iter();
        while let Some(element) = elements.next() {
            if matches!(&element, Reply::Text(text) if CHANCE.contains(&&text[..])) {
                elements.next();
            } else {
                kept.push(element.without_chance());
            }
        }
        Reply::Array(kept)
    }
}

fn query(client: &mut Client, arguments: &[&[u8]]) -> Reply {
    client.send(&encode(arguments));
    Reply::parse(&client.reply_bytes())
}

/// What is at a key: its type, when it expires, and its value in an order that does not depend on the
/// server.
fn describe(client: &mut Client, key: &[u8]) -> (String, String, Reply) {
    let type_ = client.ask_args(&[b"TYPE", key]);
    let value = match type_.trim_end() {
        "+string" => query(client, &[b"GET", key]),
        "+list" => query(client, &[b"LRANGE", key, b"0", b"-1"]),
        "+set" => query(client, &[b"SMEMBERS", key]).sorted(1),
        "+zset" => query(client, &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]).with_exact_scores(),
        "+hash" => query(client, &[b"HGETALL", key]).sorted(2),
        "+stream" => query(client, &[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"]).without_chance(),
        _ => panic!("no {}: {type_}", key.escape_ascii()),
    };
    (type_, client.ask_args(&[b"PEXPIRETIME", key]), value)
}

fn encoding(client: &mut Client, key: &[u8]) -> String {
    client.ask_args(&[b"OBJECT", b"ENCODING", key])
}

fn keys(client: &mut Client) -> Vec<Vec<u8>> {
    let keys = query(client, &[b"KEYS", b"*"]).sorted(1).elements();
    keys.into_iter().map(|key| if let Reply::Text(text) = key { text } else { unreachable!() }).collect()
}

/// Asserts that two servers hold the same.
fn assert_same(client: &mut Client, other: &mut Client) {
    let keys_there = keys(client);
    assert_eq!(keys_there.len(), keys(other).len());
    for key in keys_there {
        assert_eq!(describe(client, &key), describe(other, &key), "{}", key.escape_ascii());
    }
}

fn dump(client: &mut Client, key: &[u8]) -> Vec<u8> {
    match query(client, &[b"DUMP", key]) {
        Reply::Text(payload) => payload,
        Reply::Array(_) => unreachable!(),
    }
}

fn restore(client: &mut Client, key: &[u8], payload: &[u8]) -> String {
    client.ask_args(&[b"RESTORE", key, b"0", payload, b"REPLACE"])
}

fn checksum(bytes: &[u8]) -> [u8; 8] {
    Crc::<u64>::new(&CRC_64_REDIS).checksum(bytes).to_le_bytes()
}

/// A payload of a type's number and its value.
fn payload(type_byte: u8, value: &[u8], version: u16) -> Vec<u8> {
    let mut payload = [&[type_byte][..], value, &version.to_le_bytes()].concat();
    payload.extend(checksum(&payload));
    payload
}

/// The same payload, said to be of another version.
fn with_version(dumped: &[u8], version: u16) -> Vec<u8> {
    payload(dumped[0], &dumped[1..dumped.len() - 10], version)
}

/// Bytes without any order.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 88172645463325252u64 + len as u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

type Request = Vec<Vec<u8>>;

/// A request of these words and then these.
fn request(words: &str, more: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Request {
    let words = words.split(' ').map(|word| word.as_bytes().to_vec());
    words.chain(more.into_iter().map(|word| word.as_ref().to_vec())).collect()
}

/// Keys of all types in all their encodings, on either side of each limit; what Redis 7.0 has not is
/// left to us: streams with consumers are dumped in a form that it cannot read, as small sets of texts
/// are.
fn data_set() -> Vec<Request> {
    let mut all = Vec::new();
    // Strings.
    let integers = [
        "0",
        "-1",
        "63",
        "127",
        "128",
        "-128",
        "-129",
        "32767",
        "32768",
        "-32768",
        "-32769",
        "2147483647",
        "2147483648",
        "-2147483648",
        "-2147483649",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "007",
        "-0",
        "3.14",
        "+1",
        " 1",
    ];
    integers.iter().for_each(|n| all.push(request("SET", [format!("integer:{n}"), n.to_string()])));
    all.push(request("SET string:empty", [""]));
    all.push(vec![b"SET".to_vec(), b"".to_vec(), b"the empty key".to_vec()]);
    all.push(vec![b"SET".to_vec(), noise(300), b"a long key of any bytes".to_vec()]);
    for len in [1, 19, 20, 21, 44, 45, 63, 64, 512, 513, 16383, 16384, 65535, 65536, 65537, 200_000] {
        all.push(request(&format!("SET string:noise:{len}"), [noise(len)]));
        all.push(request(&format!("SET string:same:{len}"), ["s".repeat(len)]));
        all.push(request(&format!("SET string:words:{len}"), [&"all work and no play ".repeat(len / 21 + 1)[..len]]));
    }
    all.push(request("PFADD hyperloglog", (0..300).map(|n| n.to_string())));
    all.push(request("SET expires v PXAT 33000000000000", [""; 0]));

    // Elements in all encodings of a listpack.
    let mut elements: Vec<Vec<u8>> = integers.iter().map(|n| n.as_bytes().to_vec()).collect();
    elements.extend(["4095", "4096", "-4096", "-4097", "8388607", "8388608", "-8388609", ""].map(|n| n.into()));
    elements.extend([1, 62, 63, 64].map(noise));
    let long = [4094, 4095, 4096, 16_380, 40_000].map(noise);
    let pairs =
        |values: &[Vec<u8>]| values.iter().flat_map(|v| [[b"f:", &v[..]].concat(), v.clone()]).collect::<Vec<_>>();
    let numbered = |count: usize| (0..count).map(|n| format!("m{n}"));

    // Lists: one listpack, one node, several nodes, elements by themselves.
    all.push(request("RPUSH list:all", &elements));
    all.push(request("RPUSH list:long", long.iter().chain(&elements).chain(&long)));
    for count in [1, 2, 100, 126, 127, 128, 600, 1200, 5000] {
        all.push(request(&format!("RPUSH list:{count}"), numbered(count)));
        all.push(request(&format!("LPUSH list:integers:{count}"), (0..count).map(|n| (n * n).to_string())));
    }
    all.push(request("RPUSH list:giant", [noise(10), noise(1 << 20), noise(10)]));
    all.push(request("RPUSH list:shrunk", (0..3000).map(|n| format!("element {n}"))));
    all.push(request("LTRIM list:shrunk 430 445", [""; 0]));

    // Hashes and sets.
    all.push(request("HSET hash:all", pairs(&elements)));
    all.push(request("HSET hash:long", pairs(&long)));
    for count in [1, 127, 128, 129, 512, 513, 3000] {
        let fields = numbered(count).flat_map(|name| [name.clone(), name.repeat(2)]);
        all.push(request(&format!("HSET hash:{count}"), fields));
        all.push(request(&format!("SADD set:{count}"), numbered(count)));
        for (width, base) in [(16, 0i64), (32, 1 << 30), (64, -(1 << 60))] {
            let members = (0..count as i64).map(|n| (base + n * if base < 0 { -7 } else { 7 }).to_string());
            all.push(request(&format!("SADD intset:{width}:{count}"), members));
        }
        let scored = (0..count).flat_map(|n| [(n as f64 / 3.0).to_string(), format!("m{n}")]);
        all.push(request(&format!("ZADD zset:{count}"), scored));
    }
    all.push(request("SADD set:all", &elements));
    all.push(request("SADD set:long", &long));
    all.push(request("SADD set:mixed", ["1", "2", "3", "four"]));

    // Sorted sets.
    let scores = [
        "0",
        "-0",
        "1",
        "-1",
        "inf",
        "-inf",
        "0.1",
        "1e300",
        "-1e-300",
        "5e-324",
        "1.7976931348623157e308",
        "3.5",
        "127",
        "128",
        "-4097",
        "4611686018427387904",
        "9007199254740993",
        "123456789012345680",
    ];
    let scored = scores.iter().flat_map(|score| [score.to_string(), format!("of {score}")]).collect::<Vec<_>>();
    all.push(request("ZADD zset:scores", &scored));
    let more = numbered(200).flat_map(|name| ["7".to_string(), name]);
    // Redis 7.0 always begins with a listpack, in which -0 is 0.
    all.push(request("ZADD zset:scores:table", more));
    all.push(request("ZADD zset:scores:table", &scored));
    let members = elements.iter().chain(&long).enumerate();
    all.push(request("ZADD zset:members", members.flat_map(|(n, v)| [n.to_string().into_bytes(), v.clone()])));
    all.push(request("GEOADD geo", ["13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania"]));

    // Streams.
    for n in 1..=250 {
        let seq = if n % 3 == 0 { n } else { 0 };
        all.push(request(&format!("XADD stream {}-{seq}", n / 2 + n), ["sensor", "1", "value", &n.to_string()]));
    }
    all.push(request("XADD stream 10000-1", ["other", "field"]));
    all.push(request("XADD stream 9223372036854775807-18446744073709551614", ["the", "end"]));
    for id in ["1-0", "3-3", "100-0", "220-147", "10000-1"] {
        all.push(request(&format!("XDEL stream {id}"), [""; 0]));
    }
    all.push(request("XGROUP CREATE stream group 30-21", [""; 0]));
    all.push(request("XGROUP CREATE stream begin 0 ENTRIESREAD 5", [""; 0]));
    all.push(request("XADD stream:large 1-1", pairs(&long)));
    all.push(request("XADD stream:elements 1-1", pairs(&elements)));
    all.push(request("XADD stream:empty 5-5", ["a", "b"]));
    all.push(request("XDEL stream:empty 5-5", [""; 0]));
    all.push(request("XADD stream:consumers 1-1", ["a", "b"]));
    all.push(request("XADD stream:consumers 1-2", ["a", "c"]));
    all.push(request("XADD stream:consumers 2-0", ["a", "d"]));
    all.push(request("XGROUP CREATE stream:consumers g 0", [""; 0]));
    all.push(request("XGROUP CREATECONSUMER stream:consumers g idle", [""; 0]));
    all.push(request("XREADGROUP GROUP g alice COUNT 2 STREAMS stream:consumers >", [""; 0]));
    all.push(request("XREADGROUP GROUP g bob STREAMS stream:consumers >", [""; 0]));
    all.push(request("XCLAIM stream:consumers g bob 0 1-2 TIME 1700000000000 RETRYCOUNT 9", [""; 0]));
    all.push(request("XCLAIM stream:consumers g alice 0 1-1 TIME 1700000000001 RETRYCOUNT 3", [""; 0]));
    all.push(request("XCLAIM stream:consumers g bob 0 2-0 TIME 1700000000002 RETRYCOUNT 4", [""; 0]));
    all.push(request("XDEL stream:consumers 1-2", [""; 0]));
    all
}

fn fill(client: &mut Client) {
    for request in data_set() {
        let reply = client.ask_args(&request.iter().map(|word| &word[..]).collect::<Vec<_>>());
        assert!(!reply.starts_with('-'), "{}: {reply}", request[1].escape_ascii());
    }
}

// ---- with Redis ----

#[test]
fn redis_takes_what_we_dump_and_we_what_it_dumps() {
    /// Types that Redis 7.0 does not know: sets as listpacks and streams with the times of 7.2.
    const NEW: [u8; 2] = [20, 21];
    let dir = new_folder();
    let Some(redis) = Redis::start(&dir, &[]) else { return };
    let mut redis = redis.connect();
    let (_server, mut ours) = server_and_client();
    fill(&mut redis);
    fill(&mut ours);
    assert_same(&mut ours, &mut redis);
    for key in keys(&mut ours) {
        let (before, made) = (describe(&mut ours, &key), encoding(&mut ours, &key));
        let dumped = dump(&mut ours, &key);
        let name = key.escape_ascii();
        if !NEW.contains(&dumped[0]) {
            assert_eq!(restore(&mut redis, b"copy", &with_version(&dumped, REDIS_70)), "+OK\r\n", "{name}");
            let there = describe(&mut redis, b"copy");
            assert_eq!((&there.0, &there.2), (&before.0, &before.2), "{name}");
        }
        let from_redis = dump(&mut redis, &key);
        for payload in [dumped, from_redis] {
            assert_eq!(restore(&mut ours, b"copy", &payload), "+OK\r\n", "{name}");
            let copy = describe(&mut ours, b"copy");
            assert_eq!((&copy.0, &copy.2), (&before.0, &before.2), "{name}");
            assert_eq!(encoding(&mut ours, b"copy"), made, "{name}");
        }
    }
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn streams_without_consumers_are_of_the_form_that_redis_70_reads() {
    let dir = new_folder();
    let Some(redis) = Redis::start(&dir, &[]) else { return };
    let mut redis = redis.connect();
    let (_server, mut ours) = server_and_client();
    fill(&mut ours);
    for key in ["stream", "stream:large", "stream:elements", "stream:empty"].map(str::as_bytes) {
        let dumped = dump(&mut ours, key);
        let older = payload(19, &dumped[1..dumped.len() - 10], REDIS_70);
        assert_eq!(restore(&mut redis, key, &older), "+OK\r\n");
        assert_eq!(describe(&mut redis, key), describe(&mut ours, key));
    }
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_snapshot_of_redis_is_loaded() {
    let dir = new_folder();
    let Some(server) = Redis::start(&dir, &[]) else { return };
    let mut redis = server.connect();
    fill(&mut redis);
    redis.check(
        "SELECT 9 => +OK
         SET elsewhere 1 => +OK
         SET gone 1 PX 1 => +OK
         # Redis 7.2 would not go back so far.
         SELECT 8 => +OK
         XADD stream 10-1 a b
         XDEL stream 10-1
         XSETID stream 5-5 => +OK
         SELECT 0 => +OK
         SAVE => +OK",
    );
    let (_made, mut made) = server_and_client();
    fill(&mut made);
    let ours = Server::start_in(dir, &[]);
    let mut ours = ours.connect();
    assert_same(&mut ours, &mut redis);
    for key in keys(&mut ours) {
        assert_eq!(encoding(&mut ours, &key), encoding(&mut made, &key), "{}", key.escape_ascii());
    }
    ours.check(
        "SELECT 9 => +OK
         KEYS * => *1 $9 elsewhere
         SELECT 8 => +OK
         XADD stream 5-5 a b => -ERR_The_ID_specified_in_XADD_is_equal_or_smaller_than_the_target_stream_top_item
         DEBUG RELOAD => +OK
         XADD stream 5-6 a b => $3 5-6",
    );
}

/// What Redis's own tool says of a snapshot. It knows the versions of its server.
fn check_with_redis_tool(file: &std::path::Path) {
    match std::process::Command::new("redis-check-rdb").arg(file).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("RDB looks OK"), "{text}");
        }
        Err(_) => println!("skipped: there is no redis-check-rdb"),
    }
}

#[test]
fn redis_loads_our_snapshot_of_its_version() {
    let dir = new_folder();
    let server = Server::start_in(dir.clone(), &["--rdb-version", "10"]);
    let mut ours = server.connect();
    fill(&mut ours);
    ours.check("SELECT 3 => +OK\nSET elsewhere 1 => +OK\nSELECT 0 => +OK\nSAVE => +OK");
    assert_eq!(std::fs::read(dir.join("dump.rdb")).unwrap()[..9], *format!("REDIS{REDIS_70:04}").as_bytes());
    check_with_redis_tool(&dir.join("dump.rdb"));
    // We read it as well, but not what it has no place for.
    ours.check("DEBUG RELOAD => +OK");
    let Some(redis) = Redis::start(&dir, &[]) else { return };
    let mut redis = redis.connect();
    assert_same(&mut ours, &mut redis);
    redis.check("SELECT 3 => +OK\nKEYS * => *1 $9 elsewhere");
    // And back.
    redis.check("SELECT 0 => +OK\nSAVE => +OK");
    let back = Server::start_in(dir, &[]);
    assert_same(&mut back.connect(), &mut redis);
    drop(server);
}

#[test]
fn redis_loads_our_append_only_file_of_its_version() {
    for preamble in ["yes", "no"] {
        let dir = new_folder();
        let on = ["--rdb-version", "10", "--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
        let server = Server::start_in(dir.clone(), &on);
        let mut ours = server.connect();
        fill(&mut ours);
        // COMPAT: no command makes an entry that is gone pending.
        ours.check("XACK stream:consumers g 1-2 => :1");
        // Nor does Redis keep the sign of a zero that comes among the first members.
        ours.ask_args(&[b"ZREM", b"zset:scores:table", b"of -0"]);
        ours.ask("BGREWRITEAOF");
        ours.wait_for_child();
        ours.check("SET after rewrite => +OK");
        let checked = std::process::Command::new("redis-check-aof")
            .arg("appendonlydir/appendonly.aof.manifest")
            .current_dir(&dir)
            .output();
        match checked {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
            Err(_) => println!("skipped: there is no redis-check-aof"),
        }
        let Some(redis) = Redis::start(&dir, &["--appendonly", "yes"]) else { return };
        let mut redis = redis.connect();
        assert_same(&mut ours, &mut redis);
        redis.check("SET from redis => +OK\nBGREWRITEAOF => +Background_append_only_file_rewriting_started");
        wait_until("it has rewritten", || redis.info("aof_rewrite_in_progress") == "0");
        drop(server);
    }
}

#[test]
fn newer_servers_load_our_files_and_we_theirs() {
    for peer in Redis::peers() {
        let dir = new_folder();
        let server = Server::start_in(dir.clone(), &[]);
        let mut ours = server.connect();
        fill(&mut ours);
        ours.check("SELECT 3 => +OK\nSET elsewhere 1 => +OK\nSELECT 0 => +OK\nSAVE => +OK");
        let other = Redis::start_binary(&peer, &dir, &[]).expect("it is there");
        let mut theirs = other.connect();
        assert_same(&mut ours, &mut theirs);
        for key in keys(&mut ours) {
            // How a string was made is not in the file.
            if ours.ask_args(&[b"TYPE", &key]) != "+string\r\n" {
                let (here, there) = (encoding(&mut ours, &key), encoding(&mut theirs, &key));
                assert_eq!(here, there, "{peer}: {}", key.escape_ascii());
            }
        }
        theirs.check("SAVE => +OK");
        let version = String::from_utf8(std::fs::read(dir.join("dump.rdb")).unwrap()[5..9].to_vec()).unwrap();
        if version.parse::<u16>().is_ok_and(|version| version <= 12) {
            assert_same(&mut Server::start_in(dir, &[]).connect(), &mut theirs);
        } else {
            println!("skipped: {peer} writes version {version}, which we do not read");
        }
        drop(server);
    }
}

// ---- alone ----

/// How each key is kept, and until when. Strings do not remember how they were made.
fn encodings(client: &mut Client) -> Vec<(String, String, String)> {
    let keys = keys(client).into_iter();
    keys.map(|key| {
        let (type_, expire_at, _) = describe(client, &key);
        let encoding = if type_ == "+string\r\n" { type_ } else { encoding(client, &key) };
        (key.escape_ascii().to_string(), encoding, expire_at)
    })
    .collect()
}

#[test]
fn a_reload_changes_nothing() {
    for arguments in [&[][..], &["--rdbcompression", "no", "--rdbchecksum", "no"], &["--list-compress-depth", "1"]] {
        let server = Server::start(arguments);
        let mut client = server.connect();
        fill(&mut client);
        client.check(
            "SELECT 15 => +OK
             SET elsewhere v PX 100000000 => +OK
             SELECT 0 => +OK",
        );
        let (digest, before) = (client.ask("DEBUG DIGEST"), encodings(&mut client));
        client.check("DEBUG RELOAD => +OK");
        assert_eq!(client.ask("DEBUG DIGEST"), digest);
        for (after, before) in encodings(&mut client).into_iter().zip(before) {
            assert_eq!(after, before);
        }
        client.check(
            "CONFIG SET list-max-listpack-size -1 hash-max-listpack-value 1 zset-max-listpack-value 1 => +OK
             DEBUG RELOAD NOSAVE => +OK
             DEBUG RELOAD NOFLUSH MERGE => +OK",
        );
        assert_eq!(client.ask("DEBUG DIGEST"), digest);
        client.check(
            "DEBUG RELOAD NOFLUSH => -ERR_Error_trying_to_load_the_RDB_dump,_check_server_logs.
             PING => +PONG",
        );
    }
}

#[test]
fn save_counts_from_then_on() {
    let (server, mut client) = server_and_client();
    let field = |client: &mut Client, name: &str| {
        let info = client.ask("INFO persistence");
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("{name} in {info}")).to_owned()
    };
    client.check("SET a 1 => +OK\nRPUSH b 1 2 => :2\nEXPIRE a 1000 => :1");
    assert_eq!(field(&mut client, "rdb_changes_since_last_save"), "4");
    client.check("SAVE => +OK");
    assert_eq!(field(&mut client, "rdb_changes_since_last_save"), "0");
    assert_eq!(field(&mut client, "rdb_saves"), "1");
    let saved_at = field(&mut client, "rdb_last_save_time");
    assert_eq!(client.ask("LASTSAVE"), format!(":{saved_at}\r\n"));
    client.check(
        "SAVE now => -ERR_wrong_number_of_arguments_for_'save'_command
         SET c 1 => +OK",
    );
    // A folder in the place of the file.
    std::fs::create_dir(server.dir.join("taken")).unwrap();
    client.check("CONFIG SET dbfilename taken => -ERR_CONFIG_SET_failed_(possibly_related_to_argument_'dbfilename')_-_can't_set_protected_config");
    assert_eq!(files_below(&server.dir).iter().filter(|file| file.extension().is_some_and(|e| e == "rdb")).count(), 1);
    let server = Server::start_in(server.kill(), &[]);
    let mut client = server.connect();
    assert_eq!(field(&mut client, "rdb_last_load_keys_loaded"), "2");
    client.check("MGET a c => *2 $1 1 $-1\nLRANGE b 0 -1 => *2 $1 1 $1 2");
}

#[test]
fn a_save_that_fails_says_so() {
    let server = Server::start(&["--dbfilename", "taken"]);
    std::fs::create_dir(server.dir.join("taken")).unwrap();
    let mut client = server.connect();
    client.check("SET a 1 => +OK\nSAVE => -ERR\nDEBUG RELOAD => -ERR\nGET a => $1 1");
    assert!(client.ask("INFO persistence").contains("rdb_changes_since_last_save:1\r\n"));
    assert!(!files_below(&server.dir).iter().any(|file| file.extension().is_some_and(|extension| extension == "rdb")));
}

#[test]
fn a_broken_snapshot_is_refused() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    fill(&mut client);
    client.check("SAVE => +OK");
    let dir = server.kill();
    let file = std::fs::read(dir.join("dump.rdb")).unwrap();
    let refused = |bytes: &[u8], reason: &str| {
        std::fs::write(dir.join("dump.rdb"), bytes).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_rondo"))
            .args(["--port", "0", "--logfile", "", "--dir"])
            .arg(&dir)
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains(reason), "{reason} is not in {log}");
    };
    refused(&file[..file.len() - 1], "unexpected end");
    refused(&file[..file.len() / 2], "unexpected end");
    refused(b"REDIS", "unexpected end");
    refused(b"", "unexpected end");
    refused(b"RUBBISH that is long enough", "not an RDB file");
    refused(b"REDIS0099 that is long enough", "a version that is not known");
    let mut wrong_checksum = file.clone();
    *wrong_checksum.last_mut().unwrap() ^= 1;
    refused(&wrong_checksum, "CRC error");
    std::fs::remove_dir_all(dir).unwrap();
}

// ---- old forms, and what is no form at all ----

/// A string as it stands in a payload.
fn text(bytes: &[u8]) -> Vec<u8> {
    [&[0x80][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// A ziplist; elements that spell integers are written as these.
fn ziplist(elements: &[&str]) -> Vec<u8> {
    let mut entries = Vec::new();
    let (mut previous, mut last) = (0usize, 0);
    for element in elements {
        last = entries.len();
        match previous {
            0..254 => entries.push(previous as u8),
            _ => entries.extend([&[0xfe][..], &(previous as u32).to_le_bytes()].concat()),
        }
        match element.parse::<i64>().ok().filter(|n| n.to_string() == *element) {
            Some(n @ 0..=12) => entries.push(0xf1 + n as u8),
            Some(n) if i8::try_from(n).is_ok() => entries.extend([0xfe, n as u8]),
            Some(n) if i16::try_from(n).is_ok() => entries.extend([&[0xc0][..], &n.to_le_bytes()[..2]].concat()),
            Some(n @ -0x80_0000..=0x7f_ffff) => entries.extend([&[0xf0][..], &n.to_le_bytes()[..3]].concat()),
            Some(n) if i32::try_from(n).is_ok() => entries.extend([&[0xd0][..], &n.to_le_bytes()[..4]].concat()),
            Some(n) => entries.extend([&[0xe0][..], &n.to_le_bytes()].concat()),
            None => {
                match element.len() {
                    len @ 0..0x40 => entries.push(len as u8),
                    len @ 0x40..0x4000 => entries.extend([0x40 | (len >> 8) as u8, len as u8]),
                    len => entries.extend([&[0x80][..], &(len as u32).to_be_bytes()].concat()),
                }
                entries.extend(element.bytes());
            }
        }
        previous = entries.len() - last;
    }
    let len = entries.len() as u32 + 11;
    [
        &len.to_le_bytes()[..],
        &(last as u32 + 10).to_le_bytes(),
        &(elements.len() as u16).to_le_bytes(),
        &entries,
        &[0xff],
    ]
    .concat()
}

fn zipmap(pairs: &[(&str, &str)]) -> Vec<u8> {
    let len = |len: usize| match len {
        0..254 => vec![len as u8],
        _ => [&[0xfe][..], &(len as u32).to_le_bytes()].concat(),
    };
    let mut block = vec![pairs.len() as u8];
    for (n, (key, value)) in pairs.iter().enumerate() {
        block.extend([len(key.len()), key.as_bytes().to_vec(), len(value.len())].concat());
        // Room that a value left behind.
        let unused = n % 3;
        block.push(unused as u8);
        block.extend(value.bytes().chain(std::iter::repeat_n(b'?', unused)));
    }
    block.push(0xff);
    block
}

/// The numbers of types that are not written any more.
const LIST: u8 = 1;
const ZSET: u8 = 3;
const HASH_ZIPMAP: u8 = 9;
const LIST_ZIPLIST: u8 = 10;
const ZSET_ZIPLIST: u8 = 12;
const HASH_ZIPLIST: u8 = 13;
const LIST_QUICKLIST: u8 = 14;
const STREAM: u8 = 15;

#[test]
fn old_forms_are_read() {
    let (_server, mut client) = server_and_client();
    let long = ["b".repeat(63), "c".repeat(64), "d".repeat(300), "e".repeat(17_000)];
    let mut elements = vec![
        "",
        "a",
        "0",
        "12",
        "13",
        "-1",
        "127",
        "128",
        "-128",
        "-129",
        "32767",
        "-32768",
        "32768",
        "8388607",
        "-8388609",
        "2147483647",
        "2147483648",
        "-9223372036854775808",
        "007",
        "1.5",
    ];
    elements.extend(long.iter().map(String::as_str));
    let expected = Reply::Array(elements.iter().map(|e| Reply::Text(e.as_bytes().to_vec())).collect());
    let range: [&[u8]; 4] = [b"LRANGE", b"k", b"0", b"-1"];
    let mut check = |type_byte, value: &[u8], get: &[&[u8]], expected: &Reply, encoding_is: &str| {
        for version in [1, 5, 9] {
            assert_eq!(restore(&mut client, b"k", &payload(type_byte, value, version)), "+OK\r\n", "type {type_byte}");
        }
        let got = query(&mut client, get);
        let got = if get.len() == 2 { got.sorted(2) } else { got };
        for (got, expected) in got.elements().into_iter().zip(expected.clone().elements()) {
            assert_eq!(got, expected, "type {type_byte}");
        }
        assert_eq!(encoding(&mut client, b"k").lines().nth(1), Some(encoding_is), "type {type_byte}");
    };

    // Lists.
    let texts: Vec<Vec<u8>> = elements.iter().map(|element| text(element.as_bytes())).collect();
    check(LIST, &[&[elements.len() as u8][..], &texts.concat()].concat(), &range, &expected, "quicklist");
    let few = Reply::Array(["x", "1"].map(|e| Reply::Text(e.into())).to_vec());
    check(LIST, &[&[2][..], &text(b"x"), &text(b"1")].concat(), &range, &few, "listpack");
    let three = Reply::Array(["x", "1", "-70000"].map(|e| Reply::Text(e.into())).to_vec());
    check(LIST_ZIPLIST, &text(&ziplist(&["x", "1", "-70000"])), &range, &three, "listpack");
    let nodes = [&[3][..], &text(&ziplist(&["x"])), &text(&ziplist(&[])), &text(&ziplist(&["1", "-70000"]))].concat();
    check(LIST_QUICKLIST, &nodes, &range, &three, "quicklist");

    // Hashes.
    let fields: Vec<(String, &str)> =
        elements.iter().map(|e| (format!("f{}", e.len()) + &e[..e.len().min(30)], *e)).collect();
    let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&name[..], *value)).collect();
    let flat: Vec<&str> = pairs.iter().flat_map(|&(name, value)| [name, value]).collect();
    let expected = Reply::Array(flat.iter().map(|e| Reply::Text(e.as_bytes().to_vec())).collect()).sorted(2);
    let get_all: [&[u8]; 2] = [b"HGETALL", b"k"];
    check(HASH_ZIPMAP, &text(&zipmap(&pairs)), &get_all, &expected, "hashtable");
    let small = Reply::Array(["a", "1", "b", ""].map(|e| Reply::Text(e.into())).to_vec());
    check(HASH_ZIPMAP, &text(&zipmap(&[("a", "1"), ("b", "")])), &get_all, &small, "listpack");
    check(HASH_ZIPLIST, &text(&ziplist(&["a", "1", "b", ""])), &get_all, &small, "listpack");
    // However long they are.
    check(HASH_ZIPLIST, &text(&ziplist(&flat)), &get_all, &expected, "listpack");

    // Sorted sets.
    let with_scores: [&[u8]; 5] = [b"ZRANGE", b"k", b"0", b"-1", b"WITHSCORES"];
    let expected = Reply::Array(["a", "1", "b", "2.5"].map(|e| Reply::Text(e.into())).to_vec());
    check(ZSET_ZIPLIST, &text(&ziplist(&["a", "1", "b", "2.5"])), &with_scores, &expected, "listpack");
    check(
        ZSET,
        &[&[2][..], &text(b"b"), b"\x032.5", &text(b"a"), b"\x011"].concat(),
        &with_scores,
        &expected,
        "listpack",
    );
    let expected = Reply::Array(["a", "-inf", "b", "inf"].map(|e| Reply::Text(e.into())).to_vec());
    check(ZSET, &[&[2][..], &text(b"b"), &[254], &text(b"a"), &[255]].concat(), &with_scores, &expected, "listpack");
}

#[test]
fn streams_of_old_versions_are_read() {
    let (_server, mut client) = server_and_client();
    // One node: two entries, of which one is deleted, and a group with one consumer.
    let node = [
        &[39, 0, 0, 0, 19, 0][..],
        // live, deleted, one field, its name
        &[1, 1, 1, 1, 1, 1, 0x81, b'a', 2, 0, 1],
        // SAME_FIELDS, ms, seq, value, elements
        &[2, 1, 0, 1, 0, 1, 7, 1, 4, 1],
        // the same and DELETED
        &[3, 1, 1, 1, 0, 1, 8, 1, 4, 1],
        &[0xff],
    ];
    let mut node = node.concat();
    // Names of other entries are written out: flags, ms, seq, one field, name, value, elements.
    node.pop();
    node.extend([0, 1, 2, 1, 0, 1, 1, 1, 0x81, b'b', 2, 9, 1, 6, 1, 0xff]);
    node[6] = 2;
    let (len, count) = (node.len() as u32, 7 - 2 + 5 + 5 + 7);
    node[..4].copy_from_slice(&len.to_le_bytes());
    node[4..6].copy_from_slice(&(count as u16).to_le_bytes());
    let id = |ms: u64, seq: u64| [ms.to_be_bytes(), seq.to_be_bytes()].concat();
    let head = [&[1][..], &text(&id(5, 0)), &text(&node), &[2, 7, 0]].concat();
    let counters = [5, 0, 6, 0, 3];
    let delivered = [&id(5, 0)[..], &1_700_000_000_000i64.to_le_bytes(), &[4]].concat();
    let consumer = |times: &[i64]| {
        let times: Vec<u8> = times.iter().flat_map(|time| time.to_le_bytes()).collect();
        [&[1, 5][..], b"alice", &times, &[1], &id(5, 0)].concat()
    };
    let group = |entries_read: &[u8]| [&[1, 1, b'g', 5, 0][..], entries_read, &[1], &delivered].concat();
    let seen = 1_600_000_000_000;
    let old = [head.clone(), group(&[]), consumer(&[seen])].concat();
    let of_70 = [head.clone(), counters.to_vec(), group(&[1]), consumer(&[seen])].concat();
    let of_72 = [head, counters.to_vec(), group(&[1]), consumer(&[seen, -1])].concat();
    for (type_byte, value, added, read) in [(STREAM, old, 2, "$-1"), (19, of_70, 3, ":1"), (21, of_72, 3, ":1")] {
        assert_eq!(restore(&mut client, b"s", &payload(type_byte, &value, 9)), "+OK\r\n", "type {type_byte}");
        client.check(
            "XRANGE s - + => *2 *2 $3 5-0 *2 $1 a $1 7 *2 $3 7-0 *2 $1 b $1 9
             XPENDING s g => *4 :1 $3 5-0 $3 5-0 *1 *2 $5 alice $1 1",
        );
        let info = client.ask("XINFO STREAM s FULL");
        assert!(info.contains(&format!("entries-added\r\n:{added}\r\n")), "{info}");
        // One of two was read, if none was ever deleted: that is all that the oldest form tells.
        let read = if type_byte == STREAM { ":1" } else { read };
        assert!(info.contains(&format!("entries-read\r\n{read}\r\n")), "{info}");
        assert!(info.contains(&format!("seen-time\r\n:{seen}\r\n")), "{info}");
        let active = if type_byte == 21 { -1 } else { seen };
        assert!(info.contains(&format!("active-time\r\n:{active}\r\n")), "{info}");
        assert!(
            info.contains("*3\r\n$3\r\n5-0\r\n:1700000000000\r\n:4\r\n") || info.contains(":1700000000000\r\n:4\r\n")
        );
    }
}

#[test]
fn payloads_that_are_no_values_are_refused() {
    const BAD: &str = "-ERR Bad data format\r\n";
    const FOOTER: &str = "-ERR DUMP payload version or checksum are wrong\r\n";
    let (_server, mut client) = server_and_client();
    fill(&mut client);
    for key in keys(&mut client) {
        let dumped = dump(&mut client, &key);
        let value = &dumped[1..dumped.len() - 10];
        // Cut off anywhere, or with something behind.
        let step = 1 + value.len() / 100;
        for end in (0..value.len()).step_by(step) {
            let cut = payload(dumped[0], &value[..end], 11);
            assert_eq!(restore(&mut client, b"bad", &cut), BAD, "{} cut to {end}", key.escape_ascii());
        }
        assert_eq!(restore(&mut client, b"bad", &payload(dumped[0], &[value, b"x"].concat(), 11)), BAD);
        assert_eq!(restore(&mut client, b"bad", &payload(99, value, 11)), BAD);
        assert_eq!(restore(&mut client, b"bad", &with_version(&dumped, 12)), FOOTER);
        let mut wrong = dumped.clone();
        wrong[1] ^= 1;
        assert_eq!(restore(&mut client, b"bad", &wrong), FOOTER);
    }
    assert_eq!(restore(&mut client, b"bad", b""), FOOTER);
    assert_eq!(restore(&mut client, b"bad", b"123456789"), FOOTER);
    assert_eq!(restore(&mut client, b"bad", &payload(0, b"", 11)), BAD);

    let mut bad =
        |type_byte, value: &[u8]| assert_eq!(restore(&mut client, b"bad", &payload(type_byte, value, 11)), BAD);
    // Claims that nothing stands behind.
    let huge = [0x81, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    (0..=21).for_each(|type_byte| bad(type_byte, &huge));
    bad(0, &[&[0xc3, 5][..], &huge, b"abcde"].concat());
    bad(0, &[&[0xc3][..], &huge, &[5], b"abcde"].concat());
    // Nothing in it.
    [1, 2, 3, 4, 5, 14, 18].into_iter().for_each(|type_byte| bad(type_byte, &[0]));
    [10, 12, 13].into_iter().for_each(|type_byte| bad(type_byte, &text(&ziplist(&[]))));
    bad(9, &text(&zipmap(&[])));
    bad(11, &text(&[2, 0, 0, 0, 0, 0, 0, 0]));
    [16, 17, 20].into_iter().for_each(|type_byte| bad(type_byte, &text(&[7, 0, 0, 0, 0, 0, 0xff])));
    // The same twice.
    let twice = [&[2][..], &text(b"a"), &text(b"a")].concat();
    bad(2, &twice);
    bad(4, &[&[2][..], &text(b"a"), &text(b"1"), &text(b"a"), &text(b"2")].concat());
    bad(5, &[&[2][..], &text(b"a"), &[0; 8], &text(b"a"), &[0; 8]].concat());
    bad(9, &text(&zipmap(&[("a", "1"), ("a", "2")])));
    bad(11, &text(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0]));
    bad(12, &text(&ziplist(&["a", "1", "a", "2"])));
    bad(13, &text(&ziplist(&["a", "1", "a", "2"])));
    // A pair that is half, a score that is none.
    bad(12, &text(&ziplist(&["a"])));
    bad(13, &text(&ziplist(&["a", "1", "b"])));
    bad(12, &text(&ziplist(&["a", "much"])));
    bad(3, &[&[1][..], &text(b"a"), &[253]].concat());
    bad(5, &[&[1][..], &text(b"a"), &f64::NAN.to_le_bytes()].concat());
    client.check("EXISTS bad => :0\nPING => +PONG");
}

#[test]
fn keys_without_elements_are_left_out() {
    let key =
        |type_byte: u8, name: &str, value: &[u8]| [&[type_byte, name.len() as u8][..], name.as_bytes(), value].concat();
    let file = [
        b"REDIS0009".to_vec(),
        key(0, "before", &text(b"1")),
        key(2, "set", &[0]),
        key(14, "list", &[&[1][..], &text(&ziplist(&[]))].concat()),
        key(13, "hash", &text(&ziplist(&[]))),
        key(0, "after", &text(b"1")),
        vec![255],
        vec![0; 8],
    ];
    let dir = new_folder();
    std::fs::write(dir.join("dump.rdb"), file.concat()).unwrap();
    let server = Server::start_in(dir, &[]);
    server.connect().check("DBSIZE => :2\nMGET before after => *2 $1 1 $1 1");
    assert!(server.log().contains("skipping empty key: list"));
    assert!(server.log().contains("keys loaded: 2, keys expired: 0, empty keys skipped: 3."));
}
