//! Any text either loads or is refused with a reason, and what loads is the same after being
//! written out and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::config::{Config, DIRECTIVES};
use rondo::encoding::words::{join_words, split_words};

fuzz_target!(|text: &[u8]| {
    if let Some(words) = split_words(text) {
        assert_eq!(split_words(&join_words(&words)), Some(words));
    }
    // Whatever names a file would make the outcome depend on the machine.
    if text.to_ascii_lowercase().windows(7).any(|part| part == b"include") {
        return;
    }
    match Config::from_text(text) {
        Ok(config) => {
            let _ = config.warnings();
            let copy = Config::from_text(&config.to_text()).unwrap();
            for directive in DIRECTIVES {
                assert!(directive.same(&copy, &config), "{directive:?}");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
