//! Values to JSON.

use super::super::failure::{Failure, Result, failure};
use super::super::stack::{Index, Keys, Peeked, Stack};
use super::{DEPTH_MAX, InvalidNumbers, Settings};
use crate::encoding::number::format_f64_digits;

/// Most JSON has no more bytes.
const USUAL_LEN: usize = 128;

/// The first argument as JSON.
pub fn encode(stack: &mut Stack, settings: &Settings) -> Result<Vec<u8>> {
    let mut encoder = Encoder { settings, out: Vec::with_capacity(USUAL_LEN) };
    encoder.value(stack, Index::argument(0), 0)?;
    Ok(encoder.out)
}

struct Encoder<'a> {
    settings: &'a Settings,
    out: Vec<u8>,
}

fn cannot(type_name: &str, why: &str) -> Failure {
    failure(format_args!("Cannot serialise {type_name}: {why}"))
}

impl Encoder<'_> {
    fn value(&mut self, stack: &mut Stack, at: Index, depth: usize) -> Result<()> {
        match stack.peek(at) {
            Peeked::Absent | Peeked::Nil | Peeked::Null => self.out.extend_from_slice(b"null"),
            Peeked::Boolean(truth) => self.out.extend_from_slice(if truth { b"true" } else { b"false" }),
            Peeked::Number(number) => self.number(number)?,
            Peeked::String(bytes) => self.string(bytes),
            Peeked::Table => {
                let depth = depth + 1;
                if depth as i64 > self.settings.encode_depth.get() || depth > DEPTH_MAX {
                    return Err(failure(format_args!("Cannot serialise, excessive nesting ({depth})")));
                }
                return self.table(stack, at, depth);
            }
            Peeked::Other(type_name) => return Err(cannot(type_name, "type not supported")),
        }
        Ok(())
    }

    fn number(&mut self, number: f64) -> Result<()> {
        /// Below it whole numbers have no more digits than are written.
        const SHORT: f64 = 1e5;
        if number.fract() == 0.0 && number.abs() < SHORT && self.settings.precision.get() >= 5 && number != 0.0 {
            self.out.extend_from_slice(itoa::Buffer::new().format(number as i32).as_bytes());
            return Ok(());
        }
        if !number.is_finite() {
            match self.settings.encode_invalid.get() {
                InvalidNumbers::Refuse => return Err(cannot("number", "must not be NaN or Inf")),
                InvalidNumbers::Null => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
                InvalidNumbers::Allow if number.is_nan() => {
                    self.out.extend_from_slice(b"nan");
                    return Ok(());
                }
                InvalidNumbers::Allow => (),
            }
        }
        self.out.extend_from_slice(&format_f64_digits(number, self.settings.precision.get() as i32));
        Ok(())
    }

    fn string(&mut self, bytes: &[u8]) {
        self.out.reserve(bytes.len() + 2);
        self.out.push(b'"');
        for &byte in bytes {
            match byte {
                b'"' | b'\\' | b'/' => self.out.extend_from_slice(&[b'\\', byte]),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                0x08 => self.out.extend_from_slice(b"\\b"),
                0x0c => self.out.extend_from_slice(b"\\f"),
                0..0x20 | 0x7f => self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.out.push(byte),
            }
        }
        self.out.push(b'"');
    }

    fn table(&mut self, stack: &mut Stack, table: Index, depth: usize) -> Result<()> {
        match self.array_len(stack.keys(table)?)? {
            Some(len) => self.array(stack, table, len, depth),
            None => self.object(stack, table, depth),
        }
    }

    /// The length of a table whose keys are those of an array; COMPAT: an empty one is an object.
    fn array_len(&self, keys: Keys) -> Result<Option<usize>> {
        let Keys { count: 1.., greatest: Some(greatest) } = keys else { return Ok(None) };
        let (ratio, safe) = (self.settings.sparse_ratio.get(), self.settings.sparse_safe.get());
        if ratio > 0 && greatest as i64 > keys.count as i64 * ratio && greatest as i64 > safe {
            if !self.settings.sparse_convert.get() {
                return Err(failure("Cannot serialise table: excessively sparse array"));
            }
            return Ok(None);
        }
        Ok(Some(greatest))
    }

    fn array(&mut self, stack: &mut Stack, table: Index, len: usize, depth: usize) -> Result<()> {
        self.out.push(b'[');
        let mut is_first = true;
        stack.each_element(table, len, |stack, element| {
            if !std::mem::take(&mut is_first) {
                self.out.push(b',');
            }
            self.value(stack, element, depth)
        })?;
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, stack: &mut Stack, table: Index, depth: usize) -> Result<()> {
        self.out.push(b'{');
        let mut is_first = true;
        stack.each_pair(table, |stack, key, value| {
            if !std::mem::take(&mut is_first) {
                self.out.push(b',');
            }
            match stack.peek(key) {
                Peeked::String(name) => self.string(name),
                Peeked::Number(number) => {
                    self.out.push(b'"');
                    self.number(number)?;
                    self.out.push(b'"');
                }
                other => return Err(cannot(other.type_name(), "table key must be a number or string")),
            }
            self.out.push(b':');
            self.value(stack, value, depth)
        })?;
        self.out.push(b'}');
        Ok(())
    }
}
