//! Connections that never end: let go by pace from the deadline on, or at once when that is asked for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switcher_tests::Color::{Blue, Green};
use switcher_tests::config::ConfigBuilder;
use switcher_tests::require::{Feature, available};

use crate::lines::{Keeper, open, unix};
use crate::scene::{Scene, VIPS, draining, service, word};

/// So many that each quarter of the share has some of them.
const CONNECTIONS: usize = 100;
const VIP: std::net::SocketAddr = VIPS[0];

fn scene(deadline: &str) -> Scene {
    let service = service("web", VIP, &[2, 10], &[2, 10]);
    let service = service.drain("quiet", "3s").drain("deadline", deadline).drain("pace", "25%/1s");
    Scene::new(&[2, 10], &ConfigBuilder::new().service(service))
}

fn at(event: &Value) -> f64 {
    event["at"].as_f64().expect("a time")
}

#[test]
fn from_the_deadline_on_connections_are_let_go_by_the_pace() {
    if !available(&Feature::ALL) {
        return;
    }
    let scene = scene("6s");
    let keeper = Keeper::new(&scene.topology.client, Some(VIP));
    keeper.keep(open(&scene.topology, VIP, CONNECTIONS, "blue"));
    let events = scene.daemon.events();
    let begun = unix();
    scene.verb("flip", &json!({ "to": "green" }));
    keeper.keep(open(&scene.topology, VIP, CONNECTIONS, "green"));

    let mut steps = Vec::new();
    while steps.last().is_none_or(|last: &Value| last["verb"] != "drained") {
        let event = events.recv_timeout(Duration::from_secs(60)).expect("the drain goes on");
        if event["event"] == "changed" {
            steps.push(event);
        }
    }
    let verbs: Vec<_> = steps.iter().map(|step| step["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["flip", "paced", "paced", "paced", "paced", "drained"]);
    assert!(steps.windows(2).skip(1).all(|pair| at(&pair[1]) - at(&pair[0]) > 0.9), "{steps:#?}");
    let bases: Vec<_> = steps.iter().map(base).collect();
    assert_eq!(bases, [0, 2500, 5000, 7500, 10_000, 10_000]);

    let start = Instant::now();
    while keeper.broken().len() < CONNECTIONS {
        assert!(start.elapsed() < Duration::from_secs(30), "{} let go", keeper.broken().len());
        std::thread::sleep(Duration::from_millis(20));
    }
    let broken = keeper.broken();
    assert!(broken.iter().all(|it| it.born == "blue" && it.color == Blue), "{broken:?}");
    let between = |from: f64, to: f64| broken.iter().filter(|it| from <= it.at && it.at < to).count();
    assert_eq!(between(0.0, begun + 6.0), 0, "before the deadline");
    assert_eq!(between(0.0, at(&steps[1])), 0, "before the first step");
    let after = between(at(&steps[4]), f64::MAX);
    assert!(after > 0 && after < CONNECTIONS / 2, "{after} with the last step");
    let lines = keeper.end();
    assert_eq!(lines.len(), 2 * CONNECTIONS, "all have reconnected");
    assert!(lines.iter().all(|line| line.color == Green));
    let mut lines = lines;
    for line in &mut lines {
        line.ask().expect("what is green lives");
    }
    assert!(!word(&scene.switch()).tracking());
}

/// The base share in basis points that an event's new word has.
fn base(event: &Value) -> u16 {
    let switch = json!({ "word": event["new_word"] });
    word(&switch).share(switcher_common::abi::switch::Side::Base).basis_points()
}

fn cut(command: &[&str]) {
    let scene = scene("1h");
    let keeper = Keeper::new(&scene.topology.client, Some(VIP));
    keeper.keep(open(&scene.topology, VIP, CONNECTIONS, "blue"));
    if command[0] == "drain" {
        scene.verb("flip", &json!({ "to": "green" }));
        keeper.keep(open(&scene.topology, VIP, CONNECTIONS, "green"));
        keeper.assert_all_live("before the cut");
    }
    let output = scene.daemon.cli(command);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!draining(&scene.status()), "at once");
    let start = Instant::now();
    while keeper.broken().len() < CONNECTIONS {
        assert!(start.elapsed() < Duration::from_secs(30), "{} let go", keeper.broken().len());
        std::thread::sleep(Duration::from_millis(20));
    }
    let broken = keeper.broken();
    assert!(broken.len() == CONNECTIONS && broken.iter().all(|it| it.born == "blue"), "{broken:?}");
    let mut lines = keeper.end();
    assert!(lines.iter_mut().all(|line| line.color == Green && line.ask().is_ok()));
    assert_eq!(lines.len(), if command[0] == "drain" { 2 * CONNECTIONS } else { CONNECTIONS });
    let switch = scene.switch();
    assert_eq!((switch["green"].as_f64(), switch["green_base"].as_f64()), (Some(100.0), Some(100.0)));
    assert_eq!(scene.status()["flows"]["used"], json!(0));
}

#[test]
fn drain_cut_moves_what_is_left_at_once() {
    if available(&Feature::ALL) {
        cut(&["drain", "web", "--cut", "--yes"]);
    }
}

#[test]
fn flip_cut_moves_everybody_at_once() {
    if available(&Feature::ALL) {
        cut(&["flip", "web", "green", "--cut", "--yes"]);
    }
}
