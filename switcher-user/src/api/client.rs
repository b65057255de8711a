//! The client's end of the unix socket: one connection per request, every failure told apart by what to do.

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, time::timeout};

use super::message::{
    Applied, Apply, Change, Drain, Explain, Explanation, Failure, FailureCode, Flip, Rollback, Status, Weight,
};

/// How long an answer may take unless [`Client::with_timeout`] says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no answer, or not the one asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the socket; nothing was asked.
    #[error(
        "cannot reach switcherd at {}: {source}\n\
         Is switcherd running (systemctl status switcherd)? Is this its socket (--socket PATH, SWITCHER_SOCKET)?",
        path.display()
    )]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The socket may not be opened by this user; nothing was asked.
    #[error(
        "may not open {}: {source}\n\
         Join the group that owns the socket (ls -l shows it), or run this as root",
        path.display()
    )]
    Denied {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The daemon said no; nothing has changed.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// No answer in time; a change may or may not have been made.
    #[error(
        "no answer from switcherd within {}: what was asked for may or may not have been done\n\
         Look at `switcher status` before trying again, or give it longer (--timeout)",
        humantime::format_duration(*after)
    )]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The connection ended before the answer did; a change may or may not have been made.
    #[error(
        "switcherd went away before it answered ({0}): what was asked for may or may not have been done\n\
         Look at `switcher status` before trying again"
    )]
    Lost(#[source] hyper::Error),
    /// An answer that does not follow the protocol.
    #[error("{0}\nIs it switcherd that listens on this socket, of the same version as this command?")]
    Protocol(String),
}

/// A way to ask the daemon. Holds no connection: a daemon that restarts in between is not noticed.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
    timeout: Duration,
}

impl Client {
    /// A client of the daemon that listens on the socket at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), timeout: TIMEOUT }
    }

    /// The same client with another time that an answer may take.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the daemon and the data plane are doing.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.ask(Method::GET, "/v1/status", Bytes::new()).await
    }

    /// Sends all new connections of a service's switch to one color.
    pub async fn flip(&self, service: &str, flip: &Flip) -> Result<Change, ClientError> {
        self.post(&of_service(service, "flip")?, flip).await
    }

    /// Sets the share of new connections that get green.
    pub async fn weight(&self, service: &str, weight: &Weight) -> Result<Change, ClientError> {
        self.post(&of_service(service, "weight")?, weight).await
    }

    /// Takes the last change of a service's switch back.
    pub async fn rollback(&self, service: &str, rollback: &Rollback) -> Result<Change, ClientError> {
        self.post(&of_service(service, "rollback")?, rollback).await
    }

    /// Ends the running transition of a service's switch.
    pub async fn drain(&self, service: &str, drain: &Drain) -> Result<Change, ClientError> {
        self.post(&of_service(service, "drain")?, drain).await
    }

    /// Makes a configuration the running one, or shows what that would do.
    pub async fn apply(&self, apply: &Apply) -> Result<Applied, ClientError> {
        self.post("/v1/apply", apply).await
    }

    /// Where a connection goes and why.
    pub async fn explain(&self, explain: &Explain) -> Result<Explanation, ClientError> {
        self.post("/v1/explain", explain).await
    }

    /// What happens from now on. The time-out is for the beginning of the stream only.
    pub async fn events(&self) -> Result<Events, ClientError> {
        let request = request(Method::GET, "/v1/events", Bytes::new())?;
        let response = self.in_time(self.send(request)).await?;
        if response.status() != StatusCode::OK {
            let status = response.status();
            return Err(failure(status, &self.in_time(body(response)).await?));
        }
        Ok(Events { body: response.into_body(), buffer: BytesMut::new() })
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        message: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(message).map_err(|error| {
            ClientError::Protocol(format!("the request cannot be written as JSON: {error}"))
        })?;
        self.ask(Method::POST, path, body.into()).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        json: Bytes,
    ) -> Result<T, ClientError> {
        let request = request(method, path, json)?;
        let exchange = async {
            let response = self.send(request).await?;
            Ok((response.status(), body(response).await?))
        };
        let (status, body) = self.in_time(exchange).await?;
        if status != StatusCode::OK {
            return Err(failure(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| {
            ClientError::Protocol(format!("the answer to {path} is not understood: {error}"))
        })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        let stream = UnixStream::connect(&self.path).await.map_err(|source| {
            let path = self.path.clone();
            match source.kind() {
                io::ErrorKind::PermissionDenied => ClientError::Denied { path, source },
                _ => ClientError::Unreachable { path, source },
            }
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
        // The connection's own error reaches the sender too.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(lost)
    }

    async fn in_time<T>(
        &self,
        exchange: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        timeout(self.timeout, exchange).await.unwrap_or(Err(ClientError::TimedOut { after: self.timeout }))
    }
}

/// The stream of events, line by line.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    buffer: BytesMut,
}

impl Events {
    /// The next line, an [`Event`](super::message::Event) in JSON; nothing when the daemon ends the stream.
    ///
    /// Can be dropped and called again without losing anything.
    pub async fn next_line(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                if !line.is_empty() {
                    return Ok(Some(line));
                }
            } else {
                let Some(frame) = self.body.frame().await else { return Ok(None) };
                if let Ok(data) = frame.map_err(ClientError::Lost)?.into_data() {
                    self.buffer.extend_from_slice(&data);
                }
            }
        }
    }
}

fn of_service(name: &str, verb: &str) -> Result<String, ClientError> {
    let possible = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 63 || !name.bytes().all(possible) {
        let message = format!(
            "\"{name}\" cannot be a service: names have 1 to 63 letters, digits, \"-\", \"_\" and \".\"; \
             `switcher status` lists those there are"
        );
        return Err(Failure { code: FailureCode::Invalid, message }.into());
    }
    Ok(format!("/v1/services/{name}/{verb}"))
}

fn request(method: Method, path: &str, json: Bytes) -> Result<Request<Full<Bytes>>, ClientError> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "switcher")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(json))
        .map_err(|error| ClientError::Protocol(format!("{path} cannot be asked for: {error}")))
}

async fn body(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    Ok(response.into_body().collect().await.map_err(lost)?.to_bytes())
}

fn failure(status: StatusCode, body: &[u8]) -> ClientError {
    serde_json::from_slice::<Failure>(body).map_or_else(
        |_| {
            let body = String::from_utf8_lossy(body);
            ClientError::Protocol(format!(
                "HTTP status {status} without a reason; the body is {:?}",
                body.trim()
            ))
        },
        ClientError::Failure,
    )
}

fn lost(error: hyper::Error) -> ClientError {
    if error.is_parse() {
        ClientError::Protocol(format!("the answer is not HTTP: {error}"))
    } else {
        ClientError::Lost(error)
    }
}
