//! Connections for one request.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::connection::{Connection, Protocol};
use super::sources::Sources;
use super::{Context, Expectation, Load, Sample, Workload};
use crate::topology::Topology;

/// Clients that connect, ask once and close, again and again; each leaves a [`Sample`].
#[derive(Clone, Copy, Debug)]
pub struct ShortLived {
    /// The service's address.
    pub target: SocketAddr,
    /// How they ask.
    pub protocol: Protocol,
    /// How many at the same time.
    pub workers: u32,
    /// From how many addresses: dealt in turn to each worker's connections.
    pub clients: u32,
    /// Between a close and the next connect of a worker.
    pub pause: Duration,
}

impl ShortLived {
    /// HTTP from 64 addresses, back to back.
    pub const fn new(target: SocketAddr, workers: u32) -> Self {
        Self { target, protocol: Protocol::Http, workers, clients: 64, pause: Duration::ZERO }
    }

    async fn worker(self, mut context: Context, expectation: Expectation) {
        let mut sources = Sources::new(self.target, self.clients);
        while !context.stopped() {
            self.visit(sources.deal(), &context, &expectation).await;
            context.pause(self.pause).await;
        }
    }

    async fn visit(&self, source: SocketAddr, context: &Context, expectation: &Expectation) {
        let start = Instant::now();
        let mut client = None;
        let answer = match Connection::open(self.target, source, self.protocol).await {
            Ok(mut connection) => {
                client = Some(connection.client());
                connection.ask().await
            }
            Err(error) => Err(error),
        };
        let end = Instant::now();
        context.count(|report| {
            report.connections += u64::from(client.is_some());
            match &answer {
                Ok(color) => {
                    report.answered(*color, end - start);
                    if !expectation.permits(start, end, *color) {
                        report.wrong(|| format!("{client:?}: {} was not expected", color.name()));
                    }
                }
                Err(error) => {
                    report.connections_broken += u64::from(client.is_some());
                    let during = if client.is_some() { "request" } else { "connect" };
                    report.failed(client, during, error);
                }
            }
        });
        context.tally.samples().push(Sample { client, start, end, color: answer.ok() });
    }
}

impl Workload for ShortLived {
    fn start(self, topology: &Topology, expectation: &Expectation) -> Load {
        let expectation = expectation.clone();
        Load::start(&topology.client, move |context| async move {
            let mut workers = JoinSet::new();
            for _ in 0..self.workers {
                workers.spawn(self.worker(context.clone(), expectation.clone()));
            }
            workers.join_all().await;
        })
    }
}
