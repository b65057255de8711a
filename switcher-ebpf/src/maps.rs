//! The maps: the only file that names them.
//!
//! Sizes here are placeholders: the daemon sets them before it loads the object. What the daemon changes
//! while packets flow, it changes by single stores into mapped memory (`BPF_F_MMAPABLE`).

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    helpers::bpf_ktime_get_ns,
    macros::map,
    maps::{Array, HashMap, PerCpuArray},
};
use switcher_common::{
    abi::{
        backend::Backend,
        endpoint::{Endpoint, EndpointKey},
        flow::{BUCKET_ENTRIES, FlowEntry},
        meta::Meta,
        outcome::{Counters, Outcome},
        service::Service,
        slot::Slot,
        switch::SwitchWord,
        transition::{AT_RISK_BITS, AtRisk, Witness},
    },
    flow::{Bucket, bucket_index},
    hash::Seed,
    steer::World,
};

use crate::atomic;

/// By address and port: what they are to us.
#[map]
static ENDPOINTS: HashMap<EndpointKey, Endpoint> = HashMap::with_max_entries(1, 0);
/// By service index.
#[map]
static SERVICES: Array<Service> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// By switch index: the words that flips store.
#[map]
static SWITCHES: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// By slot index: every service has a range.
#[map]
static RINGS: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// By backend index.
#[map]
static BACKENDS: Array<Backend> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// By bucket index: remembered connections.
#[map]
static FLOWS: Array<[u64; BUCKET_ENTRIES]> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// By switch index: at-risk connections seen since the daemon last looked.
#[map]
static AT_RISK: Array<AtRisk> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// By switch index: the newest word each CPU has judged by.
#[map]
static WITNESSES: PerCpuArray<Witness> = PerCpuArray::with_max_entries(1, 0);
/// By backend index: outcomes 0 to 15.
#[map]
static BACKEND_COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1, 0);
/// By service index, 0 for what is not ours: outcomes 16 to 31.
#[map]
static SERVICE_COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1, 0);
/// For the daemon alone: what it needs to know before it adopts the other maps.
#[map]
static META: Array<Meta> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Set by the loader, constant afterwards: the verifier sees the values themselves.
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
static SEED: [u64; 2] = [0; 2];
/// Set by the loader: buckets of `FLOWS`, a power of two.
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
static FLOW_BUCKETS: u32 = 1;

/// The maps as steering sees them.
pub(crate) struct Maps;

impl World for Maps {
    type Bucket = KernelBucket;

    #[inline(always)]
    fn seed(&self) -> Seed {
        // SAFETY: a static may be read; volatile, because the loader changes what the compiler sees.
        Seed(unsafe { (&raw const SEED).read_volatile() })
    }

    #[inline(always)]
    fn endpoint(&self, key: &EndpointKey) -> Option<Endpoint> {
        // SAFETY: the daemon deletes and inserts endpoints but never changes one, so the copy is whole.
        unsafe { ENDPOINTS.get(key) }.copied()
    }

    #[inline(always)]
    fn service(&self, index: u16) -> Option<&Service> {
        SERVICES.get(index.into())
    }

    #[inline(always)]
    fn word(&self, switch: u16) -> Option<SwitchWord> {
        let word = SWITCHES.get_ptr(switch.into())?;
        // SAFETY: a pointer to a map value, aligned as the kernel aligns values.
        Some(SwitchWord(unsafe { atomic::load(word) }))
    }

    #[inline(always)]
    fn slot(&self, index: u32) -> Option<Slot> {
        let slot = RINGS.get_ptr(index)?;
        // SAFETY: as in `word`.
        Some(Slot(unsafe { atomic::load(slot) }))
    }

    #[inline(always)]
    fn backend(&self, index: u16) -> Option<&Backend> {
        BACKENDS.get(index.into())
    }

    #[inline(always)]
    fn bucket(&self, connection: u64) -> Option<KernelBucket> {
        // SAFETY: as in `seed`.
        let buckets = unsafe { (&raw const FLOW_BUCKETS).read_volatile() };
        FLOWS.get_ptr_mut(bucket_index(connection, buckets)).map(KernelBucket)
    }

    #[inline(always)]
    fn witness(&self, switch: u16, word: SwitchWord) {
        let Some(witness) = WITNESSES.get_ptr_mut(switch.into()) else { return };
        // SAFETY: a pointer to this CPU's copy of a map value.
        let witness = unsafe { &mut *witness };
        if witness.word != word.0 {
            // SAFETY: the helper takes no arguments and has no effect.
            *witness = Witness { word: word.0, at_ns: unsafe { bpf_ktime_get_ns() } };
        }
    }

    #[inline(always)]
    fn at_risk(&self, switch: u16, connection: u64) {
        let Some(at_risk) = AT_RISK.get_ptr_mut(switch.into()) else { return };
        // Neither the bits that color is drawn by nor those that choose the flow map's bucket.
        let bit = (connection >> 20) % AT_RISK_BITS as u64;
        let mask = 1 << (bit % 64);
        // SAFETY: a pointer to a map value and an index below its length.
        unsafe {
            let word = (&raw mut (*at_risk).bits).cast::<u64>().add((bit / 64) as usize);
            // Most packets find their bit set: the line stays shared.
            if atomic::load(word) & mask == 0 {
                atomic::set_bits(word, mask);
            }
        }
    }
}

/// A bucket of `FLOWS`.
#[derive(Clone, Copy)]
pub(crate) struct KernelBucket(*mut [u64; BUCKET_ENTRIES]);

impl KernelBucket {
    #[inline(always)]
    fn entry(self, at: usize) -> *mut u64 {
        self.0.cast::<u64>().wrapping_add(at % BUCKET_ENTRIES)
    }
}

impl Bucket for KernelBucket {
    #[inline(always)]
    fn load(self, at: usize) -> FlowEntry {
        // SAFETY: the entry lies in the map value.
        FlowEntry(unsafe { atomic::load(self.entry(at)) })
    }

    #[inline(always)]
    fn swap(self, at: usize, old: FlowEntry, new: FlowEntry) -> bool {
        // SAFETY: the entry lies in the map value.
        unsafe { atomic::compare_and_swap(self.entry(at), old.0, new.0) }
    }
}

/// Counts a packet with the backend or the service that its outcome belongs to.
#[inline(always)]
pub(crate) fn count(outcome: Outcome, row: u16, bytes: u64) {
    let counters = if outcome.of_backend() { &BACKEND_COUNTERS } else { &SERVICE_COUNTERS };
    let Some(row) = counters.get_ptr_mut(row.into()) else { return };
    // SAFETY: a pointer to this CPU's copy of a row, and a column below its length.
    unsafe {
        let counter = (*row).0.as_mut_ptr().add(outcome.column());
        (*counter).packets += 1;
        (*counter).bytes += bytes;
    }
}
