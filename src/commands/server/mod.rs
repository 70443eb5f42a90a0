//! Commands about the server, a file a command or a topic.
//!
//! * `command` COMMAND
//! * `docs`    COMMAND DOCS, and the notation of arguments

mod command;
mod docs;

use super::prelude::*;

pub const COMMANDS: &[&Command] = &[&command::COMMAND];
