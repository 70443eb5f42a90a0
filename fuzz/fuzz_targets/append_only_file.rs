//! Takes the input for a file of the append-only file and checks it. What the checker cuts off makes it
//! valid, and changes nothing of what comes before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::persist::check::{Repair, check_aof};
use std::fs;

fuzz_target!(|input: &[u8]| {
    // A manifest names further files.
    if input.starts_with(b"file ") || input.starts_with(b"#") {
        return;
    }
    let path = std::env::temp_dir().join(format!("rondo-fuzz-aof-{}", std::process::id()));
    fs::write(&path, input).unwrap();
    let check = |repair| check_aof(&path, repair, &mut &b"y\n"[..], &mut Vec::new());
    // A broken data set in front of the commands is an error.
    if let Ok(fixed) = check(Repair::Fix) {
        assert!(fixed);
        let left = fs::read(&path).unwrap();
        assert!(input.starts_with(&left));
        assert!(check(Repair::None).unwrap(), "what was repaired is valid");
    }
    for number in 0.. {
        let suffix = if number == 0 { String::new() } else { format!(".{number}") };
        let kept = format!("{}.cut-{}{suffix}", path.display(), fs::metadata(&path).unwrap().len());
        if fs::remove_file(kept).is_err() {
            break;
        }
    }
});
