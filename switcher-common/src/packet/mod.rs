//! Parsing, over any source of bytes.
//!
//! The result says what a packet is, not what to do with it. Nothing is taken for granted: a header that is
//! cut, or that contradicts itself, has its own outcome.

mod ip;
mod port;
pub mod source;

use core::mem::offset_of;

use network_types::eth::{EthHdr, EtherType};

pub use self::source::{Source, View};
use crate::{
    abi::{
        endpoint::{Address, Family},
        outcome::Outcome,
    },
    decide::Signal,
};

/// The source and destination of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The source, IPv4 mapped.
    pub source: Address,
    /// The destination, IPv4 mapped.
    pub destination: Address,
}

/// An IP header that could be read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Internet {
    /// Source and destination.
    pub addresses: Addresses,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Bytes from the IP header on, as the header says.
    pub length: u16,
    /// Bytes after the IP header, as the header says.
    pub payload: u16,
    /// IANA protocol number.
    pub protocol: u8,
}

/// A TCP segment or a UDP datagram that is whole and has nothing unusual before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// The IP header.
    pub internet: Internet,
    /// Source port, network order.
    pub source_port: u16,
    /// Destination port, network order.
    pub destination_port: u16,
    /// What the packet says about its connection.
    pub signal: Signal,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Something that can be steered.
    Transport(Transport),
    /// An IP packet without readable ports, and the outcome it has if one of its addresses is ours.
    Portless(Addresses, Outcome),
    /// Anything else.
    Other(Outcome),
}

/// Where the IP header begins: behind an Ethernet header without tags.
pub const L3: usize = EthHdr::LEN;

/// Reads a frame's headers, from Ethernet on.
#[inline(always)]
pub fn parse<S: Source>(source: &S) -> Parsed {
    let Some(ethernet) = source.view::<EthHdr>(0) else { return Parsed::Other(Outcome::Truncated) };
    const IPV4: u16 = EtherType::Ipv4 as u16;
    const IPV6: u16 = EtherType::Ipv6 as u16;
    const VLAN: u16 = EtherType::Ieee8021q as u16;
    const QINQ: u16 = EtherType::Ieee8021ad as u16;
    let parsed = match ethernet.u16(offset_of!(EthHdr, ether_type)) {
        IPV4 => ip::v4(source),
        IPV6 => ip::v6(source),
        VLAN | QINQ => Err(Parsed::Other(Outcome::Vlan)),
        _ => Err(Parsed::Other(Outcome::NotOurs)),
    };
    match parsed {
        Ok(transport) => Parsed::Transport(transport),
        Err(other) => other,
    }
}

/// Where the transport header of a [`Transport`] begins.
#[inline(always)]
pub const fn l4(family: Family) -> usize {
    use network_types::ip::{Ipv4Hdr, Ipv6Hdr};
    match family {
        Family::V4 => L3 + Ipv4Hdr::LEN,
        Family::V6 => L3 + Ipv6Hdr::LEN,
    }
}

#[cfg(test)]
mod tests;
