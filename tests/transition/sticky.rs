//! UDP flows that are remembered: they stay over flips until they are silent.

use std::io;
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use switcher_tests::Color::{self, Blue, Green};
use switcher_tests::config::{ConfigBuilder, ServiceBuilder};
use switcher_tests::load::{Expectation, UdpStream, Workload};
use switcher_tests::require::{Feature, available};

use crate::scene::{Scene, VIPS, backend};

const IDLE: u64 = 20;

fn config() -> ConfigBuilder {
    let names = ["web", "web6"];
    VIPS.iter().zip(names).fold(ConfigBuilder::new(), |config, (vip, name)| {
        let service = ServiceBuilder::udp(name, vip).switch("web").memory("sticky").affinity("connection");
        let service = service.idle(&format!("{IDLE}s")).drain("quiet", "2m");
        let service = [2, 10].into_iter().fold(service, |service, host| {
            service.backend(Blue, backend(*vip, Blue, host)).backend(Green, backend(*vip, Green, host))
        });
        config.service(service)
    })
}

/// The color that answers; silence is tried again, because a datagram may be lost.
fn ask(socket: &UdpSocket) -> Color {
    for _ in 0..10 {
        socket.send(b"?").expect("a way there");
        let mut answer = [0; 16];
        match socket.recv(&mut answer) {
            Ok(length) => {
                let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
                return switcher_tests::color(answer.trim_end_matches(" ?")).expect("a color");
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no answer");
}

#[test]
fn flows_stay_over_flips_until_they_are_silent() {
    if !available(&Feature::ALL) {
        return;
    }
    let scene = Scene::new(&[2, 10], &config());
    let (any, blue) = (Expectation::any(), Expectation::of(&[Blue]));
    let stream = |vip, expectation: &Expectation| {
        let stream = UdpStream { sticky: true, pace: Duration::from_millis(20), ..UdpStream::new(vip, 20) };
        stream.start(&scene.topology, expectation)
    };
    let old: Vec<_> = VIPS.iter().map(|vip| stream(*vip, &blue)).collect();
    for load in &old {
        load.wait_until(|report| report.blue > 200);
    }
    // Flows of one datagram every few seconds: seldom, and never silent for as long as `idle`.
    let seldom: Vec<_> = (0..10)
        .map(|_| {
            let socket = scene.topology.client.enter(|| UdpSocket::bind("0.0.0.0:0").unwrap());
            scene.topology.client.enter(|| socket.connect(VIPS[0]).unwrap());
            socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            socket
        })
        .collect();
    assert!(seldom.iter().all(|socket| ask(socket) == Blue && ask(socket) == Blue));
    let spoken = Instant::now();

    scene.verb("flip", &json!({ "to": "green" }));
    let green = Expectation::of(&[Green]);
    let new: Vec<_> = VIPS.iter().map(|vip| stream(*vip, &green)).collect();
    for load in &new {
        load.wait_until(|report| report.requests > 200);
        let report = load.report();
        assert!(report.blue == 0 && report.wrong_color == 0, "new flows are green: {report}");
    }
    scene.verb("flip", &json!({ "to": "blue" }));
    scene.verb("weight", &json!({ "green": "50" }));
    scene.verb("flip", &json!({ "to": "green" }));
    let other: Vec<_> = VIPS.iter().map(|vip| stream(*vip, &any)).collect();

    // Nearly `idle`, by the clock; a machine that slept through it proves nothing.
    let nearly = Duration::from_secs(IDLE - 2);
    thread::sleep(nearly.saturating_sub(spoken.elapsed()));
    let first = ask(&seldom[0]);
    if spoken.elapsed() < Duration::from_secs(IDLE) {
        assert_eq!(first, Blue, "silent for less than `idle`");
        assert!(seldom.iter().all(|socket| ask(socket) == Blue));
    }
    let silent = Instant::now();
    let (mut requests, mut flows) = (0, 0);
    for load in old.into_iter().chain(new).chain(other) {
        let report = load.stop();
        report.assert_clean();
        requests += report.requests;
        flows += report.connections;
    }
    assert_eq!(flows, 120);
    anstream::println!("{flows} sticky flows, {requests} datagrams, each answered by its own color");

    // Silent for longer than `idle` (an age has sixteen steps, and a look is taken every second).
    let status = scene.until("silent flows are forgotten", |status| status["flows"]["used"] == json!(0));
    assert!(silent.elapsed() >= Duration::from_secs(IDLE), "{:?}: {status:#}", silent.elapsed());
    assert!(seldom.iter().all(|socket| ask(socket) == Green), "a forgotten flow is a new one");
}
