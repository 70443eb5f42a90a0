//! The configuration: redis.conf, the command line, CONFIG GET, SET and REWRITE.
//!
//! | file | what it holds |
//! |---|---|
//! | `directives.rs` | the table: one row for each directive. **Add a directive here.** |
//! | `directive.rs` | what a row turns into: a field of [`Config`] and a [`Directive`] |
//! | `kinds/` | the kinds of values: how each is read, shown and written |
//! | `values.rs` | enumerations and other types of fields |
//! | `parse.rs` | the grammar of files and of the command line |
//! | `rewrite.rs` | CONFIG REWRITE |
//!
//! A directive that works is described in redis.conf.example as well; a test checks that.
//! Applying a changed value (listening on another port, say) is the server's work: here values
//! are only read, checked and kept.

mod directive;
mod directives;
mod kinds;
mod memory_limits;
mod parse;
mod rewrite;
mod type_limits;
mod values;

use std::{fmt, sync::LazyLock};

pub use directive::{Directive, Flags, Status};
pub use directives::{Config, DIRECTIVES};
pub use kinds::{os_reason, parse_memory};
pub use parse::{CommandLine, ConfigError, Origin, load};
pub use rewrite::{rewrite, rewrite_all};
pub use values::*;

/// The release of Redis whose behaviour is followed.
pub const REDIS_VERSION: &str = "7.2.4";

/// The values that hold where nothing is said. Its `dir` is the working directory at the first
/// call, which [`load`] makes: where the process was started.
pub fn defaults() -> &'static Config {
    static DEFAULTS: LazyLock<Config> = LazyLock::new(Config::default);
    &DEFAULTS
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// CONFIG SET.
    Command,
    /// The first line for this directive in a file.
    FirstLine,
    /// A further line for it: save points and output buffer limits add up.
    FurtherLine,
}

/// What CONFIG SET depends on besides its arguments.
#[derive(Clone, Copy, Debug)]
pub struct SetContext {
    /// The client is connected over loopback or the unix socket.
    pub client_is_local: bool,
    /// The data set is being loaded.
    pub loading: bool,
}

/// Why CONFIG SET refused. Displayed as the error reply, its code included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// There is no such directive.
    Unknown {
        /// As the client wrote it.
        name: Vec<u8>,
    },
    /// The directive can't be set while the data set is being loaded.
    Loading,
    /// The directive, or this value of it, is refused.
    Refused {
        /// As the client wrote it.
        name: Vec<u8>,
        /// Redis's text.
        reason: String,
    },
}

impl SetError {
    /// For a value that passed all checks but could not be applied.
    pub fn refused(name: impl Into<Vec<u8>>, reason: impl Into<String>) -> SetError {
        SetError::Refused { name: name.into(), reason: reason.into() }
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetError::Unknown { name } => {
                let name = String::from_utf8_lossy(name);
                write!(f, "ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            SetError::Loading => write!(f, "LOADING Redis is loading the dataset in memory"),
            SetError::Refused { name, reason } => {
                let name = String::from_utf8_lossy(name);
                write!(f, "ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
            }
        }
    }
}

impl std::error::Error for SetError {}

/// The directive of this name or alias, in upper or lower case.
pub fn lookup(name: &[u8]) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|directive| directive.is_called(name))
}

/// Every name that CONFIG GET knows, aliases included, with its directive.
pub fn names() -> impl Iterator<Item = (&'static str, &'static Directive)> {
    DIRECTIVES.iter().flat_map(|directive| {
        [Some(directive.name), directive.alias].into_iter().flatten().map(move |name| (name, directive))
    })
}

impl Config {
    /// The answer to CONFIG GET: names and values. A pattern is matched by `matches(pattern,
    /// name)`; a name without wildcards is given back as the client wrote it.
    pub fn get_matching(&self, patterns: &[&[u8]], matches: impl Fn(&[u8], &[u8]) -> bool) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut add = |name: &[u8], directive: &Directive| {
            if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                found.push((name.to_vec(), directive.get(self)));
            }
        };
        for &pattern in patterns {
            if pattern.iter().any(|byte| b"[*?".contains(byte)) {
                let shown = names().filter(|(_, directive)| !directive.flags.contains(Flags::HIDDEN));
                for (name, directive) in shown.filter(|(name, _)| matches(pattern, name.as_bytes())) {
                    add(name.as_bytes(), directive);
                }
            } else if let Some(directive) = lookup(pattern) {
                add(pattern, directive);
            }
        }
        found
    }

    /// Sets one directive from the words after its name, or says why not and leaves it as it was.
    pub fn set(&mut self, directive: &Directive, words: &[Vec<u8>], from: Source) -> Result<(), String> {
        let split;
        let words = match words {
            [word] if directive.flags.contains(Flags::MULTI_ARG) => {
                split = split_at_spaces(word);
                &split
            }
            words => words,
        };
        match from {
            Source::Command | Source::FirstLine => (directive.parse)(self, words),
            Source::FurtherLine => (directive.parse_further)(self, words),
        }
    }

    /// CONFIG SET: sets all of `pairs` or, on an error, none. Gives the directives that changed,
    /// which the caller then applies.
    pub fn set_many(
        &mut self,
        pairs: &[(&[u8], &[u8])],
        context: SetContext,
    ) -> Result<Vec<&'static Directive>, SetError> {
        let mut wanted: Vec<(&'static Directive, &[u8], &[u8])> = Vec::with_capacity(pairs.len());
        for &(name, value) in pairs {
            let directive = lookup(name).ok_or_else(|| SetError::Unknown { name: name.into() })?;
            self.check_settable(directive, name, context)?;
            // COMPAT: a name and its alias are not taken for duplicates.
            if wanted.iter().any(|(_, known, _)| known.eq_ignore_ascii_case(name)) {
                return Err(SetError::refused(name, "duplicate parameter"));
            }
            wanted.push((directive, name, value));
        }
        let mut new = self.clone();
        for (directive, name, value) in &wanted {
            let set = new.set(directive, &[value.to_vec()], Source::Command);
            set.map_err(|reason| SetError::refused(*name, reason))?;
        }
        let mut changed: Vec<&'static Directive> = Vec::new();
        for (directive, ..) in wanted {
            let is_change = directive.flags.contains(Flags::VOLATILE) || !directive.same(self, &new);
            if is_change && !changed.contains(&directive) {
                changed.push(directive);
            }
        }
        *self = new;
        Ok(changed)
    }

    fn check_settable(&self, directive: &Directive, name: &[u8], context: SetContext) -> Result<(), SetError> {
        let flags = directive.flags;
        if flags.contains(Flags::IMMUTABLE) {
            return Err(SetError::refused(name, "can't set immutable config"));
        }
        let access_granted = match self.enable_protected_configs {
            CommandAccess::Yes => true,
            CommandAccess::Local => context.client_is_local,
            CommandAccess::No => false,
        };
        if flags.contains(Flags::PROTECTED) && !access_granted {
            return Err(SetError::refused(name, "can't set protected config"));
        }
        if flags.contains(Flags::DENY_LOADING) && context.loading {
            return Err(SetError::Loading);
        }
        Ok(())
    }

    /// One line for each setting that has no effect because what it configures doesn't exist.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut ignored: Vec<(&str, Vec<&str>)> = Vec::new();
        for directive in DIRECTIVES.iter().filter(|directive| !directive.same(self, defaults())) {
            match directive.status {
                Status::Works => {}
                Status::Later => warnings.push(no_effect(directive.name, "not implemented yet")),
                // One line for all that share a reason: io-threads has a companion.
                Status::Ignored(reason) => match ignored.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, names)) => names.push(directive.name),
                    None => ignored.push((reason, vec![directive.name])),
                },
            }
        }
        warnings.extend(ignored.iter().map(|(reason, names)| no_effect(&names.join(", "), reason)));
        warnings
    }
}

fn no_effect(name: &str, reason: &str) -> String {
    format!("The configuration directive '{name}' is accepted but has no effect: {reason}.")
}

/// COMPAT: two spaces in a row leave an empty word, which most directives refuse.
fn split_at_spaces(word: &[u8]) -> Vec<Vec<u8>> {
    if word.is_empty() {
        return Vec::new();
    }
    word.split(|&byte| byte == b' ').map(<[u8]>::to_vec).collect()
}
