//! The longest common subsequence of two strings.

use super::super::prelude::*;
use crate::encoding::lcs;
use crate::types::string::StringRef;

pub const LCS: Command = Command {
    name: "lcs",
    summary: "Finds the longest common subsequence of two strings",
    since: "7.0.0",
    group: Group::String,
    arity: -3,
    flags: READONLY,
    categories: category::STRING,
    keys: &[KeySpec::range(1, 1, 1, RO | ACCESS)],
    args: "key1:key#0 key2:key#0 len=LEN? idx=IDX? min-match-len:int=MINMATCHLEN? withmatchlen=WITHMATCHLEN?",
    handler: Handler::Data(lcs),
    ..Command::DEFAULT
};

fn lcs(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, config, .. } = ctx;
    let mut string = |index: usize| {
        let bytes = |string: Option<StringRef>| {
            string.map_or(Vec::new(), |string| string.bytes(&mut itoa::Buffer::new()).to_vec())
        };
        keyspace
            .read_string(&args[index], bytes)
            .map_err(|_| CommandError::new("ERR The specified keys must contain string values"))
    };
    let (a, b) = (string(1)?, string(2)?);
    let options = LcsOptions::parse(args)?;
    // COMPAT: Redis works with a table of as many 32-bit numbers; ours is far smaller.
    if (a.len() as u128 + 1) * (b.len() as u128 + 1) * 4 > config.proto_max_bulk_len as u128 {
        return Err(CommandError::new("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"));
    }

    if options.only_len {
        reply.integer(lcs::length(&a, &b) as i64);
        return Ok(());
    }
    let runs = lcs::runs(&a, &b);
    if !options.indices {
        let subsequence: Vec<&[u8]> = runs.iter().rev().map(|run| &a[run.a..run.a + run.len]).collect();
        reply.bulk(&subsequence.concat());
        return Ok(());
    }
    reply_runs(reply, &runs, &options);
    Ok(())
}

#[derive(Default)]
struct LcsOptions {
    only_len: bool,
    indices: bool,
    with_len: bool,
    /// Shorter runs are not shown.
    len_min: i64,
}

impl LcsOptions {
    fn parse(args: &Args) -> Result<LcsOptions, CommandError> {
        let mut options = LcsOptions::default();
        let mut index = 3;
        while index < args.len() {
            if args.is(index, "IDX") {
                options.indices = true;
            } else if args.is(index, "LEN") {
                options.only_len = true;
            } else if args.is(index, "WITHMATCHLEN") {
                options.with_len = true;
            } else if args.is(index, "MINMATCHLEN") && index + 1 < args.len() {
                index += 1;
                options.len_min = args.int(index)?;
            } else {
                return Err(CommandError::SYNTAX);
            }
            index += 1;
        }
        if options.indices && options.only_len {
            return Err(CommandError::new("ERR If you want both the length and indexes, please just use IDX."));
        }
        Ok(options)
    }
}

/// Where the subsequence is in both strings.
fn reply_runs(reply: &mut Reply, runs: &[lcs::Run], options: &LcsOptions) {
    let shown = |run: &&lcs::Run| run.len as i64 >= options.len_min;
    reply.map(2);
    reply.named("matches").array(runs.iter().filter(shown).count());
    for run in runs.iter().filter(shown) {
        reply.array(if options.with_len { 3 } else { 2 });
        for start in [run.a, run.b] {
            reply.array(2);
            reply.integer(start as i64);
            reply.integer((start + run.len - 1) as i64);
        }
        if options.with_len {
            reply.integer(run.len as i64);
        }
    }
    reply.named("len").integer(runs.iter().map(|run| run.len as i64).sum());
}
