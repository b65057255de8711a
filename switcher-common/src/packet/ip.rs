//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use core::mem::offset_of;

use network_types::ip::{IpProto, Ipv4Hdr, Ipv6Hdr};

use super::{Addresses, Internet, L3, Parsed, Source, Transport, View as _, port};
use crate::abi::{
    endpoint::{Family, mapped},
    outcome::Outcome,
};

/// IPv6 extension headers by their protocol numbers: hop-by-hop options, routing, authentication,
/// destination options, mobility, host identity, shim6, and two for experiments (RFC 7045, section 4).
/// Fragment (44) has an outcome of its own; 59 is "no next header"; 50 (ESP) is a payload to us.
const EXTENSIONS: [u8; 9] = [0, 43, 51, 60, 135, 139, 140, 253, 254];
const IPV6_FRAGMENT: u8 = 44;

#[inline(always)]
pub(super) fn v4<S: Source>(source: &S) -> Result<Transport, Parsed> {
    let Some(header) = source.view::<Ipv4Hdr>(L3) else { return Err(Parsed::Other(Outcome::Truncated)) };
    // RFC 791: "The minimum value for a correct header is 5" (IHL, in 32-bit words).
    let vihl = header.u8(offset_of!(Ipv4Hdr, vihl));
    let words = vihl & 0xf;
    let length = u16::from_be(header.u16(offset_of!(Ipv4Hdr, tot_len)));
    let header_length = words as u16 * 4;
    if vihl >> 4 != 4 || words < 5 || length < header_length {
        return Err(Parsed::Other(Outcome::Malformed));
    }
    let addresses = Addresses {
        family: Family::V4,
        source: mapped(header.u32(offset_of!(Ipv4Hdr, src_addr))),
        destination: mapped(header.u32(offset_of!(Ipv4Hdr, dst_addr))),
    };
    // More fragments, or an offset: all bits but "reserved" and "don't fragment".
    if u16::from_be(header.u16(offset_of!(Ipv4Hdr, frags))) & 0x3fff != 0 {
        return Err(Parsed::Portless(addresses, Outcome::Fragment));
    }
    if words > 5 {
        return Err(Parsed::Portless(addresses, Outcome::Options));
    }
    transport(
        source,
        Internet {
            addresses,
            ttl: header.u8(offset_of!(Ipv4Hdr, ttl)),
            length,
            payload: length - header_length,
            protocol: header.u8(offset_of!(Ipv4Hdr, proto)),
        },
    )
}

#[inline(always)]
pub(super) fn v6<S: Source>(source: &S) -> Result<Transport, Parsed> {
    let Some(header) = source.view::<Ipv6Hdr>(L3) else { return Err(Parsed::Other(Outcome::Truncated)) };
    if header.u8(offset_of!(Ipv6Hdr, vcf)) >> 4 != 6 {
        return Err(Parsed::Other(Outcome::Malformed));
    }
    let address = |at| [header.u32(at), header.u32(at + 4), header.u32(at + 8), header.u32(at + 12)];
    let addresses = Addresses {
        family: Family::V6,
        source: address(offset_of!(Ipv6Hdr, src_addr)),
        destination: address(offset_of!(Ipv6Hdr, dst_addr)),
    };
    let payload = u16::from_be(header.u16(offset_of!(Ipv6Hdr, payload_len)));
    let next = header.u8(offset_of!(Ipv6Hdr, next_hdr));
    if next == IPV6_FRAGMENT {
        return Err(Parsed::Portless(addresses, Outcome::Fragment));
    }
    if EXTENSIONS.contains(&next) {
        return Err(Parsed::Portless(addresses, Outcome::Extension));
    }
    #[expect(clippy::cast_possible_truncation, reason = "40")]
    let length = payload.saturating_add(Ipv6Hdr::LEN as u16);
    transport(
        source,
        Internet {
            addresses,
            ttl: header.u8(offset_of!(Ipv6Hdr, hop_limit)),
            length,
            payload,
            protocol: next,
        },
    )
}

#[inline(always)]
fn transport<S: Source>(source: &S, internet: Internet) -> Result<Transport, Parsed> {
    // A frame may be longer than its packet (Ethernet pads to 60 bytes), never shorter.
    if source.length() < L3 + internet.length as usize {
        return Err(Parsed::Other(Outcome::Truncated));
    }
    const TCP: u8 = IpProto::Tcp as u8;
    const UDP: u8 = IpProto::Udp as u8;
    const ICMP: u8 = IpProto::Icmp as u8;
    const ICMPV6: u8 = IpProto::Ipv6Icmp as u8;
    let ports = match internet.protocol {
        TCP => port::tcp(source, &internet),
        UDP => port::udp(source, &internet),
        ICMP | ICMPV6 => return Err(Parsed::Portless(internet.addresses, Outcome::Icmp)),
        _ => return Err(Parsed::Portless(internet.addresses, Outcome::Protocol)),
    };
    match ports {
        Ok(ports) => Ok(Transport {
            internet,
            source_port: ports.source,
            destination_port: ports.destination,
            signal: ports.signal,
        }),
        Err(outcome) => Err(Parsed::Other(outcome)),
    }
}
