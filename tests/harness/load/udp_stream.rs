//! Flows of numbered datagrams.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::sources::Sources;
use super::{Context, Expectation, Load, STALL, Workload};
use crate::Color;
use crate::topology::Topology;

/// A datagram without a reply for so long is lost.
const LOST: Duration = STALL;
const RECEIVE_BUFFER: usize = 1 << 20;

/// Flows that send a numbered datagram every `pace`, each to be answered by
/// [`Echo`](crate::server::Echo).
#[derive(Clone, Copy, Debug)]
pub struct UdpStream {
    /// The service's address.
    pub target: SocketAddr,
    /// How many flows.
    pub flows: u32,
    /// From how many addresses.
    pub clients: u32,
    /// Between two datagrams of a flow; whole milliseconds.
    pub pace: Duration,
    /// Whether a flow must stay with the color of its first reply; else every reply's color is judged by
    /// the expectation.
    pub sticky: bool,
}

impl UdpStream {
    /// A datagram per millisecond and flow, each flow from an address of its own, not sticky.
    pub const fn new(target: SocketAddr, flows: u32) -> Self {
        Self { target, flows, clients: flows, pace: Duration::from_millis(1), sticky: false }
    }

    async fn connect(&self, source: SocketAddr) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(source).await?;
        setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
        socket.connect(self.target).await?;
        Ok(socket)
    }

    async fn flow(self, source: SocketAddr, context: Context, expectation: Expectation) {
        let socket = match self.connect(source).await {
            Ok(socket) => socket,
            Err(error) => return context.count(|report| report.failed(None, "bind", &error)),
        };
        context.count(|report| report.connections += 1);
        let client = socket.local_addr().unwrap_or(source);
        let mut flow =
            Flow { client, sticky: self.sticky, first: None, pending: VecDeque::new(), context, expectation };
        let mut ticks = interval(self.pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut datagram = [0; 64];
        for number in 0_u64.. {
            if flow.context.stopped() {
                break;
            }
            // Replies are taken first, so that waiting for this thread is not held against the network.
            loop {
                tokio::select! {
                    biased;
                    received = socket.recv(&mut datagram) => flow.received(received.map(|length| &datagram[..length])),
                    _ = ticks.tick() => break,
                }
            }
            flow.sent(number, socket.send(number.to_string().as_bytes()).await);
            flow.give_up(LOST);
        }
        let rest = async {
            while !flow.pending.is_empty() {
                let received = socket.recv(&mut datagram).await;
                flow.received(received.map(|length| &datagram[..length]));
            }
        };
        timeout(LOST, rest).await.ok();
        flow.give_up(Duration::ZERO);
    }
}

struct Flow {
    client: SocketAddr,
    sticky: bool,
    first: Option<Color>,
    pending: VecDeque<(u64, Instant)>,
    context: Context,
    expectation: Expectation,
}

impl Flow {
    fn sent(&mut self, number: u64, sent: io::Result<usize>) {
        self.context.count(|report| match sent {
            Ok(_) => {
                report.sent += 1;
                self.pending.push_back((number, Instant::now()));
            }
            // What an earlier datagram's ICMP error says; this one was not sent.
            Err(error) => report.failed(Some(self.client), "send", &error),
        });
    }

    fn received(&mut self, received: io::Result<&[u8]>) {
        let end = Instant::now();
        let reply = match received {
            Ok(reply) => String::from_utf8_lossy(reply),
            Err(error) => {
                return self.context.count(|report| report.failed(Some(self.client), "receive", &error));
            }
        };
        let parsed = reply.split_once(' ').and_then(|(color, number)| {
            let number: u64 = number.parse().ok()?;
            Some((crate::color(color)?, number))
        });
        let Some((color, number)) = parsed else {
            let error = io::Error::new(io::ErrorKind::InvalidData, format!("not a reply of ours: {reply:?}"));
            return self.context.count(|report| report.failed(Some(self.client), "receive", &error));
        };
        // One that was given up, or came twice, is not counted again.
        let Some(position) = self.pending.iter().position(|(pending, _)| *pending == number) else { return };
        let Some((_, start)) = self.pending.remove(position) else { return };
        let first = self.first.filter(|_| self.sticky);
        let right = first.map_or_else(|| self.expectation.permits(start, end, color), |first| color == first);
        self.first.get_or_insert(color);
        self.context.count(|report| {
            report.answered(color, end - start);
            if !right {
                report.wrong(|| format!("{}: datagram {number}: {}", self.client, color.name()));
            }
        });
    }

    /// Counts what was sent `age` ago or earlier as lost.
    fn give_up(&mut self, age: Duration) {
        while self.pending.front().is_some_and(|(_, sent)| sent.elapsed() >= age) {
            self.pending.pop_front();
            self.context.count(|report| report.lost += 1);
        }
    }
}

impl Workload for UdpStream {
    fn start(self, topology: &Topology, expectation: &Expectation) -> Load {
        let expectation = expectation.clone();
        Load::start(&topology.client, move |context| async move {
            let mut sources = Sources::new(self.target, self.clients);
            let mut flows = JoinSet::new();
            for _ in 0..self.flows {
                flows.spawn(self.flow(sources.deal(), context.clone(), expectation.clone()));
            }
            flows.join_all().await;
        })
    }
}
