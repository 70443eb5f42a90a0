//! All commands by name.

use super::command::{Begin, Command, Find, Handler, KeySpec};
use crate::resp::Args;
use std::collections::HashMap;

/// A command's or subcommand's place in the table, for its counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandIndex(pub u16);

/// A command found by its name.
#[derive(Clone, Copy)]
pub struct Found {
    pub command: &'static Command,
    pub index: CommandIndex,
    /// The argument that is its first key, if that is worth prefetching; else 0.
    pub first_key: u8,
}

/// One row: a command or a subcommand.
pub struct Row {
    pub command: &'static Command,
    /// As users see it: `get`, `client|kill`.
    pub full_name: String,
}

/// All commands. `rename-command` may have changed what a command is called.
pub struct CommandTable {
    rows: Vec<Row>,
    /// Slots of an open-addressed table of top-level commands: the index of a row plus one.
    slots: Vec<u16>,
    names: Vec<Box<[u8]>>,
    /// Subcommands by container and name.
    subcommands: HashMap<(u16, Vec<u8>), u16>,
}

const SLOTS: usize = 2048;

/// Spreads names by length and a few of their bytes, in lower case.
#[inline]
fn spread(name: &[u8]) -> usize {
    let lower = |i: usize| (name[i.min(name.len() - 1)] | 0x20) as usize;
    let last = name.len() - 1;
    (name.len() * 131 + lower(0) * 7 + lower(1) * 37 + lower(last / 2) * 211 + lower(last) * 1021) % SLOTS
}

impl CommandTable {
    pub fn new(families: &[&[&'static Command]], renamed: &[(Vec<u8>, Vec<u8>)]) -> CommandTable {
        let mut table =
            CommandTable { rows: Vec::new(), slots: vec![0; SLOTS], names: Vec::new(), subcommands: HashMap::new() };
        for &command in families.iter().copied().flatten() {
            let mut name = command.name.as_bytes().to_vec();
            for (_, to) in renamed.iter().filter(|(from, _)| from.eq_ignore_ascii_case(command.name.as_bytes())) {
                name = to.to_ascii_lowercase();
            }
            let container = table.rows.len() as u16;
            table.rows.push(Row { command, full_name: command.name.to_owned() });
            table.names.push(name.clone().into());
            for subcommand in command.subcommands {
                let row = table.rows.len() as u16;
                table
                    .rows
                    .push(Row { command: subcommand, full_name: format!("{}|{}", command.name, subcommand.name) });
                table.names.push(subcommand.name.as_bytes().into());
                table.subcommands.insert((container, subcommand.name.as_bytes().to_vec()), row);
            }
            if !name.is_empty() {
                let mut slot = spread(&name);
                while table.slots[slot] != 0 {
                    slot = (slot + 1) % SLOTS;
                }
                table.slots[slot] = container + 1;
            }
        }
        table
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub fn full_name(&self, index: CommandIndex) -> &str {
        &self.rows[index.0 as usize].full_name
    }

    /// The row of a command, or a subcommand such as `config|get`, by its own name in any case, whatever
    /// `rename-command` says.
    pub fn row_named(&self, full_name: &[u8]) -> Option<usize> {
        self.rows.iter().position(|row| full_name.eq_ignore_ascii_case(row.full_name.as_bytes()))
    }

    /// Commands without their subcommands, under the names they go by now.
    pub fn top_level(&self) -> impl Iterator<Item = (&[u8], Found)> {
        self.slots.iter().filter(|&&slot| slot != 0).map(|&slot| {
            let row = slot as usize - 1;
            (&self.names[row][..], self.found(row))
        })
    }

    fn found(&self, row: usize) -> Found {
        let command = self.rows[row].command;
        let first_key = match (&command.handler, command.keys.first()) {
            (Handler::Data(_), Some(KeySpec { begin: Begin::Index(1), .. })) => 1,
            // Scripts and functions.
            (_, Some(KeySpec { begin: Begin::Index(2), find: Find::KeyNum { number: 0, first: 1, .. }, .. })) => 3,
            _ => 0,
        };
        Found { command, index: CommandIndex(row as u16), first_key }
    }

    /// The command of this name, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Found> {
        if name.is_empty() {
            return None;
        }
        let mut slot = spread(name);
        loop {
            let row = (self.slots[slot] as usize).checked_sub(1)?;
            if self.names[row].eq_ignore_ascii_case(name) {
                return Some(self.found(row));
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// The command of a request, or its subcommand where it has some and the request names one.
    pub fn find_request(&self, request: &Args) -> Option<Found> {
        let found = self.find(request.get(0))?;
        let is_container = !found.command.subcommands.is_empty() && request.len() > 1;
        if is_container { self.find_subcommand(found, request.get(1)) } else { Some(found) }
    }

    pub fn find_subcommand(&self, container: Found, name: &[u8]) -> Option<Found> {
        let row = self.subcommands.get(&(container.index.0, name.to_ascii_lowercase()))?;
        Some(self.found(*row as usize))
    }

    /// The command that a name such as `client|kill` means.
    pub fn find_full(&self, name: &[u8]) -> Option<Found> {
        match name.iter().position(|&b| b == b'|') {
            None => self.find(name),
            Some(bar) => self.find_subcommand(self.find(&name[..bar])?, &name[bar + 1..]),
        }
    }
}
