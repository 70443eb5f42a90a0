//! generic

use super::prelude::*;

pub const COMMANDS: &[&Command] = &[];
