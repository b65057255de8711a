//! What happens to the host while packets flow: neighbors move, links fail, the daemon is upgraded.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its world panics")]

mod next_hops;
mod upgrade;

use std::net::SocketAddr;

use switcher_tests::{
    Color::{Blue, Green},
    address::{VIP4, VIP6, backend4, backend6},
    config::{ConfigBuilder, ServiceBuilder},
    daemon::Daemon,
    server::Nginx,
    topology::Topology,
};

const PORT: u16 = 80;

/// A web service in both families over nginx in both colors.
struct Scene {
    daemon: Daemon,
    _servers: [Nginx; 2],
    topology: Topology,
}

impl Scene {
    fn new() -> Self {
        let topology = Topology::new();
        let addresses = |color| [backend4(color, 2), backend6(color, 2)].map(|ip| SocketAddr::new(ip, PORT));
        let servers =
            [Blue, Green].map(|color| Nginx::start(topology.backends(color), color, &addresses(color)));
        let mut config = ConfigBuilder::new();
        for (name, vip, family) in [("web4", VIP4, 0), ("web6", VIP6, 1)] {
            let mut service = ServiceBuilder::tcp(name, SocketAddr::new(vip, PORT)).switch("shop");
            for color in [Blue, Green] {
                service = service.backend(color, addresses(color)[family]);
            }
            config = config.service(service);
        }
        let daemon = Daemon::start(&topology, &config.build());
        let scene = Self { daemon, _servers: servers, topology };
        scene.wait_for("the next hops", |status| problems(status).is_empty());
        scene
    }

    /// Polls the status until `condition` holds.
    fn wait_for(&self, what: &str, condition: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        for _ in 0..300 {
            let status = self.daemon.get("/v1/status");
            if condition(&status) {
                return status;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("{what}: never seen\n{}\n{}", self.daemon.get("/v1/status"), self.daemon.log());
    }
}

fn problems(status: &serde_json::Value) -> Vec<String> {
    serde_json::from_value(status["problems"].clone()).unwrap()
}
