//! The rings in the map: what they should say, and how they come to say it.

use std::sync::atomic::Ordering;

use switcher_common::abi::{
    slot::Slot,
    switch::{Color, Side},
};

use super::{Owner, PlacedService, Refusal, failure};
use crate::{
    api::message::FailureCode,
    ring::{self, Member},
};

impl Owner {
    /// The now side of a service's slots as its backends and weights want it.
    fn wanted_slots(&self, service: &PlacedService) -> Vec<[u16; 2]> {
        let color = |color: Color| {
            let members: Vec<_> = service
                .backends
                .iter()
                .filter(|backend| backend.color == color && !backend.leaving)
                .map(|backend| Member {
                    identity: backend.address.to_string(),
                    weight: backend.weight,
                    index: backend.index,
                })
                .collect();
            ring::fill(service.model.ring, self.plane.seed(), &members)
        };
        color(Color::Blue).into_iter().zip(color(Color::Green)).map(|(blue, green)| [blue, green]).collect()
    }

    fn slots(&self, service: &PlacedService) -> Refusal<&[std::sync::atomic::AtomicU64]> {
        let start = service.ring_start as usize;
        self.plane.rings().all().get(start..start + service.model.ring as usize).ok_or_else(|| {
            failure(FailureCode::Internal, format!("service {} has no ring", service.model.name))
        })
    }

    fn placed(&self, index: u16) -> Refusal<&PlacedService> {
        self.services
            .iter()
            .find(|service| service.index == index)
            .ok_or_else(|| failure(FailureCode::Internal, format!("there is no service {index}")))
    }

    /// Writes both sides of a new service's slots. No packet reads them yet.
    pub(super) fn fill_ring(&self, index: u16) -> Refusal<()> {
        let service = self.placed(index)?;
        for (slot, [blue, green]) in self.slots(service)?.iter().zip(self.wanted_slots(service)) {
            let filled =
                Slot::default().with(Color::Blue, Side::Now, blue).with(Color::Green, Side::Now, green);
            slot.store(filled.rebased().0, Ordering::SeqCst);
        }
        Ok(())
    }

    /// How many of a service's slots want another backend than they have.
    pub(super) fn slots_to_move(&self, service: &PlacedService) -> Refusal<usize> {
        let wanted = self.wanted_slots(service);
        Ok(self.slots(service)?.iter().zip(wanted).filter(|(slot, wanted)| differs(slot, *wanted)).count())
    }

    /// Gives every slot of a service the backend it wants for new connections, one store each. Tracking must
    /// be on, and seen by all packets.
    pub(super) fn move_slots(&self, index: u16) -> Refusal<()> {
        let service = self.placed(index)?;
        for (slot, wanted) in self.slots(service)?.iter().zip(self.wanted_slots(service)) {
            if differs(slot, wanted) {
                let [blue, green] = wanted;
                let old = Slot(slot.load(Ordering::SeqCst));
                let new = old.with(Color::Blue, Side::Now, blue).with(Color::Green, Side::Now, green);
                slot.store(new.0, Ordering::SeqCst);
            }
        }
        Ok(())
    }

    /// Whether a slot of the services on a switch differs between now and base.
    pub(super) fn slots_are_moving(&self, switch: &str) -> Refusal<bool> {
        for service in self.services_on(switch) {
            if self.slots(service)?.iter().any(|slot| Slot(slot.load(Ordering::SeqCst)).moving()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes base equal to now in the first `done` of `steps` parts of the slots of the services on a switch.
    pub(super) fn rebase_slots(&self, switch: &str, done: u16, steps: u16) -> Refusal<()> {
        for service in self.services_on(switch) {
            let slots = self.slots(service)?;
            for slot in &slots[..slots.len() * usize::from(done) / usize::from(steps)] {
                let old = Slot(slot.load(Ordering::SeqCst));
                if old.moving() {
                    slot.store(old.rebased().0, Ordering::SeqCst);
                }
            }
        }
        Ok(())
    }
}

fn differs(slot: &std::sync::atomic::AtomicU64, [blue, green]: [u16; 2]) -> bool {
    let slot = Slot(slot.load(Ordering::SeqCst));
    slot.backend(Color::Blue, Side::Now) != blue || slot.backend(Color::Green, Side::Now) != green
}
