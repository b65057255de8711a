//! What runs, for people and for scripts.

use std::collections::BTreeMap;

use switcher_common::abi::{
    ABI_VERSION, NONE,
    outcome::{Counter, Counters, Outcome, ROW},
    switch::{Color, Side},
};

use super::{Now, Owner, PlacedBackend, PlacedService, Refusal, Switch, switch::percent};
use crate::{
    api::message::{
        BackendStatus, ColorStatus, Count, Counts, FlowStatus, InterfaceStatus, ProgramStatus, ServiceStatus,
        Status, SwitchStatus, TransitionStatus,
    },
    model::{self, Protocol},
};

/// What the owner does not find out by itself.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The interfaces the program is attached to.
    pub interfaces: Vec<InterfaceStatus>,
    /// The program's id.
    pub program_id: u32,
    /// SHA-256 of its object, in hexadecimal.
    pub digest: String,
    /// The maps' ids by name.
    pub map_ids: BTreeMap<String, u32>,
    /// What is wrong with the host, such as forwarding switched off.
    pub problems: Vec<String>,
    /// The configuration that the daemon was started with: what of it is read at the start only stays.
    pub started_with: Option<model::Config>,
}

fn counts(row: &Counters, of_backend: bool) -> Counts {
    let first = if of_backend { 0 } else { ROW };
    row.0
        .iter()
        .enumerate()
        .filter(|(_, counter)| counter.packets > 0)
        .filter_map(|(column, counter)| {
            let outcome = Outcome::from_number(u8::try_from(first + column).ok()?)?;
            Some((outcome.name().to_owned(), Count { packets: counter.packets, bytes: counter.bytes }))
        })
        .collect()
}

fn add(total: &mut Count, counter: Counter) {
    total.packets += counter.packets;
    total.bytes += counter.bytes;
}

impl Owner {
    /// Takes note of an attached interface.
    pub fn add_interface(&mut self, interface: InterfaceStatus) {
        self.facts.interfaces.push(interface);
    }

    /// What runs.
    ///
    /// # Errors
    ///
    /// A map cannot be read.
    pub fn status(&self, now: Now) -> Refusal<Status> {
        let mut switches = Vec::new();
        for (name, switch) in &self.switches {
            switches.push(self.switch_status(name, switch, now)?);
        }
        let mut services = Vec::new();
        let usage = self.usage_now();
        let mut flows = FlowStatus {
            capacity: u64::try_from(self.plane.flows().all().len()).unwrap_or(u64::MAX),
            used: usage.used,
            embryonic: usage.embryonic,
            closing: usage.closing,
            ..FlowStatus::default()
        };
        for service in &self.services {
            services.push(self.service_status(service, &mut flows)?);
        }
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").into(),
            generation: self.generation,
            uptime_seconds: now.instant.saturating_duration_since(self.started).as_secs(),
            problems: self.all_problems(&services),
            interfaces: self.facts.interfaces.clone(),
            program: ProgramStatus {
                id: self.facts.program_id,
                digest: self.facts.digest.clone(),
                abi_version: ABI_VERSION,
                map_ids: self.facts.map_ids.clone(),
            },
            flows,
            switches,
            services,
            other: counts(&self.plane.service_counters(NONE)?, false),
        })
    }

    fn all_problems(&self, services: &[ServiceStatus]) -> Vec<String> {
        let mut problems = self.facts.problems.clone();
        problems.extend(self.problems.values().cloned());
        for service in services {
            for (color, status) in [(Color::Blue, &service.blue), (Color::Green, &service.green)] {
                for backend in &status.backends {
                    if let Some(problem) = &backend.problem {
                        let (name, color, address) = (&service.name, color.name(), &backend.address);
                        problems.push(format!("service {name}: {color} backend {address}: {problem}"));
                    }
                }
            }
        }
        problems
    }

    fn switch_status(&self, name: &str, switch: &Switch, now: Now) -> Refusal<SwitchStatus> {
        let word = self.word(name)?;
        let policy = self.policy(name);
        let transition = switch.transition.map(|transition| TransitionStatus {
            since: transition.since,
            at_risk: transition.at_risk,
            quiet_seconds: transition.drain.quiet(now.instant).as_secs(),
            quiet_needed_seconds: policy.quiet.as_secs(),
            deadline_in_seconds: transition.drain.deadline_in(&policy, now.instant).as_secs(),
        });
        let first_packet_ns = match switch.stored_at_ns {
            Some(stored) => self
                .plane
                .witnesses(switch.index)?
                .into_iter()
                .filter(|witness| witness.word == word.0)
                // A word comes back in a chain of flips: a CPU that is idle since then witnessed the earlier one.
                .filter_map(|witness| witness.at_ns.checked_sub(stored))
                .min(),
            None => None,
        };
        Ok(SwitchStatus {
            name: name.to_owned(),
            services: self.services_on(name).map(|service| service.model.name.clone()).collect(),
            live: word.live(),
            green: percent(word.share(Side::Now)),
            green_base: percent(word.share(Side::Base)),
            word: super::switch::hex(word),
            since: switch.since,
            rollback_to: switch.release.rollback_to().map(percent),
            transition,
            first_packet_ns,
        })
    }

    fn service_status(&self, service: &PlacedService, flows: &mut FlowStatus) -> Refusal<ServiceStatus> {
        let mut colors = [ColorStatus::default(), ColorStatus::default()];
        let [blue, green] = &mut colors;
        for backend in &service.backends {
            let color = match backend.color {
                Color::Blue => &mut *blue,
                Color::Green => &mut *green,
            };
            self.backend_status(backend, color, flows)?;
        }
        let [blue, green] = colors;
        let model = &service.model;
        Ok(ServiceStatus {
            name: model.name.clone(),
            vip: model.vip.to_string(),
            protocol: model.protocol,
            switch: model.switch.clone(),
            affinity: model.affinity,
            udp: (model.protocol == Protocol::Udp).then_some(model.udp),
            blue,
            green,
            counts: counts(&self.plane.service_counters(service.index)?, false),
        })
    }

    fn backend_status(
        &self,
        backend: &PlacedBackend,
        color: &mut ColorStatus,
        flows: &mut FlowStatus,
    ) -> Refusal<()> {
        let row = self.plane.backend_counters(backend.index)?;
        for outcome in Outcome::ALL.iter().filter(|outcome| outcome.of_backend()) {
            let counter = row.0[outcome.column()];
            match outcome {
                Outcome::Replied | Outcome::ReplyUnresolved => add(&mut color.reply, counter),
                Outcome::Steered
                | Outcome::Recorded
                | Outcome::Evicted
                | Outcome::Refused
                | Outcome::Retransmitted
                | Outcome::Pinned
                | Outcome::Held
                | Outcome::Unresolved => add(&mut color.forward, counter),
                _ => {}
            }
        }
        flows.evicted += row.0[Outcome::Evicted.column()].packets;
        flows.refused += row.0[Outcome::Refused.column()].packets;
        let hop = self.hops.get(&backend.address.ip());
        color.backends.push(BackendStatus {
            address: backend.address.to_string(),
            weight: backend.weight,
            leaving: backend.leaving,
            next_hop: hop.and_then(|hop| hop.as_ref().ok()).map(ToString::to_string),
            problem: match hop {
                Some(Ok(_)) => None,
                Some(Err(problem)) => Some(problem.clone()),
                None => Some("the way there is being looked up".into()),
            },
            counts: counts(&row, true),
        });
        Ok(())
    }
}
