//! The command line as a process: what it says by its exit code.

use std::fs;

use switcher_tests::daemon::{Daemon, binary};
use switcher_tests::require::{Feature, available};
use switcher_tests::topology::Topology;

use crate::{config, settled, words};

#[test]
fn exit_codes_tell_what_happened() {
    if !available(&Feature::ALL) {
        return;
    }
    let topology = Topology::new();
    let mut daemon = Daemon::start(&topology, &config().build());
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("good.toml", &daemon.complete(&config().build()));
    let bad = file("bad.toml", "[[service]]\nname = 1\n");
    let none = directory.path().join("none.toml").to_str().unwrap().to_owned();
    let row = |line: &str, code: i32, said: &str| {
        let line = line.replace("GOOD", &good).replace("BAD", &bad).replace("NONE", &none);
        let output = daemon.cli(line.split(' '));
        let words = words(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {words}");
        assert!(words.contains(said), "{line}: no {said:?} in {words}");
    };
    let before = settled(&daemon);
    for (line, code, said) in [
        ("check GOOD", 0, ""),
        ("apply GOOD", 0, ""),
        ("apply GOOD --dry-run", 0, ""),
        ("explain tcp 198.51.100.2:1 192.0.2.10:7", 0, "blue"),
        ("--help", 0, "Exit codes"),
        ("--version", 0, "switcher"),
        ("completions bash", 0, "switcher"),
        ("flip nobody", 1, "there is no service \"nobody\""),
        ("status nobody", 1, "nobody"),
        ("check BAD", 1, "line 2"),
        ("check NONE", 1, "none.toml"),
        ("apply BAD", 1, "line 2"),
        ("apply NONE", 1, "none.toml"),
        ("explain tcp [2001:db8::1]:1 192.0.2.10:7", 1, "different families"),
        ("", 2, ""),
        ("flop web", 2, "flop"),
        ("flip", 2, "SERVICE"),
        ("flip web red", 2, "red"),
        ("flip web green --cut", 2, "--yes"),
        ("drain web --cut", 2, "--yes"),
        ("weight web green=101", 2, "101"),
        ("weight web green=12.345", 2, "12.345"),
        ("weight web green=-1", 2, "-1"),
        ("weight web 50", 2, "green=PERCENT"),
        ("explain tcp 198.51.100.2 192.0.2.10:7", 2, "198.51.100.2"),
        ("status --timeout soon", 2, "soon"),
        ("rollback web", 5, "nothing to roll back"),
        ("drain web --cut --yes", 5, "not draining"),
        ("flip web green --generation 9999", 6, "9999"),
        ("apply GOOD --generation 9999", 6, "9999"),
    ] {
        row(line, code, said);
        assert_eq!(settled(&daemon), before, "{line}: the status has changed");
    }
    row("flip web green", 0, "");
    row("flip web blue --wait --wait-timeout 1s", 7, "drain");
    // Two of the backends' addresses belong to nobody.
    row("status", 8, "10.0.1.3");
    row("status --json", 8, "10.0.1.3");

    daemon.stop();
    let output = daemon.cli(["status"]);
    assert_eq!(output.status.code(), Some(3), "{}", words(&output));
    let socket = directory.path().join("elsewhere.sock");
    let mut command = std::process::Command::new(binary("switcher"));
    let output = command.arg("--socket").arg(&socket).args(["flip", "web"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", words(&output));
    assert!(words(&output).contains("elsewhere.sock"));
}
