//! Positions on the globe as 52-bit integers that keep near places near, and which ranges of these
//! cover an area.
//!
//! A coordinate is a fraction of its range in 26 bits; the bits of both take turns, longitude first.
//! A prefix of `2 * step` bits is a cell of a grid that has `2^step` columns and rows, so a cell is a
//! range of positions. Latitudes end where the Mercator projection's do, at 85 degrees.
//!
//! The arithmetic is in the order in which Redis does it, so that the last digits agree.

use smallvec::SmallVec;
use std::ops::Range;

pub const LONGITUDE_MAX: f64 = 180.0;
pub const LATITUDE_MAX: f64 = 85.05112878;
/// What GEOHASH's texts cover.
const LATITUDE_TEXT_MAX: f64 = 90.0;
/// Meters; the value that Redis computes distances with.
const EARTH_RADIUS_M: f64 = 6372797.560856;
/// Half the side of the Mercator projection's square in meters.
const MERCATOR_MAX_M: f64 = 20037726.37;
const STEP_MAX: u32 = 26;

/// A place, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub longitude: f64,
    pub latitude: f64,
}

impl Point {
    /// Whether it lies within what positions cover.
    pub fn is_valid(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    /// The position's 52 bits.
    pub fn position(self) -> u64 {
        Cell::of(self, STEP_MAX, LATITUDE_MAX).bits
    }

    /// The middle of the cell of this position, which may be any integer.
    pub fn at(position: u64) -> Point {
        let area = Cell { bits: position, step: STEP_MAX }.area();
        let middle = |[min, max]: [f64; 2], limit: f64| ((min + max) / 2.0).clamp(-limit, limit);
        Point { longitude: middle(area.longitude, LONGITUDE_MAX), latitude: middle(area.latitude, LATITUDE_MAX) }
    }

    /// The usual text of 11 characters. The last one would say more than 52 bits know, so it is `0`.
    pub fn text(self) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = Cell::of(self, STEP_MAX, LATITUDE_TEXT_MAX).bits;
        let mut text = [b'0'; 11];
        for (i, character) in text[..10].iter_mut().enumerate() {
            *character = ALPHABET[(bits >> (52 - 5 * (i + 1))) as usize & 31];
        }
        text
    }

    /// Meters along a great circle.
    pub fn distance_m(self, other: Point) -> f64 {
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let v = ((other.longitude.to_radians() - self.longitude.to_radians()) / 2.0).sin();
        if v == 0.0 {
            return self.latitude_distance_m(other);
        }
        let u = ((to - from) / 2.0).sin();
        let a = u * u + from.cos() * to.cos() * v * v;
        2.0 * EARTH_RADIUS_M * a.sqrt().asin()
    }

    fn latitude_distance_m(self, other: Point) -> f64 {
        EARTH_RADIUS_M * (other.latitude.to_radians() - self.latitude.to_radians()).abs()
    }
}

/// The shape of an area; lengths are in meters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

/// A shape around a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchArea {
    pub center: Point,
    pub shape: Shape,
}

impl SearchArea {
    /// The distance of a place from the center, if it is within the area.
    pub fn distance_m(&self, place: Point) -> Option<f64> {
        let distance = || self.center.distance_m(place);
        match self.shape {
            Shape::Circle { radius } => Some(distance()).filter(|&distance| distance <= radius),
            Shape::Box { width, height } => {
                if self.center.latitude_distance_m(place) > height / 2.0 {
                    return None;
                }
                // Along the place's own latitude.
                let beside = Point { longitude: self.center.longitude, latitude: place.latitude };
                (place.distance_m(beside) <= width / 2.0).then(distance)
            }
        }
    }

    /// Ranges of positions that together hold all of the area: its center's cell and those around it
    /// as far as they are needed. Their order shows where results are not sorted.
    pub fn covering(&self) -> SmallVec<[Range<u64>; 9]> {
        let bounds = self.bounds();
        let mut step = self.step();
        let mut center = Cell::of(self.center, step, LATITUDE_MAX);
        let falls_short = {
            let area = |columns, rows| center.neighbor(columns, rows).area();
            area(0, 1).latitude[1] < bounds.latitude[1]
                || area(0, -1).latitude[0] > bounds.latitude[0]
                || area(1, 0).longitude[1] < bounds.longitude[1]
                || area(-1, 0).longitude[0] > bounds.longitude[0]
        };
        if step > 1 && falls_short {
            step -= 1;
            center = Cell::of(self.center, step, LATITUDE_MAX);
        }
        let area = center.area();
        let is_useless = |columns: i64, rows: i64| {
            step >= 2
                && (rows < 0 && area.latitude[0] < bounds.latitude[0]
                    || rows > 0 && area.latitude[1] > bounds.latitude[1]
                    || columns < 0 && area.longitude[0] < bounds.longitude[0]
                    || columns > 0 && area.longitude[1] > bounds.longitude[1])
        };
        const AROUND: [(i64, i64); 8] = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let mut ranges = SmallVec::from_iter([center.positions()]);
        for (columns, rows) in AROUND {
            let range = center.neighbor(columns, rows).positions();
            // In a grid of two by two, neighbors on both sides are the same.
            if !is_useless(columns, rows) && !ranges.contains(&range) {
                ranges.push(range);
            }
        }
        ranges
    }

    /// The smallest box in degrees around it.
    fn bounds(&self) -> Area {
        let (half_width, half_height) = match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let Point { longitude, latitude } = self.center;
        let rows = (half_height / EARTH_RADIUS_M).to_degrees();
        // Nearer to its pole, the same width is more degrees.
        let widest = if latitude < 0.0 { latitude - rows } else { latitude + rows };
        let columns = (half_width / EARTH_RADIUS_M / widest.to_radians().cos()).to_degrees();
        Area { longitude: [longitude - columns, longitude + columns], latitude: [latitude - rows, latitude + rows] }
    }

    /// The step whose cells are about as large as the area.
    fn step(&self) -> u32 {
        let mut radius = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt(),
        };
        if radius == 0.0 {
            return STEP_MAX;
        }
        let mut step = 1;
        while radius < MERCATOR_MAX_M {
            radius *= 2.0;
            step += 1;
        }
        // Two steps fewer, to be sure, and fewer still towards the poles, where cells are narrow.
        let narrower = match self.center.latitude.abs() {
            latitude if latitude > 80.0 => 2,
            latitude if latitude > 66.0 => 1,
            _ => 0,
        };
        (step - 2 - narrower).clamp(1, STEP_MAX as i32) as u32
    }
}

/// Bounds in degrees, the lower first.
struct Area {
    longitude: [f64; 2],
    latitude: [f64; 2],
}

/// A cell of the grid of a step, known by its `2 * step` bits.
#[derive(Clone, Copy)]
struct Cell {
    bits: u64,
    step: u32,
}

impl Cell {
    fn of(place: Point, step: u32, latitude_max: f64) -> Cell {
        let index = |degrees: f64, max: f64| ((degrees + max) / (max + max) * (1u64 << step) as f64) as u32;
        Cell::at(index(place.longitude, LONGITUDE_MAX), index(place.latitude, latitude_max), step)
    }

    /// The cell of this column, from the west, and row, from the south.
    fn at(column: u32, row: u32, step: u32) -> Cell {
        Cell { bits: spread(row) | spread(column) << 1, step }
    }

    fn column_and_row(self) -> (u32, u32) {
        (gather(self.bits >> 1), gather(self.bits))
    }

    fn area(self) -> Area {
        let (column, row) = self.column_and_row();
        let degrees = |index: f64, max: f64| -max + index / (1u64 << self.step) as f64 * (max + max);
        let bounds = |index: u32, max| [degrees(index as f64, max), degrees(index as f64 + 1.0, max)];
        Area { longitude: bounds(column, LONGITUDE_MAX), latitude: bounds(row, LATITUDE_MAX) }
    }

    /// The cell this many columns east and rows north, around the globe if need be.
    fn neighbor(self, columns: i64, rows: i64) -> Cell {
        let (column, row) = self.column_and_row();
        // COMPAT: longitude 180 is in a column of its own beyond the last; a search that starts there
        // does not leave it.
        let moved = |index: u32, by: i64| match by {
            0 => index,
            by => (index as i64 + by).rem_euclid(1 << self.step) as u32,
        };
        Cell::at(moved(column, columns), moved(row, rows), self.step)
    }

    /// The positions within it.
    fn positions(self) -> Range<u64> {
        let shift = 2 * (STEP_MAX - self.step);
        self.bits << shift..(self.bits + 1) << shift
    }
}

/// Moves bit `n` to bit `2 n`.
fn spread(bits: u32) -> u64 {
    let mut spread = u64::from(bits);
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    spread = (spread | spread << 2) & 0x3333_3333_3333_3333;
    (spread | spread << 1) & 0x5555_5555_5555_5555
}

/// Moves bit `2 n` to bit `n`.
fn gather(bits: u64) -> u32 {
    let mut gathered = bits & 0x5555_5555_5555_5555;
    gathered = (gathered | gathered >> 1) & 0x3333_3333_3333_3333;
    gathered = (gathered | gathered >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    gathered = (gathered | gathered >> 4) & 0x00ff_00ff_00ff_00ff;
    gathered = (gathered | gathered >> 8) & 0x0000_ffff_0000_ffff;
    (gathered | gathered >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PALERMO: Point = Point { longitude: 13.361389, latitude: 38.115556 };
    const CATANIA: Point = Point { longitude: 15.087269, latitude: 37.502669 };

    #[test]
    fn places_have_the_positions_of_the_documentation() {
        assert_eq!(PALERMO.position(), 3479099956230698);
        assert_eq!(Point::at(3479099956230698).text(), *b"sqc8b49rny0");
        let distance = Point::at(PALERMO.position()).distance_m(Point::at(CATANIA.position()));
        assert!((distance - 166274.1516).abs() < 0.00005);
    }

    #[test]
    fn any_integer_is_a_position() {
        for position in [0, 1 << 52, u64::MAX] {
            assert!(Point::at(position).is_valid());
        }
    }

    fn point() -> impl Strategy<Value = Point> {
        let longitude = prop_oneof![-180.0..180.0f64, Just(-180.0), Just(180.0), -180.0..-179.9f64];
        (longitude, -85.0..85.0f64).prop_map(|(longitude, latitude)| Point { longitude, latitude })
    }

    proptest! {
        #[test]
        fn a_position_is_where_it_came_from(place in point()) {
            let back = Point::at(place.position());
            // Less than a meter.
            prop_assert!((back.longitude - place.longitude).abs() < 6e-6 && (back.latitude - place.latitude).abs() < 3e-6);
        }

        #[test]
        fn bits_take_turns(column in any::<u32>(), row in any::<u32>()) {
            let cell = Cell::at(column, row, STEP_MAX);
            prop_assert_eq!(cell.column_and_row(), (column, row));
            for n in 0..32 {
                prop_assert_eq!(cell.bits >> (2 * n) & 1, u64::from(row >> n & 1));
            }
        }

        /// Away from the poles and the antimeridian, where Redis's own search has gaps.
        #[test]
        fn the_ranges_cover_all_of_the_area(
            longitude in -90.0..90.0f64,
            latitude in -60.0..60.0f64,
            exponent in 0.0..6.0f64,
            ratio in 0.1..1.0f64,
            angle in 0.0..std::f64::consts::TAU,
            part in 0.0..1.0f64,
            is_box in any::<bool>(),
        ) {
            let size = 10f64.powf(exponent);
            let shape = if is_box { Shape::Box { width: size, height: size * ratio } } else { Shape::Circle { radius: size } };
            let area = SearchArea { center: Point { longitude, latitude }, shape };
            let degrees = size * part / 111_000.0;
            let place = Point { longitude: longitude + degrees * angle.cos() / latitude.to_radians().cos(), latitude: latitude + degrees * angle.sin() };
            let place = Point::at(place.position());
            if area.distance_m(place).is_some() {
                prop_assert!(area.covering().iter().any(|range| range.contains(&place.position())));
            }
        }
    }
}
