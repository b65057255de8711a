//! What goes over the socket, as JSON. Fields are added, never renamed; shares are numbers of percent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use switcher_common::abi::switch::Color;

use crate::model::{Affinity, Mode, Protocol, UdpMemory};

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// How many changes have been made; a mutation may carry the one it was decided on.
    pub generation: u64,
    /// Seconds since the daemon started.
    pub uptime_seconds: u64,
    /// What is wrong, in sentences; empty if nothing is.
    pub problems: Vec<String>,
    /// The interfaces the program is attached to.
    pub interfaces: Vec<InterfaceStatus>,
    /// The kernel program.
    pub program: ProgramStatus,
    /// The table of remembered connections.
    pub flows: FlowStatus,
    /// The switches, by name.
    pub switches: Vec<SwitchStatus>,
    /// The services, in the order of the configuration.
    pub services: Vec<ServiceStatus>,
    /// Packets that are no service's, by outcome.
    pub other: Counts,
}

/// Packets and bytes by outcome's name; outcomes never seen are left out.
pub type Counts = BTreeMap<String, Count>;

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// An interface the program is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// How the program is attached.
    pub mode: Mode,
    /// The id of the pinned link.
    pub link_id: u32,
}

/// The kernel program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramStatus {
    /// Its id.
    pub id: u32,
    /// SHA-256 of the object it came from.
    pub digest: String,
    /// The version of the maps' layout.
    pub abi_version: u32,
    /// The maps' ids by name.
    pub map_ids: BTreeMap<String, u32>,
}

/// The table of remembered connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowStatus {
    /// How many it can hold.
    pub capacity: u64,
    /// How many it holds.
    pub used: u64,
    /// Of these, opened but never established.
    pub embryonic: u64,
    /// Of these, closing.
    pub closing: u64,
    /// Connections that took the place of an unestablished or closing one.
    pub evicted: u64,
    /// Connections that could not be remembered and were sent by the base plan.
    pub refused: u64,
}

/// A switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SwitchStatus {
    /// Its name.
    pub name: String,
    /// The services on it.
    pub services: Vec<String>,
    /// The color that most new connections get.
    pub live: Color,
    /// Percent of new connections that get green.
    pub green: f64,
    /// The same before the running transition.
    pub green_base: f64,
    /// The word in hexadecimal.
    pub word: String,
    /// When the share was last changed, in seconds of Unix time.
    pub since: u64,
    /// The green share that `rollback` returns to, if there is something to roll back.
    pub rollback_to: Option<f64>,
    /// The running transition.
    pub transition: Option<TransitionStatus>,
    /// Nanoseconds from the last store to the first packet judged by it, on the first CPU that saw one.
    pub first_packet_ns: Option<u64>,
}

/// A running transition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransitionStatus {
    /// When it began, in seconds of Unix time.
    pub since: u64,
    /// At-risk connections that sent something in the last interval (an estimate).
    pub at_risk: u64,
    /// Seconds since an at-risk connection was last seen (or since the last change).
    pub quiet_seconds: u64,
    /// The transition ends when that reaches this many seconds.
    pub quiet_needed_seconds: u64,
    /// Seconds until the rest is moved by pacing; 0 while that happens.
    pub deadline_in_seconds: u64,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Virtual address and port.
    pub vip: String,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The switch it is on.
    pub switch: String,
    /// What is drawn.
    pub affinity: Affinity,
    /// How UDP clients are treated.
    pub udp: Option<UdpMemory>,
    /// The blue backends.
    pub blue: ColorStatus,
    /// The green backends.
    pub green: ColorStatus,
    /// Its packets that went to no backend, by outcome.
    pub counts: Counts,
}

impl ServiceStatus {
    /// One of its colors.
    pub const fn color(&self, color: Color) -> &ColorStatus {
        match color {
            Color::Blue => &self.blue,
            Color::Green => &self.green,
        }
    }
}

/// A color of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ColorStatus {
    /// Packets from clients to this color.
    pub forward: Count,
    /// Packets from this color to clients.
    pub reply: Count,
    /// Its backends.
    pub backends: Vec<BackendStatus>,
}

/// A backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackendStatus {
    /// Address and port.
    pub address: String,
    /// Its weight.
    pub weight: u16,
    /// Removed from the configuration; it keeps its connections until the transition ends.
    pub leaving: bool,
    /// The way there: interface and MAC address; nothing while it is not known.
    pub next_hop: Option<String>,
    /// Why the way is not known.
    pub problem: Option<String>,
    /// Packets by outcome.
    pub counts: Counts,
}

/// `POST /v1/services/NAME/flip`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flip {
    /// The color for all new connections; the one that is not live if absent.
    #[serde(default)]
    pub to: Option<Color>,
    /// Move established connections at once too: they are reset.
    #[serde(default)]
    pub cut: bool,
    /// Refuse unless this is the current generation.
    #[serde(default)]
    pub generation: Option<u64>,
    /// After the change, watch for this many milliseconds (1,000 at most) which connections it has put at
    /// risk, and say so in the answer.
    #[serde(default)]
    pub sample_ms: u64,
}

/// `POST /v1/services/NAME/weight`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// Percent of new connections that get green, such as `"12.5%"`.
    pub green: String,
    /// Refuse unless this is the current generation.
    #[serde(default)]
    pub generation: Option<u64>,
    /// After the change, watch for this many milliseconds (1,000 at most) which connections it has put at
    /// risk, and say so in the answer.
    #[serde(default)]
    pub sample_ms: u64,
}

/// `POST /v1/services/NAME/rollback`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Refuse unless this is the current generation.
    #[serde(default)]
    pub generation: Option<u64>,
    /// After the change, watch for this many milliseconds (1,000 at most) which connections it has put at
    /// risk, and say so in the answer.
    #[serde(default)]
    pub sample_ms: u64,
}

/// `POST /v1/services/NAME/drain`: end the running transition now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// Move the established connections that are left: they are reset.
    #[serde(default)]
    pub cut: bool,
    /// Refuse unless this is the current generation.
    #[serde(default)]
    pub generation: Option<u64>,
}

/// The answer to flip, weight, rollback and drain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The switch that was changed.
    pub switch: String,
    /// The services on it.
    pub services: Vec<String>,
    /// The word before, in hexadecimal.
    pub old_word: String,
    /// The word now, in hexadecimal.
    pub new_word: String,
    /// Percent of new connections that got green before.
    pub green_before: f64,
    /// Percent of new connections that get green now.
    pub green_now: f64,
    /// The generation that the change made.
    pub generation: u64,
    /// Nanoseconds the store took, clock readings included.
    pub store_ns: u64,
    /// At-risk connections that sent something in the last interval (an estimate).
    pub at_risk: u64,
    /// Whether a transition runs now.
    pub transition: bool,
    /// The command that takes it back, if there is something to take back.
    pub rollback: Option<String>,
    /// What went wrong beside the change itself (the state or the journal could not be written).
    pub warnings: Vec<String>,
}

/// `POST /v1/apply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The whole configuration file, TOML.
    pub config: String,
    /// Only show what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Refuse unless this is the current generation.
    #[serde(default)]
    pub generation: Option<u64>,
}

/// The answer to apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// What changes, in order; empty if nothing does.
    pub plan: Vec<PlanStep>,
    /// Whether it has been done.
    pub applied: bool,
    /// The generation now.
    pub generation: u64,
    /// What went wrong beside the change itself.
    pub warnings: Vec<String>,
}

/// One line of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// Added, removed or changed.
    pub kind: PlanKind,
    /// What: `service web`, `service web: green backend 10.0.0.21:8443`.
    pub subject: String,
    /// How: `weight 1 -> 10`; empty where the subject says it all.
    pub detail: String,
}

/// What a line of a plan does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanKind {
    /// Something is new.
    Add,
    /// Something goes.
    Remove,
    /// Something becomes different.
    Change,
}

/// `POST /v1/explain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Client address and port.
    pub client: String,
    /// Virtual address and port.
    pub vip: String,
}

/// The answer to explain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The service, if the address is one's.
    pub service: Option<String>,
    /// What was looked at, step by step.
    pub steps: Vec<ExplainStep>,
    /// Where a packet that opens the connection goes.
    pub opening: Option<Judgement>,
    /// Where a packet in the middle of the connection goes.
    pub established: Option<Judgement>,
}

/// One step of an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainStep {
    /// What was looked at.
    pub what: String,
    /// What it said.
    pub value: String,
}

/// Where a packet goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Its color, if it goes to a backend.
    pub color: Option<Color>,
    /// Its backend, if it goes to one.
    pub backend: Option<String>,
    /// The outcome it is counted under.
    pub outcome: String,
    /// The outcome in a sentence.
    pub meaning: String,
}

/// One line of `GET /v1/events` (NDJSON).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Seconds of Unix time, with microseconds.
    pub at: f64,
    /// The generation at that time.
    pub generation: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// A switch got another word.
    Changed {
        /// flip, weight, rollback, drain, drained, paced, backends.
        verb: String,
        /// The switch.
        switch: String,
        /// The word before.
        old_word: String,
        /// The word now.
        new_word: String,
        /// Percent of new connections that get green now.
        green: f64,
        /// Who: `uid 0, pid 123`, or `switcherd`.
        who: String,
    },
    /// A configuration was applied.
    Applied {
        /// How many lines its plan had.
        steps: usize,
        /// Who.
        who: String,
    },
    /// A backend's next hop was found, changed or lost.
    NextHop {
        /// Address and port.
        backend: String,
        /// The way there; nothing if it was lost.
        next_hop: Option<String>,
    },
    /// The reader was too slow: this many events are missing here.
    Missed {
        /// How many.
        count: u64,
    },
}

/// Why a request was not carried out. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure, for programs.
    pub code: FailureCode,
    /// What is wrong and how to mend it, for people.
    pub message: String,
}

/// Kinds of failure; each has an HTTP status and an exit code of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The request cannot be understood, or names a value that is not possible.
    Invalid,
    /// There is no such service or path.
    NotFound,
    /// The caller may not do this.
    Denied,
    /// A guard holds it back: nothing to roll back, connections still draining.
    Refused,
    /// Decided on another generation.
    Conflict,
    /// The daemon failed.
    Internal,
}
