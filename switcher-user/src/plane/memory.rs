//! The data plane in plain memory: for tests of what changes it, with packets steered through it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use switcher_common::{
    abi::{
        backend::Backend,
        endpoint::{Endpoint, EndpointKey},
        flow::BUCKET_ENTRIES,
        outcome::{Counters, Outcome},
        service::Service,
        slot::Slot,
        switch::SwitchWord,
        transition::{AT_RISK_BITS, Witness},
    },
    flow::bucket_index,
    hash::Seed,
    packet::{Parsed, Transport},
    steer::{self, Course, World},
};

use super::{Plane, PlaneError, Words, world};

/// Maps in memory. Clones share them, as daemons and the kernel share maps: one is the owner's, another
/// steers packets, a third outlives the owner.
#[derive(Clone)]
pub struct MemoryPlane {
    switches: Arc<Words>,
    rings: Arc<Words>,
    flows: Arc<Words>,
    at_risk: Arc<Words>,
    /// Hash map and arrays.
    pub tables: Arc<Mutex<Tables>>,
}

/// What is not words.
#[derive(Default)]
pub struct Tables {
    /// The endpoints.
    pub endpoints: HashMap<EndpointKey, Endpoint>,
    /// The services.
    pub services: HashMap<u16, Service>,
    /// The backends.
    pub backends: HashMap<u16, Backend>,
}

impl MemoryPlane {
    /// Empty maps with room for `flow_buckets` buckets.
    pub fn new(flow_buckets: usize) -> Self {
        Self {
            switches: Arc::new(Words::own(64)),
            rings: Arc::new(Words::own(64 * 4093)),
            flows: Arc::new(Words::own(flow_buckets * BUCKET_ENTRIES)),
            at_risk: Arc::new(Words::own(64 * AT_RISK_BITS as usize / 64)),
            tables: Arc::default(),
        }
    }

    /// Judges a packet as the kernel program does: the backend's index and the outcome.
    pub fn steer(&self, packet: &Transport) -> (u16, Outcome) {
        let tables = self.tables();
        let world = Steering { plane: self, tables: &tables };
        match steer::steer(&world, &Parsed::Transport(*packet)) {
            Course::Forward { index, outcome, .. } => (index, outcome),
            Course::Reply { index, .. } => (index, Outcome::Replied),
            Course::Stop { outcome, .. } => (0, outcome),
        }
    }

    fn tables(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.tables.lock().unwrap()
    }
}

/// The maps as the kernel program sees them.
struct Steering<'a> {
    plane: &'a MemoryPlane,
    tables: &'a Tables,
}

impl<'a> World for Steering<'a> {
    type Bucket = &'a [AtomicU64; BUCKET_ENTRIES];

    fn seed(&self) -> Seed {
        self.plane.seed()
    }

    fn endpoint(&self, key: &EndpointKey) -> Option<Endpoint> {
        self.tables.endpoints.get(key).copied()
    }

    fn service(&self, index: u16) -> Option<&Service> {
        self.tables.services.get(&index)
    }

    fn word(&self, switch: u16) -> Option<SwitchWord> {
        self.plane.switches.get(switch.into()).map(|word| SwitchWord(word.load(Ordering::SeqCst)))
    }

    fn slot(&self, index: u32) -> Option<Slot> {
        self.plane.rings.get(index as usize).map(|slot| Slot(slot.load(Ordering::SeqCst)))
    }

    fn backend(&self, index: u16) -> Option<&Backend> {
        self.tables.backends.get(&index)
    }

    fn bucket(&self, connection: u64) -> Option<Self::Bucket> {
        let buckets = u32::try_from(self.plane.flows.all().len() / BUCKET_ENTRIES).ok()?;
        world::bucket(&self.plane.flows, bucket_index(connection, buckets) as usize)
    }

    fn witness(&self, _switch: u16, _word: SwitchWord) {}

    fn at_risk(&self, switch: u16, connection: u64) {
        let bit = connection % u64::from(AT_RISK_BITS);
        let word = usize::from(switch) * AT_RISK_BITS as usize / 64 + usize::try_from(bit / 64).unwrap();
        self.plane.at_risk.get(word).unwrap().fetch_or(1 << (bit % 64), Ordering::SeqCst);
    }
}

impl Plane for MemoryPlane {
    fn switches(&self) -> &Words {
        &self.switches
    }

    fn rings(&self) -> &Words {
        &self.rings
    }

    fn flows(&self) -> &Words {
        &self.flows
    }

    fn at_risk(&self) -> &Words {
        &self.at_risk
    }

    fn seed(&self) -> Seed {
        Seed([1, 2])
    }

    fn max_services(&self) -> u16 {
        64
    }

    fn max_backends(&self) -> u16 {
        1024
    }

    fn endpoints(&self) -> Result<Vec<(EndpointKey, Endpoint)>, PlaneError> {
        Ok(self.tables().endpoints.iter().map(|(key, endpoint)| (*key, *endpoint)).collect())
    }

    fn endpoint(&self, key: &EndpointKey) -> Result<Option<Endpoint>, PlaneError> {
        Ok(self.tables().endpoints.get(key).copied())
    }

    fn set_endpoint(&mut self, key: EndpointKey, endpoint: Endpoint) -> Result<(), PlaneError> {
        self.tables().endpoints.insert(key, endpoint);
        Ok(())
    }

    fn remove_endpoint(&mut self, key: &EndpointKey) -> Result<(), PlaneError> {
        self.tables().endpoints.remove(key);
        Ok(())
    }

    fn service(&self, index: u16) -> Result<Service, PlaneError> {
        Ok(self.tables().services[&index])
    }

    fn set_service(&mut self, index: u16, service: Service) -> Result<(), PlaneError> {
        self.tables().services.insert(index, service);
        Ok(())
    }

    fn backend(&self, index: u16) -> Result<Backend, PlaneError> {
        Ok(self.tables().backends[&index])
    }

    fn set_backend(&mut self, index: u16, backend: Backend) -> Result<(), PlaneError> {
        self.tables().backends.insert(index, backend);
        Ok(())
    }

    fn backend_counters(&self, _index: u16) -> Result<Counters, PlaneError> {
        Ok(Counters::default())
    }

    fn service_counters(&self, _index: u16) -> Result<Counters, PlaneError> {
        Ok(Counters::default())
    }

    fn clear_backend_counters(&mut self, _index: u16) -> Result<(), PlaneError> {
        Ok(())
    }

    fn clear_service_counters(&mut self, _index: u16) -> Result<(), PlaneError> {
        Ok(())
    }

    fn witnesses(&self, _switch: u16) -> Result<Vec<Witness>, PlaneError> {
        Ok(Vec::new())
    }

    fn wait_for_packets(&self) {
        // Packets are steered under the lock: whoever gets it knows that none is on its way.
        drop(self.tables());
    }
}
