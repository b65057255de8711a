//! HTTP with JSON over the daemon's unix socket.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::runtime;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(15);

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// One request. An answer that is not JSON comes as a string.
///
/// # Errors
/// If the daemon does not answer within 15 s.
pub fn request(socket: &Path, method: &str, path: &str, json: Option<&Value>) -> Fallible<(u16, Value)> {
    // On a thread of its own: a runtime cannot be built inside the caller's, if it has one.
    let work = || {
        block_on(async {
            timeout(PATIENCE, async {
                let answer = send(socket, method, path, json).await?;
                let status = answer.status().as_u16();
                let body = answer.into_body().collect().await?.to_bytes();
                let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
                Ok((status, serde_json::from_slice(&body).unwrap_or_else(|_| text())))
            })
            .await?
        })
    };
    thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// The lines of an endless answer (NDJSON), from now until the daemon ends or the receiver is dropped.
pub fn follow(socket: PathBuf, path: String) -> mpsc::Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    let (connected, connecting) = mpsc::channel();
    thread::spawn(move || {
        let lines = async {
            let mut body = send(&socket, "GET", &path, None).await?.into_body();
            connected.send(())?;
            let mut pending = Vec::new();
            while let Some(frame) = body.frame().await {
                pending.extend(frame?.into_data().unwrap_or_default());
                while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = pending.drain(..=end).collect();
                    sender.send(serde_json::from_slice(&line)?)?;
                }
            }
            Fallible::Ok(())
        };
        block_on(lines).ok();
    });
    connecting.recv_timeout(PATIENCE).ok();
    receiver
}

async fn send(socket: &Path, method: &str, path: &str, json: Option<&Value>) -> Fallible<Response<Incoming>> {
    let stream = TokioIo::new(UnixStream::connect(socket).await?);
    let (mut sender, connection) = http1::handshake(stream).await?;
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header("host", "switcher");
    let request = match json {
        Some(json) => request.header("content-type", "application/json").body(json.to_string())?,
        None => request.body(String::new())?,
    };
    Ok(sender.send_request(request).await?)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be built").block_on(work)
}
