//! Takes the input for a value in a payload of any type. If it is one, it is saved as it was loaded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::config::Config;
use rondo::keyspace::Entry;
use rondo::persist::rdb::{KeyFacts, Reader, ValueType, Writer, load_value, save_value, value_type};
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
        save_value(&entry, &mut Writer::new(&mut saved, compress)).unwrap();
        let again = load(value_type(&entry), &saved).expect("what was saved can be loaded");
        assert_eq!(again.digest(), entry.digest());
    }
    let copy = entry.duplicate(b"copy", None);
    assert_eq!(copy.digest(), entry.digest());
});
