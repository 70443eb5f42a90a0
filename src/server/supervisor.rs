//! Telling systemd how far the server is, where `supervised` asks for that.
//!
//! COMPAT: `auto` is systemd if it left the address of its socket in the environment. Upstart, which
//! nobody runs any more, is not told anything.

use crate::config::{Config, Supervised};
use sd_notify::NotifyState;

/// Whether somebody supervises the server, so that it does not go into the background by itself.
pub fn is_supervised(config: &Config) -> bool {
    match config.supervised {
        Supervised::No | Supervised::Upstart => false,
        Supervised::Systemd | Supervised::Auto => std::env::var_os("NOTIFY_SOCKET").is_some(),
    }
}

/// Clients are welcome. `follows`: as a replica.
pub fn ready(config: &Config, follows: bool) {
    let status = match follows {
        false => "Ready to accept connections",
        true => "Ready to accept connections in read-only mode. Waiting for MASTER <-> REPLICA sync",
    };
    tell(config, &[NotifyState::Status(status), NotifyState::Ready]);
}

/// The server is about to end.
pub fn stopping(config: &Config) {
    tell(config, &[NotifyState::Stopping]);
}

fn tell(config: &Config, what: &[NotifyState]) {
    if is_supervised(config)
        && let Err(error) = sd_notify::notify(what)
    {
        log::warn!("Failed to notify systemd: {error}");
    }
}
