//! The decision: which backend a packet goes to, and what must be remembered for it.
//!
//! In steady state it is a pure function of the word, the slot and the hash. During a transition only
//! connections at risk, those whose backend differs between the two plans, are remembered, from their
//! opening packet on. An unrecorded connection has begun before the transition or is not at risk: the base
//! plan is right for both.

use crate::{
    abi::{
        flow::FlowState,
        outcome::Outcome,
        service::Memory,
        slot::Slot,
        switch::{Color, Side, SwitchWord},
    },
    flow::{self, Bucket, FlowKey, Recording},
};

/// What a packet says about its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It opens one (TCP SYN without ACK).
    Open,
    /// It belongs to one that is open. UDP packets say no more than this.
    Continue,
    /// The client has sent its last byte, or gives up (TCP FIN or RST).
    Close,
}

/// The two hashes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashes {
    /// What it is remembered by.
    pub connection: u64,
    /// What color and backend are drawn by.
    pub draw: u64,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The backend's index; [`crate::abi::NONE`] if the plan has none.
    pub backend: u16,
    /// How it was found: one of the outcomes 0 to 6.
    pub outcome: Outcome,
    /// Whether the plan for new connections would choose another backend.
    pub at_risk: bool,
}

/// What the word and the slot say for a drawing hash: color, then backend.
#[inline(always)]
pub const fn plan(word: SwitchWord, slot: Slot, draw: u64, side: Side) -> (Color, u16) {
    let color = if word.share(side).contains(draw) { Color::Green } else { Color::Blue };
    (color, slot.backend(color, side))
}

/// Decides for one packet. `bucket` is asked for only when the connection may be remembered.
///
/// Where the flow map cannot be reached (it never happens: the index is masked), nothing is remembered.
#[inline(always)]
pub fn decide<B: Bucket>(
    word: SwitchWord,
    slot: Slot,
    hashes: Hashes,
    signal: Signal,
    memory: Memory,
    bucket: impl FnOnce() -> Option<B>,
) -> Decision {
    let (_, now) = plan(word, slot, hashes.draw, Side::Now);
    let steered = Decision { backend: now, outcome: Outcome::Steered, at_risk: false };
    let remembering = match memory {
        Memory::Never => false,
        Memory::Transition => word.tracking(),
        Memory::Always => true,
    };
    if !remembering {
        return steered;
    }
    let key = FlowKey::new(hashes.connection, word.epoch());
    match memory {
        Memory::Always => datagram(now, unremembered(word, slot, hashes.draw).backend, key, bucket()),
        _ => {
            let (_, base) = plan(word, slot, hashes.draw, Side::Base);
            stream(now, base, key, signal, bucket())
        }
    }
}

/// Decides for a packet of a connection that is not remembered and does not open one: during a transition
/// it began before it, and the base plan is right.
#[inline(always)]
pub fn unremembered(word: SwitchWord, slot: Slot, draw: u64) -> Decision {
    let (_, now) = plan(word, slot, draw, Side::Now);
    let (_, base) = plan(word, slot, draw, Side::Base);
    if word.tracking() && base != now {
        Decision { backend: base, outcome: Outcome::Held, at_risk: true }
    } else {
        Decision { backend: now, outcome: Outcome::Steered, at_risk: false }
    }
}

/// A TCP packet during a transition.
#[inline(always)]
fn stream<B: Bucket>(now: u16, base: u16, key: FlowKey, signal: Signal, bucket: Option<B>) -> Decision {
    let chosen = |backend, outcome| Decision { backend, outcome, at_risk: backend != now };
    let held = if now == base { chosen(now, Outcome::Steered) } else { chosen(base, Outcome::Held) };
    let Some(bucket) = bucket else { return held };
    let found = flow::find(bucket, key);
    let state = match signal {
        Signal::Open => {
            let recording = match found {
                Some(found) if matches!(found.entry.state(), FlowState::Embryonic) => {
                    return chosen(found.entry.backend(), Outcome::Retransmitted);
                }
                // A new connection with the addresses and ports of an old one.
                Some(found) if now == base => {
                    // Still there, its next packet would find it: then it stays.
                    let kept = chosen(found.entry.backend(), Outcome::Retransmitted);
                    return if flow::forget(bucket, found) { held } else { kept };
                }
                Some(found) => match flow::replace(bucket, found, key, now, FlowState::Embryonic) {
                    Recording::Refused => return chosen(found.entry.backend(), Outcome::Retransmitted),
                    recording => recording,
                },
                None if now == base => return held,
                None => flow::record(bucket, key, now, FlowState::Embryonic),
            };
            return match recording {
                Recording::Recorded => chosen(now, Outcome::Recorded),
                Recording::Evicted => chosen(now, Outcome::Evicted),
                Recording::Refused => chosen(base, Outcome::Refused),
            };
        }
        Signal::Continue => FlowState::Established,
        Signal::Close => FlowState::Closing,
    };
    match found {
        Some(found) => {
            let state = match (found.entry.state(), state) {
                // The last acknowledgements of a closing connection do not open it again.
                (FlowState::Closing, _) => FlowState::Closing,
                // Given up before it was established: as quick to make room as before.
                (FlowState::Embryonic, FlowState::Closing) => FlowState::Embryonic,
                _ => state,
            };
            flow::touch(bucket, found, state);
            chosen(found.entry.backend(), Outcome::Pinned)
        }
        None => held,
    }
}

/// A packet of a UDP service that remembers its clients. One packet alone leaves an embryonic entry: a
/// flood from spoofed addresses evicts itself.
#[inline(always)]
fn datagram<B: Bucket>(now: u16, base: u16, key: FlowKey, bucket: Option<B>) -> Decision {
    let chosen = |backend, outcome| Decision { backend, outcome, at_risk: backend != now };
    let Some(bucket) = bucket else { return chosen(base, Outcome::Refused) };
    if let Some(found) = flow::find(bucket, key) {
        flow::touch(bucket, found, FlowState::Established);
        return chosen(found.entry.backend(), Outcome::Pinned);
    }
    match flow::record(bucket, key, now, FlowState::Embryonic) {
        Recording::Recorded => chosen(now, Outcome::Recorded),
        Recording::Evicted => chosen(now, Outcome::Evicted),
        Recording::Refused => chosen(base, Outcome::Refused),
    }
}

#[cfg(test)]
mod tests;
