//! LOLWUT: a small drawing, never the same, and the version.

use crate::commands::prelude::*;
use crate::config::REDIS_VERSION;
use std::fmt::Write;

pub const LOLWUT: Command = Command {
    name: "lolwut",
    summary: "Draws something, and gives the version",
    since: "5.0.0",
    group: Group::Server,
    arity: -1,
    flags: READONLY | FAST,
    args: "version:int=VERSION?",
    handler: Handler::Data(lolwut),
    ..Command::DEFAULT
};

fn lolwut(ctx: &mut DataContext, args: &Args) -> CommandResult {
    if args.len() >= 3 && args.is(1, "version") {
        // Every version draws the same.
        args.int(2)?;
    }
    let mut text = rondo(|bound| ctx.keyspace.rng.u64(..bound) as usize);
    writeln!(text, "Redis ver. {REDIS_VERSION}").expect("a string takes all");
    ctx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

/// A rondo: a refrain, the same each time, and between its returns couplets that differ. Each is a
/// staff of four lines with notes on it.
fn rondo(mut random: impl FnMut(u64) -> usize) -> String {
    const LINES: usize = 4;
    const NOTES: usize = 12;
    let mut part = || {
        let mut note = random(LINES as u64);
        let mut notes = [0; NOTES];
        for place in &mut notes {
            // Melodies move in small steps.
            note = (note + random(3)).saturating_sub(1).min(LINES - 1);
            *place = note;
        }
        notes
    };
    let (a, b, c) = (part(), part(), part());
    let mut text = String::new();
    for (name, notes) in [("A", a), ("B", b), ("A", a), ("C", c), ("A", a)] {
        for line in (0..LINES).rev() {
            text.push_str(if line == LINES - 1 { name } else { " " });
            text.push_str(" |");
            for &note in &notes {
                text.push_str(if note == line { "-o-" } else { "---" });
            }
            text.push_str("|\n");
        }
        text.push('\n');
    }
    text
}
