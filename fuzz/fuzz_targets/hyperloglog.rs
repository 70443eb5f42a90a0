//! Takes the input for a HyperLogLog's bytes, whatever they are, and does everything with them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::encoding::hyperloglog::{HyperLogLog, REGISTERS, estimate_of, register_of};

fuzz_target!(|input: (u8, &[u8], [u8; 11], Vec<&[u8]>)| {
    let (encoding, registers, rest, elements) = input;
    let _ = HyperLogLog::new(registers);
    let mut bytes = [b"HYLL", &[encoding % 2][..], &rest, registers].concat();
    if encoding % 2 == 0 {
        bytes.resize(12304, encoding);
    }
    let Some(mut hll) = HyperLogLog::new(bytes) else { return };
    let mut before = [0; REGISTERS];
    let is_right = hll.merge_into(&mut before).is_ok();
    assert_eq!(hll.estimate().ok(), is_right.then(|| estimate_of(&before)));
    for element in elements {
        let (index, rank) = register_of(element);
        match hll.raise((index, rank), 64 + encoding as usize * 8) {
            Ok(raised) if is_right => assert_eq!(raised, before[index] < rank),
            Ok(_) => (),
            Err(_) => assert!(!is_right),
        }
        before[index] = rank.max(before[index]);
    }
    let mut after = [0; REGISTERS];
    assert_eq!(hll.merge_into(&mut after).is_ok(), is_right);
    if is_right {
        assert_eq!(after, before);
        hll.make_dense().unwrap();
        assert_eq!(hll.estimate(), Ok(estimate_of(&before)));
    }
});
