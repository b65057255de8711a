//! More connections than can be remembered: what is established lives, and what is lost is counted.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    self, AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, setsockopt, sockopt,
};
use serde_json::{Value, json};
use switcher_tests::Color::{Blue, Green};
use switcher_tests::config::ConfigBuilder;
use switcher_tests::netns::Netns;
use switcher_tests::require::{Feature, available};

use crate::lines::{Keeper, Line, open};
use crate::scene::{Scene, VIPS, draining, service};

const VIP: SocketAddr = VIPS[0];

/// A small, quick generator (Marsaglia's xorshift): no test depends on its quality.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn sum(words: &[u8]) -> u32 {
    words.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum()
}

/// An IPv4 packet with a SYN, as a client would send it.
fn syn(from: SocketAddrV4, to: SocketAddrV4, sequence: u32) -> [u8; 40] {
    let mut packet = [0; 40];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&40_u16.to_be_bytes());
    packet[8] = 64;
    packet[9] = 6;
    packet[12..16].copy_from_slice(&from.ip().octets());
    packet[16..20].copy_from_slice(&to.ip().octets());
    packet[20..22].copy_from_slice(&from.port().to_be_bytes());
    packet[22..24].copy_from_slice(&to.port().to_be_bytes());
    packet[24..28].copy_from_slice(&sequence.to_be_bytes());
    packet[32] = 5 << 4;
    packet[33] = 2;
    packet[34..36].copy_from_slice(&64_240_u16.to_be_bytes());
    let mut checksum = sum(&packet[12..40]) + 6 + 20;
    while checksum > 0xffff {
        checksum = (checksum & 0xffff) + (checksum >> 16);
    }
    let checksum = !u16::try_from(checksum).unwrap();
    packet[36..38].copy_from_slice(&checksum.to_be_bytes());
    packet
}

/// Where a flood's addresses come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Origin {
    /// From nowhere: what answers them is lost.
    Spoofed = 0xc612_0000,
    /// From the client, which answers a SYN-ACK it did not ask for with a reset.
    Client = 0x0a90_0000,
}

/// Sends SYNs from random addresses and ports.
fn flood(client: &Netns, target: SocketAddr, count: u32, seed: u64, origin: Origin) {
    let SocketAddr::V4(target) = target else { panic!("IPv4 only") };
    client.enter(|| {
        let raw = Some(SockProtocol::Raw);
        let fd = socket::socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, raw)
            .expect("root may have raw sockets");
        setsockopt(&fd, sockopt::SndBuf, &(1 << 20)).expect("a socket has a buffer");
        let to = SockaddrIn::from(SocketAddrV4::new(*target.ip(), 0));
        let mut random = Random(seed);
        for _ in 0..count {
            let (word, port) = (random.next(), random.next());
            let host = u32::try_from(word >> 40).unwrap() & 0x1_ffff;
            let port = u16::try_from(1024 + port % 60_000).unwrap();
            let from = SocketAddrV4::new(Ipv4Addr::from(origin as u32 | host), port);
            let packet = syn(from, target, u32::try_from(word & 0xffff_ffff).unwrap());
            socket::sendto(fd.as_raw_fd(), &packet, &to, MsgFlags::empty()).expect("a way to the edge");
        }
    });
}

fn scene(flow_entries: i64) -> Scene {
    let service = service("web", VIP, &[2, 10], &[2, 10]).drain("quiet", "5s").drain("deadline", "1h");
    Scene::new(&[2, 10], &ConfigBuilder::new().daemon("flow_entries", flow_entries).service(service))
}

/// What the daemon has forwarded to backends under these outcomes.
fn forwarded(status: &Value, outcomes: &[&str]) -> u64 {
    let mut packets = 0;
    for color in ["blue", "green"] {
        for backend in status["services"][0][color]["backends"].as_array().unwrap() {
            let counts = &backend["counts"];
            packets += outcomes.iter().filter_map(|it| counts[*it]["packets"].as_u64()).sum::<u64>();
        }
    }
    packets
}

const OPENING: [&str; 4] = ["recorded", "evicted", "refused", "retransmitted"];

#[test]
fn a_spoofed_flood_evicts_itself_and_breaks_nobody() {
    if available(&Feature::ALL) {
        survive(Origin::Spoofed);
    }
}

#[test]
fn a_flood_that_answers_breaks_nobody() {
    if available(&Feature::ALL) {
        survive(Origin::Client);
    }
}

fn survive(origin: Origin) {
    const ENTRIES: u32 = 4096;
    let scene = scene(ENTRIES.into());
    let keeper = Keeper::new(&scene.topology.client, None);
    keeper.keep(open(&scene.topology, VIP, 100, "blue, not recorded"));
    scene.verb("flip", &json!({ "to": "green" }));
    keeper.keep(open(&scene.topology, VIP, 100, "green, recorded"));
    keeper.assert_all_live("before the flood");
    scene.until("they are counted", |status| status["flows"]["used"] == json!(100));
    let before = forwarded(&scene.status(), &OPENING);

    // A wire drops what a flood sends too fast: wave after wave until ten times the capacity has arrived.
    let arrived = || forwarded(&scene.status(), &OPENING) - before;
    for wave in 0..100 {
        if wave > 4 && arrived() >= u64::from(ENTRIES) * 10 {
            break;
        }
        flood(&scene.topology.client, VIP, ENTRIES, 0x9e37_79b9_7f4a_7c15 + wave, origin);
        keeper.assert_all_live("during the flood");
        if wave == 4 {
            // The other way: now those of blue are the recorded ones that are not at risk, and so on.
            scene.verb("weight", &json!({ "green": "50" }));
        }
    }
    let status = scene.until("the flood has arrived", |status| {
        forwarded(status, &OPENING) - before >= u64::from(ENTRIES) * 10
    });
    let flows = &status["flows"];
    let seen = forwarded(&status, &OPENING) - before;
    let (evicted, refused) = (flows["evicted"].as_u64().unwrap(), flows["refused"].as_u64().unwrap());
    anstream::println!("{origin:?} flood of {} SYNs: {seen} judged as at risk; flows {flows}", ENTRIES * 10);
    assert!(evicted + refused > u64::from(ENTRIES), "counted, and shown: {flows}");
    if origin == Origin::Spoofed {
        assert!(refused < evicted, "it takes its own places: {flows}");
        assert!(flows["embryonic"].as_u64() > Some(0), "{flows}");
    }
    assert!(flows["used"].as_u64() <= Some(ENTRIES.into()) && flows["capacity"] == json!(ENTRIES));

    let human = scene.daemon.cli(["status"]);
    let human = String::from_utf8_lossy(&human.stdout).into_owned();
    assert!(human.contains("evicted"), "{human}");

    scene.verb("flip", &json!({ "to": "green" }));
    let new = open(&scene.topology, VIP, 100, "after the flood");
    keeper.keep(new);
    keeper.assert_all_live("after the flood");
    // Connections that are closing have their places for some seconds; then there is room.
    let start = Instant::now();
    while open(&scene.topology, VIP, 20, "later").iter().any(|line| line.color == Blue) {
        assert!(start.elapsed() < Duration::from_secs(60), "there is no room for the new color");
        thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(keeper.lines().len(), 300);
    drop(keeper.end());
    scene.until("the drain ends in spite of it", |it| !draining(it) && it["flows"]["used"] == json!(0));
}

#[test]
fn a_table_full_of_the_established_sends_the_rest_by_the_base_plan() {
    if !available(&Feature::ALL) {
        return;
    }
    for (entries, connections) in [(8, 60), (64, 300)] {
        let scene = scene(entries);
        let keeper = Keeper::new(&scene.topology.client, None);
        keeper.keep(open(&scene.topology, VIP, 20, "blue, not recorded"));
        scene.verb("flip", &json!({ "to": "green" }));
        // One after the other, each of them established before the next.
        let lines: Vec<_> = scene.topology.client.enter(|| {
            let open = |_| {
                let mut line = Line::open(VIP, None, "green, as far as there is room").expect("connected");
                line.ask().expect("it answers");
                line
            };
            (0..connections).map(open).collect()
        });
        let [blue, green] =
            [Blue, Green].map(|color| lines.iter().filter(|line| line.color == color).count());
        keeper.keep(lines);
        keeper.assert_all_live("with a full table");
        let status =
            scene.until("all entries are counted", |it| it["flows"]["used"].as_i64() == Some(entries));
        let flows = &status["flows"];
        anstream::println!(
            "{entries} entries, {connections} connections: {green} green, {blue} blue; {flows}"
        );
        assert_eq!(i64::try_from(green), Ok(entries), "as many as there are entries");
        assert!(flows["refused"].as_u64().unwrap() >= u64::try_from(blue).unwrap() && blue > 0, "{flows}");
        assert_eq!(flows["evicted"], json!(0), "nobody made room: {flows}");

        // A flood finds no place, and takes none.
        flood(&scene.topology.client, VIP, 1000, 7, Origin::Spoofed);
        scene.verb("weight", &json!({ "green": "30" }));
        flood(&scene.topology.client, VIP, 1000, 8, Origin::Client);
        keeper.assert_all_live("with a full table, a flood and another weight");
        assert_eq!(keeper.lines().len(), 20 + connections);

        // Whoever ends makes room.
        drop(keeper.end());
        scene.until("room again", |it| !draining(it) && it["flows"]["used"] == json!(0));
        scene.verb("flip", &json!({ "to": "blue" }));
        assert!(open(&scene.topology, VIP, 3, "afterwards").iter().all(|line| line.color == Blue));
    }
}
