//! UDP clients before, during and after transitions.

use switcher_common::abi::{
    flow::FlowState::{Embryonic, Established},
    outcome::Outcome::{Pinned, Recorded, Refused, Steered},
};
use switcher_tests::{
    Color::{self, Blue, Green},
    config::{ConfigBuilder, ServiceBuilder},
};

use crate::{
    row::row,
    script::{
        Script,
        Step::{self, Draining, Flip, Remembered, Wait},
    },
    site::Site,
    wire,
};

const PORT: u16 = 53;
const BACKEND: u16 = 5_353;

/// All scripts of UDP, in the order of the document.
pub(crate) const SCRIPTS: [Script; 3] = [
    Script { title: "UDP that follows the switch", flow_entries: 1024, config: following, steps: follow },
    Script { title: "Sticky UDP", flow_entries: 1024, config: sticky, steps: stick },
    Script { title: "Sticky UDP in a full bucket", flow_entries: 8, config: sticky, steps: full },
];

fn dns(site: Site) -> ServiceBuilder {
    ServiceBuilder::udp("dns", site.vip(PORT))
        .drain("quiet", "5s")
        .backend(Blue, site.blue(BACKEND))
        .backend(Green, site.green(BACKEND))
}

fn following(site: Site) -> ConfigBuilder {
    ConfigBuilder::new().service(dns(site))
}

fn sticky(site: Site) -> ConfigBuilder {
    ConfigBuilder::new().service(dns(site).memory("sticky").idle("15s"))
}

fn datagram(s: Site, client: u16, name: &'static str, outcome: crate::Outcome, color: Color) -> Step {
    let backend = if color == Blue { s.blue(BACKEND) } else { s.green(BACKEND) };
    let packet = wire::udp(s.client(client), s.vip(PORT)).payload(b"a question");
    row(name, packet).forwarded(outcome, backend).into()
}

const FIRST: &str = "First datagram of a client";
const NEXT: &str = "Another datagram of a remembered client";

fn follow(s: Site) -> Vec<Step> {
    let any = "Datagram, any time";
    vec![
        datagram(s, 1, any, Steered, Blue),
        Flip("dns", Green),
        datagram(s, 1, any, Steered, Green),
        datagram(s, 2, any, Steered, Green),
        Flip("dns", Blue),
        datagram(s, 1, any, Steered, Blue),
        datagram(s, 2, any, Steered, Blue),
        Remembered(&[]),
    ]
}

fn stick(s: Site) -> Vec<Step> {
    vec![
        datagram(s, 1, FIRST, Recorded, Blue),
        Remembered(&[Embryonic]),
        datagram(s, 1, NEXT, Pinned, Blue),
        Remembered(&[Established]),
        Flip("dns", Green),
        datagram(s, 1, NEXT, Pinned, Blue),
        datagram(s, 2, FIRST, Recorded, Green),
        datagram(s, 2, NEXT, Pinned, Green),
        Flip("dns", Blue),
        datagram(s, 1, NEXT, Pinned, Blue),
        datagram(s, 2, NEXT, Pinned, Green),
        Flip("dns", Green),
        Wait(1),
        Draining("dns", true),
        // Not before a client has been silent for as long as `idle` says, although `quiet` is less.
        Wait(13),
        Draining("dns", true),
        Wait(2),
        Draining("dns", false),
        Remembered(&[]),
        datagram(s, 1, "First datagram of a client after a drain", Recorded, Green),
        datagram(s, 1, NEXT, Pinned, Green),
        // As silent as `idle` says, a client is forgotten.
        Wait(10),
        Remembered(&[Established]),
        Wait(10),
        Remembered(&[]),
        datagram(s, 1, "First datagram of a client after its idle time", Recorded, Green),
    ]
}

fn full(s: Site) -> Vec<Step> {
    let mut steps = vec![];
    for client in 1..=8 {
        steps.push(datagram(s, client, FIRST, Recorded, Blue));
        steps.push(datagram(s, client, NEXT, Pinned, Blue));
    }
    steps.push(datagram(s, 9, "First datagram of a client where no room is left", Refused, Blue));
    steps.push(Flip("dns", Green));
    // It may be one of before: it stays where those are.
    steps.push(datagram(s, 9, "Datagram of a client that found no room, after a flip", Refused, Blue));
    steps.extend((1..=8).map(|client| datagram(s, client, NEXT, Pinned, Blue)));
    steps
}

#[test]
fn a_sticky_client_stays_and_others_follow() {
    SCRIPTS.iter().for_each(Script::play);
}
