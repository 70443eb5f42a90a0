//! Users in `aclfile` and in redis.conf: a line each, `user <name> <rule> ...`.

use super::{Acl, DEFAULT_USER, User, default_user, is_valid_name, merge_rules};
use crate::persist::file::sync_folder_of;
use crate::persist::file::write_durably;
use crate::server::Server;
use crate::server::command_table::CommandTable;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Makes the user that a line describes; `words` are what follows the name.
fn read_user(name: &[u8], words: &[Vec<u8>], all_channels: bool, table: &CommandTable) -> Result<User, String> {
    let rules = merge_rules(words.iter().map(Vec::as_slice)).map_err(|unmatched| {
        format!("Unmatched parenthesis in selector definition: {}", String::from_utf8_lossy(&unmatched.0))
    })?;
    let mut user = User::new(name, all_channels);
    for rule in rules {
        user.apply(&rule, all_channels, table).map_err(|error| error.to_string())?;
    }
    Ok(user)
}

/// The users of a file, or what is wrong with each of its lines.
fn read_users(path: &Path, text: &[u8], all_channels: bool, table: &CommandTable) -> Result<Vec<User>, String> {
    let (mut users, mut errors): (Vec<User>, String) = (Vec::new(), String::new());
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let words: Vec<Vec<u8>> =
            line.trim_ascii().split(|&byte| byte == b' ').filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect();
        let user = match words.as_slice() {
            [] => continue,
            [keyword, name, rules @ ..] if keyword == b"user" => {
                let shown = String::from_utf8_lossy(name);
                if !is_valid_name(name) {
                    Err(format!("username '{shown}' contains invalid characters"))
                } else if users.iter().any(|user| user.name == *name) {
                    Err(format!("Duplicate user '{shown}' found"))
                } else {
                    read_user(name, rules, all_channels, table)
                }
            }
            _ => Err("line should start with user keyword".to_owned()),
        };
        match user {
            Ok(user) => users.push(user),
            Err(error) => errors += &format!("{}:{}: {error}. ", path.display(), number + 1),
        }
    }
    if errors.is_empty() {
        Ok(users)
    } else {
        Err(errors + "WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
    }
}

impl Acl {
    /// Puts these users in the place of all there are.
    fn replace(&mut self, users: Vec<User>, table: &CommandTable) {
        self.users = BTreeMap::new();
        self.put(default_user(table));
        users.into_iter().for_each(|user| self.put(user));
    }

    /// All users as lines of a file, without the word in front.
    pub fn describe_users(&self) -> impl Iterator<Item = Vec<u8>> {
        self.users().map(|user| [&user.name[..], &user.describe()].join(&b' '))
    }
}

impl Server {
    /// Takes the users from redis.conf, or from the file that it names.
    pub fn load_users(&mut self) -> Result<(), String> {
        self.apply_requirepass();
        if self.config.aclfile.is_some() {
            if !self.config.users.is_empty() {
                return Err("Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This setup is very likely to lead to configuration errors and security holes, please define either an ACL file or declare users directly in your redis.conf, but not both.".to_owned());
            }
            return self.load_acl_file();
        }
        let all_channels = self.new_users_have_channels();
        for words in self.config.users.clone() {
            let Some((name, rules)) = words.split_first() else { continue };
            let shown = String::from_utf8_lossy(name);
            if !is_valid_name(name) {
                return Err(format!("Spaces not allowed in ACL usernames: '{shown}'"));
            }
            let user = read_user(name, rules, all_channels, &self.commands);
            self.acl.put(user.map_err(|error| format!("Error in applying operations to ACL user '{shown}': {error}"))?);
        }
        Ok(())
    }

    /// Whether this line of redis.conf, a name and rules, describes a user as it is now.
    pub fn is_current_user(&self, words: &[Vec<u8>]) -> bool {
        let Some((name, rules)) = words.split_first() else { return false };
        let Some(user) = self.acl.get(name) else { return false };
        let described = read_user(name, rules, self.new_users_have_channels(), &self.commands);
        described.is_ok_and(|described| described.describe() == user.describe())
    }

    /// ACL LOAD: the users of the file replace all others. Clients stay only if their user is the default.
    pub fn load_acl_file(&mut self) -> Result<(), String> {
        let path = self.config.aclfile.clone().unwrap_or_default();
        let text = std::fs::read(&path)
            .map_err(|error| format!("Error loading ACLs, opening file '{}': {error}", path.display()))?;
        let users = read_users(&path, &text, self.new_users_have_channels(), &self.commands)?;
        self.acl.replace(users, &self.commands);
        for id in self.clients.ids_by_age() {
            if self.clients[id].user.name != DEFAULT_USER {
                self.close_after_reply(id);
            }
        }
        self.renew_users_of_clients();
        Ok(())
    }

    /// ACL SAVE.
    pub fn save_acl_file(&self) -> io::Result<()> {
        let path = self.config.dir.join(self.config.aclfile.as_deref().unwrap_or(Path::new("")));
        let mut temporary = path.clone().into_os_string();
        temporary.push(format!(".tmp-{}", std::process::id()));
        write_durably(temporary.as_ref(), false, |file| {
            self.acl.describe_users().try_for_each(|line| file.write_all(&[b"user ", &line[..], b"\n"].concat()))
        })?;
        std::fs::rename(&temporary, &path).inspect_err(|_| drop(std::fs::remove_file(&temporary)))?;
        sync_folder_of(&path)
    }

    /// Brings the users into the configuration, to be written with it. What follows from `requirepass` is
    /// not said twice.
    pub fn users_to_config(&mut self) {
        let is_plain = {
            let mut plain = Acl::new(&self.commands);
            let rules: Vec<Vec<u8>> = match self.config.requirepass.as_slice() {
                [] => Vec::new(),
                password => vec![[b">", password].concat()],
            };
            let mut user = User::clone(&plain.default);
            for rule in &rules {
                user.apply(rule, true, &self.commands).expect("rules that are right");
            }
            plain.put(user);
            self.acl.users.len() == 1 && Arc::clone(&plain.default) == self.acl.default
        };
        let words = |line: Vec<u8>| line.split(|&byte| byte == b' ').map(<[u8]>::to_vec).collect();
        self.config.users = match is_plain || self.config.aclfile.is_some() {
            true => Vec::new(),
            false => self.acl.describe_users().map(words).collect(),
        };
    }
}
