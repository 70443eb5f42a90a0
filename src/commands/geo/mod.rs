//! Places: sorted sets whose scores are positions ([`geohash`](crate::encoding::geohash)).
//!
//! * `place`          adding places, and what is known of single ones
//! * `search`         what is within an area
//! * `search_request` the arguments that describe the area

mod place;
mod search;
mod search_request;

use super::prelude::*;
use crate::encoding::geohash::Point;

pub const COMMANDS: &[&Command] = &[
    &place::GEOADD,
    &place::GEODIST,
    &place::GEOHASH,
    &place::GEOPOS,
    &search::GEOSEARCH,
    &search::GEOSEARCHSTORE,
    &search::GEORADIUS,
    &search::GEORADIUS_RO,
    &search::GEORADIUSBYMEMBER,
    &search::GEORADIUSBYMEMBER_RO,
];

/// The place that a score stands for.
///
/// COMPAT: scores that are no positions stand for what C on x86-64 makes of them.
fn place_of(score: f64) -> Point {
    const TOO_LARGE: f64 = (1u64 << 63) as f64;
    const HIGHEST_BIT: u64 = 1 << 63;
    Point::at(match score {
        _ if score >= 2.0 * TOO_LARGE => 0,
        _ if score >= TOO_LARGE => score as u64,
        _ if score < -TOO_LARGE => HIGHEST_BIT,
        _ => score as i64 as u64,
    })
}

/// Longitude and latitude, the arguments from `index` on.
fn parse_place(args: &Args, index: usize) -> Result<Point, CommandError> {
    let place = Point { longitude: args.float(index)?, latitude: args.float(index + 1)? };
    if !place.is_valid() {
        let Point { longitude, latitude } = place;
        return Err(CommandError::err(format_args!("invalid longitude,latitude pair {longitude:.6},{latitude:.6}")));
    }
    Ok(place)
}

/// The meters of a unit.
fn parse_unit(args: &Args, index: usize) -> Result<f64, CommandError> {
    match () {
        _ if args.is(index, "m") => Ok(1.0),
        _ if args.is(index, "km") => Ok(1000.0),
        _ if args.is(index, "ft") => Ok(0.3048),
        _ if args.is(index, "mi") => Ok(1609.34),
        _ => Err(CommandError::new("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

/// Replies a distance with four digits after the point; in RESP3, too, it is a bulk string.
fn reply_distance(reply: &mut Reply, distance: f64) {
    const SCALE: u64 = 10_000;
    let scaled = (distance * SCALE as f64).round_ties_even() as u64;
    reply.bulk(format!("{}.{:04}", scaled / SCALE, scaled % SCALE).as_bytes());
}

fn reply_place(reply: &mut Reply, place: Point) {
    reply.array(2);
    reply_degrees(reply, place.longitude);
    reply_degrees(reply, place.latitude);
}

/// As C's `%.17f` without trailing zeros.
fn reply_degrees(reply: &mut Reply, degrees: f64) {
    let text = format!("{degrees:.17}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    reply.double_text(if text == "-0" { b"0" } else { text.as_bytes() });
}
