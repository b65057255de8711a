//! The socket: HTTP/1.1 and JSON. A handler reads the request, writes to the owner, and answers.

use std::{io, os::unix::fs::FileTypeExt as _, path::Path, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{
        ConnectInfo, DefaultBodyLimit, FromRequest, FromRequestParts, Path as UrlPath, Request, State,
        connect_info::Connected,
    },
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::IncomingStream,
};
use bytes::Bytes;
use futures::stream;
use nix::sys::stat::{Mode, umask};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixListener, sync::broadcast::error::RecvError};

use super::message::{
    Apply, Change, Drain, Event, Explain, Failure, FailureCode, Flip, Happening, Rollback, Weight,
};
use crate::owner::{
    Now, Refusal, Who,
    task::{Letter, Mailbox},
};

/// The largest request body: a configuration of 10,000 services fits.
const BODY_LIMIT: usize = 16 << 20;
/// The longest that a client may have at-risk connections watched after a change.
const LONGEST_SAMPLE: Duration = Duration::from_secs(1);

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
struct Peer(Who);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        match stream.io().peer_cred() {
            Ok(credentials) => Self(Who::Peer { uid: credentials.uid(), pid: credentials.pid() }),
            // The kernel always knows; `nobody` if it should not.
            Err(_) => Self(Who::Peer { uid: 65534, pid: None }),
        }
    }
}

/// Binds the socket, for owner and group only from its first moment on.
///
/// # Errors
///
/// A daemon answers there already, something else than a socket is there, or the directory cannot be written.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::other("there is a file of this name, and it is not a socket"));
        }
        Ok(_) => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::Error::other(
                    "another daemon answers there; stop it, or name another socket",
                ));
            }
            std::fs::remove_file(path)?;
        }
        Err(_) => {}
    }
    let before = umask(Mode::from_bits_truncate(0o117));
    let listener = UnixListener::bind(path);
    umask(before);
    listener
}

/// Serves the API until `stop` is done.
///
/// # Errors
///
/// The socket fails.
pub async fn serve(
    listener: UnixListener,
    owner: Mailbox,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let app = router(owner).into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, app).with_graceful_shutdown(stop).await
}

fn router(owner: Mailbox) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/events", get(events))
        .route("/v1/explain", post(explain))
        .route("/v1/apply", post(apply))
        .route("/v1/services/{service}/flip", post(flip))
        .route("/v1/services/{service}/weight", post(weight))
        .route("/v1/services/{service}/rollback", post(rollback))
        .route("/v1/services/{service}/drain", post(drain))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(owner)
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self.code {
            FailureCode::Invalid => StatusCode::BAD_REQUEST,
            FailureCode::NotFound => StatusCode::NOT_FOUND,
            FailureCode::Denied => StatusCode::FORBIDDEN,
            FailureCode::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            FailureCode::Conflict => StatusCode::CONFLICT,
            FailureCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(self)).into_response()
    }
}

/// A JSON body; what cannot be read is a [`Failure`] that says where. An empty body is `{}`.
struct JsonBody<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let invalid = |message: String| Failure { code: FailureCode::Invalid, message };
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| invalid(format!("the body cannot be read: {}", error.body_text())))?;
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        // serde would take an array's items for the fields in their order: `[]` must not flip anything.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(invalid("the body is not a JSON object; write {} or {\"field\": value}".into()));
        }
        serde_json::from_slice(bytes)
            .map(Self)
            .map_err(|error| invalid(format!("the body is not as expected: {error}")))
    }
}

/// The service that a path names; a name that is not text is a [`Failure`].
struct ServiceName(String);

impl<S: Send + Sync> FromRequestParts<S> for ServiceName {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let UrlPath(name) = UrlPath::from_request_parts(parts, state).await.map_err(|error| Failure {
            code: FailureCode::Invalid,
            message: format!("the service's name cannot be read: {}", error.body_text()),
        })?;
        Ok(Self(name))
    }
}

type Answer<T> = Result<Json<T>, Failure>;
type Owner = State<Mailbox>;
type Caller = ConnectInfo<Peer>;

async fn status(State(owner): Owner) -> Answer<impl Serialize> {
    owner.ask(Letter::Status).await.map(Json)
}

async fn explain(State(owner): Owner, JsonBody(request): JsonBody<Explain>) -> Answer<impl Serialize> {
    owner.ask(|answer| Letter::Explain(request, answer)).await.map(Json)
}

async fn apply(
    State(owner): Owner,
    ConnectInfo(Peer(who)): Caller,
    JsonBody(request): JsonBody<Apply>,
) -> Answer<impl Serialize> {
    owner.ask(|answer| Letter::Apply(request, who, answer)).await.map(Json)
}

async fn flip(
    State(owner): Owner,
    ConnectInfo(Peer(who)): Caller,
    ServiceName(service): ServiceName,
    JsonBody(request): JsonBody<Flip>,
) -> Answer<Change> {
    let sample = request.sample_ms;
    let change = owner.ask(|answer| Letter::Flip(service.clone(), request, who, answer)).await?;
    sampled(&owner, service, change, sample).await
}

async fn weight(
    State(owner): Owner,
    ConnectInfo(Peer(who)): Caller,
    ServiceName(service): ServiceName,
    JsonBody(request): JsonBody<Weight>,
) -> Answer<Change> {
    let sample = request.sample_ms;
    let change = owner.ask(|answer| Letter::Weight(service.clone(), request, who, answer)).await?;
    sampled(&owner, service, change, sample).await
}

async fn rollback(
    State(owner): Owner,
    ConnectInfo(Peer(who)): Caller,
    ServiceName(service): ServiceName,
    JsonBody(request): JsonBody<Rollback>,
) -> Answer<Change> {
    let sample = request.sample_ms;
    let change = owner.ask(|answer| Letter::Rollback(service.clone(), request, who, answer)).await?;
    sampled(&owner, service, change, sample).await
}

async fn drain(
    State(owner): Owner,
    ConnectInfo(Peer(who)): Caller,
    ServiceName(service): ServiceName,
    JsonBody(request): JsonBody<Drain>,
) -> Answer<Change> {
    owner.ask(|answer| Letter::Drain(service, request, who, answer)).await.map(Json)
}

/// The change has been made; whoever asks for it is told how many connections it has put at risk, as far as
/// they have sent something by then.
async fn sampled(owner: &Mailbox, service: String, mut change: Change, sample_ms: u64) -> Answer<Change> {
    if sample_ms > 0 && change.transition {
        tokio::time::sleep(Duration::from_millis(sample_ms).min(LONGEST_SAMPLE)).await;
        let seen: Refusal<u64> = owner.ask(|answer| Letter::AtRisk(service, answer)).await;
        change.at_risk = seen.unwrap_or(change.at_risk);
    }
    Ok(Json(change))
}

/// NDJSON, one event a line, until the client goes away.
async fn events(State(owner): Owner) -> Response {
    let receiver = owner.events();
    let lines = stream::unfold(receiver, |mut receiver| async {
        let event = match receiver.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(count)) => {
                Event { at: Now::read().unix, generation: 0, what: Happening::Missed { count } }
            }
            Err(RecvError::Closed) => return None,
        };
        let mut line = serde_json::to_vec(&event).unwrap_or_default();
        line.push(b'\n');
        Some((Ok::<_, io::Error>(Bytes::from(line)), receiver))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

async fn nothing_here(request: Request) -> Failure {
    Failure { code: FailureCode::NotFound, message: format!("there is no {}", request.uri().path()) }
}

async fn wrong_method(request: Request) -> Failure {
    let message = format!("{} {} is not possible", request.method(), request.uri().path());
    Failure { code: FailureCode::Invalid, message }
}
