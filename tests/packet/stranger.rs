//! Packets that are not ours, and those that are but carry no ports we could steer by.

use switcher_common::abi::outcome::Outcome::{self, Extension, Fragment, Icmp, Options, Protocol, Vlan};

use crate::{
    row::{Row, row},
    site::{Port, Site},
    table::{DNS, WEB, behind},
    wire::{self, Packet},
};

/// An IPv4 option: record the route.
const OPTION: [u8; 8] = [7, 7, 4, 0, 0, 0, 0, 0];
/// Extension headers that are recognized; 44 is a fragment.
const EXTENSIONS: [u8; 9] = [0, 43, 51, 60, 135, 139, 140, 253, 254];
const GRE: u8 = 47;
const ESP: u8 = 50;
const SCTP: u8 = 132;
const NO_NEXT_HEADER: u8 = 59;

pub(crate) fn not_ours(s: Site) -> Vec<Row> {
    let client = s.client(40_000);
    let web = || wire::tcp(client, s.vip(WEB)).syn();
    let stranger = s.stranger(WEB);
    let mut rows = vec![
        row("TCP to another port of a virtual address", wire::tcp(client, s.vip(9_999)).syn()),
        row("TCP to another address", wire::tcp(client, stranger).syn()),
        row("UDP to a TCP service's address and port", wire::udp(client, s.vip(WEB))),
        row("TCP to a UDP service's address and port", wire::tcp(client, s.vip(DNS)).syn()),
        row("TCP from another port of a backend", wire::tcp(s.blue(22), client)).arriving(Port::Blue),
        row("UDP from a TCP backend's address and port", wire::udp(s.blue(behind(WEB)), client))
            .arriving(Port::Blue),
        row("TCP to a backend's own address", wire::tcp(client, s.blue(behind(WEB))).syn()),
        row("TCP with hop limit 1, to another address", wire::tcp(client, stranger).ttl(1)),
        row("TCP from a virtual address", wire::tcp(s.vip(WEB), client)),
        row("ICMP to another address", wire::ping(client, stranger)),
        row("Another protocol to another address", wire::other(GRE, client, stranger)),
        row("First fragment to another address", wire::tcp(client, stranger).fragment(0, true)),
        row("Last fragment to another address", wire::tcp(client, stranger).fragment(1_480, false)),
        row("Virtual address behind another EtherType", web().ether_type(0x88b5)),
        row("VLAN tag", web().vlan(5)).stopped(Vlan),
        row("VLAN tag 0, priority only", web().vlan(0)).stopped(Vlan),
        row("Service VLAN tag", web().service_vlan(5)).stopped(Vlan),
        row("Two VLAN tags", web().service_vlan(5).vlan(6)).stopped(Vlan),
    ];
    if s.v4 {
        let ipv4 = wire::tcp(client, s.vip(WEB)).bytes()[14..].to_vec();
        rows.extend([
            row("IPv4 options to another address", wire::tcp(client, stranger).options(&OPTION)),
            row("ARP", wire::frame(0x0806, &[0, 1, 8, 0, 6, 4, 0, 1])),
            row("LLDP", wire::frame(0x88cc, &[2, 7, 4])),
            row("IEEE 802.3 length instead of an EtherType", wire::frame(46, &[0x42; 46])),
            row("EtherType alone", wire::frame(0x88b5, &[])),
            row("VLAN tag alone", wire::frame(0x8100, &[])).stopped(Vlan),
            row("IPv4 behind an MPLS label", wire::frame(0x8847, &[&[0, 1, 1, 64], &ipv4[..]].concat())),
        ]);
    } else {
        rows.push(row("Extension header to another address", wire::tcp(client, stranger).extension(0)));
        rows.push(row("IPv4's virtual address mapped into IPv6", {
            let mapped = |address: std::net::SocketAddr| match address.ip() {
                std::net::IpAddr::V4(v4) => (v4.to_ipv6_mapped(), address.port()).into(),
                std::net::IpAddr::V6(_) => address,
            };
            let v4 = Site { v4: true };
            wire::tcp(mapped(v4.client(40_000)), mapped(v4.vip(WEB))).syn()
        }));
    }
    rows
}

pub(crate) fn portless(s: Site) -> Vec<Row> {
    let (client, vip, blue) = (s.client(40_000), s.vip(WEB), s.blue(behind(WEB)));
    let web = || wire::tcp(client, vip);
    let data = || wire::tcp(client, vip).payload(&[7; 64]);
    let to_vip = |name, packet: Packet, outcome: Outcome| row(name, packet).ours_by(outcome, vip);
    let from_blue = |name, packet: Packet, outcome: Outcome| {
        row(name, packet).arriving(Port::Blue).ours_by(outcome, blue)
    };
    let mut rows = vec![
        to_vip("First fragment to a virtual address", data().fragment(0, true), Fragment),
        to_vip("Middle fragment to a virtual address", data().fragment(1_480, true), Fragment),
        to_vip("Last fragment to a virtual address", data().fragment(2_960, false), Fragment),
        from_blue("Fragment from a backend", wire::tcp(blue, client).fragment(0, true), Fragment),
        to_vip("Fragment to a backend", wire::tcp(client, blue).fragment(0, true), Fragment)
            .ours_by(Fragment, blue),
        to_vip("Echo request to a virtual address", wire::ping(client, vip), Icmp),
        from_blue("Echo request from a backend", wire::ping(blue, client), Icmp),
        to_vip("GRE to a virtual address", wire::other(GRE, client, vip), Protocol),
        to_vip("ESP to a virtual address", wire::other(ESP, client, vip), Protocol),
        to_vip("SCTP to a virtual address", wire::other(SCTP, client, vip), Protocol),
        from_blue("SCTP from a backend", wire::other(SCTP, blue, client), Protocol),
    ];
    if s.v4 {
        rows.extend([
            to_vip("IPv4 options to a virtual address", web().options(&OPTION), Options),
            to_vip("As many IPv4 options as there can be", web().options(&[1; 40]), Options),
            from_blue("IPv4 options from a backend", wire::tcp(blue, client).options(&OPTION), Options),
            to_vip("Fragment with IPv4 options", web().options(&OPTION).fragment(0, true), Fragment),
        ]);
    } else {
        for number in EXTENSIONS {
            let packet = web().extension(number);
            rows.push(to_vip("Extension header to a virtual address", packet, Extension));
        }
        rows.extend([
            to_vip("Two extension headers", web().extension(0).extension(60), Extension),
            to_vip("Fragment behind an extension header", web().extension(0).fragment(0, true), Extension),
            to_vip("No next header", wire::other(NO_NEXT_HEADER, client, vip), Protocol),
            from_blue("Extension header from a backend", wire::tcp(blue, client).extension(60), Extension),
        ]);
    }
    rows
}
