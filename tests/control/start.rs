//! What stands in the way of starting is said with its fix, and nothing is touched.

use std::fs;
use std::path::Path;
use std::process::Output;

use switcher_tests::daemon::{Daemon, binary};
use switcher_tests::require::{Feature, available};
use switcher_tests::topology::Topology;

use crate::{config, settled, words};

/// Runs the daemon until it gives up; one that starts is ended after a while.
fn attempt(topology: &Topology, path: &Path) -> Output {
    let mut command = topology.edge.command("timeout");
    command.args(["--signal=KILL", "20"]).arg(binary("switcherd")).arg("--config").arg(path);
    command.output().unwrap()
}

#[track_caller]
fn fails(output: &Output, said: &[&str]) {
    let words = words(output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    for fragment in said {
        assert!(words.contains(fragment), "no {fragment:?} in {words}");
    }
}

/// Everything pinned by a daemon: names only.
fn pins(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(pins(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found.sort();
    found
}

#[test]
fn a_first_start_that_fails_pins_nothing() {
    if !available(&Feature::ALL) {
        return;
    }
    let topology = Topology::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("switcher.toml");
    let pin = Path::new("/sys/fs/bpf").join(format!("sw{}-9999", std::process::id()));
    let complete = |text: &str| {
        let mut config: toml::Table = text.parse().unwrap();
        let daemon = config["daemon"].as_table_mut().unwrap();
        for (key, value) in [
            ("socket", directory.path().join("s.sock")),
            ("state_dir", directory.path().join("state")),
            ("pin_dir", pin.clone()),
        ] {
            daemon.entry(key).or_insert_with(|| value.to_str().unwrap().into());
        }
        config.to_string()
    };
    fails(&attempt(&topology, &path), &["switcher.toml", "give the path of a file"]);

    let text = config().build();
    let wrong =
        text.replacen("10.0.1.3:7", "10.0.1.3", 1).replacen("flow_entries = 1024", "flow_entries = 9", 1);
    let wrong = wrong.replacen("name = \"voice\"", "name = \"voice\"\ncolour = 1", 1);
    fs::write(&path, complete(&wrong)).unwrap();
    fails(&attempt(&topology, &path), &["10.0.1.3", "has no port", "flow_entries", "colour"]);

    let daemon =
        |key: &str, value: &str| text.replacen("[daemon]", &format!("[daemon]\n{key} = \"{value}\""), 1);
    let damaged = directory.path().join("damaged");
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("state.json"), "{\"version\": 1,").unwrap();
    let file = directory.path().join("a-file");
    fs::write(&file, "").unwrap();
    let in_file = file.join("state");
    for (text, said) in [
        (text.replacen("\"bl0\"", "\"nix0\"", 1), &["interface nix0", "ip link"][..]),
        (daemon("state_dir", in_file.to_str().unwrap()), &["daemon.state_dir", "a-file"]),
        (daemon("state_dir", "/proc/sys"), &["daemon.state_dir", "/proc/sys"]),
        (daemon("pin_dir", directory.path().join("pins").to_str().unwrap()), &["pin_dir", "mount -t bpf"]),
        (daemon("state_dir", damaged.to_str().unwrap()), &["state.json is damaged", "move it away"]),
        (daemon("socket", file.to_str().unwrap()), &["daemon.socket", "not a socket"]),
    ] {
        fs::write(&path, complete(&text)).unwrap();
        let output = attempt(&topology, &path);
        let left = pins(&pin);
        fs::remove_dir_all(&pin).ok();
        fails(&output, said);
        assert_eq!(left, Vec::<String>::new(), "pinned, and then: {}", words(&output));
    }
    assert_eq!(fs::read_to_string(damaged.join("state.json")).unwrap(), "{\"version\": 1,");
}

#[test]
fn a_later_start_that_fails_changes_nothing() {
    if !available(&Feature::ALL) {
        return;
    }
    let topology = Topology::new();
    let mut daemon = Daemon::start(&topology, &config().build());
    daemon.post("/v1/services/web/flip", &serde_json::json!({ "to": "green" }));
    let good = daemon.complete(&config().build());
    let before = settled(&daemon);

    // Another daemon answers at the socket.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("switcher.toml");
    fs::write(&path, &good).unwrap();
    fails(&attempt(&topology, &path), &["daemon.state_dir", "another daemon uses it"]);
    let elsewhere =
        good.replace(daemon.state_directory().to_str().unwrap(), directory.path().to_str().unwrap());
    fs::write(&path, elsewhere).unwrap();
    fails(&attempt(&topology, &path), &["daemon.socket", "another daemon answers"]);
    assert_eq!(settled(&daemon), before);

    daemon.stop();
    let pinned = pins(daemon.pin_directory());
    let state = daemon.state_directory().join("state.json");
    let saved = fs::read(&state).unwrap();
    for (from, to, said) in [
        (
            "flow_entries = 1024",
            "flow_entries = 2048",
            &["daemon.flow_entries", "2048", "1024", "set it back"][..],
        ),
        (
            "00112233445566778899aabbccddeeff",
            "ffeeddccbbaa99887766554433221100",
            &["daemon.seed", "set it back"],
        ),
        ("\"bl0\"", "\"nix0\"", &["interface nix0", "ip link"]),
        ("udp = \"sticky\"", "udp = \"switch\"", &["voice", "udp cannot change", "set it back"]),
        ("name = \"voice\"", "name = \"vo ice\"", &["\"vo ice\"", "letters"]),
    ] {
        assert!(good.contains(from), "{from}");
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let output = attempt(&topology, &path);
        fails(&output, said);
        assert_eq!(pins(daemon.pin_directory()), pinned, "{to}");
        assert!(fs::read(&state).unwrap() == saved, "{to}: the state has changed: {}", words(&output));
    }
    fs::write(&state, &saved[..saved.len() / 2]).unwrap();
    fs::write(&path, &good).unwrap();
    fails(&attempt(&topology, &path), &["state.json is damaged", "move it away"]);
    assert!(fs::read(&state).unwrap() == saved[..saved.len() / 2]);
    fs::write(&state, &saved).unwrap();

    daemon.restart();
    assert_eq!(settled(&daemon), before, "as if nothing had been tried");
}
