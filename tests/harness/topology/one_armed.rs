//! The edge beside the way: one interface, through which every packet comes and goes.

use std::process::Command;

use super::{Topology, ethtool};
use crate::address::{VIP4, VIP6};
use crate::leftovers;
use crate::netns::{Netns, ip_batch};

/// The edge's only interface; its peer is the router's `ed0`.
pub const ONE_ARM: &str = "up0";

impl Topology {
    /// Client, blue and green on a router, and the edge behind it on the wire [`ONE_ARM`].
    ///
    /// The router leads service addresses, and whatever comes from a backend, to the edge. It receives what the
    /// edge sends by XDP_TX once its `ed0` has an XDP program too: see [`Netns::attach_xdp`].
    pub fn one_armed() -> Self {
        leftovers::sweep();
        let id = leftovers::fresh_id();
        let names = ["client", "edge", "blue", "green", "router"].map(|role| format!("{id}-{role}"));
        let [client, edge, blue, green, router] = Netns::create(names);
        let topology = Self { client, edge, blue, green, router: Some(router) };
        topology.set_sysctls();
        topology.connect();
        topology.assign();
        topology.set_offloads();
        topology.add_arm();
        topology
    }

    fn add_arm(&self) {
        let (edge, router) = (self.edge.name(), self.hub().name());
        let wire = format!("link add name {ONE_ARM} netns {edge} type veth peer name ed0 netns {router}\n");
        ip_batch(Command::new("ip"), &wire);
        self.edge.sysctl(&[("ipv4/conf/all/send_redirects", "0"), ("ipv4/conf/default/send_redirects", "0")]);
        self.edge.ip(&format!(
            "link set lo up\nlink set {ONE_ARM} up\n\
             addr add 172.31.0.2/24 dev {ONE_ARM}\naddr add 2001:db8:e::2/64 dev {ONE_ARM} nodad\n\
             route add default via 172.31.0.1\nroute add default via 2001:db8:e::1\n"
        ));
        let script = format!(
            "link set ed0 up\naddr add 172.31.0.1/24 dev ed0\naddr add 2001:db8:e::1/64 dev ed0 nodad\n\
             route add {VIP4} via 172.31.0.2\nroute add {VIP6} via 2001:db8:e::2\n\
             route add default via 172.31.0.2 table 100\nroute add default via 2001:db8:e::2 table 100\n"
        );
        self.hub().ip(&script);
        for family in ["-4", "-6"] {
            let mut ip = self.hub().command("ip");
            ip.arg(family);
            ip_batch(ip, "rule add iif bl0 lookup 100\nrule add iif gr0 lookup 100\n");
        }
        ethtool(&self.edge, ONE_ARM);
        ethtool(self.hub(), "ed0");
    }
}
