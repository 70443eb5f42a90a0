//! Numbers, switches, texts and paths.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{MAIN_SEPARATOR, Path, PathBuf},
};

use super::{
    super::values::{MemoryOrPercent, Named},
    Integer, Kind, bounded, format_memory, must_be_one_of, os_reason, parse_integer, parse_memory, single,
};
use crate::encoding::words::quote;

/// `yes` or `no`.
pub struct YesNo;

impl Kind<bool> for YesNo {
    fn parse(&self, words: &[Vec<u8>], _: &bool) -> Result<bool, String> {
        let word = single(words)?;
        if word.eq_ignore_ascii_case(b"yes") {
            Ok(true)
        } else if word.eq_ignore_ascii_case(b"no") {
            Ok(false)
        } else {
            Err("argument must be 'yes' or 'no'".into())
        }
    }

    fn show(&self, value: &bool) -> Vec<u8> {
        if *value { b"yes".into() } else { b"no".into() }
    }
}

/// A whole number with its least and greatest value.
pub struct Int(pub i128, pub i128);

impl<T: Integer> Kind<T> for Int {
    fn parse(&self, words: &[Vec<u8>], _: &T) -> Result<T, String> {
        let number = parse_integer(single(words)?).ok_or("argument couldn't be parsed into an integer")?;
        bounded(number.into(), self.0, self.1)
    }

    fn show(&self, value: &T) -> Vec<u8> {
        value.wide().to_string().into_bytes()
    }
}

/// File permissions, in octal.
pub struct Octal(pub u32);

impl Kind<u32> for Octal {
    fn parse(&self, words: &[Vec<u8>], _: &u32) -> Result<u32, String> {
        let word = single(words)?;
        let digits = word.strip_prefix(b"-").unwrap_or(word);
        if !digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
            return Err("argument couldn't be parsed as an octal number".into());
        }
        // COMPAT: no digits at all are a zero.
        let number =
            digits.iter().fold(0_u32, |number, digit| number.saturating_mul(8).saturating_add(u32::from(digit - b'0')));
        if number > self.0 || (digits.len() < word.len() && number > 0) {
            return Err(format!("argument must be between 0 and {:o} inclusive", self.0));
        }
        Ok(number)
    }

    fn show(&self, value: &u32) -> Vec<u8> {
        format!("{value:o}").into_bytes()
    }
}

/// A size in bytes with its least and greatest value; may be given with a unit.
pub struct Memory(pub i128, pub i128);

impl<T: Integer> Kind<T> for Memory {
    fn parse(&self, words: &[Vec<u8>], _: &T) -> Result<T, String> {
        let bytes = parse_memory(single(words)?).ok_or("argument must be a memory value")?;
        bounded(bytes.into(), self.0, self.1)
    }

    fn show(&self, value: &T) -> Vec<u8> {
        value.wide().to_string().into_bytes()
    }

    fn lines(&self, value: &T) -> Vec<Vec<u8>> {
        vec![u64::try_from(value.wide()).map_or_else(|_| self.show(value), format_memory)]
    }
}

/// A number of the kind `.0`, brought between `.1` and `.2` where it lies outside.
pub struct Clamped<K>(pub K, pub i128, pub i128);

impl<T: Integer, K: Kind<T>> Kind<T> for Clamped<K> {
    fn parse(&self, words: &[Vec<u8>], current: &T) -> Result<T, String> {
        let number = self.0.parse(words, current)?.wide();
        bounded(number.clamp(self.1, self.2), self.1, self.2)
    }

    fn show(&self, value: &T) -> Vec<u8> {
        self.0.show(value)
    }

    fn lines(&self, value: &T) -> Vec<Vec<u8>> {
        self.0.lines(value)
    }
}

/// A size in bytes or a percentage.
pub struct MemoryOrPercentage;

impl Kind<MemoryOrPercent> for MemoryOrPercentage {
    fn parse(&self, words: &[Vec<u8>], _: &MemoryOrPercent) -> Result<MemoryOrPercent, String> {
        let word = single(words)?;
        let malformed = || String::from("argument must be a memory or percent value");
        match word.strip_suffix(b"%") {
            Some(digits) => {
                let percent = parse_integer(digits).filter(|&percent| percent >= 0);
                let percent = u8::try_from(percent.ok_or_else(malformed)?).unwrap_or(u8::MAX);
                if percent > 100 {
                    return Err("percentage argument must be less or equal to 100".into());
                }
                Ok(MemoryOrPercent::Percent(percent))
            }
            None => parse_memory(word).map(MemoryOrPercent::Bytes).ok_or_else(malformed),
        }
    }

    fn show(&self, value: &MemoryOrPercent) -> Vec<u8> {
        match value {
            MemoryOrPercent::Bytes(bytes) => bytes.to_string().into_bytes(),
            MemoryOrPercent::Percent(percent) => format!("{percent}%").into_bytes(),
        }
    }

    fn lines(&self, value: &MemoryOrPercent) -> Vec<Vec<u8>> {
        match value {
            MemoryOrPercent::Bytes(bytes) => vec![format_memory(*bytes)],
            MemoryOrPercent::Percent(_) => vec![self.show(value)],
        }
    }
}

/// One of the names of an enumeration.
pub struct OneOf;

impl OneOf {
    pub(super) fn find<T: Named>(word: &[u8]) -> Result<T, String> {
        let member = T::MEMBERS.iter().find(|(_, name)| word.eq_ignore_ascii_case(name.as_bytes()));
        let names = || T::MEMBERS.iter().map(|(_, name)| *name);
        member.map(|(member, _)| *member).ok_or_else(|| must_be_one_of(names()))
    }
}

impl<T: Named> Kind<T> for OneOf {
    fn parse(&self, words: &[Vec<u8>], _: &T) -> Result<T, String> {
        Self::find(single(words)?)
    }

    fn show(&self, value: &T) -> Vec<u8> {
        let member = T::MEMBERS.iter().find(|(member, _)| member == value);
        member.map(|(_, name)| name.as_bytes().to_vec()).unwrap_or_default()
    }
}

/// Any bytes.
pub struct Text;

impl Kind<Vec<u8>> for Text {
    fn parse(&self, words: &[Vec<u8>], _: &Vec<u8>) -> Result<Vec<u8>, String> {
        single(words).map(<[u8]>::to_vec)
    }

    fn show(&self, value: &Vec<u8>) -> Vec<u8> {
        value.clone()
    }

    fn lines(&self, value: &Vec<u8>) -> Vec<Vec<u8>> {
        vec![quote(value)]
    }
}

/// A text that must pass a check.
pub struct Checked(pub fn(&[u8]) -> Result<(), String>);

impl Kind<Vec<u8>> for Checked {
    fn parse(&self, words: &[Vec<u8>], current: &Vec<u8>) -> Result<Vec<u8>, String> {
        (self.0)(single(words)?)?;
        Text.parse(words, current)
    }

    fn show(&self, value: &Vec<u8>) -> Vec<u8> {
        Text.show(value)
    }

    fn lines(&self, value: &Vec<u8>) -> Vec<Vec<u8>> {
        Text.lines(value)
    }
}

/// For [`Checked`]: a host name, or nothing.
pub fn hostname(word: &[u8]) -> Result<(), String> {
    if word.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".into());
    }
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if !word.iter().all(allowed) {
        return Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into());
    }
    Ok(())
}

/// For [`Checked`]: a human-readable node name, or nothing.
pub fn node_name(word: &[u8]) -> Result<(), String> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if word.len() >= 256 || !word.iter().all(allowed) {
        return Err(
            "Node names may only contain up to 255 alphanumeric characters, hyphens, underscores or dots".into()
        );
    }
    Ok(())
}

/// For [`Checked`]: a process title with the variables that `proc-title-template` has.
pub fn title_template(word: &[u8]) -> Result<(), String> {
    const VARIABLES: [&[u8]; 7] =
        [b"title", b"listen-addr", b"server-mode", b"port", b"tls-port", b"unixsocket", b"config-file"];
    let known = word.split(|&byte| byte == b'{').skip(1).all(|part| {
        let end = part.iter().position(|&byte| byte == b'}');
        end.is_some_and(|end| VARIABLES.contains(&&part[..end]))
    });
    if known { Ok(()) } else { Err("template format is invalid or contains unknown variables".into()) }
}

/// A path that may be left empty.
pub struct OptionalPath;

impl Kind<Option<PathBuf>> for OptionalPath {
    fn parse(&self, words: &[Vec<u8>], _: &Option<PathBuf>) -> Result<Option<PathBuf>, String> {
        let word = single(words)?;
        Ok((!word.is_empty()).then(|| path_from(word)))
    }

    fn show(&self, value: &Option<PathBuf>) -> Vec<u8> {
        value.as_deref().map(path_bytes).unwrap_or_default()
    }

    fn lines(&self, value: &Option<PathBuf>) -> Vec<Vec<u8>> {
        vec![quote(&self.show(value))]
    }
}

/// The name of a file or directory inside `dir`.
pub struct FileName {
    /// The directive, for its error message.
    pub directive: &'static str,
    /// `filename` or `dirname`, for its error message.
    pub what: &'static str,
    /// Whether it may be left empty.
    pub may_be_empty: bool,
}

impl Kind<PathBuf> for FileName {
    fn parse(&self, words: &[Vec<u8>], _: &PathBuf) -> Result<PathBuf, String> {
        let word = single(words)?;
        if word.is_empty() && !self.may_be_empty {
            return Err(format!("{} can't be empty", self.directive));
        }
        if word.contains(&(MAIN_SEPARATOR as u8)) {
            return Err(format!("{} can't be a path, just a {}", self.directive, self.what));
        }
        Ok(path_from(word))
    }

    fn show(&self, value: &PathBuf) -> Vec<u8> {
        path_bytes(value)
    }

    fn lines(&self, value: &PathBuf) -> Vec<Vec<u8>> {
        vec![quote(&self.show(value))]
    }
}

/// The working directory: relative to the one before it, and always kept absolute.
pub struct WorkingDirectory;

impl Kind<PathBuf> for WorkingDirectory {
    fn parse(&self, words: &[Vec<u8>], current: &PathBuf) -> Result<PathBuf, String> {
        let reason = |error: io::Error| os_reason(&error);
        let word = single(words)?;
        if word.is_empty() {
            return Err(os_reason(&io::Error::from_raw_os_error(libc::ENOENT)));
        }
        let path = fs::canonicalize(current.join(path_from(word))).map_err(reason)?;
        if !fs::metadata(&path).map_err(reason)?.is_dir() {
            return Err(os_reason(&io::Error::from_raw_os_error(libc::ENOTDIR)));
        }
        Ok(path)
    }

    fn show(&self, value: &PathBuf) -> Vec<u8> {
        path_bytes(value)
    }

    fn lines(&self, value: &PathBuf) -> Vec<Vec<u8>> {
        vec![quote(&self.show(value))]
    }
}

fn path_from(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

fn path_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}
