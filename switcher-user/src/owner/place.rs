//! Services and backends in the maps: indexes, entries, endpoints.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use switcher_common::{
    abi::{
        backend::{Backend, NextHop},
        endpoint::{Endpoint, EndpointKey, EndpointKind},
        service::{Memory, Service},
        switch::{Share, SwitchWord},
    },
    hash,
};

use super::{Owner, PlacedBackend, PlacedService, Refusal, Switch, address, failure, release::Release};
use crate::{
    api::message::FailureCode,
    model::{self, Affinity, Protocol, UdpMemory},
};

/// The service's entry in the map.
pub(super) fn entry(model: &model::Service, index: u16, switch: u16, ring_start: u32) -> Service {
    let identity = format!("{}/{}", model.vip, model.protocol.name());
    let memory = match (model.protocol, model.udp) {
        (Protocol::Tcp, _) => Memory::Transition,
        (Protocol::Udp, UdpMemory::Switch) => Memory::Never,
        (Protocol::Udp, UdpMemory::Sticky) => Memory::Always,
    };
    let (flags, draw_salt) = match model.affinity {
        Affinity::Connection => (0, 0),
        Affinity::Client => (Service::CLIENT_AFFINITY, hash::salt(model.switch.as_bytes())),
    };
    Service {
        connection_salt: hash::salt(identity.as_bytes()),
        draw_salt,
        address: address::words(model.vip.ip()),
        ring_start,
        ring_len: model.ring,
        switch,
        port: model.vip.port().to_be(),
        address_sum: address::sum(model.vip.ip()),
        memory: memory as u8,
        flags,
        index,
        pad: [0; 14],
    }
}

impl Owner {
    /// An index that nothing uses, from 1 on.
    fn free_index(used: &BTreeSet<u16>, room: u16, what: &str, key: &str) -> Refusal<u16> {
        (1..room).find(|index| !used.contains(index)).ok_or_else(|| {
            failure(
                FailureCode::Refused,
                format!("there is room for {} {what} only; raise daemon.{key} and start anew", room - 1),
            )
        })
    }

    /// The start of a range of `length` slots that is not among `taken`.
    pub(super) fn free_ring(&self, taken: &[(u32, u32)], length: u32) -> Refusal<u32> {
        let mut taken = taken.to_vec();
        taken.sort_unstable();
        let mut start = 0;
        for (next, used) in taken {
            if next - start >= length {
                return Ok(start);
            }
            start = next + used;
        }
        let room = u32::try_from(self.plane.rings().all().len()).unwrap_or(u32::MAX);
        if room.saturating_sub(start) >= length {
            return Ok(start);
        }
        Err(failure(
            FailureCode::Refused,
            format!(
                "there is no room for a ring of {length} slots; raise daemon.max_services and start anew"
            ),
        ))
    }

    /// The switch of a name; a new one begins with the share it was last seen with.
    fn place_switch(&mut self, name: &str, now: super::Now) -> Refusal<u16> {
        if let Some(switch) = self.switches.get(name) {
            return Ok(switch.index);
        }
        let used: BTreeSet<_> = self.switches.values().map(|switch| switch.index).collect();
        let index = Self::free_index(&used, self.plane.max_services(), "switches", "max_services")?;
        let saved = self.saved.switches.get(name).copied();
        let share = saved.and_then(|saved| Share::new(saved.green)).unwrap_or(Share::ZERO);
        // Another epoch than whatever the index was used with before.
        let epoch = SwitchWord(self.word_at(index)?.load(std::sync::atomic::Ordering::SeqCst)).epoch();
        super::switch::store(self.word_at(index)?, SwitchWord::settled(share, epoch.wrapping_add(1)));
        let switch = Switch {
            name: name.to_owned(),
            index,
            since: saved.map_or(now.seconds(), |saved| saved.since),
            stored_at_ns: None,
            release: saved.map_or(Release::default(), |saved| saved.release.settle(share)),
            transition: None,
        };
        self.switches.insert(name.to_owned(), switch);
        Ok(index)
    }

    /// Puts a new service into the maps, its endpoints last of all by [`Self::sync_endpoints`].
    pub(super) fn place_service(&mut self, model: &model::Service, now: super::Now) -> Refusal<()> {
        let used = self.services.iter().map(|service| service.index).collect();
        let index = Self::free_index(&used, self.plane.max_services(), "services", "max_services")?;
        let taken: Vec<_> =
            self.services.iter().map(|service| (service.ring_start, service.model.ring)).collect();
        let ring_start = self.free_ring(&taken, model.ring)?;
        let switch = self.place_switch(&model.switch, now)?;
        self.plane.clear_service_counters(index)?;
        self.plane.set_service(index, entry(model, index, switch, ring_start))?;
        self.services.push(PlacedService { index, ring_start, model: model.clone(), backends: Vec::new() });
        for backend in &model.backends {
            self.place_backend(index, backend)?;
        }
        self.fill_ring(index)
    }

    /// Puts a new backend of a placed service into the maps. No slot leads to it yet.
    pub(super) fn place_backend(&mut self, service: u16, model: &model::Backend) -> Refusal<()> {
        let used = self.services.iter().flat_map(|s| &s.backends).map(|backend| backend.index).collect();
        let index = Self::free_index(&used, self.plane.max_backends(), "backends", "max_backends")?;
        let hop = self.hops.get(&model.address.ip()).and_then(|hop| hop.as_ref().ok());
        let entry = Backend {
            address: address::words(model.address.ip()),
            hops: [hop.map_or(NextHop::default(), super::hops::Hop::entry), NextHop::default()],
            port: model.address.port().to_be(),
            address_sum: address::sum(model.address.ip()),
            service,
            color: model.color as u8,
            hop: 0,
        };
        self.plane.clear_backend_counters(index)?;
        self.plane.set_backend(index, entry)?;
        let placed = PlacedBackend {
            index,
            color: model.color,
            address: model.address,
            weight: model.weight,
            leaving: false,
        };
        match self.services.iter_mut().find(|placed| placed.index == service) {
            Some(service) => service.backends.push(placed),
            None => return Err(failure(FailureCode::Internal, format!("there is no service {service}"))),
        }
        Ok(())
    }

    /// What the endpoints map should hold.
    fn wanted_endpoints(&self) -> HashMap<EndpointKey, Endpoint> {
        let mut wanted = HashMap::new();
        let endpoint =
            |kind: EndpointKind, service, backend| Endpoint { kind: kind as u16, service, backend, pad: 0 };
        for service in &self.services {
            let protocol = service.model.protocol.number();
            let bare = endpoint(EndpointKind::Bare, service.index, 0);
            for backend in &service.backends {
                wanted.insert(
                    address::key(backend.address, protocol),
                    endpoint(EndpointKind::Backend, service.index, backend.index),
                );
                wanted.entry(address::bare(backend.address.ip())).or_insert(bare);
            }
            wanted.insert(
                address::key(service.model.vip, protocol),
                endpoint(EndpointKind::Virtual, service.index, 0),
            );
            wanted.entry(address::bare(service.model.vip.ip())).or_insert(bare);
        }
        wanted
    }

    /// Makes the endpoints map say what it should: first what goes, then what comes.
    pub(super) fn sync_endpoints(&mut self) -> Refusal<()> {
        let wanted = self.wanted_endpoints();
        let present: BTreeMap<_, _> = self
            .plane
            .endpoints()?
            .into_iter()
            .map(|(key, endpoint)| (sortable(&key), (key, endpoint)))
            .collect();
        let mut removed = false;
        // Virtual addresses go first and come last: a service is there whole or not at all.
        let mut stale: Vec<_> =
            present.values().filter(|(key, endpoint)| wanted.get(key) != Some(endpoint)).collect();
        stale.sort_by_key(|(_, endpoint)| !endpoint.is(EndpointKind::Virtual));
        for (key, _) in stale {
            self.plane.remove_endpoint(key)?;
            removed = true;
        }
        if removed {
            // What was removed may be used for something else now.
            self.plane.wait_for_packets();
        }
        let mut missing: Vec<_> = wanted
            .into_iter()
            .filter(|(key, endpoint)| {
                present.get(&sortable(key)).is_none_or(|(_, present)| present != endpoint)
            })
            .collect();
        missing.sort_by_key(|(key, endpoint)| (endpoint.is(EndpointKind::Virtual), sortable(key)));
        for (key, endpoint) in missing {
            self.plane.set_endpoint(key, endpoint)?;
        }
        Ok(())
    }
}

fn sortable(key: &EndpointKey) -> ([u32; 4], u16, u8, u8) {
    (key.address, key.port, key.protocol, key.family)
}
