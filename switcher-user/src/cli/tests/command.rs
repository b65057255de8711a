use std::sync::atomic::{AtomicUsize, Ordering};

use anstream::adapter::strip_str;
use axum::{
    Json, Router,
    http::StatusCode,
    routing::{get, post},
};
use clap::Parser as _;

use super::{change, in_transition, steady, with_problems};
use crate::{
    api::{
        client::{Client, fake::FakeDaemon},
        message::{Applied, Apply, Drain, Failure, FailureCode, Flip, Status},
    },
    cli::{
        args::Cli,
        run::run,
        session::{Session, Terminals},
    },
};

/// Exit code, standard output and standard error of a command.
async fn switcher(client: Client, line: &str) -> (u8, String, String) {
    let cli = Cli::try_parse_from(format!("switcher {line}").split(' ')).unwrap();
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let mut session = Session {
        client,
        json: cli.global.json,
        out: &mut out,
        notes: &mut notes,
        terminals: Terminals::default(),
    };
    let exit = run(&mut session, cli.command).await;
    let text = |bytes: Vec<u8>| strip_str(&String::from_utf8(bytes).unwrap()).to_string();
    (exit as u8, text(out), text(notes))
}

fn showing(status: Status) -> FakeDaemon {
    FakeDaemon::answering(Router::new().route("/v1/status", get(async move || Json(status.clone()))))
}

#[tokio::test]
async fn status_says_by_its_exit_code_whether_all_is_well() {
    let daemon = showing(steady());
    let (exit, out, notes) = switcher(daemon.client(), "status").await;
    assert!(exit == 0 && out.contains("switch shop") && notes.is_empty(), "{out}{notes}");
    let daemon = showing(with_problems());
    let (exit, out, _) = switcher(daemon.client(), "status web --json").await;
    assert_eq!(exit, 8);
    assert_eq!(serde_json::from_str::<Status>(&out).unwrap(), with_problems());
    let (exit, _, notes) = switcher(daemon.client(), "status wbe").await;
    assert_eq!((exit, notes.as_str()), (1, "error: there is no service \"wbe\"; there is: web\n"));
}

#[tokio::test]
async fn a_flip_is_shown_and_its_drain_waited_for() {
    static POLLS: AtomicUsize = AtomicUsize::new(0);
    let router = Router::new()
        .route(
            "/v1/services/{name}/flip",
            post(async |Json(flip): Json<Flip>| {
                assert_eq!(flip, Flip { to: None, cut: false, generation: Some(12), sample_ms: 100 });
                Json(change())
            }),
        )
        .route(
            "/v1/status",
            get(async || {
                let mut status = in_transition();
                status.switches[0].green = 100.0;
                if POLLS.fetch_add(1, Ordering::Relaxed) > 0 {
                    status.switches[0].transition = None;
                }
                Json(status)
            }),
        );
    let daemon = FakeDaemon::answering(router);
    let (exit, out, notes) = switcher(daemon.client(), "flip web --generation 12 --wait").await;
    assert_eq!(exit, 0);
    assert!(out.contains("switcher rollback web --generation 13"), "{out}");
    assert_eq!(
        notes,
        "warning: the journal cannot be written: no space\n\
         switch shop: draining, about 37 at risk, quiet 12s of 10m, deadline in 52m\n\
         switch shop: drained after 1s\n"
    );
}

#[tokio::test]
async fn waiting_ends_when_overtaken_and_when_time_is_up() {
    let router = Router::new()
        .route("/v1/services/{name}/weight", post(async || Json(change())))
        .route("/v1/status", get(async || Json(in_transition())));
    let daemon = FakeDaemon::answering(router);
    let (exit, _, notes) = switcher(daemon.client(), "weight web green=100% --wait").await;
    assert!(exit == 6 && notes.contains("green has 62.5%, this command had set 100%"), "{notes}");
    let (exit, _, notes) = switcher(daemon.client(), "drain web --wait --wait-timeout 0s").await;
    assert!(exit == 7 && notes.contains("switch shop still drains after 0s"), "{notes}");
}

#[tokio::test]
async fn a_cut_needs_a_yes() {
    let router = Router::new().route(
        "/v1/services/{name}/drain",
        post(async |Json(drain): Json<Drain>| {
            assert!(drain.cut);
            Json(change())
        }),
    );
    let daemon = FakeDaemon::answering(router);
    let (exit, out, notes) = switcher(daemon.client(), "drain web --cut").await;
    assert!(exit == 2 && out.is_empty() && notes.contains("--yes"), "{notes}");
    assert_eq!(switcher(daemon.client(), "drain web --cut --yes").await.0, 0);
    assert_eq!(switcher(daemon.client(), "flip web green --cut").await.0, 2);
}

#[tokio::test]
async fn drain_alone_shows_what_is_left() {
    let daemon = showing(in_transition());
    let (exit, out, _) = switcher(daemon.client(), "drain web").await;
    assert!(exit == 0 && out.contains("└─ from green 0%, for "), "{out}");
    let daemon = showing(steady());
    let (exit, out, _) = switcher(daemon.client(), "drain web").await;
    assert!(exit == 0 && out.ends_with("└─ nothing drains\n"), "{out}");
}

#[tokio::test]
async fn failures_are_told_and_coded() {
    let refuse = async || {
        let message = "nothing to roll back".to_owned();
        (StatusCode::CONFLICT, Json(Failure { code: FailureCode::Refused, message }))
    };
    let daemon = FakeDaemon::answering(Router::new().route("/v1/services/{name}/rollback", post(refuse)));
    let answer = switcher(daemon.client(), "rollback web").await;
    assert_eq!(answer, (5, String::new(), "error: nothing to roll back\n".to_owned()));
    let (exit, _, notes) = switcher(Client::new("/nonexistent/socket"), "status --watch").await;
    assert!(exit == 3 && notes.contains("/nonexistent/socket"), "{notes}");
}

#[tokio::test]
async fn apply_sends_the_file() {
    let apply = async |Json(apply): Json<Apply>| {
        assert_eq!((apply.config.as_str(), apply.dry_run), ("# empty", true));
        Json(Applied { plan: Vec::new(), applied: false, generation: 3, warnings: Vec::new() })
    };
    let daemon = FakeDaemon::answering(Router::new().route("/v1/apply", post(apply)));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "# empty").unwrap();
    let (exit, out, _) =
        switcher(daemon.client(), &format!("apply --dry-run {}", file.path().display())).await;
    assert!(exit == 0 && out.starts_with("nothing to do"), "{out}");
    let (exit, _, notes) = switcher(daemon.client(), "apply /nonexistent/file").await;
    assert!(exit == 1 && notes.contains("/nonexistent/file: No such file"), "{notes}");
}

#[tokio::test]
async fn events_pass_through_as_json() {
    let daemon =
        FakeDaemon::answering(Router::new().route("/v1/events", get(async || "{\"a\":1}\n{\"b\":2}\n")));
    let (exit, out, notes) = switcher(daemon.client(), "events --json").await;
    assert_eq!(
        (exit, out.as_str(), notes.as_str()),
        (0, "{\"a\":1}\n{\"b\":2}\n", "switcherd has ended the stream\n")
    );
}

#[tokio::test]
async fn check_needs_no_daemon() {
    let nobody = || Client::new("/nonexistent/socket");
    let (exit, out, notes) = switcher(nobody(), "check /nonexistent/file").await;
    assert!(exit == 1 && out.is_empty() && notes.contains("/nonexistent/file"), "{notes}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = r#"
        [[interface]]
        name = "eth0"
        [[service]]
        name = "web"
        vip = "192.0.2.10:443"
        protocol = "tcp"
        switch = "shop"
        blue = [{ address = "10.0.0.11:8443" }]
        green = [{ address = "10.0.0.21:8443" }]
        [[service]]
        name = "dns"
        vip = "192.0.2.10:53"
        protocol = "udp"
        switch = "shop"
        blue = [{ address = "10.0.0.11:53" }]
        green = [{ address = "10.0.0.21:53" }]
    "#;
    std::fs::write(file.path(), config).unwrap();
    let path = file.path().display();
    let expected = format!("{path}: ok: 2 services on 1 switch, 1 interface\n");
    assert_eq!(switcher(nobody(), &format!("check {path}")).await, (0, expected, String::new()));
}
