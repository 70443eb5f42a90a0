//! A whole data set, read in steps: from a file, or from bytes that are fed as they come.
//!
//! ```text
//! let mut load = RdbLoad::fed(LoadFor::Replay, &config);
//! loop {
//!     load.feed(&bytes);
//!     match load.step(&mut keyspace, &config, 2 << 20)? {
//!         LoadStep::More => ...        // step again, perhaps after serving others
//!         LoadStep::NotYet => ...      // feed it more first
//!         LoadStep::Done => break,     // load.rest() is what was fed beyond the end
//!     }
//! }
//! ```
//!
//! What always holds between two steps: the reader is at the beginning of an item (a key with its value,
//! an element of a large value, or a fact about the data set), and all before it is in the keyspace.

use super::file::*;
use super::load::{Begun, Growing, begin_value};
use super::{KeyFacts, RdbError, Reader, ValueType, module};
use crate::config::Config;
use crate::keyspace::{AlreadyThere, Arrivals, Entry, Keyspace, LastUse};
use crate::persist::delay;
use std::fmt;
use std::io::Read;

/// The latest version that is read: that of Redis 7.4.
const VERSION_MAX: u16 = 12;
/// From this version on there is a checksum.
const CHECKSUM_SINCE: u16 = 5;
/// Room is made in advance for this many keys at most: half a gigabyte, untouched.
const EXPECTED_MAX: u64 = 1 << 26;
const TWICE: RdbError = RdbError::Corrupt("a key that is there twice");
/// Facts about the data set that are kept; nobody writes more.
const FACTS_MAX: usize = 64;

/// What is wrong with a data set, and where.
#[derive(Debug)]
pub struct LoadFailure {
    pub error: RdbError,
    pub offset: u64,
}

impl fmt::Display for LoadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.error, self.offset)
    }
}

/// The keys of a data set that was read.
#[derive(Clone, Copy, Default, Debug)]
pub struct Loaded {
    pub keys: u64,
    /// Past their time, and left out.
    pub expired: u64,
    /// Without a value, and left out.
    pub empty: u64,
    /// Of those that were read, with a time.
    pub volatile: u64,
}

/// What a data set is loaded for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadFor {
    /// An empty keyspace, as it is to be from now on: keys past their time are left out.
    Start,
    /// The same, into a keyspace with keys: those of the data set replace them.
    Merge,
    /// An empty keyspace for commands that follow, of the append-only file or of a primary. They found
    /// keys that are past their time by now, so all are loaded.
    Replay,
    /// Only to see whether it could be: nothing is kept. Keys past their time are counted.
    Check,
}

/// How far a step has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadStep {
    /// There is more to be read.
    More,
    /// There is more to be fed.
    NotYet,
    /// All of the data set is there.
    Done,
}

/// What a data set is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item {
    Header,
    Fact,
    Database,
    /// How many keys a database has.
    Size,
    Key,
    /// What a module saved beside the keys.
    ModuleData,
    End,
    /// Nobody knows yet.
    Next,
}

/// A data set on its way into a keyspace.
pub struct RdbLoad<'s> {
    reader: Reader<'s>,
    purpose: LoadFor,
    /// None before the header was read.
    version: Option<u16>,
    db: usize,
    /// What was read last, or begun.
    item: Item,
    next: NextKey,
    /// The value of the key that is read, if it is a large one.
    growing: Option<Growing>,
    /// What comes next was saved by a module.
    in_module_data: bool,
    arrivals: Arrivals,
    facts: Vec<Fact>,
    /// The codes of libraries of functions.
    libraries: Vec<Box<[u8]>>,
    loaded: Loaded,
}

/// What a data set says of itself.
struct Fact {
    name: Box<[u8]>,
    value: Box<[u8]>,
}

/// What is known of a key before its value.
#[derive(Default)]
struct NextKey {
    name: Vec<u8>,
    expire_at: Option<i64>,
    last_use: LastUse,
}

impl NextKey {
    fn facts(&self, keyspace: &Keyspace) -> KeyFacts<'_> {
        let clock = keyspace.access.stamp_of(self.last_use);
        KeyFacts { name: &self.name, expire_at: self.expire_at, clock }
    }
}

impl<'s> RdbLoad<'s> {
    /// Loads what is read from `source`.
    pub fn new(source: impl Read + 's, purpose: LoadFor, config: &Config) -> RdbLoad<'s> {
        RdbLoad::from(Reader::new(source, config.rdbchecksum), purpose)
    }

    /// Loads what is [fed](Self::feed) to it.
    pub fn fed(purpose: LoadFor, config: &Config) -> RdbLoad<'static> {
        RdbLoad::from(Reader::fed(config.rdbchecksum), purpose)
    }

    fn from(reader: Reader<'s>, purpose: LoadFor) -> RdbLoad<'s> {
        RdbLoad {
            reader,
            purpose,
            version: None,
            db: 0,
            item: Item::Header,
            next: NextKey::default(),
            growing: None,
            in_module_data: false,
            arrivals: Arrivals::default(),
            facts: Vec::new(),
            libraries: Vec::new(),
            loaded: Loaded::default(),
        }
    }

    /// What follows what was fed before. Little is kept of it: what is no whole item yet.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.reader.feed(bytes);
    }

    /// What was fed, but not read. Once the data set is there: what comes after it.
    pub fn rest(&self) -> &[u8] {
        self.reader.rest()
    }

    /// Bytes of the data set that were read; in the end, its length.
    pub fn position(&self) -> u64 {
        self.reader.position()
    }

    pub fn loaded(&self) -> Loaded {
        self.loaded
    }

    /// What the data set is loaded for.
    pub fn purpose(&self) -> LoadFor {
        self.purpose
    }

    /// The codes of its libraries of functions, which whoever loads it has to load.
    pub fn take_libraries(&mut self) -> Vec<Box<[u8]>> {
        std::mem::take(&mut self.libraries)
    }

    /// What the data set says of itself (an AUX field, such as `repl-id`), as far as that was read.
    pub fn fact(&self, name: &[u8]) -> Option<&[u8]> {
        self.facts.iter().find(|fact| *fact.name == *name).map(|fact| &*fact.value)
    }

    /// The last fact that was read.
    pub fn last_fact(&self) -> Option<(&[u8], &[u8])> {
        self.facts.last().map(|fact| (&*fact.name, &*fact.value))
    }

    /// What was read last or, after a failure, begun.
    pub fn item(&self) -> Item {
        self.item
    }

    /// The database that keys are for at present.
    pub fn db(&self) -> usize {
        self.db
    }

    /// The name of the key that was read last or, after a failure, begun.
    pub fn key(&self) -> &[u8] {
        &self.next.name
    }

    /// Reads on by about `bytes` bytes.
    pub fn step(&mut self, keyspace: &mut Keyspace, config: &Config, bytes: u64) -> Result<LoadStep, LoadFailure> {
        if !self.reader.is_enough() {
            return Ok(LoadStep::NotYet);
        }
        let selected = keyspace.selected();
        keyspace.select(self.db);
        let result = self.read_until(self.reader.position().saturating_add(bytes), keyspace, config);
        let result = self.settle(keyspace).and(result);
        keyspace.select(selected);
        match result {
            Err(RdbError::NotYet) => {
                self.reader.rewind();
                Ok(LoadStep::NotYet)
            }
            result => result.map_err(|error| LoadFailure { error, offset: self.reader.position() }),
        }
    }

    /// Reads all of it.
    pub fn run(&mut self, keyspace: &mut Keyspace, config: &Config) -> Result<Loaded, LoadFailure> {
        match self.step(keyspace, config, u64::MAX)? {
            LoadStep::Done => Ok(self.loaded),
            step => unreachable!("{step:?} without a bound, from a source"),
        }
    }

    fn settle(&mut self, keyspace: &mut Keyspace) -> Result<(), RdbError> {
        keyspace.settle(self.purpose == LoadFor::Merge, &mut self.arrivals).map_err(|AlreadyThere| TWICE)
    }

    fn read_until(&mut self, until: u64, keyspace: &mut Keyspace, config: &Config) -> Result<LoadStep, RdbError> {
        loop {
            self.reader.mark();
            if let Some(value) = &mut self.growing {
                if !value.grow(until, &mut self.reader, config)? {
                    return Ok(LoadStep::More);
                }
                let value = self.growing.take().expect("just seen");
                let entry = value.finish(&self.next.facts(keyspace), config);
                self.key_done(entry, keyspace, config)?;
                continue;
            }
            if self.reader.position() >= until {
                return Ok(LoadStep::More);
            }
            let Some(version) = self.version else {
                self.version = Some(load_header(&mut self.reader)?);
                continue;
            };
            if self.in_module_data {
                self.in_module_data = module::skip_item(&mut self.reader)?;
                continue;
            }
            self.item = Item::Next;
            let opcode = self.reader.byte()?;
            if opcode == EOF {
                self.item = Item::End;
                check_end(version, &mut self.reader)?;
                self.reader.mark();
                return Ok(LoadStep::Done);
            }
            self.read_item(opcode, keyspace, config)?;
        }
    }

    /// Reads what an opcode, or the type of a key's value, begins.
    fn read_item(&mut self, opcode: u8, keyspace: &mut Keyspace, config: &Config) -> Result<(), RdbError> {
        match opcode {
            AUX => {
                self.item = Item::Fact;
                let name = Box::from(self.reader.string()?);
                let value = Box::from(self.reader.string()?);
                if self.facts.len() < FACTS_MAX {
                    self.facts.push(Fact { name, value });
                }
            }
            SELECT_DB => {
                self.item = Item::Database;
                let number = self.reader.length()?;
                let number = usize::try_from(number).ok().filter(|&number| number < keyspace.databases());
                self.settle(keyspace)?;
                self.db = number.ok_or(RdbError::Corrupt("a database beyond those configured"))?;
                keyspace.select(self.db);
            }
            RESIZE_DB => {
                self.item = Item::Size;
                let keys = self.reader.length()?.min(EXPECTED_MAX);
                // Of them, those that expire.
                self.reader.length()?;
                if self.purpose != LoadFor::Check {
                    keyspace.reserve_keys(keys as usize);
                }
            }
            SLOT_INFO => {
                self.item = Item::Size;
                let _: [u64; 3] = [self.reader.length()?, self.reader.length()?, self.reader.length()?];
            }
            EXPIRE_MS => self.next.expire_at = Some(i64::from_le_bytes(self.reader.array()?)),
            EXPIRE_S => self.next.expire_at = Some(i32::from_le_bytes(self.reader.array()?) as i64 * 1000),
            IDLE => self.next.last_use = LastUse::IdleSeconds(self.reader.length()?),
            FREQ => self.next.last_use = LastUse::Frequency(self.reader.byte()?),
            FUNCTION => {
                let code = self.reader.string()?.into();
                self.libraries.push(code);
            }
            MODULE_AUX => {
                self.item = Item::ModuleData;
                let name = module::begin_aux(&mut self.reader)?;
                log::warn!("Leaving out what the module type '{name}' saved beside the keys: there are no modules");
                self.in_module_data = true;
            }
            type_byte => self.begin_key(type_byte, keyspace, config)?,
        }
        Ok(())
    }

    /// Reads a key's name, and its value unless that is read piece by piece.
    fn begin_key(&mut self, type_byte: u8, keyspace: &mut Keyspace, config: &Config) -> Result<(), RdbError> {
        let value_type = ValueType::from_byte(type_byte);
        if value_type.is_none() && !module::VALUE_TYPES.contains(&type_byte) {
            return Err(RdbError::Corrupt("unknown type"));
        }
        self.next.name.clear();
        self.next.name.extend_from_slice(self.reader.string()?);
        self.item = Item::Key;
        let Some(value_type) = value_type else {
            return Err(RdbError::Module(module::type_name(self.reader.length()?)));
        };
        match begin_value(&self.next.facts(keyspace), value_type, &mut self.reader, config) {
            Ok(Begun::Growing(value)) => self.growing = Some(value),
            Ok(Begun::Whole(entry)) => self.key_done(Ok(entry), keyspace, config)?,
            Err(error) => self.key_done(Err(error), keyspace, config)?,
        }
        Ok(())
    }

    /// A key was read, or could not be.
    fn key_done(
        &mut self,
        entry: Result<Entry, RdbError>,
        keyspace: &mut Keyspace,
        config: &Config,
    ) -> Result<(), RdbError> {
        match entry {
            // COMPAT: there were Redises that wrote such keys.
            Err(RdbError::EmptyCollection) => {
                log::info!("skipping empty key: {}", self.next.name.escape_ascii());
                self.loaded.empty += 1;
            }
            Err(error) => return Err(error),
            Ok(entry) => {
                let is_past = self.next.expire_at.is_some_and(|at| at < keyspace.now_ms);
                self.loaded.volatile += self.next.expire_at.is_some() as u64;
                if self.purpose == LoadFor::Check {
                    self.loaded.keys += 1;
                    self.loaded.expired += is_past as u64;
                } else if self.purpose != LoadFor::Replay && is_past {
                    self.loaded.expired += 1;
                    // Replicas that go on from this data set still have the key.
                    let selected = keyspace.selected();
                    keyspace.effects.deleted.push(selected, &[b"DEL", &self.next.name]);
                } else {
                    let replace = self.purpose == LoadFor::Merge;
                    keyspace.arrive(entry, replace, &mut self.arrivals).map_err(|AlreadyThere| TWICE)?;
                    self.loaded.keys += 1;
                }
            }
        }
        (self.next.expire_at, self.next.last_use) = (None, LastUse::Now);
        delay(config.key_load_delay);
        Ok(())
    }
}

/// Gives the version.
fn load_header(reader: &mut Reader) -> Result<u16, RdbError> {
    const NOT_RDB: RdbError = RdbError::Corrupt("not an RDB file");
    let magic: [u8; 9] = reader.array()?;
    let digits = magic.strip_prefix(b"REDIS").ok_or(NOT_RDB)?;
    let version: u16 = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(NOT_RDB)?;
    let is_known = (1..=VERSION_MAX).contains(&version);
    if is_known { Ok(version) } else { Err(RdbError::Corrupt("a version that is not known")) }
}

fn check_end(version: u16, reader: &mut Reader) -> Result<(), RdbError> {
    let is = reader.checksum();
    let stated = if version >= CHECKSUM_SINCE { u64::from_le_bytes(reader.array()?) } else { NO_CHECKSUM };
    let is_right = stated == NO_CHECKSUM || is.is_none_or(|is| is == stated);
    if is_right { Ok(()) } else { Err(RdbError::Corrupt("CRC error: the checksum is wrong")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::stream_log::StreamId;
    use crate::keyspace::NewExpiry;
    use crate::persist::rdb::{VERSION, save_data_set};
    use crate::types::hash::Hash;
    use crate::types::list::{Element, End, List};
    use crate::types::set::{MemberRef, Set};
    use crate::types::stream::Stream;
    use crate::types::stream::group::{Group, Pending};
    use crate::types::string::NewString;
    use crate::types::zset::ZSet;
    use proptest::prelude::*;

    /// A data set with large and small values of all types.
    fn data_set(config: &Config, large: usize) -> Keyspace {
        let mut keyspace = Keyspace::new(3, 1);
        for (db, count) in [(0, 3), (2, large)] {
            keyspace.select(db);
            for i in 0..count {
                let (key, value) = (format!("key:{i}"), "value ".repeat(i));
                keyspace.set_string(key.as_bytes(), NewString::new(value.as_bytes()), NewExpiry::At(1 << 50));
            }
            let mut list = List::new();
            let (mut hash, mut set, mut zset) =
                (Hash::new(), Set::with_capacity(0, b"x", config.set_limits()), ZSet::new());
            let mut stream = Stream::default();
            for i in 0..count {
                let text = format!("element {i}");
                list.push(End::Tail, Element::Slice(text.as_bytes()), config.list_limits());
                hash.set(text.as_bytes(), &vec![b'v'; i], config.hash_limits());
                set.insert(MemberRef::Text(text.as_bytes()), config.set_limits());
                zset.insert(text.as_bytes(), i as f64 / 7.0, config.zset_limits());
                let id = StreamId::new(1 + i as u64, 5);
                stream.entries.add(id, [(&b"field"[..], text.as_bytes())].into_iter(), config.stream_node_limits());
            }
            for name in ["one", "two"] {
                let mut group = Group::new(StreamId::new(2, 0), Some(1));
                for consumer in ["a", "b"] {
                    let consumer = group.add_consumer(consumer.as_bytes(), 7).unwrap();
                    for i in 0..count as u64 / 2 {
                        let id = StreamId::new(1 + 2 * i + consumer as u64, 5);
                        group.deliver(id, Pending { consumer, delivered_ms: 9, deliveries: 3 });
                    }
                }
                stream.groups.insert(name.as_bytes().into(), group);
            }
            keyspace.set_collection(b"list", list);
            keyspace.set_collection(b"hash", hash);
            keyspace.set_collection(b"set", set);
            keyspace.set_collection(b"zset", zset);
            keyspace.set_collection(b"stream", Box::new(stream));
        }
        keyspace
    }

    #[test]
    fn what_a_node_of_a_cluster_says_of_its_slots_is_left_out() {
        let (config, mut keyspace) = (Config::default(), Keyspace::new(1, 1));
        let file = b"REDIS0012\xfe\0\xfb\x02\0\xf4\x41\xc1\x01\0\0\x01a\x01v\xf4\x51\xe0\x01\0\0\x01b\x01v\xff\0\0\0\0\0\0\0\0";
        let loaded = RdbLoad::new(&file[..], LoadFor::Start, &config).run(&mut keyspace, &config).unwrap();
        assert_eq!((loaded.keys, keyspace.dbs()[0].len()), (2, 2));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn fed_in_any_pieces_it_is_the_same(
            pieces in prop::collection::vec(1..2000usize, 1..40),
            bytes_of_a_step in 1..5000u64,
            large in 10..800usize,
        ) {
            let config = Config::default();
            let saved = data_set(&config, large);
            let mut file = Vec::new();
            let aux = [("repl-id", "abc".to_owned())];
            let data_set = DataSet { keyspace: &saved, with_keys: true, libraries: &[], aux: &aux };
            save_data_set(&data_set, &config, VERSION, &mut file, &mut || ()).unwrap();
            let len = file.len();
            file.extend_from_slice(b"and what follows");
            let mut loaded = Keyspace::new(3, 2);
            let mut load = RdbLoad::fed(LoadFor::Replay, &config);
            let mut left = &file[..];
            let mut pieces = pieces.iter().cycle();
            loop {
                match load.step(&mut loaded, &config, bytes_of_a_step).unwrap() {
                    LoadStep::More => (),
                    LoadStep::Done => break,
                    LoadStep::NotYet => {
                        let (piece, rest) = left.split_at(left.len().min(*pieces.next().unwrap()));
                        prop_assert!(!piece.is_empty());
                        load.feed(piece);
                        left = rest;
                    }
                }
            }
            prop_assert_eq!(loaded.digest(), saved.digest());
            prop_assert_eq!(load.position(), len as u64);
            prop_assert_eq!(&[load.rest(), left].concat()[..], b"and what follows");
            prop_assert_eq!(load.fact(b"repl-id"), Some(&b"abc"[..]));
            prop_assert_eq!(load.fact(b"repl-offset"), None);
            prop_assert_eq!(load.loaded().keys, 3 + 5 + large as u64 + 5);
            prop_assert_eq!(loaded.selected(), 0);

            let mut at_once = Keyspace::new(3, 3);
            RdbLoad::new(&file[..], LoadFor::Start, &config).run(&mut at_once, &config).unwrap();
            prop_assert_eq!(at_once.digest(), saved.digest());
        }
    }
}
