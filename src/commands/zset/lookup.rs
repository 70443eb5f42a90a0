//! Single members, counts, random members and ZSCAN.

use super::super::prelude::*;
use super::super::sampling::Sampling;
use super::super::scan::scan_collection;
use super::MembersReply;
use crate::types::zset::ZSet;

pub const ZCARD: Command = Command {
    name: "zcard",
    summary: "Counts the members of a sorted set",
    since: "1.2.0",
    group: Group::SortedSet,
    arity: 2,
    flags: READONLY | FAST,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RO)],
    args: "key:key#0",
    handler: Handler::Data(zcard),
    ..Command::DEFAULT
};

fn zcard(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let len = ctx.keyspace.read_collection(&args[1], |zset: Option<&ZSet>| zset.map_or(0, ZSet::len))?;
    ctx.reply.integer(len as i64);
    Ok(())
}

pub const ZSCORE: Command = Command {
    name: "zscore",
    summary: "Gets the score of a member of a sorted set",
    since: "1.2.0",
    group: Group::SortedSet,
    arity: 3,
    flags: READONLY | FAST,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    member: Some(2),
    args: "key:key#0 member",
    handler: Handler::Data(zscore),
    ..Command::DEFAULT
};

fn zscore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let score = ctx.keyspace.read_collection(&args[1], |zset: Option<&ZSet>| zset?.score(&args[2]))?;
    reply_score(&mut ctx.reply, score);
    Ok(())
}

fn reply_score(reply: &mut Reply, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

pub const ZMSCORE: Command = Command {
    name: "zmscore",
    summary: "Gets the scores of members of a sorted set",
    since: "6.2.0",
    group: Group::SortedSet,
    arity: -3,
    flags: READONLY | FAST,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    member: Some(2),
    args: "key:key#0 member+",
    handler: Handler::Data(zmscore),
    ..Command::DEFAULT
};

fn zmscore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let members = args.from(2);
    keyspace.read_collection(&args[1], |zset: Option<&ZSet>| {
        reply.array(members.len());
        members.iter().for_each(|member| reply_score(reply, zset.and_then(|zset| zset.score(member))));
    })?;
    Ok(())
}

pub const ZRANK: Command = Command {
    name: "zrank",
    summary: "Gets the rank of a member of a sorted set, lowest score first",
    since: "2.0.0",
    group: Group::SortedSet,
    arity: -3,
    flags: READONLY | FAST,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    member: Some(2),
    args: "key:key#0 member withscore=WITHSCORE?",
    handler: Handler::Data(zrank),
    ..Command::DEFAULT
};

fn zrank(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_rank(ctx, args, "zrank", false)
}

pub const ZREVRANK: Command = Command {
    name: "zrevrank",
    summary: "Gets the rank of a member of a sorted set, highest score first",
    handler: Handler::Data(zrevrank),
    ..ZRANK
};

fn zrevrank(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_rank(ctx, args, "zrevrank", true)
}

fn reply_rank(ctx: &mut DataContext, args: &Args, name: &str, reverse: bool) -> CommandResult {
    let with_score = match args.len() {
        3 => false,
        4 if args.is(3, "withscore") => true,
        4 => return Err(CommandError::SYNTAX),
        _ => return Err(CommandError::wrong_arity(name)),
    };
    let found = ctx.keyspace.read_collection(&args[1], |zset: Option<&ZSet>| {
        let (rank, score) = zset?.rank(&args[2])?;
        Some((if reverse { zset?.len() - 1 - rank } else { rank }, score))
    })?;
    match found {
        Some((rank, score)) => {
            if with_score {
                ctx.reply.array(2);
            }
            ctx.reply.integer(rank as i64);
            if with_score {
                ctx.reply.double(score);
            }
        }
        None if with_score => ctx.reply.null_array(),
        None => ctx.reply.null(),
    }
    Ok(())
}

pub const ZRANDMEMBER: Command = Command {
    name: "zrandmember",
    summary: "Gets members of a sorted set at random",
    since: "6.2.0",
    group: Group::SortedSet,
    arity: -2,
    flags: READONLY,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    tips: &["nondeterministic_output"],
    args: "key:key#0 options{count:int withscores=WITHSCORES?}?",
    handler: Handler::Data(zrandmember),
    ..Command::DEFAULT
};

fn zrandmember(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, config, .. } = ctx;
    let (mut rng, reply_limit) = (keyspace.rng.fork(), config.reply_limit());
    if args.len() == 2 {
        keyspace.read_collection(&args[1], |zset: Option<&ZSet>| match zset {
            Some(zset) => zset.random(&mut rng, |member, _| reply.bulk(member)),
            None => reply.null(),
        })?;
        return Ok(());
    }
    let sampling = Sampling::parse(args, "withscores")?;
    keyspace.read_collection(&args[1], |zset: Option<&ZSet>| {
        let Some(zset) = zset else { return reply.array(0) };
        let picks = sampling.picks(zset.len());
        let mut members = MembersReply::new(reply, picks, sampling.with_values);
        if picks == zset.len() && !sampling.repeats() {
            // COMPAT: all of them come from the highest on.
            return zset.for_each_in(0..picks, true, |member, score| members.member(member, score));
        }
        if !sampling.repeats() {
            return zset.sample(picks, &mut rng, |member, score| members.member(member, score));
        }
        for _ in 0..picks {
            if members.waiting() > reply_limit {
                break;
            }
            zset.random(&mut rng, |member, score| members.member(member, score));
        }
    })?;
    Ok(())
}

pub const ZSCAN: Command = Command {
    name: "zscan",
    summary: "Walks the members of a sorted set, some at a time",
    since: "2.8.0",
    group: Group::SortedSet,
    arity: -3,
    flags: READONLY,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    tips: &["nondeterministic_output"],
    args: "key:key#0 cursor:int pattern:pattern=MATCH? count:int=COUNT?",
    handler: Handler::Data(zscan),
    ..Command::DEFAULT
};

fn zscan(ctx: &mut DataContext, args: &Args) -> CommandResult {
    scan_collection(ctx, args, |zset: &ZSet, cursor, page| {
        zset.scan(cursor, page.count(), |member, score| page.add(&[member, score]))
    })
}
