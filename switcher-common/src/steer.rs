//! The way of a packet: parsed, found to be ours, decided.
//!
//! The kernel program implements [`World`] over its maps and carries out the [`Course`]; the daemon's
//! `explain` and the tests implement it over the same maps from user space, or over plain memory.

use crate::{
    abi::{
        NONE,
        backend::Backend,
        endpoint::{Endpoint, EndpointKey, EndpointKind},
        outcome::Outcome,
        service::Service,
        slot::Slot,
        switch::SwitchWord,
    },
    decide::{self, Hashes},
    flow::Bucket,
    hash::{self, Seed},
    packet::{Addresses, Parsed, Transport},
};

/// What steering needs to know. Every method is one map look-up.
pub trait World {
    /// A bucket of the flow map.
    type Bucket: Bucket;

    /// The hash seed.
    fn seed(&self) -> Seed;
    /// What an address and port are to us.
    fn endpoint(&self, key: &EndpointKey) -> Option<Endpoint>;
    /// A service by index.
    fn service(&self, index: u16) -> Option<&Service>;
    /// A switch's word: one load.
    fn word(&self, switch: u16) -> Option<SwitchWord>;
    /// A ring slot: one load.
    fn slot(&self, index: u32) -> Option<Slot>;
    /// A backend by index.
    fn backend(&self, index: u16) -> Option<&Backend>;
    /// The flow map's bucket for a connection hash.
    fn bucket(&self, connection: u64) -> Option<Self::Bucket>;
    /// Takes note that a packet was judged by a word that runs a transition.
    fn witness(&self, switch: u16, word: SwitchWord);
    /// Takes note of a packet of a connection at risk.
    fn at_risk(&self, switch: u16, connection: u64);
}

/// What is to be done with a packet.
#[derive(Clone, Copy, Debug)]
pub enum Course<'a> {
    /// Give it the backend's address and port, and send it there.
    Forward {
        /// The service it was sent to.
        service: &'a Service,
        /// Where it goes.
        backend: &'a Backend,
        /// The backend's index.
        index: u16,
        /// How the backend was found.
        outcome: Outcome,
    },
    /// Give it the service's virtual address and port, and send it to the client.
    Reply {
        /// The service that answers.
        service: &'a Service,
        /// The index of the backend it came from.
        index: u16,
    },
    /// Leave it alone or drop it, as the outcome says.
    Stop {
        /// Why.
        outcome: Outcome,
        /// The service it is counted with; [`NONE`] if it is not ours.
        service: u16,
    },
}

impl Course<'_> {
    #[inline(always)]
    const fn stop(outcome: Outcome, service: u16) -> Self {
        Self::Stop { outcome, service }
    }
}

/// Judges a parsed packet.
#[inline(always)]
pub fn steer<'a, W: World>(world: &'a W, parsed: &Parsed) -> Course<'a> {
    match parsed {
        Parsed::Transport(transport) => steer_transport(world, transport),
        Parsed::Portless(addresses, outcome) => steer_portless(world, addresses, *outcome),
        Parsed::Other(outcome) => Course::stop(*outcome, NONE),
    }
}

#[inline(always)]
fn steer_transport<'a, W: World>(world: &'a W, packet: &Transport) -> Course<'a> {
    let Addresses { family, source, destination } = packet.internet.addresses;
    let protocol = packet.internet.protocol;
    let to =
        EndpointKey { address: destination, port: packet.destination_port, protocol, family: family as u8 };
    if let Some(endpoint) = world.endpoint(&to)
        && endpoint.is(EndpointKind::Virtual)
    {
        return forward(world, packet, endpoint.service);
    }
    let from = EndpointKey { address: source, port: packet.source_port, protocol, family: family as u8 };
    if let Some(endpoint) = world.endpoint(&from)
        && endpoint.is(EndpointKind::Backend)
    {
        return match world.service(endpoint.service) {
            Some(service) => Course::Reply { service, index: endpoint.backend },
            None => Course::stop(Outcome::Inconsistent, NONE),
        };
    }
    Course::stop(Outcome::NotOurs, NONE)
}

/// The service is known; the decision is not.
#[inline(always)]
fn forward<'a, W: World>(world: &'a W, packet: &Transport, index: u16) -> Course<'a> {
    let inconsistent = Course::stop(Outcome::Inconsistent, index);
    let Some(service) = world.service(index) else { return inconsistent };
    let Some(word) = world.word(service.switch) else { return inconsistent };
    let hashes = hashes(world.seed(), service, packet);
    let Some(slot) = world.slot(slot_index(service, hashes.draw)) else { return inconsistent };
    let mut decision = decide::decide(word, slot, hashes, packet.signal, service.memory(), || {
        world.bucket(hashes.connection)
    });
    let mut backend = world.backend(decision.backend);
    // A record that matched by chance, or outlived its service, leads to somebody else's backend.
    if backend.is_some_and(|backend| backend.service != index) {
        decision = decide::unremembered(word, slot, hashes.draw);
        backend = world.backend(decision.backend);
    }
    if word.tracking() {
        world.witness(service.switch, word);
        if decision.at_risk {
            world.at_risk(service.switch, hashes.connection);
        }
    }
    if decision.backend == NONE {
        return Course::stop(Outcome::NoBackend, index);
    }
    match backend {
        Some(backend) => {
            Course::Forward { service, backend, index: decision.backend, outcome: decision.outcome }
        }
        None => inconsistent,
    }
}

/// The hashes of a packet's connection with a service.
#[inline(always)]
pub fn hashes(seed: Seed, service: &Service, packet: &Transport) -> Hashes {
    let client = &packet.internet.addresses.source;
    let connection = hash::connection(seed, service.connection_salt, client, packet.source_port);
    let draw = if service.flags & Service::CLIENT_AFFINITY != 0 {
        hash::client(seed, service.draw_salt, client)
    } else {
        connection
    };
    Hashes { connection, draw }
}

/// The slot that a drawing hash falls on: its lower half scaled to the ring.
#[inline(always)]
pub const fn slot_index(service: &Service, draw: u64) -> u32 {
    service.ring_start + (((draw & 0xffff_ffff) * service.ring_len as u64) >> 32) as u32
}

/// A packet without ports is ours if one of its addresses is.
#[inline(always)]
fn steer_portless<'a, W: World>(world: &'a W, addresses: &Addresses, outcome: Outcome) -> Course<'a> {
    let bare = |address| world.endpoint(&EndpointKey::bare(address, addresses.family));
    match bare(addresses.destination) {
        Some(endpoint) => Course::stop(outcome, endpoint.service),
        None => match bare(addresses.source) {
            Some(endpoint) => Course::stop(outcome, endpoint.service),
            None => Course::stop(Outcome::NotOurs, NONE),
        },
    }
}
