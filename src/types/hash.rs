//! Hashes: a listpack of fields and values while small, a table of fields beyond.
#![allow(unsafe_code)]

mod field;

use super::{Collection, Encoding, Type};
use crate::encoding::hash::hash;
use crate::encoding::hashtable::{Element, HashTable};
use crate::encoding::listpack::Listpack;
use fastrand::Rng;
use field::Field;
use std::collections::HashSet;
use std::ptr::NonNull;

/// Up to where a hash is a listpack: `hash-max-listpack-entries` and `hash-max-listpack-value`.
#[derive(Clone, Copy, Debug)]
pub struct HashLimits {
    pub fields: usize,
    /// Bytes of a field's name or of its value.
    pub text_bytes: usize,
}

/// A hash. Once it is a table it stays one, however small it gets.
#[derive(Clone)]
pub enum Hash {
    /// Each field's name followed by its value.
    Listpack(Listpack),
    Table(Box<HashTable<Field>>),
}

impl Hash {
    pub fn new() -> Hash {
        Hash::Listpack(Listpack::new())
    }

    /// A hash that is about to get `fields` fields of `bytes` bytes together.
    pub fn with_capacity(fields: usize, bytes: usize, limits: HashLimits) -> Hash {
        if fields > limits.fields {
            return Hash::Table(Box::new(HashTable::with_capacity(fields)));
        }
        Hash::Listpack(Listpack::with_capacity(2 * fields, bytes.min((2 * fields).saturating_mul(limits.text_bytes))))
    }

    /// The number of fields.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Hash::Listpack(pairs) => pairs.len() / 2,
            Hash::Table(table) => table.len(),
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a field.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        match self {
            Hash::Listpack(pairs) => pairs.get_pair(name).map(|(_, value)| value),
            Hash::Table(table) => table.get(name).map(|field| Field::parts(field).1),
        }
    }

    /// Sets a field; true if it is new.
    pub fn set(&mut self, name: &[u8], value: &[u8], limits: HashLimits) -> bool {
        if let Hash::Listpack(pairs) = self
            && name.len().max(value.len()) <= limits.text_bytes
            && pairs.fits(2, name.len() + value.len())
        {
            let found = pairs.find_pair(name);
            if pairs.len() / 2 + found.is_none() as usize <= limits.fields {
                match found {
                    Some(index) => pairs.replace(index + 1, value),
                    None => pairs.push_pair(name, value),
                }
                return found.is_none();
            }
        }
        let table = self.table_mut(0);
        let hash = hash(name);
        let found = table.find(hash, name);
        match found {
            Some(slot) => table.at_mut(slot).set_value(value),
            None => table.insert_new_hashed(hash, Field::new(name, value)),
        }
        found.is_none()
    }

    /// Prepares for `fields` fields to be set, any of which may be new.
    ///
    /// COMPAT: where so many at once are beyond the limit the hash becomes a table, even if it
    /// turns out that the same field was meant repeatedly.
    pub fn expect(&mut self, fields: usize, limits: HashLimits) {
        if fields > limits.fields {
            self.table_mut(fields);
        }
    }

    /// The table, which a listpack becomes first, with room for `fields` more fields.
    fn table_mut(&mut self, fields: usize) -> &mut HashTable<Field> {
        if let Hash::Listpack(pairs) = self {
            let mut table = HashTable::with_capacity(pairs.len() / 2 + fields);
            for_each_pair(pairs, |name, value| table.insert_new(Field::new(name, value)));
            *self = Hash::Table(Box::new(table));
        }
        match self {
            Hash::Table(table) => table,
            Hash::Listpack(_) => unreachable!("just converted"),
        }
    }

    /// Removes a field; true if it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        match self {
            Hash::Listpack(pairs) => match pairs.find_pair(name) {
                Some(index) => {
                    pairs.remove_range(index..index + 2);
                    true
                }
                None => false,
            },
            Hash::Table(table) => table.remove(name).is_some(),
        }
    }

    /// Calls `visit` with each field's name and value.
    pub fn for_each<'a>(&'a self, mut visit: impl FnMut(&'a [u8], &'a [u8])) {
        match self {
            Hash::Listpack(pairs) => for_each_pair(pairs, visit),
            Hash::Table(table) => table.iter().map(Field::parts).for_each(|(name, value)| visit(name, value)),
        }
    }

    /// Calls `visit` for about `count` fields from `cursor` on; gives the cursor to go on with, 0 at
    /// the end. Every field that is there throughout is visited. A listpack is visited at once.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], &[u8])) -> u64 {
        match self {
            Hash::Listpack(pairs) => {
                for_each_pair(pairs, visit);
                0
            }
            Hash::Table(table) => table.scan_at_least(cursor, count, |field| visit(field.key(), field.value())),
        }
    }

    /// A random field's name and value, each field being as likely as any other.
    pub fn random(&self, rng: &mut Rng) -> Option<(&[u8], &[u8])> {
        match self {
            Hash::Listpack(pairs) if pairs.is_empty() => None,
            Hash::Listpack(pairs) => {
                let index = rng.usize(..pairs.len() / 2) * 2;
                let mut pair = pairs.range(index..index + 2);
                Some((pair.next()?, pair.next()?))
            }
            Hash::Table(table) => table.random(|| rng.u64(..)).map(Field::parts),
        }
    }

    /// Calls `visit` for `count` different fields at random (all of them, if there are fewer), each
    /// set of so many being as likely as any other.
    pub fn sample<'a>(&'a self, count: usize, rng: &mut Rng, mut visit: impl FnMut(&'a [u8], &'a [u8])) {
        /// Picking one of many at random costs about as much as passing by so many in order.
        const PASSED_PER_PICK: usize = 3;
        if let Hash::Table(table) = self
            && count.saturating_mul(PASSED_PER_PICK) < table.len()
        {
            let mut picked = HashSet::with_capacity(count);
            while picked.len() < count {
                let (name, value) = self.random(rng).expect("more than are wanted");
                if picked.insert(name) {
                    visit(name, value);
                }
            }
            return;
        }
        // Each in turn is taken with the probability that is left for it.
        let (mut wanted, mut left) = (count.min(self.len()), self.len());
        self.for_each(|name, value| {
            if rng.usize(..left) < wanted {
                visit(name, value);
                wanted -= 1;
            }
            left -= 1;
        });
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

fn for_each_pair<'a>(pairs: &'a Listpack, mut visit: impl FnMut(&'a [u8], &'a [u8])) {
    let mut texts = pairs.iter();
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        visit(name, value);
    }
}

// SAFETY: each encoding goes with its kind of pointer, and only hashes have these encodings.
unsafe impl Collection for Hash {
    const TYPE: Type = Type::Hash;

    #[inline]
    fn into_raw(self) -> (Encoding, NonNull<u8>) {
        match self {
            Hash::Listpack(pairs) => (Encoding::HashListpack, pairs.into_raw()),
            Hash::Table(table) => (Encoding::HashTable, NonNull::from(Box::leak(table)).cast()),
        }
    }

    #[inline]
    unsafe fn from_raw(encoding: Encoding, pointer: NonNull<u8>) -> Self {
        // SAFETY: by the contract the pointer came from `into_raw` above, with this encoding.
        unsafe {
            match encoding {
                Encoding::HashListpack => Hash::Listpack(Listpack::from_raw(pointer)),
                Encoding::HashTable => Hash::Table(Box::from_raw(pointer.as_ptr().cast())),
                _ => unreachable!("not a hash's encoding"),
            }
        }
    }

    fn free_effort(&self) -> usize {
        match self {
            Hash::Listpack(_) => 1,
            Hash::Table(table) => table.len(),
        }
    }

    fn memory_usage(&self) -> usize {
        match self {
            Hash::Listpack(pairs) => pairs.bytes(),
            Hash::Table(table) => size_of::<HashTable<Field>>() + table.memory_usage(|field| field.allocated()),
        }
    }
}
