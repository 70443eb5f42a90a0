//! Unions, intersections and differences of sorted sets and sets.

use super::super::prelude::*;
use super::{MembersReply, store};
use crate::encoding::number::parse_f64;
use crate::keyspace::{CollectionRef, Entry, Keyspace};
use crate::types::Type;
use crate::types::set::{MemberRef, Set};
use crate::types::zset::ZSet;
use std::borrow::Cow;
use std::collections::HashMap;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// AGGREGATE: how the scores of one member in several inputs become one.
#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    /// Infinities of both signs add up to zero.
    fn of(self, one: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => not_nan(one + other),
            Aggregate::Min => {
                if other < one {
                    other
                } else {
                    one
                }
            }
            Aggregate::Max => {
                if other > one {
                    other
                } else {
                    one
                }
            }
        }
    }
}

fn not_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

struct Request<'a> {
    keys: Args<'a>,
    /// WEIGHTS: one a key, or none.
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// LIMIT of ZINTERCARD.
    limit: usize,
}

/// What a command does with the outcome, which decides the options that it takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Reply,
    Store,
    Count,
}

impl<'a> Request<'a> {
    /// Parses the arguments from the number of keys on.
    ///
    /// COMPAT: a key of the wrong type is found before any option is looked at.
    fn parse(
        keyspace: &mut Keyspace,
        args: &Args<'a>,
        first: usize,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<Request<'a>, CommandError> {
        let numkeys = args.int(first)?;
        if numkeys < 1 {
            let name = args.text(0).to_lowercase();
            return Err(CommandError::err(format_args!("at least 1 input key is needed for '{name}' command")));
        }
        let mut at = first + 1;
        let numkeys = usize::try_from(numkeys).ok().filter(|&numkeys| numkeys <= args.len() - at);
        let numkeys = numkeys.ok_or(CommandError::SYNTAX)?;
        let keys = args.from(at).first(numkeys);
        let is_wrong = |entry: &Entry| !matches!(entry.type_(), Type::ZSet | Type::Set);
        if keys.iter().any(|key| keyspace.read(key).is_some_and(|entry| is_wrong(&entry))) {
            return Err(CommandError::WRONG_TYPE);
        }
        at += numkeys;

        let (mut weights, mut aggregate) = (Vec::new(), Aggregate::Sum);
        let (mut with_scores, mut limit) = (false, usize::MAX);
        let weighs = operation != Operation::Difference && purpose != Purpose::Count;
        while at < args.len() {
            let left = args.len() - at;
            if weighs && left > numkeys && args.is(at, "weights") {
                let weight = |text| parse_f64(text).ok_or(CommandError::new("ERR weight value is not a float"));
                weights = args.from(at + 1).first(numkeys).iter().map(weight).collect::<Result<_, _>>()?;
                at += numkeys + 1;
            } else if weighs && left > 1 && args.is(at, "aggregate") {
                aggregate = match () {
                    _ if args.is(at + 1, "sum") => Aggregate::Sum,
                    _ if args.is(at + 1, "min") => Aggregate::Min,
                    _ if args.is(at + 1, "max") => Aggregate::Max,
                    _ => return Err(CommandError::SYNTAX),
                };
                at += 2;
            } else if purpose == Purpose::Reply && args.is(at, "withscores") {
                with_scores = true;
                at += 1;
            } else if purpose == Purpose::Count && left > 1 && args.is(at, "limit") {
                limit = args
                    .int(at + 1)
                    .ok()
                    .and_then(|limit| limit.try_into().ok())
                    .ok_or(CommandError::NEGATIVE_LIMIT)?;
                limit = if limit == 0 { usize::MAX } else { limit };
                at += 2;
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(Request { keys, weights, aggregate, with_scores, limit })
    }
}

/// An input.
enum Source<'a> {
    ZSet(CollectionRef<'a, ZSet>),
    /// Its members have score 1.
    Set(CollectionRef<'a, Set>),
}

impl<'a> Source<'a> {
    fn new(entry: &'a Entry) -> Source<'a> {
        match entry.collection() {
            Some(zset) => Source::ZSet(zset),
            None => Source::Set(entry.collection().expect("the types were looked at")),
        }
    }

    fn len(&self) -> usize {
        match self {
            Source::ZSet(zset) => zset.len(),
            Source::Set(set) => set.len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Source::ZSet(zset) => zset.score(member),
            Source::Set(set) => set.contains(MemberRef::Text(member)).then_some(1.0),
        }
    }

    fn for_each<'s>(&'s self, mut visit: impl FnMut(Cow<'s, [u8]>, f64)) {
        match self {
            Source::ZSet(zset) => zset.for_each(|member, score| visit(Cow::Borrowed(member), score)),
            Source::Set(set) => set.iter().for_each(|member| match member {
                MemberRef::Integer(n) => visit(Cow::Owned(n.to_string().into_bytes()), 1.0),
                MemberRef::Text(text) => visit(Cow::Borrowed(text), 1.0),
            }),
        }
    }
}

/// A member of the outcome and its score.
type Scored<'a> = (Cow<'a, [u8]>, f64);

/// Computes the union, intersection or difference and passes it, in no order, to `finish`.
fn combine<T>(
    keyspace: &Keyspace,
    request: &Request,
    operation: Operation,
    finish: impl FnOnce(Vec<Scored>) -> T,
) -> T {
    let entries: Vec<_> = request.keys.iter().map(|key| keyspace.get(key)).collect();
    let mut sources: Vec<(Option<Source>, f64)> = entries
        .iter()
        .enumerate()
        .map(|(i, entry)| {
            let weight = request.weights.get(i).copied().unwrap_or(1.0);
            (entry.as_ref().map(|entry| Source::new(entry)), weight)
        })
        .collect();
    if operation != Operation::Difference {
        // The shortest first. Where sums round, their order shows.
        sources.sort_by_key(|(source, _)| source.as_ref().map_or(0, Source::len));
    }
    finish(match operation {
        Operation::Union => union(&sources, request.aggregate),
        Operation::Intersection => intersection(&sources, request.aggregate, request.limit),
        Operation::Difference => difference(&sources),
    })
}

fn union<'a>(sources: &'a [(Option<Source<'a>>, f64)], aggregate: Aggregate) -> Vec<Scored<'a>> {
    let mut scores: HashMap<Cow<[u8]>, f64> = HashMap::new();
    for (source, weight) in sources {
        let Some(source) = source else { continue };
        scores.reserve(source.len().saturating_sub(scores.len()));
        source.for_each(|member, score| {
            let score = not_nan(score * weight);
            scores.entry(member).and_modify(|sum| *sum = aggregate.of(*sum, score)).or_insert(score);
        });
    }
    scores.into_iter().collect()
}

fn intersection<'a>(sources: &'a [(Option<Source<'a>>, f64)], aggregate: Aggregate, limit: usize) -> Vec<Scored<'a>> {
    let mut common = Vec::new();
    let [(Some(first), weight), others @ ..] = sources else { return common };
    first.for_each(|member, score| {
        if common.len() == limit {
            return;
        }
        let in_all = others.iter().try_fold(not_nan(score * weight), |sum, (source, weight)| {
            let score = source.as_ref()?.score(&member)?;
            Some(aggregate.of(sum, score * weight))
        });
        common.extend(in_all.map(|score| (member, score)));
    });
    common
}

fn difference<'a>(sources: &'a [(Option<Source<'a>>, f64)]) -> Vec<Scored<'a>> {
    let mut left = Vec::new();
    let [(Some(first), _), others @ ..] = sources else { return left };
    let others: Vec<&Source> = others.iter().flat_map(|(source, _)| source).collect();
    first.for_each(|member, score| {
        if !others.iter().any(|other| other.score(&member).is_some()) {
            left.push((member, score));
        }
    });
    left
}

fn sort(members: &mut [Scored]) {
    members.sort_unstable_by(|(a, x), (b, y)| x.partial_cmp(y).expect("no score is NaN").then_with(|| a.cmp(b)));
}

fn reply_combined(ctx: &mut DataContext, args: &Args, operation: Operation) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let request = Request::parse(keyspace, args, 1, operation, Purpose::Reply)?;
    combine(keyspace, &request, operation, |mut members| {
        sort(&mut members);
        let mut replied = MembersReply::new(reply, members.len(), request.with_scores);
        members.iter().for_each(|(member, score)| replied.member(member, *score));
    });
    Ok(())
}

fn store_combined(ctx: &mut DataContext, args: &Args, operation: Operation, event: &'static str) -> CommandResult {
    let request = Request::parse(ctx.keyspace, args, 2, operation, Purpose::Store)?;
    let limits = ctx.config.zset_limits();
    let combined = combine(ctx.keyspace, &request, operation, |mut members| {
        sort(&mut members);
        ZSet::from_ordered(members.iter().map(|(member, score)| (&member[..], *score)), limits)
    });
    store(ctx, &args[1], combined, event);
    Ok(())
}

pub const ZUNION: Command = Command {
    name: "zunion",
    summary: "Gets the members of several sorted sets",
    since: "6.2.0",
    group: Group::SortedSet,
    arity: -3,
    flags: READONLY | MOVABLE_KEYS,
    categories: category::SORTEDSET,
    keys: &[KeySpec::counted(1, RO | ACCESS)],
    args: "numkeys:int key:key#0+ weight:int=WEIGHTS?+ aggregate(sum=SUM | min=MIN | max=MAX)=AGGREGATE? withscores=WITHSCORES?",
    handler: Handler::Data(zunion),
    ..Command::DEFAULT
};

fn zunion(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_combined(ctx, args, Operation::Union)
}

pub const ZUNIONSTORE: Command = Command {
    name: "zunionstore",
    summary: "Stores the members of several sorted sets in another",
    since: "2.0.0",
    group: Group::SortedSet,
    arity: -4,
    flags: WRITE | DENYOOM | MOVABLE_KEYS,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, OW | UPDATE), KeySpec::counted(2, RO | ACCESS)],
    args: "destination:key#0 numkeys:int key:key#1+ weight:int=WEIGHTS?+ aggregate(sum=SUM | min=MIN | max=MAX)=AGGREGATE?",
    handler: Handler::Data(zunionstore),
    ..Command::DEFAULT
};

fn zunionstore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    store_combined(ctx, args, Operation::Union, "zunionstore")
}

pub const ZINTER: Command = Command {
    name: "zinter",
    summary: "Gets the members that several sorted sets have in common",
    handler: Handler::Data(zinter),
    ..ZUNION
};

fn zinter(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_combined(ctx, args, Operation::Intersection)
}

pub const ZINTERSTORE: Command = Command {
    name: "zinterstore",
    summary: "Stores the members that several sorted sets have in common in another",
    handler: Handler::Data(zinterstore),
    ..ZUNIONSTORE
};

fn zinterstore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    store_combined(ctx, args, Operation::Intersection, "zinterstore")
}

pub const ZDIFF: Command = Command {
    name: "zdiff",
    summary: "Gets the members of a sorted set that others do not have",
    args: "numkeys:int key:key#0+ withscores=WITHSCORES?",
    handler: Handler::Data(zdiff),
    ..ZUNION
};

fn zdiff(ctx: &mut DataContext, args: &Args) -> CommandResult {
    reply_combined(ctx, args, Operation::Difference)
}

pub const ZDIFFSTORE: Command = Command {
    name: "zdiffstore",
    summary: "Stores the members of a sorted set that others do not have in another",
    since: "6.2.0",
    group: Group::SortedSet,
    arity: -4,
    flags: WRITE | DENYOOM | MOVABLE_KEYS,
    categories: category::SORTEDSET,
    keys: &[KeySpec::one(1, OW | UPDATE), KeySpec::counted(2, RO | ACCESS)],
    args: "destination:key#0 numkeys:int key:key#1+",
    handler: Handler::Data(zdiffstore),
    ..Command::DEFAULT
};

fn zdiffstore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    store_combined(ctx, args, Operation::Difference, "zdiffstore")
}

pub const ZINTERCARD: Command = Command {
    name: "zintercard",
    summary: "Counts the members that several sorted sets have in common",
    since: "7.0.0",
    group: Group::SortedSet,
    arity: -3,
    flags: READONLY | MOVABLE_KEYS,
    categories: category::SORTEDSET,
    keys: &[KeySpec::counted(1, RO | ACCESS)],
    args: "numkeys:int key:key#0+ limit:int=LIMIT?",
    handler: Handler::Data(zintercard),
    ..Command::DEFAULT
};

fn zintercard(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let request = Request::parse(ctx.keyspace, args, 1, Operation::Intersection, Purpose::Count)?;
    let count = combine(ctx.keyspace, &request, Operation::Intersection, |members| members.len());
    ctx.reply.integer(count as i64);
    Ok(())
}
