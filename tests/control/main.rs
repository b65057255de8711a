//! What the daemon is asked and told, and what it says to that: through the real process.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod command;
mod refusals;
mod slow;
mod start;
mod trail;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Output;

use serde_json::Value;
use switcher_tests::Color::{Blue, Green};
use switcher_tests::address::{VIP4, backend4};
use switcher_tests::config::{ConfigBuilder, ServiceBuilder};
use switcher_tests::daemon::Daemon;

const SEED: &str = "00112233445566778899aabbccddeeff";

fn vip() -> SocketAddr {
    SocketAddr::new(VIP4, 7)
}

/// A TCP service with two backends of each color. Nothing listens behind it.
fn web() -> ServiceBuilder {
    let at = |color, host| SocketAddr::new(backend4(color, host), 7);
    let service = ServiceBuilder::tcp("web", vip()).drain("quiet", "1h").drain("deadline", "2h");
    let service = service.backend(Blue, at(Blue, 2)).backend(Blue, at(Blue, 3));
    service.backend(Green, at(Green, 2)).backend(Green, at(Green, 3))
}

/// A sticky UDP service beside it, on the same switch.
fn voice() -> ServiceBuilder {
    let at = |color| SocketAddr::new(backend4(color, 2), 9);
    let service = ServiceBuilder::udp("voice", SocketAddr::new(VIP4, 9)).switch("web").memory("sticky");
    service.backend(Blue, at(Blue)).backend(Green, at(Green))
}

fn config() -> ConfigBuilder {
    let config = ConfigBuilder::new().daemon("seed", SEED).daemon("flow_entries", 1024);
    config.daemon("max_services", 4).daemon("max_backends", 10).service(web()).service(voice())
}

/// The status without what changes by itself: uptime, counters, next hops and what follows from them.
fn settled(daemon: &Daemon) -> Value {
    let mut status = daemon.get("/v1/status");
    scrub(&mut status);
    status
}

fn scrub(value: &mut Value) {
    const MOVING: [&str; 13] = [
        "uptime_seconds",
        "problems",
        "counts",
        "other",
        "forward",
        "reply",
        "next_hop",
        "problem",
        "at_risk",
        "quiet_seconds",
        "deadline_in_seconds",
        "first_packet_ns",
        "flows",
    ];
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !MOVING.contains(&name.as_str()));
            fields.values_mut().for_each(scrub);
        }
        Value::Array(items) => items.iter_mut().for_each(scrub),
        _ => {}
    }
}

/// The files of the state directory.
fn files(daemon: &Daemon) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(daemon.state_directory()).unwrap();
    let read = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    entries.map(|entry| read(entry.unwrap())).collect()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}
