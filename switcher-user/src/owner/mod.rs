//! The one owner of the state: everything that changes the maps goes through it, one thing at a time.
//!
//! It is plain code that takes the time as an argument and runs over any [`Plane`]; [`task`] gives it a
//! mailbox and a clock.

pub mod address;
pub mod adopt;
mod apply;
mod change;
pub mod drain;
mod explain;
mod flows;
pub mod hops;
mod place;
pub mod release;
mod rings;
mod settle;
pub mod status;
pub mod switch;
pub mod task;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use switcher_common::abi::switch::{Color, SwitchWord};
use tokio::sync::broadcast;

pub use self::{hops::Hops, switch::Switch};
use crate::{
    api::message::{Event, Failure, FailureCode, Happening},
    model,
    plane::{Plane, PlaneError},
    state::{Journal, Record, SavedSwitch, State, Store},
};

/// What time it is, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For how long something has lasted.
    pub instant: Instant,
    /// For when it was.
    pub unix: f64,
}

impl Now {
    /// The time.
    pub fn read() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        Self { instant: Instant::now(), unix }
    }

    /// Whole seconds of Unix time.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds since 1970")]
    pub fn seconds(self) -> u64 {
        self.unix as u64
    }
}

/// Who asks for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A client of the API, by its peer credentials.
    Peer {
        /// User id.
        uid: u32,
        /// Process id, if the kernel told.
        pid: Option<i32>,
    },
    /// The daemon itself.
    Daemon,
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peer { uid, pid: Some(pid) } => write!(f, "uid {uid}, pid {pid}"),
            Self::Peer { uid, pid: None } => write!(f, "uid {uid}"),
            Self::Daemon => write!(f, "switcherd"),
        }
    }
}

/// A backend as it lies in the maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedBackend {
    /// Its index.
    pub index: u16,
    /// Its color.
    pub color: Color,
    /// Its address.
    pub address: SocketAddr,
    /// Its weight; 0 once it is leaving.
    pub weight: u16,
    /// Not configured any more: it goes when the transition ends.
    pub leaving: bool,
}

/// A service as it lies in the maps.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedService {
    /// Its index.
    pub index: u16,
    /// Its first slot.
    pub ring_start: u32,
    /// The configuration it was placed by.
    pub model: model::Service,
    /// Its backends, leaving ones included.
    pub backends: Vec<PlacedBackend>,
}

/// The owner of the state.
pub struct Owner {
    plane: Box<dyn Plane>,
    switches: BTreeMap<String, Switch>,
    services: Vec<PlacedService>,
    hops: Hops,
    generation: u64,
    /// What is saved beside what the fields above say.
    saved: State,
    store: Store,
    journal: Journal,
    events: broadcast::Sender<Event>,
    usage: flows::Usage,
    last_sweep: Option<Instant>,
    started: Instant,
    /// What went wrong and has not been mended, by what it is about.
    problems: BTreeMap<&'static str, String>,
    /// Facts about the kernel side that status shows.
    facts: status::Facts,
}

/// A request that cannot be carried out; nothing has changed.
pub type Refusal<T> = Result<T, Failure>;

fn failure(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

impl From<PlaneError> for Failure {
    fn from(error: PlaneError) -> Self {
        failure(FailureCode::Internal, error.to_string())
    }
}

impl Owner {
    /// The addresses whose next hops are wanted.
    pub fn targets(&self) -> BTreeSet<IpAddr> {
        self.services
            .iter()
            .flat_map(|service| &service.backends)
            .map(|backend| backend.address.ip())
            .collect()
    }

    /// How many changes have been made.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    fn service(&self, name: &str) -> Refusal<&PlacedService> {
        self.services.iter().find(|service| service.model.name == name).ok_or_else(|| {
            let known: Vec<_> = self.services.iter().map(|service| service.model.name.as_str()).collect();
            let known = if known.is_empty() {
                "there are none".into()
            } else {
                format!("known: {}", known.join(", "))
            };
            failure(FailureCode::NotFound, format!("there is no service \"{name}\"; {known}"))
        })
    }

    fn switch_of(&self, service: &str) -> Refusal<String> {
        self.service(service).map(|service| service.model.switch.clone())
    }

    fn switch(&self, name: &str) -> Refusal<&Switch> {
        self.switches
            .get(name)
            .ok_or_else(|| failure(FailureCode::Internal, format!("switch \"{name}\" is not known")))
    }

    fn switch_mut(&mut self, name: &str) -> Refusal<&mut Switch> {
        self.switches
            .get_mut(name)
            .ok_or_else(|| failure(FailureCode::Internal, format!("switch \"{name}\" is not known")))
    }

    fn services_on<'a>(&'a self, switch: &'a str) -> impl Iterator<Item = &'a PlacedService> {
        self.services.iter().filter(move |service| service.model.switch == switch)
    }

    fn word_at(&self, index: u16) -> Refusal<&std::sync::atomic::AtomicU64> {
        self.plane
            .switches()
            .get(index.into())
            .ok_or_else(|| failure(FailureCode::Internal, format!("there is no switch word {index}")))
    }

    fn word(&self, switch: &str) -> Refusal<SwitchWord> {
        let index = self.switch(switch)?.index;
        Ok(SwitchWord(self.word_at(index)?.load(std::sync::atomic::Ordering::SeqCst)))
    }

    /// Refuses what was decided on another generation.
    fn check_generation(&self, expected: Option<u64>) -> Refusal<()> {
        match expected {
            Some(expected) if expected != self.generation => Err(failure(
                FailureCode::Conflict,
                format!(
                    "generation {expected} is not the current one, {}: look at the status and decide again",
                    self.generation
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Writes the state file. What goes wrong is kept as a problem and returned as a warning.
    fn save(&mut self) -> Option<String> {
        self.saved.generation = self.generation;
        for (name, switch) in &self.switches {
            let word =
                self.word_at(switch.index).map_or(0, |word| word.load(std::sync::atomic::Ordering::SeqCst));
            let green = SwitchWord(word).share(switcher_common::abi::switch::Side::Now).basis_points();
            let transition_since = switch.transition.map(|transition| transition.since);
            let saved =
                SavedSwitch { green, word, since: switch.since, transition_since, release: switch.release };
            self.saved.switches.insert(name.clone(), saved);
        }
        let result = self.store.save(&self.saved);
        self.note("state", result.err().map(|error| format!("the state file cannot be written: {error}")))
    }

    /// Appends to the journal. What goes wrong is kept as a problem and returned as a warning.
    fn record(&mut self, record: &Record) -> Option<String> {
        let result = self.journal.append(record);
        self.note("journal", result.err().map(|error| format!("the journal cannot be written: {error}")))
    }

    fn note(&mut self, about: &'static str, problem: Option<String>) -> Option<String> {
        match &problem {
            Some(problem) => {
                tracing::error!("{problem}");
                self.problems.insert(about, problem.clone());
            }
            None => {
                self.problems.remove(about);
            }
        }
        problem
    }

    fn emit(&self, now: Now, what: Happening) {
        // Nobody listening is not an error.
        let _receivers: Result<usize, _> =
            self.events.send(Event { at: now.unix, generation: self.generation, what });
    }
}
