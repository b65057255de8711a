//! Packets from backends.

use switcher_common::abi::outcome::Outcome::{Expired, ReplyLocal, ReplyTooBig, Steered};
use switcher_tests::Color::Blue;

use crate::{
    row::{Row, row},
    site::{Port, Site, host},
    table::{DNS, EMPTY, LOST, ONE_ARMED, SAME_PORT, WEB, behind},
    wire,
};

pub(crate) fn rows(s: Site) -> Vec<Row> {
    let (blue, vip) = (s.blue(behind(WEB)), s.vip(WEB));
    let web = |client| wire::tcp(blue, client);
    let (dns, dns_vip) = (s.blue(behind(DNS)), s.vip(DNS));
    let answer = |client| wire::udp(dns, client).payload(b"an answer");
    let client = s.client(40_000);
    let reply = |name, packet| row(name, packet).arriving(Port::Blue);
    let one_armed = s.backend(Blue, host::ONE_ARMED, behind(ONE_ARMED));
    vec![
        reply("TCP SYN with ACK", web(client).syn_ack().tcp_options()).replied(blue, vip),
        reply("TCP data", web(client).payload(b"HTTP/1.1 200 OK\r\n")).replied(blue, vip),
        reply("TCP FIN", web(client).fin()).replied(blue, vip),
        reply("TCP RST", web(client).rst()).replied(blue, vip),
        reply("TCP in a padded frame", web(client).padded()).replied(blue, vip),
        reply("TCP whose new checksum is 0", web(client).with_checksum(0, |packet| packet.from(vip)))
            .replied(blue, vip),
        reply("TCP from a backend with the service's port", wire::tcp(s.blue(SAME_PORT), client))
            .replied(s.blue(SAME_PORT), s.vip(SAME_PORT)),
        reply("TCP from the color that is not live", wire::tcp(s.green(behind(WEB)), client))
            .arriving(Port::Green)
            .replied(s.green(behind(WEB)), vip),
        reply("TCP from a backend without a next hop", {
            wire::tcp(s.backend(Blue, host::LOST, behind(LOST)), client)
        })
        .replied(s.backend(Blue, host::LOST, behind(LOST)), s.vip(LOST)),
        reply("TCP from a backend without weight", wire::tcp(s.blue(behind(EMPTY)), client))
            .replied(s.blue(behind(EMPTY)), s.vip(EMPTY)),
        reply("UDP", answer(client)).replied(dns, dns_vip),
        reply("UDP without a checksum", answer(client).udp_checksum_zero()).replied(dns, dns_vip),
        reply("UDP whose new checksum would be 0", {
            wire::udp(dns, client).with_checksum(0xffff, |packet| packet.from(dns_vip))
        })
        .replied(dns, dns_vip),
        reply("TCP to a client behind the interface it came by", wire::tcp(one_armed, client))
            .arriving(Port::Client)
            .replied(one_armed, s.vip(ONE_ARMED)),
        reply("TCP to a client without a neighbor entry", web(s.neighborless())).reply_unresolved(blue, vip),
        reply("UDP to a client without a neighbor entry", answer(s.neighborless()))
            .reply_unresolved(dns, dns_vip),
        reply("TCP with hop limit 1, to a client without a neighbor entry", web(s.neighborless()).ttl(1))
            .reply_unresolved(blue, vip),
        reply("TCP to an unreachable client", web(s.unreachable())).reply_unresolved(blue, vip),
        reply("TCP to this host, such as to its health check", web(s.ourselves()))
            .stopped_at(ReplyLocal, blue),
        reply("UDP to this host", answer(s.ourselves())).stopped_at(ReplyLocal, dns),
        reply("TCP to a client that no route leads to", web(s.routeless())).stopped_at(ReplyLocal, blue),
        reply("TCP with hop limit 1", web(client).ttl(1)).stopped_at(Expired, blue),
        reply("TCP larger than the MTU of the way to the client", web(client).payload(&[7; 1_500]))
            .stopped_at(ReplyTooBig, blue),
        // Its destination decides: a backend may be another service's client.
        reply("TCP to another service's virtual address", wire::tcp(blue, s.vip(SAME_PORT)))
            .forwarded(Steered, s.blue(SAME_PORT)),
    ]
}
