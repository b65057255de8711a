//! Connections that stay, and must stay with their color.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::connection::{Connection, Protocol};
use super::sources::Sources;
use super::{Context, Expectation, Load, Workload};
use crate::Color;
use crate::topology::Topology;

const BEFORE_RETRY: Duration = Duration::from_millis(20);

/// Connections with one request after the other.
///
/// The first answer of a connection must be of an expected color, every later one of the same.
#[derive(Clone, Copy, Debug)]
pub struct LongLived {
    /// The service's address.
    pub target: SocketAddr,
    /// How they ask.
    pub protocol: Protocol,
    /// How many.
    pub connections: u32,
    /// From how many addresses.
    pub clients: u32,
    /// Between an answer and the next request.
    pub pause: Duration,
    /// Whether a broken connection is followed by another; else the client gives up.
    pub reconnect: bool,
}

impl LongLived {
    /// HTTP, each from an address of its own, back to back, giving up when broken.
    pub const fn new(target: SocketAddr, connections: u32) -> Self {
        Self {
            target,
            protocol: Protocol::Http,
            connections,
            clients: connections,
            pause: Duration::ZERO,
            reconnect: false,
        }
    }

    async fn client(self, source: SocketAddr, mut context: Context, expectation: Expectation) {
        loop {
            self.converse(source, &mut context, &expectation).await;
            if context.stopped() || !self.reconnect {
                return;
            }
            context.pause(BEFORE_RETRY).await;
        }
    }

    /// From connecting to the stop, or to a failure.
    async fn converse(&self, source: SocketAddr, context: &mut Context, expectation: &Expectation) {
        let opened = Instant::now();
        let mut connection = match Connection::open(self.target, source, self.protocol).await {
            Ok(connection) => connection,
            Err(error) => return context.count(|report| report.failed(None, "connect", &error)),
        };
        let client = connection.client();
        context.count(|report| report.connections += 1);
        let mut first: Option<Color> = None;
        while !context.stopped() {
            let start = Instant::now();
            let answer = connection.ask().await;
            let end = Instant::now();
            let color = match answer {
                Ok(color) => color,
                Err(error) => {
                    return context.count(|report| {
                        report.connections_broken += 1;
                        report.failed(Some(client), "request", &error);
                    });
                }
            };
            let right = match first {
                Some(first) => color == first,
                None => expectation.permits(opened, end, color),
            };
            context.count(|report| {
                report.answered(color, end - start);
                if !right {
                    let first = first.map_or("unexpected", Color::name);
                    report.wrong(|| format!("{client}: {} on a connection of {first}", color.name()));
                }
            });
            first.get_or_insert(color);
            context.pause(self.pause).await;
        }
    }
}

impl Workload for LongLived {
    fn start(self, topology: &Topology, expectation: &Expectation) -> Load {
        let expectation = expectation.clone();
        Load::start(&topology.client, move |context| async move {
            let mut sources = Sources::new(self.target, self.clients);
            let mut clients = JoinSet::new();
            for _ in 0..self.connections {
                clients.spawn(self.client(sources.deal(), context.clone(), expectation.clone()));
            }
            clients.join_all().await;
        })
    }
}
