//! A new configuration: what differs, whether it can be done, and doing it.

use std::collections::BTreeSet;

use switcher_common::abi::{service::Service, switch::Color};

use super::{Now, Owner, PlacedService, Refusal, Who, failure, place, switch::Transition};
use crate::{
    api::message::{Applied, FailureCode, Happening, PlanKind, PlanStep},
    model,
    state::Record,
};

/// What a configuration changes.
#[derive(Debug, Default)]
struct Plan {
    steps: Vec<PlanStep>,
    /// Indexes of services that go.
    remove: Vec<u16>,
    /// Services that come.
    add: Vec<model::Service>,
    /// Services that stay, by index, with what they become.
    update: Vec<(u16, model::Service)>,
}

/// The key of a service's configuration that cannot change while it runs, if one does.
pub(super) fn fixed_difference(running: &Service, wanted: &Service) -> Option<&'static str> {
    if running.memory != wanted.memory {
        Some("udp")
    } else if running.flags != wanted.flags {
        Some("affinity")
    } else if running.ring_len != wanted.ring_len {
        Some("ring")
    } else if running.switch != wanted.switch || running.draw_salt != wanted.draw_salt {
        Some("switch")
    } else {
        None
    }
}

pub(super) fn fixed(service: &str, key: &str) -> super::Failure {
    failure(
        FailureCode::Refused,
        format!(
            "service \"{service}\": {key} cannot change while the service runs, because its connections would \
             break; set it back, or remove the service, apply, and add it anew"
        ),
    )
}

fn title(service: &model::Service) -> String {
    format!("service {} ({}/{})", service.name, service.vip, service.protocol.name())
}

impl Owner {
    /// Makes the services be as `config` says, all or nothing. With `dry_run` it only says what that would be.
    ///
    /// # Errors
    ///
    /// It cannot be done while connections run, or there is no room; nothing has changed then.
    pub fn apply(
        &mut self,
        config: &model::Config,
        text: &str,
        dry_run: bool,
        who: Who,
        now: Now,
    ) -> Refusal<Applied> {
        let plan = self.plan(config)?;
        let mut applied = Applied {
            plan: plan.steps.clone(),
            applied: false,
            generation: self.generation,
            warnings: Vec::new(),
        };
        if dry_run || plan.steps.is_empty() {
            return Ok(applied);
        }
        let steps = plan.steps.len();
        self.carry_out(plan, who, now)?;
        self.generation += 1;
        self.saved.config = Some(text.to_owned());
        applied.warnings.extend(self.save());
        let record = Record {
            at: now.unix,
            generation: self.generation,
            who: who.to_string(),
            verb: "apply".into(),
            switch: None,
            old_word: None,
            new_word: None,
            result: applied.warnings.first().cloned().unwrap_or_else(|| "ok".into()),
        };
        applied.warnings.extend(self.record(&record));
        self.emit(now, Happening::Applied { steps, who: who.to_string() });
        tracing::info!(steps, %who, "applied");
        applied.applied = true;
        applied.generation = self.generation;
        Ok(applied)
    }

    fn plan(&self, config: &model::Config) -> Refusal<Plan> {
        let mut plan = Plan::default();
        let step = |kind, subject, detail| PlanStep { kind, subject, detail };
        let same = |placed: &PlacedService, wanted: &model::Service| {
            placed.model.vip == wanted.vip && placed.model.protocol == wanted.protocol
        };
        for placed in &self.services {
            if !config.services.iter().any(|wanted| same(placed, wanted)) {
                plan.steps.push(step(PlanKind::Remove, title(&placed.model), "its connections end".into()));
                plan.remove.push(placed.index);
            }
        }
        for wanted in &config.services {
            match self.services.iter().find(|placed| same(placed, wanted)) {
                None => {
                    let backends = |color| wanted.color(color).count();
                    let detail =
                        format!("{} blue, {} green backends", backends(Color::Blue), backends(Color::Green));
                    plan.steps.push(step(PlanKind::Add, title(wanted), detail));
                    plan.add.push(wanted.clone());
                }
                Some(placed) => {
                    if placed.model.switch != wanted.switch {
                        return Err(fixed(&wanted.name, "switch"));
                    }
                    let running = self.plane.service(placed.index)?;
                    let entry = place::entry(wanted, placed.index, running.switch, placed.ring_start);
                    if let Some(key) = fixed_difference(&running, &entry) {
                        return Err(fixed(&wanted.name, key));
                    }
                    let before = plan.steps.len();
                    differences(placed, wanted, &mut plan.steps);
                    if plan.steps.len() > before {
                        plan.update.push((placed.index, wanted.clone()));
                    }
                }
            }
        }
        self.check_leavers(config, &plan)?;
        self.check_room(&plan)?;
        Ok(plan)
    }

    /// A backend can come back to where it leaves from, but not to another color or service meanwhile: its
    /// address leads replies to one service only.
    fn check_leavers(&self, config: &model::Config, plan: &Plan) -> Refusal<()> {
        for placed in self.services.iter().filter(|placed| !plan.remove.contains(&placed.index)) {
            for wanted in &config.services {
                if wanted.protocol != placed.model.protocol {
                    continue;
                }
                if let Some(backend) = placed.backends.iter().find(|backend| backend.address == wanted.vip) {
                    return Err(failure(
                        FailureCode::Refused,
                        format!(
                            "service \"{}\": vip {} still serves connections as {} backend of service \"{}\"; \
                             apply it when that has drained",
                            wanted.name,
                            wanted.vip,
                            backend.color.name(),
                            placed.model.name
                        ),
                    ));
                }
                let own = wanted.vip == placed.model.vip;
                for backend in &wanted.backends {
                    let elsewhere = placed
                        .backends
                        .iter()
                        .find(|p| p.address == backend.address && !(own && p.color == backend.color));
                    if let Some(elsewhere) = elsewhere {
                        return Err(failure(
                            FailureCode::Refused,
                            format!(
                                "service \"{}\": {} backend {} still serves connections as {} of service \"{}\"; \
                                 remove it there, apply, and add it here when that has drained",
                                wanted.name,
                                backend.color.name(),
                                backend.address,
                                elsewhere.color.name(),
                                placed.model.name
                            ),
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn check_room(&self, plan: &Plan) -> Refusal<()> {
        let stay: Vec<_> =
            self.services.iter().filter(|placed| !plan.remove.contains(&placed.index)).collect();
        let no_room = |what: &str, need: usize, room: u16, key: &str| {
            failure(
                FailureCode::Refused,
                format!(
                    "{need} {what} are wanted and there is room for {}; raise daemon.{key} and start anew",
                    room - 1
                ),
            )
        };
        let services = stay.len() + plan.add.len();
        let room = self.plane.max_services();
        if services >= usize::from(room) {
            return Err(no_room("services", services, room, "max_services"));
        }
        let new_backends: usize =
            plan.update.iter().map(|(index, wanted)| self.newcomers(*index, wanted).len()).sum();
        let backends = stay.iter().map(|placed| placed.backends.len()).sum::<usize>()
            + plan.add.iter().map(|service| service.backends.len()).sum::<usize>()
            + new_backends;
        let room = self.plane.max_backends();
        if backends >= usize::from(room) {
            return Err(no_room("backends", backends, room, "max_backends"));
        }
        let mut rings: Vec<_> = stay.iter().map(|placed| (placed.ring_start, placed.model.ring)).collect();
        for service in &plan.add {
            rings.push((self.free_ring(&rings, service.ring)?, service.ring));
        }
        Ok(())
    }

    /// The backends of `wanted` that the placed service does not have.
    fn newcomers(&self, index: u16, wanted: &model::Service) -> Vec<model::Backend> {
        let placed = self.services.iter().find(|placed| placed.index == index);
        let has = |backend: &model::Backend| {
            placed.is_some_and(|placed| placed.backends.iter().any(|p| p.address == backend.address))
        };
        wanted.backends.iter().filter(|backend| !has(backend)).cloned().collect()
    }

    fn carry_out(&mut self, plan: Plan, who: Who, now: Now) -> Refusal<()> {
        if !plan.remove.is_empty() {
            self.services.retain(|placed| !plan.remove.contains(&placed.index));
            self.sync_endpoints()?;
            // What was remembered for them must not be found by whoever gets their indexes.
            self.sweep_now(0, 0);
            let used: BTreeSet<_> =
                self.services.iter().map(|service| service.model.switch.clone()).collect();
            self.switches.retain(|name, _| used.contains(name));
        }
        for service in &plan.add {
            self.place_service(service, now)?;
        }
        let updated: Vec<_> = plan.update.iter().map(|(index, _)| *index).collect();
        for (index, wanted) in plan.update {
            self.update(index, wanted)?;
        }
        self.sync_endpoints()?;
        self.reconcile_rings(&updated, who, now)
    }

    /// Gives a placed service its new configuration; the ring follows in [`Self::reconcile_ring`].
    fn update(&mut self, index: u16, wanted: model::Service) -> Refusal<()> {
        for backend in self.newcomers(index, &wanted) {
            self.place_backend(index, &backend)?;
        }
        if let Some(placed) = self.services.iter_mut().find(|placed| placed.index == index) {
            for backend in &mut placed.backends {
                let configured = wanted.backends.iter().find(|wanted| wanted.address == backend.address);
                backend.leaving = configured.is_none();
                backend.weight = configured.map_or(0, |wanted| wanted.weight);
            }
            placed.model = wanted;
        }
        Ok(())
    }

    /// Makes the rings of services say what their backends and weights want: tracking first, on every switch
    /// concerned, then slot by slot.
    pub(super) fn reconcile_rings(&mut self, services: &[u16], who: Who, now: Now) -> Refusal<()> {
        let mut moving = Vec::new();
        let mut switches = BTreeSet::new();
        for placed in self.services.iter().filter(|placed| services.contains(&placed.index)) {
            let name = &placed.model.switch;
            let leaving = placed.backends.iter().any(|backend| backend.leaving);
            if self.slots_to_move(placed)? > 0 {
                moving.push(placed.index);
                switches.insert(name.clone());
            } else if leaving && self.switch(name)?.transition.is_none() {
                // It had no slots: its replies may still be under way, its connections in nobody's plan.
                switches.insert(name.clone());
            }
        }
        let mut stores = Vec::new();
        for name in switches {
            let word = self.word(&name)?;
            let stored = self.store_word(&name, word.track(), now)?;
            self.switch_mut(&name)?.transition = Some(Transition::new(now.instant, now.seconds()));
            stores.push((name, stored));
        }
        if stores.is_empty() {
            return Ok(());
        }
        // A packet that was judged by a word without tracking must not see the new slots.
        self.plane.wait_for_packets();
        for index in moving {
            self.move_slots(index)?;
        }
        for (name, stored) in stores {
            self.finish(&name, "backends", stored, who, now)?;
        }
        Ok(())
    }
}

/// What a service that stays does differently.
fn differences(placed: &PlacedService, wanted: &model::Service, steps: &mut Vec<PlanStep>) {
    let mut step = |kind, subject: String, detail: String| steps.push(PlanStep { kind, subject, detail });
    let service = format!("service {}", wanted.name);
    let old = &placed.model;
    if old.name != wanted.name {
        step(PlanKind::Change, format!("service {}", old.name), format!("renamed to {}", wanted.name));
    }
    if old.drain != wanted.drain || old.idle != wanted.idle {
        step(PlanKind::Change, service.clone(), "drain and idle times".into());
    }
    for color in Color::ALL {
        let subject = |address| format!("{service}: {} backend {address}", color.name());
        for backend in wanted.color(color) {
            let placed = placed.backends.iter().find(|p| p.address == backend.address && !p.leaving);
            match placed {
                None => step(PlanKind::Add, subject(backend.address), format!("weight {}", backend.weight)),
                Some(placed) if placed.weight != backend.weight => step(
                    PlanKind::Change,
                    subject(backend.address),
                    format!("weight {} -> {}", placed.weight, backend.weight),
                ),
                Some(_) => {}
            }
        }
        for placed in placed.backends.iter().filter(|p| p.color == color && !p.leaving) {
            if !wanted.color(color).any(|backend| backend.address == placed.address) {
                let detail = "leaves when its connections have drained".into();
                step(PlanKind::Remove, subject(placed.address), detail);
            }
        }
    }
}
