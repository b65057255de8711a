//! The next hops of backends: written beside the one in force, which one byte then changes.

use std::{collections::BTreeMap, net::IpAddr};

use switcher_common::abi::backend::NextHop;

use super::{Now, Owner, Refusal};
use crate::api::message::Happening;

/// The way to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The interface's index.
    pub interface: u32,
    /// The interface's name.
    pub name: String,
    /// The neighbor's MAC address.
    pub destination: [u8; 6],
    /// The interface's MAC address.
    pub source: [u8; 6],
    /// The largest layer-3 packet, in bytes.
    pub mtu: u16,
}

/// The ways to addresses, or why there is none.
pub type Hops = BTreeMap<IpAddr, Result<Hop, String>>;

impl Hop {
    /// The way as it lies in the map.
    pub fn entry(&self) -> NextHop {
        NextHop {
            interface: self.interface,
            mtu: self.mtu,
            destination: self.destination,
            source: self.source,
            pad: [0; 2],
        }
    }
}

impl std::fmt::Display for Hop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.destination;
        write!(f, "{} {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}", self.name)
    }
}

impl Owner {
    /// Takes over what netlink says about the ways to backends.
    ///
    /// # Errors
    ///
    /// A map cannot be read or written.
    pub fn set_hops(&mut self, hops: Hops, now: Now) -> Refusal<()> {
        self.hops = hops;
        let backends: Vec<_> =
            self.services.iter().flat_map(|s| &s.backends).map(|b| (b.index, b.address)).collect();
        let mut told = BTreeMap::new();
        let mut changed = Vec::new();
        for (index, address) in backends {
            let Some(hop) = self.hops.get(&address.ip()) else { continue };
            let wanted = hop.as_ref().map_or(NextHop::default(), Hop::entry);
            let entry = self.plane.backend(index)?;
            if *entry.next_hop() != wanted {
                told.insert(address, hop.as_ref().ok().map(ToString::to_string));
                changed.push((index, entry, wanted));
            }
        }
        if !changed.is_empty() {
            // The place not in force was in force until the last change: packets may still be reading it.
            self.plane.wait_for_packets();
            for (index, entry, wanted) in &mut changed {
                entry.hops[usize::from(1 - (entry.hop & 1))] = *wanted;
                self.plane.set_backend(*index, *entry)?;
            }
            // Written everywhere before anything leads to it.
            self.plane.wait_for_packets();
            for (index, entry, _) in &mut changed {
                entry.hop = 1 - (entry.hop & 1);
                self.plane.set_backend(*index, *entry)?;
            }
        }
        for (address, next_hop) in told {
            tracing::info!(backend = %address, next_hop, "next hop");
            self.emit(now, Happening::NextHop { backend: address.to_string(), next_hop });
        }
        Ok(())
    }
}
