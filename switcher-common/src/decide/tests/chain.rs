//! The promise as a property: no established connection ever changes its backend, through any chain of opens,
//! packets, closes, tuples used again, shares, changes of backends, paced drains and ends of transitions.

use proptest::prelude::*;

use super::model::{Event, Model, SLOTS, Tuple};
use crate::abi::{service::Service, switch::Color};

const TUPLES: core::ops::Range<Tuple> = 0..200;

fn traffic() -> impl Strategy<Value = Event> {
    prop_oneof![
        35 => TUPLES.prop_map(Event::Open),
        50 => TUPLES.prop_map(Event::Packet),
        7 => TUPLES.prop_map(Event::Close),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let color = || prop::sample::select(&Color::ALL[..]);
    let between = || prop::collection::vec(traffic(), 0..30);
    let share = prop_oneof![Just(0), Just(10_000), 0..=10_000_u16];
    prop_oneof![
        92 => traffic(),
        4 => share.prop_map(Event::Share),
        1 => (color(), 2..8_u32, 0..SLOTS, between())
            .prop_map(|(color, every, offset, between)| Event::Add { color, every, offset, between }),
        1 => (color(), 0..SLOTS, between())
            .prop_map(|(color, slot, between)| Event::Remove { color, slot, between }),
        1 => (0..=10_000_u16).prop_map(Event::Pace),
        2 => (any::<bool>(), between()).prop_map(|(hard, between)| Event::Rebase { hard, between }),
        1 => Just(Event::Age),
    ]
}

fn play(buckets: usize, flags: u8, events: &[Event]) -> Model {
    let mut model = Model::new(buckets, flags);
    events.iter().for_each(|event| model.run(event));
    model
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn with_room_for_all(events in prop::collection::vec(event(), 1..600)) {
        prop_assert_eq!(play(256, 0, &events).crowded, 0);
    }

    #[test]
    fn with_clients_drawn_together(events in prop::collection::vec(event(), 1..600)) {
        prop_assert_eq!(play(256, Service::CLIENT_AFFINITY, &events).crowded, 0);
    }

    #[test]
    fn with_evictions_and_refusals(buckets in prop::sample::select(&[1_usize, 4, 16][..]),
                                   events in prop::collection::vec(event(), 1..600)) {
        play(buckets, 0, &events);
    }
}

proptest! {
    // A failure is shrunk in the short chains above.
    #![proptest_config(ProptestConfig { max_shrink_iters: 0, ..ProptestConfig::with_cases(3) })]

    #[test]
    fn in_long_chains(events in prop::collection::vec(event(), 20_000)) {
        for (buckets, crowded) in [(256, false), (16, true)] {
            let model = play(buckets, 0, &events);
            // The chain has gone through many transitions, or it would prove little.
            prop_assert!(model.now_word().epoch() > 20, "{} transitions", model.now_word().epoch());
            prop_assert_eq!(model.crowded > 0, crowded);
        }
    }
}
