//! JSON to values.

use super::super::failure::{Failure, Result, failure};
use super::super::stack::Stack;
use super::{DEPTH_MAX, Settings};

/// Pushes the value that JSON stands for.
pub fn decode(stack: &mut Stack, settings: &Settings, json: &[u8]) -> Result<()> {
    let mut decoder = Decoder { stack, settings, json, at: 0, text: Vec::new() };
    let first = decoder.token();
    decoder.value(first, 0)?;
    match decoder.token() {
        Token { kind: Kind::End, .. } => Ok(()),
        other => Err(unexpected("the end", &other)),
    }
}

/// A piece of JSON, and where it begins.
struct Token {
    kind: Kind,
    start: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Colon,
    Comma,
    /// It is in the decoder's `text`.
    String,
    Number(f64),
    Boolean(bool),
    Null,
    End,
    /// What is wrong.
    Error(&'static str),
}

impl Kind {
    /// COMPAT: as errors name it.
    fn name(self) -> &'static str {
        match self {
            Kind::ObjectBegin => "T_OBJ_BEGIN",
            Kind::ObjectEnd => "T_OBJ_END",
            Kind::ArrayBegin => "T_ARR_BEGIN",
            Kind::ArrayEnd => "T_ARR_END",
            Kind::Colon => "T_COLON",
            Kind::Comma => "T_COMMA",
            Kind::String => "T_STRING",
            Kind::Number(_) => "T_NUMBER",
            Kind::Boolean(_) => "T_BOOLEAN",
            Kind::Null => "T_NULL",
            Kind::End => "T_END",
            Kind::Error(what) => what,
        }
    }
}

fn unexpected(expected: &str, found: &Token) -> Failure {
    failure(format_args!("Expected {expected} but found {} at character {}", found.kind.name(), found.start + 1))
}

struct Decoder<'a> {
    /// Where the values go.
    stack: &'a mut Stack,
    settings: &'a Settings,
    json: &'a [u8],
    at: usize,
    /// The string that was read last.
    text: Vec<u8>,
}

impl Decoder<'_> {
    /// The byte at an offset, 0 behind the end.
    fn byte(&self, at: usize) -> u8 {
        self.json.get(at).copied().unwrap_or(0)
    }

    fn token(&mut self) -> Token {
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let start = self.at;
        let single = match self.byte(start) {
            b'{' => Some(Kind::ObjectBegin),
            b'}' => Some(Kind::ObjectEnd),
            b'[' => Some(Kind::ArrayBegin),
            b']' => Some(Kind::ArrayEnd),
            b':' => Some(Kind::Colon),
            b',' => Some(Kind::Comma),
            _ => None,
        };
        if let Some(kind) = single {
            self.at += 1;
            return Token { kind, start };
        }
        match self.byte(start) {
            // COMPAT: a zero ends the text.
            0 => Token { kind: Kind::End, start },
            b'"' => self.string(),
            b'-' | b'+' | b'0'..=b'9' | b'i' | b'I' | b'N' => self.number(),
            b'n' if self.json[start..].starts_with(b"null") => self.word(4, Kind::Null),
            b'n' => self.number(),
            b't' if self.json[start..].starts_with(b"true") => self.word(4, Kind::Boolean(true)),
            b'f' if self.json[start..].starts_with(b"false") => self.word(5, Kind::Boolean(false)),
            _ => Token { kind: Kind::Error("invalid token"), start },
        }
    }

    fn word(&mut self, len: usize, kind: Kind) -> Token {
        let start = self.at;
        self.at += len;
        Token { kind, start }
    }

    fn string(&mut self) -> Token {
        let start = self.at;
        let mut at = start + 1;
        self.text.clear();
        loop {
            let error = |what, at| Token { kind: Kind::Error(what), start: at };
            match self.byte(at) {
                0 => return error("unexpected end of string", at),
                b'"' => break,
                b'\\' => {
                    let escaped = match self.byte(at + 1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 0x08,
                        b'f' => 0x0c,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'u' => match self.unicode(at) {
                            Some((character, len)) => {
                                self.text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                                at += len;
                                continue;
                            }
                            None => return error("invalid unicode escape code", at),
                        },
                        _ => return error("invalid escape code", at),
                    };
                    self.text.push(escaped);
                    at += 2;
                }
                _ => {
                    let rest = &self.json[at..];
                    let len = memchr::memchr3(b'"', b'\\', 0, rest).unwrap_or(rest.len());
                    self.text.extend_from_slice(&rest[..len]);
                    at += len;
                }
            }
        }
        self.at = at + 1;
        Token { kind: Kind::String, start }
    }

    /// The character that `\uXXXX`, or a pair of them, stands for, and the length of that.
    fn unicode(&self, at: usize) -> Option<(char, usize)> {
        const LEN: usize = 6;
        let unit = |at: usize| {
            let digits = self.json.get(at..at + LEN)?.strip_prefix(b"\\u")?;
            let all = digits.iter().all(u8::is_ascii_hexdigit);
            all.then(|| u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()).flatten()
        };
        let first = unit(at)?;
        let units = if (0xd800..0xdc00).contains(&first) { vec![first, unit(at + LEN)?] } else { vec![first] };
        let len = units.len() * LEN;
        let character = char::decode_utf16(units).next()?.ok()?;
        Some((character, len))
    }

    /// COMPAT: what C's `strtod` reads is a number, and its beginning may be all that is read.
    fn number(&mut self) -> Token {
        let start = self.at;
        let invalid = |what| Token { kind: Kind::Error(what), start };
        let rest = &self.json[start..];
        let digits = rest.strip_prefix(b"-").unwrap_or(rest);
        let word = |word: &[u8]| digits.len() >= word.len() && digits[..word.len()].eq_ignore_ascii_case(word);
        let is_special = word(b"inf") || word(b"nan") || word(b"0x");
        if is_special && !self.settings.decode_invalid.get() {
            return invalid("invalid token");
        }
        match leading_number(rest) {
            Some((number, len)) => {
                self.at += len;
                Token { kind: Kind::Number(number), start }
            }
            None if digits.first().is_some_and(|byte| byte.is_ascii_alphabetic()) => invalid("invalid token"),
            None => invalid("invalid number"),
        }
    }

    /// Pushes the value that begins with a token.
    fn value(&mut self, token: Token, depth: usize) -> Result<()> {
        match token.kind {
            Kind::String => self.stack.push_string(&self.text),
            Kind::Number(number) => self.stack.push_number(number),
            Kind::Boolean(truth) => self.stack.push_boolean(truth),
            Kind::Null => self.stack.push_null(),
            Kind::ObjectBegin | Kind::ArrayBegin => {
                let depth = depth + 1;
                if depth as i64 > self.settings.decode_depth.get() || depth > DEPTH_MAX {
                    return Err(failure(format_args!(
                        "Found too many nested data structures ({depth}) at character {}",
                        self.at
                    )));
                }
                self.stack.reserve()?;
                return if token.kind == Kind::ArrayBegin { self.array(depth) } else { self.object(depth) };
            }
            _ => return Err(unexpected("value", &token)),
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<()> {
        let table = self.stack.push_table(0, 0);
        let mut token = self.token();
        if token.kind == Kind::ArrayEnd {
            return Ok(());
        }
        for number in 1.. {
            self.value(token, depth)?;
            self.stack.set_element(table, number);
            let separator = self.token();
            match separator.kind {
                Kind::ArrayEnd => break,
                Kind::Comma => (),
                _ => return Err(unexpected("comma or array end", &separator)),
            }
            token = self.token();
        }
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<()> {
        let table = self.stack.push_table(0, 0);
        let mut token = self.token();
        if token.kind == Kind::ObjectEnd {
            return Ok(());
        }
        loop {
            if token.kind != Kind::String {
                return Err(unexpected("object key string", &token));
            }
            self.stack.push_string(&self.text);
            let colon = self.token();
            if colon.kind != Kind::Colon {
                return Err(unexpected("colon", &colon));
            }
            let first = self.token();
            self.value(first, depth)?;
            self.stack.set_pair(table);
            let separator = self.token();
            match separator.kind {
                Kind::ObjectEnd => break,
                Kind::Comma => (),
                _ => return Err(unexpected("comma or object end", &separator)),
            }
            token = self.token();
        }
        Ok(())
    }
}

/// The number that a text begins with, as C's `strtod` reads it, and its length.
fn leading_number(text: &[u8]) -> Option<(f64, usize)> {
    let sign = text.first().is_some_and(|byte| b"+-".contains(byte)) as usize;
    let rest = &text[sign..];
    let signed = |number: f64| if text[0] == b'-' { -number } else { number };
    let word = |word: &[u8]| rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word);
    for (name, number) in [("infinity", f64::INFINITY), ("inf", f64::INFINITY), ("nan", f64::NAN)] {
        if word(name.as_bytes()) {
            return Some((signed(number), sign + name.len()));
        }
    }
    if word(b"0x")
        && let Some((number, len)) = leading_hexadecimal(&rest[2..])
    {
        return Some((signed(number), sign + 2 + len));
    }
    let digits = |from: usize| rest[from.min(rest.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut len = whole;
    let mut fraction = 0;
    if rest.get(len) == Some(&b'.') {
        fraction = digits(len + 1);
        len += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if matches!(rest.get(len), Some(b'e' | b'E')) {
        let sign = matches!(rest.get(len + 1), Some(b'+' | b'-')) as usize;
        let exponent = digits(len + 1 + sign);
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    let number = match &rest[..len] {
        // So few digits alone are exact.
        digits if len == whole && len <= 15 => digits.iter().fold(0, |n, digit| n * 10 + (digit - b'0') as u64) as f64,
        text => str::from_utf8(text).ok()?.parse().ok()?,
    };
    Some((signed(number), sign + len))
}

/// The same of what follows `0x`: digits with a point in them, and an exponent of two.
fn leading_hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    let (mut number, mut scale, mut digits, mut len) = (0.0, 0i32, 0, 0);
    let mut in_fraction = false;
    while let Some(&byte) = text.get(len) {
        match (byte as char).to_digit(16) {
            Some(digit) => {
                number = number * 16.0 + digit as f64;
                scale -= 4 * in_fraction as i32;
                digits += 1;
            }
            None if byte == b'.' && !in_fraction => in_fraction = true,
            None => break,
        }
        len += 1;
    }
    if digits == 0 {
        return None;
    }
    if matches!(text.get(len), Some(b'p' | b'P')) {
        let rest = &text[len + 1..];
        let sign = matches!(rest.first(), Some(b'+' | b'-')) as usize;
        let digits = rest[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if let Some(exponent) = str::from_utf8(&rest[..sign + digits]).ok().and_then(|text| text.parse::<i32>().ok()) {
            scale = scale.saturating_add(exponent);
            len += 1 + sign + digits;
        }
    }
    Some((number * 2f64.powi(scale), len))
}
