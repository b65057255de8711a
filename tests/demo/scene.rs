//! The world: the topology, a web server and an echo server of each color, and the daemon between them.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use switcher_tests::Color;
use switcher_tests::address::{VIP4, VIP6, backend4, backend6};
use switcher_tests::config::{ConfigBuilder, ServiceBuilder};
use switcher_tests::daemon::Daemon;
use switcher_tests::server::{Echo, Nginx};
use switcher_tests::topology::Topology;
use switcher_user::api::client::{Client, ClientError};
use switcher_user::api::message::{Change, Flip, Status, SwitchStatus};
use tokio::runtime::{self, Runtime};

/// The service that is named to flip all: the others are on its switch.
pub(crate) const SERVICE: &str = "web";
const SWITCH: &str = "demo";
/// How long the old connections must be silent for a drain to end. Not shorter: a client that has to wait
/// for its turn on a busy machine is silent, too.
const QUIET: &str = "3s";

const WEB: u16 = 80;
const ECHO: u16 = 7;

/// Where clients find the web: by IPv4 and by IPv6.
pub(crate) const WEBS: [SocketAddr; 2] = [SocketAddr::new(VIP4, WEB), SocketAddr::new(VIP6, WEB)];
/// Where clients send datagrams: by IPv4 and by IPv6.
pub(crate) const ECHOES: [SocketAddr; 2] = [SocketAddr::new(VIP4, ECHO), SocketAddr::new(VIP6, ECHO)];

/// The world; gone when dropped.
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    pub(crate) green: Nginx,
    _blue: Nginx,
    _echoes: [Echo; 2],
    pub(crate) topology: Topology,
    client: Client,
    runtime: Runtime,
}

impl Scene {
    /// Builds it, after removing what killed runs have left.
    ///
    /// # Panics
    ///
    /// With what the daemon says, if it does not find its backends within 10 s.
    pub(crate) fn build() -> Self {
        let topology = Topology::new();
        let web = |color| Nginx::start(topology.backends(color), color, &backends(color, WEB));
        let (blue, green) = (web(Color::Blue), web(Color::Green));
        let echoes =
            Color::ALL.map(|color| Echo::start(topology.backends(color), color, &backends(color, ECHO)));
        let daemon = Daemon::start(&topology, &configuration());
        let client = Client::new(daemon.socket());
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no event loop can be made: {error}"));
        let scene = Self { daemon, green, _blue: blue, _echoes: echoes, topology, client, runtime };
        let start = Instant::now();
        while let problems = scene.status().problems
            && !problems.is_empty()
        {
            assert!(start.elapsed() < Duration::from_secs(10), "switcherd reports: {}", problems.join("; "));
            thread::sleep(Duration::from_millis(20));
        }
        scene
    }

    /// What the daemon says.
    ///
    /// # Panics
    ///
    /// With its log, if it does not say anything.
    pub(crate) fn status(&self) -> Status {
        self.answered(self.client.status())
    }

    /// What it says about the switch.
    pub(crate) fn switch(&self) -> SwitchStatus {
        let switches = self.status().switches;
        let switch = switches.into_iter().find(|switch| switch.name == SWITCH);
        switch.unwrap_or_else(|| panic!("the daemon does not know the switch {SWITCH}"))
    }

    /// A flip by the API.
    pub(crate) fn flip(&self, to: Color) -> Change {
        let flip = Flip { to: Some(to), ..Flip::default() };
        self.answered(self.client.flip(SERVICE, &flip))
    }

    fn answered<T>(&self, answer: impl Future<Output = Result<T, ClientError>>) -> T {
        let answer = self.runtime.block_on(answer);
        answer.unwrap_or_else(|error| panic!("{error}\n{}", self.daemon.log()))
    }
}

fn backends(color: Color, port: u16) -> [SocketAddr; 2] {
    [backend4(color, 2), backend6(color, 2)].map(|address: IpAddr| SocketAddr::new(address, port))
}

fn configuration() -> String {
    let web = ["web", "web-v6"].into_iter().zip(WEBS).map(|(name, vip)| ServiceBuilder::tcp(name, vip));
    let echo = ["echo", "echo-v6"].into_iter().zip(ECHOES);
    let echo = echo.map(|(name, vip)| ServiceBuilder::udp(name, vip).memory("switch"));
    let colored = |service: ServiceBuilder, family: usize, port| {
        Color::ALL
            .into_iter()
            .fold(service, |service, color| service.backend(color, backends(color, port)[family]))
            .switch(SWITCH)
            .drain("quiet", QUIET)
    };
    let web = web.enumerate().map(|(family, service)| colored(service, family, WEB));
    let echo = echo.enumerate().map(|(family, service)| colored(service, family, ECHO));
    web.chain(echo).fold(ConfigBuilder::new(), ConfigBuilder::service).build()
}
