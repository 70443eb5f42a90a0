//! Reads the input as changes to a quicklist and makes the same ones to a `Vec`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::encoding::quicklist::{Element, End, Fill, Quicklist};
use std::ops::ControlFlow;

/// Elements from this length on have nodes to themselves.
const ALONE_FROM: usize = 600;

/// The input, taken a piece at a time.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<usize> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(usize::from(byte))
    }

    /// Some bytes of the input, at times over and over.
    fn element(&mut self) -> Option<Vec<u8>> {
        let (len, times) = (self.byte()?, self.byte()?);
        let (element, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        Some(element.repeat(if times > 240 { times - 200 } else { 1 }))
    }
}

fn end(number: usize) -> End {
    if number % 2 == 0 { End::Head } else { End::Tail }
}

fn change(input: &mut Input, list: &mut Quicklist, oracle: &mut Vec<Vec<u8>>) -> Option<()> {
    let operation = input.byte()? % 8;
    let at = input.byte()?;
    let len = oracle.len();
    match operation {
        0 | 1 => {
            let element = input.element()?;
            list.push(end(at), Element::Slice(&element), ALONE_FROM);
            oracle.insert(if end(at) == End::Head { 0 } else { len }, element);
        }
        2 => {
            let popped = match end(at) {
                _ if len == 0 => None,
                End::Head => Some(oracle.remove(0)),
                End::Tail => oracle.pop(),
            };
            assert_eq!(list.pop(end(at), |element| element.to_vec()), popped);
        }
        3 if len > 0 => {
            let (pivot, after, element) = (at % len, input.byte()? % 2, input.element()?);
            list.insert(pivot, after == 1, Element::Slice(&element), ALONE_FROM);
            oracle.insert(pivot + after, element);
        }
        4 if len > 0 => {
            let element = input.element()?;
            list.replace(at % len, Element::Slice(&element), ALONE_FROM);
            oracle[at % len] = element;
        }
        5 if len > 0 => {
            let start = at % len;
            let end = len.min(start + input.byte()?);
            list.remove_range(start..end);
            oracle.drain(start..end);
        }
        6 if len > 0 => {
            let (element, backward, max) = (oracle[at % len].clone(), input.byte()? % 2 == 1, 1 + input.byte()?);
            let mut equal: Vec<usize> = (0..len).filter(|&index| oracle[index] == element).collect();
            if backward {
                equal.reverse();
            }
            equal.truncate(max);
            assert_eq!(list.remove_equal(&element, backward, max), equal.len());
            equal.sort();
            equal.iter().rev().for_each(|&index| drop(oracle.remove(index)));
        }
        7 => *list = list.clone(),
        _ => {}
    }
    Some(())
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let (Some(fill), Some(depth)) = (input.byte(), input.byte()) else { return };
    let (mut list, mut oracle) = (Quicklist::new(Fill::new(fill as i32 % 20 - 5), depth % 4), Vec::new());
    while change(&mut input, &mut list, &mut oracle).is_some() {
        assert_eq!(list.len(), oracle.len());
        for backward in [false, true] {
            let mut seen = 0;
            let broke_off = list.visit::<()>(0..list.len(), backward, |index, element| {
                assert_eq!(*element, *oracle[index]);
                seen += 1;
                ControlFlow::Continue(())
            });
            assert!(broke_off.is_none() && seen == oracle.len());
        }
    }
});
