//! The harness itself, over plain kernel routing and without the daemon.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use switcher_tests::Color::{Blue, Green};
use switcher_tests::address::{VIP4, backend4, backend6};
use switcher_tests::leftovers;
use switcher_tests::load::{Expectation, Load, LongLived, Protocol, Report, ShortLived, UdpStream, Workload};
use switcher_tests::netns::Netns;
use switcher_tests::require::{Feature, available};
use switcher_tests::server::{Echo, Nginx};
use switcher_tests::topology::Topology;

const HTTP: u16 = 80;
const ECHO: u16 = 7;

fn blue(port: u16) -> [SocketAddr; 2] {
    [backend4(Blue, 2), backend6(Blue, 2)].map(|address| SocketAddr::new(address, port))
}

fn run(seconds: u64, loads: Vec<Load>) -> Report {
    thread::sleep(Duration::from_secs(seconds));
    loads.into_iter().map(Load::stop).sum()
}

#[test]
fn clients_reach_servers_by_both_families_and_nothing_fails() {
    if !available(&Feature::NETWORK) {
        return;
    }
    let topology = Topology::new();
    let _nginx = Nginx::start(&topology.blue, Blue, &blue(HTTP));
    let _echo = Echo::start(&topology.blue, Blue, &blue(ECHO));
    let expectation = Expectation::of(&[Blue]);
    for family in [0, 1] {
        let (http, echo) = (blue(HTTP)[family], blue(ECHO)[family]);
        let long = LongLived::new(http, 20).start(&topology, &expectation);
        let lines = LongLived { protocol: Protocol::Lines, ..LongLived::new(echo, 20) };
        let lines = lines.start(&topology, &expectation);
        let short = ShortLived::new(http, 4).start(&topology, &expectation);
        let udp = UdpStream::new(echo, 4).start(&topology, &expectation);
        thread::sleep(Duration::from_secs(2));
        let samples = short.take_samples();
        for (load, connections) in [(long, 20), (lines, 20), (short, 100), (udp, 4)] {
            let report = load.stop();
            report.assert_clean();
            assert!(report.connections >= connections && report.requests >= 100, "{report}");
            assert_eq!(report.green, 0, "{report}");
        }
        assert!(samples.iter().all(|sample| sample.color == Some(Blue) && sample.end > sample.start));
        let mut clients: Vec<IpAddr> = samples.iter().filter_map(|it| it.client).map(|it| it.ip()).collect();
        clients.sort_unstable();
        clients.dedup();
        assert_eq!(clients.len(), 64);
    }
}

#[test]
fn a_wrong_color_is_counted() {
    if !available(&Feature::NETWORK) {
        return;
    }
    let topology = Topology::new();
    let _echo = Echo::start(&topology.blue, Blue, &blue(ECHO));
    let expectation = Expectation::of(&[Green]);
    let echo = blue(ECHO)[0];
    let short = ShortLived { protocol: Protocol::Lines, ..ShortLived::new(echo, 2) };
    let short = short.start(&topology, &expectation);
    let udp = UdpStream::new(echo, 2).start(&topology, &expectation);
    for load in [&short, &udp] {
        load.wait_until(|report| report.wrong_color > 10);
        assert_eq!(load.report().requests, load.report().blue);
    }
    expectation.allow(&[Blue]);
    thread::sleep(Duration::from_millis(200));
    let before = short.report().wrong_color + udp.report().wrong_color;
    let after = run(1, vec![short, udp]).wrong_color;
    assert_eq!(after, before, "allowed from then on");
}

#[test]
fn a_killed_server_and_a_silent_one_are_noticed() {
    if !available(&Feature::NETWORK) {
        return;
    }
    let topology = Topology::new();
    let nginx = Nginx::start(&topology.blue, Blue, &blue(HTTP));
    let echo = Echo::start(&topology.blue, Blue, &blue(ECHO));
    let any = Expectation::any();
    let long = LongLived::new(blue(HTTP)[0], 10).start(&topology, &any);
    let retry = LongLived { reconnect: true, ..LongLived::new(blue(HTTP)[0], 1) };
    let retry = retry.start(&topology, &any);
    let udp = UdpStream::new(blue(ECHO)[0], 2).start(&topology, &any);
    let lines = LongLived { protocol: Protocol::Lines, ..LongLived::new(blue(ECHO)[1], 1) };
    let lines = lines.start(&topology, &any);
    long.wait_until(|report| report.connections == 10 && report.requests > 100);
    retry.wait_until(|report| report.requests > 0);
    udp.wait_until(|report| report.requests > 10);
    lines.wait_until(|report| report.requests > 10);

    // Stop polls: the wire to blue is cut, then both servers end, then the wire is back.
    topology.edge.ip("link set bl0 down\n");
    udp.wait_until(|report| report.lost > 10);
    lines.wait_until(|report| report.stalled == 1);
    topology.edge.ip("link set bl0 up\n");
    nginx.kill();
    echo.kill();
    let restarted = Nginx::start(&topology.blue, Blue, &blue(HTTP)[..1]);
    long.wait_until(|report| report.connections_broken == 10 && report.failed == 10);
    retry.wait_until(|report| report.connections >= 2 && report.connections_broken >= 1);
    drop(restarted);
    assert!(!long.report().is_clean() && !long.report().errors.is_empty());
    drop(udp);
}

#[test]
fn backends_are_added_and_the_vip_leads_to_the_edge() {
    if !available(&Feature::NETWORK) {
        return;
    }
    let topology = Topology::new();
    topology.add_backend(Green, 10);
    let addresses = [backend4(Green, 10), backend6(Green, 10)].map(|address| SocketAddr::new(address, ECHO));
    let _echo = Echo::start(&topology.green, Green, &addresses);
    for address in addresses {
        let greeting = topology.client.enter(|| {
            let stream = TcpStream::connect(address).expect("green is reachable");
            BufReader::new(stream).lines().next().expect("it greets").expect("it greets")
        });
        assert_eq!(greeting, format!("green {address}"));
    }
    let refused = topology.client.enter(|| TcpStream::connect((VIP4, HTTP)));
    assert_eq!(refused.expect_err("no service").kind(), std::io::ErrorKind::NetworkUnreachable);
}

#[test]
fn offloads_are_as_xdp_needs_them() {
    if !available(&Feature::NETWORK) {
        return;
    }
    let topology = Topology::new();
    for (netns, interface) in [(&topology.client, "eth0"), (&topology.green, "eth0"), (&topology.edge, "bl0")]
    {
        let output = netns.command("ethtool").args(["-k", interface]).output().expect("ethtool starts");
        let features = String::from_utf8_lossy(&output.stdout).into_owned();
        for line in ["tx-checksumming: off", "generic-receive-offload: on"] {
            assert!(
                features.lines().any(|feature| feature == line),
                "{interface}: {line} is not in\n{features}"
            );
        }
    }
}

#[test]
fn everything_goes_with_the_topology_and_leftovers_are_swept() {
    if !available(&Feature::NETWORK) {
        return;
    }
    let topology = Topology::new();
    let paths = [&topology.client, &topology.edge, &topology.blue, &topology.green].map(Netns::path);
    let mut inside =
        topology.green.command("sleep").arg("60").stdout(Stdio::null()).spawn().expect("sleep starts");
    thread::sleep(Duration::from_millis(100));
    drop(topology);
    assert!(!inside.wait().expect("our child").success(), "killed");
    assert!(paths.iter().all(|path| !path.exists()));

    // As a run that was killed leaves it: the name of a process that is gone.
    let mut gone = Command::new("true").spawn().expect("true starts");
    gone.wait().expect("our child");
    let (leftover, foreign) = (format!("sw{}-0-edge", gone.id()), format!("foreign{}", gone.id()));
    let path = |name: &str| Path::new("/run/netns").join(name);
    for name in [&leftover, &foreign] {
        let added = Command::new("ip").args(["netns", "add", name]).status().expect("ip starts");
        assert!(added.success());
    }
    let files = std::env::temp_dir().join(format!("sw{}-1-x", gone.id()));
    fs::create_dir(&files).expect("the temporary directory is writable");
    leftovers::sweep();
    assert!(!path(&leftover).exists() && !files.exists());
    assert!(path(&foreign).exists());
    let removed = Command::new("ip").args(["netns", "delete", &foreign]).status().expect("ip starts");
    assert!(removed.success());
}
