//! Finding keys: by pattern, a few at a time, at random. What the SCAN commands of all types share
//! is here too.

use super::prelude::*;
use crate::encoding::glob::glob_match;
use crate::keyspace::Entry;
use crate::types::Collection;

pub const COMMANDS: &[&Command] = &[&KEYS, &SCAN, &RANDOMKEY];

pub const KEYS: Command = Command {
    name: "keys",
    summary: "Gets all keys that match a pattern",
    arity: 2,
    flags: READONLY,
    categories: category::KEYSPACE | category::DANGEROUS,
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    args: "pattern:pattern",
    handler: Handler::Data(keys),
    ..Command::DEFAULT
};

fn keys(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    reply.array_of(|reply| {
        let matching = keyspace.iter().filter(|entry| glob_match(&args[1], entry.key(), false));
        matching.map(|entry| reply.bulk(entry.key())).count()
    });
    Ok(())
}

pub const SCAN: Command = Command {
    name: "scan",
    summary: "Walks the keys of the database, some at a time",
    since: "2.8.0",
    arity: -2,
    flags: READONLY,
    categories: category::KEYSPACE,
    tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
    args: "cursor:int pattern:pattern=MATCH? count:int=COUNT? type:string=TYPE?^6.0.0",
    handler: Handler::Data(scan),
    ..Command::DEFAULT
};

fn scan(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let cursor = parse_cursor(&args[1])?;
    let options = ScanOptions::parse(args, 2, true)?;
    reply_page(reply, |reply| {
        let mut keys = 0;
        let cursor = keyspace.scan(cursor, options.count, |entry| {
            if options.accepts_entry(entry) {
                reply.bulk(entry.key());
                keys += 1;
            }
        });
        (cursor, keys)
    })
}

/// HSCAN, SSCAN and ZSCAN: `scan` goes on from a cursor, adds what it finds to the page, and gives the next cursor.
pub fn scan_collection<T: Collection>(
    ctx: &mut DataContext,
    args: &Args,
    scan: impl FnOnce(&T, u64, &mut Page) -> u64,
) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let cursor = parse_cursor(&args[2])?;
    keyspace.read_collection(&args[1], |collection: Option<&T>| {
        // COMPAT: the options of a scan of nothing are not looked at.
        let Some(collection) = collection else { return reply_page(reply, |_| (0, 0)) };
        let options = ScanOptions::parse(args, 3, false)?;
        reply_page(reply, |reply| {
            let mut page = Page { reply, options, texts: 0 };
            let cursor = scan(collection, cursor, &mut page);
            (cursor, page.texts)
        })
    })?
}

/// The elements of a collection that one step of a scan replies.
pub struct Page<'p, 'r> {
    reply: &'p mut Reply<'r>,
    options: ScanOptions<'p>,
    /// Replied so far.
    texts: usize,
}

impl Page<'_, '_> {
    /// About how many elements to look at.
    pub fn count(&self) -> usize {
        self.options.count
    }

    /// An element: its name, by which it is chosen, and what else there is of it.
    pub fn add(&mut self, texts: &[&[u8]]) {
        if self.options.accepts(texts[0]) {
            texts.iter().for_each(|text| self.reply.bulk(text));
            self.texts += texts.len();
        }
    }
}

/// The options of SCAN, SSCAN, HSCAN and ZSCAN.
struct ScanOptions<'a> {
    /// About how many elements to look at.
    count: usize,
    pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// Parses the arguments from `index` on; TYPE is for SCAN alone.
    fn parse(args: &Args<'a>, index: usize, with_type: bool) -> Result<ScanOptions<'a>, CommandError> {
        let mut options = ScanOptions { count: 10, pattern: None, type_name: None };
        for i in (index..args.len()).step_by(2) {
            if i + 1 == args.len() {
                return Err(CommandError::SYNTAX);
            } else if args.is(i, "count") {
                options.count = args.int(i + 1)?.try_into().map_err(|_| CommandError::SYNTAX)?;
                if options.count == 0 {
                    return Err(CommandError::SYNTAX);
                }
            } else if args.is(i, "match") {
                options.pattern = Some(args.get(i + 1)).filter(|&pattern| pattern != b"*");
            } else if args.is(i, "type") && with_type {
                options.type_name = Some(args.get(i + 1));
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(options)
    }

    /// Whether an element is to be replied.
    fn accepts(&self, element: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob_match(pattern, element, false))
    }

    /// COMPAT: of a type that does not exist there are no keys; Redis 8 makes it an error.
    fn accepts_entry(&self, entry: &Entry) -> bool {
        let right_type = |name: &[u8]| name.eq_ignore_ascii_case(entry.type_().name().as_bytes());
        self.type_name.is_none_or(right_type) && self.accepts(entry.key())
    }
}

/// Parses a cursor as C's `strtoul` does, which takes signs and takes nothing for zero.
fn parse_cursor(text: &[u8]) -> Result<u64, CommandError> {
    let (negative, digits) = match text {
        [] => return Ok(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let magnitude = digits.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add((digit - b'0') as u64),
        _ => None,
    });
    let magnitude = magnitude.filter(|_| !digits.is_empty());
    let magnitude = magnitude.ok_or(CommandError::INVALID_CURSOR)?;
    Ok(if negative { magnitude.wrapping_neg() } else { magnitude })
}

/// Replies one step of a scan: `fill` writes the elements, and gives the cursor to go on with and
/// the number of what it wrote.
fn reply_page(reply: &mut Reply, fill: impl FnOnce(&mut Reply) -> (u64, usize)) -> CommandResult {
    reply.headed(fill, |reply, (cursor, elements)| {
        reply.array(2);
        reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
        reply.array(elements);
    });
    Ok(())
}

pub const RANDOMKEY: Command = Command {
    name: "randomkey",
    summary: "Gets a key at random",
    flags: READONLY,
    categories: category::KEYSPACE,
    tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
    handler: Handler::Data(randomkey),
    ..Command::DEFAULT
};

fn randomkey(ctx: &mut DataContext, _: &Args) -> CommandResult {
    match ctx.keyspace.random_key() {
        Some(key) => ctx.reply.bulk(&key),
        None => ctx.reply.null(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors() {
        for (text, cursor) in
            [("", 0), ("0", 0), ("007", 7), ("+5", 5), ("-1", u64::MAX), ("18446744073709551615", u64::MAX)]
        {
            assert_eq!(parse_cursor(text.as_bytes()), Ok(cursor), "{text}");
        }
        for text in ["-", "+", " 1", "1 ", "0x1", "--1", "18446744073709551616"] {
            assert_eq!(parse_cursor(text.as_bytes()), Err(CommandError::INVALID_CURSOR), "{text}");
        }
    }
}
