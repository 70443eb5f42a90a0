//! GEOADD, GEOPOS, GEODIST, GEOHASH: adding places, and facts about single ones.

use super::super::prelude::*;
use super::super::zset::update::{Options, Scores, update_members};
use super::{parse_place, parse_unit, place_of, reply_distance, reply_place};
use crate::types::zset::ZSet;

pub const GEOADD: Command = Command {
    name: "geoadd",
    summary: "Adds places or moves them",
    since: "3.2.0",
    group: Group::Geo,
    arity: -5,
    flags: WRITE | DENYOOM,
    categories: category::GEO,
    keys: &[KeySpec::one(1, RW | UPDATE)],
    args: "key:key#0 condition(nx=NX | xx=XX)?^6.2.0 change=CH?^6.2.0 data{longitude:double latitude:double member}+",
    handler: Handler::Data(geoadd),
    ..Command::DEFAULT
};

fn geoadd(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let key = &args[1];
    let mut options = Options::default();
    let mut first = 2;
    while first < args.len() {
        match () {
            _ if args.is(first, "nx") => options.only_new = true,
            _ if args.is(first, "xx") => options.only_existing = true,
            _ if args.is(first, "ch") => options.count_changed = true,
            _ => break,
        }
        first += 1;
    }
    let values = args.len() - first;
    if values == 0 || !values.is_multiple_of(3) || options.only_new && options.only_existing {
        return Err(CommandError::SYNTAX);
    }
    let places = (first..args.len()).step_by(3);
    let position = |index| parse_place(args, index).map(|place| place.position() as f64);
    let positions = places.clone().map(position).collect::<Result<Scores, _>>()?;
    let dirty = ctx.keyspace.effects.dirty;
    update_members(ctx, key, &options, &positions, places.clone().map(|index| args.get(index + 2)))?;
    if ctx.keyspace.effects.dirty > dirty {
        let texts: Vec<String> = positions.iter().map(|&position| (position as u64).to_string()).collect();
        let mut zadd: Vec<&[u8]> = vec![b"ZADD", key];
        zadd.extend(args.first(first).from(2).iter());
        places.zip(&texts).for_each(|(index, text)| zadd.extend([text.as_bytes(), args.get(index + 2)]));
        ctx.keyspace.effects.propagate_instead(ctx.keyspace.selected(), &zadd);
    }
    Ok(())
}

pub const GEODIST: Command = Command {
    name: "geodist",
    summary: "Gets the distance between two places",
    since: "3.2.0",
    group: Group::Geo,
    arity: -4,
    flags: READONLY,
    categories: category::GEO,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 member1 member2 unit(m=M | km=KM | ft=FT | mi=MI)?",
    handler: Handler::Data(geodist),
    ..Command::DEFAULT
};

fn geodist(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let unit_m = match args.len() {
        4 => 1.0,
        5 => parse_unit(args, 4)?,
        _ => return Err(CommandError::SYNTAX),
    };
    let distance_m = ctx.keyspace.read_collection(&args[1], |zset: Option<&ZSet>| {
        let place = |index| zset?.score(args.get(index)).map(place_of);
        Some(place(2)?.distance_m(place(3)?))
    })?;
    match distance_m {
        Some(distance_m) => reply_distance(&mut ctx.reply, distance_m / unit_m),
        None => ctx.reply.null(),
    }
    Ok(())
}

pub const GEOHASH: Command = Command {
    name: "geohash",
    summary: "Gets places as geohash texts",
    since: "3.2.0",
    group: Group::Geo,
    arity: -2,
    flags: READONLY,
    categories: category::GEO,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 member?+",
    handler: Handler::Data(geohash),
    ..Command::DEFAULT
};

fn geohash(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let members = args.from(2);
    keyspace.read_collection(&args[1], |zset: Option<&ZSet>| {
        reply.array(members.len());
        for member in members.iter() {
            match zset.and_then(|zset| zset.score(member)) {
                Some(score) => reply.bulk(&place_of(score).text()),
                None => reply.null(),
            }
        }
    })?;
    Ok(())
}

pub const GEOPOS: Command = Command {
    name: "geopos",
    summary: "Gets the longitudes and latitudes of places",
    since: "3.2.0",
    group: Group::Geo,
    arity: -2,
    flags: READONLY,
    categories: category::GEO,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 member?+",
    handler: Handler::Data(geopos),
    ..Command::DEFAULT
};

fn geopos(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let members = args.from(2);
    keyspace.read_collection(&args[1], |zset: Option<&ZSet>| {
        reply.array(members.len());
        for member in members.iter() {
            match zset.and_then(|zset| zset.score(member)) {
                Some(score) => reply_place(reply, place_of(score)),
                None => reply.null_array(),
            }
        }
    })?;
    Ok(())
}
