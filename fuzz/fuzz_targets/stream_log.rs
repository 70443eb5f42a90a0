//! Reads the input as changes to a stream's log and makes the same ones to a `BTreeMap`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rondo::encoding::stream_log::{LogEntry, NodeLimits, StreamId, StreamLog, Trim};
use std::collections::BTreeMap;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// The input, taken a piece at a time.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<usize> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(usize::from(byte))
    }

    /// Up to 510 bytes, so that lengths take one byte or two.
    fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.byte()? + self.byte()?;
        let (text, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        Some(text)
    }

    /// Small or not.
    fn number(&mut self) -> Option<u64> {
        let (n, shift) = (self.byte()? as u64, self.byte()? % 8 * 8);
        Some(if shift < 40 { n } else { n << (shift - 8) })
    }
}

fn fields(entry: LogEntry) -> Fields {
    entry.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

/// The id of one of the entries, or next to it.
fn pick(input: &mut Input, oracle: &BTreeMap<StreamId, Fields>) -> Option<StreamId> {
    let (n, beside) = (input.byte()?, input.byte()? % 4);
    let id = oracle.keys().nth(n % oracle.len().max(1)).copied().unwrap_or_default();
    Some(match beside {
        0 => id.next().unwrap_or(id),
        1 => id.previous().unwrap_or(id),
        _ => id,
    })
}

fn change(input: &mut Input, log: &mut StreamLog, oracle: &mut BTreeMap<StreamId, Fields>, last: &mut StreamId) -> Option<()> {
    match input.byte()? % 8 {
        0..4 => {
            let (ms, seq) = (input.number()?, input.number()?);
            let id = match ms {
                0 => StreamId::new(last.ms, last.seq.saturating_add(1).saturating_add(seq)),
                _ => StreamId::new(last.ms.saturating_add(ms), seq),
            };
            let mut new: Fields = Vec::new();
            for n in 0..input.byte()? % 4 {
                // Names that come again, and others.
                let name = if input.byte()? % 4 > 0 { vec![n as u8] } else { input.text()?.to_vec() };
                new.push((name, input.text()?.to_vec()));
            }
            if id > *last {
                let limits = NodeLimits { bytes: 600, entries: 5 };
                log.push(id, new.iter().map(|(name, value)| (&name[..], &value[..])), limits);
                oracle.insert(id, new);
                *last = id;
            }
        }
        4 => {
            let id = pick(input, oracle)?;
            assert_eq!(log.remove(id), oracle.remove(&id).is_some());
        }
        5 => {
            let trim = match input.byte()? {
                len @ 0..128 => Trim::ToLen(len as u64 / 8),
                _ => Trim::Before(pick(input, oracle)?),
            };
            let approximate = input.byte()? % 2 == 0;
            let limit = if approximate { input.byte()? as u64 % 16 } else { 0 };
            let wanted = match trim {
                Trim::ToLen(len) => (oracle.len() as u64).saturating_sub(len),
                Trim::Before(id) => oracle.range(..id).count() as u64,
            };
            let trimmed = log.trim(trim, approximate, limit);
            assert!(trimmed <= wanted && (approximate || trimmed == wanted) && (limit == 0 || trimmed <= limit));
            for _ in 0..trimmed {
                oracle.pop_first();
            }
        }
        6 => *log = log.clone(),
        _ => {
            let (from, to) = (pick(input, oracle)?, pick(input, oracle)?);
            let expected: Vec<_> = oracle.iter().filter(|(id, _)| (from..=to).contains(id)).collect();
            assert!(log.range(from, to).map(|entry| entry.id).eq(expected.iter().map(|(id, _)| **id)));
            assert!(log.range_back(from, to).map(|entry| entry.id).eq(expected.iter().rev().map(|(id, _)| **id)));
            assert_eq!(log.get(from).map(fields).as_ref(), oracle.get(&from));
        }
    }
    Some(())
}

fuzz_target!(|bytes: &[u8]| {
    let (mut log, mut oracle, mut last) = (StreamLog::default(), BTreeMap::new(), StreamId::MIN);
    let mut input = Input(bytes);
    while change(&mut input, &mut log, &mut oracle, &mut last).is_some() {
        assert_eq!(log.len(), oracle.len() as u64);
        assert_eq!(log.first_id(), oracle.keys().next().copied());
        assert_eq!(log.last_id(), oracle.keys().next_back().copied());
    }
    let all = log.range(StreamId::MIN, StreamId::MAX).map(|entry| (entry.id, fields(entry)));
    assert!(all.eq(oracle.clone()));
    assert!(log.by_node().flatten().map(|entry| entry.id).eq(oracle.keys().copied()));
});
