//! Whatever bytes a client sent, within the text of an error that repeats them.
//!
//! What is no UTF-8 stands in such a text as characters of a private use, one a byte, and is a byte
//! again in the reply.

use std::borrow::Cow;

/// Stands for the byte 0; the others follow.
const FIRST: u32 = 0x10_ff00;
/// All of these characters begin with this byte.
const LEAD: u8 = 0xf4;

fn is_stand_in(character: char) -> bool {
    character as u32 >= FIRST
}

/// Bytes as a part of a text.
///
/// COMPAT: they end at a NUL.
pub fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.chars().any(is_stand_in)
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let stand_in = |text: &mut String, bytes: &[u8]| {
        text.extend(bytes.iter().filter_map(|&byte| char::from_u32(FIRST + byte as u32)));
    };
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match is_stand_in(character) {
                true => stand_in(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes()),
                false => text.push(character),
            }
        }
        stand_in(&mut text, chunk.invalid());
    }
    Cow::Owned(text)
}

/// The bytes that a text was made of.
pub fn bytes_of(text: &str) -> Cow<'_, [u8]> {
    if !text.as_bytes().contains(&LEAD) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match is_stand_in(character) {
            true => bytes.push((character as u32 - FIRST) as u8),
            false => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn characters_of_that_use_come_back_as_well() {
        for text in ["a\u{10ff00}b", "\u{10ffff}", "\u{10fe00}\u{1f600}é"] {
            assert_eq!(bytes_of(&text_of(text.as_bytes())), text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back_up_to_a_nul(bytes in prop::collection::vec(any::<u8>(), 0..40), before in "[a-zé]{0,3}") {
            let text = format!("{before}{}", text_of(&bytes));
            let shown = bytes.iter().copied().take_while(|&byte| byte != 0);
            let expected: Vec<u8> = before.bytes().chain(shown).collect();
            prop_assert_eq!(bytes_of(&text), expected);
        }
    }
}
