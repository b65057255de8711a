//! The flow map: connections remembered by their hash, in buckets of one cache line.
//!
//! The kernel program, the daemon and the tests share these functions; they differ in how a bucket's words
//! are loaded and exchanged ([`Bucket`]). All writes are compare-and-swap: CPUs and the daemon race freely.

use crate::abi::flow::{BUCKET_ENTRIES, FlowEntry, FlowState};

/// A bucket's words.
pub trait Bucket: Copy {
    /// Entry `at`, which is below [`BUCKET_ENTRIES`].
    fn load(self, at: usize) -> FlowEntry;
    /// Replaces entry `at` if it still is `old`; whether it was.
    fn swap(self, at: usize, old: FlowEntry, new: FlowEntry) -> bool;
}

/// What a connection is remembered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// The tag, in its place in an entry.
    pub tag: u64,
    /// The switch's epoch.
    pub epoch: u16,
}

impl FlowKey {
    /// The key of a connection hash in an epoch.
    #[inline(always)]
    pub const fn new(connection: u64, epoch: u16) -> Self {
        let mixed = connection ^ (epoch as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { tag: mixed & FlowEntry::TAG, epoch }
    }
}

/// The bucket of a connection hash, of `buckets` (a power of two). It does not depend on the epoch.
#[inline(always)]
pub const fn bucket_index(connection: u64, buckets: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
    {
        connection as u32 & (buckets - 1)
    }
}

/// A remembered connection and where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The place in the bucket.
    pub at: usize,
    /// The entry as it was loaded.
    pub entry: FlowEntry,
}

/// Looks a connection up.
#[inline(always)]
pub fn find<B: Bucket>(bucket: B, key: FlowKey) -> Option<Found> {
    let mut at = 0;
    while at < BUCKET_ENTRIES {
        let entry = bucket.load(at);
        if entry.matches(key.tag) {
            return Some(Found { at, entry });
        }
        at += 1;
    }
    None
}

/// Notes that a found connection was seen in `state`. Losing a race is harmless: another packet of the
/// connection says the same, and what the daemon makes one tick older is still remembered.
#[inline(always)]
pub fn touch<B: Bucket>(bucket: B, found: Found, state: FlowState) {
    let seen = found.entry.seen(state);
    if seen.0 != found.entry.0 {
        bucket.swap(found.at, found.entry, seen);
    }
}

/// What became of an attempt to remember a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// It has an entry of its own.
    Recorded,
    /// It has the entry of a connection that was not established or was closing.
    Evicted,
    /// All entries belong to established connections (or the race was lost twice).
    Refused,
}

/// How little it matters that an entry is lost: 0 never evict, then rising. Free entries come first of all.
#[inline(always)]
const fn expendability(entry: FlowEntry) -> u8 {
    if entry.is_free() {
        return u8::MAX;
    }
    match entry.state() {
        FlowState::Embryonic => 0x20 + entry.age(),
        FlowState::Established => 0,
        // A client that closed its half may still be receiving: one tick of silence first.
        FlowState::Closing => entry.age(),
    }
}

/// Remembers a connection that is not in the bucket.
///
/// The search starts at a place that the tag gives, so that a flood of opening packets evicts at random
/// among the youngest instead of always the same place.
#[inline(always)]
pub fn record<B: Bucket>(bucket: B, key: FlowKey, backend: u16, state: FlowState) -> Recording {
    let entry = FlowEntry::new(key.tag, key.epoch, backend, state);
    let start = (key.tag >> 61) as usize;
    let mut attempt = 0;
    while attempt < 2 {
        let mut best = 0;
        let mut victim = Found { at: 0, entry: FlowEntry::FREE };
        let mut step = 0;
        while step < BUCKET_ENTRIES {
            let at = (start + step) % BUCKET_ENTRIES;
            let candidate = bucket.load(at);
            let rank = expendability(candidate);
            if rank > best {
                best = rank;
                victim = Found { at, entry: candidate };
            }
            step += 1;
        }
        if best == 0 {
            return Recording::Refused;
        }
        if bucket.swap(victim.at, victim.entry, entry) {
            return if victim.entry.is_free() { Recording::Recorded } else { Recording::Evicted };
        }
        attempt += 1;
    }
    Recording::Refused
}

/// Remembers a connection in the place of an earlier one with the same addresses and ports.
#[inline(always)]
pub fn replace<B: Bucket>(
    bucket: B,
    found: Found,
    key: FlowKey,
    backend: u16,
    state: FlowState,
) -> Recording {
    let entry = FlowEntry::new(key.tag, key.epoch, backend, state);
    if exchange(bucket, found, entry) { Recording::Recorded } else { Recording::Refused }
}

/// Forgets a found connection; whether it is forgotten.
#[inline(always)]
pub fn forget<B: Bucket>(bucket: B, found: Found) -> bool {
    exchange(bucket, found, FlowEntry::FREE)
}

/// Puts `new` in the place of a found entry, also when it has just been touched or made older.
#[inline(always)]
fn exchange<B: Bucket>(bucket: B, found: Found, new: FlowEntry) -> bool {
    if bucket.swap(found.at, found.entry, new) {
        return true;
    }
    let again = bucket.load(found.at);
    again.matches(found.entry.0) && bucket.swap(found.at, again, new)
}

/// A bucket in ordinary memory: of tests, and of a mapped flow map.
#[cfg(target_has_atomic = "64")]
impl Bucket for &[core::sync::atomic::AtomicU64; BUCKET_ENTRIES] {
    fn load(self, at: usize) -> FlowEntry {
        FlowEntry(self[at].load(core::sync::atomic::Ordering::Relaxed))
    }

    fn swap(self, at: usize, old: FlowEntry, new: FlowEntry) -> bool {
        use core::sync::atomic::Ordering::Relaxed;
        self[at].compare_exchange(old.0, new.0, Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests;
