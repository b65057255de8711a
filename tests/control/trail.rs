//! What changes leave behind: one event and one line of the journal for every generation, in order.

use std::time::Duration;

use serde_json::{Value, json};
use switcher_tests::daemon::Daemon;
use switcher_tests::require::{Feature, available};
use switcher_tests::topology::Topology;

use crate::config;

fn journal(daemon: &Daemon) -> Vec<Value> {
    let text = std::fs::read_to_string(daemon.state_directory().join("journal.ndjson")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn every_change_is_told_once_and_written_down_once() {
    if !available(&Feature::ALL) {
        return;
    }
    let topology = Topology::new();
    let daemon = Daemon::start(&topology, &config().build());
    let events = daemon.events();
    let begun = (daemon.get("/v1/status")["generation"].as_u64().unwrap(), journal(&daemon).len());
    let service = |verb: &str, body: Value| daemon.post(&format!("/v1/services/web/{verb}"), &body);
    let text = daemon.complete(&config().build());
    let other = text.replacen("10.0.1.3:7", "10.0.1.4:7", 1);

    let mut answers = vec![("flip", service("flip", json!({ "to": "green" })))];
    assert_eq!(service("flip", json!({ "to": "green" }))["store_ns"], json!(0), "no change, no trail");
    daemon.api("POST", "/v1/services/web/flip", Some(&json!({ "to": "red" })));
    answers.push(("weight", service("weight", json!({ "green": "12.5" }))));
    answers.push(("rollback", service("rollback", json!({}))));
    answers.push(("drain", service("drain", json!({ "cut": true }))));
    daemon.api("POST", "/v1/services/web/drain", Some(&json!({ "cut": true })));
    answers.push(("flip", service("flip", json!({ "cut": true }))));
    daemon.post("/v1/apply", &json!({ "config": other, "dry_run": true }));
    let applied = daemon.post("/v1/apply", &json!({ "config": other }));
    assert_eq!(applied["applied"], json!(true));
    let status = daemon.get("/v1/status");
    let generation = status["generation"].as_u64().unwrap();
    assert_eq!(applied["generation"].as_u64(), Some(generation));

    let mut told = Vec::new();
    while told.last().is_none_or(|last: &Value| last["generation"].as_u64() < Some(generation)) {
        let event = events.recv_timeout(Duration::from_secs(20)).expect("an event for every change");
        if event["event"] == "changed" || event["event"] == "applied" {
            told.push(event);
        }
    }
    assert!(
        events.recv_timeout(Duration::from_millis(1500)).is_err_or(|it| it["event"] == "next_hop"),
        "no more"
    );
    let generations =
        |list: &[Value]| -> Vec<u64> { list.iter().map(|it| it["generation"].as_u64().unwrap()).collect() };
    let expected: Vec<_> = (begun.0 + 1..=generation).collect();
    assert_eq!(generations(&told), expected, "{told:#?}");
    let written = journal(&daemon).split_off(begun.1);
    assert_eq!(generations(&written), expected, "{written:#?}");

    for ((verb, answer), (event, line)) in answers.iter().zip(told.iter().zip(&written)) {
        for (record, verb_of) in [(event, &event["verb"]), (line, &line["verb"])] {
            assert_eq!(verb_of, verb, "{record}");
            for word in ["old_word", "new_word"] {
                assert_eq!(record[word], answer[word], "{verb}: {record}");
            }
            assert_eq!(record["generation"], answer["generation"], "{record}");
            assert_eq!(record["switch"], "web");
            let who = record["who"].as_str().unwrap();
            assert_eq!(who, format!("uid 0, pid {}", std::process::id()), "{record}");
        }
        assert_eq!(line["result"], "ok");
    }
    // Each word is the one before it, until the configuration.
    for pair in written.windows(2).filter(|pair| !pair[1]["old_word"].is_null()) {
        assert_eq!(pair[0]["new_word"], pair[1]["old_word"]);
    }
    assert_eq!(written.last().unwrap()["verb"], "apply");
    assert_eq!(written[written.len() - 2]["new_word"], status["switches"][0]["word"]);
}

/// What a receiver has to say.
trait Or {
    fn is_err_or(&self, condition: impl FnOnce(&Value) -> bool) -> bool;
}

impl<E> Or for Result<Value, E> {
    fn is_err_or(&self, condition: impl FnOnce(&Value) -> bool) -> bool {
        self.as_ref().map_or(true, condition)
    }
}
