//! A hierarchical timer wheel: everything in the server that waits on time is a timer in one.
//!
//! Time is written in base 64, one level a digit. A timer waits at the level of the first digit
//! in which its due time differs from the wheel's time, in the slot of that digit:
//!
//! ```text
//! level 0    64 slots of 1 ms       due within this 64 ms
//! level 1    64 slots of 64 ms      due within this 4.1 s
//! level 2    64 slots of 4.1 s      due within these 4.4 min
//! ...
//! level 10   the last digit of a u64: no due time is too far away
//! ```
//!
//! What always holds:
//!
//! * The wheel's time never enters a slot that holds timers without moving them down first, to
//!   the levels of their next different digits. So a timer moves at most once a level, and timers
//!   of one tick stay in the order they were inserted.
//! * Every timer of a lower level is due before every one of a higher level, so the first occupied
//!   slot of the lowest occupied level is next.
//! * A timer whose time has come is in the ready list.
//!
//! Timers are linked through their places in a slab: nothing is allocated for one while the slab
//! has room.

use slab::Slab;

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = u64::BITS.div_ceil(DIGIT_BITS) as usize;

/// The list after those of all slots.
const READY: usize = LEVELS * SLOTS;

/// No timer.
const NONE: u32 = u32::MAX;

/// Timers of the next slot that are looked at to tell exactly when the first is due.
const LOOK_AHEAD: usize = 8;

/// Names one timer, also after it fired or was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    index: u32,
    /// Counts insertions, so that the next timer in the same place has another id.
    generation: u32,
}

struct Timer<T> {
    due_ms: u64,
    generation: u32,
    list: u32,
    previous: u32,
    next: u32,
    item: T,
}

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

const EMPTY: List = List { first: NONE, last: NONE };

/// Timers that carry a `T` each. Times are milliseconds on any clock that does not go back.
pub struct TimerWheel<T> {
    timers: Slab<Timer<T>>,
    lists: Box<[List; READY + 1]>,
    /// A bit for each slot of a level that has timers.
    occupied: [u64; LEVELS],
    now_ms: u64,
    generation: u32,
}

impl<T> TimerWheel<T> {
    /// An empty wheel whose time is `now_ms`.
    pub fn new(now_ms: u64) -> Self {
        Self { timers: Slab::new(), lists: Box::new([EMPTY; READY + 1]), occupied: [0; LEVELS], now_ms, generation: 0 }
    }

    /// The number of timers that have neither fired nor been cancelled.
    pub fn len(&self) -> usize {
        self.timers.len()
    }

    /// Whether there are no timers.
    pub fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// Adds a timer. One that is due already comes with the next [`pop_due`](Self::pop_due),
    /// after those that were due before.
    pub fn insert(&mut self, due_ms: u64, item: T) -> TimerId {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let index = self.timers.insert(Timer { due_ms, generation, list: 0, previous: NONE, next: NONE, item });
        let index = u32::try_from(index).expect("fewer than 2^32 timers");
        self.link(index);
        TimerId { index, generation }
    }

    /// Takes a timer out before it fires. `None` if it has fired or been cancelled.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        let timer = self.timers.get(id.index as usize)?;
        if timer.generation != id.generation {
            return None;
        }
        self.unlink(id.index);
        Some(self.timers.remove(id.index as usize).item)
    }

    /// Takes out the next timer that is due at or before `now_ms`, in the order of the due times
    /// and for equal ones of insertion. Call until it returns `None`.
    pub fn pop_due(&mut self, now_ms: u64) -> Option<T> {
        loop {
            let first = self.lists[READY].first;
            if first != NONE {
                self.unlink(first);
                return Some(self.timers.remove(first as usize).item);
            }
            match self.next_slot() {
                Some((list, start_ms)) if start_ms <= now_ms => {
                    self.now_ms = start_ms;
                    self.move_down(list);
                }
                _ => {
                    self.now_ms = self.now_ms.max(now_ms);
                    return None;
                }
            }
        }
    }

    /// When to call [`pop_due`](Self::pop_due) next: never later than the earliest due time, and
    /// earlier only if many timers share a slot that is still far away. `None` without timers.
    pub fn next_due_ms(&self) -> Option<u64> {
        let ready = self.lists[READY].first;
        if ready != NONE {
            return Some(self.timers[ready as usize].due_ms);
        }
        let (list, start_ms) = self.next_slot()?;
        let mut index = self.lists[list].first;
        let mut earliest_ms = u64::MAX;
        for _ in 0..LOOK_AHEAD {
            let timer = &self.timers[index as usize];
            earliest_ms = earliest_ms.min(timer.due_ms);
            index = timer.next;
            if index == NONE {
                return Some(earliest_ms);
            }
        }
        Some(start_ms)
    }

    /// The slot whose time comes first and when it begins.
    fn next_slot(&self) -> Option<(usize, u64)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = level as u32 * DIGIT_BITS;
        let digits_above = (self.now_ms >> shift) & !(SLOTS as u64 - 1);
        let start_ms = (digits_above | slot as u64) << shift;
        Some((level * SLOTS + slot, start_ms))
    }

    /// Links the timers of a slot again, now that the wheel's time is where the slot begins.
    fn move_down(&mut self, list: usize) {
        let mut index = self.lists[list].first;
        self.lists[list] = EMPTY;
        self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        while index != NONE {
            let next = self.timers[index as usize].next;
            self.link(index);
            index = next;
        }
    }

    /// Puts a timer at the end of the list for its due time.
    fn link(&mut self, index: u32) {
        let due_ms = self.timers[index as usize].due_ms;
        let list = if due_ms <= self.now_ms {
            READY
        } else {
            let level = (due_ms ^ self.now_ms).ilog2() / DIGIT_BITS;
            let slot = (due_ms >> (level * DIGIT_BITS)) as usize % SLOTS;
            self.occupied[level as usize] |= 1 << slot;
            level as usize * SLOTS + slot
        };
        let previous = self.lists[list].last;
        self.lists[list].last = index;
        match previous {
            NONE => self.lists[list].first = index,
            _ => self.timers[previous as usize].next = index,
        }
        let timer = &mut self.timers[index as usize];
        timer.list = list as u32;
        timer.previous = previous;
        timer.next = NONE;
    }

    fn unlink(&mut self, index: u32) {
        let Timer { list, previous, next, .. } = self.timers[index as usize];
        let list = list as usize;
        match previous {
            NONE => self.lists[list].first = next,
            _ => self.timers[previous as usize].next = next,
        }
        match next {
            NONE => self.lists[list].last = previous,
            _ => self.timers[next as usize].previous = previous,
        }
        if list != READY && self.lists[list].first == NONE {
            self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Operation {
        /// Due so long after now.
        Insert(u64),
        InsertLate(u64),
        /// The timer that was inserted as this one, modulo their number; it may be gone.
        Cancel(usize),
        Advance(u64),
    }

    /// Small, medium and huge spans alike.
    fn span() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..64u32).prop_map(|(bits, shift)| bits >> shift)
    }

    fn operation() -> impl Strategy<Value = Operation> {
        prop_oneof![
            4 => span().prop_map(Operation::Insert),
            4 => (0..300u64).prop_map(Operation::Insert),
            1 => (0..100u64).prop_map(Operation::InsertLate),
            2 => any::<usize>().prop_map(Operation::Cancel),
            1 => span().prop_map(Operation::Advance),
            4 => (0..300u64).prop_map(Operation::Advance),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(1000)
        })]

        #[test]
        fn agrees_with_a_sorted_map(
            start in span(),
            operations in prop::collection::vec(operation(), 0..200),
        ) {
            let mut now = start;
            let mut wheel = TimerWheel::new(now);
            // By effective due time and insertion; those inserted late are due at once.
            let mut oracle: BTreeMap<(u64, usize), u64> = BTreeMap::new();
            let mut inserted = Vec::new();
            for operation in operations {
                match operation {
                    Operation::Insert(_) | Operation::InsertLate(_) => {
                        let due = match operation {
                            Operation::Insert(span) => now.saturating_add(span),
                            Operation::InsertLate(span) => now.saturating_sub(span),
                            _ => unreachable!(),
                        };
                        let number = inserted.len();
                        inserted.push((wheel.insert(due, number), (due.max(now), number)));
                        oracle.insert((due.max(now), number), due);
                    }
                    Operation::Cancel(_) if inserted.is_empty() => {}
                    Operation::Cancel(which) => {
                        let (id, key) = inserted[which % inserted.len()];
                        let expected = oracle.remove(&key).map(|_| key.1);
                        prop_assert_eq!(wheel.cancel(id), expected);
                    }
                    Operation::Advance(span) => {
                        now = now.saturating_add(span);
                        while let Some(number) = wheel.pop_due(now) {
                            let ((due, expected), _) = oracle.pop_first().unwrap();
                            prop_assert_eq!(number, expected);
                            prop_assert!(due <= now);
                        }
                        prop_assert!(oracle.keys().next().is_none_or(|&(due, _)| due > now));
                    }
                }
                prop_assert_eq!(wheel.len(), oracle.len());
                let next = wheel.next_due_ms();
                prop_assert_eq!(next.is_some(), !oracle.is_empty());
                if let Some(next) = next {
                    prop_assert!(oracle.keys().all(|&(due, _)| next <= due));
                    let exact = oracle.values().any(|&due| due == next);
                    prop_assert!(exact || oracle.len() > LOOK_AHEAD);
                }
            }
        }
    }

    #[test]
    fn a_stale_id_cancels_nothing() {
        let mut wheel = TimerWheel::new(0);
        let old = wheel.insert(5, "old");
        assert_eq!(wheel.pop_due(5), Some("old"));
        let new = wheel.insert(9, "new");
        assert_eq!(old.index, new.index);
        assert_eq!(wheel.cancel(old), None);
        assert_eq!(wheel.cancel(new), Some("new"));
        assert!(wheel.is_empty());
    }

    /// A loop that sleeps until `next_due_ms` wakes only a few times for a crowd far away.
    #[test]
    fn few_wakes_are_in_vain() {
        let mut wheel = TimerWheel::new(1);
        for number in 0..1000 {
            wheel.insert(3_600_000 + number % 3, number);
        }
        let mut vain = 0;
        while let Some(next) = wheel.next_due_ms() {
            if wheel.pop_due(next).is_none() {
                vain += 1;
            }
        }
        assert!(vain < LEVELS, "{vain} wakes in vain");
    }
}
