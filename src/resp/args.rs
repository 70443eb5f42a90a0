//! A request's arguments: slices of the buffer they were read into, nothing copied.

use super::error::CommandError;
use crate::encoding::number;
use crate::resp::text::text_of;
use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Index;

/// Where an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Offset in the buffer, or [`Token::IN_BULKS`].
    offset: u32,
    /// Length, or the index in the bulks.
    len: u32,
}

impl Token {
    const IN_BULKS: u32 = u32::MAX;

    #[inline]
    pub fn slice(offset: usize, len: usize) -> Token {
        debug_assert!(offset + len < Self::IN_BULKS as usize);
        Token { offset: offset as u32, len: len as u32 }
    }

    /// Where it ends, if it is a slice.
    #[inline]
    fn end(self) -> usize {
        self.offset as usize + self.len as usize
    }

    pub fn bulk(index: usize) -> Token {
        Token { offset: Self::IN_BULKS, len: index as u32 }
    }
}

/// The arguments of one request; the first is the command's name.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    buffer: &'a [u8],
    tokens: &'a [Token],
    /// Arguments that came in buffers of their own.
    bulks: &'a [Bytes],
    /// The request as it came, if that was in multi-bulk form and in one piece.
    raw: Option<&'a [u8]>,
}

/// COMPAT: a moment so far ahead must still be one in milliseconds of the Unix epoch.
const TIMEOUT_MAX_MS: i64 = i64::MAX - (1 << 42);

impl<'a> Args<'a> {
    #[inline]
    pub fn new(buffer: &'a [u8], tokens: &'a [Token], bulks: &'a [Bytes], raw: Option<&'a [u8]>) -> Args<'a> {
        Args { buffer, tokens, bulks, raw }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    #[inline]
    pub fn get(&self, index: usize) -> &'a [u8] {
        let token = self.tokens[index];
        if token.offset == Token::IN_BULKS {
            &self.bulks[token.len as usize]
        } else {
            &self.buffer[token.offset as usize..][..token.len as usize]
        }
    }

    /// The argument made printable, for error texts and the log.
    pub fn text(&self, index: usize) -> Cow<'a, str> {
        text_of(self.get(index))
    }

    /// The argument in a buffer of its own, if it came in one: it can be kept without a copy.
    #[inline]
    pub fn bulk(&self, index: usize) -> Option<&'a Bytes> {
        let token = self.tokens[index];
        (token.offset == Token::IN_BULKS).then(|| &self.bulks[token.len as usize])
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let args = *self;
        (0..args.len()).map(move |i| args.get(i))
    }

    /// The arguments from `index` on.
    pub fn from(&self, index: usize) -> Args<'a> {
        Args { tokens: &self.tokens[index.min(self.tokens.len())..], raw: None, ..*self }
    }

    /// The first `count` arguments.
    pub fn first(&self, count: usize) -> Args<'a> {
        Args { tokens: &self.tokens[..count], raw: None, ..*self }
    }

    /// The request as it came, if that can be passed on as it is.
    #[inline]
    pub fn raw(&self) -> Option<&'a [u8]> {
        // Line ends after arguments are not looked at when a request is parsed, but must be right in what
        // is passed on.
        self.raw.filter(|raw| self.tokens.iter().all(|token| raw[token.end()..].starts_with(b"\r\n")))
    }

    /// Whether an argument is this word, in any case.
    #[inline]
    pub fn is(&self, index: usize, word: &str) -> bool {
        self.get(index).eq_ignore_ascii_case(word.as_bytes())
    }

    /// An argument that must be a 64-bit integer.
    #[inline]
    pub fn int(&self, index: usize) -> Result<i64, CommandError> {
        number::parse_i64(self.get(index)).ok_or(CommandError::NOT_INTEGER)
    }

    /// An argument that must be an integer within `range`; Redis says the same of any other.
    pub fn int_in(&self, index: usize, range: std::ops::RangeInclusive<i64>) -> Result<i64, CommandError> {
        match number::parse_i64(self.get(index)) {
            Some(value) if range.contains(&value) => Ok(value),
            // COMPAT: where just negative ones are refused, what is no integer is called negative too.
            None if *range.start() != 0 => Err(CommandError::NOT_INTEGER),
            _ => Err(CommandError::out_of_range(range)),
        }
    }

    /// An argument that must be the index of one of `databases` databases.
    pub fn db(&self, index: usize, databases: usize) -> Result<usize, CommandError> {
        let db = self.int_in(index, i32::MIN as i64..=i32::MAX as i64)?;
        usize::try_from(db).ok().filter(|&db| db < databases).ok_or(CommandError::DB_INDEX)
    }

    /// An argument that must be a floating point number.
    pub fn float(&self, index: usize) -> Result<f64, CommandError> {
        number::parse_f64(self.get(index)).ok_or(CommandError::NOT_FLOAT)
    }

    /// An argument that must be a number of seconds to wait; gives milliseconds, 0 for ever.
    pub fn timeout_s(&self, index: usize) -> Result<u64, CommandError> {
        const NOT_FLOAT: CommandError = CommandError::new("ERR timeout is not a float or out of range");
        let milliseconds = (number::parse_f64(self.get(index)).ok_or(NOT_FLOAT)? * 1000.0).ceil();
        if milliseconds < 0.0 {
            return Err(CommandError::NEGATIVE_TIMEOUT);
        }
        if milliseconds >= i64::MAX as f64 { Err(CommandError::TIMEOUT_OUT_OF_RANGE) } else { Ok(milliseconds as u64) }
    }

    /// An argument that must be a number of milliseconds to wait; 0 waits for ever.
    pub fn timeout_ms(&self, index: usize) -> Result<u64, CommandError> {
        let milliseconds = self.int(index).map_err(|_| CommandError::TIMEOUT_NOT_INTEGER)?;
        if milliseconds > TIMEOUT_MAX_MS {
            return Err(CommandError::TIMEOUT_OUT_OF_RANGE);
        }
        u64::try_from(milliseconds).map_err(|_| CommandError::NEGATIVE_TIMEOUT)
    }

    /// A copy that outlives the buffer: for MULTI, blocking and MONITOR.
    pub fn to_owned(&self) -> OwnedRequest {
        OwnedRequest::new(self.iter())
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];
    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.get(index)
    }
}

/// A request that owns its arguments, in their multi-bulk form.
#[derive(Clone, Debug)]
pub struct OwnedRequest {
    buffer: Vec<u8>,
    tokens: Vec<Token>,
}

impl OwnedRequest {
    pub fn new<'a>(arguments: impl ExactSizeIterator<Item = &'a [u8]>) -> OwnedRequest {
        let arguments: Vec<&[u8]> = arguments.collect();
        let len = |argument: &[u8]| header_len(argument.len()) + argument.len() + 2;
        let len = header_len(arguments.len()) + arguments.iter().map(|argument| len(argument)).sum::<usize>();
        let mut buffer = Vec::with_capacity(len);
        super::encode_request(&mut buffer, arguments.iter().copied());
        let mut tokens = Vec::with_capacity(arguments.len());
        let mut at = header_len(arguments.len());
        for argument in arguments {
            at += header_len(argument.len());
            tokens.push(Token::slice(at, argument.len()));
            at += argument.len() + 2;
        }
        OwnedRequest { buffer, tokens }
    }

    /// Allocated bytes.
    pub fn memory_usage(&self) -> usize {
        self.buffer.capacity() + self.tokens.capacity() * size_of::<Token>()
    }

    pub fn args(&self) -> Args<'_> {
        Args::new(&self.buffer, &self.tokens, &[], Some(&self.buffer))
    }
}

/// Bytes of a header such as `$12\r\n`.
fn header_len(n: usize) -> usize {
    1 + itoa::Buffer::new().format(n).len() + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owned_request_is_the_same_request() {
        let words: [&[u8]; 3] = [b"SET", b"", b"a long value that takes two digits"];
        let request = OwnedRequest::new(words.iter().copied());
        assert_eq!(request.args().iter().collect::<Vec<_>>(), words);
        assert!(request.args().raw().unwrap().starts_with(b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$34\r\n"));
    }
}
