//! Ranges of a sorted set by rank, score and member: replied, stored, counted and removed.

use super::super::prelude::*;
use super::{MembersReply, remove_members, store};
use crate::encoding::number::{parse_f64_saturating, parse_i64};
use crate::types::zset::{LexBound, LexRange, ScoreBound, ScoreRange, ZSet};
use std::ops::Range;

/// What the bounds of a range are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

enum Bounds<'a> {
    /// Counting from the start of the order asked for, or from its end if negative; both included.
    Rank(i64, i64),
    Score(ScoreRange),
    Lex(LexRange<'a>),
}

impl<'a> Bounds<'a> {
    fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Bounds<'a>, CommandError> {
        Ok(match by {
            By::Rank => {
                let rank = |text| parse_i64(text).ok_or(CommandError::NOT_INTEGER);
                Bounds::Rank(rank(min)?, rank(max)?)
            }
            By::Score => Bounds::Score(parse_score_range(min, max)?),
            By::Lex => Bounds::Lex(parse_lex_range(min, max)?),
        })
    }

    /// The ranks within the bounds, counted from the lowest score. Bounds of rank count in the
    /// order asked for.
    fn ranks(&self, zset: &ZSet, reverse: bool) -> Range<usize> {
        match self {
            Bounds::Rank(start, stop) => {
                let len = zset.len() as i64;
                let from_start = |rank: i64| if rank < 0 { len + rank } else { rank };
                let start = from_start(*start).max(0);
                let end = from_start(*stop).min(len - 1) + 1;
                match (start < end, reverse) {
                    (false, _) => 0..0,
                    (true, false) => start as usize..end as usize,
                    (true, true) => (len - end) as usize..(len - start) as usize,
                }
            }
            Bounds::Score(range) => zset.ranks(range),
            Bounds::Lex(range) => zset.ranks(range),
        }
    }
}

fn parse_score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, CommandError> {
    let range = || Some(ScoreRange { min: parse_score_bound(min)?, max: parse_score_bound(max)? });
    range().ok_or(CommandError::new("ERR min or max is not a float"))
}

/// COMPAT: unlike scores, bounds are read as C reads numbers: they may have blanks in front, end at
/// the first NUL, and nothing means zero.
fn parse_score_bound(text: &[u8]) -> Option<ScoreBound> {
    let (excluded, text) = match text {
        [b'(', text @ ..] => (true, text),
        _ => (false, text),
    };
    let text = text.split(|&byte| byte == 0).next()?;
    if text.is_empty() {
        return Some(ScoreBound { score: 0.0, excluded });
    }
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    Some(ScoreBound { score: parse_f64_saturating(&text[blanks..])?, excluded })
}

fn parse_lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, CommandError> {
    let range = || Some(LexRange { min: parse_lex_bound(min)?, max: parse_lex_bound(max)? });
    range().ok_or(CommandError::new("ERR min or max not valid string range item"))
}

fn parse_lex_bound(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        b"-" => Some(LexBound::Lowest),
        b"+" => Some(LexBound::Highest),
        [b'[', member @ ..] => Some(LexBound::Included(member)),
        [b'(', member @ ..] => Some(LexBound::Excluded(member)),
        _ => None,
    }
}

/// What the commands that give ranges are asked for.
struct Request<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    /// So many at the start are left out; all of them if negative.
    offset: i64,
    /// At most this many; no limit if negative.
    count: i64,
    with_scores: bool,
}

impl<'a> Request<'a> {
    /// Parses the arguments from the first bound on. What is None is up to options.
    fn parse(
        args: &Args<'a>,
        first: usize,
        by: Option<By>,
        reverse: Option<bool>,
        storing: bool,
    ) -> Result<Request<'a>, CommandError> {
        let (mut by, mut reverse) = (by, reverse);
        let (mut offset, mut count, mut with_scores) = (0, -1, false);
        let mut at = first + 2;
        while at < args.len() {
            if !storing && args.is(at, "withscores") {
                with_scores = true;
            } else if args.is(at, "limit") && args.len() - at > 2 {
                (offset, count) = (args.int(at + 1)?, args.int(at + 2)?);
                at += 2;
            } else if by.is_none() && args.is(at, "bylex") {
                by = Some(By::Lex);
            } else if by.is_none() && args.is(at, "byscore") {
                by = Some(By::Score);
            } else if reverse.is_none() && args.is(at, "rev") {
                reverse = Some(true);
            } else {
                return Err(CommandError::SYNTAX);
            }
            at += 1;
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        // COMPAT: a limit that is none passes.
        if by == By::Rank && count != -1 {
            return Err(CommandError::new(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if by == By::Lex && with_scores {
            return Err(CommandError::new("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        let (min, max) = (args.get(first), args.get(first + 1));
        let (min, max) = if reverse && by != By::Rank { (max, min) } else { (min, max) };
        Ok(Request { bounds: Bounds::parse(by, min, max)?, reverse, offset, count, with_scores })
    }

    /// The ranks asked for, counted from the lowest score.
    fn ranks(&self, zset: &ZSet) -> Range<usize> {
        let Range { start, end } = self.bounds.ranks(zset, self.reverse);
        if matches!(self.bounds, Bounds::Rank(..)) {
            return start..end;
        }
        let skipped = usize::try_from(self.offset).unwrap_or(usize::MAX).min(end - start);
        let count = usize::try_from(self.count).unwrap_or(usize::MAX).min(end - start - skipped);
        if self.reverse { end - skipped - count..end - skipped } else { start + skipped..start + skipped + count }
    }
}

/// Replies the range that the arguments from 2 on ask for.
fn reply_range(ctx: &mut DataContext, args: &Args, by: Option<By>, reverse: Option<bool>) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let request = Request::parse(args, 2, by, reverse, false)?;
    keyspace.read_collection(&args[1], |zset: Option<&ZSet>| {
        let Some(zset) = zset else { return reply.array(0) };
        let ranks = request.ranks(zset);
        let mut members = MembersReply::new(reply, ranks.len(), request.with_scores);
        zset.for_each_in(ranks, request.reverse, |member, score| members.member(member, score));
    })?;
    Ok(())
}

pub const ZRANGE: Command = Command {
    name: "zrange",
    summary: "Gets members of a sorted set between two ranks, scores or members",
    since: "1.2.0",
    group: Group::SortedSet,
    arity: -4,
    flags: READONLY,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 start stop sortby(byscore=BYSCORE | bylex=BYLEX)?^6.2.0 rev=REV?^6.2.0 limit{offset:int count:int}=LIMIT?^6.2.0 withscores=WITHSCORES?",
    handler: Handler::Data(zrange),
    ..Command::DEFAULT
};

fn zrange(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_range(ctx, args, None, None)
}

pub const ZREVRANGE: Command = Command {
    name: "zrevrange",
    summary: "Gets members of a sorted set between two ranks, highest score first",
    since: "1.2.0",
    group: Group::SortedSet,
    arity: -4,
    flags: READONLY,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 start:int stop:int withscores=WITHSCORES?",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` argument")),
    handler: Handler::Data(zrevrange),
    ..Command::DEFAULT
};

fn zrevrange(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_range(ctx, args, Some(By::Rank), Some(true))
}

pub const ZRANGEBYSCORE: Command = Command {
    name: "zrangebyscore",
    summary: "Gets members of a sorted set between two scores",
    since: "1.0.5",
    group: Group::SortedSet,
    arity: -4,
    flags: READONLY,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 min:double max:double withscores=WITHSCORES?^2.0.0 limit{offset:int count:int}=LIMIT?",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `BYSCORE` argument")),
    handler: Handler::Data(zrangebyscore),
    ..Command::DEFAULT
};

fn zrangebyscore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_range(ctx, args, Some(By::Score), Some(false))
}

pub const ZREVRANGEBYSCORE: Command = Command {
    name: "zrevrangebyscore",
    summary: "Gets members of a sorted set between two scores, highest score first",
    since: "2.2.0",
    group: Group::SortedSet,
    arity: -4,
    flags: READONLY,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 max:double min:double withscores=WITHSCORES? limit{offset:int count:int}=LIMIT?",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")),
    handler: Handler::Data(zrevrangebyscore),
    ..Command::DEFAULT
};

fn zrevrangebyscore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_range(ctx, args, Some(By::Score), Some(true))
}

pub const ZRANGEBYLEX: Command = Command {
    name: "zrangebylex",
    summary: "Gets members of a sorted set of one score between two members",
    since: "2.8.9",
    group: Group::SortedSet,
    arity: -4,
    flags: READONLY,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 min max limit{offset:int count:int}=LIMIT?",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `BYLEX` argument")),
    handler: Handler::Data(zrangebylex),
    ..Command::DEFAULT
};

fn zrangebylex(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_range(ctx, args, Some(By::Lex), Some(false))
}

pub const ZREVRANGEBYLEX: Command = Command {
    name: "zrevrangebylex",
    summary: "Gets members of a sorted set of one score between two members, last one first",
    args: "key:key#0 max min limit{offset:int count:int}=LIMIT?",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")),
    handler: Handler::Data(zrevrangebylex),
    ..ZRANGEBYLEX
};

fn zrevrangebylex(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_range(ctx, args, Some(By::Lex), Some(true))
}

pub const ZRANGESTORE: Command = Command {
    name: "zrangestore",
    summary: "Stores a range of a sorted set in another",
    since: "6.2.0",
    group: Group::SortedSet,
    arity: -5,
    flags: WRITE | DENYOOM,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, OW | UPDATE), KeySpec::one(2, RO | ACCESS)],
    args: "dst:key#0 src:key#1 min max sortby(byscore=BYSCORE | bylex=BYLEX)? rev=REV? limit{offset:int count:int}=LIMIT?",
    handler: Handler::Data(zrangestore),
    ..Command::DEFAULT
};

fn zrangestore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let request = Request::parse(args, 3, None, None, true)?;
    let limits = ctx.config.zset_limits();
    let range = ctx.keyspace.read_collection(&args[2], |zset: Option<&ZSet>| {
        let Some(zset) = zset else { return ZSet::new() };
        let mut members = Vec::new();
        zset.for_each_in(request.ranks(zset), false, |member, score| members.push((member, score)));
        ZSet::from_ordered(members.into_iter(), limits)
    })?;
    store(ctx, &args[1], range, "zrangestore");
    Ok(())
}

pub const ZCOUNT: Command = Command {
    name: "zcount",
    summary: "Counts the members of a sorted set between two scores",
    since: "2.0.0",
    group: Group::SortedSet,
    arity: 4,
    flags: READONLY | FAST,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 min:double max:double",
    handler: Handler::Data(zcount),
    ..Command::DEFAULT
};

fn zcount(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_count(ctx, args, By::Score)
}

pub const ZLEXCOUNT: Command = Command {
    name: "zlexcount",
    summary: "Counts the members of a sorted set of one score between two members",
    since: "2.8.9",
    group: Group::SortedSet,
    arity: 4,
    flags: READONLY | FAST,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 min max",
    handler: Handler::Data(zlexcount),
    ..Command::DEFAULT
};

fn zlexcount(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_count(ctx, args, By::Lex)
}

fn reply_count(ctx: &mut DataContext, args: &Args, by: By) -> CommandResult {
    let bounds = Bounds::parse(by, args.get(2), args.get(3))?;
    let count = |zset: Option<&ZSet>| zset.map_or(0, |zset| bounds.ranks(zset, false).len());
    let count = ctx.keyspace.read_collection(&args[1], count)?;
    ctx.reply.integer(count as i64);
    Ok(())
}

pub const ZREMRANGEBYRANK: Command = Command {
    name: "zremrangebyrank",
    summary: "Removes the members of a sorted set between two ranks",
    since: "2.0.0",
    group: Group::SortedSet,
    arity: 4,
    flags: WRITE,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RW | DELETE)],
    args: "key:key#0 start:int stop:int",
    handler: Handler::Data(zremrangebyrank),
    ..Command::DEFAULT
};

fn zremrangebyrank(ctx: &mut DataContext, args: &Args) -> CommandResult {
    remove_range(ctx, args, By::Rank, "zremrangebyrank")
}

pub const ZREMRANGEBYSCORE: Command = Command {
    name: "zremrangebyscore",
    summary: "Removes the members of a sorted set between two scores",
    since: "1.2.0",
    group: Group::SortedSet,
    arity: 4,
    flags: WRITE,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RW | DELETE)],
    args: "key:key#0 min:double max:double",
    handler: Handler::Data(zremrangebyscore),
    ..Command::DEFAULT
};

fn zremrangebyscore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    remove_range(ctx, args, By::Score, "zremrangebyscore")
}

pub const ZREMRANGEBYLEX: Command = Command {
    name: "zremrangebylex",
    summary: "Removes the members of a sorted set of one score between two members",
    since: "2.8.9",
    group: Group::SortedSet,
    arity: 4,
    flags: WRITE,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RW | DELETE)],
    args: "key:key#0 min max",
    handler: Handler::Data(zremrangebylex),
    ..Command::DEFAULT
};

fn zremrangebylex(ctx: &mut DataContext, args: &Args) -> CommandResult {
    remove_range(ctx, args, By::Lex, "zremrangebylex")
}

fn remove_range(ctx: &mut DataContext, args: &Args, by: By, event: &'static str) -> CommandResult {
    let bounds = Bounds::parse(by, args.get(2), args.get(3))?;
    let removed = remove_members(ctx.keyspace, &args[1], event, |zset| {
        let ranks = bounds.ranks(zset, false);
        zset.remove_range(ranks.clone());
        ranks.len()
    })?;
    ctx.reply.integer(removed as i64);
    Ok(())
}
