//! What the tests share: servers of both colors, the daemon between them and the client, and its status.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use switcher_tests::Color;
use switcher_tests::address::{VIP4, VIP6, backend4, backend6};
use switcher_tests::config::{ConfigBuilder, ServiceBuilder};
use switcher_tests::daemon::Daemon;
use switcher_tests::load::{Expectation, Load, Protocol, ShortLived, UdpStream, Workload};
use switcher_tests::server::{Echo, Nginx};
use switcher_tests::topology::Topology;

pub(crate) const HTTP: u16 = 80;
pub(crate) const ECHO: u16 = 7;
/// The hosts that serve: the second is there only once it has been added.
pub(crate) const HOSTS: [u8; 2] = [2, 3];
/// The switch of all services.
pub(crate) const SWITCH: &str = "release";

/// Load tests take turns: on a small machine they would only wait for each other.
static TURN: Mutex<()> = Mutex::new(());

/// Servers, a daemon and the wires between them.
pub(crate) struct World {
    pub(crate) daemon: Daemon,
    _servers: [(Echo, Nginx); 2],
    pub(crate) topology: Topology,
    _turn: MutexGuard<'static, ()>,
}

impl World {
    /// Both colors serve on both hosts; the daemon runs with `config`.
    pub(crate) fn start(build: impl FnOnce() -> Topology, config: &ConfigBuilder) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let topology = build();
        let servers = Color::ALL.map(|color| {
            topology.add_backend(color, HOSTS[1]);
            let netns = topology.backends(color);
            let addresses = HOSTS.map(|host| [backend4(color, host), backend6(color, host)]).concat();
            let at = |port| -> Vec<_> { addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect() };
            (Echo::start(netns, color, &at(ECHO)), Nginx::start(netns, color, &at(HTTP)))
        });
        let daemon = Daemon::start(&topology, &config.build());
        let world = Self { daemon, _servers: servers, topology, _turn: turn };
        world.await_next_hops();
        world
    }

    /// Flips, and allows the new color alone once that is acknowledged; the answer.
    pub(crate) fn flip(&self, to: Color, expectation: &Expectation) -> Value {
        expectation.allow(&Color::ALL);
        let change = self.daemon.post("/v1/services/web/flip", &json!({ "to": to.name() }));
        expectation.allow(&[to]);
        change
    }

    /// The loads that every flip must be seen by: short connections and datagrams, of both families.
    pub(crate) fn watch(&self, expectation: &Expectation, workers: u32) -> Vec<Load> {
        let mut loads = Vec::new();
        for vip in vips(HTTP) {
            loads.push(ShortLived::new(vip, workers).start(&self.topology, expectation));
        }
        for vip in vips(ECHO) {
            let lines = ShortLived { protocol: Protocol::Lines, ..ShortLived::new(vip, workers) };
            loads.push(lines.start(&self.topology, expectation));
            loads.push(UdpStream::new(vip, workers).start(&self.topology, expectation));
        }
        loads
    }

    /// Packets of an outcome to a color, over all services' backends.
    pub(crate) fn packets(&self, color: Color, outcome: &str) -> u64 {
        let status = self.daemon.get("/v1/status");
        let services = status["services"].as_array().expect("a list");
        let backends =
            services.iter().flat_map(|service| service[color.name()]["backends"].as_array().expect("a list"));
        backends.filter_map(|backend| backend["counts"][outcome]["packets"].as_u64()).sum()
    }

    /// Waits until status has no complaint, but for interfaces that a test leaves out.
    pub(crate) fn await_next_hops(&self) {
        for _ in 0..2_000 {
            let status = self.daemon.get("/v1/status");
            let problems = status["problems"].as_array().expect("a list");
            let left_out = |problem: &Value| problem.to_string().contains("which is not configured");
            if problems.iter().all(left_out) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("the way to a backend is not found: {}", self.daemon.get("/v1/status")["problems"]);
    }
}

/// A service's addresses.
pub(crate) fn vips(port: u16) -> [SocketAddr; 2] {
    [VIP4, VIP6].map(|ip| SocketAddr::new(ip, port))
}

/// HTTP, lines and datagrams, each by IPv4 and by IPv6, all on one switch; the first is called `web`.
pub(crate) fn services(config: ConfigBuilder, shape: &Shape<'_>) -> ConfigBuilder {
    let [http4, http6] = vips(HTTP);
    let [echo4, echo6] = vips(ECHO);
    let services = [
        ServiceBuilder::tcp("web", http4),
        ServiceBuilder::tcp("web6", http6),
        ServiceBuilder::tcp("lines", echo4),
        ServiceBuilder::tcp("lines6", echo6),
        ServiceBuilder::udp("datagrams", echo4).memory("switch"),
        ServiceBuilder::udp("datagrams6", echo6).memory("switch"),
    ];
    let ports = [HTTP, HTTP, ECHO, ECHO, ECHO, ECHO];
    services.into_iter().zip(ports).enumerate().fold(config, |config, (index, (service, port))| {
        let mut service = service.switch(SWITCH).affinity(shape.affinity);
        for (key, value) in shape.drain {
            service = service.drain(key, value);
        }
        for color in Color::ALL {
            for host in shape.hosts {
                let ip = if index % 2 == 0 { backend4(color, *host) } else { backend6(color, *host) };
                service = service.backend(color, SocketAddr::new(ip, port));
            }
        }
        config.service(service)
    })
}

/// How services differ between tests.
pub(crate) struct Shape<'a> {
    pub(crate) affinity: &'a str,
    pub(crate) hosts: &'a [u8],
    pub(crate) drain: &'a [(&'a str, &'a str)],
}

impl Default for Shape<'_> {
    fn default() -> Self {
        Self { affinity: "connection", hosts: &HOSTS[..1], drain: &[] }
    }
}

/// The switch's live color, as status says it.
pub(crate) fn live(status: &Value) -> Color {
    let name = status["switches"][0]["live"].as_str().expect("a switch has a live color");
    switcher_tests::color(name).expect("blue or green")
}

/// Waits until every load has had `answers` more answers.
pub(crate) fn await_answers(loads: &[Load], answers: u64) {
    let goals: Vec<_> = loads.iter().map(|load| load.report().requests + answers).collect();
    for (load, goal) in loads.iter().zip(goals) {
        load.wait_until(|report| report.requests >= goal);
    }
}

/// What status counts that only defects of the program cause: `(where, outcome, packets)`.
pub(crate) fn defects(status: &Value) -> Vec<(String, String, u64)> {
    let mut found = Vec::new();
    let mut look = |place: &Value, counts: &Value| {
        for (outcome, count) in counts.as_object().into_iter().flatten() {
            if ["inconsistent", "no_backend", "malformed", "truncated", "refused"].contains(&outcome.as_str())
            {
                let packets = count["packets"].as_u64().unwrap_or(0);
                found.push((place.to_string(), outcome.clone(), packets));
            }
        }
    };
    look(&"other".into(), &status["other"]);
    for service in status["services"].as_array().into_iter().flatten() {
        look(&service["name"], &service["counts"]);
        for color in Color::ALL {
            for backend in service[color.name()]["backends"].as_array().into_iter().flatten() {
                look(&backend["address"], &backend["counts"]);
            }
        }
    }
    found
}

/// Prints a line of results, shown with `--nocapture`.
pub(crate) fn say(line: &str) {
    use io::Write as _;
    writeln!(anstream::stdout(), "{line}").expect("standard output is open");
}
