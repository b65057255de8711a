//! The addresses of the topology.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Color;

/// The IPv4 address of services: routed to the edge, assigned to nobody.
pub const VIP4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
/// The IPv6 address of services: routed to the edge, assigned to nobody.
pub const VIP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x10, 0, 0, 0, 0, 0x10));

/// The client's address on the wire to the edge.
pub const CLIENT4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2));
/// The client's address on the wire to the edge.
pub const CLIENT6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 2));

/// Every address in it is the client's: see [`clients`].
pub(crate) const CLIENTS4: &str = "10.128.0.0/9";
/// Every address in it is the client's: see [`clients`].
pub(crate) const CLIENTS6: &str = "2001:db8:c1::/64";
const CLIENTS4_FIRST: u32 = 0x0a80_0001;
const CLIENTS6_FIRST: u128 = 0x2001_0db8_00c1_0000_0000_0000_0000_0001;

/// The first `count` of the many source addresses the client can bind, of the family of `target`.
///
/// They need no set-up: the client owns a /9 and a /64 as a whole.
pub fn clients(target: IpAddr, count: u32) -> Vec<IpAddr> {
    assert!(count < 1 << 23, "{count} client addresses do not fit into {CLIENTS4}");
    match target {
        IpAddr::V4(_) => (0..count).map(|host| Ipv4Addr::from(CLIENTS4_FIRST + host).into()).collect(),
        IpAddr::V6(_) => {
            (0..count).map(|host| Ipv6Addr::from(CLIENTS6_FIRST + u128::from(host)).into()).collect()
        }
    }
}

/// The number of a color's networks: 10.0.N.0/24 and fd00:N::/64.
const fn network(color: Color) -> u8 {
    match color {
        Color::Blue => 1,
        Color::Green => 2,
    }
}

/// The IPv4 address of a color's host; 1 is the edge, 2 always there, more by
/// [`Topology::add_backend`](crate::topology::Topology::add_backend).
pub const fn backend4(color: Color, host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, network(color), host))
}

/// The IPv6 address of a color's host; see [`backend4`].
pub fn backend6(color: Color, host: u8) -> IpAddr {
    let site = network(color).into();
    IpAddr::V6(Ipv6Addr::new(0xfd00, site, 0, 0, 0, 0, 0, host.into()))
}
