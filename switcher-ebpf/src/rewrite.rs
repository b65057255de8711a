//! The rewriting of a packet: the only file that writes to one.

use core::mem::offset_of;

use network_types::{
    eth::EthHdr,
    ip::{IpProto, Ipv4Hdr, Ipv6Hdr},
    tcp::TcpHdr,
    udp::UdpHdr,
};
use switcher_common::{
    abi::{
        backend::Backend,
        endpoint::{Address, Family},
        service::Service,
    },
    checksum::{delta, update, update_udp},
    packet::{L3, Source as _, Transport, View as _, l4},
};

use crate::{nexthop::Way, packet::Packet};

/// One side of a packet's addresses and what it becomes.
pub(crate) struct Translation<'a> {
    side: Side,
    address: &'a Address,
    port: u16,
    /// What the change of address adds to a checksum.
    address_delta: u32,
    /// What the change of port adds to a checksum.
    port_delta: u32,
}

enum Side {
    Source,
    Destination,
}

impl<'a> Translation<'a> {
    /// From the virtual address to a backend's.
    #[inline(always)]
    pub(crate) fn to_backend(service: &Service, backend: &'a Backend) -> Self {
        Self {
            side: Side::Destination,
            address: &backend.address,
            port: backend.port,
            address_delta: delta(service.address_sum, backend.address_sum),
            port_delta: delta(service.port, backend.port),
        }
    }

    /// From a backend's address to the virtual one.
    #[inline(always)]
    pub(crate) fn to_service(service: &'a Service, backend: &Backend) -> Self {
        Self {
            side: Side::Source,
            address: &service.address,
            port: service.port,
            address_delta: delta(backend.address_sum, service.address_sum),
            port_delta: delta(backend.port, service.port),
        }
    }
}

/// Gives a packet its new address and port, one hop less to live where the kernel does not take that one
/// itself, and the checksums that go with them. Nothing is written unless all of it can be.
#[inline(always)]
pub(crate) fn translate(
    packet: &Packet,
    parsed: &Transport,
    to: &Translation<'_>,
    last_hop: bool,
) -> Option<()> {
    let family = parsed.internet.addresses.family;
    let sum = to.address_delta + to.port_delta;
    if parsed.internet.protocol == IpProto::Tcp as u8 {
        let header = packet.view::<TcpHdr>(l4(family))?;
        let port = match to.side {
            Side::Source => offset_of!(TcpHdr, source),
            Side::Destination => offset_of!(TcpHdr, dest),
        };
        header.set_u16(port, to.port);
        let check = offset_of!(TcpHdr, check);
        header.set_u16(check, update(header.u16(check), sum));
    } else {
        let header = packet.view::<UdpHdr>(l4(family))?;
        let port = match to.side {
            Side::Source => offset_of!(UdpHdr, src),
            Side::Destination => offset_of!(UdpHdr, dst),
        };
        header.set_u16(port, to.port);
        let check = offset_of!(UdpHdr, check);
        header.set_u16(check, update_udp(header.u16(check), sum));
    }
    let hops = if last_hop { 0 } else { 1 };
    let [a, b, c, d] = *to.address;
    match family {
        Family::V4 => {
            let header = packet.view::<Ipv4Hdr>(L3)?;
            let address = match to.side {
                Side::Source => offset_of!(Ipv4Hdr, src_addr),
                Side::Destination => offset_of!(Ipv4Hdr, dst_addr),
            };
            header.set_u32(address, d);
            // TTL and protocol share a word of the checksum.
            let ttl = offset_of!(Ipv4Hdr, ttl);
            let old = header.u16(ttl);
            header.set_u8(ttl, parsed.internet.ttl - hops);
            let check = offset_of!(Ipv4Hdr, check);
            let sum = to.address_delta + delta(old, header.u16(ttl));
            header.set_u16(check, update(header.u16(check), sum));
        }
        Family::V6 => {
            let header = packet.view::<Ipv6Hdr>(L3)?;
            let address = match to.side {
                Side::Source => offset_of!(Ipv6Hdr, src_addr),
                Side::Destination => offset_of!(Ipv6Hdr, dst_addr),
            };
            header.set_u32(address, a);
            header.set_u32(address + 4, b);
            header.set_u32(address + 8, c);
            header.set_u32(address + 12, d);
            header.set_u8(offset_of!(Ipv6Hdr, hop_limit), parsed.internet.ttl - hops);
        }
    }
    Some(())
}

/// Addresses the frame.
#[inline(always)]
pub(crate) fn address(packet: &Packet, way: &Way) -> Option<()> {
    let header = packet.view::<EthHdr>(0)?;
    let set = |at: usize, [a, b, c, d, e, f]: [u8; 6]| {
        header.set_u16(at, u16::from_ne_bytes([a, b]));
        header.set_u16(at + 2, u16::from_ne_bytes([c, d]));
        header.set_u16(at + 4, u16::from_ne_bytes([e, f]));
    };
    set(offset_of!(EthHdr, dst_addr), way.destination);
    set(offset_of!(EthHdr, src_addr), way.source);
    Some(())
}
