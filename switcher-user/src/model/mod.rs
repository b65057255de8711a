//! What an operator configures, as checked values: whoever holds one need not check it again.

pub mod percent;
pub mod service;

use std::path::PathBuf;

pub use self::{
    percent::Percent,
    service::{Affinity, Backend, DrainPolicy, Protocol, Service, UdpMemory},
};

/// A whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the daemon keeps its things, and how much it makes room for.
    pub daemon: Daemon,
    /// The interfaces the program is attached to, in the order of the file.
    pub interfaces: Vec<Interface>,
    /// The services, in the order of the file.
    pub services: Vec<Service>,
}

/// Where the daemon keeps its things, and how much it makes room for.
#[derive(Clone, Debug, PartialEq)]
pub struct Daemon {
    /// The API's unix socket.
    pub socket: PathBuf,
    /// State file and journal.
    pub state_dir: PathBuf,
    /// Pinned maps, program and links, on a bpf file system.
    pub pin_dir: PathBuf,
    /// The hash and ring seed; made and kept in the state if absent.
    pub seed: Option<[u64; 2]>,
    /// Connections that can be remembered at once; a power of two, at least 8.
    pub flow_entries: u32,
    /// Services there is room for.
    pub max_services: u16,
    /// Backends there is room for.
    pub max_backends: u16,
}

/// An interface the program is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// How the program is attached.
    pub mode: Mode,
}

/// Where in the kernel the program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In the driver.
    #[default]
    Native,
    /// In the network stack, behind the driver: slower, works everywhere.
    Generic,
}
