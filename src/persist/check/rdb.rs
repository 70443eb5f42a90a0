//! `--check-rdb FILE`.

use super::Bar;
use crate::config::Config;
use crate::keyspace::Keyspace;
use crate::persist::rdb::{Item, LoadFor, LoadStep, RdbLoad};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Databases that there can be.
const DATABASES: usize = 1 << 16;
/// Bytes after which the bar moves.
const STEP: u64 = 1 << 20;

/// Checks the data set that the file begins with, and writes what there is to say. Gives its length, if
/// it is whole.
pub fn check_rdb(path: &Path, out: &mut dyn Write) -> io::Result<Option<u64>> {
    writeln!(out, "[offset 0] Checking RDB file {}", path.display())?;
    let file = File::open(path)?;
    let mut bar = Bar::new(file.metadata()?.len());
    let config = Config::default();
    let mut keyspace = Keyspace::new(DATABASES, 0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    keyspace.now_ms = now.as_millis() as i64;
    let mut load = RdbLoad::new(file, LoadFor::Check, &config);
    let mut shown = 0;
    let result = loop {
        // One item a step, so that each can be told of.
        let step = load.step(&mut keyspace, &config, 1);
        if load.position() >= shown + STEP {
            shown = load.position();
            bar.show(shown);
        }
        match step {
            Err(failure) => break Err(failure),
            Ok(LoadStep::Done) => break Ok(load.position()),
            Ok(_) => (),
        }
        match load.item() {
            Item::Fact => {
                let (name, value) = load.last_fact().unwrap_or_default();
                let (name, value) = (name.escape_ascii(), value.escape_ascii());
                writeln!(out, "[offset {}] AUX FIELD {name} = '{value}'", load.position())?;
            }
            Item::Database => writeln!(out, "[offset {}] Selecting DB ID {}", load.position(), load.db())?,
            _ => (),
        }
    };
    bar.clear();
    let length = match result {
        Ok(length) => {
            writeln!(out, "[offset {length}] Checksum OK")?;
            writeln!(out, "[offset {length}] \\o/ RDB looks OK! \\o/")?;
            Some(length)
        }
        Err(failure) => {
            let doing = match load.item() {
                Item::Header => "start",
                Item::Fact => "read-aux",
                Item::Database | Item::Size | Item::Next => "read-type",
                Item::Key => "read-object-value",
                Item::ModuleData => "read-module-aux",
                Item::End => "check-sum",
            };
            writeln!(out, "--- RDB ERROR DETECTED ---")?;
            writeln!(out, "[offset {}] {}", failure.offset, failure.error)?;
            writeln!(out, "[additional info] While doing: {doing}")?;
            if load.item() == Item::Key {
                writeln!(out, "[additional info] Reading key '{}'", load.key().escape_ascii())?;
            }
            None
        }
    };
    let loaded = load.loaded();
    writeln!(out, "[info] {} keys read", loaded.keys)?;
    writeln!(out, "[info] {} expires", loaded.volatile)?;
    writeln!(out, "[info] {} already expired", loaded.expired)?;
    Ok(length)
}
