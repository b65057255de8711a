//! Connections before, during and after transitions.

use std::iter::once;

use switcher_common::abi::{
    flow::FlowState::{self, Closing, Embryonic, Established},
    outcome::Outcome::{Evicted, Held, Pinned, Recorded, Refused, Retransmitted, Steered},
};
use switcher_tests::{
    Color::{self, Blue, Green},
    config::{ConfigBuilder, ServiceBuilder},
};

use crate::{
    row::{Row, row},
    script::{
        Script,
        Step::{self, Cut, Draining, Flip, Remembered, Rollback, Wait, Weight},
    },
    site::Site,
    wire::{self, Packet},
};

const ROOMY: u32 = 1024;
/// One bucket.
const TIGHT: u32 = 8;

/// All scripts of TCP, in the order of the document.
pub(crate) const SCRIPTS: [Script; 10] = [
    Script { title: "A flip", flow_entries: ROOMY, config: web, steps: flip },
    Script { title: "A flip and back", flow_entries: ROOMY, config: web, steps: flip_and_back },
    Script { title: "Addresses and ports used again", flow_entries: ROOMY, config: web, steps: reuse },
    Script { title: "A rollback", flow_entries: ROOMY, config: web, steps: rollback },
    Script { title: "A chain of steps", flow_entries: ROOMY, config: web, steps: chain },
    Script { title: "The end of a drain", flow_entries: ROOMY, config: web, steps: drain },
    Script { title: "A cut", flow_entries: ROOMY, config: web, steps: cut },
    Script { title: "A full bucket", flow_entries: TIGHT, config: web, steps: full },
    Script { title: "A flood of SYNs", flow_entries: TIGHT, config: web, steps: flood },
    Script { title: "Two services on a switch", flow_entries: ROOMY, config: shop, steps: together },
];

const WEB: u16 = 80;
const API: u16 = 90;

fn service(site: Site, name: &str, port: u16) -> ServiceBuilder {
    ServiceBuilder::tcp(name, site.vip(port))
        .drain("quiet", "60s")
        .backend(Blue, site.blue(port + 8_000))
        .backend(Green, site.green(port + 8_000))
}

fn web(site: Site) -> ConfigBuilder {
    ConfigBuilder::new().service(service(site, "web", WEB))
}

fn shop(site: Site) -> ConfigBuilder {
    let on_shop = |name, port| service(site, name, port).switch("shop");
    ConfigBuilder::new().service(on_shop("web", WEB)).service(on_shop("api", API))
}

/// The packets of a client's connection with one of the services.
#[derive(Clone, Copy)]
struct Connection {
    site: Site,
    client: u16,
    port: u16,
}

impl Connection {
    fn packet(self) -> Packet {
        wire::tcp(self.site.client(self.client), self.site.vip(self.port))
    }

    fn backend(self, color: Color) -> std::net::SocketAddr {
        match color {
            Blue => self.site.blue(self.port + 8_000),
            Green => self.site.green(self.port + 8_000),
        }
    }

    fn goes(self, name: &'static str, packet: Packet, outcome: crate::Outcome, color: Color) -> Step {
        row(name, packet).forwarded(outcome, self.backend(color)).into()
    }

    fn syn(self, name: &'static str, outcome: crate::Outcome, color: Color) -> Step {
        self.goes(name, self.packet().syn(), outcome, color)
    }

    fn data(self, name: &'static str, outcome: crate::Outcome, color: Color) -> Step {
        self.goes(name, self.packet().payload(b"data"), outcome, color)
    }

    fn fin(self, name: &'static str, outcome: crate::Outcome, color: Color) -> Step {
        self.goes(name, self.packet().fin(), outcome, color)
    }

    fn rst(self, name: &'static str, outcome: crate::Outcome, color: Color) -> Step {
        self.goes(name, self.packet().rst(), outcome, color)
    }

    fn reply(self, name: &'static str, color: Color) -> Row {
        let (backend, vip) = (self.backend(color), self.site.vip(self.port));
        row(name, wire::tcp(backend, self.site.client(self.client))).replied(backend, vip)
    }
}

fn connection(site: Site, client: u16) -> Connection {
    Connection { site, client, port: WEB }
}

const BEFORE: &str = "SYN before the transition";
const SYN: &str = "SYN of a connection at risk";
const AGAIN: &str = "SYN sent again";
const DATA: &str = "Data of a remembered connection";
const OLD: &str = "Data of a connection from before";
const SAFE: &str = "SYN of a connection not at risk";
const SAFE_DATA: &str = "Data of a connection not at risk";
const REUSED: &str = "SYN with the addresses and ports of an open connection";
const AFTER: &str = "Data after the transition";

fn flip(s: Site) -> Vec<Step> {
    let (old, new) = (connection(s, 1), connection(s, 2));
    vec![
        old.syn(BEFORE, Steered, Blue),
        old.data("Data before the transition", Steered, Blue),
        Draining("web", false),
        Remembered(&[]),
        Flip("web", Green),
        Draining("web", true),
        new.syn(SYN, Recorded, Green),
        Remembered(&[Embryonic]),
        new.data(DATA, Pinned, Green),
        Remembered(&[Established]),
        old.data(OLD, Held, Blue),
        old.fin("FIN of a connection from before", Held, Blue),
        old.rst("RST of a connection from before", Held, Blue),
        old.goes("Connection from before, hop limit 2", old.packet().ttl(2), Held, Blue),
        old.reply("Reply during a transition, from the old color", Blue)
            .arriving(crate::site::Port::Blue)
            .into(),
        new.reply("Reply during a transition, from the new color", Green)
            .arriving(crate::site::Port::Green)
            .into(),
        new.fin("FIN of a remembered connection", Pinned, Green),
        Remembered(&[Closing]),
        new.data("Acknowledgment after FIN", Pinned, Green),
        Remembered(&[Closing]),
    ]
}

fn flip_and_back(s: Site) -> Vec<Step> {
    let (old, green, blue) = (connection(s, 1), connection(s, 2), connection(s, 3));
    vec![
        old.syn(BEFORE, Steered, Blue),
        Flip("web", Green),
        green.syn(SYN, Recorded, Green),
        green.syn(AGAIN, Retransmitted, Green),
        Flip("web", Blue),
        green.syn(AGAIN, Retransmitted, Green),
        green.data(DATA, Pinned, Green),
        blue.syn(SAFE, Steered, Blue),
        blue.data(SAFE_DATA, Steered, Blue),
        old.data(OLD, Steered, Blue),
        Remembered(&[Established]),
        Flip("web", Green),
        old.data(OLD, Held, Blue),
        blue.data(OLD, Held, Blue),
        green.data(DATA, Pinned, Green),
        green.rst("RST of a remembered connection", Pinned, Green),
        Remembered(&[Closing]),
    ]
}

fn reuse(s: Site) -> Vec<Step> {
    let (old, new) = (connection(s, 1), connection(s, 2));
    vec![
        old.syn(BEFORE, Steered, Blue),
        Flip("web", Green),
        old.data(OLD, Held, Blue),
        old.syn(REUSED, Recorded, Green),
        old.data(DATA, Pinned, Green),
        new.syn(SYN, Recorded, Green),
        new.data(DATA, Pinned, Green),
        new.syn(REUSED, Recorded, Green),
        Remembered(&[Embryonic, Established]),
        new.data(DATA, Pinned, Green),
        new.fin("FIN of a remembered connection", Pinned, Green),
        new.syn("SYN with the addresses and ports of a closing connection", Recorded, Green),
        new.data(DATA, Pinned, Green),
        Flip("web", Blue),
        new.data(DATA, Pinned, Green),
        new.syn(REUSED, Steered, Blue),
        Remembered(&[Established]),
        new.data(SAFE_DATA, Steered, Blue),
    ]
}

fn rollback(s: Site) -> Vec<Step> {
    let (old, canary, after) = (connection(s, 1), connection(s, 2), connection(s, 3));
    vec![
        old.syn(BEFORE, Steered, Blue),
        Weight("web", "100%"),
        canary.syn(SYN, Recorded, Green),
        canary.data(DATA, Pinned, Green),
        Rollback("web"),
        after.syn(SAFE, Steered, Blue),
        old.data(OLD, Steered, Blue),
        canary.data(DATA, Pinned, Green),
        Remembered(&[Established]),
    ]
}

fn chain(s: Site) -> Vec<Step> {
    let (first, second) = (connection(s, 1), connection(s, 2));
    let mut steps =
        vec![first.syn(BEFORE, Steered, Blue), Flip("web", Green), second.syn(SYN, Recorded, Green)];
    for green in [true, false, false, true, false, true, true] {
        steps.push(Weight("web", if green { "100%" } else { "0%" }));
        let (outcome, color) = if green { (Held, Blue) } else { (Steered, Blue) };
        steps.push(first.data(OLD, outcome, color));
        steps.push(second.data(DATA, Pinned, Green));
    }
    steps
}

fn drain(s: Site) -> Vec<Step> {
    let (old, new, later) = (connection(s, 1), connection(s, 2), connection(s, 3));
    vec![
        old.syn(BEFORE, Steered, Blue),
        Flip("web", Green),
        new.syn(SYN, Recorded, Green),
        old.data(OLD, Held, Blue),
        Wait(1),
        // As long as it goes on, so does the drain.
        Wait(59),
        old.data(OLD, Held, Blue),
        Wait(1),
        Draining("web", true),
        // What is remembered but goes where new connections go is not at risk.
        new.data(DATA, Pinned, Green),
        Wait(58),
        Draining("web", true),
        new.data(DATA, Pinned, Green),
        Wait(2),
        Draining("web", false),
        Remembered(&[]),
        new.data(AFTER, Steered, Green),
        later.syn("SYN after the transition", Steered, Green),
        later.data(AFTER, Steered, Green),
        old.data("Data of a connection that the drain has let go", Steered, Green),
        Remembered(&[]),
        // The next release begins where this one has ended.
        Flip("web", Blue),
        new.data(OLD, Held, Green),
        old.syn(SYN, Recorded, Blue),
    ]
}

fn cut(s: Site) -> Vec<Step> {
    let (old, new) = (connection(s, 1), connection(s, 2));
    vec![
        old.syn(BEFORE, Steered, Blue),
        Flip("web", Green),
        new.syn(SYN, Recorded, Green),
        new.data(DATA, Pinned, Green),
        old.data(OLD, Held, Blue),
        Cut("web"),
        Draining("web", false),
        Remembered(&[]),
        new.data(AFTER, Steered, Green),
        old.data("Data of a connection that was cut", Steered, Green),
    ]
}

fn full(s: Site) -> Vec<Step> {
    let one = |client| connection(s, client);
    let established = (1..=8)
        .flat_map(|client| [one(client).syn(SYN, Recorded, Green), one(client).data(DATA, Pinned, Green)]);
    const FULL: [FlowState; 8] = [Established; 8];
    const ONE_CLOSING: [FlowState; 8] =
        [Established, Established, Established, Established, Established, Established, Established, Closing];
    const ONE_NEW: [FlowState; 8] = [
        Embryonic,
        Established,
        Established,
        Established,
        Established,
        Established,
        Established,
        Established,
    ];
    let refused = "SYN where no room is left";
    once(Flip("web", Green))
        .chain(established)
        .chain([
            Remembered(&FULL),
            one(9).syn(refused, Refused, Blue),
            one(9).syn(refused, Refused, Blue),
            one(9).data("Data of a connection that could not be remembered", Held, Blue),
            Remembered(&FULL),
            one(3).fin("FIN of a remembered connection", Pinned, Green),
            Remembered(&ONE_CLOSING),
            // It may still be receiving: only after a while it makes room.
            one(9).syn(refused, Refused, Blue),
            Wait(8),
            one(10).syn("SYN in the place of a closing connection", Evicted, Green),
            Remembered(&ONE_NEW),
        ])
        .chain((1..=8).filter(|client| *client != 3).map(|client| one(client).data(DATA, Pinned, Green)))
        .collect()
}

fn flood(s: Site) -> Vec<Step> {
    let one = |client| connection(s, client);
    let established = (1..=4)
        .flat_map(|client| [one(client).syn(SYN, Recorded, Green), one(client).data(DATA, Pinned, Green)]);
    let evicted = "SYN in the place of another, in a flood";
    once(Flip("web", Green))
        .chain(established)
        .chain((5..=8).map(|client| one(client).syn(SYN, Recorded, Green)))
        .chain((100..200).map(|client| one(client).syn(evicted, Evicted, Green)))
        .chain((1..=4).map(|client| one(client).data(DATA, Pinned, Green)))
        .collect()
}

fn together(s: Site) -> Vec<Step> {
    let (old_web, new_web) = (connection(s, 1), connection(s, 2));
    let [old_api, new_api] = [old_web, new_web].map(|web| Connection { port: API, ..web });
    vec![
        old_web.syn(BEFORE, Steered, Blue),
        old_api.syn(BEFORE, Steered, Blue),
        Flip("api", Green),
        new_web.syn(SYN, Recorded, Green),
        new_api.syn(SYN, Recorded, Green),
        old_web.data(OLD, Held, Blue),
        old_api.data(OLD, Held, Blue),
        new_web.data(DATA, Pinned, Green),
        new_api.data(DATA, Pinned, Green),
        Rollback("web"),
        connection(s, 3).syn(SAFE, Steered, Blue),
        Connection { port: API, ..connection(s, 3) }.syn(SAFE, Steered, Blue),
        new_web.data(DATA, Pinned, Green),
        new_api.data(DATA, Pinned, Green),
        Remembered(&[Established, Established]),
    ]
}

#[test]
fn a_connection_stays_with_its_backend() {
    SCRIPTS.iter().for_each(Script::play);
}
