//! Adding, changing and removing members.

use super::super::prelude::*;
use super::remove_members;
use crate::server::command::MEMBER_AFTER_SCORE;
use crate::types::zset::ZSet;
use smallvec::SmallVec;

pub const ZADD: Command = Command {
    name: "zadd",
    summary: "Adds members to a sorted set or changes their scores",
    since: "1.2.0",
    group: Group::SortedSet,
    arity: -4,
    flags: WRITE | DENYOOM | FAST,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RW | UPDATE)],
    member: Some(MEMBER_AFTER_SCORE),
    args: "key:key#0 condition(nx=NX | xx=XX)?^3.0.2 comparison(gt=GT | lt=LT)?^6.2.0 change=CH?^3.0.2 increment=INCR?^3.0.2 data{score:double member}+",
    handler: Handler::Data(zadd),
    ..Command::DEFAULT
};

fn zadd(ctx: &mut DataContext, args: &Args) -> CommandResult {
    update(ctx, args, false)
}

pub const ZINCRBY: Command = Command {
    name: "zincrby",
    summary: "Adds to the score of a member of a sorted set",
    since: "1.2.0",
    group: Group::SortedSet,
    arity: 4,
    flags: WRITE | DENYOOM | FAST,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RW | ACCESS | UPDATE)],
    member: Some(MEMBER_AFTER_SCORE),
    args: "key:key#0 increment:int member",
    handler: Handler::Data(zincrby),
    ..Command::DEFAULT
};

fn zincrby(ctx: &mut DataContext, args: &Args) -> CommandResult {
    update(ctx, args, true)
}

/// The options of ZADD.
#[derive(Default)]
pub struct Options {
    /// NX: only new members.
    pub only_new: bool,
    /// XX: only members that are there.
    pub only_existing: bool,
    /// GT: of members that are there, only those whose scores grow.
    only_greater: bool,
    /// LT: the same of those whose scores fall.
    only_less: bool,
    /// CH: count changed members, not just new ones.
    pub count_changed: bool,
    /// INCR: add to the score.
    increment: bool,
}

impl Options {
    /// Gives the index of the first score, too.
    ///
    /// COMPAT: ZINCRBY takes an increment that is the name of an option for that.
    fn parse(args: &Args, increment: bool) -> Result<(Options, usize), CommandError> {
        let mut options = Options { increment, ..Options::default() };
        let mut at = 2;
        while at < args.len() {
            match () {
                _ if args.is(at, "nx") => options.only_new = true,
                _ if args.is(at, "xx") => options.only_existing = true,
                _ if args.is(at, "ch") => options.count_changed = true,
                _ if args.is(at, "incr") => options.increment = true,
                _ if args.is(at, "gt") => options.only_greater = true,
                _ if args.is(at, "lt") => options.only_less = true,
                _ => break,
            }
            at += 1;
        }
        let pairs = args.len() - at;
        if pairs == 0 || !pairs.is_multiple_of(2) {
            return Err(CommandError::SYNTAX);
        }
        if options.only_new && options.only_existing {
            return Err(CommandError::new("ERR XX and NX options at the same time are not compatible"));
        }
        if options.only_new as u8 + options.only_greater as u8 + options.only_less as u8 > 1 {
            return Err(CommandError::new("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if options.increment && pairs > 2 {
            return Err(CommandError::new("ERR INCR option supports a single increment-element pair"));
        }
        Ok((options, at))
    }

    /// The score that a member with score `old` gets, if it gets one.
    #[inline]
    fn decide(&self, old: Option<f64>, given: f64) -> Option<f64> {
        let Some(old) = old else { return (!self.only_existing).then_some(given) };
        let new = if self.increment { old + given } else { given };
        let refused = self.only_new || self.only_greater && new <= old || self.only_less && new >= old;
        (!refused).then_some(new)
    }
}

fn update(ctx: &mut DataContext, args: &Args, increment: bool) -> CommandResult {
    let (options, first) = Options::parse(args, increment)?;
    let pairs = (args.len() - first) / 2;
    let scores = (0..pairs).map(|pair| args.float(first + 2 * pair)).collect::<Result<Scores, _>>()?;
    let members = (0..pairs).map(|pair| args.get(first + 2 * pair + 1));
    update_members(ctx, &args[1], &options, &scores, members)
}

/// Nearly always there is one.
pub type Scores = SmallVec<[f64; 4]>;

/// Gives members these scores as far as the options let it, and replies.
pub fn update_members<'m>(
    ctx: &mut DataContext,
    key: &[u8],
    options: &Options,
    scores: &[f64],
    members: impl Iterator<Item = &'m [u8]> + Clone,
) -> CommandResult {
    let limits = ctx.config.zset_limits();
    let mut zset = if options.only_existing {
        let Some(zset) = ctx.keyspace.write_collection::<ZSet>(key)? else {
            if options.increment {
                ctx.reply.null()
            } else {
                ctx.reply.integer(0)
            }
            return Ok(());
        };
        zset
    } else {
        let longest = || members.clone().map(<[u8]>::len).max().unwrap_or(0);
        ctx.keyspace.write_collection_or(key, || ZSet::with_capacity(scores.len(), longest(), limits))?
    };
    zset.prepare_for(scores.len(), limits);
    let (mut added, mut changed) = (0, 0);
    let mut outcome = None;
    for (&score, member) in scores.iter().zip(members) {
        zset.update(member, limits, |old| {
            outcome = options.decide(old, score);
            // Only an increment can come to NaN, and it is the only one.
            let new = outcome.filter(|new| !new.is_nan())?;
            match old {
                None => added += 1,
                Some(old) if old != new => changed += 1,
                Some(_) => (),
            }
            Some(new)
        });
    }
    drop(zset);
    if outcome.is_some_and(f64::is_nan) {
        return Err(CommandError::new("ERR resulting score is not a number (NaN)"));
    }
    if added + changed > 0 {
        ctx.keyspace.changed(EventClass::ZSET, if options.increment { "zincr" } else { "zadd" }, key);
        ctx.keyspace.effects.dirty += added + changed - 1;
    }
    match outcome {
        Some(score) if options.increment => ctx.reply.double(score),
        None if options.increment => ctx.reply.null(),
        _ => ctx.reply.integer((added + if options.count_changed { changed } else { 0 }) as i64),
    }
    Ok(())
}

pub const ZREM: Command = Command {
    name: "zrem",
    summary: "Removes members from a sorted set, and the set with its last one",
    since: "1.2.0",
    group: Group::SortedSet,
    arity: -3,
    flags: WRITE | FAST,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RW | DELETE)],
    member: Some(2),
    args: "key:key#0 member+",
    handler: Handler::Data(zrem),
    ..Command::DEFAULT
};

fn zrem(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let removed = remove_members(ctx.keyspace, &args[1], "zrem", |zset| {
        args.from(2).iter().filter(|member| zset.remove(member)).count()
    })?;
    ctx.reply.integer(removed as i64);
    Ok(())
}
