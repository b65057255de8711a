//! The addresses the switcher answers for: virtual addresses and backends.

/// An IPv6 address, or an IPv4 address mapped into one (RFC 4291, section 2.5.5.2): sixteen bytes in network
/// order, held as four words as they lie in memory.
pub type Address = [u32; 4];

/// The two families, by their EtherType's high byte so that one byte tells them apart in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Family {
    /// IPv4.
    V4 = 0x08,
    /// IPv6.
    V6 = 0x86,
}

/// An IPv4 address, held as a word as it lies in memory, as a mapped one.
#[inline(always)]
pub const fn mapped(v4: u32) -> Address {
    [0, 0, u32::from_ne_bytes([0, 0, 0xff, 0xff]), v4]
}

/// What an endpoint is looked up by. Port 0 with protocol 0 stands for the bare address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct EndpointKey {
    /// The address, IPv4 mapped.
    pub address: Address,
    /// TCP or UDP port, network order.
    pub port: u16,
    /// IANA protocol number: 6 (TCP), 17 (UDP).
    pub protocol: u8,
    /// A [`Family`]: on the wire, a v4-mapped IPv6 address is not the IPv4 address.
    pub family: u8,
}

impl EndpointKey {
    /// The key of the address itself, whatever the port.
    #[inline(always)]
    pub const fn bare(address: Address, family: Family) -> Self {
        Self { address, port: 0, protocol: 0, family: family as u8 }
    }
}

/// What an address, with or without a port, is to the switcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Endpoint {
    /// An [`EndpointKind`].
    pub kind: u16,
    /// The service it belongs to; of a bare address, any one of them.
    pub service: u16,
    /// The backend, where it is one.
    pub backend: u16,
    /// Zero.
    pub pad: u16,
}

/// What an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum EndpointKind {
    /// A virtual address: packets to it are steered.
    Virtual = 1,
    /// A backend: packets from it get their virtual address back.
    Backend = 2,
    /// The address of one of the above without a port: for packets that carry none.
    Bare = 3,
}

impl Endpoint {
    /// Whether the endpoint is of `kind`.
    #[inline(always)]
    pub const fn is(&self, kind: EndpointKind) -> bool {
        self.kind == kind as u16
    }
}
