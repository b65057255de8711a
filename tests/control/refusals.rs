//! Requests that cannot be carried out: each says why and what to do, and changes nothing.

use serde_json::{Value, json};
use switcher_tests::daemon::Daemon;
use switcher_tests::require::{Feature, available};
use switcher_tests::topology::Topology;

use crate::{config, files, settled};

/// Method, path, body, status, code, and what the message says.
type Row = (&'static str, String, Option<Value>, u16, &'static str, &'static [&'static str]);

fn post(path: &str, body: Value, status: u16, code: &'static str, said: &'static [&'static str]) -> Row {
    ("POST", path.into(), Some(body), status, code, said)
}

fn web(verb: &str, body: Value, status: u16, code: &'static str, said: &'static [&'static str]) -> Row {
    post(&format!("/v1/services/web/{verb}"), body, status, code, said)
}

/// Asks, and compares everything before and after.
fn refused(daemon: &Daemon, rows: &[Row]) {
    for (method, path, body, status, code, said) in rows {
        let before = (settled(daemon), files(daemon));
        let answer = daemon.api(method, path, body.as_ref());
        let what = format!("{method} {path} {}", body.clone().unwrap_or_default());
        let what: String = what.chars().take(300).collect();
        assert_eq!(answer.0, *status, "{what}: {answer:?}");
        assert_eq!(answer.1["code"], json!(code), "{what}: {answer:?}");
        let message = answer.1["message"].as_str().unwrap_or_default();
        for fragment in *said {
            assert!(message.contains(fragment), "{what}: no {fragment:?} in {message:?}");
        }
        let after = (settled(daemon), files(daemon));
        assert_eq!(before.0, after.0, "{what}: the status has changed");
        assert!(before.1 == after.1, "{what}: the state directory has changed");
    }
}

fn share(green: &str) -> Value {
    json!({ "green": green })
}

fn requests() -> Vec<Row> {
    let mut rows = vec![
        ("GET", "/".into(), None, 404, "not_found", &["there is no /"][..]),
        ("GET", "/v2/status".into(), None, 404, "not_found", &["/v2/status"]),
        ("GET", "/v1/status/".into(), None, 404, "not_found", &["/v1/status/"]),
        ("POST", "/v1/status".into(), None, 400, "invalid", &["POST /v1/status is not possible"]),
        ("GET", "/v1/services/web/flip".into(), None, 400, "invalid", &["GET", "is not possible"]),
        ("DELETE", "/v1/services/web/flip".into(), None, 400, "invalid", &["DELETE"]),
        post("/v1/services/nobody/flip", json!({}), 404, "not_found", &["\"nobody\"", "known: web, voice"]),
        post("/v1/services/nobody/weight", share("5"), 404, "not_found", &["\"nobody\""]),
        post("/v1/services/nobody/rollback", json!({}), 404, "not_found", &["\"nobody\""]),
        post("/v1/services/nobody/drain", json!({}), 404, "not_found", &["\"nobody\""]),
        post("/v1/services//flip", json!({}), 404, "not_found", &[]),
        post("/v1/services/WEB/flip", json!({}), 404, "not_found", &["\"WEB\""]),
        post("/v1/services/web%20/flip", json!({}), 404, "not_found", &["\"web \""]),
        post("/v1/services/web%2Fflip/flip", json!({}), 404, "not_found", &["\"web/flip\""]),
        post("/v1/services/%00/flip", json!({}), 404, "not_found", &["there is no service"]),
        post("/v1/services/%2e%2e/flip", json!({}), 404, "not_found", &["\"..\""]),
        post("/v1/services/%E2%82%AC%22/flip", json!({}), 404, "not_found", &["there is no service"]),
        post("/v1/services/%FF/flip", json!({}), 400, "invalid", &["UTF-8"]),
        web("flop", json!({}), 404, "not_found", &["/v1/services/web/flop"]),
        web("flip", json!({ "to": "red" }), 400, "invalid", &["red", "blue", "green"]),
        web("flip", json!({ "to": "Green" }), 400, "invalid", &["Green"]),
        web("flip", json!({ "to": 1 }), 400, "invalid", &["body"]),
        web("flip", json!({ "too": "green" }), 400, "invalid", &["`too`", "`to`"]),
        web("flip", json!({ "cut": "yes" }), 400, "invalid", &["yes", "boolean"]),
        web("flip", json!({ "generation": -1 }), 400, "invalid", &["-1"]),
        web("flip", json!({ "generation": 1_000_000 }), 409, "conflict", &["1000000", "current", "status"]),
        web("flip", json!([]), 400, "invalid", &["body"]),
        web("flip", json!(["green", true]), 400, "invalid", &["body", "object"]),
        web("flip", json!("green"), 400, "invalid", &["body"]),
        web("flip", Value::Null, 400, "invalid", &["body"]),
        web("weight", json!({}), 400, "invalid", &["`green`"]),
        web("weight", json!({ "green": 50 }), 400, "invalid", &["50", "string"]),
        web("weight", json!({ "green": "5", "blue": "95" }), 400, "invalid", &["`blue`"]),
        web("weight", json!({ "green": "5", "generation": 0 }), 409, "conflict", &["generation 0"]),
        web("rollback", json!({}), 422, "refused", &["nothing to roll back", "switcher flip web"]),
        web("rollback", json!({ "cut": true }), 400, "invalid", &["`cut`"]),
        web("drain", json!({}), 422, "refused", &["\"web\" is not draining"]),
        web("drain", json!({ "cut": true }), 422, "refused", &["\"web\" is not draining"]),
        post("/v1/explain", json!({}), 400, "invalid", &["`protocol`"]),
    ];
    for wrong in ["101", "100.01", "12.345", "-1", "", "%", "1e1", "NaN", "½", "5 %", "0x10"] {
        rows.push(web(
            "weight",
            share(wrong),
            400,
            "invalid",
            &["green: ", "is not a share", "such as 12.5%"],
        ));
    }
    let explain = |protocol: &str, client: &str, vip: &str| json!({ "protocol": protocol, "client": client, "vip": vip });
    let asked = |body, said| post("/v1/explain", body, 400, "invalid", said);
    rows.push(asked(explain("icmp", "10.0.0.1:1", "192.0.2.10:7"), &["icmp"]));
    rows.push(asked(
        explain("tcp", "10.0.0.1", "192.0.2.10:7"),
        &["client: ", "\"10.0.0.1\"", "write 192.0.2.1:80"],
    ));
    rows.push(asked(explain("tcp", "10.0.0.1:1", "web"), &["vip: ", "\"web\""]));
    rows.push(asked(explain("tcp", "10.0.0.1:99999", "192.0.2.10:7"), &["99999"]));
    rows.push(asked(explain("tcp", "[2001:db8::1]:1", "192.0.2.10:7"), &["different families"]));
    rows
}

#[test]
fn a_refused_request_says_why_and_changes_nothing() {
    if !available(&Feature::ALL) {
        return;
    }
    let topology = Topology::new();
    let daemon = Daemon::start(&topology, &config().build());
    refused(&daemon, &requests());

    // In a transition, and after a rollback.
    daemon.post("/v1/services/web/flip", &json!({ "to": "green" }));
    refused(
        &daemon,
        &[web("drain", json!({}), 422, "refused", &["is draining", "switcher drain web --cut"])],
    );
    refused(&daemon, &requests()[..34]);
    daemon.post("/v1/services/web/rollback", &json!({}));
    refused(&daemon, &[web("rollback", json!({}), 422, "refused", &["nothing to roll back"])]);
    daemon.post("/v1/services/web/drain", &json!({ "cut": true }));
    refused(&daemon, &[web("drain", json!({ "cut": true }), 422, "refused", &["is not draining"])]);

    // What is no request, or too much of one, is answered or cut off, and nobody else notices.
    let before = settled(&daemon);
    for raw in [
        "POST /v1/services/web/flip HTTP/1.1\r\nhost: x\r\ncontent-length: 12\r\n\r\n{\"to\": green}",
        "POST /v1/services/web/flip HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n{\"to\": \"g",
        "POST /v1/services/web/flip HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n\u{7f}\u{1}x",
        "nonsense\r\n\r\n",
        "GET /v1/status HTTP/9.9\r\n\r\n",
    ] {
        let answer = crate::slow::raw(&daemon, raw);
        assert!(answer.starts_with("HTTP/1.1 400") || answer.is_empty(), "{raw:?}: {answer}");
    }
    let large = json!({ "config": "#".repeat(17 << 20) });
    if let Ok((status, answer)) =
        switcher_tests::api::request(&daemon.socket(), "POST", "/v1/apply", Some(&large))
    {
        assert!(status == 400 && answer["message"].as_str().unwrap().contains("limit"), "{status} {answer}");
    }
    assert_eq!(settled(&daemon), before);
    // An empty body is the defaults.
    assert_eq!(daemon.api("POST", "/v1/services/web/flip", None).0, 200);
}

/// A change to the configuration's text, and what is said to it.
type Change = (&'static str, &'static str, u16, &'static str, &'static [&'static str]);

const CHANGES: &[Change] = &[
    ("name = \"web\"", "name = ", 400, "invalid", &["line ", "TOML"]),
    ("name = \"web\"", "nmae = \"web\"", 400, "invalid", &["nmae", "name"]),
    ("name = \"web\"", "name = \"w b\"", 400, "invalid", &["\"w b\"", "letters"]),
    ("name = \"voice\"", "name = \"web\"", 400, "invalid", &["\"web\"", "another name"]),
    ("protocol = \"udp\"", "protocol = \"icmp\"", 400, "invalid", &["\"icmp\"", "\"tcp\""]),
    ("vip = \"192.0.2.10:7\"", "vip = \"192.0.2.10\"", 400, "invalid", &["vip", "has no port"]),
    ("vip = \"192.0.2.10:7\"", "vip = \"[2001:db8::1]:7\"", 400, "invalid", &["10.0.1.2:7"]),
    ("address = \"10.0.1.3:7\"", "address = \"10.0.1.2:7\"", 400, "invalid", &["10.0.1.2:7", "also"]),
    ("address = \"10.0.1.3:7\"", "address = \"192.0.2.10:7\"", 400, "invalid", &["is the vip"]),
    (
        "address = \"10.0.1.3:7\"",
        "address = \"10.0.1.3:7\"\nweight = 65536",
        400,
        "invalid",
        &["weight", "65535"],
    ),
    ("quiet = \"1h\"", "quiet = \"3h\"", 400, "invalid", &["deadline", "shorter"]),
    ("flow_entries = 1024", "flow_entries = 1000", 400, "invalid", &["flow_entries", "1024"]),
    ("max_services = 4", "max_services = 2", 400, "invalid", &["max_services"]),
    ("udp = \"sticky\"", "udp = \"switch\"", 422, "refused", &["voice", "udp cannot change"]),
    (
        "udp = \"sticky\"",
        "udp = \"sticky\"\naffinity = \"client\"",
        422,
        "refused",
        &["voice", "affinity cannot"],
    ),
    ("udp = \"sticky\"", "udp = \"sticky\"\nring = 251", 422, "refused", &["voice", "ring cannot"]),
    ("switch = \"web\"", "switch = \"other\"", 422, "refused", &["voice", "switch cannot", "add it anew"]),
];

#[test]
fn a_refused_configuration_says_why_and_changes_nothing() {
    if !available(&Feature::ALL) {
        return;
    }
    let topology = Topology::new();
    let daemon = Daemon::start(&topology, &config().build());
    let text = daemon.complete(&config().build());
    let row =
        |text: String, status, code, said| post("/v1/apply", json!({ "config": text }), status, code, said);
    let mut rows = vec![
        post("/v1/apply", json!({}), 400, "invalid", &["`config`"]),
        post("/v1/apply", json!({ "config": 1 }), 400, "invalid", &["string"]),
        post("/v1/apply", json!({ "config": text, "generation": 9999 }), 409, "conflict", &["9999"]),
        row("{".into(), 400, "invalid", &["line 1", "TOML"]),
        row(String::new(), 400, "invalid", &["interface"]),
    ];
    for (from, to, status, code, said) in CHANGES {
        assert!(text.contains(from), "{from} is not in\n{text}");
        rows.push(row(text.replacen(from, to, 1), *status, code, said));
    }
    // More than there is room for: fresh services and fresh backends, within what the file may say.
    let mut services = config().daemon("max_services", 100).daemon("max_backends", 1000);
    for port in 100..103 {
        let at =
            |color, host| std::net::SocketAddr::new(switcher_tests::address::backend4(color, host), port);
        use switcher_tests::Color::{Blue, Green};
        let vip = std::net::SocketAddr::new(switcher_tests::address::VIP4, port);
        let service = switcher_tests::config::ServiceBuilder::tcp(&format!("more{port}"), vip);
        services = services.service(service.backend(Blue, at(Blue, 2)).backend(Green, at(Green, 2)));
    }
    rows.push(row(
        daemon.complete(&services.build()),
        422,
        "refused",
        &["services", "room for 3", "daemon.max_services"],
    ));
    let mut web = crate::web();
    for host in 20..40 {
        let address = switcher_tests::address::backend4(switcher_tests::Color::Blue, host);
        web = web.backend(switcher_tests::Color::Blue, std::net::SocketAddr::new(address, 7));
    }
    let more = switcher_tests::config::ConfigBuilder::new().daemon("flow_entries", 1024);
    let more = more.service(web).service(crate::voice());
    rows.push(row(
        daemon.complete(&more.build()),
        422,
        "refused",
        &["backends", "room for 9", "daemon.max_backends"],
    ));
    refused(&daemon, &rows);

    // Nothing to do is no change; neither is a rehearsal.
    let before = (settled(&daemon), files(&daemon));
    let answer = daemon.post("/v1/apply", &json!({ "config": text }));
    assert_eq!((&answer["plan"], &answer["applied"]), (&json!([]), &json!(false)));
    let other = text.replacen("10.0.1.3:7", "10.0.1.4:7", 1);
    let answer = daemon.post("/v1/apply", &json!({ "config": other, "dry_run": true }));
    assert_eq!((answer["plan"].as_array().map(Vec::len), &answer["applied"]), (Some(2), &json!(false)));
    assert_eq!(before, (settled(&daemon), files(&daemon)));

    // A backend that still drains cannot change its color.
    daemon.post("/v1/apply", &json!({ "config": other }));
    let moved = other.replacen("10.0.2.3:7", "10.0.1.3:7", 1);
    let said = &["10.0.1.3:7", "still serves connections as blue", "when that has drained"][..];
    refused(&daemon, &[row(moved.clone(), 422, "refused", said)]);
    daemon.post("/v1/services/web/drain", &json!({ "cut": true }));
    assert_eq!(daemon.post("/v1/apply", &json!({ "config": moved }))["applied"], json!(true));
}
