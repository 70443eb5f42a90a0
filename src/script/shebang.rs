//! The first line of a script (`#!lua flags=no-writes`) or library (`#!lua name=mylib`), and flags.

use crate::encoding::words::split_words;
use crate::resp::CommandError;
use crate::resp::text::text_of;
use bitflags::bitflags;

bitflags! {
    /// What a script or function declares of itself.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct ScriptFlags: u8 {
        const NO_WRITES = 1;
        const ALLOW_OOM = 1 << 1;
        const ALLOW_STALE = 1 << 2;
        const NO_CLUSTER = 1 << 3;
        /// COMPAT: without a first line that declares flags, a script is held to none before it runs.
        const UNDECLARED = 1 << 4;
        const ALLOW_CROSS_SLOT_KEYS = 1 << 5;
    }
}

/// The flags as scripts name them, in the order in which FUNCTION LIST shows them.
const NAMES: [(ScriptFlags, &str); 5] = [
    (ScriptFlags::NO_WRITES, "no-writes"),
    (ScriptFlags::ALLOW_OOM, "allow-oom"),
    (ScriptFlags::ALLOW_STALE, "allow-stale"),
    (ScriptFlags::NO_CLUSTER, "no-cluster"),
    (ScriptFlags::ALLOW_CROSS_SLOT_KEYS, "allow-cross-slot-keys"),
];

impl ScriptFlags {
    pub fn named(name: &[u8]) -> Option<ScriptFlags> {
        NAMES.iter().find(|(_, known)| known.as_bytes() == name).map(|&(flag, _)| flag)
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter(move |(flag, _)| self.contains(*flag)).map(|&(_, name)| name)
    }
}

fn lossy(text: &[u8]) -> std::borrow::Cow<'_, str> {
    text_of(text)
}

/// The flags of a script of EVAL, and the length of the line that declares them.
pub fn script_flags(script: &[u8]) -> Result<(ScriptFlags, usize), CommandError> {
    if !script.starts_with(b"#!") {
        return Ok((ScriptFlags::UNDECLARED, 0));
    }
    let end = script.iter().position(|&byte| byte == b'\n').ok_or(CommandError::new("ERR Invalid script shebang"))?;
    let words = split_words(&script[..end]).filter(|words| !words.is_empty());
    let words = words.ok_or(CommandError::new("ERR Invalid engine in script shebang"))?;
    if words[0] != b"#!lua" {
        return Err(CommandError::err(format_args!("Unexpected engine in script shebang: {}", lossy(&words[0]))));
    }
    let mut flags = ScriptFlags::empty();
    for option in &words[1..] {
        let Some(names) = option.strip_prefix(b"flags=") else {
            return Err(CommandError::err(format_args!("Unknown lua shebang option: {}", lossy(option))));
        };
        if names.is_empty() {
            continue;
        }
        for name in names.split(|&byte| byte == b',') {
            flags |= ScriptFlags::named(name)
                .ok_or_else(|| CommandError::err(format_args!("Unexpected flag in script shebang: {}", lossy(name))))?;
        }
    }
    // The end of the line stays, so that errors name the right one.
    Ok((flags, end))
}

/// The name of a library, and the length of the line that gives it.
pub fn library_name(code: &[u8]) -> Result<(Vec<u8>, usize), CommandError> {
    const MISSING: CommandError = CommandError::new("ERR Missing library metadata");
    const INVALID: CommandError = CommandError::new("ERR Invalid library metadata");
    if !code.starts_with(b"#!") {
        return Err(MISSING);
    }
    let end = code.iter().position(|&byte| byte == b'\n').ok_or(INVALID)?;
    let words = split_words(&code[..end]).filter(|words| !words.is_empty()).ok_or(INVALID)?;
    let mut name = None;
    for word in &words[1..] {
        let Some(given) = word.strip_prefix(b"name=") else {
            return Err(CommandError::err(format_args!("Invalid metadata value given: {}", lossy(word))));
        };
        if name.replace(given.to_vec()).is_some() {
            return Err(CommandError::new("ERR Invalid metadata value, name argument was given multiple times"));
        }
    }
    let name = name.ok_or(CommandError::new("ERR Library name was not given"))?;
    if name.is_empty() || !name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(CommandError::new(
            "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ));
    }
    let engine = &words[0][2..];
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(CommandError::err(format_args!("Engine '{}' not found", lossy(engine))));
    }
    Ok((name, end))
}
