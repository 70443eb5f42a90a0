//! A digest of keys and values, for tests: equal data gives equal digests, whatever its encoding
//! and the order in which it came about.

use super::{Entry, Keyspace};
use crate::encoding::number::format_f64;
use crate::encoding::stream_log::StreamId;
use crate::types::Type;
use crate::types::hash::Hash;
use crate::types::list::List;
use crate::types::set::Set;
use crate::types::stream::Stream;
use crate::types::zset::ZSet;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The first 20 bytes of a SHA-256. That of nothing is all zeros.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Of these parts, in this order.
    fn of(parts: &[&[u8]]) -> Digest {
        let mut sha = Sha256::new();
        for part in parts {
            sha.update(part.len().to_le_bytes());
            sha.update(part);
        }
        Digest(*sha.finalize().first_chunk().expect("a SHA-256 has 32 bytes"))
    }

    /// Adds a member of something without order, where no member is twice.
    fn add(&mut self, member: Digest) {
        self.0.iter_mut().zip(member.0).for_each(|(byte, other)| *byte ^= other);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Entry {
    /// Of the value, and of whether it expires; when it does is not data.
    pub fn digest(&self) -> Digest {
        let value = match self.type_() {
            Type::String => {
                let string = self.string().expect("a string");
                Digest::of(&[string.bytes(&mut itoa::Buffer::new())])
            }
            Type::Set => {
                let mut members = Digest::default();
                let mut digits = itoa::Buffer::new();
                let set = self.collection::<Set>().expect("a set");
                set.iter().for_each(|member| members.add(Digest::of(&[member.bytes(&mut digits)])));
                members
            }
            Type::Hash => {
                let mut pairs = Digest::default();
                let hash = self.collection::<Hash>().expect("a hash");
                hash.for_each(|field, value| pairs.add(Digest::of(&[field, value])));
                pairs
            }
            Type::Stream => stream_digest(&self.collection::<Box<Stream>>().expect("a stream")),
            Type::ZSet => {
                let mut pairs = Digest::default();
                let zset = self.collection::<ZSet>().expect("a sorted set");
                zset.for_each(|member, score| pairs.add(Digest::of(&[member, &format_f64(score)])));
                pairs
            }
            Type::List => {
                let list = self.collection::<List>().expect("a list");
                let mut all = Digest::default();
                list.for_each(0..list.len(), |element| all = Digest::of(&[&all.0, &element]));
                all
            }
        };
        Digest::of(&[self.type_().name().as_bytes(), &[self.expire_at().is_some() as u8], &value.0])
    }
}

/// Of the entries, and of what each group has read and not acknowledged; times are not data.
fn stream_digest(stream: &Stream) -> Digest {
    let id_bytes = |id: StreamId| [id.ms.to_le_bytes(), id.seq.to_le_bytes()].concat();
    let mut all = Digest::default();
    for entry in stream.entries.log().range(StreamId::MIN, StreamId::MAX) {
        let fields =
            entry.fields().fold(Digest::default(), |before, (name, value)| Digest::of(&[&before.0, name, value]));
        all.add(Digest::of(&[b"entry", &id_bytes(entry.id), &fields.0]));
    }
    for (name, group) in &stream.groups {
        all.add(Digest::of(&[b"group", name, &id_bytes(group.last_id)]));
        for (&id, pending) in group.pending() {
            all.add(Digest::of(&[b"pending", name, &id_bytes(id), &group.consumer(pending.consumer).name]));
        }
    }
    Digest::of(&[&id_bytes(stream.entries.last_id()), &all.0])
}

impl Keyspace {
    /// Of all databases.
    pub fn digest(&self) -> Digest {
        let mut all = Digest::default();
        for (number, db) in self.dbs().iter().enumerate() {
            for entry in db.table().iter() {
                all.add(Digest::of(&[&number.to_le_bytes(), entry.key(), &entry.digest().0]));
            }
        }
        all
    }
}
