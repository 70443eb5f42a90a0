//! GEOSEARCH, GEORADIUS and their kin: places within an area.

use super::super::prelude::*;
use super::super::zset;
use super::{parse_place, parse_unit, place_of, reply_distance, reply_place};
use crate::encoding::geohash::{Point, SearchArea, Shape};
use crate::keyspace::Keyspace;
use crate::types::zset::{ScoreBound, ScoreRange, ZSet};

/// Which command it is, and so where its arguments are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// GEORADIUS key longitude latitude radius unit
    AroundPlace,
    /// GEORADIUSBYMEMBER key member radius unit
    AroundMember,
    /// GEOSEARCH key
    Search,
    /// GEOSEARCHSTORE destination source
    SearchStore,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Any,
    Nearest,
    Farthest,
}

struct Request<'a> {
    source: &'a [u8],
    /// None if there is no source to find the center in.
    area: Option<SearchArea>,
    /// Meters of the unit.
    unit_m: f64,
    order: Order,
    /// COUNT.
    count: Option<usize>,
    /// ANY: the matches found first, not the nearest.
    any: bool,
    with_distance: bool,
    with_position: bool,
    with_place: bool,
    destination: Option<&'a [u8]>,
    /// Distances are stored, not positions.
    store_distances: bool,
}

impl<'a> Request<'a> {
    /// COMPAT: the source is looked at first of all; if there is none, names of members in it mean
    /// nothing, but the options are parsed all the same.
    fn parse(
        keyspace: &mut Keyspace,
        args: &Args<'a>,
        form: Form,
        may_store: bool,
    ) -> Result<Request<'a>, CommandError> {
        let is_search = matches!(form, Form::Search | Form::SearchStore);
        let destination = (form == Form::SearchStore).then(|| args.get(1));
        let mut request = Request {
            source: args.get(if destination.is_some() { 2 } else { 1 }),
            area: None,
            unit_m: 1.0,
            order: Order::Any,
            count: None,
            any: false,
            with_distance: false,
            with_position: false,
            with_place: false,
            destination,
            store_distances: false,
        };
        let source = request.source;
        let is_there = keyspace.read_collection(source, |zset: Option<&ZSet>| zset.is_some())?;
        let mut place_of_member = |index| {
            let score = |zset: Option<&ZSet>| zset?.score(args.get(index));
            let score = keyspace.read_collection(source, score)?;
            let unknown = CommandError::new("ERR could not decode requested zset member");
            Ok::<_, CommandError>(place_of(score.ok_or(unknown)?))
        };

        // If the source key is missing, the center was given but has no position. It may be given twice in the same
        // way.
        let (mut center, mut from_member): (Option<Option<Point>>, bool) = (None, false);
        let mut shape: Option<Shape> = None;
        let mut at = match form {
            Form::AroundPlace => {
                center = Some(Some(parse_place(args, 2)?));
                shape = Some(request.parse_circle(args, 4)?);
                6
            }
            Form::AroundMember => {
                // COMPAT: without a source its radius is not looked at either.
                center = Some(None);
                shape = Some(Shape::Circle { radius: 0.0 });
                if is_there {
                    center = Some(Some(place_of_member(2)?));
                    shape = Some(request.parse_circle(args, 3)?);
                }
                5
            }
            Form::Search => 2,
            Form::SearchStore => 3,
        };
        while at < args.len() {
            let values = args.len() - at - 1;
            let mut taken = 0;
            match () {
                _ if args.is(at, "withdist") => request.with_distance = true,
                _ if args.is(at, "withhash") => request.with_position = true,
                _ if args.is(at, "withcoord") => request.with_place = true,
                _ if args.is(at, "any") => request.any = true,
                _ if args.is(at, "asc") => request.order = Order::Nearest,
                _ if args.is(at, "desc") => request.order = Order::Farthest,
                _ if args.is(at, "count") && values > 0 => {
                    let count = usize::try_from(args.int(at + 1)?).ok().filter(|&count| count > 0);
                    request.count = Some(count.ok_or(CommandError::new("ERR COUNT must be > 0"))?);
                    taken = 1;
                }
                _ if !is_search && may_store && values > 0 && (args.is(at, "store") || args.is(at, "storedist")) => {
                    request.store_distances = args.is(at, "storedist");
                    request.destination = Some(args.get(at + 1));
                    taken = 1;
                }
                _ if is_search && args.is(at, "frommember") && values > 0 && (center.is_none() || from_member) => {
                    from_member = true;
                    center = Some(if is_there { Some(place_of_member(at + 1)?) } else { None });
                    taken = 1;
                }
                _ if is_search && args.is(at, "fromlonlat") && values > 1 && !from_member => {
                    center = Some(Some(parse_place(args, at + 1)?));
                    taken = 2;
                }
                _ if is_search
                    && args.is(at, "byradius")
                    && values > 1
                    && !matches!(shape, Some(Shape::Box { .. })) =>
                {
                    shape = Some(request.parse_circle(args, at + 1)?);
                    taken = 2;
                }
                _ if is_search
                    && args.is(at, "bybox")
                    && values > 2
                    && !matches!(shape, Some(Shape::Circle { .. })) =>
                {
                    shape = Some(request.parse_box(args, at + 1)?);
                    taken = 3;
                }
                _ if form == Form::SearchStore && args.is(at, "storedist") => request.store_distances = true,
                _ => return Err(CommandError::SYNTAX),
            }
            at += 1 + taken;
        }

        if request.destination.is_some() && (request.with_distance || request.with_position || request.with_place) {
            let command = if is_search { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(CommandError::err(format_args!(
                "{command} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let name = || args.text(0).into_owned();
        let center = center.ok_or_else(|| {
            CommandError::err(format_args!("exactly one of FROMMEMBER or FROMLONLAT can be specified for {}", name()))
        })?;
        let shape = shape.ok_or_else(|| {
            CommandError::err(format_args!("exactly one of BYRADIUS and BYBOX can be specified for {}", name()))
        })?;
        if request.any && request.count.is_none() {
            return Err(CommandError::new("ERR the ANY argument requires COUNT argument"));
        }
        // COUNT without ANY needs the nearest matches, so sort.
        if request.count.is_some() && request.order == Order::Any && !request.any {
            request.order = Order::Nearest;
        }
        request.area = center.filter(|_| is_there).map(|center| SearchArea { center, shape });
        Ok(request)
    }

    /// A radius and its unit.
    fn parse_circle(&mut self, args: &Args, index: usize) -> Result<Shape, CommandError> {
        let radius = args.float(index).map_err(|_| CommandError::new("ERR need numeric radius"))?;
        if radius < 0.0 {
            return Err(CommandError::new("ERR radius cannot be negative"));
        }
        self.unit_m = parse_unit(args, index + 1)?;
        Ok(Shape::Circle { radius: radius * self.unit_m })
    }

    /// A width, a height and their unit.
    fn parse_box(&mut self, args: &Args, index: usize) -> Result<Shape, CommandError> {
        let width = args.float(index).map_err(|_| CommandError::new("ERR need numeric width"))?;
        let height = args.float(index + 1).map_err(|_| CommandError::new("ERR need numeric height"))?;
        if width < 0.0 || height < 0.0 {
            return Err(CommandError::new("ERR height or width cannot be negative"));
        }
        self.unit_m = parse_unit(args, index + 2)?;
        Ok(Shape::Box { width: width * self.unit_m, height: height * self.unit_m })
    }

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

pub const GEORADIUS: Command = Command {
    name: "georadius",
    summary: "Gets or stores the places within a circle around coordinates",
    since: "3.2.0",
    group: Group::Geo,
    arity: -6,
    flags: WRITE | DENYOOM | MOVABLE_KEYS,
    categories: category::GEO,
    keys: &[
        KeySpec::one(1, RO | ACCESS),
        KeySpec {
            begin: Begin::Keyword("STORE", 6),
            find: Find::Range { last: 0, step: 1, limit: 0 },
            flags: OW | UPDATE,
            notes: "",
        },
        KeySpec {
            begin: Begin::Keyword("STOREDIST", 6),
            find: Find::Range { last: 0, step: 1, limit: 0 },
            flags: OW | UPDATE,
            notes: "",
        },
    ],
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
    keys: &[
        KeySpec::one(1, RO | ACCESS),
        KeySpec {
            begin: Begin::Keyword("STORE", 5),
            find: Find::Range { last: 0, step: 1, limit: 0 },
            flags: OW | UPDATE,
            notes: "",
        },
        KeySpec {
            begin: Begin::Keyword("STOREDIST", 5),
            find: Find::Range { last: 0, step: 1, limit: 0 },
            flags: OW | UPDATE,
            notes: "",
        },
    ],
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
