//! A backend and the way to it.

use super::endpoint::Address;

/// Where frames for a backend leave, and what their Ethernet header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct NextHop {
    /// Index of the interface they leave by; 0 while the way is not known.
    pub interface: u32,
    /// Largest layer-3 packet that may leave, in bytes.
    pub mtu: u16,
    /// Destination MAC address.
    pub destination: [u8; 6],
    /// Source MAC address.
    pub source: [u8; 6],
    /// Zero.
    pub pad: [u8; 2],
}

/// One cache line.
///
/// A next hop is longer than a word, so there are two, and `hop` says which is in force: the daemon writes
/// the other one and then `hop`, in one byte store. No packet sees half a MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Backend {
    /// The address, IPv4 mapped.
    pub address: Address,
    /// The way there: the one in force, and the one before or to come.
    pub hops: [NextHop; 2],
    /// The port, network order.
    pub port: u16,
    /// One's complement sum of the address (of its four or sixteen bytes), in memory order.
    pub address_sum: u16,
    /// The service it belongs to.
    pub service: u16,
    /// A [`super::switch::Color`].
    pub color: u8,
    /// Which of the hops is in force: 0 or 1.
    pub hop: u8,
}

impl Backend {
    /// The next hop in force.
    #[inline(always)]
    pub const fn next_hop(&self) -> &NextHop {
        let [first, second] = &self.hops;
        if self.hop & 1 == 0 { first } else { second }
    }
}
