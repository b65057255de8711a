//! The beginning: what the maps say is running, and the configuration on top of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
    time::Duration,
};

use switcher_common::abi::{
    endpoint::{EndpointKey, EndpointKind},
    switch::{Color, Share, Side, SwitchWord},
};
use tokio::sync::broadcast;

use super::{
    Hops, Now, Owner, PlacedBackend, PlacedService, Refusal, Switch, Who, address, apply, failure, flows,
    place,
    status::Facts,
    switch::{Transition, hex},
};
use crate::{
    api::message::FailureCode,
    model::{self, Affinity, DrainPolicy, Protocol, UdpMemory},
    plane::Plane,
    state::{Journal, Record, State, Store},
};

/// Events kept for readers that fall behind.
const EVENTS: usize = 1024;

/// Where the owner gets its things from.
pub struct Sources {
    /// The maps.
    pub plane: Box<dyn Plane>,
    /// The state as it was loaded.
    pub state: State,
    /// Where it is saved.
    pub store: Store,
    /// Where changes are written down.
    pub journal: Journal,
    /// Facts that status shows.
    pub facts: Facts,
}

impl Owner {
    /// Adopts what the maps say is running and makes it be as `config` (the file, of which `text` is the
    /// content) says, or as was applied since that file was last read.
    ///
    /// # Errors
    ///
    /// The configuration cannot be brought about while connections run. Nothing has changed then.
    pub fn open(sources: Sources, config: &model::Config, text: &str, now: Now) -> Refusal<Self> {
        let Sources { plane, state, store, journal, facts } = sources;
        let generation = state.generation;
        let mut owner = Self {
            plane,
            switches: BTreeMap::new(),
            services: Vec::new(),
            hops: Hops::new(),
            generation,
            saved: state,
            store,
            journal,
            events: broadcast::Sender::new(EVENTS),
            usage: flows::Usage::default(),
            last_sweep: None,
            started: now.instant,
            problems: BTreeMap::new(),
            facts,
        };
        let applied = match owner.saved.config.as_deref().map(crate::config::parse).transpose() {
            Ok(applied) => applied,
            Err(problems) => {
                let problem =
                    format!("what was applied last cannot be read any more, the file is used: {problems}");
                owner.note("applied", Some(problem));
                None
            }
        };
        let unchanged = owner.saved.file.as_deref() == Some(text);
        owner.adopt(&[applied.as_ref(), Some(config)], now)?;
        match applied {
            Some(newer) if unchanged && newer.services != config.services => {
                tracing::info!("the configuration file is as it was: what was applied since goes on");
                let text = owner.saved.config.clone().unwrap_or_default();
                owner.apply(&newer, &text, false, Who::Daemon, now)?;
            }
            _ => {
                owner.apply(config, text, false, Who::Daemon, now)?;
                owner.saved.config = Some(text.to_owned());
            }
        }
        owner.saved.file = Some(text.to_owned());
        // A daemon that died in the middle of a change left some slots behind.
        for name in owner.switches.keys().cloned().collect::<Vec<_>>() {
            if owner.switch(&name)?.transition.is_none() {
                owner.rebase_slots(&name, 1, 1)?;
            }
        }
        let services: Vec<_> = owner.services.iter().map(|service| service.index).collect();
        owner.reconcile_rings(&services, Who::Daemon, now)?;
        owner.sync_endpoints()?;
        if let Some(warning) = owner.save() {
            tracing::warn!("{warning}");
        }
        Ok(owner)
    }

    /// Finds the services in the maps, with their names and weights from the configurations given.
    fn adopt(&mut self, configs: &[Option<&model::Config>], now: Now) -> Refusal<()> {
        let endpoints = self.plane.endpoints()?;
        let mut virtuals: Vec<_> =
            endpoints.iter().filter(|(_, endpoint)| endpoint.is(EndpointKind::Virtual)).collect();
        let find = |key: &EndpointKey| {
            let vip = address::of_key(key);
            let services = configs.iter().flatten().flat_map(|config| &config.services);
            services.clone().find(|service| service.vip == vip && service.protocol.number() == key.protocol)
        };
        // Those with a name first: what is unknown was being added when a daemon died, and has no other switch.
        virtuals.sort_by_key(|(key, endpoint)| (find(key).is_none(), endpoint.service));
        for (key, endpoint) in virtuals {
            let entry = self.plane.service(endpoint.service)?;
            let vip = address::of_key(key);
            let model = find(key).cloned();
            let known = model.is_some();
            let mut model = model.unwrap_or_else(|| model::Service {
                name: format!("{vip}"),
                vip,
                protocol: if key.protocol == Protocol::Udp.number() { Protocol::Udp } else { Protocol::Tcp },
                switch: self.switch_at(entry.switch),
                affinity: Affinity::default(),
                udp: UdpMemory::default(),
                idle: Duration::from_secs(60),
                drain: DrainPolicy::default(),
                ring: entry.ring_len,
                backends: Vec::new(),
            });
            let wanted = place::entry(&model, endpoint.service, entry.switch, entry.ring_start);
            if known && let Some(key) = apply::fixed_difference(&entry, &wanted) {
                return Err(apply::fixed(&model.name, key));
            }
            let mut backends = Vec::new();
            for (key, backend) in &endpoints {
                if !backend.is(EndpointKind::Backend) || backend.service != endpoint.service {
                    continue;
                }
                let address = address::of_key(key);
                let entry = self.plane.backend(backend.backend)?;
                let color = if entry.color == Color::Green as u8 { Color::Green } else { Color::Blue };
                let configured =
                    model.backends.iter().find(|model| model.address == address && model.color == color);
                backends.push(PlacedBackend {
                    index: backend.backend,
                    color,
                    address,
                    weight: configured.map_or(0, |model| model.weight),
                    leaving: configured.is_none(),
                });
            }
            backends.sort_by_key(|backend| backend.index);
            model.backends.retain(|model| backends.iter().any(|placed| placed.address == model.address));
            self.adopt_switch(&model.switch, entry.switch, now)?;
            self.services.push(PlacedService {
                index: endpoint.service,
                ring_start: entry.ring_start,
                model,
                backends,
            });
        }
        Ok(())
    }

    /// The name of the switch at an index; one made up for it if nobody has given it a name.
    fn switch_at(&self, index: u16) -> String {
        let named = self.switches.values().find(|switch| switch.index == index);
        named.map_or_else(|| format!("switch-{index}"), |switch| switch.name.clone())
    }

    fn adopt_switch(&mut self, name: &str, index: u16, now: Now) -> Refusal<()> {
        if self.switches.get(name).is_some_and(|switch| switch.index == index) {
            return Ok(());
        }
        let taken: BTreeSet<_> = self.switches.values().map(|switch| switch.index).collect();
        if self.switches.contains_key(name) || taken.contains(&index) {
            return Err(failure(
                FailureCode::Refused,
                format!(
                    "switch \"{name}\": the running services are grouped on switches in another way than the \
                     configuration says; set it back, or start anew: switcherd --config FILE --unload"
                ),
            ));
        }
        let word = SwitchWord(self.word_at(index)?.load(Ordering::SeqCst));
        let known = self.saved.switches.contains_key(name);
        let saved = self.saved.switches.get(name).copied().unwrap_or_default();
        if saved.word != word.0 {
            // The maps are right: they are what packets are judged by.
            self.generation += 1;
            let record = Record {
                at: now.unix,
                generation: self.generation,
                who: Who::Daemon.to_string(),
                verb: "adopt".into(),
                switch: Some(name.to_owned()),
                old_word: Some(hex(SwitchWord(saved.word))),
                new_word: Some(hex(word)),
                result: "ok".into(),
            };
            self.record(&record);
        }
        let share = word.share(Side::Now);
        // What was stored but not saved belongs to the release, too.
        let mut release = match Share::new(saved.green) {
            Some(before) if known => saved.release.change(before, share),
            _ => saved.release,
        };
        let transition = word.tracking().then(|| {
            let since = saved.transition_since.unwrap_or(now.seconds());
            let age = Duration::from_secs(now.seconds().saturating_sub(since));
            let started = now.instant.checked_sub(age).unwrap_or(now.instant);
            Transition { since, drain: super::drain::Drain::new(started, now.instant), at_risk: 0 }
        });
        if transition.is_none() {
            release = release.settle(share);
        }
        let since = if saved.since == 0 { now.seconds() } else { saved.since };
        let switch = Switch { name: name.to_owned(), index, since, stored_at_ns: None, release, transition };
        self.switches.insert(name.to_owned(), switch);
        Ok(())
    }
}
