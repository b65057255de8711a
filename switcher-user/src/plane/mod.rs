//! The data plane as the owner of the state sees it: maps, by meaning.
//!
//! [`crate::kernel`] implements it over pinned BPF maps, `memory` over plain memory, so that everything
//! that changes the maps can be tested without a kernel.

#[cfg(test)]
pub mod memory;
pub mod words;
pub mod world;

use std::io;

use switcher_common::{
    abi::{
        backend::Backend,
        endpoint::{Endpoint, EndpointKey},
        outcome::Counters,
        service::Service,
        transition::Witness,
    },
    hash::Seed,
};

pub use self::words::Words;

/// What a failed map operation was about.
#[derive(Debug, thiserror::Error)]
#[error("map {map}: {source}")]
pub struct PlaneError {
    /// The map.
    pub map: &'static str,
    /// What the kernel said.
    pub source: io::Error,
}

/// The maps.
pub trait Plane: Send {
    /// The switch words, by switch.
    fn switches(&self) -> &Words;
    /// The ring slots of all services.
    fn rings(&self) -> &Words;
    /// The remembered connections.
    fn flows(&self) -> &Words;
    /// The at-risk bitmaps, one after the other.
    fn at_risk(&self) -> &Words;
    /// The seed that the kernel program hashes with.
    fn seed(&self) -> Seed;
    /// Services there is room for, index 0 included.
    fn max_services(&self) -> u16;
    /// Backends there is room for, index 0 included.
    fn max_backends(&self) -> u16;

    /// All endpoints.
    fn endpoints(&self) -> Result<Vec<(EndpointKey, Endpoint)>, PlaneError>;
    /// One endpoint.
    fn endpoint(&self, key: &EndpointKey) -> Result<Option<Endpoint>, PlaneError>;
    /// Adds an endpoint, or replaces it whole.
    fn set_endpoint(&mut self, key: EndpointKey, endpoint: Endpoint) -> Result<(), PlaneError>;
    /// Removes an endpoint; it need not be there.
    fn remove_endpoint(&mut self, key: &EndpointKey) -> Result<(), PlaneError>;

    /// A service's entry.
    fn service(&self, index: u16) -> Result<Service, PlaneError>;
    /// Writes a service's entry. Not atomic: the index must not be in use yet.
    fn set_service(&mut self, index: u16, service: Service) -> Result<(), PlaneError>;
    /// A backend's entry.
    fn backend(&self, index: u16) -> Result<Backend, PlaneError>;
    /// Writes a backend's entry. Not atomic: the index must not be in use, or only bytes that no packet
    /// reads (the next hop not in force) or a single byte (which hop is in force) may differ.
    fn set_backend(&mut self, index: u16, backend: Backend) -> Result<(), PlaneError>;

    /// A backend's counters, summed over the CPUs.
    fn backend_counters(&self, index: u16) -> Result<Counters, PlaneError>;
    /// A service's counters, summed over the CPUs; of what is not ours for index 0.
    fn service_counters(&self, index: u16) -> Result<Counters, PlaneError>;
    /// Sets a backend's counters to zero.
    fn clear_backend_counters(&mut self, index: u16) -> Result<(), PlaneError>;
    /// Sets a service's counters to zero.
    fn clear_service_counters(&mut self, index: u16) -> Result<(), PlaneError>;
    /// The newest word each CPU has judged by.
    fn witnesses(&self, switch: u16) -> Result<Vec<Witness>, PlaneError>;

    /// Returns when every packet that was being judged at the time of the call has left the program.
    fn wait_for_packets(&self);
}
