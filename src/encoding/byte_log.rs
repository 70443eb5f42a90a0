//! A window of an endless stream of bytes: written at its end, dropped at its start, read from any
//! offset between.
//!
//! ```text
//! start                        end
//!   |  block  |  block  |  blo |
//! ```
//!
//! All blocks but the last are full, so the block of an offset is found by arithmetic. Several readers
//! share the bytes; each keeps nothing but its offset.

use std::collections::VecDeque;

/// Bytes of a block.
const BLOCK: usize = 8 << 10;

pub struct ByteLog {
    blocks: VecDeque<Vec<u8>>,
    /// The offset of the first block's first byte.
    base: u64,
    /// The first byte that is in the window.
    start: u64,
    end: u64,
    /// A block to be used again: a window that moves allocates nothing.
    spare: Option<Vec<u8>>,
}

impl ByteLog {
    /// An empty window at an offset of the stream.
    pub fn at(offset: u64) -> ByteLog {
        ByteLog { blocks: VecDeque::new(), base: offset, start: offset, end: offset, spare: None }
    }

    /// The offset of the first byte that is there.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The offset of the byte that is appended next.
    pub fn end(&self) -> u64 {
        self.end
    }

    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes of memory.
    pub fn allocated(&self) -> usize {
        let blocks = self.blocks.len() + self.spare.is_some() as usize;
        blocks * BLOCK + self.blocks.capacity() * size_of::<Vec<u8>>()
    }

    pub fn append(&mut self, mut bytes: &[u8]) {
        self.end += bytes.len() as u64;
        loop {
            if let Some(last) = self.blocks.back_mut() {
                let room = (BLOCK - last.len()).min(bytes.len());
                last.extend_from_slice(&bytes[..room]);
                bytes = &bytes[room..];
            }
            if bytes.is_empty() {
                return;
            }
            let block = self.spare.take().unwrap_or_else(|| Vec::with_capacity(BLOCK));
            self.blocks.push_back(block);
        }
    }

    /// Forgets what comes before an offset.
    pub fn drop_before(&mut self, offset: u64) {
        self.start = offset.clamp(self.start, self.end);
        while self.blocks.front().is_some_and(|first| self.base + first.len() as u64 <= self.start) {
            let mut block = self.blocks.pop_front().expect("there is a first");
            self.base += block.len() as u64;
            block.clear();
            self.spare = Some(block);
        }
    }

    /// What is there from an offset on, which must be in the window or at its end.
    pub fn slices_from(&self, offset: u64) -> impl Iterator<Item = &[u8]> {
        debug_assert!((self.start..=self.end).contains(&offset));
        let from = (offset - self.base) as usize;
        // Only the first block differs: it has the bytes before the offset as well.
        self.blocks.iter().skip(from / BLOCK).enumerate().map(move |(at, block)| match at {
            0 => &block[from % BLOCK..],
            _ => &block[..],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Append(usize),
        Drop(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0usize..100).prop_map(Step::Append),
            (0usize..4 * BLOCK).prop_map(Step::Append),
            (0u64..4 * BLOCK as u64).prop_map(Step::Drop),
        ];
        proptest::collection::vec(step, 1..40)
    }

    proptest! {
        #[test]
        fn is_a_window_of_all_that_was_appended(first in 0u64..1000, steps in steps()) {
            let (mut log, mut all) = (ByteLog::at(first), Vec::new());
            for step in steps {
                match step {
                    Step::Append(len) => {
                        let bytes: Vec<u8> = (0..len).map(|i| (all.len() + i) as u8 ^ (i >> 8) as u8).collect();
                        log.append(&bytes);
                        all.extend(bytes);
                    }
                    Step::Drop(count) => {
                        let (start, end) = (log.start(), log.end());
                        log.drop_before(start + count);
                        prop_assert_eq!(log.start(), (start + count).min(end));
                    }
                }
                prop_assert_eq!(log.end(), first + all.len() as u64);
                // Less than a block each at the start, at the end, spare, and for the table of the blocks.
                prop_assert!(log.allocated() as u64 <= log.len() + 4 * BLOCK as u64);
                for offset in [log.start(), log.start() + log.len() / 2, log.end()] {
                    let read: Vec<u8> = log.slices_from(offset).flatten().copied().collect();
                    prop_assert_eq!(&read[..], &all[(offset - first) as usize..]);
                }
            }
        }
    }
}
