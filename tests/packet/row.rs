//! A row: a packet, and everything that is to become of it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use switcher_common::abi::outcome::{Outcome, Verdict};
use switcher_tests::Color;

use crate::{
    site::{CLIENT_MAC, Port, Site, backend_mac, host},
    verify::assert_checksums,
    wire::Packet,
    world::{Counts, Place, World},
};

/// A packet and its fate.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) packet: Packet,
    port: Port,
    /// Where in a script.
    context: String,
    pub(crate) outcome: Outcome,
    counted: Counted,
    /// What leaves, where it is not what came, and where it leaves.
    after: Option<(Packet, Option<Port>)>,
}

/// Whose counter counts the packet.
#[derive(Clone, Copy)]
enum Counted {
    Backend(SocketAddr),
    Service(SocketAddr),
    Address(IpAddr),
    Nobody,
}

/// A packet from a client. Unless something else is said, it is not ours.
pub(crate) fn row(name: &'static str, packet: Packet) -> Row {
    let (port, outcome, counted) = (Port::Client, Outcome::NotOurs, Counted::Nobody);
    Row { name, packet, port, context: String::new(), outcome, counted, after: None }
}

impl Row {
    /// It arrives at another port.
    pub(crate) fn arriving(mut self, port: Port) -> Self {
        self.port = port;
        self
    }

    /// It is a step of a script.
    pub(crate) fn in_script(mut self, place: &str) -> Self {
        self.context = format!(" in {place}");
        self
    }

    /// It goes to a backend, whose address it gets and nothing else.
    pub(crate) fn forwarded(mut self, outcome: Outcome, backend: SocketAddr) -> Self {
        let (color, host) = host_of(backend);
        let port = match (host, color) {
            (host::ONE_ARMED, _) => Port::Client,
            (_, Color::Blue) => Port::Blue,
            (_, Color::Green) => Port::Green,
        };
        let hops = self.packet.hops_left() - 1;
        let sent = self.packet.clone().to(backend).ttl(hops).addressed(backend_mac(color, host), port.mac());
        self.after = Some((sent, Some(port)));
        self.counted(outcome, Counted::Backend(backend))
    }

    /// It gets a backend's address, and the kernel does the rest.
    pub(crate) fn unresolved(mut self, backend: SocketAddr) -> Self {
        self.after = Some((self.packet.clone().to(backend), None));
        self.counted(Outcome::Unresolved, Counted::Backend(backend))
    }

    /// It goes to the client from the virtual address.
    pub(crate) fn replied(mut self, backend: SocketAddr, vip: SocketAddr) -> Self {
        let hops = self.packet.hops_left() - 1;
        let sent = self.packet.clone().from(vip).ttl(hops).addressed(CLIENT_MAC, Port::Client.mac());
        self.after = Some((sent, Some(Port::Client)));
        self.counted(Outcome::Replied, Counted::Backend(backend))
    }

    /// It gets the virtual address, and the kernel does the rest.
    pub(crate) fn reply_unresolved(mut self, backend: SocketAddr, vip: SocketAddr) -> Self {
        self.after = Some((self.packet.clone().from(vip), None));
        self.counted(Outcome::ReplyUnresolved, Counted::Backend(backend))
    }

    /// Untouched, counted with a backend.
    pub(crate) fn stopped_at(self, outcome: Outcome, backend: SocketAddr) -> Self {
        self.counted(outcome, Counted::Backend(backend))
    }

    /// Untouched, counted with a service.
    pub(crate) fn stopped_by(self, outcome: Outcome, vip: SocketAddr) -> Self {
        self.counted(outcome, Counted::Service(vip))
    }

    /// Untouched, counted with a service that the address belongs to.
    pub(crate) fn ours_by(self, outcome: Outcome, address: SocketAddr) -> Self {
        self.counted(outcome, Counted::Address(address.ip()))
    }

    /// Untouched, counted with nobody.
    pub(crate) fn stopped(self, outcome: Outcome) -> Self {
        self.counted(outcome, Counted::Nobody)
    }

    fn counted(mut self, outcome: Outcome, counted: Counted) -> Self {
        (self.outcome, self.counted) = (outcome, counted);
        self
    }

    /// The family, for the document.
    pub(crate) fn family(&self) -> Option<&'static str> {
        (!self.packet.is_frame()).then(|| Site { v4: self.packet.is_v4() }.family())
    }

    /// Runs the packet and holds the program to the row.
    pub(crate) fn check(&self, world: &World) {
        let name = format!("{} ({}){}", self.name, self.family().unwrap_or("no IP"), self.context);
        let frame = self.packet.bytes();
        let before = world.counts();
        let seen = world.run(self.port, &frame);
        let counted = difference(&before, &world.counts());

        let protocol = self.packet.protocol();
        let place = match self.counted {
            Counted::Backend(backend) => world.backend(backend, protocol),
            Counted::Service(vip) => world.service(vip, protocol),
            Counted::Address(address) => world.bare(address),
            Counted::Nobody => Place::Service(0),
        };
        let length = u64::try_from(frame.len()).unwrap();
        let wanted = Counts::from([((place, self.outcome), (1, length))]);
        assert_eq!(counted, wanted, "{name}: counters");

        let action = match (self.outcome.verdict(), &self.after) {
            (Verdict::Drop, _) => "DROP",
            (Verdict::Pass | Verdict::Hand, _) => "PASS",
            (Verdict::Forward, Some((_, Some(port)))) if *port == self.port => "TX",
            (Verdict::Forward, _) => "REDIRECT",
        };
        assert_eq!(action_name(seen.action), action, "{name}: verdict");
        assert_eq!(
            self.after.is_some(),
            matches!(self.outcome.verdict(), Verdict::Forward | Verdict::Hand),
            "{name}: {} rewrites or does not",
            self.outcome.name()
        );
        match &self.after {
            Some((after, _)) => {
                assert_eq!(hex(&seen.frame), hex(&after.bytes()), "{name}: the frame that leaves");
                assert_checksums(&name, &seen.frame);
            }
            None => assert_eq!(hex(&seen.frame), hex(&frame), "{name}: the frame was changed"),
        }
    }
}

fn host_of(backend: SocketAddr) -> (Color, u8) {
    let site = Site { v4: backend.is_ipv4() };
    Color::ALL
        .into_iter()
        .flat_map(|color| host::ALL.map(|host| (color, host)))
        .find(|(color, host)| site.backend(*color, *host, 0).ip() == backend.ip())
        .unwrap_or_else(|| panic!("{backend} is no backend"))
}

/// What has been counted in between.
pub(crate) fn difference(before: &Counts, after: &Counts) -> Counts {
    let mut counted = BTreeMap::new();
    for (key, (packets, bytes)) in after {
        let (old_packets, old_bytes) = before.get(key).copied().unwrap_or_default();
        if (*packets, *bytes) != (old_packets, old_bytes) {
            counted.insert(*key, (packets - old_packets, bytes - old_bytes));
        }
    }
    assert!(before.keys().all(|key| after.contains_key(key)), "a counter was cleared");
    counted
}

fn action_name(action: u32) -> &'static str {
    ["ABORTED", "DROP", "PASS", "TX", "REDIRECT"][usize::try_from(action).unwrap()]
}

fn hex(frame: &[u8]) -> String {
    let line = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
    frame.chunks(16).map(line).collect::<Vec<_>>().join("\n")
}
