//! Headers that contradict themselves or the packet's length.

use switcher_common::abi::outcome::Outcome::{Icmp, Malformed, Options, Steered, Truncated};

use crate::{
    row::{Row, row},
    site::{Port, Site},
    table::{DNS, WEB, behind},
    wire::{self, IPV4, IPV6, Packet},
};

pub(crate) fn rows(s: Site) -> Vec<Row> {
    let mut rows = if s.v4 { v4(s) } else { v6(s) };
    rows.extend(transport(s));
    rows
}

fn v4(s: Site) -> Vec<Row> {
    let vip = s.vip(WEB);
    let web = || wire::tcp(s.client(40_000), vip).payload(&[0x55; 24]);
    let whole = 20 + 20 + 24;
    let mut rows = vec![];
    for words in 0..=15 {
        let packet = web().header_words(words);
        rows.push(match words {
            0..=4 => row("IPv4 header shorter than five words", packet).stopped(Malformed),
            5 => row("IPv4 header of five words", packet).forwarded(Steered, s.blue(behind(WEB))),
            _ => row("IPv4 header longer than five words", packet).ours_by(Options, vip),
        });
        let empty = wire::tcp(s.client(40_000), vip).header_words(words).length(20);
        if words > 5 {
            rows.push(row("IPv4 header longer than the packet", empty).stopped(Malformed));
        }
    }
    for version in (0..16).filter(|version| *version != 4) {
        rows.push(row("IPv4 EtherType with another version", web().version(version)).stopped(Malformed));
    }
    for length in 0..20 {
        rows.push(row("IPv4 packet shorter than its header", web().length(length)).stopped(Malformed));
    }
    for length in 20..40 {
        rows.push(row("TCP header longer than the IPv4 packet", web().length(length)).stopped(Malformed));
    }
    for length in [whole + 1, 1_500, u16::MAX] {
        rows.push(row("IPv4 packet longer than the frame", web().length(length)).stopped(Truncated));
    }
    rows.push(row("IPv4 EtherType before IPv6", in_disguise(Site { v4: false }, IPV4)).stopped(Malformed));
    rows
}

fn v6(s: Site) -> Vec<Row> {
    let web = || wire::tcp(s.client(40_000), s.vip(WEB)).payload(&[0x55; 24]);
    let whole = 20 + 24;
    let mut rows = vec![];
    for version in (0..16).filter(|version| *version != 6) {
        rows.push(row("IPv6 EtherType with another version", web().version(version)).stopped(Malformed));
    }
    for length in 0..20 {
        rows.push(row("TCP header longer than the IPv6 packet", web().length(length)).stopped(Malformed));
    }
    for length in [whole + 1, 1_500, u16::MAX] {
        rows.push(row("IPv6 packet longer than the frame", web().length(length)).stopped(Truncated));
    }
    let empty = wire::ping(s.client(1), s.vip(WEB)).payload(&[]);
    rows.push(row("IPv6 without a payload", empty).ours_by(Icmp, s.vip(WEB)));
    rows.push(row("IPv6 EtherType before IPv4", in_disguise(Site { v4: true }, IPV6)).stopped(Malformed));
    rows
}

fn in_disguise(s: Site, ether_type: u16) -> Packet {
    wire::tcp(s.client(40_000), s.vip(WEB)).payload(&[0x55; 40]).ether_type(ether_type)
}

fn transport(s: Site) -> Vec<Row> {
    let web = || wire::tcp(s.client(40_000), s.vip(WEB)).payload(&[0x55; 8]);
    let dns = || wire::udp(s.client(40_000), s.vip(DNS)).payload(&[0x55; 8]);
    let mut rows = vec![];
    for words in (0..5).chain(8..=15) {
        let name = if words < 5 {
            "TCP header shorter than five words"
        } else {
            "TCP header longer than the packet"
        };
        rows.push(row(name, web().data_offset(words)).stopped(Malformed));
    }
    for length in 0..8 {
        rows.push(row("UDP shorter than its header", dns().udp_length(length)).stopped(Malformed));
    }
    for length in [17, 1_472, u16::MAX] {
        rows.push(row("UDP longer than the IP packet", dns().udp_length(length)).stopped(Malformed));
    }
    rows.push(
        row("TCP to another address, shorter than its header", {
            wire::tcp(s.client(1), s.stranger(WEB)).data_offset(4)
        })
        .stopped(Malformed),
    );
    rows.push(
        row("TCP from a backend, shorter than its header", {
            wire::tcp(s.blue(behind(WEB)), s.client(1)).data_offset(0)
        })
        .arriving(Port::Blue)
        .stopped(Malformed),
    );
    rows
}
