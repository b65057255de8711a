//! The world of a test: client -- edge -- blue and green.

mod one_armed;

use std::process::Command;

use crate::address::{self, CLIENTS4, CLIENTS6};
use crate::netns::{Netns, ip_batch};
use crate::{Color, leftovers};

pub use one_armed::ONE_ARM;

/// The edge's interfaces: to the client, to blue, to green. Their peers are `eth0`.
pub const INTERFACES: [&str; 3] = ["cl0", "bl0", "gr0"];

/// Four namespaces on three wires, deleted with all processes in them when dropped.
///
/// The edge is host 1 of each network and routes between them; everybody's default route leads there.
#[derive(Debug)]
pub struct Topology {
    /// 198.51.100.2, 2001:db8:c::2, and the many addresses of [`address::clients`].
    pub client: Netns,
    /// Where the daemon runs.
    pub edge: Netns,
    /// 10.0.1.2 and fd00:1::2.
    pub blue: Netns,
    /// 10.0.2.2 and fd00:2::2.
    pub green: Netns,
    /// In the middle instead of the edge: see [`Topology::one_armed`].
    pub router: Option<Netns>,
}

impl Topology {
    /// Builds it, after removing what killed runs have left.
    pub fn new() -> Self {
        leftovers::sweep();
        let id = leftovers::fresh_id();
        let names = ["client", "edge", "blue", "green"].map(|role| format!("{id}-{role}"));
        let [client, edge, blue, green] = Netns::create(names);
        let topology = Self { client, edge, blue, green, router: None };
        topology.set_sysctls();
        topology.connect();
        topology.assign();
        topology.set_offloads();
        topology
    }

    /// The namespace of a color's backends.
    pub const fn backends(&self, color: Color) -> &Netns {
        match color {
            Color::Blue => &self.blue,
            Color::Green => &self.green,
        }
    }

    /// Gives a color another address, [`address::backend4`] and [`address::backend6`] of `host`.
    pub fn add_backend(&self, color: Color, host: u8) {
        let (v4, v6) = (address::backend4(color, host), address::backend6(color, host));
        let script = format!("addr add {v4}/24 dev eth0\naddr add {v6}/64 dev eth0 nodad\n");
        self.backends(color).ip(&script);
    }

    /// Who has the wires to client, blue and green.
    fn hub(&self) -> &Netns {
        self.router.as_ref().unwrap_or(&self.edge)
    }

    fn peers(&self) -> [&Netns; 3] {
        [&self.client, &self.blue, &self.green]
    }

    fn set_sysctls(&self) {
        let everywhere = [
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
            ("ipv6/conf/all/accept_dad", "0"),
            ("ipv6/conf/default/accept_dad", "0"),
            ("core/somaxconn", "65535"),
            ("ipv4/tcp_max_syn_backlog", "65535"),
        ];
        for netns in [&self.client, &self.edge, &self.blue, &self.green].into_iter().chain(&self.router) {
            netns.sysctl(&everywhere);
        }
        for netns in [&self.edge].into_iter().chain(&self.router) {
            netns.sysctl(&[("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")]);
        }
        // Short connections must not run out of ports, and every address of the prefixes can be bound.
        self.client.sysctl(&[
            ("ipv4/ip_local_port_range", "1024 65535"),
            ("ipv4/tcp_tw_reuse", "1"),
            ("ipv6/ip_nonlocal_bind", "1"),
        ]);
    }

    fn connect(&self) {
        let hub = self.hub().name();
        let wires = INTERFACES.iter().zip(self.peers()).map(|(name, peer)| {
            format!("link add name {name} netns {hub} type veth peer name eth0 netns {}\n", peer.name())
        });
        ip_batch(Command::new("ip"), &wires.collect::<String>());
    }

    fn assign(&self) {
        let mut hub = String::from("link set lo up\n");
        let networks = [("198.51.100", "2001:db8:c::"), ("10.0.1", "fd00:1::"), ("10.0.2", "fd00:2::")];
        for ((name, peer), (v4, v6)) in INTERFACES.iter().zip(self.peers()).zip(networks) {
            hub += &format!(
                "link set {name} up\naddr add {v4}.1/24 dev {name}\naddr add {v6}1/64 dev {name} nodad\n"
            );
            peer.ip(&format!(
                "link set lo up\nlink set eth0 up\n\
                 addr add {v4}.2/24 dev eth0\naddr add {v6}2/64 dev eth0 nodad\n\
                 route add default via {v4}.1\nroute add default via {v6}1\n"
            ));
        }
        hub += &format!(
            "route add {CLIENTS4} via {}\nroute add {CLIENTS6} via {}\n",
            address::CLIENT4,
            address::CLIENT6
        );
        self.hub().ip(&hub);
        self.client.ip(&format!("route add local {CLIENTS4} dev lo\nroute add local {CLIENTS6} dev lo\n"));
    }

    /// A packet that XDP rewrites must leave its sender with whole checksums, and one that XDP redirects
    /// reaches a veth only if its peer polls (GRO on).
    fn set_offloads(&self) {
        for (name, peer) in INTERFACES.iter().zip(self.peers()) {
            ethtool(self.hub(), name);
            ethtool(peer, "eth0");
        }
    }
}

impl Default for Topology {
    fn default() -> Self {
        Self::new()
    }
}

fn ethtool(netns: &Netns, interface: &str) {
    let output = netns
        .command("ethtool")
        .args(["-K", interface, "tx", "off", "gro", "on"])
        .output()
        .expect("ethtool starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ethtool -K {interface} in {}: {complaint}", netns.name());
}
