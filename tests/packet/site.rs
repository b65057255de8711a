//! The addresses of the rows, in one family.

use std::net::{IpAddr, SocketAddr};

use switcher_tests::{
    Color,
    address::{CLIENT4, CLIENT6, VIP4, VIP6, backend4, backend6},
};

use crate::wire::Mac;

/// The interfaces of the host under test: to clients, to blue, to green.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Client,
    Blue,
    Green,
}

impl Port {
    pub(crate) const ALL: [Self; 3] = [Self::Client, Self::Blue, Self::Green];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Client => "cl0",
            Self::Blue => "bl0",
            Self::Green => "gr0",
        }
    }

    /// Its own MAC address.
    pub(crate) const fn mac(self) -> Mac {
        [2, 0, 0, 0, 1, self as u8]
    }
}

/// The client's neighbor entry.
pub(crate) const CLIENT_MAC: Mac = [2, 0, 0, 0, 2, 2];

/// Hosts of a color, by what is special about the way to them.
pub(crate) mod host {
    pub(crate) const PLAIN: u8 = 2;
    /// Small packets only.
    pub(crate) const NARROW: u8 = 3;
    /// Jumbo frames.
    pub(crate) const WIDE: u8 = 4;
    /// No next hop.
    pub(crate) const LOST: u8 = 5;
    /// Behind the interface that clients are behind.
    pub(crate) const ONE_ARMED: u8 = 6;
    pub(crate) const ALL: [u8; 5] = [PLAIN, NARROW, WIDE, LOST, ONE_ARMED];
}

/// The largest packet that host `NARROW` is sent.
pub(crate) const NARROW_MTU: u16 = 600;
/// The largest packet that host `WIDE` is sent.
pub(crate) const WIDE_MTU: u16 = 9000;
/// The largest packet that all others are sent, and that interfaces take.
pub(crate) const MTU: u16 = 1500;

/// The MAC address of a color's host.
pub(crate) const fn backend_mac(color: Color, host: u8) -> Mac {
    [2, 0, 0, 3, color as u8, host]
}

/// A family's addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub v4: bool,
}

impl Site {
    pub(crate) const BOTH: [Self; 2] = [Self { v4: true }, Self { v4: false }];

    pub(crate) const fn family(self) -> &'static str {
        if self.v4 { "IPv4" } else { "IPv6" }
    }

    fn address(self, v4: &str, v6: &str, port: u16) -> SocketAddr {
        let address: IpAddr = if self.v4 { v4 } else { v6 }.parse().unwrap();
        SocketAddr::new(address, port)
    }

    pub(crate) fn vip(self, port: u16) -> SocketAddr {
        SocketAddr::new(if self.v4 { VIP4 } else { VIP6 }, port)
    }

    /// The client behind `cl0`, in the neighbor table.
    pub(crate) fn client(self, port: u16) -> SocketAddr {
        SocketAddr::new(if self.v4 { CLIENT4 } else { CLIENT6 }, port)
    }

    /// A host behind `cl0` that no neighbor entry is there for.
    pub(crate) fn neighborless(self) -> SocketAddr {
        self.address("198.51.100.3", "2001:db8:c::3", 40_000)
    }

    /// The host under test itself.
    pub(crate) fn ourselves(self) -> SocketAddr {
        self.address("198.51.100.1", "2001:db8:c::1", 40_000)
    }

    /// Where an unreachable route leads.
    pub(crate) fn unreachable(self) -> SocketAddr {
        self.address("203.0.113.9", "2001:db8:dead::9", 40_000)
    }

    /// Where no route leads.
    pub(crate) fn routeless(self) -> SocketAddr {
        self.address("100.64.0.9", "2001:db8:beef::9", 40_000)
    }

    /// An address that is nobody's.
    pub(crate) fn stranger(self, port: u16) -> SocketAddr {
        self.address("192.0.2.99", "2001:db8:10::99", port)
    }

    pub(crate) fn backend(self, color: Color, host: u8, port: u16) -> SocketAddr {
        let address = if self.v4 { backend4(color, host) } else { backend6(color, host) };
        SocketAddr::new(address, port)
    }

    pub(crate) fn blue(self, port: u16) -> SocketAddr {
        self.backend(Color::Blue, host::PLAIN, port)
    }

    pub(crate) fn green(self, port: u16) -> SocketAddr {
        self.backend(Color::Green, host::PLAIN, port)
    }
}
