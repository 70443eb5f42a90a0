//! GEOSEARCH, GEORADIUS and their kin: places within an area.

use super::super::prelude::*;
use super::super::zset;
use super::search_request::{Form, Order, Request};
use super::{place_of, reply_distance, reply_place};
use crate::encoding::geohash::Point;
use crate::types::zset::{ScoreBound, ScoreRange, ZSet};

impl Request<'_> {
    /// The matches, sorted and cut as the options say.
    fn search<'z>(&self, zset: &'z ZSet) -> Vec<Found<'z>> {
        let mut found = Vec::new();
        let Some(area) = &self.area else { return found };
        let enough = self.count.filter(|_| self.any).unwrap_or(usize::MAX);
        for positions in area.covering() {
            let range = ScoreRange {
                min: ScoreBound { score: positions.start as f64, excluded: false },
                max: ScoreBound { score: positions.end as f64, excluded: true },
            };
            if found.len() == enough {
                break;
            }
            zset.visit_in(zset.ranks(&range), |member, score| {
                let place = place_of(score);
                if let Some(distance_m) = area.distance_m(place) {
                    found.push(Found { member, score, place, distance: distance_m / self.unit_m });
                }
                found.len() < enough
            });
        }
        match self.order {
            Order::Any => (),
            Order::Nearest => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
            Order::Farthest => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
        }
        found.truncate(self.count.unwrap_or(usize::MAX));
        found
    }
}

struct Found<'a> {
    member: &'a [u8],
    score: f64,
    place: Point,
    /// In the unit asked for.
    distance: f64,
}

fn search(ctx: &mut DataContext, args: &Args, form: Form, may_store: bool) -> CommandResult {
    let request = Request::parse(ctx.keyspace, args, form, may_store)?;
    let DataContext { keyspace, reply, .. } = ctx;
    let Some(destination) = request.destination else {
        return Ok(keyspace.read_collection(request.source, |zset: Option<&ZSet>| {
            let found = zset.map_or(Vec::new(), |zset| request.search(zset));
            reply_found(reply, &request, &found);
        })?);
    };
    let limits = ctx.config.zset_limits();
    let stored = keyspace.read_collection(request.source, |zset: Option<&ZSet>| {
        let found = zset.map_or(Vec::new(), |zset| request.search(zset));
        let score = |found: &Found| if request.store_distances { found.distance } else { found.score };
        let mut stored = ZSet::with_capacity(found.len(), 0, limits);
        found.iter().for_each(|found| stored.insert(found.member, score(found), limits));
        stored
    })?;
    let is_search = form == Form::SearchStore;
    let len = stored.len();
    zset::store(ctx, destination, stored, if is_search { "geosearchstore" } else { "georadiusstore" });
    // COMPAT: each place stored counts.
    ctx.keyspace.effects.dirty += len.saturating_sub(1) as u64;
    Ok(())
}

fn reply_found(reply: &mut Reply, request: &Request, found: &[Found]) {
    let further = request.with_distance as usize + request.with_position as usize + request.with_place as usize;
    reply.array(found.len());
    for place in found {
        if further > 0 {
            reply.array(1 + further);
        }
        reply.bulk(place.member);
        if request.with_distance {
            reply_distance(reply, place.distance);
        }
        if request.with_position {
            reply.integer(place.score as i64);
        }
        if request.with_place {
            reply_place(reply, place.place);
        }
    }
}

pub const GEOSEARCH: Command = Command {
    name: "geosearch",
    summary: "Gets the places within a circle or box",
    since: "6.2.0",
    group: Group::Geo,
    arity: -7,
    flags: READONLY,
    categories: category::GEO,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 from(member:string=FROMMEMBER | fromlonlat{longitude:double latitude:double}=FROMLONLAT) by(circle{radius:double=BYRADIUS unit(m=M | km=KM | ft=FT | mi=MI)} | box{width:double=BYBOX height:double unit(m=M | km=KM | ft=FT | mi=MI)}) order(asc=ASC | desc=DESC)? count-block{count:int=COUNT any=ANY?}? withcoord=WITHCOORD? withdist=WITHDIST? withhash=WITHHASH?",
    handler: Handler::Data(geosearch),
    ..Command::DEFAULT
};

fn geosearch(ctx: &mut DataContext, args: &Args) -> CommandResult {
    search(ctx, args, Form::Search, false)
}

pub const GEOSEARCHSTORE: Command = Command {
    name: "geosearchstore",
    summary: "Stores the places within a circle or box",
    since: "6.2.0",
    group: Group::Geo,
    arity: -8,
    flags: WRITE | DENYOOM,
    categories: category::GEO,
    keys: &[KeySpec::one(1, OW | UPDATE), KeySpec::one(2, RO | ACCESS)],
    args: "destination:key#0 source:key#1 from(member:string=FROMMEMBER | fromlonlat{longitude:double latitude:double}=FROMLONLAT) by(circle{radius:double=BYRADIUS unit(m=M | km=KM | ft=FT | mi=MI)} | box{width:double=BYBOX height:double unit(m=M | km=KM | ft=FT | mi=MI)}) order(asc=ASC | desc=DESC)? count-block{count:int=COUNT any=ANY?}? storedist=STOREDIST?",
    handler: Handler::Data(geosearchstore),
    ..Command::DEFAULT
};

fn geosearchstore(ctx: &mut DataContext, args: &Args) -> CommandResult {
    search(ctx, args, Form::SearchStore, true)
}

/// The key after an option, which is looked for from the argument `from` on.
const fn stored_key(option: &'static str, from: i32) -> KeySpec {
    KeySpec {
        begin: Begin::Keyword(option, from),
        find: Find::Range { last: 0, step: 1, limit: 0 },
        flags: OW | UPDATE,
        notes: "",
    }
}

pub const GEORADIUS: Command = Command {
    name: "georadius",
    summary: "Gets or stores the places within a circle around coordinates",
    since: "3.2.0",
    group: Group::Geo,
    arity: -6,
    flags: WRITE | DENYOOM | MOVABLE_KEYS,
    categories: category::GEO,
    keys: &[KeySpec::one(1, RO | ACCESS), stored_key("STORE", 6), stored_key("STOREDIST", 6)],
    args: "key:key#0 longitude:double latitude:double radius:double unit(m=M | km=KM | ft=FT | mi=MI) withcoord=WITHCOORD? withdist=WITHDIST? withhash=WITHHASH? count-block{count:int=COUNT any=ANY?^6.2.0}? order(asc=ASC | desc=DESC)? store(storekey:key~key#1=STORE | storedistkey:key~key#2=STOREDIST)?",
    deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")),
    handler: Handler::Data(georadius),
    ..Command::DEFAULT
};

fn georadius(ctx: &mut DataContext, args: &Args) -> CommandResult {
    search(ctx, args, Form::AroundPlace, true)
}

pub const GEORADIUS_RO: Command = Command {
    name: "georadius_ro",
    summary: "Gets the places within a circle around coordinates",
    since: "3.2.10",
    group: Group::Geo,
    arity: -6,
    flags: READONLY,
    categories: category::GEO,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 longitude:double latitude:double radius:double unit(m=M | km=KM | ft=FT | mi=MI) withcoord=WITHCOORD? withdist=WITHDIST? withhash=WITHHASH? count-block{count:int=COUNT any=ANY?^6.2.0}? order(asc=ASC | desc=DESC)?",
    deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
    handler: Handler::Data(georadius_ro),
    ..Command::DEFAULT
};

fn georadius_ro(ctx: &mut DataContext, args: &Args) -> CommandResult {
    search(ctx, args, Form::AroundPlace, false)
}

pub const GEORADIUSBYMEMBER: Command = Command {
    name: "georadiusbymember",
    summary: "Gets or stores the places within a circle around one of them",
    since: "3.2.0",
    group: Group::Geo,
    arity: -5,
    flags: WRITE | DENYOOM | MOVABLE_KEYS,
    categories: category::GEO,
    keys: &[KeySpec::one(1, RO | ACCESS), stored_key("STORE", 5), stored_key("STOREDIST", 5)],
    args: "key:key#0 member radius:double unit(m=M | km=KM | ft=FT | mi=MI) withcoord=WITHCOORD? withdist=WITHDIST? withhash=WITHHASH? count-block{count:int=COUNT any=ANY?}? order(asc=ASC | desc=DESC)? store(storekey:key~key#1=STORE | storedistkey:key~key#2=STOREDIST)?",
    deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments")),
    handler: Handler::Data(georadiusbymember),
    ..Command::DEFAULT
};

fn georadiusbymember(ctx: &mut DataContext, args: &Args) -> CommandResult {
    search(ctx, args, Form::AroundMember, true)
}

pub const GEORADIUSBYMEMBER_RO: Command = Command {
    name: "georadiusbymember_ro",
    summary: "Gets the places within a circle around one of them",
    since: "3.2.10",
    group: Group::Geo,
    arity: -5,
    flags: READONLY,
    categories: category::GEO,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    args: "key:key#0 member radius:double unit(m=M | km=KM | ft=FT | mi=MI) withcoord=WITHCOORD? withdist=WITHDIST? withhash=WITHHASH? count-block{count:int=COUNT any=ANY?}? order(asc=ASC | desc=DESC)?",
    deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")),
    handler: Handler::Data(georadiusbymember_ro),
    ..Command::DEFAULT
};

fn georadiusbymember_ro(ctx: &mut DataContext, args: &Args) -> CommandResult {
    search(ctx, args, Form::AroundMember, false)
}
