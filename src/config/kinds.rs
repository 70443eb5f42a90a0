//! The kinds of values: how each is read from words, shown by CONFIG GET and written to a file.
//!
//! A row of the table in `directives.rs` names one of these. Reasons for refusal are Redis's own
//! texts, because clients and its test suite look for them.

use std::{
    fs, io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{MAIN_SEPARATOR, Path, PathBuf},
};

use super::values::*;
use crate::encoding::words::{join_words, quote, quote_if_needed};

/// The greatest C `int`, a frequent upper bound.
pub const INT_MAX: i128 = i32::MAX as i128;
/// The greatest C `long` (or `long long`), another one.
pub const LONG_MAX: i128 = i64::MAX as i128;

/// One kind of value, as the type `T` of a field of `Config`.
pub trait Kind<T> {
    /// Reads a value from the words after the directive's name, or says why it is refused.
    /// `current` is what the field holds now.
    fn parse(&self, words: &[Vec<u8>], current: &T) -> Result<T, String>;

    /// The same for a further line of a file that repeats a directive: as a rule the last one
    /// counts.
    fn parse_further(&self, words: &[Vec<u8>], current: &T) -> Result<T, String> {
        self.parse(words, current)
    }

    /// What CONFIG GET shows.
    fn show(&self, value: &T) -> Vec<u8>;

    /// What follows the directive's name in a file: one text a line, already quoted.
    fn lines(&self, value: &T) -> Vec<Vec<u8>> {
        vec![quote_if_needed(&self.show(value))]
    }
}

/// The only word there is.
fn single(words: &[Vec<u8>]) -> Result<&[u8], String> {
    match words {
        [word] => Ok(word),
        _ => Err(WRONG_NUMBER.into()),
    }
}

const WRONG_NUMBER: &str = "wrong number of arguments";

/// An integer as Redis takes it: no sign but one minus, no blanks, no leading zeros.
fn parse_integer(word: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(word).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == word).then_some(number)
}

/// A memory size in bytes: digits and perhaps a unit. `1k` is 1000 and `1kb` is 1024, likewise
/// `m`, `mb`, `g` and `gb`; what doesn't fit into 64 bits is the greatest number that does.
pub fn parse_memory(word: &[u8]) -> Option<u64> {
    let unit_at = word.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(word.len());
    let (digits, unit) = word.split_at(unit_at);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number =
        digits.iter().fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    // COMPAT: no digits at all are a zero.
    Some(number.saturating_mul(factor))
}

/// `bytes` with the largest unit that divides it.
fn format_memory(bytes: u64) -> Vec<u8> {
    let units = [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")];
    match units.into_iter().find(|(size, _)| bytes != 0 && bytes % size == 0) {
        Some((size, unit)) => format!("{}{unit}", bytes / size).into_bytes(),
        None => bytes.to_string().into_bytes(),
    }
}

/// Fields that hold whole numbers.
pub trait Integer: Copy + TryFrom<i128> + TryInto<i128> {
    /// The number in a type that fits all of them.
    fn wide(self) -> i128 {
        self.try_into().unwrap_or_else(|_| unreachable!("an integer of 64 bits fits into 128"))
    }
}

impl<T: Copy + TryFrom<i128> + TryInto<i128>> Integer for T {}

fn bounded<T: Integer>(number: i128, min: i128, max: i128) -> Result<T, String> {
    let number = if (min..=max).contains(&number) { T::try_from(number).ok() } else { None };
    number.ok_or_else(|| format!("argument must be between {min} and {max} inclusive"))
}

/// `yes` or `no`.
pub struct YesNo;

impl Kind<bool> for YesNo {
    fn parse(&self, words: &[Vec<u8>], _: &bool) -> Result<bool, String> {
        let word = single(words)?;
        if word.eq_ignore_ascii_case(b"yes") {
            Ok(true)
        } else if word.eq_ignore_ascii_case(b"no") {
            Ok(false)
        } else {
            Err("argument must be 'yes' or 'no'".into())
        }
    }

    fn show(&self, value: &bool) -> Vec<u8> {
        if *value { b"yes".into() } else { b"no".into() }
    }
}

/// A whole number with its least and greatest value.
pub struct Int(pub i128, pub i128);

impl<T: Integer> Kind<T> for Int {
    fn parse(&self, words: &[Vec<u8>], _: &T) -> Result<T, String> {
        let number = parse_integer(single(words)?).ok_or("argument couldn't be parsed into an integer")?;
        bounded(number.into(), self.0, self.1)
    }

    fn show(&self, value: &T) -> Vec<u8> {
        value.wide().to_string().into_bytes()
    }
}

/// File permissions, in octal.
pub struct Octal(pub u32);

impl Kind<u32> for Octal {
    fn parse(&self, words: &[Vec<u8>], _: &u32) -> Result<u32, String> {
        let word = single(words)?;
        let digits = word.strip_prefix(b"-").unwrap_or(word);
        if !digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
            return Err("argument couldn't be parsed as an octal number".into());
        }
        // COMPAT: no digits at all are a zero.
        let number =
            digits.iter().fold(0_u32, |number, digit| number.saturating_mul(8).saturating_add(u32::from(digit - b'0')));
        if number > self.0 || (digits.len() < word.len() && number > 0) {
            return Err(format!("argument must be between 0 and {:o} inclusive", self.0));
        }
        Ok(number)
    }

    fn show(&self, value: &u32) -> Vec<u8> {
        format!("{value:o}").into_bytes()
    }
}

/// A size in bytes with its least and greatest value; may be given with a unit.
pub struct Memory(pub i128, pub i128);

impl<T: Integer> Kind<T> for Memory {
    fn parse(&self, words: &[Vec<u8>], _: &T) -> Result<T, String> {
        let bytes = parse_memory(single(words)?).ok_or("argument must be a memory value")?;
        bounded(bytes.into(), self.0, self.1)
    }

    fn show(&self, value: &T) -> Vec<u8> {
        value.wide().to_string().into_bytes()
    }

    fn lines(&self, value: &T) -> Vec<Vec<u8>> {
        vec![u64::try_from(value.wide()).map_or_else(|_| self.show(value), format_memory)]
    }
}

/// A number of the kind `.0`, brought between `.1` and `.2` where it lies outside.
pub struct Clamped<K>(pub K, pub i128, pub i128);

impl<T: Integer, K: Kind<T>> Kind<T> for Clamped<K> {
    fn parse(&self, words: &[Vec<u8>], current: &T) -> Result<T, String> {
        let number = self.0.parse(words, current)?.wide();
        bounded(number.clamp(self.1, self.2), self.1, self.2)
    }

    fn show(&self, value: &T) -> Vec<u8> {
        self.0.show(value)
    }

    fn lines(&self, value: &T) -> Vec<Vec<u8>> {
        self.0.lines(value)
    }
}

/// A size in bytes or a percentage.
pub struct MemoryOrPercentage;

impl Kind<MemoryOrPercent> for MemoryOrPercentage {
    fn parse(&self, words: &[Vec<u8>], _: &MemoryOrPercent) -> Result<MemoryOrPercent, String> {
        let word = single(words)?;
        let malformed = || String::from("argument must be a memory or percent value");
        match word.strip_suffix(b"%") {
            Some(digits) => {
                let percent = parse_integer(digits).filter(|&percent| percent >= 0);
                let percent = u8::try_from(percent.ok_or_else(malformed)?).unwrap_or(u8::MAX);
                if percent > 100 {
                    return Err("percentage argument must be less or equal to 100".into());
                }
                Ok(MemoryOrPercent::Percent(percent))
            }
            None => parse_memory(word).map(MemoryOrPercent::Bytes).ok_or_else(malformed),
        }
    }

    fn show(&self, value: &MemoryOrPercent) -> Vec<u8> {
        match value {
            MemoryOrPercent::Bytes(bytes) => bytes.to_string().into_bytes(),
            MemoryOrPercent::Percent(percent) => format!("{percent}%").into_bytes(),
        }
    }

    fn lines(&self, value: &MemoryOrPercent) -> Vec<Vec<u8>> {
        match value {
            MemoryOrPercent::Bytes(bytes) => vec![format_memory(*bytes)],
            MemoryOrPercent::Percent(_) => vec![self.show(value)],
        }
    }
}

/// One of the names of an enumeration.
pub struct OneOf;

impl OneOf {
    fn find<T: Named>(word: &[u8]) -> Result<T, String> {
        let member = T::MEMBERS.iter().find(|(_, name)| word.eq_ignore_ascii_case(name.as_bytes()));
        let names = || T::MEMBERS.iter().map(|(_, name)| *name);
        member.map(|(member, _)| *member).ok_or_else(|| must_be_one_of(names()))
    }
}

impl<T: Named> Kind<T> for OneOf {
    fn parse(&self, words: &[Vec<u8>], _: &T) -> Result<T, String> {
        Self::find(single(words)?)
    }

    fn show(&self, value: &T) -> Vec<u8> {
        let member = T::MEMBERS.iter().find(|(member, _)| member == value);
        member.map(|(_, name)| name.as_bytes().to_vec()).unwrap_or_default()
    }
}

fn must_be_one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    format!("argument(s) must be one of the following: {}", names.join(", "))
}

/// Any bytes.
pub struct Text;

impl Kind<Vec<u8>> for Text {
    fn parse(&self, words: &[Vec<u8>], _: &Vec<u8>) -> Result<Vec<u8>, String> {
        single(words).map(<[u8]>::to_vec)
    }

    fn show(&self, value: &Vec<u8>) -> Vec<u8> {
        value.clone()
    }

    fn lines(&self, value: &Vec<u8>) -> Vec<Vec<u8>> {
        vec![quote(value)]
    }
}

/// A text that must pass a check.
pub struct Checked(pub fn(&[u8]) -> Result<(), String>);

impl Kind<Vec<u8>> for Checked {
    fn parse(&self, words: &[Vec<u8>], _: &Vec<u8>) -> Result<Vec<u8>, String> {
        let word = single(words)?;
        (self.0)(word)?;
        Ok(word.to_vec())
    }

    fn show(&self, value: &Vec<u8>) -> Vec<u8> {
        value.clone()
    }

    fn lines(&self, value: &Vec<u8>) -> Vec<Vec<u8>> {
        vec![quote(value)]
    }
}

/// For [`Checked`]: a host name, or nothing.
pub fn hostname(word: &[u8]) -> Result<(), String> {
    if word.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".into());
    }
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if !word.iter().all(allowed) {
        return Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into());
    }
    Ok(())
}

/// For [`Checked`]: a human-readable node name, or nothing.
pub fn node_name(word: &[u8]) -> Result<(), String> {
    if word.len() >= 256 {
        return Err("Human readable node name must be less than 256 characters".into());
    }
    if word.iter().any(|byte| !byte.is_ascii_graphic() || b"!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~".contains(byte)) {
        return Err("Human readable node name may not contain special characters".into());
    }
    Ok(())
}

/// For [`Checked`]: a process title with the variables that `proc-title-template` has.
pub fn title_template(word: &[u8]) -> Result<(), String> {
    const VARIABLES: [&[u8]; 7] =
        [b"title", b"listen-addr", b"server-mode", b"port", b"tls-port", b"unixsocket", b"config-file"];
    let known = word.split(|&byte| byte == b'{').skip(1).all(|part| {
        let end = part.iter().position(|&byte| byte == b'}');
        end.is_some_and(|end| VARIABLES.contains(&&part[..end]))
    });
    if known { Ok(()) } else { Err("template format is invalid or contains unknown variables".into()) }
}

/// A path that may be left empty.
pub struct OptionalPath;

impl Kind<Option<PathBuf>> for OptionalPath {
    fn parse(&self, words: &[Vec<u8>], _: &Option<PathBuf>) -> Result<Option<PathBuf>, String> {
        let word = single(words)?;
        Ok((!word.is_empty()).then(|| path_from(word)))
    }

    fn show(&self, value: &Option<PathBuf>) -> Vec<u8> {
        value.as_deref().map(path_bytes).unwrap_or_default()
    }

    fn lines(&self, value: &Option<PathBuf>) -> Vec<Vec<u8>> {
        vec![quote(&self.show(value))]
    }
}

/// The name of a file or directory inside `dir`.
pub struct FileName {
    /// The directive, for its error message.
    pub directive: &'static str,
    /// `filename` or `dirname`, for its error message.
    pub what: &'static str,
    /// Whether it may be left empty.
    pub may_be_empty: bool,
}

impl Kind<PathBuf> for FileName {
    fn parse(&self, words: &[Vec<u8>], _: &PathBuf) -> Result<PathBuf, String> {
        let word = single(words)?;
        if word.is_empty() && !self.may_be_empty {
            return Err(format!("{} can't be empty", self.directive));
        }
        if word.contains(&(MAIN_SEPARATOR as u8)) {
            return Err(format!("{} can't be a path, just a {}", self.directive, self.what));
        }
        Ok(path_from(word))
    }

    fn show(&self, value: &PathBuf) -> Vec<u8> {
        path_bytes(value)
    }

    fn lines(&self, value: &PathBuf) -> Vec<Vec<u8>> {
        vec![quote(&self.show(value))]
    }
}

/// The working directory: relative to the one before it, and always kept absolute.
pub struct WorkingDirectory;

impl Kind<PathBuf> for WorkingDirectory {
    fn parse(&self, words: &[Vec<u8>], current: &PathBuf) -> Result<PathBuf, String> {
        let reason = |error: io::Error| os_reason(&error);
        let word = single(words)?;
        if word.is_empty() {
            return Err(os_reason(&io::Error::from_raw_os_error(libc::ENOENT)));
        }
        let path = fs::canonicalize(current.join(path_from(word))).map_err(reason)?;
        if !fs::metadata(&path).map_err(reason)?.is_dir() {
            return Err(os_reason(&io::Error::from_raw_os_error(libc::ENOTDIR)));
        }
        Ok(path)
    }

    fn show(&self, value: &PathBuf) -> Vec<u8> {
        path_bytes(value)
    }

    fn lines(&self, value: &PathBuf) -> Vec<Vec<u8>> {
        vec![quote(&self.show(value))]
    }
}

fn path_from(bytes: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()))
}

fn path_bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// What the system says about an error, as C's `strerror` words it.
pub fn os_reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The addresses of `bind`.
pub struct Addresses;

impl Addresses {
    /// As many as Redis takes.
    const MAX: usize = 16;
}

impl Kind<Vec<String>> for Addresses {
    fn parse(&self, words: &[Vec<u8>], _: &Vec<String>) -> Result<Vec<String>, String> {
        if words.len() > Self::MAX {
            return Err("Too many bind addresses specified.".into());
        }
        let address = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
        // `bind ""` listens on no address at all.
        Ok(words.iter().filter(|word| !word.is_empty()).map(address).collect())
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
        if let [word] = words
            && word.is_empty()
        {
            return Ok(Vec::new());
        }
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
        if let [word] = words
            && word.is_empty()
        {
            return Ok(Vec::new());
        }
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
    const LETTERS: [(u8, KeyspaceEvents); 14] = [
        (b'g', KeyspaceEvents::GENERIC),
        (b'$', KeyspaceEvents::STRING),
        (b'l', KeyspaceEvents::LIST),
        (b's', KeyspaceEvents::SET),
        (b'h', KeyspaceEvents::HASH),
        (b'z', KeyspaceEvents::ZSET),
        (b'x', KeyspaceEvents::EXPIRED),
        (b'e', KeyspaceEvents::EVICTED),
        (b't', KeyspaceEvents::STREAM),
        (b'd', KeyspaceEvents::MODULE),
        (b'n', KeyspaceEvents::NEW),
        (b'K', KeyspaceEvents::KEYSPACE),
        (b'E', KeyspaceEvents::KEYEVENT),
        (b'm', KeyspaceEvents::KEY_MISS),
    ];
}

impl Kind<KeyspaceEvents> for EventLetters {
    fn parse(&self, words: &[Vec<u8>], _: &KeyspaceEvents) -> Result<KeyspaceEvents, String> {
        let mut events = KeyspaceEvents::empty();
        for &byte in single(words)? {
            let class = Self::LETTERS.iter().find(|(letter, _)| *letter == byte);
            events |= match (byte, class) {
                (b'A', _) => KeyspaceEvents::ALL,
                (_, Some((_, class))) => *class,
                (_, None) => {
                    return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into());
                }
            };
        }
        Ok(events)
    }

    fn show(&self, value: &KeyspaceEvents) -> Vec<u8> {
        let mut shown = Vec::new();
        let mut rest = *value;
        if value.contains(KeyspaceEvents::ALL) {
            shown.push(b'A');
            // COMPAT: Redis leaves out the `n` too once it shows `A`.
            rest -= KeyspaceEvents::ALL | KeyspaceEvents::NEW;
        }
        let set = Self::LETTERS.iter().filter(|(_, class)| rest.contains(*class));
        shown.extend(set.map(|(letter, _)| letter));
        shown
    }

    fn lines(&self, value: &KeyspaceEvents) -> Vec<Vec<u8>> {
        // Unlike CONFIG GET, a file must not lose the `n` beside an `A`.
        let mut letters = self.show(value);
        if value.contains(KeyspaceEvents::ALL | KeyspaceEvents::NEW) {
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
