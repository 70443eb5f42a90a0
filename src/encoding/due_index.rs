//! Which keys expire when: due times and key hashes in 12 bytes each, for any number of keys.
//!
//! The index holds neither keys nor pointers, so a table can move its entries as it likes: what
//! comes due is a due time and 48 bits of a hash, and the owner looks in its table for keys of that
//! hash that are due. It follows that removing is lazy. [`DueIndex::forget`] only counts an item
//! that has become stale; where too many are, it looks at a few and drops those whose key is gone.
//!
//! It is a wheel. Time is counted in ticks of 4 ms, and a tick number is written in base 256, one
//! level a digit. Each level has slots for two turns of its digit:
//!
//! ```text
//!           this turn         next turn
//! level 0   256 slots 4 ms    256 slots 4 ms     due within 1 to 2 s
//! level 1   256 slots 1 s     256 slots 1 s      within 4 to 9 min
//! level 2   256 slots 4.4 min 256 ...            within 19 to 37 h
//! ...                                            level 5: all times that fit in 48 bits
//! ```
//!
//! An item waits at the lowest level that reaches it. When a slot of a level above 0 is the next
//! to come, its items begin to move down, some with each call; the second turn is the room they
//! move to. So however many keys a slot has, no call does much and nothing comes late, if calls
//! are made as [`DueIndex::next_due_ms`] asks.
//!
//! What always holds:
//!
//! * No slot of level 0 before the current tick has items. A slot of another level is empty before
//!   the current tick enters it, or else is being emptied before the tick goes on.
//! * The order in a slot means nothing. All chunks of a slot but its last are full.

use std::mem;

use super::size_class::size_class;

/// Times at or beyond this (the year 10889) are never due.
pub const DUE_END_MS: u64 = 1 << 48;

const TICK_BITS: u32 = 2;
const DIGIT_BITS: u32 = 8;
const SLOTS: usize = 2 << DIGIT_BITS;
const LEVELS: usize = 6;

/// Exactly 12 KiB, which is a size class of the allocator.
const CHUNK_ITEMS: usize = 1024;

/// Items that a call moves down when it returns a due one. An item passes through fewer levels than
/// this, so moving keeps pace however much is due.
const MOVES_WITH_A_DUE_ITEM: usize = LEVELS;

/// Fewer stale items in a slot are left alone.
const STALE_MIN: usize = 32;

/// How many items a call looks at where at least half are stale: on average it removes twice as
/// many as it was told to forget.
const LOOKS: usize = 4;

/// `due_ms` and the hash: their low halves, then the 16 high bits of each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item([u32; 3]);

impl Item {
    fn new(due_ms: u64, hash48: u64) -> Self {
        debug_assert!(due_ms < DUE_END_MS && hash48 >> 48 == 0);
        let high = (due_ms >> 32) << 16 | hash48 >> 32;
        Self([due_ms as u32, hash48 as u32, high as u32])
    }

    fn due_ms(self) -> u64 {
        u64::from(self.0[2] >> 16) << 32 | u64::from(self.0[0])
    }

    fn hash48(self) -> u64 {
        u64::from(self.0[2] & 0xffff) << 32 | u64::from(self.0[1])
    }
}

#[derive(Default)]
struct Slot {
    chunks: Vec<Vec<Item>>,
    /// Items that are probably stale.
    stale: u32,
    /// The next item to look at for staleness.
    cursor: u32,
    /// Items found stale since the cursor last began at 0.
    found: u32,
}

impl Slot {
    fn len(&self) -> usize {
        match self.chunks.last() {
            Some(last) => (self.chunks.len() - 1) * CHUNK_ITEMS + last.len(),
            None => 0,
        }
    }

    fn push(&mut self, item: Item) {
        if self.chunks.last().is_none_or(|last| last.len() == CHUNK_ITEMS) {
            self.chunks.push(Vec::new());
        }
        let last = self.chunks.last_mut().expect("one was just added");
        if last.len() == last.capacity() {
            // Grow to the end of the next size class: by a quarter at most, and all that is
            // allocated is used.
            let bytes = size_class((last.len() + 1) * size_of::<Item>());
            last.reserve_exact(bytes / size_of::<Item>() - last.len());
        }
        last.push(item);
    }

    /// Takes out an item. Once there are none the slot holds no memory.
    fn pop(&mut self) -> Option<Item> {
        let last = self.chunks.last_mut()?;
        let item = last.pop();
        if last.is_empty() {
            self.chunks.pop();
        }
        if self.chunks.is_empty() {
            *self = Self::default();
        }
        // There cannot be more stale items than items, nor a place to go on beyond the end.
        let len = self.len() as u32;
        self.stale = self.stale.min(len);
        self.cursor = self.cursor.min(len);
        item
    }

    /// Counts a stale item and, if they are too many, looks for some to drop. Returns how many
    /// it dropped.
    fn forget(&mut self, mut is_live: impl FnMut(u64, u64) -> bool) -> usize {
        let before = self.len();
        self.stale = (self.stale + 1).min(before as u32);
        for _ in 0..LOOKS {
            if self.cursor as usize >= self.len() {
                self.begin_again();
            }
            if !self.is_mostly_stale() {
                break;
            }
            let at = self.cursor as usize;
            let (chunk, place) = (at / CHUNK_ITEMS, at % CHUNK_ITEMS);
            let item = self.chunks[chunk][place];
            if is_live(item.due_ms(), item.hash48()) {
                self.cursor += 1;
            } else {
                self.found += 1;
                self.stale = self.stale.saturating_sub(1);
                // The last item takes its place, which is to be looked at next.
                let last = self.pop().expect("there is at least this item");
                if at < self.len() {
                    self.chunks[chunk][place] = last;
                }
            }
        }
        before - self.len()
    }

    fn is_mostly_stale(&self) -> bool {
        let stale = self.stale as usize;
        stale >= STALE_MIN && stale * 2 > self.len()
    }

    /// Starts again at the first item. If all were looked at and few found stale, then those
    /// counted as stale look live because they equal live ones: the key got the same due time
    /// again. That is rare enough to sort the slot for it.
    fn begin_again(&mut self) {
        self.cursor = 0;
        let found = mem::take(&mut self.found) as usize;
        if self.is_mostly_stale() && found * 8 < self.len() {
            let mut items = self.chunks.concat();
            items.sort_unstable();
            items.dedup();
            *self = Self::default();
            for item in items {
                self.push(item);
            }
        }
    }

    fn bytes(&self) -> usize {
        let items: usize = self.chunks.iter().map(Vec::capacity).sum();
        items * size_of::<Item>() + self.chunks.capacity() * size_of::<Vec<Item>>()
    }
}

struct Level {
    slots: Box<[Slot]>,
    /// A bit for each slot that has items.
    occupied: [u64; SLOTS / 64],
}

impl Level {
    fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Slot::default()).collect(), occupied: [0; SLOTS / 64] }
    }

    /// The first slot number from `from` on that has items, within one turn of the wheel.
    fn first_occupied(&self, from: u64) -> Option<u64> {
        let start = from as usize % SLOTS;
        let mut bits = self.occupied[start / 64] & (u64::MAX << (start % 64));
        // The word of the start comes twice: its high part first and its low part last.
        for step in 0..=self.occupied.len() {
            if bits != 0 {
                let base = (start / 64 + step) * 64;
                let slot = base + bits.trailing_zeros() as usize;
                return Some(from + (slot - start) as u64);
            }
            let word = (start / 64 + step + 1) % self.occupied.len();
            bits = self.occupied[word];
        }
        None
    }

    fn push(&mut self, number: u64, item: Item) {
        let slot = number as usize % SLOTS;
        self.slots[slot].push(item);
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    fn pop(&mut self, number: u64) -> Option<Item> {
        let slot = number as usize % SLOTS;
        let item = self.slots[slot].pop();
        self.note_emptied(slot);
        item
    }

    fn forget(&mut self, number: u64, is_live: impl FnMut(u64, u64) -> bool) -> usize {
        let slot = number as usize % SLOTS;
        let dropped = self.slots[slot].forget(is_live);
        self.note_emptied(slot);
        dropped
    }

    fn note_emptied(&mut self, slot: usize) {
        if self.slots[slot].chunks.is_empty() {
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
    }
}

/// Due times with the hashes of the keys they belong to. See the [module](self).
///
/// Times are wall-clock milliseconds. A hash is the high 48 bits of a key's 64-bit hash, as a
/// number below 2^48.
pub struct DueIndex {
    /// Levels come into being when an item needs them.
    levels: [Option<Level>; LEVELS],
    /// The first tick that is not over or not popped entirely.
    tick: u64,
    /// The time of the last [`pop_due`](Self::pop_due).
    now_ms: u64,
    len: usize,
}

/// The number of the slot of `level` that holds `tick`.
fn slot_number(tick: u64, level: usize) -> u64 {
    tick >> (DIGIT_BITS * level as u32)
}

/// The first tick of slot `number` of `level`.
fn first_tick(number: u64, level: usize) -> u64 {
    number << (DIGIT_BITS * level as u32)
}

impl DueIndex {
    /// An empty index.
    pub fn new(now_ms: u64) -> Self {
        Self { levels: [const { None }; LEVELS], tick: (now_ms + 1) >> TICK_BITS, now_ms, len: 0 }
    }

    /// The number of items, stale ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes allocated.
    pub fn bytes(&self) -> usize {
        self.slots().map(|slot| size_of::<Slot>() + slot.bytes()).sum()
    }

    /// All items, stale ones included, in no certain order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.slots().flat_map(|slot| &slot.chunks).flatten().map(|item| (item.due_ms(), item.hash48()))
    }

    /// The item at a place in the order of [`iter`](Self::iter).
    pub fn nth(&self, place: usize) -> Option<(u64, u64)> {
        let mut place = place;
        for slot in self.slots() {
            if place < slot.len() {
                let item = slot.chunks[place / CHUNK_ITEMS][place % CHUNK_ITEMS];
                return Some((item.due_ms(), item.hash48()));
            }
            place -= slot.len();
        }
        None
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.levels.iter().flatten().flat_map(|level| &level.slots)
    }

    /// Drops all items and their memory.
    pub fn clear(&mut self) {
        self.levels = [const { None }; LEVELS];
        self.len = 0;
    }

    /// Adds an item. A `due_ms` that is over counts as due in 4 ms at most; one that is not below
    /// [`DUE_END_MS`] is never due and not kept.
    pub fn insert(&mut self, due_ms: u64, hash48: u64) {
        if due_ms < DUE_END_MS {
            self.place(Item::new(due_ms, hash48));
            self.len += 1;
        }
    }

    /// Notes that one item of this due time has become stale: its key has been deleted, or has
    /// another due time now.
    ///
    /// Where at least half of the items are stale, `is_live(due_ms, hash48)` is called for at most
    /// four of them; it answers whether there is a key of that hash that is due at that time.
    pub fn forget(&mut self, due_ms: u64, is_live: impl FnMut(u64, u64) -> bool) {
        if due_ms < DUE_END_MS {
            let (level, number) = self.level_and_slot(due_ms);
            if let Some(level) = &mut self.levels[level] {
                self.len -= level.forget(number, is_live);
            }
        }
    }

    /// Takes out an item that is due at `now_ms` or before, and moves at most `budget` others.
    ///
    /// An item comes at the earliest when it is due and at the latest 3 ms after, in no certain
    /// order. It may be stale, and one item can stand for several keys of equal hash and due time.
    /// `None` means that nothing is due or that the budget is used up;
    /// [`next_due_ms`](Self::next_due_ms) tells which.
    pub fn pop_due(&mut self, now_ms: u64, budget: usize) -> Option<(u64, u64)> {
        self.now_ms = now_ms;
        let ticks_over = (now_ms + 1) >> TICK_BITS;
        let mut budget = budget;
        loop {
            if self.tick < ticks_over
                && let Some(level) = &mut self.levels[0]
                && let Some(item) = level.pop(self.tick)
            {
                self.len -= 1;
                self.move_down_early(budget.min(MOVES_WITH_A_DUE_ITEM));
                return Some((item.due_ms(), item.hash48()));
            }
            let next_item = self.first_occupied(0).unwrap_or(u64::MAX);
            let upper = self.next_upper_slot();
            let upper_begin = upper.map_or(u64::MAX, |(level, number)| first_tick(number, level));
            let reached = next_item.min(upper_begin).min(ticks_over);
            self.tick = self.tick.max(reached);
            if let Some((level, number)) = upper
                && upper_begin <= self.tick
            {
                if !self.move_down(level, number, &mut budget) {
                    return None;
                }
            } else if self.tick >= ticks_over {
                self.move_down_early(budget);
                return None;
            }
        }
    }

    /// When to call [`pop_due`](Self::pop_due) next; not in the future if the last call left work
    /// that cannot wait. `None` without items.
    pub fn next_due_ms(&self) -> Option<u64> {
        // A tick's items are popped in its last millisecond.
        let mut next_ms = self.first_occupied(0).map(|tick| ((tick + 1) << TICK_BITS) - 1);
        for level in 1..LEVELS {
            let Some(number) = self.first_occupied(level) else {
                continue;
            };
            let current = slot_number(self.tick, level);
            let begin_ms = if number == current {
                self.now_ms
            } else if number == current + 1 {
                // It is moving down ahead of its time, which need not keep the caller busy. Unless the
                // last call ended before it got here, and its time has come.
                (first_tick(number, level) << TICK_BITS).min(self.now_ms + 1)
            } else {
                first_tick(number - 1, level) << TICK_BITS
            };
            next_ms = Some(next_ms.map_or(begin_ms, |ms| ms.min(begin_ms)));
        }
        next_ms
    }

    /// The level and slot number for a due time.
    fn level_and_slot(&self, due_ms: u64) -> (usize, u64) {
        let tick = (due_ms >> TICK_BITS).max(self.tick);
        let level = (0..LEVELS)
            .find(|level| slot_number(tick, level + 1) - slot_number(self.tick, level + 1) <= 1)
            .expect("all times below the end are in the first turn of the top level");
        (level, slot_number(tick, level))
    }

    fn place(&mut self, item: Item) {
        let (level, number) = self.level_and_slot(item.due_ms());
        self.levels[level].get_or_insert_with(Level::new).push(number, item);
    }

    /// The number of the first slot of a level that has items.
    fn first_occupied(&self, level: usize) -> Option<u64> {
        let from = slot_number(self.tick, level);
        self.levels[level].as_ref()?.first_occupied(from)
    }

    /// Of the slots above level 0 that have items, the one that begins first.
    fn next_upper_slot(&self) -> Option<(usize, u64)> {
        (1..LEVELS)
            .filter_map(|level| Some((level, self.first_occupied(level)?)))
            .min_by_key(|&(level, number)| first_tick(number, level))
    }

    /// Moves items of a slot to lower levels and counts `budget` down. False if that ended it.
    fn move_down(&mut self, level: usize, number: u64, budget: &mut usize) -> bool {
        while *budget > 0 {
            let level = self.levels[level].as_mut().expect("the slot has items");
            let Some(item) = level.pop(number) else {
                return true;
            };
            self.place(item);
            *budget -= 1;
        }
        false
    }

    /// Moves items of slots that are next to come, soonest first.
    fn move_down_early(&mut self, mut budget: usize) {
        for level in 1..LEVELS {
            if let Some(number) = self.first_occupied(level)
                && number <= slot_number(self.tick, level) + 1
                && !self.move_down(level, number, &mut budget)
            {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeSet, HashMap};

    const TICK_MS: u64 = 1 << TICK_BITS;

    #[derive(Clone, Debug)]
    enum Operation {
        /// A key, by its hash, gets a due time so long after now.
        Expire(u64, u64),
        Persist(u64),
        Advance(u64),
    }

    fn operation() -> impl Strategy<Value = Operation> {
        let span = |bits: u32| (any::<u64>(), 64 - bits..64).prop_map(|(r, shift)| r >> shift);
        let hash = || 0..40u64;
        prop_oneof![
            4 => (hash(), span(36)).prop_map(|(hash, span)| Operation::Expire(hash, span)),
            4 => (hash(), 0..50u64).prop_map(|(hash, span)| Operation::Expire(hash, span * 1000)),
            2 => hash().prop_map(Operation::Persist),
            2 => span(26).prop_map(Operation::Advance),
            1 => span(36).prop_map(Operation::Advance),
        ]
    }

    /// The keys with their due times, and the index that is to find those that are due.
    struct Keys {
        now_ms: u64,
        index: DueIndex,
        due_by_hash: HashMap<u64, u64>,
        by_due: BTreeSet<(u64, u64)>,
    }

    impl Keys {
        fn new(now_ms: u64) -> Self {
            Self { now_ms, index: DueIndex::new(now_ms), due_by_hash: HashMap::new(), by_due: BTreeSet::new() }
        }

        fn persist(&mut self, hash: u64) {
            if let Some(due) = self.due_by_hash.remove(&hash) {
                self.by_due.remove(&(due, hash));
                let due_by_hash = &self.due_by_hash;
                self.index.forget(due, |due, hash| due_by_hash.get(&hash) == Some(&due));
            }
        }

        fn expire(&mut self, hash: u64, due: u64) {
            self.persist(hash);
            self.due_by_hash.insert(hash, due);
            self.by_due.insert((due, hash));
            self.index.insert(due, hash);
        }

        /// Pops once; whether there may be more.
        fn pop(&mut self, budget: usize) -> bool {
            let Some((due, hash)) = self.index.pop_due(self.now_ms, budget) else {
                return self.index.next_due_ms().is_some_and(|next| next <= self.now_ms);
            };
            assert!(due <= self.now_ms);
            if self.due_by_hash.get(&hash) == Some(&due) {
                self.due_by_hash.remove(&hash);
                self.by_due.remove(&(due, hash));
            }
            true
        }

        fn first_due(&self) -> Option<u64> {
            self.by_due.first().map(|&(due, _)| due)
        }

        fn check(&self) {
            assert!(self.first_due().is_none_or(|due| due + TICK_MS > self.now_ms));
            assert!(self.index.len() >= self.by_due.len());
            if let Some(due) = self.first_due() {
                let next = self.index.next_due_ms().unwrap();
                assert!(next <= due.max(self.now_ms) + TICK_MS);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(512)
        })]

        #[test]
        fn agrees_with_a_sorted_set(
            start in 0..1u64 << 42,
            budget in 1..5usize,
            operations in prop::collection::vec(operation(), 0..300),
        ) {
            let mut keys = Keys::new(start);
            for operation in operations {
                match operation {
                    Operation::Expire(hash, span) => keys.expire(hash, keys.now_ms + span),
                    Operation::Persist(hash) => keys.persist(hash),
                    Operation::Advance(span) => {
                        keys.now_ms += span;
                        while keys.pop(budget) {}
                        keys.check();
                    }
                }
            }
            // Sleep as told to until nothing is left.
            while let Some(next) = keys.index.next_due_ms() {
                prop_assert!(next > keys.now_ms || keys.index.tick * TICK_MS <= keys.now_ms);
                keys.now_ms = keys.now_ms.max(next);
                while keys.pop(budget) {}
                keys.check();
            }
            prop_assert!(keys.by_due.is_empty() && keys.index.is_empty());
        }

        /// Far more items of one time than are left alone: as they are popped, some keys that are
        /// still to come are persisted, or expire at the same time again.
        #[test]
        fn popping_and_forgetting_in_one_slot(
            crowd in 1..400u64,
            steps in prop::collection::vec((0..3u8, 1..100usize, any::<bool>()), 0..40),
        ) {
            const DUE: u64 = 50;
            let mut keys = Keys::new(0);
            (0..crowd).for_each(|hash| keys.expire(hash, DUE));
            keys.now_ms = DUE + TICK_MS;
            for (what, count, from_the_end) in steps {
                for _ in 0..count {
                    let key = if from_the_end { keys.by_due.last() } else { keys.by_due.first() };
                    match (what, key.copied()) {
                        (0, _) => drop(keys.pop(9)),
                        (1, Some((_, hash))) => keys.persist(hash),
                        (_, Some((_, hash))) => keys.expire(hash, DUE),
                        (_, None) => (),
                    }
                    prop_assert!(keys.index.len() >= keys.by_due.len());
                }
            }
            while keys.pop(9) {}
            prop_assert!(keys.by_due.is_empty() && keys.index.is_empty());
        }
    }

    /// A loop that sleeps as told to and makes one call of a small budget at a time: two hours on,
    /// 100,000 keys are due within two milliseconds.
    #[test]
    fn a_crowd_that_is_due_at_once_is_not_late() {
        let mut now_ms = 1_000_000_007;
        let mut index = DueIndex::new(now_ms);
        for hash in 0..100_000 {
            index.insert(now_ms + 7_200_000 + hash % 2, hash);
        }
        let mut calls_for_nothing = 0;
        while let Some(next_ms) = index.next_due_ms() {
            now_ms = now_ms.max(next_ms);
            match index.pop_due(now_ms, 256) {
                Some((due_ms, _)) => assert!(due_ms <= now_ms && now_ms < due_ms + TICK_MS),
                None => calls_for_nothing += 1,
            }
        }
        // Each moved 256 items, twice.
        assert!(calls_for_nothing < 2 * 100_000 / 256 + 10, "{calls_for_nothing}");
    }

    /// A call whose budget ends far before `now_ms` says that there is more to do, even if what is
    /// due then is in an upper slot that comes next.
    #[test]
    fn a_budget_used_up_on_the_way_hides_nothing() {
        let mut keys = Keys::new(307_160_108_785 + 24_944_759);
        keys.expire(0, keys.now_ms + 427_823_256);
        keys.now_ms += 425_462_979;
        while keys.pop(1) {}
        keys.expire(0, keys.now_ms + 193_856);
        keys.expire(0, keys.now_ms + 3000);
        keys.now_ms += 640;
        while keys.pop(1) {}
        keys.expire(1, keys.now_ms + 37_754_192);
        keys.now_ms += 75_648;
        while keys.pop(1) {}
        keys.check();
    }

    /// What is popped may be forgotten too, when keys go between: neither may lose its place.
    #[test]
    fn popping_and_forgetting_take_turns() {
        for crowd in 1..300 {
            let mut index = DueIndex::new(0);
            let mut live: BTreeSet<u64> = (0..crowd).collect();
            live.iter().for_each(|&hash48| index.insert(1000, hash48));
            let mut popped = 0;
            while let Some((due_ms, hash48)) = index.pop_due(2000, 1000) {
                assert_eq!(due_ms, 1000);
                popped += live.remove(&hash48) as u64;
                index.forget(1000, |_, hash48| live.contains(&hash48));
                // Every third key goes by itself.
                if popped % 3 == 0
                    && let Some(gone) = live.pop_last()
                {
                    popped += 1;
                    index.forget(1000, |_, hash48| live.contains(&hash48));
                    assert!(!live.contains(&gone));
                }
            }
            assert_eq!((popped, live.len()), (crowd, 0));
        }
    }

    #[test]
    fn stale_items_do_not_pile_up() {
        let mut keys = Keys::new(0);
        for round in 0..100 {
            for hash in 0..1000 {
                keys.expire(hash, 40_000_000 + round * 7 + hash);
            }
            assert!(keys.index.len() < 3 * 1000, "{}", keys.index.len());
        }
    }

    #[test]
    fn equal_items_do_not_pile_up() {
        let mut keys = Keys::new(0);
        for _ in 0..100 {
            for hash in 0..3000 {
                keys.expire(hash, 40_000_000);
            }
            assert!(keys.index.len() < 4 * 3000, "{}", keys.index.len());
        }
        assert_eq!(keys.by_due.len(), 3000);
    }

    #[test]
    fn a_time_beyond_the_end_is_not_kept() {
        let mut index = DueIndex::new(0);
        index.insert(DUE_END_MS, 1);
        index.insert(u64::MAX, 1);
        assert!(index.is_empty());
        index.insert(DUE_END_MS - 1, (1 << 48) - 1);
        index.forget(u64::MAX, |_, _| false);
        assert_eq!(index.pop_due(DUE_END_MS - 2, 9), None);
        while index.next_due_ms().unwrap() < DUE_END_MS - 1 {
            index.pop_due(DUE_END_MS - 2, 9);
        }
        assert_eq!(index.pop_due(DUE_END_MS - 1, 9), Some((DUE_END_MS - 1, (1 << 48) - 1)));
    }

    /// Prints bytes an item and nanoseconds an operation: `cargo test -- --ignored --nocapture`.
    #[test]
    #[ignore = "a measurement"]
    fn measure_a_million() {
        const ITEMS: u64 = 1_000_000;
        for span_ms in [10_000, 3_600_000, 86_400_000 * 30] {
            let mut index = DueIndex::new(0);
            let started = std::time::Instant::now();
            let mut random = 1u64;
            for _ in 0..ITEMS {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                index.insert((random >> 16) % span_ms, random >> 16);
            }
            let inserted = started.elapsed();
            let bytes = index.bytes() as f64 / ITEMS as f64;
            let started = std::time::Instant::now();
            let mut popped = 0;
            while let Some(next) = index.next_due_ms() {
                let now = next.max(index.now_ms);
                while index.pop_due(now, 1024).is_some() {
                    popped += 1;
                }
            }
            assert_eq!(popped, ITEMS);
            let drained = started.elapsed();
            let each = |total: std::time::Duration| total / ITEMS as u32;
            println!("within {span_ms} ms: {bytes:.2} B an item, insert {:?}, pop {:?}", each(inserted), each(drained));
        }
    }
}
