//! Takes the input for a value in a payload of any type. If it is one, it is saved as it was loaded,
//! and commands of its type can change it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::commands::FAMILIES;
use rondo::config::Config;
use rondo::keyspace::{Entry, Keyspace};
use rondo::persist::rdb::{KeyFacts, Reader, VERSION, ValueType, Writer, load_value, save_value, value_type};
use rondo::resp::{Output, OwnedRequest, Reply};
use rondo::server::command_table::CommandTable;
use rondo::server::acl::Acl;
use rondo::server::command::Caller;
use rondo::server::{ClientFlags, DataContext, Handler};
use std::sync::LazyLock;

/// Limits that are small enough for a fuzzer to get beyond.
static CONFIG: LazyLock<Config> = LazyLock::new(|| Config {
    hash_max_listpack_entries: 8,
    set_max_listpack_entries: 8,
    set_max_intset_entries: 16,
    zset_max_listpack_entries: 8,
    list_max_listpack_size: 6,
    list_compress_depth: 1,
    ..Config::default()
});

fn load(value_type: ValueType, value: &[u8]) -> Option<Entry> {
    let key = KeyFacts { name: b"key", expire_at: None, clock: 0 };
    let mut reader = Reader::of_payload(value);
    let entry = load_value(&key, value_type, &mut reader, &CONFIG).ok();
    entry.filter(|_| reader.position() == value.len() as u64)
}

fuzz_target!(|input: &[u8]| {
    let Some((&type_byte, value)) = input.split_first() else { return };
    // All numbers of types are below this.
    let Some(as_type) = ValueType::from_byte(type_byte % 22) else { return };
    let Some(entry) = load(as_type, value) else { return };
    for compress in [false, true] {
        let mut saved = Vec::new();
        save_value(&entry, &mut Writer::new(&mut saved, VERSION, compress)).unwrap();
        let again = load(value_type(&entry, VERSION), &saved).expect("what was saved can be loaded");
        assert_eq!(again.digest(), entry.digest());
    }
    let copy = entry.duplicate(b"copy", None);
    assert_eq!(copy.digest(), entry.digest());
    change(entry);
});

/// What is done to the value, whatever its type: most of it suits another.
const CHANGES: &str = "APPEND key tail|SETRANGE key 3 x|GETRANGE key 0 -1
    RPUSH key 7 b c|LPUSH key d|LSET key 0 e|LINSERT key AFTER e f|LREM key 0 b|LPOP key 3|RPOP key|LTRIM key 1 -2
    SADD key 1 2 member|SREM key 1|SPOP key 2|SMEMBERS key
    HSET key field value 7 8|HINCRBY key 7 1|HDEL key field|HGETALL key
    ZADD key 1 a 2 b inf c|ZINCRBY key 1.5 a|ZREM key b|ZPOPMAX key|ZREMRANGEBYRANK key 1 2|ZRANGE key 0 -1
    XADD key MAXLEN ~ 5 * f v|XDEL key 1-1|XTRIM key MAXLEN 2|XRANGE key - +|XGROUP CREATE key group 0";

static COMMANDS: LazyLock<CommandTable> = LazyLock::new(|| CommandTable::new(FAMILIES, &[]));

fn change(entry: Entry) {
    let mut keyspace = Keyspace::new(1, 0);
    keyspace.put(entry);
    let acl = Acl::new(&COMMANDS);
    for line in CHANGES.split(['|', '\n']) {
        let words: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        let mut found = COMMANDS.find(words[0]).expect("a command");
        if !found.command.subcommands.is_empty() {
            found = COMMANDS.find_subcommand(found, words[1]).expect("a subcommand");
        }
        let Handler::Data(run) = found.command.handler else { panic!("{line} is no data command") };
        let request = OwnedRequest::new(words.into_iter());
        let mut output = Output::default();
        let reply = Reply::new(&mut output, false);
        // An error, such as that of another type, is an answer like any other.
        let mut context = DataContext {
            keyspace: &mut keyspace,
            reply,
            config: &CONFIG,
            caller: Caller { flags: ClientFlags::empty(), user: acl.default_user(), found },
        };
        let _ = run(&mut context, &request.args());
    }
}
