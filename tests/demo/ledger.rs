//! What the operator did, and what it took.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// What takes longer is taken for this: a minute.
const LONGEST_NS: u64 = 60_000_000_000;

/// The operator's own account.
pub(crate) struct Ledger {
    /// Flips, by command and by the API.
    pub(crate) flips: u64,
    /// Changes of the share.
    pub(crate) steps: u64,
    /// The shares that were asked for, and what became of them.
    pub(crate) ramp: Vec<Step>,
    /// Rollbacks.
    pub(crate) rollbacks: u64,
    /// Times the daemon was killed.
    pub(crate) daemon_kills: u64,
    /// Nanoseconds of the stores, clock readings included.
    pub(crate) stores: Histogram<u64>,
    /// Nanoseconds from a store to the first packet judged by it.
    pub(crate) first_packets: Histogram<u64>,
    /// How long the last drain took to end.
    pub(crate) drain: Option<Duration>,
    /// How long the daemon was away.
    pub(crate) away: Option<Duration>,
    /// The commands.
    pub(crate) commands: Vec<Timing>,
    /// What the operator found wrong.
    pub(crate) problems: Vec<String>,
}

/// A step of the ramp.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    /// Percent of new connections that green was to get.
    pub(crate) asked_percent: u32,
    /// Percent that it got, if there were any.
    pub(crate) seen_percent: Option<f64>,
}

/// How long a command took.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    /// The command.
    pub(crate) command: String,
    /// From its start to its exit.
    pub(crate) exit: Duration,
    /// From its start to the first answer of the color it asked for, if that was new to clients.
    pub(crate) effect: Option<Duration>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let histogram = || {
            Histogram::new_with_bounds(1, LONGEST_NS, 3)
                .unwrap_or_else(|error| panic!("a histogram: {error}"))
        };
        Self {
            flips: 0,
            steps: 0,
            ramp: Vec::new(),
            rollbacks: 0,
            daemon_kills: 0,
            stores: histogram(),
            first_packets: histogram(),
            drain: None,
            away: None,
            commands: Vec::new(),
            problems: Vec::new(),
        }
    }
}
