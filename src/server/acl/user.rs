//! A user: whether and how it may log in, and its permissions.

use super::selector::{Denied, Selector};
use super::{PasswordHash, RuleError};
use crate::resp::Args;
use crate::server::command_table::{CommandTable, Found};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// One user of ACL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub name: Vec<u8>,
    pub enabled: bool,
    /// Any password will do.
    pub nopass: bool,
    /// The sanitize-payload flag, kept for ACL LIST; payloads are always checked.
    sanitizes: bool,
    passwords: Vec<PasswordHash>,
    /// The first is the root selector, the others come from the rules in parentheses.
    selectors: Vec<Selector>,
    /// It may do everything: nothing has to be checked.
    unrestricted: bool,
}

impl User {
    /// One that may do nothing.
    pub fn new(name: &[u8], all_channels: bool) -> User {
        User {
            name: name.to_vec(),
            enabled: false,
            nopass: false,
            sanitizes: true,
            passwords: Vec::new(),
            selectors: vec![Selector::new(all_channels)],
            unrestricted: false,
        }
    }

    /// Connections may be this user without saying so.
    pub fn needs_no_password(&self) -> bool {
        self.enabled && self.nopass
    }

    #[inline]
    pub fn is_unrestricted(&self) -> bool {
        self.unrestricted
    }

    pub fn root(&self) -> &Selector {
        &self.selectors[0]
    }

    /// The selectors in parentheses.
    pub fn further_selectors(&self) -> &[Selector] {
        &self.selectors[1..]
    }

    /// Applies one rule of ACL SETUSER.
    pub fn apply(&mut self, rule: &[u8], all_channels: bool, table: &CommandTable) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            _ if is("on") => self.enabled = true,
            _ if is("off") => self.enabled = false,
            _ if is("nopass") => {
                self.nopass = true;
                self.passwords.clear();
            }
            _ if is("resetpass") => {
                self.nopass = false;
                self.passwords.clear();
            }
            _ if is("sanitize-payload") => self.sanitizes = true,
            _ if is("skip-sanitize-payload") => self.sanitizes = false,
            _ if is("clearselectors") => self.selectors.truncate(1),
            _ if is("reset") => *self = User::new(&self.name, all_channels),
            [b'>', password @ ..] => self.add_password(hash(password)),
            [b'#', digits @ ..] => self.add_password(parse_hash(digits)?),
            [b'<', password @ ..] => self.remove_password(hash(password))?,
            [b'!', digits @ ..] => self.remove_password(parse_hash(digits)?)?,
            [b'(', rules @ .., b')'] => {
                let mut selector = Selector::new(all_channels);
                for rule in rules.split(|byte| *byte == b' ').filter(|rule| !rule.is_empty()) {
                    selector.apply(rule, table)?;
                }
                self.selectors.push(selector);
            }
            _ => self.selectors[0].apply(rule, table)?,
        }
        self.unrestricted = self.root().is_unrestricted();
        Ok(())
    }

    fn add_password(&mut self, hash: PasswordHash) {
        self.nopass = false;
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
    }

    fn remove_password(&mut self, hash: PasswordHash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == hash).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// Whether it may log in with this password. How long that takes tells nothing of the password.
    pub fn accepts(&self, password: &[u8]) -> bool {
        let hash = hash(password);
        let matches = self.passwords.iter().fold(false, |found, known| found | bool::from(known.ct_eq(&hash)));
        self.enabled && (self.nopass || matches)
    }

    /// Whether the command may run with these arguments: any of the selectors has to allow all of it.
    pub fn check(&self, found: Found, args: &Args) -> Result<(), Denied> {
        let mut furthest = None;
        for selector in &self.selectors {
            match selector.check(found, args) {
                Ok(()) => return Ok(()),
                Err(denied) => furthest = furthest.max(Some(denied)),
            }
        }
        furthest.map_or(Ok(()), Err)
    }

    /// Whether a command may run that reads keys no argument names.
    pub fn may_read_any_key(&self, found: Found, args: &Args) -> bool {
        self.unrestricted || self.selectors.iter().any(|selector| selector.allows_reading_any_key(found, args))
    }

    /// Whether it may listen to this channel or pattern.
    pub fn may_listen(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.selectors.iter().any(|selector| selector.allows_channel(channel, is_pattern))
    }

    /// What is set, by name.
    pub fn flags(&self) -> Vec<&'static str> {
        let flags = [
            (true, if self.enabled { "on" } else { "off" }),
            (self.nopass, "nopass"),
            (true, if self.sanitizes { "sanitize-payload" } else { "skip-sanitize-payload" }),
        ];
        flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect()
    }

    /// The passwords' hashes in hexadecimal digits.
    pub fn password_hashes(&self) -> Vec<String> {
        self.passwords.iter().map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect()).collect()
    }

    /// The rules that give this user again.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts: Vec<Vec<u8>> = self.flags().into_iter().map(|flag| flag.as_bytes().to_vec()).collect();
        parts.extend(self.password_hashes().into_iter().map(|hash| format!("#{hash}").into_bytes()));
        parts.push(self.root().describe());
        parts.extend(self.further_selectors().iter().map(|selector| [b"(", &selector.describe()[..], b")"].concat()));
        parts.join(&b' ')
    }
}

fn hash(password: &[u8]) -> PasswordHash {
    Sha256::digest(password).into()
}

/// 64 hexadecimal digits in lower case.
fn parse_hash(digits: &[u8]) -> Result<PasswordHash, RuleError> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(RuleError::PasswordHash),
    };
    let mut hash = PasswordHash::default();
    if digits.len() != 2 * hash.len() {
        return Err(RuleError::PasswordHash);
    }
    for (byte, digits) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(digits[0])? << 4 | value(digits[1])?;
    }
    Ok(hash)
}
