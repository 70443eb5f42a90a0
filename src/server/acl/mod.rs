//! Access control: which user may run which commands on which keys and channels.
//!
//! * `user`     one user, and how its rules are read and written
//! * `selector` a set of permissions
//! * `log`      what was denied
//! * `file`     users in a file and in redis.conf
//!
//! A client holds a reference to its user. A user never changes: ACL SETUSER makes a new one of the same name
//! and hands it to the clients that had the old one. Of passwords only the SHA-256 is kept.

mod file;
mod log;
mod selector;
mod user;

use super::command_table::{CommandTable, Found};
use super::pubsub::SubscriptionKind;
use super::{ClientFlags, ClientId, Server};
use crate::config::AclPubsubDefault;
use crate::resp::{Args, CommandError};
pub use log::{AclLog, Context, Denial, Reason};
pub use selector::{Denied, Selector};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
pub use user::User;

type PasswordHash = [u8; 32];

/// The user that connections begin as.
pub const DEFAULT_USER: &[u8] = b"default";

/// What is wrong with a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleError {
    Syntax,
    Unknown,
    KeyAfterAll,
    ChannelAfterAll,
    NoSuchPassword,
    PasswordHash,
    FirstArgumentOfSubcommand,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RuleError::Syntax => "Syntax error",
            RuleError::Unknown => "Unknown command or category name in ACL",
            RuleError::KeyAfterAll => "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns",
            RuleError::ChannelAfterAll => "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels",
            RuleError::NoSuchPassword => "The password you are trying to remove from the user does not exist",
            RuleError::PasswordHash => "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters",
            RuleError::FirstArgumentOfSubcommand => "Allowing first-arg of a subcommand is not supported",
        })
    }
}

/// Which rule of several is wrong, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadRule {
    pub rule: Vec<u8>,
    pub error: RuleError,
}

/// A parenthesis that is not closed, with what follows it.
pub struct UnmatchedParenthesis(pub Vec<u8>);

/// Rules as they are applied: what is in parentheses is one, however many words it came in.
pub fn merge_rules<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, UnmatchedParenthesis> {
    let mut rules: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    for word in words {
        let rule = match open.take() {
            Some(before) => [&before[..], word].join(&b' '),
            None => word.to_vec(),
        };
        if rule.starts_with(b"(") && !word.ends_with(b")") {
            open = Some(rule);
        } else {
            rules.push(rule);
        }
    }
    match open {
        Some(unmatched) => Err(UnmatchedParenthesis(unmatched)),
        None => Ok(rules),
    }
}

/// How often what was denied.
#[derive(Default)]
pub struct DenialCounts {
    pub auth: u64,
    pub command: u64,
    pub key: u64,
    pub channel: u64,
}

/// All users, and what was denied to them.
pub struct Acl {
    users: BTreeMap<Vec<u8>, Arc<User>>,
    default: Arc<User>,
    pub log: AclLog,
    pub counts: DenialCounts,
}

impl Acl {
    /// With the default user only, which may do everything.
    pub fn new(table: &CommandTable) -> Acl {
        let mut acl = Acl {
            users: BTreeMap::new(),
            default: Arc::new(User::new(DEFAULT_USER, true)),
            log: AclLog::default(),
            counts: DenialCounts::default(),
        };
        acl.put(default_user(table));
        acl
    }

    pub fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.users.get(name)
    }

    /// The user that connections begin as.
    #[inline]
    pub fn default_user(&self) -> &Arc<User> {
        &self.default
    }

    /// By name.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.users.values()
    }

    fn put(&mut self, user: User) {
        let user = Arc::new(user);
        if user.name == DEFAULT_USER {
            self.default = user.clone();
        }
        self.users.insert(user.name.clone(), user);
    }
}

fn default_user(table: &CommandTable) -> User {
    let mut user = User::new(DEFAULT_USER, true);
    for rule in ["on", "nopass", "~*", "&*", "+@all"] {
        user.apply(rule.as_bytes(), true, table).expect("rules that are right");
    }
    user
}

/// Names stand between blanks in files and in CLIENT LIST.
pub fn is_valid_name(name: &[u8]) -> bool {
    !name.iter().any(|byte| *byte == 0 || byte.is_ascii_whitespace())
}

impl Server {
    /// New users begin with all channels.
    pub fn new_users_have_channels(&self) -> bool {
        self.config.acl_pubsub_default == AclPubsubDefault::AllChannels
    }

    /// Applies rules to a user, which is created if missing: all rules or none.
    pub fn set_user(&mut self, name: &[u8], rules: &[Vec<u8>]) -> Result<(), BadRule> {
        let all_channels = self.new_users_have_channels();
        let mut user = match self.acl.get(name) {
            Some(user) => User::clone(user),
            None => User::new(name, all_channels),
        };
        for rule in rules {
            let applied = user.apply(rule, all_channels, &self.commands);
            applied.map_err(|error| BadRule { rule: rule.clone(), error })?;
        }
        self.acl.put(user);
        self.renew_users_of_clients();
        Ok(())
    }

    /// Gives each client the present user of its user's name. Closes clients whose user is gone, and clients
    /// subscribed to channels that their user may no longer use.
    fn renew_users_of_clients(&mut self) {
        for id in self.clients.ids_by_age() {
            let client = &mut self.clients[id];
            let Some(user) = self.acl.get(&client.user.name) else {
                self.close_after_reply(id);
                continue;
            };
            if Arc::ptr_eq(user, &client.user) {
                continue;
            }
            client.user = user.clone();
            let may_listen = client.subscriptions.as_ref().is_none_or(|subscriptions| {
                SubscriptionKind::ALL.iter().all(|&kind| {
                    let is_pattern = kind == SubscriptionKind::Pattern;
                    subscriptions.of(kind).iter().all(|name| user.may_listen(name, is_pattern))
                })
            });
            if !may_listen {
                self.close_after_reply(id);
            }
        }
    }

    /// Deletes a user and closes its clients; false if there is none.
    pub fn delete_user(&mut self, name: &[u8]) -> bool {
        let was_there = self.acl.users.remove(name).is_some();
        if was_there {
            self.renew_users_of_clients();
        }
        was_there
    }

    /// `requirepass` is the password of the default user.
    pub fn apply_requirepass(&mut self) {
        let password = self.config.requirepass.clone();
        let rules = match password.is_empty() {
            true => vec![b"nopass".to_vec()],
            false => vec![b"resetpass".to_vec(), [b">", &password[..]].concat()],
        };
        self.set_user(DEFAULT_USER, &rules).expect("rules that are right");
    }

    /// Makes the client that user, if the password is right.
    pub fn authenticate(
        &mut self,
        id: ClientId,
        name: &[u8],
        password: &[u8],
        command: &[u8],
    ) -> Result<(), CommandError> {
        match self.acl.get(name).filter(|user| user.accepts(password)) {
            Some(user) => {
                let client = &mut self.clients[id];
                client.user = user.clone();
                client.authenticated = true;
                Ok(())
            }
            None => {
                self.acl.counts.auth += 1;
                self.log_denial(id, Reason::Auth, Context::TopLevel, command, name);
                Err(CommandError::WRONG_PASS)
            }
        }
    }

    /// Whether the client's user may run a command. If not, that is logged.
    pub fn check_access(&mut self, id: ClientId, found: Found, args: &Args, context: Context) -> Result<(), Denied> {
        let client = &self.clients[id];
        let user = client.user.clone();
        // Commands of the primary and of the append-only file were allowed when they first ran.
        if user.is_unrestricted() || client.flags.intersects(ClientFlags::INTERNAL | ClientFlags::PRIMARY) {
            return Ok(());
        }
        user.check(found, args).inspect_err(|&denied| {
            let (reason, object) = match denied {
                Denied::Command => (Reason::Command, self.commands.full_name(found.index).as_bytes().to_vec()),
                Denied::Key(index) => (Reason::Key, args.get(index).to_vec()),
                Denied::Channel(index) => (Reason::Channel, args.get(index).to_vec()),
            };
            let counts = &mut self.acl.counts;
            *match reason {
                Reason::Auth => &mut counts.auth,
                Reason::Command => &mut counts.command,
                Reason::Key => &mut counts.key,
                Reason::Channel => &mut counts.channel,
            } += 1;
            self.log_denial(id, reason, context, &object, &user.name);
        })
    }

    fn log_denial(&mut self, id: ClientId, reason: Reason, context: Context, object: &[u8], username: &[u8]) {
        let mut client = Vec::new();
        super::client_list::describe(self, &self.clients[id], None, &mut client);
        client.pop();
        let now_ms = self.clock.unix_ms();
        let denial = Denial {
            id: 0,
            count: 1,
            reason,
            context,
            object: object.to_vec(),
            username: username.to_vec(),
            client,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        self.acl.log.add(denial, self.config.acllog_max_len);
    }
}
