//! Scripts: rows, and what the owner does between them.

use switcher_common::abi::flow::{FlowEntry, FlowState};
use switcher_tests::{Color, config::ConfigBuilder};
use switcher_user::{
    api::message::{Drain, Flip, Rollback, Weight},
    owner::Who,
};

use crate::{row::Row, site::Site, world::World};

/// A story in a world of its own.
pub(crate) struct Script {
    pub(crate) title: &'static str,
    pub(crate) flow_entries: u32,
    pub(crate) config: fn(Site) -> ConfigBuilder,
    pub(crate) steps: fn(Site) -> Vec<Step>,
}

/// What happens next.
pub(crate) enum Step {
    /// A packet.
    Row(Box<Row>),
    /// All new connections of a service's switch go to a color.
    Flip(&'static str, Color),
    /// A share of them, in words, goes to green.
    Weight(&'static str, &'static str),
    /// Back to where the release began.
    Rollback(&'static str),
    /// The transition ends now.
    Cut(&'static str),
    /// Seconds pass, and the owner looks after its transitions.
    Wait(u64),
    /// The flow map holds these and no others, in any order.
    Remembered(&'static [FlowState]),
    /// Whether a transition runs.
    Draining(&'static str, bool),
}

impl From<Row> for Step {
    fn from(row: Row) -> Self {
        Self::Row(Box::new(row))
    }
}

impl Script {
    pub(crate) fn play(&self) {
        for site in Site::BOTH {
            World::with(self.flow_entries, &(self.config)(site), |world| {
                for (number, step) in (self.steps)(site).into_iter().enumerate() {
                    step.play(world, &format!("{}, {}, step {number}", self.title, site.family()));
                }
            });
        }
    }

    /// Its rows.
    pub(crate) fn rows(&self, site: Site) -> Vec<Row> {
        let row = |step| if let Step::Row(row) = step { Some(*row) } else { None };
        (self.steps)(site).into_iter().filter_map(row).collect()
    }
}

impl Step {
    fn play(self, world: &mut World, place: &str) {
        let (owner, now, who) = (&mut world.owner, world.now, Who::Daemon);
        let change = match self {
            Self::Row(row) => return row.in_script(place).check(world),
            Self::Flip(service, to) => {
                owner.flip(service, &Flip { to: Some(to), ..Flip::default() }, who, now)
            }
            Self::Weight(service, green) => {
                let request = Weight { green: green.into(), generation: None, sample_ms: 0 };
                owner.weight(service, &request, who, now)
            }
            Self::Rollback(service) => owner.rollback(service, &Rollback::default(), who, now),
            Self::Cut(service) => owner.drain(service, &Drain { cut: true, generation: None }, who, now),
            Self::Wait(seconds) => return world.wait(seconds),
            Self::Remembered(wanted) => {
                let mut states: Vec<_> = world.remembered().into_iter().map(FlowEntry::state).collect();
                let mut wanted = wanted.to_vec();
                states.sort_unstable();
                wanted.sort_unstable();
                return assert_eq!(states, wanted, "{place}: remembered connections");
            }
            Self::Draining(switch, wanted) => {
                let status = owner.status(now).unwrap();
                let switch = status.switches.iter().find(|status| status.name == switch).unwrap();
                return assert_eq!(switch.transition.is_some(), wanted, "{place}: {switch:?}");
            }
        };
        change.unwrap_or_else(|refusal| panic!("{place}: {refusal}"));
    }
}
