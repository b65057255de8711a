//! Clients that hang do not hold up the others.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::json;
use switcher_tests::daemon::Daemon;
use switcher_tests::require::{Feature, available};
use switcher_tests::topology::Topology;

use crate::config;

/// What comes back for these bytes, once the client has sent its last.
pub(crate) fn raw(daemon: &Daemon, bytes: &str) -> String {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_flip_is_answered_while_others_hang() {
    if !available(&Feature::ALL) {
        return;
    }
    let topology = Topology::new();
    let mut daemon = Daemon::start(&topology, &config().build());
    let halves = [
        "",
        "POST /v1/services/web/flip HT",
        "POST /v1/services/web/flip HTTP/1.1\r\nhost: x\r\n",
        "POST /v1/services/web/flip HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n{\"to\":",
        "POST /v1/apply HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"con",
        // A reader that asks and asks and never reads.
        "GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n",
    ];
    let hanging: Vec<_> = (0..180)
        .map(|number| {
            let mut stream = UnixStream::connect(daemon.socket()).unwrap();
            stream.write_all(halves[number % halves.len()].as_bytes()).unwrap();
            stream
        })
        .collect();
    for to in ["green", "blue", "green"] {
        // Fails if it takes longer than 15 s.
        let change = daemon.post("/v1/services/web/flip", &json!({ "to": to }));
        assert_eq!(change["transition"], json!(true));
    }
    for weight in 0..300 {
        let green = format!("{}.{:02}", weight % 100, weight % 97);
        daemon.post("/v1/services/web/weight", &json!({ "green": green }));
        if weight % 100 == 0 {
            assert_eq!(daemon.cli(["status"]).status.code().map(|code| code == 0 || code == 8), Some(true));
        }
    }
    // They do not keep it from ending either.
    assert!(daemon.stop().success(), "{}", daemon.log());
    drop(hanging);
}
