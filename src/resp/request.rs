//! The incremental request parser.
//!
//! It turns the bytes of a buffer into requests whose arguments are slices of it. A request that is
//! not complete yet is remembered with all that is known of it, so that no byte is scanned twice.
//! All that it remembers counts from the beginning of the request, so the bytes may move meanwhile.

use super::args::{Args, Token};
use crate::encoding::number::parse_i64;
use crate::encoding::words::split_words;
use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// An inline request, or the header of an argument, may not be longer.
pub const INLINE_MAX: usize = 64 * 1024;
/// Arguments of one request.
const ARGUMENTS_MAX: i64 = i32::MAX as i64;
/// Before authentication a request has at most this many arguments, each at most this long.
const UNAUTHENTICATED_ARGUMENTS_MAX: i64 = 10;
const UNAUTHENTICATED_BULK_MAX: i64 = 16 * 1024;
/// From this length on an argument that is not complete yet gets a buffer of its own, into which the
/// rest of it is read and in which it can become the value.
pub const OWN_BUFFER_MIN: usize = 32 * 1024;

/// After requests with more arguments, the memory for them is given back.
const TOKENS_KEPT: usize = 8 * 1024;

/// What is wrong with a request, in Redis's words; the connection closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError(pub String);

impl ProtocolError {
    fn new(text: &str) -> Self {
        ProtocolError(text.to_owned())
    }
}

/// Limits that depend on the configuration and on the client.
#[derive(Clone, Copy)]
pub struct Limits {
    pub bulk_max: usize,
    pub authenticated: bool,
    /// Long arguments stay in the buffer, too.
    pub in_place: bool,
}

/// Requests that were parsed from one buffer, ready to be run. Reused, so nothing is allocated.
#[derive(Default)]
pub struct Batch {
    requests: Vec<Span>,
    /// Offsets count from the beginning of their request.
    tokens: Vec<Token>,
    /// Arguments with a buffer of their own.
    bulks: Vec<Bytes>,
}

struct Span {
    start: u32,
    end: u32,
    first_token: u32,
    end_token: u32,
    first_bulk: u32,
    in_one_piece: bool,
}

impl Batch {
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.tokens.shrink_to(TOKENS_KEPT);
        self.bulks.clear();
        self.requests.clear();
    }

    pub fn len(&self) -> usize {
        self.requests.len()
    }

    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The arguments of request `index`; `buffer` is the one it was parsed from.
    #[inline]
    pub fn args<'a>(&'a self, index: usize, buffer: &'a [u8]) -> Args<'a> {
        let span = &self.requests[index];
        let request = &buffer[span.start as usize..span.end as usize];
        let raw = span.in_one_piece.then_some(request);
        let tokens = &self.tokens[span.first_token as usize..span.end_token as usize];
        Args::new(request, tokens, &self.bulks[span.first_bulk as usize..], raw)
    }

    /// Adds a request whose tokens and bulks are the last ones, from these on.
    #[inline]
    fn add(&mut self, start: usize, end: usize, first_token: usize, first_bulk: usize) {
        self.requests.push(Span {
            start: start as u32,
            end: end as u32,
            first_token: first_token as u32,
            end_token: self.tokens.len() as u32,
            first_bulk: first_bulk as u32,
            in_one_piece: first_bulk == self.bulks.len(),
        });
    }

    /// Where request `index` is in the buffer, but for arguments with a buffer of their own.
    pub fn range(&self, index: usize) -> Range<usize> {
        let span = &self.requests[index];
        span.start as usize..span.end as usize
    }

    /// Where the last request ends in the buffer.
    pub fn end_of_last(&self) -> usize {
        self.requests.last().map_or(0, |span| span.end as usize)
    }
}

/// The state of one client's parser.
#[derive(Default)]
pub struct RequestParser {
    /// Arguments of the current request that are still to come; 0 between requests.
    remaining: i64,
    /// Length of the argument whose header was read but whose bytes are still to come.
    bulk_len: Option<usize>,
    /// Where to go on, counted from the beginning of the request.
    at: usize,
    /// No line end was found before this offset.
    scanned: usize,
    /// The arguments read so far of an incomplete request.
    tokens: Vec<Token>,
    bulks: Vec<Bytes>,
    long: Option<LongArgument>,
}

/// An argument that is read into a buffer of its own, line end included. The buffer has its final
/// length from the start; untouched pages of it cost nothing.
struct LongArgument {
    buffer: BytesMut,
    filled: usize,
}

/// How a call of [`RequestParser::parse`] ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The batch is full. There may be more from this offset on.
    Full(usize),
    /// The bytes in this range begin a request that is not complete; keep them for the next call.
    /// All others are done with. Read on into [`RequestParser::long_argument`] if there is one.
    Incomplete(Range<usize>),
}

/// One step within a request.
enum Step {
    Done,
    Incomplete,
}

impl RequestParser {
    /// Whether nothing of a request was read yet.
    fn is_idle(&self) -> bool {
        self.remaining == 0 && self.scanned == 0
    }

    /// Where the next bytes are to be read to, if they belong to an argument with a buffer of its
    /// own; say with [`Self::long_argument_filled`] how many came.
    pub fn long_argument(&mut self) -> Option<&mut [u8]> {
        self.long.as_mut().map(|long| &mut long.buffer[long.filled..])
    }

    pub fn long_argument_filled(&mut self, count: usize) {
        if let Some(long) = &mut self.long {
            long.filled += count;
        }
    }

    /// Memory held by an incomplete request.
    pub fn allocated(&self) -> usize {
        self.tokens.capacity() * size_of::<Token>()
            + self.bulks.iter().map(|b| b.len()).sum::<usize>()
            + self.long.as_ref().map_or(0, |long| long.buffer.capacity())
    }

    /// Bytes of an incomplete request that are in buffers of their own, if it has come to one that is.
    pub fn buffered(&self) -> Option<usize> {
        let filled = self.long.as_ref()?.filled;
        Some(filled + self.bulks.iter().map(|b| b.len()).sum::<usize>())
    }

    /// Parses requests from `buffer`, from offset `start` on, into `batch` until that holds `max`.
    /// An incomplete request left by the last call has to begin at `start`.
    ///
    /// An error comes after the requests before it were added.
    pub fn parse(
        &mut self,
        buffer: &[u8],
        start: usize,
        max: usize,
        limits: Limits,
        batch: &mut Batch,
    ) -> Result<Parsed, ProtocolError> {
        let mut start = start;
        let mut first_token = batch.tokens.len();
        batch.tokens.append(&mut std::mem::take(&mut self.tokens));
        loop {
            if self.is_idle() {
                if batch.requests.len() >= max {
                    return Ok(Parsed::Full(start));
                }
                if limits.authenticated
                    && let Some(end) = usual_request(buffer, start, limits.bulk_max, batch)
                {
                    batch.add(start, end, first_token, batch.bulks.len());
                    first_token = batch.tokens.len();
                    start = end;
                    continue;
                }
            }
            match self.request(&buffer[start..], limits, batch)? {
                Step::Done => {
                    let end = start + std::mem::take(&mut self.at);
                    self.scanned = 0;
                    // An empty request, such as a blank line, asks for nothing.
                    if batch.tokens.len() > first_token {
                        let bulks = batch.bulks.len();
                        batch.bulks.append(&mut self.bulks);
                        batch.add(start, end, first_token, bulks);
                        first_token = batch.tokens.len();
                    }
                    start = end;
                }
                Step::Incomplete => {
                    self.tokens.extend(batch.tokens.drain(first_token..));
                    let end = if self.long.is_some() { start + self.at } else { buffer.len() };
                    return Ok(Parsed::Incomplete(start..end));
                }
            }
        }
    }

    /// Goes on with the request that begins at the beginning of `buffer`.
    #[inline]
    fn request(&mut self, buffer: &[u8], limits: Limits, batch: &mut Batch) -> Result<Step, ProtocolError> {
        if self.remaining == 0 {
            match buffer.first() {
                None => return Ok(Step::Incomplete),
                Some(b'*') => {
                    if !self.argument_count(buffer, limits)? {
                        return Ok(Step::Incomplete);
                    }
                    if self.remaining == 0 {
                        return Ok(Step::Done);
                    }
                }
                Some(_) => return self.inline(buffer, batch),
            }
        }
        if self.long.is_some() && !self.finish_long(batch) {
            return Ok(Step::Incomplete);
        }
        while self.remaining > 0 {
            let len = match self.bulk_len {
                Some(len) => len,
                None => match self.argument_len(buffer, limits)? {
                    Some(len) => len,
                    None => return Ok(Step::Incomplete),
                },
            };
            // The line end is not looked at, as in Redis.
            if buffer.len() - self.at < len + 2 {
                self.bulk_len = Some(len);
                if len >= OWN_BUFFER_MIN && !limits.in_place {
                    let here = &buffer[self.at..];
                    let mut own = BytesMut::zeroed(len + 2);
                    own[..here.len()].copy_from_slice(here);
                    self.long = Some(LongArgument { buffer: own, filled: here.len() });
                }
                return Ok(Step::Incomplete);
            }
            self.bulk_len = None;
            batch.tokens.push(Token::slice(self.at, len));
            self.at += len + 2;
            self.remaining -= 1;
        }
        Ok(Step::Done)
    }

    /// Reads how many arguments the request has; false if that has not all come yet.
    #[inline(always)]
    fn argument_count(&mut self, buffer: &[u8], limits: Limits) -> Result<bool, ProtocolError> {
        let Some((count, next)) = header(buffer, 0, "mbulk")? else { return Ok(false) };
        self.remaining = match count {
            Some(count) if count > ARGUMENTS_MAX => return Err(ProtocolError::new("invalid multibulk length")),
            None => return Err(ProtocolError::new("invalid multibulk length")),
            Some(count) if count > UNAUTHENTICATED_ARGUMENTS_MAX && !limits.authenticated => {
                return Err(ProtocolError::new("unauthenticated multibulk length"));
            }
            Some(count) => count.max(0),
        };
        self.at = next;
        Ok(true)
    }

    /// Reads how long the next argument is; None if that has not all come yet.
    #[inline(always)]
    fn argument_len(&mut self, buffer: &[u8], limits: Limits) -> Result<Option<usize>, ProtocolError> {
        let Some((len, next)) = header(buffer, self.at, "bulk")? else { return Ok(None) };
        if buffer[self.at] != b'$' {
            let got = buffer[self.at] as char;
            return Err(ProtocolError(format!("expected '$', got '{got}'")));
        }
        let len = match len {
            Some(len) if len >= 0 && len as u64 <= limits.bulk_max as u64 => len,
            _ => return Err(ProtocolError::new("invalid bulk length")),
        };
        if len > UNAUTHENTICATED_BULK_MAX && !limits.authenticated {
            return Err(ProtocolError::new("unauthenticated bulk length"));
        }
        self.at = next;
        Ok(Some(len as usize))
    }

    /// Turns the long argument into one of the request's, if it is complete.
    fn finish_long(&mut self, batch: &mut Batch) -> bool {
        let Some(long) = self.long.take_if(|long| long.filled == long.buffer.len()) else { return false };
        let mut buffer = long.buffer;
        buffer.truncate(buffer.len() - 2);
        batch.tokens.push(Token::bulk(self.bulks.len()));
        self.bulks.push(buffer.freeze());
        self.bulk_len = None;
        self.remaining -= 1;
        true
    }

    /// A request of words on a line, as people type it.
    #[cold]
    fn inline(&mut self, buffer: &[u8], batch: &mut Batch) -> Result<Step, ProtocolError> {
        let Some(end) = memchr::memchr(b'\n', &buffer[self.scanned..]) else {
            self.scanned = buffer.len();
            if buffer.len() > INLINE_MAX {
                return Err(ProtocolError::new("too big inline request"));
            }
            return Ok(Step::Incomplete);
        };
        let end = self.scanned + end;
        let line = buffer[..end].strip_suffix(b"\r").unwrap_or(&buffer[..end]);
        let Some(words) = split_words(line) else {
            return Err(ProtocolError::new("unbalanced quotes in request"));
        };
        for word in words {
            batch.tokens.push(Token::bulk(self.bulks.len()));
            self.bulks.push(Bytes::from(word));
        }
        self.at = end + 1;
        Ok(Step::Done)
    }
}

/// Parses a whole request of the form that nearly all have: multi-bulk, complete, with headers of one
/// to three digits. Gives where it ends, its arguments added to the batch's tokens. None for all that
/// is different in any way, however right or wrong; then nothing was added.
#[inline]
fn usual_request(buffer: &[u8], start: usize, bulk_max: usize, batch: &mut Batch) -> Option<usize> {
    let first_token = batch.tokens.len();
    let (count, width) = usual_header(buffer, start, b'*')?;
    let mut at = start + width;
    if count == 0 {
        return None;
    }
    batch.tokens.reserve(count);
    for _ in 0..count {
        let complete = usual_header(buffer, at, b'$').filter(|&(len, width)| {
            at += width;
            len <= bulk_max && buffer.len() - at >= len + 2
        });
        let Some((len, _)) = complete else {
            batch.tokens.truncate(first_token);
            return None;
        };
        batch.tokens.push(Token::slice(at - start, len));
        at += len + 2;
    }
    Some(at)
}

/// The number in a header of one to three digits, and the header's width; taken from one 8-byte load.
#[inline]
fn usual_header(buffer: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    const LINE_END: u64 = 0x0a0d;
    let word = u64::from_le_bytes(*buffer.get(at..)?.first_chunk()?);
    let digit = |i: u32| ((word >> (8 * i)) & 0xff).wrapping_sub(b'0' as u64);
    let ends_after = |digits: u32| (word >> (8 + 8 * digits)) & 0xffff == LINE_END;
    if word as u8 != kind || digit(1) > 9 {
        return None;
    }
    if ends_after(1) {
        return Some((digit(1) as usize, 4));
    }
    if digit(1) == 0 || digit(2) > 9 {
        return None;
    }
    let two = digit(1) * 10 + digit(2);
    if ends_after(2) {
        return Some((two as usize, 5));
    }
    (digit(3) <= 9 && ends_after(3)).then(|| ((two * 10 + digit(3)) as usize, 6))
}

/// The number of a line such as `*3` or `$10` that begins at `at`, and where the next line begins;
/// no number if what stands there is none. None if the line is not complete.
fn header(buffer: &[u8], at: usize, what: &str) -> Result<Option<(Option<i64>, usize)>, ProtocolError> {
    let line = &buffer[at..];
    match memchr::memchr(b'\r', line) {
        Some(end) if end + 2 <= line.len() => Ok(Some((parse_i64(&line[1..end.max(1)]), at + end + 2))),
        None if line.len() > INLINE_MAX => Err(ProtocolError(format!("too big {what} count string"))),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::encode_request;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { bulk_max: 512 << 20, authenticated: true, in_place: false };

    type Requests = Vec<Vec<Vec<u8>>>;

    /// Feeds `input` in pieces, as the loop does, and gives the requests.
    fn feed(input: &[u8], pieces: &[usize], max: usize, limits: Limits) -> Result<Requests, (Requests, String)> {
        let mut parser = RequestParser::default();
        let mut batch = Batch::default();
        let mut requests = Vec::new();
        let mut buffer: Vec<u8> = Vec::new();
        let mut rest = input;
        let mut pieces = pieces.iter().copied().cycle();
        while !rest.is_empty() {
            let piece = pieces.next().unwrap().clamp(1, rest.len());
            if let Some(long) = parser.long_argument() {
                let piece = piece.min(long.len());
                long[..piece].copy_from_slice(&rest[..piece]);
                parser.long_argument_filled(piece);
                rest = &rest[piece..];
            } else {
                buffer.extend_from_slice(&rest[..piece]);
                rest = &rest[piece..];
            }
            let mut start = 0;
            loop {
                let parsed = parser.parse(&buffer, start, max, limits, &mut batch);
                for i in 0..batch.len() {
                    let args = batch.args(i, &buffer);
                    if let Some(raw) = args.raw() {
                        let mut again = Vec::new();
                        encode_request(&mut again, args.iter());
                        assert_eq!(raw, again);
                    }
                    requests.push(args.iter().map(<[u8]>::to_vec).collect());
                }
                batch.clear();
                match parsed {
                    Err(error) => return Err((requests, error.0)),
                    Ok(Parsed::Full(next)) => start = next,
                    Ok(Parsed::Incomplete(keep)) => {
                        buffer = buffer[keep].to_vec();
                        break;
                    }
                }
            }
        }
        Ok(requests)
    }

    fn request() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let argument = prop_oneof![
            20 => prop::collection::vec(any::<u8>(), 0..40),
            1 => (OWN_BUFFER_MIN - 3..OWN_BUFFER_MIN + 3000).prop_map(|n| vec![b'v'; n]),
        ];
        prop::collection::vec(argument, 1..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        /// However the bytes are cut, the same requests come out.
        #[test]
        fn any_cut_gives_the_same_requests(
            requests in prop::collection::vec(request(), 0..12),
            pieces in prop::collection::vec(prop_oneof![1..20usize, 1..20_000usize], 1..20),
            max in 1..5usize,
        ) {
            let mut input = Vec::new();
            requests.iter().for_each(|r| encode_request(&mut input, r.iter().map(|a| &a[..])));
            prop_assert_eq!(feed(&input, &pieces, max, LIMITS).unwrap(), requests);
        }

        #[test]
        fn garbage_is_harmless(input in prop::collection::vec(any::<u8>(), 0..300), piece in 1..50usize) {
            let _ = feed(&input, &[piece], 3, LIMITS);
        }
    }

    fn error(input: &[u8]) -> String {
        feed(input, &[7], 10, LIMITS).unwrap_err().1
    }

    #[test]
    fn protocol_errors() {
        assert_eq!(error(b"*x\r\n"), "invalid multibulk length");
        assert_eq!(error(b"*3000000000\r\n"), "invalid multibulk length");
        assert_eq!(error(b"*1\r\nx1\r\n"), "expected '$', got 'x'");
        assert_eq!(error(b"*1\r\n$-1\r\n"), "invalid bulk length");
        assert_eq!(error(b"*1\r\n$99999999999\r\n"), "invalid bulk length");
        assert_eq!(error(b"set \"a\r\n"), "unbalanced quotes in request");
        assert_eq!(error(&[b'a'; INLINE_MAX + 100]), "too big inline request");
        assert_eq!(error(&[b"*", &[b'a'; INLINE_MAX + 100][..]].concat()), "too big mbulk count string");
        assert_eq!(error(&[b"*1\r\n$", &[b'a'; INLINE_MAX + 100][..]].concat()), "too big bulk count string");
        let before = Limits { authenticated: false, ..LIMITS };
        assert_eq!(feed(b"*11\r\n", &[9], 1, before).unwrap_err().1, "unauthenticated multibulk length");
        assert_eq!(feed(b"*1\r\n$16385\r\n", &[9], 1, before).unwrap_err().1, "unauthenticated bulk length");
    }

    #[test]
    fn an_error_comes_after_the_requests_before_it() {
        let (requests, _) = feed(b"PING\r\n*1\r\n$4\r\nPING\r\n*z\r\n", &[100], 10, LIMITS).unwrap_err();
        assert_eq!(requests.len(), 2);
    }

    #[test]
    fn empty_requests_and_inline_quotes() {
        let requests = feed(b"\r\n*0\r\n*-1\r\n  \r\nset a \"b c\\x41\"\n", &[3], 10, LIMITS).unwrap();
        assert_eq!(requests, [vec![b"set".to_vec(), b"a".to_vec(), b"b cA".to_vec()]]);
    }
}
