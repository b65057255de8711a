//! The maps behind [`Plane`].

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd as _, AsRawFd as _},
    path::Path,
};

use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues};
use switcher_common::{
    abi::{
        backend::Backend,
        endpoint::{Endpoint, EndpointKey},
        flow::BUCKET_ENTRIES,
        meta::Meta,
        outcome::{Counter, Counters},
        service::Service,
        transition::{AT_RISK_BITS, Witness},
    },
    hash::Seed,
};

use super::grace;
use crate::plane::{Plane, PlaneError, Words};

/// Every map that is pinned, by its name in the object.
pub(super) const PINNED: [&str; 12] = [
    "ENDPOINTS",
    "SERVICES",
    "SWITCHES",
    "RINGS",
    "BACKENDS",
    "FLOWS",
    "AT_RISK",
    "WITNESSES",
    "BACKEND_COUNTERS",
    "SERVICE_COUNTERS",
    "META",
    "AYA_LOGS",
];

/// The opened maps.
pub struct Maps {
    endpoints: HashMap<MapData, EndpointKey, Endpoint>,
    services: Array<MapData, Service>,
    backends: Array<MapData, Backend>,
    witnesses: PerCpuArray<MapData, Witness>,
    backend_counters: PerCpuArray<MapData, Counters>,
    service_counters: PerCpuArray<MapData, Counters>,
    switches: Words,
    rings: Words,
    flows: Words,
    at_risk: Words,
    meta: Array<MapData, Meta>,
    seed: Seed,
    /// The maps' ids by name.
    pub ids: BTreeMap<String, u32>,
}

/// Why pinned maps cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{map}: {reason}")]
pub struct OpenError {
    pub(super) map: &'static str,
    pub(super) reason: String,
}

fn open<T>(dir: &Path, map: &'static str, ids: &mut BTreeMap<String, u32>) -> Result<T, OpenError>
where
    T: TryFrom<Map, Error = MapError>,
{
    let failed = |error: MapError| OpenError { map, reason: error_chain(&error) };
    let data = MapData::from_pin(dir.join(map)).map_err(failed)?;
    ids.insert(map.to_owned(), data.info().map_err(failed)?.id());
    Map::from_map_data(data).and_then(T::try_from).map_err(failed)
}

fn words(
    dir: &Path,
    map: &'static str,
    per_entry: usize,
    ids: &mut BTreeMap<String, u32>,
) -> Result<Words, OpenError> {
    let failed = |reason: String| OpenError { map, reason };
    let data = MapData::from_pin(dir.join(map)).map_err(|error| failed(error_chain(&error)))?;
    let info = data.info().map_err(|error| failed(error_chain(&error)))?;
    ids.insert(map.to_owned(), info.id());
    if info.value_size() as usize != per_entry * size_of::<u64>() {
        return Err(failed(format!("an entry has {} bytes, not {}", info.value_size(), per_entry * 8)));
    }
    Words::map(data.fd().as_fd().as_raw_fd(), info.max_entries() as usize * per_entry)
        .map_err(|error| failed(format!("cannot be mapped into memory: {error}")))
}

/// An error with its causes, on one line.
pub(super) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl Maps {
    /// Reads the entry of `META` from the pins in `dir`: nothing if there is no such map.
    pub(super) fn read_meta(dir: &Path) -> Result<Option<Meta>, OpenError> {
        if !dir.join("META").exists() {
            return Ok(None);
        }
        let meta: Array<MapData, Meta> = open(dir, "META", &mut BTreeMap::new())?;
        meta.get(&0, 0).map(Some).map_err(|error| OpenError { map: "META", reason: error_chain(&error) })
    }

    /// Opens the maps pinned in `dir`.
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        let mut ids = BTreeMap::new();
        let meta: Array<MapData, Meta> = open(dir, "META", &mut ids)?;
        let seed = meta.get(&0, 0).map_err(|e| OpenError { map: "META", reason: error_chain(&e) })?.seed;
        Ok(Self {
            endpoints: open(dir, "ENDPOINTS", &mut ids)?,
            services: open(dir, "SERVICES", &mut ids)?,
            backends: open(dir, "BACKENDS", &mut ids)?,
            witnesses: open(dir, "WITNESSES", &mut ids)?,
            backend_counters: open(dir, "BACKEND_COUNTERS", &mut ids)?,
            service_counters: open(dir, "SERVICE_COUNTERS", &mut ids)?,
            switches: words(dir, "SWITCHES", 1, &mut ids)?,
            rings: words(dir, "RINGS", 1, &mut ids)?,
            flows: words(dir, "FLOWS", BUCKET_ENTRIES, &mut ids)?,
            at_risk: words(dir, "AT_RISK", AT_RISK_BITS as usize / 64, &mut ids)?,
            meta,
            seed: Seed(seed),
            ids,
        })
    }

    /// Writes the entry of `META`.
    pub(super) fn set_meta(&mut self, meta: Meta) -> Result<(), PlaneError> {
        self.seed = Seed(meta.seed);
        self.meta.set(0, meta, 0).map_err(in_map("META"))
    }
}

fn in_map(map: &'static str) -> impl Fn(MapError) -> PlaneError {
    move |error| PlaneError {
        map,
        source: match error {
            MapError::SyscallError(error) => error.io_error,
            error => io::Error::other(error_chain(&error)),
        },
    }
}

fn sum(values: &PerCpuValues<Counters>) -> Counters {
    let mut total = Counters::default();
    for cpu in values.iter() {
        for (total, Counter { packets, bytes }) in total.0.iter_mut().zip(cpu.0) {
            total.packets += packets;
            total.bytes += bytes;
        }
    }
    total
}

fn zero() -> Result<PerCpuValues<Counters>, PlaneError> {
    let cpus = aya::util::nr_cpus().map_err(|(_, source)| PlaneError { map: "counters", source })?;
    PerCpuValues::try_from(vec![Counters::default(); cpus])
        .map_err(|source| PlaneError { map: "counters", source })
}

impl Plane for Maps {
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
        self.seed
    }

    fn max_services(&self) -> u16 {
        u16::try_from(self.services.len()).unwrap_or(u16::MAX)
    }

    fn max_backends(&self) -> u16 {
        u16::try_from(self.backends.len()).unwrap_or(u16::MAX)
    }

    fn endpoints(&self) -> Result<Vec<(EndpointKey, Endpoint)>, PlaneError> {
        self.endpoints.iter().collect::<Result<_, _>>().map_err(in_map("ENDPOINTS"))
    }

    fn endpoint(&self, key: &EndpointKey) -> Result<Option<Endpoint>, PlaneError> {
        match self.endpoints.get(key, 0) {
            Ok(endpoint) => Ok(Some(endpoint)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(in_map("ENDPOINTS")(error)),
        }
    }

    fn set_endpoint(&mut self, key: EndpointKey, endpoint: Endpoint) -> Result<(), PlaneError> {
        self.endpoints.insert(key, endpoint, 0).map_err(in_map("ENDPOINTS"))
    }

    fn remove_endpoint(&mut self, key: &EndpointKey) -> Result<(), PlaneError> {
        match self.endpoints.remove(key) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(error) => match in_map("ENDPOINTS")(error) {
                PlaneError { source, .. } if source.kind() == io::ErrorKind::NotFound => Ok(()),
                error => Err(error),
            },
        }
    }

    fn service(&self, index: u16) -> Result<Service, PlaneError> {
        self.services.get(&index.into(), 0).map_err(in_map("SERVICES"))
    }

    fn set_service(&mut self, index: u16, service: Service) -> Result<(), PlaneError> {
        self.services.set(index.into(), service, 0).map_err(in_map("SERVICES"))
    }

    fn backend(&self, index: u16) -> Result<Backend, PlaneError> {
        self.backends.get(&index.into(), 0).map_err(in_map("BACKENDS"))
    }

    fn set_backend(&mut self, index: u16, backend: Backend) -> Result<(), PlaneError> {
        self.backends.set(index.into(), backend, 0).map_err(in_map("BACKENDS"))
    }

    fn backend_counters(&self, index: u16) -> Result<Counters, PlaneError> {
        self.backend_counters.get(&index.into(), 0).map(|v| sum(&v)).map_err(in_map("BACKEND_COUNTERS"))
    }

    fn service_counters(&self, index: u16) -> Result<Counters, PlaneError> {
        self.service_counters.get(&index.into(), 0).map(|v| sum(&v)).map_err(in_map("SERVICE_COUNTERS"))
    }

    fn clear_backend_counters(&mut self, index: u16) -> Result<(), PlaneError> {
        self.backend_counters.set(index.into(), zero()?, 0).map_err(in_map("BACKEND_COUNTERS"))
    }

    fn clear_service_counters(&mut self, index: u16) -> Result<(), PlaneError> {
        self.service_counters.set(index.into(), zero()?, 0).map_err(in_map("SERVICE_COUNTERS"))
    }

    fn witnesses(&self, switch: u16) -> Result<Vec<Witness>, PlaneError> {
        let values = self.witnesses.get(&switch.into(), 0).map_err(in_map("WITNESSES"))?;
        Ok(values.iter().copied().collect())
    }

    fn wait_for_packets(&self) {
        grace::wait_for_packets();
    }
}
