//! `--check-aof [--fix | --truncate-to-timestamp SECONDS] FILE`: a manifest and all it names, or one file.

use super::{Bar, check_rdb};
use crate::config::os_reason;
use crate::persist::aof::{CommandFile, Manifest, ReadError, begins_with_data_set, cut_off};
use crate::resp::Args;
use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write};
use std::path::Path;

/// What may be done to the last file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repair {
    None,
    /// What is not whole is cut off.
    Fix,
    /// All that was run after this second of the Unix epoch is cut off.
    To(i64),
}

/// Bytes read at a time.
const CHUNK: usize = 256 << 10;

/// How checking one file ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Valid,
    Empty,
    /// It was cut.
    Truncated,
    Invalid,
}

/// Checks what `path` names and writes what there is to say; true if it is whole, perhaps by now. Before
/// anything is cut off, `answers` is asked.
pub fn check_aof(path: &Path, repair: Repair, answers: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<bool> {
    let mut checker = Checker { repair, answers, out };
    let Some(manifest) = manifest(path)? else {
        writeln!(checker.out, "Start checking Old-Style AOF")?;
        let has_preamble = begins_with_data_set(path)?;
        let verdict = checker.check(path, has_preamble, true)?;
        checker.tell(verdict, "AOF", path)?;
        return Ok(verdict != Verdict::Invalid);
    };
    writeln!(checker.out, "Start checking Multi Part AOF")?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for (number, part) in manifest.live().enumerate() {
        let path = folder.join(&part.name);
        let is_base = Some(part) == manifest.base.as_ref();
        let has_preamble = is_base && begins_with_data_set(&path).map_err(|error| cannot_open(&path, &error))?;
        if is_base {
            let form = if has_preamble { "RDB" } else { "RESP" };
            writeln!(checker.out, "Start to check BASE AOF ({form} format).")?;
        } else if number == manifest.base.is_some() as usize {
            writeln!(checker.out, "Start to check INCR files.")?;
        }
        let is_last = manifest.is_last_in_use(number, folder);
        let verdict = checker.check(&path, has_preamble, is_last)?;
        checker.tell(verdict, if is_base { "BASE AOF" } else { "INCR AOF" }, &path)?;
        if verdict == Verdict::Invalid {
            return Ok(false);
        }
    }
    writeln!(checker.out, "All AOF files and manifest are valid")?;
    Ok(true)
}

fn cannot_open(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("Cannot open file {}: {}, aborting...", path.display(), os_reason(error)))
}

/// The manifest, if the file is one: its first line that is no comment tells of a file.
fn manifest(path: &Path) -> io::Result<Option<Manifest>> {
    const LOOKED_AT: u64 = 64 << 10;
    let mut start = Vec::new();
    File::open(path).map_err(|error| cannot_open(path, &error))?.take(LOOKED_AT).read_to_end(&mut start)?;
    let first = start.split(|&byte| byte == b'\n').find(|line| !line.starts_with(b"#"));
    if !first.is_some_and(|line| line.starts_with(b"file ")) {
        return Ok(None);
    }
    let manifest = Manifest::parse(&fs::read(path)?);
    manifest.map(Some).map_err(|error| io::Error::other(format!("{}, aborting...", error.0)))
}

struct Checker<'a> {
    repair: Repair,
    answers: &'a mut dyn BufRead,
    out: &'a mut dyn Write,
}

/// What is known of a file while it is read.
struct Progress {
    /// Whole commands and transactions end here, on this line.
    good_up_to: u64,
    good_lines: u64,
    lines: u64,
    in_transaction: bool,
    /// Where the first annotation is that is later than wanted.
    late: Option<u64>,
}

impl Progress {
    /// A command or an annotation, and where it starts and ends.
    fn add(&mut self, args: &Args, end: u64, repair: Repair, start: u64) -> Result<(), String> {
        let name = args.get(0);
        if name.starts_with(b"#") {
            self.lines += 1;
            let noted = name.strip_prefix(b"#TS:").and_then(|text| std::str::from_utf8(text).ok()?.parse::<i64>().ok());
            if let (Repair::To(wanted), Some(noted), None) = (repair, noted, self.late)
                && noted > wanted
            {
                self.late = Some(start);
            }
        } else {
            self.lines += 1 + 2 * args.len() as u64;
            if name.eq_ignore_ascii_case(b"MULTI") {
                if self.in_transaction {
                    return Err("Unexpected MULTI".into());
                }
                self.in_transaction = true;
            } else if name.eq_ignore_ascii_case(b"EXEC") {
                if !self.in_transaction {
                    return Err("Unexpected EXEC".into());
                }
                self.in_transaction = false;
            }
        }
        if !self.in_transaction {
            (self.good_up_to, self.good_lines) = (end, self.lines);
        }
        Ok(())
    }
}

impl Checker<'_> {
    fn tell(&mut self, verdict: Verdict, kind: &str, path: &Path) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().display();
        match verdict {
            Verdict::Valid => writeln!(self.out, "{kind} {name} is valid"),
            Verdict::Empty => writeln!(self.out, "{kind} {name} is empty"),
            Verdict::Truncated | Verdict::Invalid => Ok(()),
        }
    }

    fn check(&mut self, path: &Path, has_preamble: bool, is_last: bool) -> io::Result<Verdict> {
        let name = path.file_name().unwrap_or_default().display().to_string();
        let size = fs::metadata(path).map_err(|error| cannot_open(path, &error))?.len();
        if size == 0 {
            return Ok(Verdict::Empty);
        }
        let mut start = 0;
        if has_preamble {
            match check_rdb(path, self.out)? {
                Some(length) => start = length,
                None => return Err(io::Error::other("RDB preamble of AOF file is not sane, aborting.")),
            }
            writeln!(self.out, "RDB preamble is OK, proceeding with AOF tail...")?;
        }
        let mut progress = Progress { good_up_to: start, good_lines: 0, lines: 0, in_transaction: false, late: None };
        self.read(path, start, size, &mut progress)?;
        let Progress { good_up_to, good_lines, late, .. } = progress;
        if let Repair::To(wanted) = self.repair {
            return self.cut_to_time(path, &name, (wanted, late), is_last);
        }
        let (line, rest) = (good_lines + 1, size - good_up_to);
        writeln!(
            self.out,
            "AOF analyzed: filename={name}, size={size}, ok_up_to={good_up_to}, ok_up_to_line={line}, diff={rest}"
        )?;
        if rest == 0 {
            return Ok(Verdict::Valid);
        }
        if self.repair != Repair::Fix {
            writeln!(self.out, "AOF {name} is not valid. Use the --fix option to try fixing it.")?;
            return Ok(Verdict::Invalid);
        }
        if !is_last {
            writeln!(self.out, "Failed to truncate AOF {name} because it is not the last file")?;
            return Ok(Verdict::Invalid);
        }
        writeln!(
            self.out,
            "This will shrink the AOF {name} from {size} bytes, with {rest} bytes, to {good_up_to} bytes"
        )?;
        write!(self.out, "Continue? [y/N]: ")?;
        self.out.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if !answer.trim_start().starts_with(['y', 'Y']) {
            writeln!(self.out, "Aborting...")?;
            return Ok(Verdict::Invalid);
        }
        cut_off(path, good_up_to)?;
        writeln!(self.out, "Successfully truncated AOF {name}")?;
        Ok(Verdict::Truncated)
    }

    /// Reads the commands of a file, and says where they end if that is before its end.
    fn read(&mut self, path: &Path, start: u64, size: u64, progress: &mut Progress) -> io::Result<()> {
        let mut commands = CommandFile::open(path, start)?;
        let mut bar = Bar::new(size);
        let mut before = start;
        let result = loop {
            let repair = self.repair;
            let read = commands.read(CHUNK, |args, end| {
                progress.add(args, end, repair, before)?;
                before = end;
                Ok(())
            });
            match read {
                Ok(true) => bar.show(commands.position()),
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        bar.clear();
        let whole_up_to = commands.whole_up_to();
        match result {
            Err(ReadError::Io(error)) => Err(error),
            Err(ReadError::Format { what, offset }) => {
                writeln!(self.out, "0x{offset:>16x}: {what}")?;
                let name = path.file_name().unwrap_or_default().display();
                writeln!(self.out, "AOF {name} format error")
            }
            Err(ReadError::Refused(what)) => writeln!(self.out, "0x{whole_up_to:>16x}: {what}"),
            Ok(()) if whole_up_to < size => {
                writeln!(self.out, "0x{whole_up_to:>16x}: Reached EOF before the end of a command")
            }
            Ok(()) if progress.in_transaction => {
                writeln!(self.out, "0x{whole_up_to:>16x}: Reached EOF before reading EXEC for MULTI")
            }
            Ok(()) => Ok(()),
        }
    }

    /// `late`: where the first annotation is that is later than wanted.
    fn cut_to_time(
        &mut self,
        path: &Path,
        name: &str,
        (wanted, late): (i64, Option<u64>),
        is_last: bool,
    ) -> io::Result<Verdict> {
        let Some(offset) = late else {
            writeln!(self.out, "Truncate nothing in AOF {name} to timestamp {wanted}")?;
            return Ok(Verdict::Valid);
        };
        if !is_last {
            writeln!(
                self.out,
                "Failed to truncate AOF {name} to timestamp {wanted} to offset {offset} because it is not the last file.\nIf you insist, delete all files after this one, and their lines in the manifest, then check again."
            )?;
            return Ok(Verdict::Invalid);
        }
        if offset == 0 {
            writeln!(self.out, "AOF {name} has nothing before timestamp {wanted}, aborting...")?;
            return Ok(Verdict::Invalid);
        }
        cut_off(path, offset)?;
        writeln!(self.out, "Successfully truncated AOF {name} to timestamp {wanted}")?;
        Ok(Verdict::Truncated)
    }
}
