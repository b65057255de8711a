//! Packets from clients to virtual addresses.

use switcher_common::abi::outcome::Outcome::{Expired, NoBackend, Steered, TooBig};
use switcher_tests::Color::Blue;

use crate::{
    row::{Row, row},
    site::{MTU, NARROW_MTU, Port, Site, host},
    table::{DNS, EMPTY, LOST, NARROW, ONE_ARMED, SAME_PORT, WEB, WIDE, behind},
    wire::{self, Packet},
};

/// Bytes of the IP and TCP headers together.
fn headers(s: Site) -> usize {
    if s.v4 { 40 } else { 60 }
}

/// A payload that makes a TCP packet be `length` bytes long from the IP header on.
fn filling(s: Site, length: u16) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(usize::from(length) - headers(s)).collect()
}

pub(crate) fn tcp(s: Site) -> Vec<Row> {
    let web = || wire::tcp(s.client(40_000), s.vip(WEB));
    let blue = s.blue(behind(WEB));
    let steered = |name, packet: Packet| row(name, packet).forwarded(Steered, blue);
    let mut rows = vec![
        steered("TCP SYN", web().syn()),
        steered("TCP SYN with options", web().syn().tcp_options()),
        steered("TCP acknowledgment", web()),
        steered("TCP data", web().payload(b"GET / HTTP/1.1\r\n\r\n")),
        steered("TCP data of an odd length", web().payload(b"odd")),
        steered("TCP data with options", web().tcp_options().payload(b"with a time stamp")),
        steered("TCP FIN", web().fin()),
        steered("TCP RST", web().rst()),
        steered("TCP SYN with ACK", web().syn_ack()),
        steered("TCP whose new checksum is 0", web().with_checksum(0, |packet| packet.to(blue).ttl(63))),
        steered("TCP whose checksum was 0", web().with_checksum(0, |packet| packet)),
        steered("TCP with hop limit 2", web().ttl(2)),
        steered("TCP with hop limit 255", web().ttl(255)),
        steered("TCP with DSCP and ECN", web().class(0xb9)),
        steered("TCP in a padded frame", web().padded()),
        steered("TCP with a trailer behind the packet", web().payload(b"x").trailer(b"not of the packet")),
        steered("TCP as large as the MTU", web().payload(&filling(s, MTU))),
        steered("TCP to any MAC address", web().addressed([0xff; 6], [2, 0, 0, 9, 9, 9])),
        row("TCP to a service with its backends' port", wire::tcp(s.client(1), s.vip(SAME_PORT)))
            .forwarded(Steered, s.blue(SAME_PORT)),
        row(
            "TCP larger than 1,500 bytes, to a hop with jumbo frames",
            wire::tcp(s.client(2), s.vip(WIDE)).payload(&filling(s, 3_400)),
        )
        .forwarded(Steered, s.backend(Blue, host::WIDE, behind(WIDE))),
        row("TCP to a backend behind the interface it came by", wire::tcp(s.client(3), s.vip(ONE_ARMED)))
            .forwarded(Steered, s.backend(Blue, host::ONE_ARMED, behind(ONE_ARMED))),
        steered("TCP from a client behind a backend's interface", web()).arriving(Port::Blue),
        steered("TCP from a backend's host, as a client", wire::tcp(s.blue(50_000), s.vip(WEB)))
            .arriving(Port::Blue),
        row("TCP to a backend without a next hop", wire::tcp(s.client(4), s.vip(LOST)).syn())
            .unresolved(s.backend(Blue, host::LOST, behind(LOST))),
    ];
    for port in [1, 1_023, 40_001, 65_535] {
        rows.push(steered("TCP from any port", wire::tcp(s.client(port), s.vip(WEB)).syn()));
    }
    if s.v4 {
        rows.extend([
            steered("TCP that may be fragmented", web().may_be_fragmented()),
            steered("TCP with the reserved bit", web().reserved_bit()),
        ]);
    }
    rows
}

pub(crate) fn udp(s: Site) -> Vec<Row> {
    let dns = || wire::udp(s.client(40_000), s.vip(DNS));
    let blue = s.blue(behind(DNS));
    let steered = |name, packet: Packet| row(name, packet).forwarded(Steered, blue);
    vec![
        steered("UDP", dns().payload(b"a question")),
        steered("UDP of an odd length", dns().payload(b"odd")),
        steered("UDP without data", dns()),
        steered("UDP without a checksum", dns().payload(b"a question").udp_checksum_zero()),
        steered("UDP whose new checksum would be 0", dns().with_checksum(0xffff, |packet| packet.to(blue))),
        steered("UDP whose checksum was 0xffff", dns().with_checksum(0xffff, |packet| packet)),
        steered("UDP shorter than its IP packet", dns().payload(b"inside outside").udp_length(8 + 6)),
        steered("UDP in a padded frame", dns().padded()),
        row("UDP to a backend without a next hop", wire::udp(s.client(4), s.vip(LOST)).payload(b"?"))
            .unresolved(s.backend(Blue, host::LOST, behind(LOST))),
        row(
            "UDP without a checksum, to a backend without a next hop",
            wire::udp(s.client(4), s.vip(LOST)).udp_checksum_zero(),
        )
        .unresolved(s.backend(Blue, host::LOST, behind(LOST))),
    ]
}

pub(crate) fn stopped(s: Site) -> Vec<Row> {
    let web = || wire::tcp(s.client(40_000), s.vip(WEB));
    let narrow = s.backend(Blue, host::NARROW, behind(NARROW));
    let to_narrow = || wire::tcp(s.client(5), s.vip(NARROW));
    vec![
        row("TCP with hop limit 1", web().ttl(1)).stopped_at(Expired, s.blue(behind(WEB))),
        row("TCP with hop limit 0", web().ttl(0)).stopped_at(Expired, s.blue(behind(WEB))),
        row("UDP with hop limit 1", wire::udp(s.client(5), s.vip(DNS)).ttl(1))
            .stopped_at(Expired, s.blue(behind(DNS))),
        row("TCP with hop limit 1, to a backend without a next hop", {
            wire::tcp(s.client(4), s.vip(LOST)).ttl(1)
        })
        .stopped_at(Expired, s.backend(Blue, host::LOST, behind(LOST))),
        row("TCP as large as a small MTU", to_narrow().payload(&filling(s, NARROW_MTU)))
            .forwarded(Steered, narrow),
        row("TCP larger than the MTU", to_narrow().payload(&filling(s, NARROW_MTU + 1)))
            .stopped_at(TooBig, narrow),
        row("UDP larger than the MTU", wire::udp(s.client(5), s.vip(NARROW)).payload(&[7; 600]))
            .stopped_at(TooBig, narrow),
        row("TCP SYN to a service without a backend", wire::tcp(s.client(6), s.vip(EMPTY)).syn())
            .stopped_by(NoBackend, s.vip(EMPTY)),
        row("TCP to a service without a backend", wire::tcp(s.client(6), s.vip(EMPTY)))
            .stopped_by(NoBackend, s.vip(EMPTY)),
    ]
}
