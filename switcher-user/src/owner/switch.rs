//! A switch: its word in the map, and what is known about its release and transition.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use switcher_common::abi::switch::{Share, SwitchWord};

use super::{drain::Drain, release::Release};

/// A switch.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Its name.
    pub name: String,
    /// Its index in the map.
    pub index: u16,
    /// When its share was last changed, in seconds of Unix time.
    pub since: u64,
    /// When its word was last stored, by the kernel's monotonic clock, in nanoseconds; nothing if another process did it.
    pub stored_at_ns: Option<u64>,
    /// Where `rollback` leads.
    pub release: Release,
    /// The running transition.
    pub transition: Option<Transition>,
}

/// A running transition.
#[derive(Clone, Copy, Debug)]
pub struct Transition {
    /// When it began, in seconds of Unix time.
    pub since: u64,
    /// Its end.
    pub drain: Drain,
    /// Distinct at-risk connections seen in the last interval (an estimate).
    pub at_risk: u64,
}

impl Transition {
    /// A transition that begins now.
    pub fn new(now: Instant, unix: u64) -> Self {
        Self { since: unix, drain: Drain::new(now, now), at_risk: 0 }
    }
}

/// What a store did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The word before.
    pub old: SwitchWord,
    /// The word now, read back.
    pub new: SwitchWord,
    /// Nanoseconds the store took, two clock readings included.
    pub took_ns: u64,
    /// `CLOCK_MONOTONIC` before the store.
    pub at_ns: u64,
}

/// The one write: replaces a word and reads it back.
pub fn store(place: &AtomicU64, new: SwitchWord) -> Stored {
    let old = SwitchWord(place.load(Ordering::SeqCst));
    let before = monotonic_ns();
    place.store(new.0, Ordering::SeqCst);
    let after = monotonic_ns();
    let new = SwitchWord(place.load(Ordering::SeqCst));
    Stored { old, new, took_ns: after - before, at_ns: before }
}

/// The clock that the kernel program's witnesses read (`bpf_ktime_get_ns`).
pub fn monotonic_ns() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        let part = |part: i64| u64::try_from(part).unwrap_or(0);
        part(time.tv_sec()) * 1_000_000_000 + part(time.tv_nsec())
    })
}

/// A share as a number of percent.
pub fn percent(share: Share) -> f64 {
    crate::model::Percent(share).number()
}

/// A word as it is shown.
pub fn hex(word: SwitchWord) -> String {
    format!("{:#018x}", word.0)
}
