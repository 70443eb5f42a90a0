//! What several sets have in common, or not. Sources are never changed; results are new sets with the
//! encodings that Redis gives them.

use super::{Batch, MemberRef, Set, SetLimits, next_batch, prefetch};
use crate::encoding::intset::Intset;
use crate::encoding::listpack::Listpack;
use std::ops::ControlFlow;

/// Calls `visit` with each member of `set` and, if any of `others` is a table, its hash, what they hold
/// for it having been prefetched. Goes on until `visit` breaks.
fn for_each_beside<'a>(set: &'a Set, others: &[&Set], mut visit: impl FnMut(MemberRef<'a>, u64) -> ControlFlow<()>) {
    let mut members = set.iter();
    if !others.iter().any(|other| matches!(other, Set::Table(_))) {
        let _ = members.try_for_each(|member| visit(member, 0));
        return;
    }
    let mut batch = Batch::new();
    while next_batch(&mut batch, &mut members) {
        for other in others {
            if let Set::Table(table) = other {
                prefetch(table, &batch);
            }
        }
        if batch.iter().try_for_each(|&(member, hash)| visit(member, hash)).is_break() {
            return;
        }
    }
}

/// Calls `visit` with each member of the first set that is in all others too, until it breaks. `sets`
/// are best in ascending order of their lengths.
pub fn for_each_common<'a>(sets: &[&'a Set], mut visit: impl FnMut(MemberRef<'a>) -> ControlFlow<()>) {
    let Some((first, others)) = sets.split_first() else { return };
    for_each_beside(first, others, |member, hash| {
        if others.iter().all(|other| other.contains_hashed(member, hash)) {
            return visit(member);
        }
        ControlFlow::Continue(())
    });
}

/// The members that all sets have. `sets` are in ascending order of their lengths.
///
/// COMPAT: the result is an intset wherever it can be one, even after it was a table.
pub fn intersection(sets: &[&Set], limits: SetLimits) -> Set {
    let mut common = match sets[0] {
        Set::Intset(_) => Set::Intset(Intset::new()),
        _ => Set::Listpack(Listpack::new()),
    };
    let mut only_integers = true;
    for_each_common(sets, |member| {
        only_integers = only_integers && member.integer().is_some();
        common.insert(member, limits);
        ControlFlow::Continue(())
    });
    if only_integers && common.len() <= limits.integers {
        let mut integers = Intset::new();
        common.iter().filter_map(MemberRef::integer).for_each(|n| {
            integers.insert(n);
        });
        return Set::Intset(integers);
    }
    common
}

/// The members that any of the sets has.
pub fn union<'a>(sets: impl Iterator<Item = &'a Set>, limits: SetLimits) -> Set {
    let mut union = Set::Intset(Intset::new());
    sets.for_each(|set| {
        union.insert_all(set.iter(), limits);
    });
    union
}

/// Calls `visit` with each member that any of the sets has, once.
pub fn for_each_of_union(sets: &[&Set], mut visit: impl FnMut(MemberRef)) {
    /// For at most this many sets, looking a member up in the others costs less than building the union.
    const LOOKED_UP_MAX: usize = 4;
    if sets.len() > LOOKED_UP_MAX {
        /// Nobody will see the encoding, and looking up is fastest in a table.
        const TABLE: SetLimits = SetLimits { integers: 0, members: 0, text_bytes: 0 };
        return union(sets.iter().copied(), TABLE).iter().for_each(visit);
    }
    let mut sets = sets.to_vec();
    // The members of the first one are not looked up at all.
    sets.sort_by_key(|set| std::cmp::Reverse(set.len()));
    for (i, set) in sets.iter().enumerate() {
        let before = &sets[..i];
        for_each_beside(set, before, |member, hash| {
            if !before.iter().any(|other| other.contains_hashed(member, hash)) {
                visit(member);
            }
            ControlFlow::Continue(())
        });
    }
}

/// Whether to look each member of `first` up in the others, or to remove all members of the others
/// from a copy of it.
///
/// COMPAT: the encoding of a result depends on this choice, so it is Redis's: the look-ups if they are
/// up to twice as many.
fn is_looked_up(first: &Set, others: &[&Set]) -> bool {
    let lookups = first.len() * (others.len() + 1);
    let all: usize = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    lookups / 2 <= all
}

/// Calls `visit` with each member of `first` that none of the others has.
pub fn for_each_of_difference(first: &Set, others: &[&Set], limits: SetLimits, mut visit: impl FnMut(MemberRef)) {
    if !is_looked_up(first, others) {
        return without(first, others, limits).iter().for_each(visit);
    }
    // The sooner a member is found, the fewer are asked.
    let mut others = others.to_vec();
    others.sort_by_key(|set| std::cmp::Reverse(set.len()));
    for_each_beside(first, &others, |member, hash| {
        if !others.iter().any(|other| other.contains_hashed(member, hash)) {
            visit(member);
        }
        ControlFlow::Continue(())
    });
}

/// The members of `first` that none of the others has.
pub fn difference(first: &Set, others: &[&Set], limits: SetLimits) -> Set {
    if !is_looked_up(first, others) {
        return without(first, others, limits);
    }
    let mut rest = Set::Intset(Intset::new());
    for_each_of_difference(first, others, limits, |member| {
        rest.insert(member, limits);
    });
    rest
}

fn without(first: &Set, others: &[&Set], limits: SetLimits) -> Set {
    let mut rest = union(std::iter::once(first), limits);
    for other in others {
        if rest.is_empty() {
            break;
        }
        rest.remove_all(other.iter());
    }
    rest
}
