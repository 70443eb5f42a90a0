//! Replies: every type in RESP2 and RESP3, and the buffer they are written to.

use super::error::CommandError;
use super::text::bytes_of;
use crate::encoding::number;
use crate::types::string::StringRef;
use bytes::Bytes;

/// From this length on a value is handed to the kernel where it is, not copied into the buffer.
pub const BY_REFERENCE_MIN: usize = 16 * 1024;

/// Replies on their way to one client: bytes, and large values by reference between them.
#[derive(Default)]
pub struct Output {
    pub bytes: Vec<u8>,
    /// So many of `bytes` were sent.
    sent: usize,
    /// Each with the offset in `bytes` that it comes before. In order.
    pub large: Vec<(usize, Bytes)>,
    /// Total length of `large`.
    large_bytes: usize,
}

impl Output {
    pub fn is_empty(&self) -> bool {
        self.sent == self.bytes.len() && self.large.is_empty()
    }

    /// Bytes waiting to be sent.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent + self.large_bytes
    }

    /// Bytes of waiting values that are sent from where they are.
    pub fn large_bytes(&self) -> usize {
        self.large_bytes
    }

    /// What is to be sent next, if there are no large values.
    pub fn as_slice(&self) -> Option<&[u8]> {
        self.large.is_empty().then(|| &self.bytes[self.sent..])
    }

    /// The pieces to be sent next, in order.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(self.sent).chain(self.large.iter().map(|(at, _)| *at));
        let last = self.large.last().map_or(self.sent, |(at, _)| *at);
        let before =
            self.large.iter().zip(starts).flat_map(|((at, value), start)| [&self.bytes[start..*at], &value[..]]);
        before.chain(std::iter::once(&self.bytes[last..]))
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
        self.large.clear();
        self.large_bytes = 0;
    }

    pub fn push_large(&mut self, value: Bytes) {
        self.large_bytes += value.len();
        self.large.push((self.bytes.len(), value));
    }

    /// Where the next reply begins, for [`Self::truncate`].
    pub fn mark(&self) -> (usize, usize) {
        (self.bytes.len(), self.large.len())
    }

    /// Takes back what was written since `mark`.
    pub fn truncate(&mut self, mark: (usize, usize)) {
        self.bytes.truncate(mark.0);
        self.large.truncate(mark.1);
        self.large_bytes = self.large.iter().map(|(_, value)| value.len()).sum();
    }

    /// Drops the first `count` bytes of what is to be sent: they were. The rest is moved only when it
    /// is the smaller part, so that a slow reader of much costs no more than a fast one.
    pub fn consume(&mut self, mut count: usize) {
        let mut large = 0;
        for (at, value) in &mut self.large {
            let before = (*at - self.sent).min(count);
            self.sent += before;
            count -= before;
            if self.sent < *at || count < value.len() {
                bytes::Buf::advance(value, count);
                self.large_bytes -= count;
                count = 0;
                break;
            }
            count -= value.len();
            self.large_bytes -= value.len();
            large += 1;
        }
        self.large.drain(..large);
        self.sent += count;
        if self.is_empty() {
            self.clear();
        } else if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.large.iter_mut().for_each(|(at, _)| *at -= self.sent);
            self.sent = 0;
        }
    }
}

/// Writes one client's replies, in the version of the protocol it speaks.
pub struct Reply<'a> {
    out: &'a mut Output,
    resp3: bool,
}

impl<'a> Reply<'a> {
    #[inline]
    pub fn new(out: &'a mut Output, resp3: bool) -> Reply<'a> {
        Reply { out, resp3 }
    }

    #[inline]
    pub fn is_resp3(&self) -> bool {
        self.resp3
    }

    /// Bytes waiting to be sent, those before this reply included.
    #[inline]
    pub fn waiting(&self) -> usize {
        self.out.len()
    }

    /// `bytes` as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.bytes.extend_from_slice(bytes);
    }

    #[inline]
    fn header(&mut self, kind: u8, n: i64) {
        let out = &mut self.out.bytes;
        if let n @ 0..100 = n {
            // Headers of up to two digits are nearly all; one append of fixed length.
            let n = n as u8;
            if n < 10 {
                out.extend_from_slice(&[kind, b'0' + n, b'\r', b'\n']);
            } else {
                out.extend_from_slice(&[kind, b'0' + n / 10, b'0' + n % 10, b'\r', b'\n']);
            }
            return;
        }
        out.push(kind);
        out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    #[inline]
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// A simple string; `text` has no line break.
    pub fn simple(&mut self, text: &str) {
        self.raw(b"+");
        self.raw(text.as_bytes());
        self.raw(b"\r\n");
    }

    pub fn error(&mut self, error: &CommandError) {
        self.raw(b"-");
        // A line break would end the reply early.
        let text = bytes_of(error.text());
        self.out.bytes.extend(text.iter().map(|&b| if b == b'\r' || b == b'\n' { b' ' } else { b }));
        self.raw(b"\r\n");
    }

    #[inline]
    pub fn integer(&mut self, n: i64) {
        self.header(b':', n);
    }

    #[inline]
    pub fn bulk(&mut self, value: &[u8]) {
        self.out.bytes.reserve(value.len() + 32);
        self.header(b'$', value.len() as i64);
        self.raw(value);
        self.raw(b"\r\n");
    }

    /// A bulk string that is sent from where it is if it is large.
    pub fn bulk_bytes(&mut self, value: Bytes) {
        if value.len() < BY_REFERENCE_MIN {
            return self.bulk(&value);
        }
        self.header(b'$', value.len() as i64);
        self.out.push_large(value);
        self.raw(b"\r\n");
    }

    /// A stored string, by reference if it is large; null if there is none.
    #[inline]
    pub fn string(&mut self, string: Option<StringRef>) {
        match string {
            None => self.null(),
            Some(StringRef::Large(large)) if large.len() >= BY_REFERENCE_MIN => {
                self.bulk_bytes(large.share(0..large.len()))
            }
            Some(string) => self.bulk(string.bytes(&mut itoa::Buffer::new())),
        }
    }

    pub fn bulk_int(&mut self, n: i64) {
        self.bulk(itoa::Buffer::new().format(n).as_bytes());
    }

    #[inline]
    pub fn null(&mut self) {
        self.raw(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// The null that stands for a missing array.
    pub fn null_array(&mut self) {
        self.raw(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// The header of an array of `len` elements.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len as i64);
    }

    /// The header of a map of `len` pairs; in RESP2 a flat array.
    pub fn map(&mut self, len: usize) {
        if self.resp3 { self.header(b'%', len as i64) } else { self.header(b'*', 2 * len as i64) }
    }

    /// The header of a set of `len` elements; in RESP2 an array.
    pub fn set(&mut self, len: usize) {
        self.header(if self.resp3 { b'~' } else { b'*' }, len as i64);
    }

    /// The header of an out-of-band message; in RESP2 an array.
    pub fn push(&mut self, len: usize) {
        self.header(if self.resp3 { b'>' } else { b'*' }, len as i64);
    }

    /// The name of what is written next, in a map.
    pub fn named(&mut self, name: &str) -> &mut Self {
        self.bulk(name.as_bytes());
        self
    }

    /// A truth value; in RESP2 the integer 1 or 0.
    pub fn boolean(&mut self, value: bool) {
        match (self.resp3, value) {
            (true, true) => self.raw(b"#t\r\n"),
            (true, false) => self.raw(b"#f\r\n"),
            (false, _) => self.integer(value as i64),
        }
    }

    /// A double; in RESP2 a bulk string.
    pub fn double(&mut self, value: f64) {
        self.double_text(&number::format_f64(value));
    }

    /// A double that is written already; in RESP2 a bulk string.
    pub fn double_text(&mut self, text: &[u8]) {
        if self.resp3 {
            self.raw(b",");
            self.raw(text);
            self.raw(b"\r\n");
        } else {
            self.bulk(text);
        }
    }

    /// Text for people, of a three-letter format; in RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        if !self.resp3 {
            return self.bulk(text);
        }
        self.header(b'=', text.len() as i64 + 4);
        self.raw(format);
        self.raw(b":");
        self.raw(text);
        self.raw(b"\r\n");
    }

    /// An array of bulk strings.
    pub fn bulks<T: AsRef<[u8]>>(&mut self, values: impl ExactSizeIterator<Item = T>) {
        self.array(values.len());
        values.for_each(|value| self.bulk(value.as_ref()));
    }

    /// The lines of a HELP subcommand: usage first, then pairs of syntax and description lines.
    pub fn help(&mut self, command: &str, lines: &[&str]) {
        self.array(lines.len() + 3);
        self.simple(&format!("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", command.to_uppercase()));
        lines.iter().for_each(|line| self.simple(line));
        self.simple("HELP");
        self.simple("    Print this help.");
    }

    /// An array whose length is known only when it is written: `fill` writes the elements and
    /// gives their number.
    pub fn array_of(&mut self, fill: impl FnOnce(&mut Reply) -> usize) {
        self.headed(fill, |reply, len| reply.array(len));
    }

    /// A reply whose `head` is known only when its body is written: `fill` writes that, and what it
    /// gives goes to `head`, which writes what comes before.
    pub fn headed<T>(&mut self, fill: impl FnOnce(&mut Reply) -> T, head: impl FnOnce(&mut Reply, T)) {
        let (at, large) = self.out.mark();
        let filled = fill(self);
        let end = self.out.mark();
        head(self, filled);
        debug_assert_eq!(self.out.large.len(), end.1, "a head is short");
        let len = self.out.bytes.len() - end.0;
        self.out.bytes[at..].rotate_right(len);
        self.out.large[large..].iter_mut().for_each(|(offset, _)| *offset += len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flatten(output: &Output) -> Vec<u8> {
        output.slices().collect::<Vec<_>>().concat()
    }

    proptest! {
        #[test]
        fn consuming_drops_a_prefix(
            parts in prop::collection::vec((any::<bool>(), 0..40usize), 0..12),
            steps in prop::collection::vec((0..60usize, 0..20usize), 0..12),
        ) {
            let mut output = Output::default();
            for (i, (large, len)) in parts.into_iter().enumerate() {
                let part = vec![i as u8; len];
                if large { output.push_large(part.into()) } else { output.bytes.extend(part) }
            }
            let mut all = flatten(&output);
            for (step, more) in steps {
                let step = step.min(all.len());
                output.consume(step);
                all.drain(..step);
                output.bytes.extend(std::iter::repeat_n(b'+', more));
                all.extend(std::iter::repeat_n(b'+', more));
                prop_assert_eq!(flatten(&output), all.clone());
                prop_assert_eq!(output.len(), all.len());
            }
        }
    }

    #[test]
    fn an_array_of_unknown_length() {
        let mut out = Output::default();
        let mut reply = Reply::new(&mut out, false);
        reply.ok();
        reply.array_of(|reply| {
            reply.bulk_bytes(Bytes::from(vec![b'x'; BY_REFERENCE_MIN]));
            (0..11).for_each(|n| reply.integer(n));
            12
        });
        assert!(flatten(&out).starts_with(b"+OK\r\n*12\r\n$16384\r\nxx"));
        assert!(flatten(&out).ends_with(b"x\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n:10\r\n"));
    }
}
