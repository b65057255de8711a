//! The maps as steering sees them, from user space: for `explain`.

use std::sync::atomic::{AtomicU64, Ordering};

use switcher_common::{
    abi::{
        backend::Backend,
        endpoint::{Endpoint, EndpointKey},
        flow::{BUCKET_ENTRIES, FlowEntry},
        service::Service,
        slot::Slot,
        switch::SwitchWord,
    },
    flow::{Bucket, bucket_index},
    hash::Seed,
    steer::World,
};

use super::{Plane, Words};

/// A snapshot of the maps' entries that steering asks for by reference, over the living words.
///
/// Steering reads through it and changes nothing: what it would record is forgotten.
pub struct Snapshot<'a> {
    plane: &'a dyn Plane,
    services: Vec<Option<Service>>,
    backends: Vec<Option<Backend>>,
}

impl<'a> Snapshot<'a> {
    /// Copies the entries of the given services and backends.
    pub fn new(plane: &'a dyn Plane, services: &[u16], backends: &[u16]) -> Self {
        let copy = |indexes: &[u16]| indexes.iter().copied().max().map_or(0, |most| usize::from(most) + 1);
        let mut snapshot =
            Self { plane, services: vec![None; copy(services)], backends: vec![None; copy(backends)] };
        for index in services {
            snapshot.services[usize::from(*index)] = plane.service(*index).ok();
        }
        for index in backends {
            snapshot.backends[usize::from(*index)] = plane.backend(*index).ok();
        }
        snapshot
    }
}

fn load(words: &Words, index: usize) -> Option<u64> {
    words.get(index).map(|word| word.load(Ordering::Relaxed))
}

impl World for Snapshot<'_> {
    type Bucket = ReadOnly;

    fn seed(&self) -> Seed {
        self.plane.seed()
    }

    fn endpoint(&self, key: &EndpointKey) -> Option<Endpoint> {
        self.plane.endpoint(key).ok().flatten()
    }

    fn service(&self, index: u16) -> Option<&Service> {
        self.services.get(usize::from(index))?.as_ref()
    }

    fn word(&self, switch: u16) -> Option<SwitchWord> {
        load(self.plane.switches(), switch.into()).map(SwitchWord)
    }

    fn slot(&self, index: u32) -> Option<Slot> {
        load(self.plane.rings(), index as usize).map(Slot)
    }

    fn backend(&self, index: u16) -> Option<&Backend> {
        self.backends.get(usize::from(index))?.as_ref()
    }

    fn bucket(&self, connection: u64) -> Option<ReadOnly> {
        let flows = self.plane.flows().all();
        let buckets = u32::try_from(flows.len() / BUCKET_ENTRIES).ok()?;
        let start = bucket_index(connection, buckets) as usize * BUCKET_ENTRIES;
        let entries = flows.get(start..start + BUCKET_ENTRIES)?;
        Some(ReadOnly(std::array::from_fn(|at| entries[at].load(Ordering::Relaxed))))
    }

    fn witness(&self, _switch: u16, _word: SwitchWord) {}

    fn at_risk(&self, _switch: u16, _connection: u64) {}
}

/// A copy of a bucket that pretends to be changed.
#[derive(Clone, Copy)]
pub struct ReadOnly([u64; BUCKET_ENTRIES]);

impl Bucket for ReadOnly {
    fn load(self, at: usize) -> FlowEntry {
        FlowEntry(self.0[at])
    }

    fn swap(self, _at: usize, _old: FlowEntry, _new: FlowEntry) -> bool {
        true
    }
}

/// The entries of a flow map's bucket.
pub fn bucket(words: &Words, index: usize) -> Option<&[AtomicU64; BUCKET_ENTRIES]> {
    words.all().get(index * BUCKET_ENTRIES..(index + 1) * BUCKET_ENTRIES)?.try_into().ok()
}
