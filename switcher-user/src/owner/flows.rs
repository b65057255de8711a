//! Keeping the flow map: ageing, freeing, counting. Everything by compare-and-swap beside the kernel.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use switcher_common::abi::flow::{FlowEntry, FlowState};

/// What the sweep needs to know about an entry's backend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeping {
    /// The epoch of the switch that the backend's service is on.
    pub(super) epoch: u16,
    /// How long an established connection may be silent before it is forgotten; nothing: as long as its
    /// epoch lasts.
    pub(super) idle: Option<Duration>,
    /// The same for a connection whose client has sent its last byte.
    pub(super) closing: Duration,
}

/// A connection without an idle time that was opened and sent nothing more is forgotten after this.
const EMBRYONIC_IDLE: Duration = Duration::from_secs(60);
/// What a sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Entries in use after the sweep.
    pub(super) used: u64,
    /// Of these, embryonic.
    pub(super) embryonic: u64,
    /// Of these, closing.
    pub(super) closing: u64,
}

/// Ages and frees entries, every second.
///
/// An entry's age has four bits, so it grows by one in each fifteenth of how long its kind may be silent (by
/// more at once, if that is less than 15 s). `tick` is the number of seconds since some beginning, and
/// `elapsed` how many have passed since the last sweep.
pub(super) fn sweep(
    words: &[AtomicU64],
    tick: u64,
    elapsed: u64,
    keeping: impl Fn(u16) -> Option<Keeping>,
) -> Usage {
    let mut usage = Usage::default();
    for word in words {
        let entry = FlowEntry(word.load(Relaxed));
        if entry.is_free() {
            continue;
        }
        let kept = keeping(entry.backend()).and_then(|keeping| age(entry, tick, elapsed, keeping));
        let next = kept.unwrap_or(FlowEntry::FREE);
        // Losing to the kernel means the entry has just been used: it is as young as can be.
        let lost = next != entry && word.compare_exchange(entry.0, next.0, Relaxed, Relaxed).is_err();
        if kept.is_some() || lost {
            usage.add(entry);
        }
    }
    usage
}

/// What is remembered now.
pub(super) fn usage(words: &[AtomicU64]) -> Usage {
    let mut usage = Usage::default();
    for word in words {
        let entry = FlowEntry(word.load(Relaxed));
        if !entry.is_free() {
            usage.add(entry);
        }
    }
    usage
}

impl Usage {
    fn add(&mut self, entry: FlowEntry) {
        self.used += 1;
        match entry.state() {
            FlowState::Embryonic => self.embryonic += 1,
            FlowState::Closing => self.closing += 1,
            FlowState::Established => {}
        }
    }
}

/// How many connections on the backends that `belongs` says are remembered in `epoch`.
pub(super) fn count(words: &[AtomicU64], epoch: u16, belongs: impl Fn(u16) -> bool) -> usize {
    words.iter().filter(|word| recorded(FlowEntry(word.load(Relaxed)), epoch, &belongs)).count()
}

/// Forgets `done` of `steps` equal parts of them, chosen by their tags: the same ones, and more, with more done.
pub(super) fn let_go(words: &[AtomicU64], epoch: u16, belongs: impl Fn(u16) -> bool, done: u16, steps: u16) {
    for word in words {
        let entry = FlowEntry(word.load(Relaxed));
        let part = ((entry.0 >> 48) * u64::from(steps)) >> 16;
        if part < u64::from(done) && recorded(entry, epoch, &belongs) {
            // Lost to a packet of the same connection: the last step, which ends the epoch, gets it.
            let _lost = word.compare_exchange(entry.0, FlowEntry::FREE.0, Relaxed, Relaxed).is_err();
        }
    }
}

fn recorded(entry: FlowEntry, epoch: u16, belongs: &impl Fn(u16) -> bool) -> bool {
    !entry.is_free() && entry.epoch_bits() == epoch & 3 && belongs(entry.backend())
}

/// The entry as it should be now; nothing if it is to be forgotten.
fn age(entry: FlowEntry, tick: u64, elapsed: u64, keeping: Keeping) -> Option<FlowEntry> {
    // What a rebase left behind matches nothing any more.
    if entry.epoch_bits() != keeping.epoch & 3 {
        return None;
    }
    let idle = match (keeping.idle, entry.state()) {
        (Some(idle), _) => idle,
        (None, FlowState::Embryonic) => EMBRYONIC_IDLE,
        (None, FlowState::Closing) => keeping.closing,
        (None, FlowState::Established) => return Some(entry),
    };
    // Counted from the beginning, so that what a division loses does not add up: a silent entry is freed
    // after `idle`, and at most a sixteenth of it and two sweeps later.
    let aged = |second: u64| second * u64::from(FlowEntry::OLDEST) / idle.as_secs().max(1);
    let ticks = aged(tick) - aged(tick - elapsed.min(tick));
    let mut entry = entry;
    for _ in 0..ticks.min(u64::from(FlowEntry::OLDEST)) {
        if entry.age() == FlowEntry::OLDEST {
            return None;
        }
        entry = entry.older();
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(state: FlowState) -> FlowEntry {
        FlowEntry::new(0xabcd_0000_0000_0000, 5, 7, state)
    }

    fn keeping(idle: u64) -> impl Fn(u16) -> Option<Keeping> {
        let idle = (idle > 0).then(|| Duration::from_secs(idle));
        move |backend| (backend == 7).then_some(Keeping { epoch: 5, idle, closing: Duration::from_secs(90) })
    }

    /// Sweeps every second and says when the entry was gone.
    fn life(first: FlowEntry, idle: u64) -> u64 {
        let words = [AtomicU64::new(first.0)];
        for second in 1..10_000 {
            if sweep(&words, second, 1, keeping(idle)).used == 0 {
                return second;
            }
        }
        panic!("never forgotten");
    }

    #[test]
    fn silent_connections_are_forgotten_in_time() {
        for (state, idle, least, most) in [
            (FlowState::Established, 600, 600, 660),
            (FlowState::Established, 15, 15, 17),
            (FlowState::Established, 29, 29, 33),
            (FlowState::Established, 59, 59, 65),
            (FlowState::Established, 2, 2, 4),
            (FlowState::Established, 1, 1, 3),
            (FlowState::Embryonic, 600, 600, 660),
            (FlowState::Embryonic, 0, 60, 68),
            (FlowState::Closing, 0, 90, 99),
            (FlowState::Embryonic, 15, 15, 17),
        ] {
            let life = life(entry(state), idle);
            assert!((least..=most).contains(&life), "{state:?}, {idle} s: {life} s");
        }
    }

    #[test]
    fn without_an_idle_time_what_was_established_stays() {
        let words = [AtomicU64::new(entry(FlowState::Established).0)];
        for second in 1..10_000 {
            assert_eq!(sweep(&words, second, 1, keeping(0)).used, 1);
        }
    }

    #[test]
    fn what_a_rebase_left_behind_goes_at_once() {
        let words = [AtomicU64::new(FlowEntry::new(1 << 40, 4, 7, FlowState::Established).0)];
        assert_eq!(sweep(&words, 1, 0, keeping(600)), Usage::default());
        assert_eq!(words[0].load(Relaxed), 0);
    }

    #[test]
    fn entries_of_unknown_backends_go_too() {
        let words = [AtomicU64::new(FlowEntry::new(1 << 40, 5, 8, FlowState::Established).0)];
        assert_eq!(sweep(&words, 1, 0, keeping(600)).used, 0);
    }

    #[test]
    fn a_packet_makes_an_entry_young_again() {
        let words = [AtomicU64::new(entry(FlowState::Established).0)];
        for second in 1..1_000 {
            assert_eq!(sweep(&words, second, 1, keeping(15)).used, 1);
            let entry = FlowEntry(words[0].load(Relaxed));
            words[0].store(entry.seen(FlowState::Established).0, Relaxed);
        }
    }
}
