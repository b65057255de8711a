//! What clients have seen, in numbers.

use std::fmt;
use std::io;
use std::iter::Sum;
use std::net::SocketAddr;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use crate::Color;

const ERRORS_KEPT: usize = 8;

/// What the clients of a load have seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Requests answered; of datagrams, those that got a reply in time.
    pub requests: u64,
    /// Connections and requests that failed.
    pub failed: u64,
    /// Of these, the ones that got no answer for [`STALL`](super::STALL).
    pub stalled: u64,
    /// Connections that were opened; of datagrams, flows.
    pub connections: u64,
    /// Of these, the ones that ended before the client wanted them to.
    pub connections_broken: u64,
    /// Answers of a color that was not right.
    pub wrong_color: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams without a reply in time.
    pub lost: u64,
    /// Answers from blue.
    pub blue: u64,
    /// Answers from green.
    pub green: u64,
    /// The longest time from a request to its answer.
    pub slowest: Duration,
    /// The first few errors, in words.
    pub errors: Vec<String>,
}

impl Report {
    /// Whether something was answered, and everything rightly.
    pub fn is_clean(&self) -> bool {
        let faults = self.failed + self.connections_broken + self.wrong_color + self.lost;
        self.requests > 0 && faults == 0
    }

    /// Panics with the report unless it is clean.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }

    pub(super) fn answered(&mut self, color: Color, took: Duration) {
        self.requests += 1;
        self.slowest = self.slowest.max(took);
        match color {
            Color::Blue => self.blue += 1,
            Color::Green => self.green += 1,
        }
    }

    pub(super) fn wrong(&mut self, what: impl FnOnce() -> String) {
        self.wrong_color += 1;
        self.note(what);
    }

    pub(super) fn failed(&mut self, client: Option<SocketAddr>, during: &str, error: &io::Error) {
        self.failed += 1;
        self.stalled += u64::from(error.kind() == io::ErrorKind::TimedOut);
        self.note(|| match client {
            Some(client) => format!("{client}: {during}: {error}"),
            None => format!("{during}: {error}"),
        });
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.errors.len() < ERRORS_KEPT {
            self.errors.push(text());
        }
    }
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.stalled += other.stalled;
        self.connections += other.connections;
        self.connections_broken += other.connections_broken;
        self.wrong_color += other.wrong_color;
        self.sent += other.sent;
        self.lost += other.lost;
        self.blue += other.blue;
        self.green += other.green;
        self.slowest = self.slowest.max(other.slowest);
        other.errors.into_iter().for_each(|error| self.note(|| error));
    }
}

impl Sum for Report {
    fn sum<I: Iterator<Item = Self>>(reports: I) -> Self {
        reports.fold(Self::default(), |mut sum, report| {
            sum += report;
            sum
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests answered ({} blue, {} green), {} failed ({} stalled), {} wrong color; \
             {} connections, {} broken; {} datagrams sent, {} lost; slowest {:.1?}",
            self.requests,
            self.blue,
            self.green,
            self.failed,
            self.stalled,
            self.wrong_color,
            self.connections,
            self.connections_broken,
            self.sent,
            self.lost,
            self.slowest
        )?;
        self.errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

/// What one short-lived client has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its address and port; nothing if it did not connect.
    pub client: Option<SocketAddr>,
    /// Before it connected.
    pub start: Instant,
    /// After the answer, or the failure.
    pub end: Instant,
    /// Who answered; nothing if nobody did.
    pub color: Option<Color>,
}
