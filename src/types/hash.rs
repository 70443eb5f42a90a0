//! Hashes: a listpack of fields and values while small, a table of fields beyond.
#![allow(unsafe_code)]

mod field;

use super::sampling::{Selection, is_few};
use super::{Collection, Encoding, Type};
use crate::encoding::hash::hash;
use crate::encoding::hashtable::{Element, HashTable};
use crate::encoding::listpack::Listpack;
use field::Field;
use std::collections::HashSet;
use std::ptr::NonNull;

/// The limits of a hash that is a listpack: `hash-max-listpack-entries` and `hash-max-listpack-value`.
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

    /// The slots of the table, if it is one: see [`HashTable::slots`].
    pub fn table_slots(&self) -> Option<(usize, Option<usize>)> {
        match self {
            Hash::Table(table) => Some(table.slots()),
            Hash::Listpack(_) => None,
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
        let found = table.find(hash, name).map(|(slot, _)| slot);
        match found {
            Some(slot) => table.at_mut(slot).set_value(value),
            None => table.insert_new_hashed(hash, Field::new(name, value)),
        }
        found.is_none()
    }

    /// Prepares for up to `fields` new fields.
    ///
    /// COMPAT: if that many could exceed the limit, the hash becomes a table, even if it turns out
    /// that the same field was meant repeatedly.
    pub fn prepare_for(&mut self, fields: usize, limits: HashLimits) {
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

    /// Prefetches the bucket of a field with this hash.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        if let Hash::Table(table) = self {
            table.prefetch_bucket(hash);
        }
    }

    /// Prefetches the field that a hash may mean; best some time after [`Self::prefetch_bucket`].
    #[inline]
    pub fn prefetch_element(&self, hash: u64) {
        if let Hash::Table(table) = self {
            table.prefetch_element(hash);
        }
    }

    /// The name and value of a random field; all are equally likely.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(&[u8], &[u8])> {
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
    /// choice of that many being equally likely.
    pub fn sample<'a>(&'a self, count: usize, rng: &mut fastrand::Rng, mut visit: impl FnMut(&'a [u8], &'a [u8])) {
        if let Hash::Table(table) = self
            && is_few(count, table.len())
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
        let mut selection = Selection::new(count, self.len());
        self.for_each(|name, value| {
            if selection.takes_next(rng) {
                visit(name, value);
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const LIMITS: HashLimits = HashLimits { fields: 8, text_bytes: 10 };
    const UNLIMITED: HashLimits = HashLimits { fields: usize::MAX, text_bytes: usize::MAX };

    #[derive(Clone, Debug)]
    enum Operation {
        Set(u8, Vec<u8>),
        /// So many fields from one on.
        SetMany(u8, u8),
        RemoveMany(u8, u8),
        Remove(u8),
        Copy,
        Move,
    }

    fn operation() -> impl Strategy<Value = Operation> {
        let value = prop_oneof![9 => 0..10usize, 1 => 10..300usize].prop_map(|len| vec![b'v'; len]);
        prop_oneof![
            8 => (0..20u8, value).prop_map(|(n, value)| Operation::Set(n, value)),
            4 => (0..20u8).prop_map(Operation::Remove),
            1 => (any::<u8>(), any::<u8>()).prop_map(|(from, count)| Operation::SetMany(from, count)),
            1 => (any::<u8>(), any::<u8>()).prop_map(|(from, count)| Operation::RemoveMany(from, count)),
            1 => Just(Operation::Copy),
            1 => Just(Operation::Move),
        ]
    }

    fn name(n: u8) -> Vec<u8> {
        format!("field{n}").into_bytes()
    }

    fn range(from: u8, count: u8) -> impl Iterator<Item = u8> {
        (0..count).map(move |i| from.wrapping_add(i))
    }

    fn contents(hash: &Hash) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut contents = BTreeMap::new();
        hash.for_each(|name, value| assert!(contents.insert(name.to_vec(), value.to_vec()).is_none()));
        contents
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// With a scan running alongside: what was there throughout is seen.
        #[test]
        fn behaves_as_a_map(operations in prop::collection::vec(operation(), 0..60)) {
            let (mut hash, mut oracle) = (Hash::new(), BTreeMap::new());
            let mut is_table = false;
            let (mut cursor, mut seen, mut throughout) = (0, BTreeMap::new(), oracle.clone());
            for operation in operations {
                let (set, remove) = match &operation {
                    Operation::Set(n, value) => (vec![(*n, value.clone())], vec![]),
                    Operation::SetMany(from, count) => (range(*from, *count).map(|n| (n, vec![n])).collect(), vec![]),
                    Operation::Remove(n) => (vec![], vec![*n]),
                    Operation::RemoveMany(from, count) => (vec![], range(*from, *count).collect()),
                    Operation::Copy => {
                        hash = hash.clone();
                        // A copy is made anew, so a scan of the original means nothing to it.
                        (cursor, throughout) = (0, BTreeMap::new());
                        (vec![], vec![])
                    }
                    Operation::Move => {
                        let (encoding, pointer) = hash.into_raw();
                        prop_assert_eq!(encoding == Encoding::HashTable, is_table);
                        // SAFETY: the parts just came from `into_raw`.
                        hash = unsafe { Hash::from_raw(encoding, pointer) };
                        (vec![], vec![])
                    }
                };
                for (n, value) in set {
                    let was_there = oracle.insert(name(n), value.clone()).is_some();
                    prop_assert_eq!(hash.set(&name(n), &value, LIMITS), !was_there);
                    is_table |= oracle.len() > LIMITS.fields || value.len() > LIMITS.text_bytes;
                }
                for n in remove {
                    prop_assert_eq!(hash.remove(&name(n)), oracle.remove(&name(n)).is_some());
                    throughout.remove(&name(n));
                }
                prop_assert_eq!(hash.len(), oracle.len());
                prop_assert_eq!(matches!(hash, Hash::Table(_)), is_table);

                if cursor == 0 {
                    seen.clear();
                    throughout = oracle.clone();
                }
                cursor = hash.scan(cursor, 3, |name, value| { seen.insert(name.to_vec(), value.to_vec()); });
                if cursor == 0 {
                    prop_assert!(throughout.keys().all(|name| seen.contains_key(name)));
                }
            }
            prop_assert_eq!(contents(&hash), oracle.clone());
            for n in 0..=u8::MAX {
                prop_assert_eq!(hash.get(&name(n)), oracle.get(&name(n)).map(Vec::as_slice));
            }
            prop_assert!(hash.memory_usage() >= oracle.iter().map(|(name, value)| name.len() + value.len()).sum());
        }
    }

    fn hash_of(fields: u32, limits: HashLimits) -> Hash {
        let mut hash = Hash::new();
        (0..fields).for_each(|n| assert!(hash.set(&n.to_le_bytes(), b"value", limits)));
        hash
    }

    fn number(name: &[u8]) -> usize {
        u32::from_le_bytes(name.try_into().unwrap()) as usize
    }

    /// How often each of some fields came, and that this is fair: each about `mean` times.
    fn assert_fair(counts: &[u32], mean: f64) {
        // The sum of squares is about normal, with mean n and variance 2 n at most.
        let deviation: f64 = counts.iter().map(|&count| (count as f64 - mean).powi(2) / mean).sum();
        let fields = counts.len() as f64;
        assert!(deviation < fields + 8.0 * (2.0 * fields).sqrt(), "{deviation} for {fields} fields");
    }

    #[test]
    fn every_field_is_as_likely() {
        for hash in [hash_of(300, UNLIMITED), hash_of(300, LIMITS)] {
            let mut rng = fastrand::Rng::with_seed(7);
            let mut counts = vec![0; hash.len()];
            (0..300 * 100).for_each(|_| counts[number(hash.random(&mut rng).unwrap().0)] += 1);
            assert_fair(&counts, 100.0);
            for wanted in [1, 20, 99, 150, 299] {
                let mut counts = vec![0; hash.len()];
                for _ in 0..30_000 / wanted {
                    let mut picked = HashSet::new();
                    hash.sample(wanted, &mut rng, |name, _| assert!(picked.insert(number(name))));
                    assert_eq!(picked.len(), wanted);
                    picked.into_iter().for_each(|n| counts[n] += 1);
                }
                assert_fair(&counts, (30_000 / wanted * wanted) as f64 / 300.0);
            }
            let mut all = 0;
            hash.sample(usize::MAX, &mut rng, |_, _| all += 1);
            assert_eq!(all, 300);
        }
    }

    #[test]
    fn many_fields_expected_at_once_make_a_table() {
        let mut hash = hash_of(3, LIMITS);
        hash.prepare_for(8, LIMITS);
        assert!(matches!(hash, Hash::Listpack(_)));
        hash.prepare_for(9, LIMITS);
        assert!(matches!(hash, Hash::Table(_)));
        assert_eq!(hash.len(), 3);
        assert!(matches!(Hash::with_capacity(9, 1000, LIMITS), Hash::Table(_)));
    }

    #[test]
    fn memory_usage_of_many_fields_is_estimated_well() {
        let mut hash = hash_of(20_000, LIMITS);
        (0..20_000u32).step_by(2).for_each(|n| assert!(!hash.set(&n.to_le_bytes(), &[0; 100], LIMITS)));
        let Hash::Table(table) = &hash else { panic!("beyond the limits") };
        let exact = table.array_bytes() + 10_000 * (16 + 112);
        let estimate = hash.memory_usage();
        assert!(estimate.abs_diff(exact) < exact / 10, "{estimate} for {exact}");
    }
}
