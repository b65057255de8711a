use std::os::unix::fs::PermissionsExt as _;

use axum::{
    Json, Router,
    extract::Path as Named,
    http::StatusCode,
    routing::{get, post},
};
use tokio::{io::AsyncReadExt as _, net::UnixListener};

use super::{fake::FakeDaemon, *};
use crate::api::message::ExplainStep;

fn change(switch: &str, green_now: f64) -> Change {
    Change {
        switch: switch.to_owned(),
        services: vec![switch.to_owned()],
        old_word: "0x0".to_owned(),
        new_word: "0x2710".to_owned(),
        green_before: 0.0,
        green_now,
        generation: 2,
        store_ns: 400,
        at_risk: 0,
        transition: true,
        rollback: None,
        warnings: Vec::new(),
    }
}

#[tokio::test]
async fn requests_arrive_and_answers_come_back() {
    let router = Router::new()
        .route(
            "/v1/services/{name}/flip",
            post(async |Named(name): Named<String>, Json(flip): Json<Flip>| {
                assert!(flip.cut && flip.generation == Some(7));
                Json(change(&name, 100.0))
            }),
        )
        .route(
            "/v1/services/{name}/weight",
            post(async |Named(name): Named<String>, Json(weight): Json<Weight>| {
                Json(change(&name, weight.green.trim_end_matches('%').parse().unwrap()))
            }),
        )
        .route(
            "/v1/explain",
            post(async |Json(explain): Json<Explain>| {
                let steps = vec![ExplainStep { what: "client".to_owned(), value: explain.client }];
                Json(Explanation { service: None, steps, opening: None, established: None })
            }),
        );
    let daemon = FakeDaemon::answering(router);
    let client = daemon.client();

    let flip = Flip { to: None, cut: true, generation: Some(7), sample_ms: 0 };
    assert_eq!(client.flip("web-1.a_b", &flip).await.unwrap(), change("web-1.a_b", 100.0));
    let weight = Weight { green: "12.5%".to_owned(), generation: None, sample_ms: 0 };
    assert_eq!(client.weight("web", &weight).await.unwrap().green_now, 12.5);
    let explain = Explain {
        protocol: crate::model::Protocol::Tcp,
        client: "[2001:db8::1]:9".to_owned(),
        vip: "[2001:db8::2]:443".to_owned(),
    };
    assert_eq!(client.explain(&explain).await.unwrap().steps[0].value, "[2001:db8::1]:9");
}

#[tokio::test]
async fn failures_keep_their_code_and_message() {
    let refused = Failure { code: FailureCode::Refused, message: "nothing to roll back".to_owned() };
    let answer = refused.clone();
    let router = Router::new()
        .route(
            "/v1/services/{name}/rollback",
            post(async move || (StatusCode::CONFLICT, Json(answer.clone()))),
        )
        .route("/v1/status", get(async || (StatusCode::BAD_GATEWAY, "oops")));
    let daemon = FakeDaemon::answering(router);

    let error = daemon.client().rollback("web", &Rollback::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Failure(failure) if failure == refused));
    let error = daemon.client().status().await.unwrap_err();
    assert!(matches!(&error, ClientError::Protocol(text) if text.contains("502") && text.contains("oops")));
    let error = daemon.client().drain("a/b", &Drain::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Failure(Failure { code: FailureCode::Invalid, .. })));
}

#[tokio::test]
async fn an_answer_of_another_kind_is_a_protocol_error() {
    let daemon = FakeDaemon::answering(Router::new().route("/v1/status", get(async || Json("hello"))));
    assert!(matches!(daemon.client().status().await, Err(ClientError::Protocol(_))));
}

#[tokio::test]
async fn events_come_line_by_line_whatever_the_frames() {
    let events = async || {
        let chunks = ["{\"a\"", ":1}\n\n{\"b\":2}\n{\"c", "\":3}\n"].map(Ok::<_, io::Error>);
        axum::body::Body::from_stream(futures::stream::iter(chunks))
    };
    let router = Router::new().route("/v1/events", get(events));
    let daemon = FakeDaemon::answering(router);
    let mut events = daemon.client().events().await.unwrap();
    let mut lines = Vec::new();
    while let Some(line) = events.next_line().await.unwrap() {
        lines.push(line);
    }
    assert_eq!(lines, ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
}

#[tokio::test]
async fn silence_times_out_and_says_that_the_state_is_unknown() {
    let router = Router::new().route("/v1/services/{name}/flip", post(std::future::pending::<String>));
    let daemon = FakeDaemon::answering(router);
    let client = daemon.client().with_timeout(Duration::from_millis(50));
    let error = client.flip("web", &Flip::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }));
    assert!(error.to_string().contains("within 50ms"), "{error}");
}

#[tokio::test]
async fn a_daemon_that_dies_in_between_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
    });
    let error = Client::new(path).status().await.unwrap_err();
    assert!(matches!(error, ClientError::Lost(_)), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let error = Client::new(&path).status().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }));
    drop(UnixListener::bind(&path).unwrap());
    let error = Client::new(&path).status().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }));
    assert!(error.to_string().contains("--socket"), "{error}");
}

#[tokio::test]
async fn a_socket_of_others_is_denied() {
    // Permissions do not hold root back.
    if nix::unistd::geteuid().is_root() {
        return;
    }
    let daemon = FakeDaemon::answering(Router::new());
    std::fs::set_permissions(daemon.socket(), std::fs::Permissions::from_mode(0o0)).unwrap();
    assert!(matches!(daemon.client().status().await, Err(ClientError::Denied { .. })));
}
