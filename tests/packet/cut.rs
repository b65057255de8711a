//! Packets cut at every byte: never changed, unless they are whole all the same.

use switcher_common::abi::outcome::Outcome::{self, Extension, Fragment, Options, Steered, Truncated, Vlan};

use crate::{
    row::{Row, row},
    site::{Port, Site},
    table::{DNS, WEB, behind},
    wire::{self, Packet},
};

/// Behind Ethernet: the kernel runs nothing shorter.
const ETHERNET: usize = 14;

pub(crate) fn rows(s: Site) -> Vec<Row> {
    let (client, vip) = (s.client(40_000), s.vip(WEB));
    let web = || wire::tcp(client, vip);
    let ip = ETHERNET + if s.v4 { 20 } else { 40 };
    let mut rows = vec![];

    let mut whole = |name, packet: Packet| {
        for at in ETHERNET..packet.bytes().len() {
            rows.push(row(name, packet.clone().cut_at(at)).stopped(Truncated));
        }
    };
    whole("TCP SYN, cut anywhere", web().syn().tcp_options());
    whole("TCP data, cut anywhere", web().payload(b"to be continued"));
    whole("UDP, cut anywhere", wire::udp(client, s.vip(DNS)).payload(b"to be continued"));
    whole("Echo request, cut anywhere", wire::ping(client, vip));
    whole("Not ours, cut anywhere", wire::tcp(client, s.stranger(WEB)).payload(b"to be continued"));
    let reply = wire::tcp(s.blue(behind(WEB)), client).payload(b"to be continued");
    for at in ETHERNET..reply.bytes().len() {
        let cut = reply.clone().cut_at(at);
        rows.push(row("From a backend, cut anywhere", cut).arriving(Port::Blue).stopped(Truncated));
    }

    // What the IP header alone tells is told even if the rest is missing.
    let mut portless = |name, behind_ip, packet: Packet, outcome: Outcome| {
        for at in ETHERNET..packet.bytes().len() {
            let cut = packet.clone().cut_at(at);
            rows.push(match at {
                _ if at < ip => row(name, cut).stopped(Truncated),
                _ => row(behind_ip, cut).ours_by(outcome, vip),
            });
        }
    };
    let fragment = web().fragment(0, true).payload(&[7; 16]);
    portless("Fragment, cut in the IP header", "Fragment, cut behind the IP header", fragment, Fragment);
    if s.v4 {
        let options = web().options(&[1; 8]);
        portless("IPv4 options, cut before", "IPv4 options, cut within or behind", options, Options);
    } else {
        let extension = web().extension(0);
        portless(
            "Extension header, cut before",
            "Extension header, cut within or behind",
            extension,
            Extension,
        );
    }

    // A frame may be longer than its packet.
    let padded = web().trailer(&[0xaa; 12]);
    let end = padded.bytes().len() - 12;
    for at in end..=end + 12 {
        let cut = padded.clone().cut_at(at);
        rows.push(row("TCP, cut in the padding behind it", cut).forwarded(Steered, s.blue(behind(WEB))));
    }
    let tagged = web().vlan(5);
    for at in ETHERNET..tagged.bytes().len() {
        rows.push(row("VLAN, cut anywhere", tagged.clone().cut_at(at)).stopped(Vlan));
    }
    rows
}
