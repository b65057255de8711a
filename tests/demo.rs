//! The demonstration as a program: what it writes, how it ends, and that it leaves nothing behind.

#![expect(clippy::expect_used, reason = "a test that cannot start its program fails")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use switcher_tests::require::{Feature, available};

/// Everything the demonstration makes has its process id in its name.
fn left_behind(pid: u32) -> Vec<String> {
    let temporary = std::env::temp_dir();
    let directories = [Path::new("/run/netns"), Path::new("/sys/fs/bpf"), &temporary];
    let entries = directories.into_iter().flat_map(|directory| fs::read_dir(directory).into_iter().flatten());
    let names = entries.flatten().map(|entry| entry.path().display().to_string());
    names.filter(|name| name.contains(&format!("/sw{pid}-"))).collect()
}

/// Waits until it has begun to build its world.
fn await_something_of(pid: u32) {
    let start = Instant::now();
    while left_behind(pid).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing is built");
        thread::sleep(Duration::from_millis(10));
    }
}

fn demo(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switcher-demo"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the demo starts")
}

#[test]
fn it_ends_well_and_writes_its_receipt() {
    if !available(&Feature::ALL) {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("receipt.json");
    let child = demo(&["--seconds", "10", "--json", path.to_str().expect("UTF-8")]);
    let pid = child.id();
    let output = child.wait_with_output().expect("our child");
    let (told, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{told}\n{complaint}", output.status);
    assert_eq!(left_behind(pid), Vec::<String>::new());
    assert!(!told.contains('\x1b') && !told.contains('\r'), "escapes in what is no terminal: {told:?}");

    let receipt = fs::read_to_string(&path).expect("the receipt is there");
    let receipt: Value = serde_json::from_str(&receipt).expect("the receipt is JSON");
    let number = |key: &str| receipt[key].as_u64().unwrap_or_else(|| panic!("{key} in {receipt}"));
    for key in ["failed", "connections_broken", "wrong_color"] {
        assert_eq!(number(key), 0, "{key} in {receipt}");
    }
    for (key, least) in [
        ("requests", 1_000),
        ("short_lived", 100),
        ("long_lived_open_at_end", 200),
        ("flips", 100),
        ("rollbacks", 1),
        ("daemon_kills", 1),
        ("store_ns_p50", 1),
        ("first_packet_ns_p50", 1),
        ("udp_sent", 100),
    ] {
        assert!(number(key) >= least, "{key} in {receipt}");
    }
    assert!(number("store_ns_p50") <= number("store_ns_p99"));
    assert!(number("first_packet_ns_p50") <= number("first_packet_ns_p99"));
    assert!(number("udp_lost") <= number("udp_sent"));
}

#[test]
fn interrupted_it_leaves_nothing_behind() {
    if !available(&Feature::ALL) {
        return;
    }
    // While the world is being built, and under load.
    for (signal, after) in [(Signal::SIGINT, 0), (Signal::SIGTERM, 4_000)] {
        let child = demo(&["--seconds", "30"]);
        let pid = child.id();
        await_something_of(pid);
        thread::sleep(Duration::from_millis(after));
        kill(Pid::from_raw(pid.try_into().expect("a pid is an i32")), signal).expect("it runs");
        let output = child.wait_with_output().expect("our child");
        assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(left_behind(pid), Vec::<String>::new(), "{signal} after {after} ms");
    }
}

#[test]
fn what_a_killed_one_leaves_is_swept_by_the_next() {
    if !available(&Feature::ALL) {
        return;
    }
    let mut child = demo(&["--seconds", "30"]);
    let killed = child.id();
    await_something_of(killed);
    child.kill().expect("it runs");
    child.wait().expect("our child");
    assert!(!left_behind(killed).is_empty());

    let next = demo(&["--seconds", "10"]);
    let pid = next.id();
    let output = next.wait_with_output().expect("our child");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((left_behind(killed), left_behind(pid)), (vec![], vec![]));
}

#[test]
fn what_it_cannot_do_is_refused_with_the_fix() {
    let output = demo(&["--seconds", "9"]).wait_with_output().expect("our child");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("10..=3600"));
    if !available(&Feature::ALL) {
        return;
    }
    let output = demo(&["--json", "/nowhere/receipt.json"]).wait_with_output().expect("our child");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/receipt.json"));
}
