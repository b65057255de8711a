//! A service: a virtual address and how its connections are drawn and remembered.

use super::endpoint::Address;

/// How connections of a service are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Memory {
    /// Only while a transition runs, from their opening packet on (TCP).
    Transition = 0,
    /// Not at all: the word decides every packet (`udp = "switch"`).
    Never = 1,
    /// Always, from the first packet on (`udp = "sticky"`).
    Always = 2,
}

/// One cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Service {
    /// Keys the hash that a connection is remembered by: different for every virtual address.
    pub connection_salt: u64,
    /// Keys the client hash that color and backend are drawn by, with `affinity = "client"`: the same for
    /// all services of a switch, so that a client sees one color across them.
    pub draw_salt: u64,
    /// The virtual address, IPv4 mapped.
    pub address: Address,
    /// The first of the service's slots.
    pub ring_start: u32,
    /// How many slots; a prime.
    pub ring_len: u32,
    /// The switch that the service is on.
    pub switch: u16,
    /// The virtual port, network order.
    pub port: u16,
    /// One's complement sum of the virtual address (of its four or sixteen bytes), in memory order.
    pub address_sum: u16,
    /// A [`Memory`].
    pub memory: u8,
    /// [`Service::CLIENT_AFFINITY`] or 0.
    pub flags: u8,
    /// The service's own index.
    pub index: u16,
    /// Zero.
    pub pad: [u8; 14],
}

impl Service {
    /// All connections of a client address share their color and backend.
    pub const CLIENT_AFFINITY: u8 = 1;

    /// The memory as a type; what is unknown remembers as TCP does.
    #[inline(always)]
    pub const fn memory(&self) -> Memory {
        match self.memory {
            1 => Memory::Never,
            2 => Memory::Always,
            _ => Memory::Transition,
        }
    }
}
