//! Takes the input for a snapshot. What it loads is saved and loaded again, and the same comes of it when
//! it is fed piece by piece.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::config::Config;
use rondo::keyspace::Keyspace;
use rondo::persist::rdb::{DataSet, LoadFor, LoadStep, RdbLoad, VERSION, save_data_set};

fuzz_target!(|input: &[u8]| {
    // A fuzzer does not guess checksums.
    let config = Config { rdbchecksum: false, ..Config::default() };
    let (mut keyspace, mut again) = (Keyspace::new(4, 1), Keyspace::new(4, 2));
    let load = |bytes: &[u8], keyspace: &mut Keyspace, purpose| {
        RdbLoad::new(bytes, purpose, &config).run(keyspace, &config).is_ok()
    };
    let is_whole = load(input, &mut keyspace, LoadFor::Start);
    let mut file = Vec::new();
    let aux = [("name", "value".to_owned())];
    let data_set = DataSet { keyspace: &keyspace, with_keys: true, libraries: &[], aux: &aux };
    save_data_set(&data_set, &config, VERSION, &mut file, &mut || ()).unwrap();
    assert!(load(&file, &mut again, LoadFor::Start), "what was saved can be loaded");
    assert_eq!(again.digest(), keyspace.digest());
    if is_whole {
        // The same, of which each key replaces itself.
        assert!(load(input, &mut again, LoadFor::Merge));
        assert_eq!(again.digest(), keyspace.digest());
    }
    let mut in_pieces = Keyspace::new(4, 3);
    let mut fed = RdbLoad::fed(LoadFor::Start, &config);
    let mut step = Ok(LoadStep::NotYet);
    for piece in input.chunks(input.len() / 7 + 1) {
        fed.feed(piece);
        step = Ok(LoadStep::More);
        while let Ok(LoadStep::More) = step {
            step = fed.step(&mut in_pieces, &config, 64);
        }
        if !matches!(step, Ok(LoadStep::NotYet)) {
            break;
        }
    }
    assert_eq!(matches!(step, Ok(LoadStep::Done)), is_whole);
    if is_whole {
        assert_eq!(in_pieces.digest(), again.digest());
    }
});
