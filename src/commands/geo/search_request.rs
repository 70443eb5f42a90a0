//! The arguments of GEOSEARCH, GEORADIUS and their kin.

use super::super::prelude::*;
use super::{parse_place, parse_unit, place_of};
use crate::encoding::geohash::{Point, SearchArea, Shape};
use crate::keyspace::Keyspace;
use crate::types::zset::ZSet;

/// Which command it is, and so where its arguments are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// GEORADIUS key longitude latitude radius unit
    AroundPlace,
    /// GEORADIUSBYMEMBER key member radius unit
    AroundMember,
    /// GEOSEARCH key
    Search,
    /// GEOSEARCHSTORE destination source
    SearchStore,
}

impl Form {
    /// Whether the area comes in options.
    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Any,
    Nearest,
    Farthest,
}

pub struct Request<'a> {
    pub source: &'a [u8],
    /// None if there is no source to find the center in.
    pub area: Option<SearchArea>,
    /// Meters of the unit.
    pub unit_m: f64,
    pub order: Order,
    /// COUNT.
    pub count: Option<usize>,
    /// ANY: the matches found first, not the nearest.
    pub any: bool,
    pub with_distance: bool,
    pub with_position: bool,
    pub with_place: bool,
    pub destination: Option<&'a [u8]>,
    /// Distances are stored, not positions.
    pub store_distances: bool,
}

impl<'a> Request<'a> {
    /// COMPAT: the source is looked at first of all; if there is none, names of members in it mean
    /// nothing, but the options are parsed all the same.
    pub fn parse(
        keyspace: &mut Keyspace,
        args: &Args<'a>,
        form: Form,
        may_store: bool,
    ) -> Result<Request<'a>, CommandError> {
        let mut parser = Parser::new(keyspace, args, form, may_store)?;
        let mut at = parser.leading_arguments()?;
        while at < args.len() {
            at += parser.option(at)?;
        }
        parser.finish()
    }
}

/// A request of which some arguments are parsed.
struct Parser<'p, 'a> {
    keyspace: &'p mut Keyspace,
    args: &'p Args<'a>,
    form: Form,
    /// GEORADIUS, in its form that may write, has STORE.
    may_store: bool,
    source_exists: bool,
    request: Request<'a>,
    center: Center,
    shape: Option<Shape>,
}

/// What is said of the center so far.
#[derive(Clone, Copy, PartialEq)]
enum Center {
    Missing,
    Place(Point),
    /// It may be given twice in the same way. None if there is no source to find the member in.
    Member(Option<Point>),
}

impl<'p, 'a> Parser<'p, 'a> {
    fn new(
        keyspace: &'p mut Keyspace,
        args: &'p Args<'a>,
        form: Form,
        may_store: bool,
    ) -> Result<Parser<'p, 'a>, CommandError> {
        let destination = (form == Form::SearchStore).then(|| args.get(1));
        let request = Request {
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
        let source_exists = keyspace.peek_collection(request.source, |zset: Option<&ZSet>| zset.is_some())?;
        Ok(Parser { keyspace, args, form, may_store, source_exists, request, center: Center::Missing, shape: None })
    }

    /// Parses what comes before the options, and gives the index of the first of them.
    fn leading_arguments(&mut self) -> Result<usize, CommandError> {
        Ok(match self.form {
            Form::AroundPlace => {
                self.center = Center::Place(parse_place(self.args, 2)?);
                self.shape = Some(self.parse_circle(4)?);
                6
            }
            Form::AroundMember => {
                self.center = self.parse_member(2)?;
                // COMPAT: without a source its radius is not looked at either.
                let no_circle = Shape::Circle { radius: 0.0 };
                self.shape = Some(if self.source_exists { self.parse_circle(3)? } else { no_circle });
                5
            }
            Form::Search => 2,
            Form::SearchStore => 3,
        })
    }

    /// Parses an option, and gives the number of its arguments, its name included.
    fn option(&mut self, at: usize) -> Result<usize, CommandError> {
        let Parser { args, request, .. } = self;
        let values = args.len() - at - 1;
        match () {
            _ if args.is(at, "withdist") => request.with_distance = true,
            _ if args.is(at, "withhash") => request.with_position = true,
            _ if args.is(at, "withcoord") => request.with_place = true,
            _ if args.is(at, "any") => request.any = true,
            _ if args.is(at, "asc") => request.order = Order::Nearest,
            _ if args.is(at, "desc") => request.order = Order::Farthest,
            _ if args.is(at, "count") && values > 0 => {
                let count = usize::try_from(args.int(at + 1)?).ok().filter(|&count| count > 0);
                request.count = Some(count.ok_or(CommandError::COUNT_NOT_POSITIVE)?);
                return Ok(2);
            }
            _ if self.form.is_search() => return self.search_option(at, values),
            _ if self.may_store && values > 0 && (args.is(at, "store") || args.is(at, "storedist")) => {
                request.store_distances = args.is(at, "storedist");
                request.destination = Some(args.get(at + 1));
                return Ok(2);
            }
            _ => return Err(CommandError::SYNTAX),
        }
        Ok(1)
    }

    /// As [`Self::option`], for those that only GEOSEARCH and GEOSEARCHSTORE have.
    fn search_option(&mut self, at: usize, values: usize) -> Result<usize, CommandError> {
        let args = self.args;
        match () {
            _ if args.is(at, "frommember") && values > 0 && !matches!(self.center, Center::Place(_)) => {
                self.center = self.parse_member(at + 1)?;
                Ok(2)
            }
            _ if args.is(at, "fromlonlat") && values > 1 && !matches!(self.center, Center::Member(_)) => {
                self.center = Center::Place(parse_place(args, at + 1)?);
                Ok(3)
            }
            _ if args.is(at, "byradius") && values > 1 && !matches!(self.shape, Some(Shape::Box { .. })) => {
                self.shape = Some(self.parse_circle(at + 1)?);
                Ok(3)
            }
            _ if args.is(at, "bybox") && values > 2 && !matches!(self.shape, Some(Shape::Circle { .. })) => {
                self.shape = Some(self.parse_box(at + 1)?);
                Ok(4)
            }
            _ if args.is(at, "storedist") && self.form == Form::SearchStore => {
                self.request.store_distances = true;
                Ok(1)
            }
            _ => Err(CommandError::SYNTAX),
        }
    }

    /// The place of a member of the source.
    fn parse_member(&mut self, index: usize) -> Result<Center, CommandError> {
        if !self.source_exists {
            return Ok(Center::Member(None));
        }
        let member = self.args.get(index);
        let score = self.keyspace.peek_collection(self.request.source, |zset: Option<&ZSet>| zset?.score(member))?;
        let score = score.ok_or(CommandError::new("ERR could not decode requested zset member"))?;
        Ok(Center::Member(Some(place_of(score))))
    }

    /// A radius and its unit.
    fn parse_circle(&mut self, index: usize) -> Result<Shape, CommandError> {
        let radius = self.args.float(index).map_err(|_| CommandError::new("ERR need numeric radius"))?;
        if radius < 0.0 {
            return Err(CommandError::new("ERR radius cannot be negative"));
        }
        self.request.unit_m = parse_unit(self.args, index + 1)?;
        Ok(Shape::Circle { radius: radius * self.request.unit_m })
    }

    /// A width, a height and their unit.
    fn parse_box(&mut self, index: usize) -> Result<Shape, CommandError> {
        let width = self.args.float(index).map_err(|_| CommandError::new("ERR need numeric width"))?;
        let height = self.args.float(index + 1).map_err(|_| CommandError::new("ERR need numeric height"))?;
        if width < 0.0 || height < 0.0 {
            return Err(CommandError::new("ERR height or width cannot be negative"));
        }
        self.request.unit_m = parse_unit(self.args, index + 2)?;
        Ok(Shape::Box { width: width * self.request.unit_m, height: height * self.request.unit_m })
    }

    /// Checks that the options go together.
    fn finish(mut self) -> Result<Request<'a>, CommandError> {
        let request = &mut self.request;
        if request.destination.is_some() && (request.with_distance || request.with_position || request.with_place) {
            let command = if self.form.is_search() { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(CommandError::err(format_args!(
                "{command} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let center = match self.center {
            Center::Missing => return Err(self.not_exactly_one("FROMMEMBER or FROMLONLAT")),
            Center::Place(place) => Some(place),
            Center::Member(place) => place,
        };
        let Some(shape) = self.shape else { return Err(self.not_exactly_one("BYRADIUS and BYBOX")) };
        if request.any && request.count.is_none() {
            return Err(CommandError::new("ERR the ANY argument requires COUNT argument"));
        }
        // COUNT without ANY needs the nearest matches, so sort.
        if request.count.is_some() && request.order == Order::Any && !request.any {
            request.order = Order::Nearest;
        }
        request.area = center.filter(|_| self.source_exists).map(|center| SearchArea { center, shape });
        Ok(self.request)
    }

    fn not_exactly_one(&self, options: &str) -> CommandError {
        CommandError::err(format_args!("exactly one of {options} can be specified for {}", self.args.text(0)))
    }
}
