//! Reads the input as changes to a listpack and makes the same ones to a `Vec`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::encoding::listpack::Listpack;

/// The input, taken a piece at a time.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<usize> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(usize::from(byte))
    }

    /// Up to 510 bytes, so that there are elements of both layouts.
    fn element(&mut self) -> Option<&'a [u8]> {
        let len = self.byte()? + self.byte()?;
        let (element, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        Some(element)
    }
}

fn change(input: &mut Input, listpack: &mut Listpack, oracle: &mut Vec<Vec<u8>>) -> Option<()> {
    let operation = input.byte()? % 8;
    let at = input.byte()?;
    let before = at % (oracle.len() + 1);
    match operation {
        0 => {
            let element = input.element()?;
            listpack.push(element);
            oracle.push(element.to_vec());
        }
        1 => {
            let element = input.element()?;
            listpack.insert(before, element);
            oracle.insert(before, element.to_vec());
        }
        2 => {
            let (field, value) = (input.element()?, input.element()?);
            listpack.insert_pair(before, field, value);
            oracle.splice(before..before, [field.to_vec(), value.to_vec()]);
        }
        3 if before < oracle.len() => {
            let element = input.element()?;
            listpack.replace(before, element);
            oracle[before] = element.to_vec();
        }
        4 if before < oracle.len() => {
            listpack.remove(before);
            oracle.remove(before);
        }
        5 => {
            let end = oracle.len().min(before + input.byte()?);
            listpack.remove_range(before..end);
            oracle.drain(before..end);
        }
        6 => *listpack = listpack.clone(),
        7 => {
            let (needle, stride) = (input.element()?, 1 + input.byte()? % 3);
            let expected = (before..oracle.len())
                .step_by(stride)
                .find(|&index| oracle[index] == needle);
            assert_eq!(listpack.find(needle, stride, before), expected);
        }
        _ => {}
    }
    Some(())
}

fuzz_target!(|bytes: &[u8]| {
    let (mut listpack, mut oracle) = (Listpack::new(), Vec::new());
    let mut input = Input(bytes);
    while change(&mut input, &mut listpack, &mut oracle).is_some() {
        assert!(listpack.iter().eq(&oracle));
        assert!(listpack.iter().rev().eq(oracle.iter().rev()));
    }
    for (index, element) in oracle.iter().enumerate() {
        assert_eq!(listpack.get(index), Some(element.as_slice()));
        let first = oracle.iter().position(|other| other == element);
        assert_eq!(listpack.find(element, 1, 0), first);
    }
});
