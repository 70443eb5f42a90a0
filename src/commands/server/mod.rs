//! Commands about the server.

use super::prelude::*;

pub const COMMANDS: &[&Command] = &[];
