//! A set of permissions: commands, keys and channels. A user has one, and may have more; a command is
//! allowed if any of them allows all of it.

use super::RuleError;
use crate::encoding::glob::glob_match;
use crate::resp::Args;
use crate::resp::text::text_of;
use crate::server::command::{Command, category, flag, key_flag};
use crate::server::command_table::{CommandTable, Found};

/// What a command does to a key: reads its value, changes it, or both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyAccess {
    pub read: bool,
    pub write: bool,
}

impl KeyAccess {
    /// By the flags of a key spec. Neither: the command asks about the key only.
    pub fn of(flags: u32) -> KeyAccess {
        KeyAccess {
            read: flags & key_flag::ACCESS != 0,
            write: flags & (key_flag::INSERT | key_flag::DELETE | key_flag::UPDATE) != 0,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct KeyPattern {
    pattern: Vec<u8>,
    access: KeyAccess,
}

/// What is not allowed. Of several selectors the one counts that got furthest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Denied {
    Command,
    /// The key among the arguments.
    Key(usize),
    /// The channel among the arguments.
    Channel(usize),
}

/// One set of permissions.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Selector {
    /// A bit for each row of the command table.
    allowed: Vec<u64>,
    /// Rows that are allowed with certain first arguments only.
    first_arguments: Vec<(usize, Vec<u8>)>,
    /// All commands were allowed (or refused) before what `rules` say.
    from_all: bool,
    /// Rules about commands since then, such as `-@string` or `+config|get`, without rules that a later rule
    /// undoes.
    rules: Vec<String>,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    all_channels: bool,
    channels: Vec<Vec<u8>>,
}

impl Selector {
    /// One that allows nothing, but for channels where `acl-pubsub-default` says so.
    pub fn new(all_channels: bool) -> Selector {
        Selector { all_channels, ..Selector::default() }
    }

    /// It allows everything.
    pub fn is_unrestricted(&self) -> bool {
        self.from_all && self.rules.is_empty() && self.all_keys && self.all_channels
    }

    /// Applies one rule.
    pub fn apply(&mut self, rule: &[u8], table: &CommandTable) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            [] => (),
            _ if is("allkeys") || is("~*") => {
                self.all_keys = true;
                self.keys.clear();
            }
            _ if is("resetkeys") => {
                self.all_keys = false;
                self.keys.clear();
            }
            _ if is("allchannels") || is("&*") => {
                self.all_channels = true;
                self.channels.clear();
            }
            _ if is("resetchannels") => {
                self.all_channels = false;
                self.channels.clear();
            }
            _ if is("allcommands") || is("+@all") => self.set_all(true, table),
            _ if is("nocommands") || is("-@all") => self.set_all(false, table),
            [b'~', pattern @ ..] => self.add_key(pattern, KeyAccess { read: true, write: true })?,
            [b'%', rest @ ..] => {
                let tilde = rest.iter().position(|&byte| byte == b'~').ok_or(RuleError::Syntax)?;
                let access = match &rest[..tilde].to_ascii_uppercase()[..] {
                    b"R" => KeyAccess { read: true, write: false },
                    b"W" => KeyAccess { read: false, write: true },
                    b"RW" | b"WR" => KeyAccess { read: true, write: true },
                    _ => return Err(RuleError::Syntax),
                };
                self.add_key(&rest[tilde + 1..], access)?;
            }
            [b'&', pattern @ ..] => {
                if self.all_channels {
                    return Err(RuleError::ChannelAfterAll);
                }
                check_pattern(pattern)?;
                if !self.channels.iter().any(|channel| channel == pattern) {
                    self.channels.push(pattern.to_vec());
                }
            }
            [b'+', b'@', name @ ..] => self.set_category(name, true, table)?,
            [b'-', b'@', name @ ..] => self.set_category(name, false, table)?,
            [b'+', name @ ..] => self.allow_command(name, table)?,
            [b'-', name @ ..] => {
                let row = table.row_named(name).ok_or(RuleError::Unknown)?;
                self.set_command(row, false, table);
            }
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    fn add_key(&mut self, pattern: &[u8], access: KeyAccess) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::KeyAfterAll);
        }
        check_pattern(pattern)?;
        match self.keys.iter_mut().find(|key| key.pattern == pattern) {
            Some(KeyPattern { access: known, .. }) => {
                *known = KeyAccess { read: known.read || access.read, write: known.write || access.write };
            }
            None => self.keys.push(KeyPattern { pattern: pattern.to_vec(), access }),
        }
        Ok(())
    }

    // ---- commands

    fn is_allowed(&self, row: usize) -> bool {
        self.allowed.get(row / 64).is_some_and(|bits| bits >> (row % 64) & 1 != 0)
    }

    fn set(&mut self, row: usize, allowed: bool) {
        if self.allowed.len() <= row / 64 {
            self.allowed.resize(row / 64 + 1, 0);
        }
        let bit = 1 << (row % 64);
        if allowed {
            self.allowed[row / 64] |= bit;
        } else {
            self.allowed[row / 64] &= !bit;
        }
        self.first_arguments.retain(|(other, _)| *other != row);
    }

    fn set_all(&mut self, allowed: bool, table: &CommandTable) {
        (0..table.rows().len()).for_each(|row| self.set(row, allowed));
        self.from_all = allowed;
        self.rules.clear();
    }

    fn set_category(&mut self, name: &[u8], allowed: bool, table: &CommandTable) -> Result<(), RuleError> {
        let known = category::NAMES.iter().find(|(_, known)| name.eq_ignore_ascii_case(known.as_bytes()));
        let &(bit, name) = known.ok_or(RuleError::Unknown)?;
        for (row, known) in table.rows().iter().enumerate() {
            if known.command.categories() & bit != 0 {
                self.set(row, allowed);
            }
        }
        self.add_rule(allowed, &format!("@{name}"));
        Ok(())
    }

    /// A command with all its subcommands.
    fn set_command(&mut self, row: usize, allowed: bool, table: &CommandTable) {
        let known = &table.rows()[row];
        (row..=row + known.command.subcommands.len()).for_each(|row| self.set(row, allowed));
        self.add_rule(allowed, &known.full_name);
    }

    fn allow_command(&mut self, name: &[u8], table: &CommandTable) -> Result<(), RuleError> {
        if let Some(row) = table.row_named(name) {
            self.set_command(row, true, table);
            return Ok(());
        }
        // Of a command without subcommands, one first argument.
        let bar = name.iter().position(|&byte| byte == b'|').ok_or(RuleError::Unknown)?;
        let (container, argument) = (&name[..bar], &name[bar + 1..]);
        let row = table.row_named(container).ok_or(RuleError::Unknown)?;
        let known = &table.rows()[row];
        if !known.command.subcommands.is_empty() {
            let second = argument.iter().position(|&byte| byte == b'|');
            let is_subcommand = second.is_some_and(|at| table.row_named(&name[..bar + 1 + at]).is_some());
            return Err(if is_subcommand { RuleError::FirstArgumentOfSubcommand } else { RuleError::Unknown });
        }
        if argument.is_empty() || argument.contains(&b'|') {
            return Err(RuleError::Unknown);
        }
        let argument = argument.to_ascii_lowercase();
        let shown = format!("{}|{}", known.full_name, text_of(&argument));
        if !self.first_arguments.contains(&(row, argument.clone())) {
            self.first_arguments.push((row, argument));
        }
        self.add_rule(true, &shown);
        Ok(())
    }

    /// Adds a rule about `subject`, which makes earlier ones about it, or a part of it, pointless.
    fn add_rule(&mut self, allowed: bool, subject: &str) {
        self.rules.retain(|rule| {
            let other = &rule[1..];
            let is_part = other.strip_prefix(subject).is_some_and(|rest| rest.is_empty() || rest.starts_with('|'));
            !is_part
        });
        self.rules.push(format!("{}{subject}", if allowed { '+' } else { '-' }));
    }

    // ---- asking

    /// Whether the command may run with these arguments.
    pub fn check(&self, found: Found, args: &Args) -> Result<(), Denied> {
        let command = found.command;
        if !self.allows_command(found, args) {
            return Err(Denied::Command);
        }
        if !self.all_keys {
            // What fits no key spec is an error of syntax, which the command tells.
            for key in command.certain_keys(args) {
                if !self.allows_key(args.get(key.index), KeyAccess::of(key.flags)) {
                    return Err(Denied::Key(key.index));
                }
            }
        }
        if !self.all_channels
            && let Some((channels, literal)) = channels_of(command, args)
        {
            for index in channels {
                if !self.allows_channel(args.get(index), literal) {
                    return Err(Denied::Channel(index));
                }
            }
        }
        Ok(())
    }

    fn allows_command(&self, found: Found, args: &Args) -> bool {
        let row = found.index.0 as usize;
        // AUTH, HELLO and the like are allowed to every user.
        found.command.has(flag::NO_AUTH)
            || self.is_allowed(row)
            || (args.len() > 1
                && self
                    .first_arguments
                    .iter()
                    .any(|(other, first)| *other == row && args.get(1).eq_ignore_ascii_case(first)))
    }

    fn allows_key(&self, key: &[u8], wanted: KeyAccess) -> bool {
        self.all_keys
            || self.keys.iter().any(|KeyPattern { pattern, access }| {
                (access.read || !wanted.read) && (access.write || !wanted.write) && glob_match(pattern, key, false)
            })
    }

    /// Whether a channel may be used. `literal`: it is a pattern, which must be among those of the selector.
    pub fn allows_channel(&self, channel: &[u8], literal: bool) -> bool {
        self.all_channels
            || self.channels.iter().any(
                |pattern| {
                    if literal { pattern == channel } else { glob_match(pattern, channel, false) }
                },
            )
    }

    /// Whether a command may run that reads keys no argument names.
    pub fn allows_reading_any_key(&self, found: Found, args: &Args) -> bool {
        let reads_all = |key: &KeyPattern| key.access.read && key.pattern == b"*";
        (self.all_keys || self.keys.iter().any(reads_all)) && self.check(found, args).is_ok()
    }

    // ---- describing

    /// `+@all -debug`.
    pub fn describe_commands(&self) -> String {
        let mut text = if self.from_all { "+@all" } else { "-@all" }.to_owned();
        for rule in &self.rules {
            text.push(' ');
            text += rule;
        }
        text
    }

    /// `~key:* %R~other`.
    pub fn describe_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let shown = self.keys.iter().map(|KeyPattern { pattern, access }| {
            let prefix: &[u8] = match (access.read, access.write) {
                (true, false) => b"%R~",
                (false, true) => b"%W~",
                _ => b"~",
            };
            [prefix, pattern].concat()
        });
        shown.collect::<Vec<_>>().join(&b' ')
    }

    /// `&channel &news:*`.
    pub fn describe_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        self.channels.iter().map(|pattern| [b"&", &pattern[..]].concat()).collect::<Vec<_>>().join(&b' ')
    }

    /// All of it, as rules that give it again.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts = vec![self.describe_keys()];
        if !self.all_channels {
            parts.push(b"resetchannels".to_vec());
        }
        parts.push(self.describe_channels());
        parts.push(self.describe_commands().into_bytes());
        parts.retain(|part| !part.is_empty());
        parts.join(&b' ')
    }
}

fn check_pattern(pattern: &[u8]) -> Result<(), RuleError> {
    let is_plain = |byte: &u8| *byte != 0 && !byte.is_ascii_whitespace();
    if pattern.iter().all(is_plain) { Ok(()) } else { Err(RuleError::Syntax) }
}

/// The channels among the arguments, and whether they are patterns.
fn channels_of(command: &Command, args: &Args) -> Option<(std::ops::Range<usize>, bool)> {
    if !command.has(flag::PUBSUB) {
        return None;
    }
    match command.name {
        "publish" | "spublish" => Some((1..2, false)),
        "subscribe" | "ssubscribe" => Some((1..args.len(), false)),
        "psubscribe" => Some((1..args.len(), true)),
        _ => None,
    }
}
