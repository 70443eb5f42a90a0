//! Ids as people write them: `ms`, `ms-seq`, `ms-*`, `-`, `+`, `(` in front.

use super::super::prelude::*;
use crate::encoding::number;
use crate::encoding::stream_log::StreamId;
use crate::types::stream::entries::NewId;
use smallvec::SmallVec;

pub const INVALID: CommandError = CommandError::new("ERR Invalid stream ID specified as stream command argument");

/// Two numbers of 20 digits and the hyphen, and something to spare.
const LEN_MAX: usize = 127;

/// COMPAT: what is no plain number may have blanks and a sign in front, and a minus counts down
/// from zero; but a plain negative number is none.
fn parse_number(text: &[u8]) -> Option<u64> {
    let digits = |text: &[u8]| -> Option<u64> {
        let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        is_number.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
    };
    digits(text).or_else(|| {
        let signed = text.trim_ascii_start();
        match signed.first()? {
            b'+' => digits(&signed[1..]),
            b'-' if number::parse_i64(text).is_none() => digits(&signed[1..]).map(u64::wrapping_neg),
            _ => digits(signed),
        }
    })
}

/// The two parts of an id, the second only if it was given.
fn parts(text: &[u8]) -> Option<(u64, Option<&[u8]>)> {
    if text.len() > LEN_MAX {
        return None;
    }
    match memchr::memchr(b'-', text) {
        None => Some((parse_number(text)?, None)),
        Some(at) => Some((parse_number(&text[..at])?, Some(&text[at + 1..]))),
    }
}

/// An id; `seq` stands for a sequence number that is left out.
pub fn parse_strict(text: &[u8], seq: u64) -> Result<StreamId, CommandError> {
    let (ms, given) = parts(text).ok_or(INVALID)?;
    let seq = given.map_or(Some(seq), parse_number).ok_or(INVALID)?;
    Ok(StreamId::new(ms, seq))
}

/// A few ids are kept without an allocation.
pub type Ids = SmallVec<[StreamId; 8]>;

/// The arguments from `first` on, all of them ids.
pub fn parse_all(args: &Args, first: usize) -> Result<Ids, CommandError> {
    args.from(first).iter().map(|text| parse_strict(text, 0)).collect()
}

/// As [`parse_strict`]; `-` and `+` are the least and the greatest id.
pub fn parse(text: &[u8], seq: u64) -> Result<StreamId, CommandError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => parse_strict(text, seq),
    }
}

/// The id of a new entry.
pub fn parse_new(text: &[u8]) -> Result<NewId, CommandError> {
    match text {
        b"*" => Ok(NewId::Auto),
        _ => match parts(text).ok_or(INVALID)? {
            (ms, Some(b"*")) => Ok(NewId::AutoSeq(ms)),
            _ => parse_strict(text, 0).map(NewId::Is),
        },
    }
}

/// The first id of an interval; `(` in front excludes it.
pub fn parse_start(text: &[u8]) -> Result<StreamId, CommandError> {
    const INVALID_START: CommandError = CommandError::new("ERR invalid start ID for the interval");
    match text.strip_prefix(b"(") {
        Some(text) => parse_strict(text, 0)?.next().ok_or(INVALID_START),
        None => parse(text, 0),
    }
}

/// The last id of an interval; `(` in front excludes it.
pub fn parse_end(text: &[u8]) -> Result<StreamId, CommandError> {
    const INVALID_END: CommandError = CommandError::new("ERR invalid end ID for the interval");
    match text.strip_prefix(b"(") {
        Some(text) => parse_strict(text, u64::MAX)?.previous().ok_or(INVALID_END),
        None => parse(text, u64::MAX),
    }
}
