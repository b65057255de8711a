//! Every case of the decision, and chains of them.

mod chain;
mod model;

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Decision, Hashes, Signal, decide};
use crate::{
    abi::{
        flow::{
            BUCKET_ENTRIES, FlowEntry,
            FlowState::{self, Closing, Embryonic, Established},
        },
        outcome::Outcome,
        service::Memory,
        slot::Slot,
        switch::{Color, Share, Side, SwitchWord},
    },
    flow::{self, FlowKey},
};

const EPOCH: u16 = 7;
const BLUE: u16 = 1;
const GREEN: u16 = 2;
/// The backend of the connection that the bucket remembers.
const REMEMBERED: u16 = 3;
/// The backend of other connections.
const OTHER: u16 = 4;

const HASHES: Hashes = Hashes { connection: 0x0123_4567_89ab_cdef, draw: 0x8000_0000_0000_0000 };

/// What the bucket of the connection holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bucket {
    /// There is none.
    Missing,
    Empty,
    /// The connection.
    Holds(FlowState),
    /// Eight others, all established.
    Full,
    /// Eight others, one of them embryonic.
    Tight,
}

const BUCKETS: [Bucket; 7] = [
    Bucket::Missing,
    Bucket::Empty,
    Bucket::Holds(Embryonic),
    Bucket::Holds(Established),
    Bucket::Holds(Closing),
    Bucket::Full,
    Bucket::Tight,
];

/// What is remembered of the connection afterwards.
type Effect = Option<(u16, FlowState)>;

/// What should be decided: backend, outcome, what is remembered.
fn wanted(
    tracking: bool,
    equal: bool,
    bucket: Bucket,
    signal: Signal,
    memory: Memory,
) -> (u16, Outcome, Effect) {
    use Outcome::*;
    use Signal::{Close, Continue, Open};
    let (now, base) = (GREEN, if equal { GREEN } else { BLUE });
    let before = if let Bucket::Holds(state) = bucket { Some((REMEMBERED, state)) } else { None };
    let held = if equal { (now, Steered, before) } else { (base, Held, before) };
    let pinned = |state| (REMEMBERED, Pinned, Some((REMEMBERED, state)));
    let recorded = |outcome| (now, outcome, Some((now, Embryonic)));
    match (memory, tracking, signal, bucket) {
        (Memory::Never, ..) | (Memory::Transition, false, ..) => (now, Steered, before),

        (Memory::Always, _, _, Bucket::Holds(_)) => pinned(Established),
        (Memory::Always, _, _, Bucket::Empty) => recorded(Recorded),
        (Memory::Always, _, _, Bucket::Tight) => recorded(Evicted),
        (Memory::Always, true, _, Bucket::Full | Bucket::Missing) => (base, Refused, None),
        (Memory::Always, false, _, Bucket::Full | Bucket::Missing) => (now, Refused, None),

        (Memory::Transition, true, Open, Bucket::Holds(Embryonic)) => (REMEMBERED, Retransmitted, before),
        (Memory::Transition, true, Open, _) if equal => (now, Steered, None),
        (Memory::Transition, true, Open, Bucket::Holds(_) | Bucket::Empty) => recorded(Recorded),
        (Memory::Transition, true, Open, Bucket::Tight) => recorded(Evicted),
        (Memory::Transition, true, Open, Bucket::Full) => (base, Refused, None),
        (Memory::Transition, true, Open, Bucket::Missing) => (base, Held, None),

        (Memory::Transition, true, Continue, Bucket::Holds(Closing)) => pinned(Closing),
        (Memory::Transition, true, Continue, Bucket::Holds(_)) => pinned(Established),
        (Memory::Transition, true, Close, Bucket::Holds(Embryonic)) => pinned(Embryonic),
        (Memory::Transition, true, Close, Bucket::Holds(_)) => pinned(Closing),
        (Memory::Transition, true, Continue | Close, _) => held,
    }
}

fn filled(bucket: Bucket, key: FlowKey) -> [AtomicU64; BUCKET_ENTRIES] {
    let others = |embryonic: Option<usize>| {
        core::array::from_fn(|at| {
            let state = if embryonic == Some(at) { Embryonic } else { Established };
            let tag = (at as u64 + 1) << 24;
            AtomicU64::new(FlowEntry::new(tag, EPOCH, OTHER, state).0)
        })
    };
    match bucket {
        Bucket::Missing | Bucket::Empty => Default::default(),
        Bucket::Holds(state) => {
            let words: [AtomicU64; BUCKET_ENTRIES] = Default::default();
            words[5].store(FlowEntry::new(key.tag, EPOCH, REMEMBERED, state).older().0, Relaxed);
            words
        }
        Bucket::Full => others(None),
        Bucket::Tight => others(Some(6)),
    }
}

#[test]
fn every_case() {
    let slot = Color::ALL.into_iter().zip([BLUE, GREEN]).fold(Slot::default(), |slot, (color, backend)| {
        slot.with(color, Side::Now, backend).with(color, Side::Base, backend)
    });
    let key = FlowKey::new(HASHES.connection, EPOCH);
    let mut cases = 0;
    for tracking in [false, true] {
        for equal in [false, true] {
            let base = if equal { Share::FULL } else { Share::ZERO };
            let settled = SwitchWord::settled(Share::FULL, EPOCH).with_base(base);
            let word = if tracking { settled.track() } else { settled };
            for bucket in BUCKETS {
                for signal in [Signal::Open, Signal::Continue, Signal::Close] {
                    for memory in [Memory::Transition, Memory::Never, Memory::Always] {
                        let case = std::format!("{tracking} {equal} {bucket:?} {signal:?} {memory:?}");
                        let words = filled(bucket, key);
                        let decision = decide(word, slot, HASHES, signal, memory, || {
                            let needed = memory == Memory::Always || memory == Memory::Transition && tracking;
                            assert!(needed, "{case}: the bucket is looked up in vain");
                            (bucket != Bucket::Missing).then_some(&words)
                        });
                        let (backend, outcome, effect) = wanted(tracking, equal, bucket, signal, memory);
                        let at_risk = backend != GREEN;
                        assert_eq!(decision, Decision { backend, outcome, at_risk }, "{case}");
                        let found = flow::find(&words, key).map(|found| found.entry);
                        let found = found.map(|entry| (entry.backend(), entry.state()));
                        assert_eq!(found, effect, "{case}: what is remembered");
                        assert_strangers_stay(bucket, outcome, &words, &case);
                        cases += 1;
                    }
                }
            }
        }
    }
    assert_eq!(cases, 2 * 2 * 7 * 3 * 3);
}

/// No established connection has to go, and another one only if the outcome says so.
fn assert_strangers_stay(bucket: Bucket, outcome: Outcome, words: &[AtomicU64; BUCKET_ENTRIES], case: &str) {
    let count = |wanted| {
        let entries = words.iter().map(|word| FlowEntry(word.load(Relaxed)));
        entries.filter(|entry| entry.backend() == OTHER && entry.state() == wanted).count()
    };
    let (established, embryonic) = match bucket {
        Bucket::Full => (8, 0),
        Bucket::Tight => (7, if outcome == Outcome::Evicted { 0 } else { 1 }),
        _ => (0, 0),
    };
    assert_eq!((count(Established), count(Embryonic)), (established, embryonic), "{case}: the others");
}

#[test]
fn an_entry_that_is_used_is_young_again() {
    let slot = Slot::default().with(Color::Blue, Side::Now, BLUE).with(Color::Blue, Side::Base, BLUE);
    let word = SwitchWord::settled(Share::ZERO, EPOCH).track();
    let key = FlowKey::new(HASHES.connection, EPOCH);
    for state in [Embryonic, Established, Closing] {
        let words = filled(Bucket::Holds(state), key);
        decide(word, slot, HASHES, Signal::Continue, Memory::Transition, || Some(&words));
        assert_eq!(flow::find(&words, key).unwrap().entry.age(), 0, "{state:?}");
    }
}

#[test]
fn another_epoch_remembers_nothing() {
    let slot = Slot::default().with(Color::Blue, Side::Now, BLUE).with(Color::Blue, Side::Base, BLUE);
    for epoch in (0..=u16::MAX).filter(|epoch| *epoch != EPOCH) {
        let words = filled(Bucket::Holds(Established), FlowKey::new(HASHES.connection, EPOCH));
        let word = SwitchWord::settled(Share::ZERO, epoch).track();
        let decision = decide(word, slot, HASHES, Signal::Continue, Memory::Transition, || Some(&words));
        assert_eq!(decision.outcome, Outcome::Steered, "epoch {epoch}");
    }
}
