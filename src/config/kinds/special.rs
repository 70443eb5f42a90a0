//! Kinds that serve one directive each, or a pair.

use super::{
    super::values::{ClientClass, OomScoreAdj, OutputBufferLimit, SavePoint, ShutdownFlags},
    Kind, OneOf, WRONG_NUMBER, format_memory, must_be_one_of, parse_integer, parse_memory, single,
};
use crate::encoding::words::{join_words, quote};
use crate::keyspace::EventClass;

/// The addresses of `bind`.
pub struct Addresses;

impl Addresses {
    /// As many as Redis takes.
    const MAX: usize = 16;
}

impl Kind<Vec<String>> for Addresses {
    fn parse(&self, words: &[Vec<u8>], _: &Vec<String>) -> Result<Vec<String>, String> {
        // `bind ""` listens on no address at all.
        let addresses = words.iter().flat_map(|word| word.split(|&byte| byte == b' '));
        let addresses = addresses.filter(|address| !address.is_empty());
        let addresses: Vec<_> = addresses.map(|address| String::from_utf8_lossy(address).into_owned()).collect();
        if addresses.len() > Self::MAX {
            return Err("Too many bind addresses specified.".into());
        }
        Ok(addresses)
    }

    fn show(&self, value: &Vec<String>) -> Vec<u8> {
        value.join(" ").into_bytes()
    }

    fn lines(&self, value: &Vec<String>) -> Vec<Vec<u8>> {
        if value.is_empty() { vec![b"\"\"".into()] } else { vec![join_words(value)] }
    }
}

/// The save points, as one list of seconds and changes in turn.
pub struct SavePoints;

impl Kind<Vec<SavePoint>> for SavePoints {
    fn parse(&self, words: &[Vec<u8>], _: &Vec<SavePoint>) -> Result<Vec<SavePoint>, String> {
        let point = |pair: &[Vec<u8>]| {
            let [seconds, changes] = pair else { return None };
            let seconds = parse_integer(seconds).filter(|&seconds| seconds >= 1)?;
            let changes = parse_integer(changes).filter(|&changes| changes >= 0)?;
            Some((seconds as u64, changes as u64))
        };
        let points: Option<_> = words.chunks(2).map(point).collect();
        points.ok_or_else(|| "Invalid save parameters".into())
    }

    /// Save points add up, and an empty line takes back those before it.
    fn parse_further(&self, words: &[Vec<u8>], current: &Vec<SavePoint>) -> Result<Vec<SavePoint>, String> {
        let points = self.parse(words, current)?;
        Ok(if points.is_empty() { points } else { [current.as_slice(), &points].concat() })
    }

    fn show(&self, value: &Vec<SavePoint>) -> Vec<u8> {
        let points: Vec<_> = value.iter().map(|(seconds, changes)| format!("{seconds} {changes}")).collect();
        points.join(" ").into_bytes()
    }

    fn lines(&self, value: &Vec<SavePoint>) -> Vec<Vec<u8>> {
        if value.is_empty() {
            return vec![b"\"\"".into()];
        }
        value.iter().map(|point| self.show(&vec![*point])).collect()
    }

    fn further_lines(&self, value: &Vec<SavePoint>) -> Vec<Vec<u8>> {
        let mut lines = self.lines(&Vec::new());
        lines.extend(value.iter().map(|point| self.show(&vec![*point])));
        lines
    }
}

/// The limits of `client-output-buffer-limit`, a class and three numbers each.
pub struct OutputBufferLimits;

impl OutputBufferLimits {
    fn class(word: &[u8]) -> Option<ClientClass> {
        let name = word.to_ascii_lowercase();
        match name.as_slice() {
            b"normal" => Some(ClientClass::Normal),
            b"replica" | b"slave" => Some(ClientClass::Replica),
            b"pubsub" => Some(ClientClass::Pubsub),
            _ => None,
        }
    }
}

impl Kind<[OutputBufferLimit; 3]> for OutputBufferLimits {
    fn parse(&self, words: &[Vec<u8>], current: &[OutputBufferLimit; 3]) -> Result<[OutputBufferLimit; 3], String> {
        let mut limits = *current;
        if !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        for limit in words.chunks(4) {
            let class =
                Self::class(&limit[0]).ok_or("Invalid client class specified in buffer limit configuration.")?;
            let number = || {
                let soft_seconds = parse_integer(&limit[3]).filter(|&seconds| seconds >= 0)?;
                Some(OutputBufferLimit {
                    hard_bytes: parse_memory(&limit[1])?,
                    soft_bytes: parse_memory(&limit[2])?,
                    soft_seconds: soft_seconds as u64,
                })
            };
            limits[class as usize] =
                number().ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?;
        }
        Ok(limits)
    }

    fn show(&self, value: &[OutputBufferLimit; 3]) -> Vec<u8> {
        // COMPAT: CONFIG GET still says "slave".
        let limits = ["normal", "slave", "pubsub"]
            .iter()
            .zip(value)
            .map(|(class, limit)| format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds));
        limits.collect::<Vec<_>>().join(" ").into_bytes()
    }

    fn lines(&self, value: &[OutputBufferLimit; 3]) -> Vec<Vec<u8>> {
        let limits = ["normal", "replica", "pubsub"].iter().zip(value).map(|(class, limit)| {
            [
                class.as_bytes().to_vec(),
                format_memory(limit.hard_bytes),
                format_memory(limit.soft_bytes),
                limit.soft_seconds.to_string().into_bytes(),
            ]
        });
        limits.map(join_words).collect()
    }
}

/// The three scores of `oom-score-adj-values`.
pub struct OomScores;

impl Kind<[i32; 3]> for OomScores {
    fn parse(&self, words: &[Vec<u8>], _: &[i32; 3]) -> Result<[i32; 3], String> {
        let [primary, replica, child] = words else { return Err(WRONG_NUMBER.into()) };
        let score = |word: &Vec<u8>| {
            let score = parse_integer(word).filter(|score| (-2000..=2000).contains(score));
            let score = score.and_then(|score| i32::try_from(score).ok());
            score.ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        };
        Ok([score(primary)?, score(replica)?, score(child)?])
    }

    fn show(&self, value: &[i32; 3]) -> Vec<u8> {
        let [primary, replica, child] = value;
        format!("{primary} {replica} {child}").into_bytes()
    }

    fn lines(&self, value: &[i32; 3]) -> Vec<Vec<u8>> {
        vec![self.show(value)]
    }
}

/// `oom-score-adj`: an enumeration with one synonym.
pub struct OomScoreMode;

impl Kind<OomScoreAdj> for OomScoreMode {
    fn parse(&self, words: &[Vec<u8>], _: &OomScoreAdj) -> Result<OomScoreAdj, String> {
        let word = single(words)?;
        if word.eq_ignore_ascii_case(b"relative") {
            return Ok(OomScoreAdj::Yes);
        }
        OneOf::find(word).map_err(|_| must_be_one_of(["no", "yes", "relative", "absolute"].into_iter()))
    }

    fn show(&self, value: &OomScoreAdj) -> Vec<u8> {
        OneOf.show(value)
    }
}

/// The percentiles that INFO latencystats shows.
pub struct Percentiles;

impl Kind<Vec<f64>> for Percentiles {
    fn parse(&self, words: &[Vec<u8>], _: &Vec<f64>) -> Result<Vec<f64>, String> {
        let percentile = |word: &Vec<u8>| {
            let number = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
            let number = number.filter(|number: &f64| !number.is_nan());
            let number = number.ok_or("Invalid latency-tracking-info-percentiles parameters")?;
            if !(0.0..=100.0).contains(&number) {
                return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into());
            }
            Ok(number)
        };
        words.iter().map(percentile).collect()
    }

    fn show(&self, value: &Vec<f64>) -> Vec<u8> {
        let numbers: Vec<_> = value.iter().map(f64::to_string).collect();
        numbers.join(" ").into_bytes()
    }

    fn lines(&self, value: &Vec<f64>) -> Vec<Vec<u8>> {
        if value.is_empty() { vec![b"\"\"".into()] } else { vec![self.show(value)] }
    }
}

/// The options of a shutdown.
pub struct ShutdownOptions;

impl ShutdownOptions {
    const NAMES: [(&'static str, ShutdownFlags); 5] = [
        ("default", ShutdownFlags::empty()),
        ("save", ShutdownFlags::SAVE),
        ("nosave", ShutdownFlags::NOSAVE),
        ("now", ShutdownFlags::NOW),
        ("force", ShutdownFlags::FORCE),
    ];
}

impl Kind<ShutdownFlags> for ShutdownOptions {
    fn parse(&self, words: &[Vec<u8>], _: &ShutdownFlags) -> Result<ShutdownFlags, String> {
        let unknown = || must_be_one_of(Self::NAMES.iter().map(|(name, _)| *name));
        if words.is_empty() {
            return Err(unknown());
        }
        let mut flags = ShutdownFlags::empty();
        for word in words {
            let named = Self::NAMES.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
            flags |= named.ok_or_else(unknown)?.1;
        }
        if flags.contains(ShutdownFlags::SAVE | ShutdownFlags::NOSAVE) {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
        }
        Ok(flags)
    }

    fn show(&self, value: &ShutdownFlags) -> Vec<u8> {
        if value.is_empty() {
            return b"default".into();
        }
        let set = Self::NAMES.iter().filter(|(_, flag)| !flag.is_empty() && value.contains(*flag));
        set.map(|(name, _)| *name).collect::<Vec<_>>().join(" ").into_bytes()
    }

    fn lines(&self, value: &ShutdownFlags) -> Vec<Vec<u8>> {
        vec![self.show(value)]
    }
}

/// The letters of `notify-keyspace-events`.
pub struct EventLetters;

impl EventLetters {
    /// In the order in which CONFIG GET shows them.
    const LETTERS: [(u8, EventClass); 14] = [
        (b'g', EventClass::GENERIC),
        (b'$', EventClass::STRING),
        (b'l', EventClass::LIST),
        (b's', EventClass::SET),
        (b'h', EventClass::HASH),
        (b'z', EventClass::ZSET),
        (b'x', EventClass::EXPIRED),
        (b'e', EventClass::EVICTED),
        (b't', EventClass::STREAM),
        (b'd', EventClass::MODULE),
        (b'n', EventClass::NEW),
        (b'K', EventClass::KEYSPACE),
        (b'E', EventClass::KEYEVENT),
        (b'm', EventClass::KEY_MISS),
    ];
}

impl Kind<EventClass> for EventLetters {
    fn parse(&self, words: &[Vec<u8>], _: &EventClass) -> Result<EventClass, String> {
        let mut events = EventClass::empty();
        for &byte in single(words)? {
            let class = Self::LETTERS.iter().find(|(letter, _)| *letter == byte);
            events |= match (byte, class) {
                (b'A', _) => EventClass::ALL,
                (_, Some((_, class))) => *class,
                (_, None) => {
                    return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into());
                }
            };
        }
        Ok(events)
    }

    fn show(&self, value: &EventClass) -> Vec<u8> {
        let mut shown = Vec::new();
        let mut rest = *value;
        if value.contains(EventClass::ALL) {
            shown.push(b'A');
            // COMPAT: Redis leaves out the `n` too once it shows `A`.
            rest -= EventClass::ALL | EventClass::NEW;
        }
        let set = Self::LETTERS.iter().filter(|(_, class)| rest.contains(*class));
        shown.extend(set.map(|(letter, _)| letter));
        shown
    }

    fn lines(&self, value: &EventClass) -> Vec<Vec<u8>> {
        // Unlike CONFIG GET, a file must not lose the `n` beside an `A`.
        let mut letters = self.show(value);
        if value.contains(EventClass::ALL | EventClass::NEW) {
            letters.push(b'n');
        }
        vec![quote(&letters)]
    }
}

/// The primary's host and port, or `no one`.
pub struct PrimaryAddress;

impl Kind<Option<(String, u16)>> for PrimaryAddress {
    fn parse(&self, words: &[Vec<u8>], _: &Option<(String, u16)>) -> Result<Option<(String, u16)>, String> {
        let [host, port] = words else { return Err(WRONG_NUMBER.into()) };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            return Ok(None);
        }
        let port = parse_integer(port).and_then(|port| u16::try_from(port).ok());
        let host = String::from_utf8_lossy(host).into_owned();
        Ok(Some((host, port.ok_or("Invalid master port")?)))
    }

    fn show(&self, value: &Option<(String, u16)>) -> Vec<u8> {
        match value {
            Some((host, port)) => format!("{host} {port}").into_bytes(),
            None => Vec::new(),
        }
    }

    fn lines(&self, value: &Option<(String, u16)>) -> Vec<Vec<u8>> {
        match value {
            Some((host, port)) => vec![join_words([host.as_bytes(), port.to_string().as_bytes()])],
            None => vec![b"no one".into()],
        }
    }
}
