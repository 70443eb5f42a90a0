//! The manifest: which files together are the append-only file.
//!
//! One line a file, pairs of a key and a value in any order:
//!
//! ```text
//! file appendonly.aof.2.base.aof seq 2 type b
//! file appendonly.aof.2.incr.aof seq 2 type i
//! ```
//!
//! `b` is the base (at most one), `i` an increment (in order of their numbers), `h` history: files
//! that a rewrite replaced and that are to be removed.

use crate::encoding::words::{quote_if_needed, split_words};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// One line of the manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// Without a folder.
    pub name: OsString,
    pub seq: u64,
}

/// See the module's description.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Manifest {
    pub base: Option<Part>,
    /// The latest first.
    pub history: Vec<Part>,
    pub increments: Vec<Part>,
}

/// A manifest that cannot be read, in words that name the line.
#[derive(Debug, PartialEq, Eq)]
pub struct ManifestError(pub String);

/// COMPAT: Redis reads no longer lines.
const LINE_MAX: usize = 1024;

impl Manifest {
    pub fn parse(text: &[u8]) -> Result<Manifest, ManifestError> {
        let mut manifest = Manifest::default();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        if text.is_empty() {
            return Err(ManifestError("Found an empty AOF manifest".into()));
        }
        for (i, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let failed = |what: &str| {
                let line = String::from_utf8_lossy(&line[..line.len().min(LINE_MAX)]);
                ManifestError(format!("{what}: line {} of the manifest, {line:?}", i + 1))
            };
            if line.len() >= LINE_MAX {
                return Err(failed("The AOF manifest file contains too long line"));
            }
            if line.starts_with(b"#") {
                continue;
            }
            let (part, kind) =
                parse_line(line.trim_ascii()).ok_or_else(|| failed("Invalid AOF manifest file format"))?;
            match kind {
                b'b' if manifest.base.is_some() => return Err(failed("Found duplicate base file information")),
                b'b' => manifest.base = Some(part),
                b'h' => manifest.history.push(part),
                b'i' if manifest.increments.last().is_some_and(|last| last.seq >= part.seq) => {
                    return Err(failed("Found a non-monotonic sequence number"));
                }
                b'i' => manifest.increments.push(part),
                _ => return Err(failed("Unknown AOF file type")),
            }
        }
        if manifest.is_empty() {
            return Err(ManifestError("Found an empty AOF manifest".into()));
        }
        Ok(manifest)
    }

    pub fn to_text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut add = |part: &Part, kind| {
            text.extend_from_slice(b"file ");
            text.extend_from_slice(&quote_if_needed(part.name.as_bytes()));
            text.extend_from_slice(format!(" seq {} type {kind}\n", part.seq).as_bytes());
        };
        self.base.iter().for_each(|part| add(part, 'b'));
        self.history.iter().for_each(|part| add(part, 'h'));
        self.increments.iter().for_each(|part| add(part, 'i'));
        text
    }

    pub fn is_empty(&self) -> bool {
        *self == Manifest::default()
    }

    /// What the data set is loaded from, in order.
    pub fn live(&self) -> impl Iterator<Item = &Part> {
        self.base.iter().chain(&self.increments)
    }

    /// Whether nothing comes after the part of this number, counted from 0. An increment is there, and
    /// empty, a moment before it is written to: until then the part before it is where a crash may leave
    /// half a command.
    pub fn is_last_in_use(&self, number: usize, folder: &Path) -> bool {
        let is_empty = |part: &Part| fs::metadata(folder.join(&part.name)).is_ok_and(|data| data.len() == 0);
        self.live().skip(number + 1).all(is_empty)
    }

    /// Reads the manifest at `path`; None if there is none.
    pub fn load(path: &Path) -> io::Result<Option<Manifest>> {
        match fs::read(path) {
            Ok(text) => {
                Manifest::parse(&text).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.0))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts the manifest in the place of the old one in one step. That survives a crash once the folder is
    /// durable as well: see [`sync_folder_of`](crate::persist::file::sync_folder_of).
    pub fn replace(&self, path: &Path) -> io::Result<()> {
        let mut temporary = path.file_name().unwrap_or_default().to_owned();
        temporary.push(".tmp");
        let mut named = OsString::from("temp-");
        named.push(temporary);
        let temporary = path.with_file_name(named);
        let mut file = File::create(&temporary)?;
        file.write_all(&self.to_text())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    }
}

/// The file that a line names, and the letter of what it is for.
fn parse_line(line: &[u8]) -> Option<(Part, u8)> {
    let words = split_words(line)?;
    let (mut name, mut seq, mut kind) = (None, None, None);
    for pair in words.chunks(2) {
        let [key, value] = pair else { return None };
        match &key[..] {
            b"file" => name = Some(OsString::from_vec(value.clone())).filter(|name| !name.as_bytes().contains(&b'/')),
            b"seq" => seq = crate::encoding::number::parse_u64(value),
            b"type" => kind = value.first().copied(),
            // Later versions may tell more about a file.
            _ => (),
        }
    }
    Some((Part { name: name?, seq: seq? }, kind?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn grammar() {
        let text = b"# comment\nseq 2 type b file a.2.base.rdb\nfile \"a b.1\" seq 1 type i future x\nfile a.2 seq 2 type i\nfile old seq 1 type h\n";
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.base.as_ref().unwrap().name, "a.2.base.rdb");
        assert_eq!(manifest.increments.iter().map(|p| p.name.to_str().unwrap()).collect::<Vec<_>>(), ["a b.1", "a.2"]);
        for bad in [
            &b""[..],
            b"# comment",
            b"file x seq 1 type i\n\nfile y seq 2 type i",
            b"file x seq 1",
            b"file x seq y type i",
            b"file x seq 1 type z",
            b"file ../x seq 1 type i",
            b"file a seq 1 type b\nfile b seq 2 type b",
            b"file a seq 2 type i\nfile b seq 1 type i",
        ] {
            assert!(Manifest::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #[test]
        fn round_trip(names in prop::collection::vec("[ -.0-~]{1,20}", 1..5)) {
            let increments = names.into_iter().zip(1..).map(|(name, seq)| Part { name: name.into(), seq }).collect();
            let manifest = Manifest { increments, ..Manifest::default() };
            prop_assert_eq!(Manifest::parse(&manifest.to_text()), Ok(manifest));
        }

        #[test]
        fn garbage_is_harmless(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::parse(&text);
        }
    }
}
