//! SLOWLOG: commands that took long, the latest of them.

use crate::resp::Args;
use std::collections::VecDeque;

/// Arguments that an entry keeps, the last of them a remark if there were more.
const ARGUMENTS_MAX: usize = 32;
/// Bytes of an argument that an entry keeps.
const ARGUMENT_BYTES_MAX: usize = 128;
/// Shown in the place of a secret argument.
pub const REDACTED: &[u8] = b"(redacted)";

/// One command.
pub struct SlowCommand {
    /// Never used twice.
    pub id: u64,
    pub unix_s: i64,
    pub us: u64,
    pub arguments: Vec<Vec<u8>>,
    pub addr: String,
    pub name: Vec<u8>,
}

/// The latest slow commands, the newest first.
#[derive(Default)]
pub struct SlowLog {
    entries: VecDeque<SlowCommand>,
    next_id: u64,
}

impl SlowLog {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &SlowCommand> {
        self.entries.iter()
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Adds a command and drops the oldest beyond `len_max`.
    pub fn add(&mut self, command: SlowCommand, len_max: u64) {
        self.entries.push_front(SlowCommand { id: self.next_id, ..command });
        self.next_id += 1;
        self.entries.truncate(usize::try_from(len_max).unwrap_or(usize::MAX));
    }
}

/// The arguments as an entry keeps them; those in `secrets` are not shown.
pub fn shown_arguments(args: &Args, secrets: &[usize]) -> Vec<Vec<u8>> {
    let shown = if args.len() > ARGUMENTS_MAX { ARGUMENTS_MAX - 1 } else { args.len() };
    let mut arguments: Vec<Vec<u8>> = (0..shown)
        .map(|index| match args.get(index) {
            _ if secrets.contains(&index) => REDACTED.to_vec(),
            argument if argument.len() > ARGUMENT_BYTES_MAX => {
                let more = argument.len() - ARGUMENT_BYTES_MAX;
                [&argument[..ARGUMENT_BYTES_MAX], format!("... ({more} more bytes)").as_bytes()].concat()
            }
            argument => argument.to_vec(),
        })
        .collect();
    if shown < args.len() {
        arguments.push(format!("... ({} more arguments)", args.len() - shown).into_bytes());
    }
    arguments
}
