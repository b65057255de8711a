//! The bucket: who makes room for whom, and what races do.

use core::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{Bucket, FlowKey, Found, Recording, bucket_index, find, forget, record, replace, touch};
use crate::abi::flow::{
    BUCKET_ENTRIES, FlowEntry,
    FlowState::{self, Closing, Embryonic, Established},
};

type Words = [AtomicU64; BUCKET_ENTRIES];

const BACKEND: u16 = 9;

fn key(n: u64) -> FlowKey {
    FlowKey::new(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), 1)
}

fn aged(state: FlowState, age: u8) -> impl Fn(u64) -> FlowEntry {
    move |n| {
        let entry = FlowEntry::new(key(n).tag, 1, BACKEND, state);
        (0..age).fold(entry, |entry, _| entry.older())
    }
}

fn entry(bucket: &Words, key: FlowKey) -> Option<FlowEntry> {
    find(bucket, key).map(|found| found.entry)
}

#[test]
fn eight_have_room() {
    let words = Words::default();
    for n in 0..8 {
        assert_eq!(record(&words, key(n), 10, Established), Recording::Recorded);
        assert!((0..=n).all(|n| entry(&words, key(n)).is_some()));
    }
    assert_eq!(record(&words, key(8), 10, Established), Recording::Refused);
    assert!(entry(&words, key(8)).is_none());
    forget(&words, find(&words, key(3)).unwrap());
    assert_eq!(record(&words, key(8), 10, Established), Recording::Recorded);
    assert!(entry(&words, key(3)).is_none() && entry(&words, key(8)).is_some());
}

#[test]
fn who_makes_room() {
    // From the first to go to the last; what is not written down never goes.
    let order: [(&str, FlowEntry); 6] = [
        ("an old embryonic one", aged(Embryonic, 9)(1)),
        ("an embryonic one", aged(Embryonic, 0)(2)),
        ("one long closed", aged(Closing, 15)(3)),
        ("one closed for a while", aged(Closing, 1)(4)),
        ("one just closed", aged(Closing, 0)(5)),
        ("an established one, however old", aged(Established, 15)(6)),
    ];
    for (first, (name, entry)) in order.iter().enumerate() {
        // One of each kind that is left, the rest established.
        let words = Words::default();
        let others = order[first..].iter().map(|(_, entry)| *entry).chain((60..).map(aged(Established, 0)));
        words.iter().zip(others).for_each(|(word, entry)| word.store(entry.0, Relaxed));
        let recording = record(&words, key(50), 10, Embryonic);
        let gone = !words.iter().any(|word| word.load(Relaxed) == entry.0);
        let makes_room = first < 4;
        assert_eq!(gone, makes_room, "{name}");
        assert_eq!(recording == Recording::Evicted, makes_room, "{name}: {recording:?}");
    }
}

#[test]
fn a_flood_evicts_itself() {
    let words = Words::default();
    for n in 0..5 {
        record(&words, key(n), 10, Embryonic);
        touch(&words, find(&words, key(n)).unwrap(), Established);
    }
    let evicted =
        (100..10_100).filter(|n| record(&words, key(*n), 10, Embryonic) == Recording::Evicted).count();
    assert_eq!(evicted, 10_000 - 3);
    assert!((0..5).all(|n| entry(&words, key(n)).is_some_and(|entry| entry.state() == Established)));
}

#[test]
fn a_connection_used_again_takes_its_own_place() {
    let words = Words::default();
    for n in 0..8 {
        record(&words, key(n), 10, Established);
    }
    let found = find(&words, key(4)).unwrap();
    assert_eq!(replace(&words, found, key(4), 11, Embryonic), Recording::Recorded);
    let entry = entry(&words, key(4)).unwrap();
    assert_eq!((entry.backend(), entry.state()), (11, Embryonic));
    // What was found has been touched since: it is still the same connection.
    touch(&words, found, Closing);
    assert_eq!(super::tests::entry(&words, key(4)), Some(entry), "a touch that came too late");
    assert_eq!(replace(&words, found, key(4), 12, Embryonic), Recording::Recorded);
    assert!(forget(&words, found));
    assert_eq!(super::tests::entry(&words, key(4)), None);
    // Somebody else has taken the place: that one stays.
    record(&words, key(9), 13, Embryonic);
    assert_eq!(replace(&words, found, key(4), 12, Embryonic), Recording::Refused);
    assert!(!forget(&words, found));
    assert!(super::tests::entry(&words, key(9)).is_some());
}

#[test]
fn tags_depend_on_the_epoch_and_buckets_do_not() {
    let connection = 0x0123_4567_89ab_cdef;
    let words = Words::default();
    record(&words, FlowKey::new(connection, 1), 10, Established);
    let matching = (0..=u16::MAX).filter(|epoch| find(&words, FlowKey::new(connection, *epoch)).is_some());
    assert_eq!(matching.collect::<std::vec::Vec<_>>(), [1]);
    for buckets in [1, 2, 1 << 10, 1 << 25] {
        assert!(bucket_index(connection, buckets) < buckets);
    }
    assert_eq!(bucket_index(connection, 1 << 10), 0x1ef);
}

/// A bucket in which somebody else is always first, a number of times.
#[derive(Clone, Copy)]
struct Contended<'a> {
    words: &'a Words,
    losses: &'a Cell<u32>,
}

impl Bucket for Contended<'_> {
    fn load(self, at: usize) -> FlowEntry {
        self.words.load(at)
    }

    fn swap(self, at: usize, old: FlowEntry, new: FlowEntry) -> bool {
        if self.losses.get() > 0 {
            self.losses.set(self.losses.get() - 1);
            self.words[at].store(FlowEntry::new(u64::MAX, 1, 77, Established).0, Relaxed);
        }
        self.words.swap(at, old, new)
    }
}

#[test]
fn a_lost_race_is_tried_once_more() {
    for (losses, wanted) in [(0, Recording::Recorded), (1, Recording::Recorded), (2, Recording::Refused)] {
        let (words, left) = (Words::default(), Cell::new(losses));
        let bucket = Contended { words: &words, losses: &left };
        assert_eq!(record(bucket, key(1), 10, Embryonic), wanted, "{losses} races lost");
        assert_eq!(entry(&words, key(1)).is_some(), wanted == Recording::Recorded);
        let others = words.iter().filter(|word| FlowEntry(word.load(Relaxed)).backend() == 77).count();
        assert_eq!(others, losses as usize, "nobody who was first is lost");
    }
}

#[test]
fn touching_writes_only_what_has_changed() {
    let words = Words::default();
    record(&words, key(1), 10, Established);
    let found = find(&words, key(1)).unwrap();
    let left = Cell::new(1);
    // A write would be noticed: somebody else would come first.
    touch(Contended { words: &words, losses: &left }, found, Established);
    assert_eq!(left.get(), 1);
    let old = Found { entry: found.entry.older(), ..found };
    words[found.at].store(old.entry.0, Relaxed);
    touch(&words, old, Established);
    assert_eq!(entry(&words, key(1)), Some(found.entry));
}
