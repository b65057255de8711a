//! TCP (RFC 9293) and UDP (RFC 768) headers.

use core::mem::offset_of;

use network_types::{tcp::TcpHdr, udp::UdpHdr};

use super::{Internet, Source, View as _, l4};
use crate::{abi::outcome::Outcome, decide::Signal};

pub(super) struct Ports {
    pub(super) source: u16,
    pub(super) destination: u16,
    pub(super) signal: Signal,
}

/// Offset of the byte whose upper half is the data offset; the flags are in the next one (RFC 9293, 3.1).
const DATA_OFFSET: usize = 12;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

#[inline(always)]
pub(super) fn tcp<S: Source>(source: &S, internet: &Internet) -> Result<Ports, Outcome> {
    let Some(header) = source.view::<TcpHdr>(l4(internet.addresses.family)) else {
        return Err(Outcome::Truncated);
    };
    // RFC 9293, 3.1: the data offset counts 32-bit words, of which the header has five at least.
    let words = header.u8(DATA_OFFSET) >> 4;
    if words < 5 || u16::from(words) * 4 > internet.payload {
        return Err(Outcome::Malformed);
    }
    let flags = header.u8(DATA_OFFSET + 1);
    let signal = if flags & (FIN | RST) != 0 {
        Signal::Close
    } else if flags & (SYN | ACK) == SYN {
        Signal::Open
    } else {
        Signal::Continue
    };
    Ok(Ports {
        source: header.u16(offset_of!(TcpHdr, source)),
        destination: header.u16(offset_of!(TcpHdr, dest)),
        signal,
    })
}

#[inline(always)]
pub(super) fn udp<S: Source>(source: &S, internet: &Internet) -> Result<Ports, Outcome> {
    let Some(header) = source.view::<UdpHdr>(l4(internet.addresses.family)) else {
        return Err(Outcome::Truncated);
    };
    // RFC 768: the length counts the header, of eight bytes, and the data.
    let length = u16::from_be(header.u16(offset_of!(UdpHdr, len)));
    if length < 8 || length > internet.payload {
        return Err(Outcome::Malformed);
    }
    Ok(Ports {
        source: header.u16(offset_of!(UdpHdr, src)),
        destination: header.u16(offset_of!(UdpHdr, dst)),
        signal: Signal::Continue,
    })
}
