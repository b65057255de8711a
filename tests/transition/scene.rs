//! The world most tests here play in: one daemon, services of both families, a line server behind each backend.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use switcher_common::abi::switch::SwitchWord;
use switcher_tests::Color::{self, Blue, Green};
use switcher_tests::address::{VIP4, VIP6, backend4, backend6};
use switcher_tests::config::{ConfigBuilder, ServiceBuilder};
use switcher_tests::daemon::Daemon;
use switcher_tests::server::Echo;
use switcher_tests::topology::Topology;

pub(crate) const PORT: u16 = 7;

/// The virtual addresses: IPv4, then IPv6.
pub(crate) const VIPS: [SocketAddr; 2] = [SocketAddr::new(VIP4, PORT), SocketAddr::new(VIP6, PORT)];

pub(crate) fn backend(vip: SocketAddr, color: Color, host: u8) -> SocketAddr {
    let ip: IpAddr = if vip.is_ipv4() { backend4(color, host) } else { backend6(color, host) };
    SocketAddr::new(ip, PORT)
}

/// Dropped in this order: the daemon goes before the world it is in.
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    _servers: [Echo; 2],
    pub(crate) topology: Topology,
}

impl Scene {
    /// Line servers on `hosts` of both colors, and the daemon with `config`.
    pub(crate) fn new(hosts: &[u8], config: &ConfigBuilder) -> Self {
        let topology = Topology::new();
        let servers = Color::ALL.map(|color| {
            for host in hosts.iter().filter(|host| **host > 2) {
                topology.add_backend(color, *host);
            }
            let addresses: Vec<_> =
                VIPS.iter().flat_map(|vip| hosts.iter().map(|host| backend(*vip, color, *host))).collect();
            Echo::start(topology.backends(color), color, &addresses)
        });
        let daemon = Daemon::start(&topology, &config.build());
        let scene = Self { daemon, _servers: servers, topology };
        scene.until("the ways to the backends are known", |status| {
            status["problems"] == serde_json::json!([])
        });
        scene
    }

    pub(crate) fn status(&self) -> Value {
        self.daemon.get("/v1/status")
    }

    /// The only switch of the status.
    pub(crate) fn switch(&self) -> Value {
        self.status()["switches"][0].clone()
    }

    /// One of the verbs of a service: `web`.
    pub(crate) fn verb(&self, verb: &str, body: &Value) -> Value {
        self.daemon.post(&format!("/v1/services/web/{verb}"), body)
    }

    /// Applies a configuration that must be taken.
    pub(crate) fn apply(&self, config: &ConfigBuilder) -> Value {
        let config = self.daemon.complete(&config.build());
        self.daemon.post("/v1/apply", &serde_json::json!({ "config": config }))
    }

    /// Waits until the status satisfies `condition`, and returns it.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let status = self.status();
            if condition(&status) {
                return status;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "waited in vain until {what}: {status:#}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A service on the switch `web`, with the backends `blue` and `green` by host number.
pub(crate) fn service(name: &str, vip: SocketAddr, blue: &[u8], green: &[u8]) -> ServiceBuilder {
    let service = ServiceBuilder::tcp(name, vip).switch("web");
    let service = blue.iter().fold(service, |it, host| it.backend(Blue, backend(vip, Blue, *host)));
    green.iter().fold(service, |it, host| it.backend(Green, backend(vip, Green, *host)))
}

pub(crate) fn word(switch: &Value) -> SwitchWord {
    let hex = switch["word"].as_str().expect("a word").trim_start_matches("0x");
    SwitchWord(u64::from_str_radix(hex, 16).expect("hexadecimal"))
}

pub(crate) fn draining(status: &Value) -> bool {
    !status["switches"][0]["transition"].is_null()
}
