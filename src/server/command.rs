//! The specification of a command: the one place that everything about it is derived from.
//! Dispatch, COMMAND INFO and DOCS, key extraction, access categories, script and read-only rules
//! all read it; a command's spec stands beside its handler in `commands/`.

use super::acl::User;
use super::blocked::Attempt;
use super::command_table::Found;
use super::{ClientFlags, ClientId, Server};
use crate::config::Config;
use crate::keyspace::Keyspace;
use crate::resp::{Args, CommandError, CommandResult, Reply};
use crate::script::ScriptFlags;

/// The [`Command::member`] of ZADD and its like.
pub const MEMBER_AFTER_SCORE: u8 = 3;

/// One command or subcommand.
pub struct Command {
    /// In lower case; a subcommand's without its container's.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    pub since: &'static str,
    pub group: Group,
    /// The number of arguments, the name included; negative: at least that many.
    pub arity: i32,
    /// See [`flag`].
    pub flags: u32,
    /// See [`category`]; [`Self::categories`] adds the categories that follow from the flags.
    pub categories: u32,
    pub keys: &'static [KeySpec],
    /// Finds the keys where `keys` cannot tell them all, or what happens to them.
    pub key_finder: Option<KeyFinder>,
    /// The index of the first member, or field, that it looks up in the collection at its first key. At
    /// [`MEMBER_AFTER_SCORE`] it has its score before it, which is prefetched as well.
    pub member: Option<u8>,
    pub tips: &'static [&'static str],
    /// The arguments, in the notation of `commands/server/docs.rs`.
    pub args: &'static str,
    /// Since when it is deprecated, and what replaces it.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Not for applications: COMMAND DOCS marks it `syscmd`.
    pub system: bool,
    /// For commands that run a script or function: the flags it declares; None if there is no such script.
    pub script_flags: Option<fn(&Server, &Args) -> Option<ScriptFlags>>,
    /// It runs at once even after MULTI.
    pub never_queued: bool,
    /// The indices of arguments that MONITOR and SLOWLOG must not show, such as passwords.
    pub secrets: Option<fn(&Args) -> Vec<usize>>,
    pub subcommands: &'static [Command],
    pub handler: Handler,
}

/// Gives the keys among the arguments; None if these do not fit the command.
pub type KeyFinder = fn(&Args) -> Option<Vec<FoundKey>>;

/// How a command runs.
pub enum Handler {
    /// It needs the keyspace only: nearly all commands.
    Data(fn(&mut DataContext, &Args) -> CommandResult),
    /// As `Data`, but where there is nothing to be had it may wait for its keys, to be run again.
    Blocking(fn(&mut DataContext, &Args) -> Result<Attempt, CommandError>),
    /// It needs the server or its clients.
    Server(fn(&mut Server, ClientId, &Args) -> CommandResult),
    /// It only holds subcommands.
    Container,
}

/// What a data command works with.
pub struct DataContext<'a> {
    pub keyspace: &'a mut Keyspace,
    pub reply: Reply<'a>,
    pub config: &'a Config,
    pub caller: Caller<'a>,
}

/// The client that a data command runs for.
pub struct Caller<'a> {
    pub flags: ClientFlags,
    pub user: &'a User,
    pub found: Found,
}

impl DataContext<'_> {
    /// See [`Client::only_listens`](super::Client::only_listens).
    pub fn only_listens(&self) -> bool {
        self.caller.flags.contains(ClientFlags::SUBSCRIBED) && !self.reply.is_resp3()
    }
}

impl Caller<'_> {
    /// The command ran before: the append-only file or the primary repeats it. Choices that depend on the time or
    /// the configuration were made then and are not made anew.
    pub fn repeats(&self) -> bool {
        self.flags.repeats()
    }

    /// A script runs the command.
    pub fn is_script(&self) -> bool {
        self.flags.contains(ClientFlags::SCRIPT)
    }

    /// Its user may read keys that no argument names.
    pub fn may_read_any_key(&self, args: &Args) -> bool {
        self.repeats() || self.user.may_read_any_key(self.found, args)
    }
}

impl Command {
    /// What a spec leaves out.
    pub const DEFAULT: Command = Command {
        name: "",
        summary: "",
        since: "1.0.0",
        group: Group::Generic,
        arity: 1,
        flags: 0,
        categories: 0,
        keys: &[],
        key_finder: None,
        member: None,
        tips: &[],
        args: "",
        deprecated: None,
        system: false,
        script_flags: None,
        never_queued: false,
        secrets: None,
        subcommands: &[],
        handler: Handler::Container,
    };

    /// The spec of a container's HELP subcommand.
    pub const fn help(
        since: &'static str,
        group: Group,
        categories: u32,
        handler: fn(&mut DataContext, &Args) -> CommandResult,
    ) -> Command {
        Command {
            name: "help",
            summary: "Lists the subcommands",
            since,
            group,
            arity: 2,
            flags: flag::LOADING | flag::STALE,
            categories,
            handler: Handler::Data(handler),
            ..Command::DEFAULT
        }
    }

    #[inline]
    pub fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    #[inline]
    pub fn accepts(&self, arguments: usize) -> bool {
        let arguments = arguments as i32;
        if self.arity >= 0 { arguments == self.arity } else { arguments >= -self.arity }
    }

    /// The indices of arguments that MONITOR and SLOWLOG must not show.
    pub fn secrets(&self, args: &Args) -> Vec<usize> {
        self.secrets.map_or_else(Vec::new, |find| find(args))
    }

    /// All access categories, including those that follow from the flags.
    pub fn categories(&self) -> u32 {
        let implied = [
            (flag::WRITE, category::WRITE),
            (flag::ADMIN, category::ADMIN | category::DANGEROUS),
            (flag::PUBSUB, category::PUBSUB),
            (flag::FAST, category::FAST),
            (flag::BLOCKING, category::BLOCKING),
        ];
        let mut all = self.categories;
        for (flag, categories) in implied {
            if self.has(flag) {
                all |= categories;
            }
        }
        if self.has(flag::READONLY) && all & category::SCRIPTING == 0 {
            all |= category::READ;
        }
        if !self.has(flag::FAST) {
            all |= category::SLOW;
        }
        all
    }

    /// The keys among the arguments; None if these do not fit the command.
    pub fn find_keys(&self, args: &Args) -> Option<Vec<FoundKey>> {
        if let Some(find) = self.key_finder {
            return find(args);
        }
        let mut found = Vec::new();
        for spec in self.keys.iter().filter(|spec| spec.flags & key_flag::NOT_KEY == 0) {
            found.extend(spec.find(args)?.map(|index| FoundKey { index, flags: spec.flags }));
        }
        Some(found)
    }

    /// As [`Self::find_keys`]; if the arguments do not fit the command, the keys of those specs that fit by
    /// themselves.
    pub fn certain_keys(&self, args: &Args) -> Vec<FoundKey> {
        self.find_keys(args).unwrap_or_else(|| {
            let specs = self.keys.iter().filter(|spec| spec.flags & key_flag::NOT_KEY == 0);
            let found = specs.filter_map(|spec| Some((spec.flags, spec.find(args)?)));
            found.flat_map(|(flags, keys)| keys.map(move |index| FoundKey { index, flags })).collect()
        })
    }

    /// The first key, the last (negative: counted from the end) and the step between them, as far as
    /// these three tell: COMMAND INFO shows them for old clients.
    pub fn key_range(&self) -> (i32, i32, i32) {
        let mut ranges = self.keys.iter().filter_map(|spec| match (spec.begin, spec.find) {
            (Begin::Index(first), Find::Range { last, step, .. }) => {
                Some((first, if last >= 0 { first + last } else { last }, step))
            }
            _ => None,
        });
        if let [_] = self.keys {
            return ranges.next().unwrap_or((0, 0, 0));
        }
        // Of several ranges, only ranges that follow each other without a gap count.
        let mut range: Option<(i32, i32, i32)> = None;
        for (first, last, step) in ranges.filter(|&(_, _, step)| step == 1) {
            range = match range {
                None => Some((first, last, step)),
                Some((start, end, _)) if end == first - 1 => Some((start, last, step)),
                range => range,
            };
        }
        range.unwrap_or((0, 0, 0))
    }
}

/// The group of a command in the documentation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    PubSub,
    Transactions,
    Connection,
    Server,
    Scripting,
    HyperLogLog,
    Cluster,
    Geo,
    Stream,
    Bitmap,
}

impl Group {
    pub fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::PubSub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::HyperLogLog => "hyperloglog",
            Group::Cluster => "cluster",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
        }
    }
}

/// Declares bits, and their names in the order in which COMMAND INFO lists them.
macro_rules! bits {
    ($all:ident: $($name:ident $text:literal,)*) => {
        bits!(@each 0u32; $($name,)*);
        /// Each bit with its name.
        pub const $all: &[(u32, &str)] = &[$(($name, $text),)*];
    };
    (@each $n:expr; $name:ident, $($rest:ident,)*) => {
        pub const $name: u32 = 1 << ($n);
        bits!(@each $n + 1; $($rest,)*);
    };
    (@each $n:expr;) => {};
}

/// How a command behaves.
pub mod flag {
    bits! { NAMES:
        WRITE "write",
        READONLY "readonly",
        DENYOOM "denyoom",
        ADMIN "admin",
        PUBSUB "pubsub",
        NOSCRIPT "noscript",
        BLOCKING "blocking",
        LOADING "loading",
        STALE "stale",
        SKIP_MONITOR "skip_monitor",
        SKIP_SLOWLOG "skip_slowlog",
        ASKING "asking",
        FAST "fast",
        NO_AUTH "no_auth",
        NO_MANDATORY_KEYS "no_mandatory_keys",
        NO_ASYNC_LOADING "no_async_loading",
        NO_MULTI "no_multi",
        MOVABLE_KEYS "movablekeys",
        ALLOW_BUSY "allow_busy",
    }
    // Our own, which COMMAND INFO does not show.

    /// It may propagate something although it is no WRITE command.
    pub const MAY_REPLICATE: u32 = 1 << 31;
    /// A client of RESP2 may send it while it is subscribed.
    pub const IN_PUBSUB: u32 = 1 << 30;
}

/// Access categories.
pub mod category {
    bits! { NAMES:
        KEYSPACE "keyspace",
        READ "read",
        WRITE "write",
        SET "set",
        SORTEDSET "sortedset",
        LIST "list",
        HASH "hash",
        STRING "string",
        BITMAP "bitmap",
        HYPERLOGLOG "hyperloglog",
        GEO "geo",
        STREAM "stream",
        PUBSUB "pubsub",
        ADMIN "admin",
        FAST "fast",
        SLOW "slow",
        BLOCKING "blocking",
        DANGEROUS "dangerous",
        CONNECTION "connection",
        TRANSACTION "transaction",
        SCRIPTING "scripting",
    }
}

/// What a command does with a key.
pub mod key_flag {
    bits! { NAMES:
        RO "RO",
        RW "RW",
        OW "OW",
        RM "RM",
        ACCESS "access",
        UPDATE "update",
        INSERT "insert",
        DELETE "delete",
        NOT_KEY "not_key",
        INCOMPLETE "incomplete",
        VARIABLE_FLAGS "variable_flags",
    }
}

/// A key among the arguments of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FoundKey {
    pub index: usize,
    /// See [`key_flag`].
    pub flags: u32,
}

/// Where keys are among the arguments, and what happens to them.
pub struct KeySpec {
    pub begin: Begin,
    pub find: Find,
    /// See [`key_flag`].
    pub flags: u32,
    pub notes: &'static str,
}

/// Where the search for keys begins.
#[derive(Clone, Copy)]
pub enum Begin {
    Index(i32),
    /// After this word, looked for from an index on (backwards from the end if negative).
    Keyword(&'static str, i32),
    Unknown,
}

/// Which arguments from there on are keys.
#[derive(Clone, Copy)]
pub enum Find {
    /// Up to the last one (counted from the first if not negative, else from the end), each step;
    /// limit divides what follows (2: half of it).
    Range {
        last: i32,
        step: i32,
        limit: i32,
    },
    /// Their number is an argument itself; all three count from the beginning of the search.
    KeyNum {
        number: i32,
        first: i32,
        step: i32,
    },
    Unknown,
}

impl KeySpec {
    /// One key at `index`.
    pub const fn one(index: i32, flags: u32) -> KeySpec {
        Self::range(index, 0, 1, flags)
    }

    /// Keys from `index` to `last`, each `step`.
    pub const fn range(index: i32, last: i32, step: i32, flags: u32) -> KeySpec {
        KeySpec { begin: Begin::Index(index), find: Find::Range { last, step, limit: 0 }, flags, notes: "" }
    }

    /// Keys whose number is the argument at `number`; they follow it.
    pub const fn counted(number: i32, flags: u32) -> KeySpec {
        let find = Find::KeyNum { number: 0, first: 1, step: 1 };
        KeySpec { begin: Begin::Index(number), find, flags, notes: "" }
    }

    pub const fn notes(self, notes: &'static str) -> KeySpec {
        KeySpec { notes, ..self }
    }

    /// The indices of the keys in a request of `args`; None if it does not fit the spec.
    pub fn find(&self, args: &Args) -> Option<impl Iterator<Item = usize> + use<>> {
        let len = args.len() as i64;
        let start = match self.begin {
            Begin::Index(index) => index as i64,
            Begin::Keyword(word, from) => {
                let found = if from >= 0 {
                    (from as usize..args.len()).find(|&i| args.is(i, word))
                } else {
                    (1..=(len + from as i64).max(0) as usize).rev().find(|&i| args.is(i, word))
                };
                match found {
                    Some(at) => at as i64 + 1,
                    None => return Some((0..0).step_by(1)),
                }
            }
            Begin::Unknown => return None,
        };
        let (first, last, step) = match self.find {
            Find::Range { last, step, limit } => {
                let last = match last {
                    last if last >= 0 => start + last as i64,
                    last if limit <= 1 => len + last as i64,
                    last => start + (len - start) / limit as i64 + last as i64,
                };
                (start, last, step)
            }
            Find::KeyNum { number, first, step } => {
                let at = start + number as i64;
                if at >= len {
                    return None;
                }
                let count = args.int(at as usize).ok().filter(|&n| n >= 0)?;
                let first = start + first as i64;
                let last = count.checked_sub(1)?.checked_mul(step as i64)?.checked_add(first)?;
                (first, last, step)
            }
            Find::Unknown => return None,
        };
        if first >= len || last >= len || first < 0 {
            return None;
        }
        Some((first as usize..(last + 1).max(first) as usize).step_by(step as usize))
    }
}
