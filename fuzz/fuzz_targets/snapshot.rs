//! Takes the input for a snapshot. What it loads is saved and loaded again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::config::Config;
use rondo::keyspace::Keyspace;
use rondo::persist::rdb::{LoadFor, load_data_set, save_data_set};

fuzz_target!(|input: &[u8]| {
    // A fuzzer does not guess checksums.
    let config = Config { rdbchecksum: false, ..Config::default() };
    let (mut keyspace, mut again) = (Keyspace::new(4, 1), Keyspace::new(4, 2));
    let loaded = load_data_set(&mut &input[..], &mut keyspace, &config, LoadFor::Start);
    let mut file = Vec::new();
    save_data_set(&keyspace, &config, &[("name", "value".to_owned())], &mut file, &mut || ()).unwrap();
    load_data_set(&mut &file[..], &mut again, &config, LoadFor::Start).expect("what was saved can be loaded");
    assert_eq!(again.digest(), keyspace.digest());
    if loaded.is_ok() {
        // The same, of which each key replaces itself.
        load_data_set(&mut &input[..], &mut again, &config, LoadFor::Merge).expect("it could be loaded");
        assert_eq!(again.digest(), keyspace.digest());
    }
});
