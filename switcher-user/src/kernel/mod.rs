//! The data plane in the kernel: the embedded object, its maps, pins and links.
//!
//! Everything is pinned, in this order, so that a crash leaves either something whole or something that is
//! attached to nothing:
//!
//! 1. `PIN_DIR/maps/*`, created by loading the object;
//! 2. `PIN_DIR/program`;
//! 3. the entry of the map `META`, whose version says that 1 and 2 are complete;
//! 4. `PIN_DIR/links/INTERFACE`, one for each interface.
//!
//! A restart adopts what is pinned and loads nothing. It never detaches: a program is replaced on its link.

mod attach;
mod grace;
mod load;
mod log;
mod maps;
pub mod object;

use std::path::PathBuf;

use aya::programs::Xdp;
use switcher_common::hash::Seed;

pub use self::{
    attach::{AttachError, Link, find as find_interface},
    load::LoadError,
    maps::Maps,
};
use crate::model::Interface;

/// How much the maps have room for; fixed when they are created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Services, index 0 included; also switches.
    pub services: u16,
    /// Backends, index 0 included.
    pub backends: u16,
    /// The fewest services, index 0 included, that adopted maps must have room for.
    pub least_services: u16,
    /// The fewest backends, index 0 included, that adopted maps must have room for.
    pub least_backends: u16,
    /// Slots of all rings together.
    pub slots: u32,
    /// Buckets of the flow map, a power of two.
    pub flow_buckets: u32,
}

/// The kernel program and its maps, loaded or adopted.
pub struct Kernel {
    /// The maps.
    pub maps: Maps,
    /// The program, to be attached.
    pub program: Program,
    /// Whether maps and program were found pinned and adopted.
    pub adopted: bool,
}

/// The kernel program.
pub struct Program {
    /// Its id.
    pub id: u32,
    /// SHA-256 of the object that it came from.
    pub digest: [u8; 32],
    pin_dir: PathBuf,
    loaded: Xdp,
}

impl Kernel {
    /// Adopts what is pinned at `pin_dir`, or loads and pins the embedded object.
    ///
    /// `seed` is used for new maps; adopted maps keep theirs, and a different `fixed_seed` is refused.
    ///
    /// # Errors
    ///
    /// [`LoadError`], whose texts name the fix. Nothing that was pinned before has been changed then.
    pub fn open(
        pin_dir: PathBuf,
        capacity: Capacity,
        seed: Seed,
        fixed_seed: Option<Seed>,
    ) -> Result<Self, LoadError> {
        load::open(pin_dir, capacity, seed, fixed_seed)
    }
}

impl Program {
    /// Attaches the program to an interface, or adopts the link that is pinned for it.
    fn attach(&mut self, interface: &Interface) -> Result<Link, AttachError> {
        attach::attach(&mut self.loaded, &self.pin_dir, interface)
    }

    /// Attaches the program to every one of the interfaces, or else to none that it was not on before.
    ///
    /// # Errors
    ///
    /// [`AttachError`] of the first that cannot be attached.
    pub fn attach_all<'a>(
        &mut self,
        interfaces: &'a [Interface],
    ) -> Result<Vec<(&'a Interface, Link)>, AttachError> {
        let mut links: Vec<(&Interface, Link)> = Vec::new();
        for interface in interfaces {
            match self.attach(interface) {
                Ok(link) => links.push((interface, link)),
                Err(error) => {
                    for (interface, _) in links.iter().filter(|(_, link)| !link.adopted) {
                        attach::detach(&self.pin_dir, interface)?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(links)
    }

    /// Interfaces with a pinned link, configured or not, and the pin.
    pub fn pinned_interfaces(&self) -> Vec<(String, PathBuf)> {
        let entries = std::fs::read_dir(self.pin_dir.join("links")).into_iter().flatten().flatten();
        let name = |pin: &std::ffi::OsStr| pin.to_str().map(attach::interface_name);
        entries.filter_map(|entry| Some((name(&entry.file_name())?, entry.path()))).collect()
    }

    /// Passes the program's own messages (rare: it logs defects only) on to the daemon's log.
    ///
    /// # Errors
    ///
    /// The program's log cannot be opened.
    pub fn forward_logs(&self) -> anyhow::Result<()> {
        log::forward(self.id)
    }
}
