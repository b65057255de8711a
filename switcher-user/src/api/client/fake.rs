//! A daemon that answers as it is told, for the tests of the client and of the command.

use std::path::{Path, PathBuf};

use axum::Router;
use tempfile::TempDir;
use tokio::{net::UnixListener, task::JoinHandle};

use crate::api::client::Client;

/// Listens on a socket in a directory of its own until it is dropped.
pub(crate) struct FakeDaemon {
    directory: TempDir,
    server: JoinHandle<()>,
}

impl FakeDaemon {
    pub(crate) fn answering(router: Router) -> Self {
        let directory = TempDir::new().unwrap();
        let listener = UnixListener::bind(socket_in(directory.path())).unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { directory, server }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket_in(self.directory.path())
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.socket())
    }
}

impl Drop for FakeDaemon {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn socket_in(directory: &Path) -> PathBuf {
    directory.join("switcher.sock")
}
