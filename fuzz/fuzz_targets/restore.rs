//! Takes the input for a value in a payload of any type. If it is one, it is saved as it was loaded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::config::{self, Config};
use rondo::keyspace::Entry;
use rondo::persist::rdb::{KeyFacts, Reader, ValueType, load_value, save_value, value_type};
use std::sync::LazyLock;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let mut config = config::defaults();
    // Small enough for a fuzzer to get beyond.
    config.hash_max_listpack_entries = 8;
    config.set_max_listpack_entries = 8;
    config.set_max_intset_entries = 16;
    config.zset_max_listpack_entries = 8;
    config.list_max_listpack_size = 6;
    config.list_compress_depth = 1;
    config
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
        save_value(&entry, compress, &mut saved).unwrap();
        let again = load(value_type(&entry), &saved).expect("what was saved can be loaded");
        assert_eq!(again.digest(), entry.digest());
    }
    assert_eq!(entry.clone().digest(), entry.digest());
});
