use super::entries::{AddError, Entries, NewId};
use super::group::{Group, Pending};
use crate::encoding::stream_log::{NodeLimits, StreamId, Trim};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const LIMITS: NodeLimits = NodeLimits { bytes: 0, entries: 3 };

fn id(n: u64) -> StreamId {
    StreamId::new(n, 0)
}

#[derive(Clone, Debug)]
enum Change {
    Seen(u8),
    Add(u8),
    RemoveConsumer(u8),
    Deliver(u64, u8),
    DeliverAgain(u64),
    Acknowledge(u64),
    Copy,
}

fn change() -> impl Strategy<Value = Change> {
    let (entry, consumer) = (|| 0..20u64, || 0..4u8);
    prop_oneof![
        2 => consumer().prop_map(Change::Seen),
        1 => consumer().prop_map(Change::Add),
        1 => consumer().prop_map(Change::RemoveConsumer),
        8 => (entry(), consumer()).prop_map(|(n, consumer)| Change::Deliver(n, consumer)),
        2 => entry().prop_map(Change::DeliverAgain),
        4 => entry().prop_map(Change::Acknowledge),
        1 => Just(Change::Copy),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    /// An entry whose id is so much greater than the last.
    Add(u64),
    /// The n-th of the entries.
    Remove(usize),
    Trim(u64, bool),
    /// The group reads this many.
    Read(usize),
    SetId(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..3u64).prop_map(Step::Add),
        1 => any::<usize>().prop_map(Step::Remove),
        1 => (0..8u64, any::<bool>()).prop_map(|(len, approximate)| Step::Trim(len, approximate)),
        3 => (1..4usize).prop_map(Step::Read),
        1 => (0..3u64).prop_map(Step::SetId),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is pending is so for one consumer, the last it was delivered to.
    #[test]
    fn pending_entries_have_one_consumer(changes in prop::collection::vec(change(), 0..80)) {
        let mut group = Group::new(StreamId::MIN, None);
        let mut consumers: BTreeSet<u8> = BTreeSet::new();
        let mut oracle: BTreeMap<StreamId, (u8, u64)> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Seen(name) => {
                    let (consumer, is_new) = group.consumer_seen(&[name], 7);
                    prop_assert_eq!(is_new, consumers.insert(name));
                    prop_assert_eq!(&*group.consumer(consumer).name, &[name][..]);
                }
                Change::Add(name) => {
                    prop_assert_eq!(group.add_consumer(&[name], 7).is_some(), consumers.insert(name));
                }
                Change::RemoveConsumer(name) => {
                    let before = oracle.len();
                    oracle.retain(|_, (consumer, _)| *consumer != name);
                    let expected = consumers.remove(&name).then_some(before - oracle.len());
                    prop_assert_eq!(group.remove_consumer(&[name]), expected);
                }
                Change::Deliver(n, name) => {
                    let Some(consumer) = group.find_consumer(&[name]) else {
                        prop_assert!(!consumers.contains(&name));
                        continue;
                    };
                    group.deliver(id(n), Pending { consumer, delivered_ms: 7, deliveries: n });
                    oracle.insert(id(n), (name, n));
                }
                Change::DeliverAgain(n) => {
                    group.deliver_again(id(n), 8);
                    oracle.entry(id(n)).and_modify(|(_, deliveries)| *deliveries += 1);
                }
                Change::Acknowledge(n) => prop_assert_eq!(group.acknowledge(id(n)), oracle.remove(&id(n)).is_some()),
                Change::Copy => group = group.clone(),
            }
            let names: BTreeSet<u8> = group.consumers().map(|consumer| consumer.name[0]).collect();
            prop_assert_eq!(&names, &consumers);
            let all = group.pending().iter();
            let all: BTreeMap<_, _> =
                all.map(|(&id, p)| (id, (group.consumer(p.consumer).name[0], p.deliveries))).collect();
            prop_assert_eq!(&all, &oracle);
            for consumer in group.consumers() {
                let own = oracle.iter().filter(|(_, (name, _))| *name == consumer.name[0]);
                prop_assert!(consumer.pending().iter().eq(own.map(|(id, _)| id)));
            }
        }
    }

    /// The lag is never less than what there is to be read, and just that where nothing is missing.
    #[test]
    fn a_lag_that_is_told_can_be_trusted(steps in prop::collection::vec(step(), 0..60), from_start in any::<bool>()) {
        let (mut entries, mut oracle) = (Entries::default(), BTreeSet::new());
        let mut group = Group::new(StreamId::MIN, from_start.then_some(0));
        let (mut added, mut nothing_is_missing) = (0, true);
        for step in steps {
            match step {
                Step::Add(more) => {
                    let next = entries.next_id(NewId::Is(id(entries.last_id().ms + more)), 0).unwrap();
                    entries.add(next, [(&b"f"[..], &b"v"[..])].into_iter(), LIMITS);
                    oracle.insert(next);
                    added += 1;
                }
                Step::Remove(n) if !oracle.is_empty() => {
                    let gone = *oracle.iter().nth(n % oracle.len()).unwrap();
                    prop_assert!(entries.remove(gone) && !entries.remove(gone));
                    oracle.remove(&gone);
                    nothing_is_missing = false;
                    prop_assert!(entries.max_deleted_id() >= gone);
                }
                Step::Remove(_) => (),
                Step::Trim(len, approximate) => {
                    let trimmed = entries.trim(Trim::ToLen(len), approximate, 0);
                    (0..trimmed).for_each(|_| { oracle.pop_first(); });
                    nothing_is_missing &= trimmed == 0;
                }
                Step::Read(count) => {
                    let read: Vec<_> = entries.after(group.last_id).take(count).map(|entry| entry.id).collect();
                    let before = group.last_id;
                    prop_assert!(read.iter().eq(oracle.iter().filter(|&&id| id > before).take(count)));
                    read.into_iter().for_each(|id| group.read(&entries, id));
                }
                // Ids that were never used are no gap.
                Step::SetId(more) => entries.set_id(id(entries.last_id().ms + more), None, None),
            }
            prop_assert_eq!(entries.len(), oracle.len() as u64);
            prop_assert_eq!(entries.added(), added);
            let unread = oracle.iter().filter(|&&id| id > group.last_id).count() as i64;
            let lag = entries.lag(group.last_id, group.entries_read);
            if let Some(lag) = lag {
                prop_assert!((unread..=added as i64).contains(&lag), "{} of {}", lag, unread);
            }
            if nothing_is_missing && from_start {
                prop_assert_eq!(lag, Some(unread));
            }
        }
    }

    #[test]
    fn new_ids_rise(last in any::<(u64, u64)>(), ms in any::<u64>(), now_ms in any::<i64>()) {
        let mut entries = Entries::default();
        let last = StreamId::new(last.0, last.1);
        entries.set_id(last, None, None);
        for wanted in [NewId::Auto, NewId::AutoSeq(ms), NewId::AutoSeq(last.ms), NewId::Is(StreamId::new(ms, 1))] {
            let next = entries.next_id(wanted, now_ms);
            prop_assert!(next.is_err() || next.unwrap() > last);
            let ms_wanted = match wanted {
                NewId::Auto => continue,
                NewId::AutoSeq(ms) => ms,
                NewId::Is(id) => id.ms,
            };
            prop_assert!(ms_wanted <= last.ms || next.is_ok());
        }
    }
}

#[test]
fn the_last_ids() {
    let mut entries = Entries::default();
    entries.set_id(StreamId::new(5, u64::MAX), None, None);
    assert_eq!(entries.next_id(NewId::Auto, 3), Ok(StreamId::new(6, 0)));
    assert_eq!(entries.next_id(NewId::AutoSeq(5), 3), Err(AddError::NotGreater));
    entries.set_id(StreamId::MAX, None, None);
    for wanted in [NewId::Auto, NewId::AutoSeq(u64::MAX), NewId::Is(StreamId::MAX)] {
        assert_eq!(entries.next_id(wanted, 3), Err(AddError::Exhausted));
    }
    assert_eq!(entries.after(StreamId::MAX).count(), 0);
}
