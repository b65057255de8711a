//! Services and their backends.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};
use switcher_common::abi::switch::Color;

/// TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// The IANA protocol number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// The name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// What is drawn: a color for every connection, or one for all connections of a client address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Affinity {
    /// Every connection on its own.
    #[default]
    Connection,
    /// All connections of a client address together, across the services of a switch.
    Client,
}

/// How a UDP service treats clients it has already served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UdpMemory {
    /// Not at all: every datagram follows the switch at once.
    #[default]
    Switch,
    /// A client's flow stays with its backend until it has been idle for `idle`.
    Sticky,
}

/// When a drain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainPolicy {
    /// No at-risk connection has sent anything for this long: there is none left.
    pub quiet: Duration,
    /// From here on the at-risk connections that are left are moved, by `pace`.
    pub deadline: Duration,
    /// The share of the moved connections (in basis points) that is let go every `pace_interval`.
    pub pace_share: u16,
    /// How long between two steps of the pace.
    pub pace_interval: Duration,
}

impl Default for DrainPolicy {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(600),
            deadline: Duration::from_secs(3600),
            pace_share: 500,
            pace_interval: Duration::from_secs(10),
        }
    }
}

/// A virtual address and the backends of its colors.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its name: letters, digits, `-`, `_` and `.`, at most 63.
    pub name: String,
    /// The virtual address and port.
    pub vip: SocketAddr,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The switch it is on; of its own name if the configuration names none.
    pub switch: String,
    /// What is drawn.
    pub affinity: Affinity,
    /// How UDP clients are treated; meaningless for TCP.
    pub udp: UdpMemory,
    /// How long a sticky UDP flow may be silent.
    pub idle: Duration,
    /// When its drains end.
    pub drain: DrainPolicy,
    /// Slots of its ring; a prime.
    pub ring: u32,
    /// The backends of both colors, blue first.
    pub backends: Vec<Backend>,
}

impl Service {
    /// The backends of one color.
    pub fn color(&self, color: Color) -> impl Iterator<Item = &Backend> {
        self.backends.iter().filter(move |backend| backend.color == color)
    }
}

/// An address that serves a color of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The color it serves.
    pub color: Color,
    /// Address and port.
    pub address: SocketAddr,
    /// Its share of the color's connections, relative to the other backends; 0 gets none.
    pub weight: u16,
}
