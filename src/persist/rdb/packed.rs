//! The blocks in which Redis keeps small values, and which its files hold as they are: listpacks,
//! before 7.0 ziplists, before 2.6 zipmaps. We keep small values otherwise, so a block is made for
//! writing and taken apart when read.
//!
//! ```text
//! listpack  bytes u32 | elements u16 (0xffff: unknown) | element ... | 0xff
//! element   encoding and data | length of both, readable from behind
//! ```

use crate::encoding::number::{i64_text_len, parse_i64};
use crate::encoding::packed_size::back_len_size;

const END: u8 = 0xff;
/// The count that stands for one too large for its field.
const UNKNOWN_COUNT: u16 = u16::MAX;

/// An element of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packed<'a> {
    Int(i64),
    Text(&'a [u8]),
}

impl<'a> Packed<'a> {
    /// The bytes; those of an integer are written into `digits` first.
    pub fn bytes<'b>(self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Packed::Int(value) => digits.format(value).as_bytes(),
            Packed::Text(text) => text,
        }
    }

    /// The number of its bytes.
    pub fn len(self) -> usize {
        match self {
            Packed::Int(value) => i64_text_len(value),
            Packed::Text(text) => text.len(),
        }
    }

    /// The integer that it is or spells.
    pub fn integer(self) -> Option<i64> {
        match self {
            Packed::Int(value) => Some(value),
            Packed::Text(text) => parse_i64(text),
        }
    }
}

/// Makes a listpack.
pub struct ListpackBuilder {
    bytes: Vec<u8>,
    count: usize,
}

const LISTPACK_HEADER: usize = 6;

impl ListpackBuilder {
    pub fn new() -> ListpackBuilder {
        ListpackBuilder { bytes: vec![0; LISTPACK_HEADER], count: 0 }
    }

    pub fn push(&mut self, text: &[u8]) {
        match parse_i64(text) {
            Some(value) => self.push_int(value),
            None => self.push_text(text),
        }
    }

    fn push_text(&mut self, text: &[u8]) {
        let start = self.bytes.len();
        match text.len() {
            len @ 0..0x40 => self.bytes.push(0x80 | len as u8),
            len @ 0x40..0x1000 => self.bytes.extend_from_slice(&[0xe0 | (len >> 8) as u8, len as u8]),
            len => {
                self.bytes.push(0xf0);
                self.bytes.extend_from_slice(&(len as u32).to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(text);
        self.end_element(start);
    }

    pub fn push_int(&mut self, value: i64) {
        let start = self.bytes.len();
        let little = value.to_le_bytes();
        match value {
            0..=127 => self.bytes.push(value as u8),
            -4096..=4095 => {
                let value = value as u16 & 0x1fff;
                self.bytes.extend_from_slice(&[0xc0 | (value >> 8) as u8, value as u8]);
            }
            _ => {
                let (code, width) = match value {
                    -0x8000..=0x7fff => (0xf1, 2),
                    -0x80_0000..=0x7f_ffff => (0xf2, 3),
                    -0x8000_0000..=0x7fff_ffff => (0xf3, 4),
                    _ => (0xf4, 8),
                };
                self.bytes.push(code);
                self.bytes.extend_from_slice(&little[..width]);
            }
        }
        self.end_element(start);
    }

    fn end_element(&mut self, start: usize) {
        let len = self.bytes.len() - start;
        let (back, back_len) = back_len(len);
        self.bytes.extend_from_slice(&back[..back_len]);
        self.count += 1;
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let len = self.bytes.len() as u32;
        let count = u16::try_from(self.count).unwrap_or(UNKNOWN_COUNT);
        self.bytes[..4].copy_from_slice(&len.to_le_bytes());
        self.bytes[4..LISTPACK_HEADER].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

impl Default for ListpackBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// The length of an element as it stands behind it: seven bits a byte, the first byte the highest,
/// all but the first with their top bit set.
fn back_len(len: usize) -> ([u8; 5], usize) {
    let bytes = back_len_size(len);
    let mut back = [0; 5];
    for (i, byte) in back[..bytes].iter_mut().enumerate() {
        *byte = (len >> (7 * (bytes - 1 - i)) & 0x7f) as u8 | if i > 0 { 0x80 } else { 0 };
    }
    (back, bytes)
}

/// Takes bytes off the front of a block.
struct Front<'a>(&'a [u8]);

impl<'a> Front<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(front)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().expect("four bytes")))
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().expect("two bytes")))
    }

    /// A little-endian integer with a sign.
    fn int(&mut self, width: usize) -> Option<i64> {
        let mut bytes = [0; 8];
        bytes[8 - width..].copy_from_slice(self.take(width)?);
        Some(i64::from_le_bytes(bytes) >> (64 - 8 * width))
    }
}

/// The elements of a listpack, if it is one.
pub fn parse_listpack(block: &[u8]) -> Option<Vec<Packed<'_>>> {
    let mut front = Front(block);
    let (len, count) = (front.u32()?, front.u16()?);
    // An element has at least two bytes.
    let mut elements = Vec::with_capacity((count as usize).min(block.len() / 2));
    loop {
        let before = front.0.len();
        let code = front.byte()?;
        let element = match code {
            0..=0x7f => Packed::Int(code as i64),
            0x80..=0xbf => Packed::Text(front.take(code as usize & 0x3f)?),
            0xc0..=0xdf => {
                let value = (code as i64 & 0x1f) << 8 | front.byte()? as i64;
                // The sign is in bit 12.
                Packed::Int(value << 51 >> 51)
            }
            0xe0..=0xef => {
                let len = (code as usize & 0xf) << 8 | front.byte()? as usize;
                Packed::Text(front.take(len)?)
            }
            0xf0 => {
                let len = front.u32()? as usize;
                Packed::Text(front.take(len)?)
            }
            0xf1 => Packed::Int(front.int(2)?),
            0xf2 => Packed::Int(front.int(3)?),
            0xf3 => Packed::Int(front.int(4)?),
            0xf4 => Packed::Int(front.int(8)?),
            END => break,
            _ => return None,
        };
        let (back, back_bytes) = back_len(before - front.0.len());
        if front.take(back_bytes)? != &back[..back_bytes] {
            return None;
        }
        elements.push(element);
    }
    let is_whole = front.0.is_empty() && len as usize == block.len();
    let is_count = count == UNKNOWN_COUNT || count as usize == elements.len();
    (is_whole && is_count).then_some(elements)
}

/// The elements of a ziplist, if it is one.
///
/// ```text
/// bytes u32 | offset of the last element u32 | elements u16 (0xffff: unknown) | element ... | 0xff
/// element   length of the one before: u8, or 0xfe and u32 | encoding | data
/// ```
pub fn parse_ziplist(block: &[u8]) -> Option<Vec<Packed<'_>>> {
    let mut front = Front(block);
    let (len, tail, count) = (front.u32()?, front.u32()?, front.u16()?);
    let mut elements = Vec::new();
    let (mut previous, mut last) = (0, block.len() - front.0.len());
    loop {
        let start = block.len() - front.0.len();
        let before = match front.byte()? {
            END => break,
            0xfe => front.u32()? as usize,
            len => len as usize,
        };
        if before != previous {
            return None;
        }
        let code = front.byte()?;
        let element = match code >> 6 {
            0 => Packed::Text(front.take(code as usize)?),
            1 => {
                let len = (code as usize & 0x3f) << 8 | front.byte()? as usize;
                Packed::Text(front.take(len)?)
            }
            2 => {
                let len = u32::from_be_bytes(front.take(4)?.try_into().expect("four bytes"));
                Packed::Text(front.take(len as usize)?)
            }
            _ => Packed::Int(match code {
                0xc0 => front.int(2)?,
                0xd0 => front.int(4)?,
                0xe0 => front.int(8)?,
                0xf0 => front.int(3)?,
                0xfe => front.int(1)?,
                0xf1..=0xfd => code as i64 - 0xf1,
                _ => return None,
            }),
        };
        elements.push(element);
        (previous, last) = (block.len() - front.0.len() - start, start);
    }
    let is_whole = front.0.is_empty() && len as usize == block.len() && tail as usize == last;
    let is_count = count == UNKNOWN_COUNT || count as usize == elements.len();
    (is_whole && is_count).then_some(elements)
}

/// The keys and values of a zipmap in turn, if it is one; there are none without.
///
/// ```text
/// pairs u8 (254 and up: unknown) | length, key, length, unused u8, value, as many unused bytes ... | 0xff
/// length  u8, or 0xfe and u32
/// ```
pub fn parse_zipmap(block: &[u8]) -> Option<Vec<Packed<'_>>> {
    let mut front = Front(block);
    let count = front.byte()?;
    let mut texts = Vec::new();
    loop {
        let mut len = || match front.byte()? {
            0xfe => front.u32().map(|len| Some(len as usize)),
            END => Some(None),
            len => Some(Some(len as usize)),
        };
        let Some(key_len) = len()? else { break };
        let key = front.take(key_len)?;
        let value_len = match front.byte()? {
            0xfe => front.u32()? as usize,
            END => return None,
            len => len as usize,
        };
        let unused = front.byte()? as usize;
        let value = front.take(value_len)?;
        front.take(unused)?;
        texts.extend([Packed::Text(key), Packed::Text(value)]);
    }
    let is_count = count >= 254 || count as usize * 2 == texts.len();
    (front.0.is_empty() && is_count && !texts.is_empty()).then_some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            (-5000..5000i64).prop_map(|n| n.to_string().into_bytes()),
            (0..63u32, any::<bool>()).prop_map(|(bit, neg)| {
                let n = 1i64 << bit;
                (if neg { -n } else { n }).to_string().into_bytes()
            }),
            prop::collection::vec(any::<u8>(), 0..80),
            prop::collection::vec(any::<u8>(), 4000..4200),
            prop::collection::vec(any::<u8>(), 16_300..16_400),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_listpack_is_read_as_it_was_made(texts in prop::collection::vec(text(), 0..30)) {
            let mut builder = ListpackBuilder::new();
            texts.iter().for_each(|text| builder.push(text));
            let block = builder.finish();
            let read = parse_listpack(&block).unwrap();
            let read: Vec<Vec<u8>> = read.iter().map(|element| element.bytes(&mut itoa::Buffer::new()).to_vec()).collect();
            prop_assert_eq!(read, texts);
        }

        #[test]
        fn anything_is_read_or_refused(block in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (parse_listpack(&block), parse_ziplist(&block), parse_zipmap(&block));
        }
    }
}
