//! Values to JSON.

use super::super::failure::{Failure, Result, failure, type_name};
use super::{DEPTH_MAX, InvalidNumbers, Settings};
use crate::encoding::number::format_f64_digits;
use mlua::{Table, Value};

pub fn encode(settings: &Settings, value: &Value) -> Result<Vec<u8>> {
    let mut encoder = Encoder { settings, out: Vec::new() };
    encoder.value(value, 0)?;
    Ok(encoder.out)
}

struct Encoder<'a> {
    settings: &'a Settings,
    out: Vec<u8>,
}

fn cannot(value: &Value, why: &str) -> Failure {
    failure(format_args!("Cannot serialise {}: {why}", type_name(value)))
}

impl Encoder<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<()> {
        match value {
            Value::Nil => self.out.extend_from_slice(b"null"),
            value if value.is_null() => self.out.extend_from_slice(b"null"),
            Value::Boolean(truth) => self.out.extend_from_slice(if *truth { b"true" } else { b"false" }),
            Value::Integer(integer) => self.number(value, *integer as f64)?,
            Value::Number(number) => self.number(value, *number)?,
            Value::String(string) => self.string(&string.as_bytes()),
            Value::Table(table) => {
                let depth = depth + 1;
                if depth as i64 > self.settings.encode_depth.get() || depth > DEPTH_MAX {
                    return Err(failure(format_args!("Cannot serialise, excessive nesting ({depth})")));
                }
                return self.table(table, depth);
            }
            value => return Err(cannot(value, "type not supported")),
        }
        Ok(())
    }

    fn number(&mut self, value: &Value, number: f64) -> Result<()> {
        if !number.is_finite() {
            match self.settings.encode_invalid.get() {
                InvalidNumbers::Refuse => return Err(cannot(value, "must not be NaN or Inf")),
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

    fn table(&mut self, table: &Table, depth: usize) -> Result<()> {
        match self.array_len(table)? {
            Some(len) => self.array(table, len, depth),
            None => self.object(table, depth),
        }
    }

    /// The length of a table whose keys are those of an array; COMPAT: an empty one is an object.
    fn array_len(&self, table: &Table) -> Result<Option<usize>> {
        let (mut greatest, mut count) = (0, 0);
        let mut is_array = true;
        for pair in table.pairs::<Value, Value>() {
            match pair?.0 {
                Value::Integer(index) if index > 0 => greatest = greatest.max(index),
                _ => {
                    is_array = false;
                    break;
                }
            }
            count += 1;
        }
        if !is_array || count == 0 {
            return Ok(None);
        }
        let settings = self.settings;
        let (ratio, safe) = (settings.sparse_ratio.get(), settings.sparse_safe.get());
        if ratio > 0 && greatest > count * ratio && greatest > safe {
            if !settings.sparse_convert.get() {
                return Err(failure("Cannot serialise table: excessively sparse array"));
            }
            return Ok(None);
        }
        Ok(Some(greatest as usize))
    }

    fn array(&mut self, table: &Table, len: usize, depth: usize) -> Result<()> {
        self.out.push(b'[');
        for index in 1..=len {
            if index > 1 {
                self.out.push(b',');
            }
            self.value(&table.raw_get(index)?, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, table: &Table, depth: usize) -> Result<()> {
        self.out.push(b'{');
        let mut is_first = true;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            if !std::mem::take(&mut is_first) {
                self.out.push(b',');
            }
            match &key {
                Value::String(name) => self.string(&name.as_bytes()),
                Value::Integer(_) | Value::Number(_) => {
                    self.out.push(b'"');
                    self.value(&key, depth)?;
                    self.out.push(b'"');
                }
                key => return Err(cannot(key, "table key must be a number or string")),
            }
            self.out.push(b':');
            self.value(&value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }
}
