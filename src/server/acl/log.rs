//! ACL LOG: denied commands, keys, channels and logins, the latest first.

use std::collections::VecDeque;

/// Where something was denied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Context {
    TopLevel,
    Multi,
    Lua,
}

impl Context {
    pub fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

/// Why something was denied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    Auth,
    Command,
    Key,
    Channel,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Reason::Auth => "auth",
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
        }
    }
}

/// One denial, perhaps of several equal attempts.
pub struct Denial {
    /// Never used twice.
    pub id: u64,
    pub count: u64,
    pub reason: Reason,
    pub context: Context,
    /// The command, key or channel.
    pub object: Vec<u8>,
    pub username: Vec<u8>,
    /// As CLIENT LIST describes the client that tried last.
    pub client: Vec<u8>,
    /// Milliseconds of the Unix epoch.
    pub created_ms: i64,
    pub updated_ms: i64,
}

#[derive(Default)]
pub struct AclLog {
    entries: VecDeque<Denial>,
    next_id: u64,
}

impl AclLog {
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Denial> {
        self.entries.iter()
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Adds a denial, or counts one of the same a moment ago once more.
    pub fn add(&mut self, denial: Denial, len_max: u64) {
        /// So many entries are looked at, if they are not older than so long.
        const LOOK_BACK: usize = 10;
        const SAME_MS: i64 = 60_000;
        let is_same = |other: &Denial| {
            other.reason == denial.reason
                && other.context == denial.context
                && other.object == denial.object
                && other.username == denial.username
                && denial.updated_ms - other.updated_ms <= SAME_MS
        };
        let entry = match self.entries.iter().take(LOOK_BACK).position(is_same) {
            Some(at) => {
                let known = self.entries.remove(at).expect("it was just found");
                Denial { count: known.count + 1, client: denial.client, updated_ms: denial.updated_ms, ..known }
            }
            None => {
                self.next_id += 1;
                Denial { id: self.next_id - 1, ..denial }
            }
        };
        self.entries.push_front(entry);
        self.truncate(len_max);
    }

    pub fn truncate(&mut self, len_max: u64) {
        self.entries.truncate(usize::try_from(len_max).unwrap_or(usize::MAX));
    }
}
