//! Ramps: who has the new color keeps it on the way up, and nobody gets it on the way down.
//!
//! Shares are drawn by hash, so a measured share deviates as a sample does: of 10,000 clients by 0.5 points
//! (one standard deviation, at 50 %). What is asserted is the bound that all steps of a ramp together pass
//! once in a million runs (Dvoretzky, Kiefer, Wolfowitz), and half a point where a sample is large enough.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg, setsockopt, sockopt};
use serde_json::json;
use switcher_tests::Color::{self, Blue, Green};
use switcher_tests::address::clients;
use switcher_tests::config::{ConfigBuilder, ServiceBuilder};
use switcher_tests::daemon::Daemon;
use switcher_tests::require::{Feature, available};
use switcher_tests::topology::Topology;

use crate::lines::Line;
use crate::scene::{VIPS, backend};

/// The largest deviation of a share that a sample of so many may show, in points.
fn bound(sample: usize) -> f64 {
    let failures: f64 = 1e-6;
    100.0 * ((2.0 / failures).ln() / (2.0 * f64::from(u32::try_from(sample).unwrap()))).sqrt()
}

/// Answers every datagram with its color's first letter and what it was sent. Much quicker than the harness's.
struct Mirror {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mirror {
    fn start(topology: &Topology, color: Color, address: SocketAddr) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let socket = topology.backends(color).enter(|| UdpSocket::bind(address).expect("a free port"));
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        setsockopt(&socket, sockopt::RcvBuf, &(4 << 20)).unwrap();
        let work = move || {
            let mut datagram = [0; 16];
            datagram[0] = color.name().as_bytes()[0];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, client)) = socket.recv_from(&mut datagram[1..]) {
                    socket.send_to(&datagram[..=length], client).ok();
                }
            }
        };
        Self { stop, thread: Some(topology.backends(color).spawn(work)) }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// One socket that speaks for many client addresses, each of which is asked for its color.
struct Census {
    socket: UdpSocket,
    target: SocketAddr,
    clients: Vec<IpAddr>,
}

/// Datagrams under way: few enough for every buffer between here and there.
const WINDOW: usize = 128;

impl Census {
    fn new(topology: &Topology, target: SocketAddr, count: u32) -> Self {
        let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = topology.client.enter(|| UdpSocket::bind(any).expect("a free port"));
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        setsockopt(&socket, sockopt::RcvBuf, &(4 << 20)).unwrap();
        Self { socket, target, clients: clients(target.ip(), count) }
    }

    fn send(&self, client: usize) {
        let payload = u32::try_from(client).unwrap().to_be_bytes();
        let data = [std::io::IoSlice::new(&payload)];
        let to = SockaddrStorage::from(self.target);
        let fd = self.socket.as_raw_fd();
        let sent = match self.clients[client] {
            IpAddr::V4(source) => {
                let source = libc::in_addr { s_addr: u32::from(source).to_be() };
                let from = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: source,
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                sendmsg(fd, &data, &[ControlMessage::Ipv4PacketInfo(&from)], MsgFlags::empty(), Some(&to))
            }
            IpAddr::V6(source) => {
                let from = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: source.octets() },
                    ipi6_ifindex: 0,
                };
                sendmsg(fd, &data, &[ControlMessage::Ipv6PacketInfo(&from)], MsgFlags::empty(), Some(&to))
            }
        };
        sent.unwrap_or_else(|error| panic!("{}: {error}", self.clients[client]));
    }

    /// The clients, by number, whose datagrams green answers.
    fn green(&self) -> BTreeSet<u32> {
        let mut green = BTreeSet::new();
        let mut missing = vec![true; self.clients.len()];
        for round in 0.. {
            let mut left =
                missing.iter().enumerate().filter(|(_, it)| **it).map(|(at, _)| at).collect::<Vec<_>>();
            if left.is_empty() {
                return green;
            }
            assert!(round < 20, "{} clients get no answer", left.len());
            left.reverse();
            let mut open = 0_usize;
            loop {
                while open < WINDOW
                    && let Some(client) = left.pop()
                {
                    self.send(client);
                    open += 1;
                }
                if open == 0 {
                    break;
                }
                let mut answer = [0; 16];
                let Ok(length) = self.socket.recv(&mut answer) else { break };
                assert_eq!(length, 5);
                let client = u32::from_be_bytes(answer[1..5].try_into().unwrap());
                if std::mem::replace(&mut missing[client as usize], false) {
                    open -= 1;
                    if answer[0] == b'g' {
                        green.insert(client);
                    }
                }
            }
        }
        unreachable!("the rounds are counted")
    }
}

struct Ramp {
    daemon: Daemon,
    _mirrors: Vec<Mirror>,
    topology: Topology,
}

impl Ramp {
    fn new(affinity: &str) -> Self {
        let topology = Topology::new();
        let mut mirrors = Vec::new();
        let mut config = ConfigBuilder::new();
        for (vip, name) in VIPS.iter().zip(["web", "web6"]) {
            let [blue, green] = [Blue, Green].map(|color| backend(*vip, color, 2));
            for (color, address) in [(Blue, blue), (Green, green)] {
                mirrors.push(Mirror::start(&topology, color, address));
            }
            let service = ServiceBuilder::udp(name, vip).switch("web").memory("switch").affinity(affinity);
            config = config.service(service.backend(Blue, blue).backend(Green, green));
        }
        let daemon = Daemon::start(&topology, &config.build());
        Self { daemon, _mirrors: mirrors, topology }
    }

    fn weight(&self, percent: u32) {
        self.daemon.post("/v1/services/web/weight", &json!({ "green": format!("{percent}%") }));
    }
}

fn deviation(green: usize, of: usize, percent: u32) -> f64 {
    let count = |count| f64::from(u32::try_from(count).unwrap());
    (100.0 * count(green) / count(of) - f64::from(percent)).abs()
}

/// Walks up and down; returns the largest deviation seen.
fn walk(sample: usize, [up, down]: [u32; 2], weight: impl Fn(u32), green: impl Fn() -> BTreeSet<u32>) -> f64 {
    let mut worst: f64 = 0.0;
    let mut before = BTreeSet::new();
    let mut look = |percent, rising| {
        weight(percent);
        let now = green();
        let (less, more) = if rising { (&before, &now) } else { (&now, &before) };
        let lost: Vec<_> = less.difference(more).take(3).collect();
        assert!(lost.is_empty(), "at {percent} %, rising {rising}: clients {lost:?} go the other way");

        match percent {
            0 => assert!(now.is_empty()),
            100 => assert_eq!(now.len(), sample),
            _ => {}
        }
        let deviation = deviation(now.len(), sample, percent);
        assert!(deviation <= bound(sample), "{percent} %: {} of {sample} are green", now.len());
        worst = worst.max(deviation);
        before = now;
    };
    (0..=100 / up).for_each(|at| look(at * up, true));
    (0..=100 / down).rev().for_each(|at| look(at * down, false));
    worst
}

#[test]
fn ten_thousand_clients_go_over_in_one_percent_steps_and_back() {
    if !available(&Feature::ALL) {
        return;
    }
    let ramp = Ramp::new("client");
    for (vip, sample, steps) in [(VIPS[0], 10_000, [1, 4]), (VIPS[1], 2_000, [5, 5])] {
        let census = Census::new(&ramp.topology, vip, sample);
        let start = std::time::Instant::now();
        let worst = walk(sample as usize, steps, |percent| ramp.weight(percent), || census.green());
        anstream::println!("{vip}: {sample} clients, at most {worst:.2} points off, {:?}", start.elapsed());
    }
    // Enough of them for half a point to be five standard deviations.
    let sample = 250_000;
    let census = Census::new(&ramp.topology, VIPS[0], sample);
    ramp.weight(50);
    let green = census.green().len();
    anstream::println!("{green} of {sample} are green at 50 %");
    assert!(deviation(green, sample as usize, 50) < 0.5, "{green} of {sample}");
    // All ports of a client see one color.
    let (one, other) =
        (Census::new(&ramp.topology, VIPS[0], 2_000), Census::new(&ramp.topology, VIPS[0], 2_000));
    assert_eq!(one.green(), other.green());
}

#[test]
fn connections_are_drawn_each_on_its_own() {
    if !available(&Feature::ALL) {
        return;
    }
    let ramp = Ramp::new("connection");
    let sample = 10_000;
    let census = Census::new(&ramp.topology, VIPS[0], sample);
    let worst = walk(sample as usize, [10, 10], |percent| ramp.weight(percent), || census.green());
    anstream::println!("{sample} connections, at most {worst:.2} points off");
    // Another port of the same addresses: independent, so half of them agree.
    ramp.weight(50);
    let other = Census::new(&ramp.topology, VIPS[0], sample);
    let apart = census.green().symmetric_difference(&other.green()).count();
    assert!(deviation(apart, sample as usize, 50) < bound(sample as usize), "{apart} of {sample} differ");
}

#[test]
fn tcp_clients_go_over_and_back() {
    if !available(&Feature::ALL) {
        return;
    }
    let names = ["web", "web6"];
    let config = VIPS.iter().zip(names).fold(ConfigBuilder::new(), |config, (vip, name)| {
        config.service(crate::scene::service(name, *vip, &[2], &[2]).affinity("client"))
    });
    let scene = crate::scene::Scene::new(&[2], &config);
    for (vip, sample) in [(VIPS[0], 1_000), (VIPS[1], 300)] {
        let addresses = clients(vip.ip(), sample);
        let green = || {
            scene.topology.client.enter(|| {
                let mut green = BTreeSet::new();
                for (number, source) in (0..).zip(&addresses) {
                    let line = Line::open(vip, Some(*source), "ramp")
                        .unwrap_or_else(|error| panic!("{source}: {error}"));
                    if line.color == Green {
                        green.insert(number);
                    }
                    line.reset();
                }
                green
            })
        };
        let weight = |percent| {
            scene.verb("weight", &json!({ "green": format!("{percent}") }));
        };
        let worst = walk(sample as usize, [10, 10], weight, green);
        anstream::println!("{vip}: {sample} TCP clients, at most {worst:.2} points off");
    }
}
