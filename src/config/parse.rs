//! The grammar of redis.conf and of the command line.
//!
//! A file has one directive a line: its name and words, as `encoding::words` splits them; blank
//! lines and lines that start with `#` are comments. A later line overrides an earlier one, and
//! the command line overrides all files. Beside the directives of the table a file may have
//!
//! ```text
//! include <path>                           the lines of other files; the path may be a pattern
//! user <name> <rule> ...                   an ACL user
//! rename-command <command> <new name>      the new name may be empty
//! ```

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt, fs,
    io::{self, Read},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use super::{Config, Directive, REDIS_VERSION, Source, defaults, kinds::os_reason, lookup, names};
use crate::encoding::words::{quote, split_words};

/// How deep `include` may nest, as in Redis: a file that includes itself must end somewhere.
const INCLUDE_DEPTH_MAX: usize = 16;

/// Words with which a line may start although they are no directive with a value.
const OTHER_NAMES: [&str; 4] = ["include", "user", "rename-command", "loadmodule"];

/// Once meant something to Redis; it still takes them, with one value, and does nothing.
const DEPRECATED_NAMES: [&str; 3] = ["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// What was asked for on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The file to read first.
    pub file: Option<PathBuf>,
    /// Read standard input after the file.
    pub from_stdin: bool,
    /// The `--name value ...` options as lines of a file, read last.
    pub options: Vec<u8>,
}

impl CommandLine {
    /// Understands `[FILE] [-] [--name value ...] [-]`, the program's name left off.
    ///
    /// The words after an option, up to the next one, are its values. The word right after a
    /// bare `--name` is always a value, even if it starts with `--`; but `--save` alone is
    /// `save ""`.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> CommandLine {
        let arguments: Vec<Vec<u8>> = arguments.into_iter().map(OsString::into_vec).collect();
        let mut line = CommandLine::default();
        let mut rest = arguments.as_slice();
        if let Some((first, others)) = rest.split_first()
            && !first.starts_with(b"-")
        {
            line.file = Some(PathBuf::from(OsStr::from_bytes(first)));
            rest = others;
        }
        if let Some((first, others)) = rest.split_first()
            && first == b"-"
        {
            line.from_stdin = true;
            rest = others;
        }
        if let Some((last, others)) = rest.split_last()
            && last == b"-"
        {
            line.from_stdin = true;
            rest = others;
        }
        line.options = option_lines(rest).join(&b'\n');
        line
    }
}

/// One line of a file for each `--name value ...`.
fn option_lines(words: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut wants_value = false;
    for (index, word) in words.iter().enumerate() {
        match word.strip_prefix(b"--") {
            Some(option) if !wants_value => {
                let ends_here = words.get(index + 1).is_none_or(|next| next.starts_with(b"--"));
                if option == b"save" && ends_here {
                    lines.push(b"save \"\"".into());
                } else {
                    lines.push(option.to_vec());
                    // COMPAT: an option with a blank in it, `"--port 7000"`, brings its value along.
                    wants_value = split_words(option).is_some_and(|words| words.len() == 1);
                }
            }
            _ => {
                wants_value = false;
                match lines.last_mut() {
                    Some(line) => {
                        line.push(b' ');
                        line.extend(quote(word));
                    }
                    // COMPAT: the first option needs no dashes: `rondo FILE port 7000`.
                    None => lines.push(quote(word)),
                }
            }
        }
    }
    lines
}

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// The options of the command line, or a text in memory.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path) => write!(f, "the file {}", path.display()),
            Origin::Stdin => write!(f, "standard input"),
            Origin::CommandLine => write!(f, "the command line"),
        }
    }
}

/// Why the configuration can't be used. Displayed as Redis words it, so that tools that look for
/// its lines find them.
#[derive(Debug)]
pub enum ConfigError {
    /// A file could not be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A line is wrong.
    Line {
        /// Where it stands.
        origin: Origin,
        /// Counts from 1.
        number: usize,
        /// The line itself.
        text: Vec<u8>,
        /// What is wrong.
        reason: String,
        /// The nearest name, if the line's is unknown.
        suggestion: Option<&'static str>,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Unreadable { path, error } => {
                write!(f, "Fatal error, can't open config file '{}': {}", path.display(), os_reason(error))
            }
            ConfigError::Line { origin, number, text, reason, suggestion } => {
                writeln!(f, "*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***")?;
                writeln!(f, "Reading the configuration file, at line {number}")?;
                writeln!(f, ">>> '{}'", String::from_utf8_lossy(text))?;
                write!(f, "{reason}\nThis line comes from {origin}.")?;
                if let Some(suggestion) = suggestion {
                    write!(f, " Did you mean '{suggestion}'?")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConfigError::Unreadable { error, .. } => Some(error),
            ConfigError::Line { .. } => None,
        }
    }
}

/// The configuration that the command line asks for: the file, then standard input, then the
/// options.
pub fn load(line: &CommandLine) -> Result<Config, ConfigError> {
    let mut loader = Loader::new();
    if let Some(path) = &line.file {
        loader.read_file(path)?;
        loader.config.config_file = std::path::absolute(path).ok();
    }
    if line.from_stdin {
        let mut text = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut text);
        read.map_err(|error| ConfigError::Unreadable { path: "-".into(), error })?;
        loader.read_text(&text, &Origin::Stdin)?;
    }
    loader.read_text(&line.options, &Origin::CommandLine)?;
    Ok(loader.finish())
}

/// What one file gives, with those that it includes, and what of it comes from them.
pub(super) fn load_file(path: &Path) -> Result<(Config, Included), ConfigError> {
    let mut loader = Loader::new();
    loader.read_file(path)?;
    let included = std::mem::take(&mut loader.included);
    Ok((loader.finish(), included))
}

/// What the `include` lines of a file have brought.
#[derive(Default)]
pub(super) struct Included {
    /// For each directive that included files set, the number of the last such `include` line, from 0.
    /// A relative path counts as if it set `dir`: what comes before it must stay.
    pub directives: BTreeMap<&'static str, usize>,
    /// As `Config::users`.
    pub users: Vec<Vec<Vec<u8>>>,
}

impl Config {
    /// The configuration that the lines of `text` describe.
    pub fn from_text(text: &[u8]) -> Result<Config, ConfigError> {
        let mut loader = Loader::new();
        loader.read_text(text, &Origin::CommandLine)?;
        Ok(loader.finish())
    }
}

/// A configuration in the making.
struct Loader {
    config: Config,
    /// Directives that some line has set.
    seen: Vec<&'static Directive>,
    include_depth: usize,
    /// The line that is being read, or whose `include` is, from 0.
    line: usize,
    included: Included,
}

/// What is wrong with a line.
enum LineError {
    Reason(String),
    UnknownName(Vec<u8>),
    /// An included file failed, and says itself where.
    Included(ConfigError),
}

impl From<&str> for LineError {
    fn from(reason: &str) -> Self {
        LineError::Reason(reason.into())
    }
}

const BAD_DIRECTIVE: &str = "Bad directive or wrong number of arguments";

impl Loader {
    fn new() -> Loader {
        // Not `Config::default()`: relative paths must mean the same whenever the file is read
        // again, even after the process has changed to `dir`.
        let config = defaults().clone();
        Loader { config, seen: Vec::new(), include_depth: 0, line: 0, included: Included::default() }
    }

    fn finish(mut self) -> Config {
        // As Redis: a server in the background always has a pid file.
        if self.config.daemonize && self.config.pidfile.is_none() {
            self.config.pidfile = Some("/var/run/redis.pid".into());
        }
        self.config
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = fs::read(path).map_err(|error| ConfigError::Unreadable { path: path.into(), error })?;
        self.read_text(&text, &Origin::File(path.into()))
    }

    fn read_text(&mut self, text: &[u8], origin: &Origin) -> Result<(), ConfigError> {
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if self.include_depth == 0 {
                self.line = index;
            }
            self.read_line(line).map_err(|error| {
                let (reason, suggestion) = match error {
                    LineError::Included(error) => return error,
                    LineError::Reason(reason) => (reason, None),
                    LineError::UnknownName(name) => (BAD_DIRECTIVE.into(), nearest_name(&name)),
                };
                ConfigError::Line { origin: origin.clone(), number: index + 1, text: line.to_vec(), reason, suggestion }
            })?;
        }
        Ok(())
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), LineError> {
        if line.is_empty() || line[0] == b'#' {
            return Ok(());
        }
        let words = split_words(line).ok_or("Unbalanced quotes in configuration line")?;
        let Some((name, words)) = words.split_first() else { return Ok(()) };
        if let Some(directive) = lookup(name) {
            if self.include_depth > 0 {
                self.included.directives.insert(directive.name, self.line);
            }
            let from = if self.seen.contains(&directive) {
                Source::FurtherLine
            } else {
                self.seen.push(directive);
                Source::FirstLine
            };
            return self.config.set(directive, words, from).map_err(LineError::Reason);
        }
        let name = name.to_ascii_lowercase();
        match (name.as_slice(), words) {
            (b"include", [pattern]) => self.include(pattern),
            (b"user", [user, ..]) => {
                if self.config.users.iter().any(|known| known[0] == *user) {
                    return Err("Duplicate user found. A user can only be defined once in config files".into());
                }
                self.config.users.push(words.to_vec());
                if self.include_depth > 0 {
                    self.included.users.push(words.to_vec());
                }
                Ok(())
            }
            (b"rename-command", [command, new_name]) => {
                self.config.renamed_commands.push((command.clone(), new_name.clone()));
                Ok(())
            }
            (b"loadmodule", [_, ..]) => Err("Modules are not supported".into()),
            (b"sentinel", _) => Err("sentinel directive while not in sentinel mode".into()),
            (name, [_]) if DEPRECATED_NAMES.iter().any(|known| known.as_bytes() == name) => Ok(()),
            (name, _) => {
                let is_known = OTHER_NAMES.iter().any(|known| known.as_bytes() == name);
                Err(if is_known { BAD_DIRECTIVE.into() } else { LineError::UnknownName(name.to_vec()) })
            }
        }
    }

    /// Reads the files that `pattern` matches, in the order of their names. A pattern may match
    /// none; a plain path must exist.
    fn include(&mut self, pattern: &[u8]) -> Result<(), LineError> {
        if self.include_depth == INCLUDE_DEPTH_MAX {
            return Err("Maximum include depth exceeded".into());
        }
        // Relative to `dir`, because Redis changes there as soon as it reads that line.
        let path = self.config.dir.join(OsStr::from_bytes(pattern));
        if !pattern.starts_with(b"/") {
            self.included.directives.insert("dir", self.line);
        }
        let paths = if pattern.iter().any(|byte| b"*?[".contains(byte)) {
            let pattern = path.to_str().ok_or("The pattern of include must be UTF-8")?;
            let found = glob::glob(pattern).map_err(|error| LineError::Reason(error.to_string()))?;
            found.filter_map(Result::ok).collect()
        } else {
            vec![path]
        };
        self.include_depth += 1;
        for path in paths {
            self.read_file(&path).map_err(LineError::Included)?;
        }
        self.include_depth -= 1;
        Ok(())
    }
}

/// The known name that `name` is most likely a misspelling of.
fn nearest_name(name: &[u8]) -> Option<&'static str> {
    /// Similarity from 0 to 1 below which a suggestion would be a guess.
    const SIMILARITY_MIN: f64 = 0.6;
    let name = String::from_utf8_lossy(name);
    let known = names().map(|(known, _)| known).chain(OTHER_NAMES);
    let rated = known.map(|known| (strsim::normalized_damerau_levenshtein(&name, known), known));
    let (similarity, known) = rated.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (similarity >= SIMILARITY_MIN).then_some(known)
}
