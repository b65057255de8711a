//! The housekeeping of transitions: at-risk connections counted, drains ended, the flow map kept.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use switcher_common::abi::{
    switch::{Share, Side, SwitchWord},
    transition::AT_RISK_BITS,
};

use super::{
    Now, Owner, PlacedService, Refusal, Who,
    drain::{Rest, Step},
    flows::{self, Keeping},
    switch::Stored,
};
use crate::model::{DrainPolicy, Protocol, UdpMemory};

/// Words of a switch's at-risk bitmap.
const BITMAP: usize = AT_RISK_BITS as usize / 64;

/// Distinct connections behind `set` of the bitmap's bits (linear counting, Whang et al. 1990).
pub(super) fn estimate(set: u32) -> u64 {
    let bits = f64::from(AT_RISK_BITS);
    // With every bit set the estimate has no upper end; one bit free is as far as it can tell.
    let free = f64::from(AT_RISK_BITS - set.min(AT_RISK_BITS - 1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 35,000")]
    {
        (-bits * (free / bits).ln()).round() as u64
    }
}

impl Owner {
    /// To be called once a second.
    pub fn tick(&mut self, now: Now) {
        let names: Vec<_> = self.switches.keys().cloned().collect();
        let failed = names.iter().find_map(|name| {
            let failure = self.settle(name, now).err()?;
            Some(format!("switch \"{name}\" cannot be drained: {failure}"))
        });
        self.note("drain", failed);
        self.sweep(now);
    }

    fn bitmap(&self, switch: u16) -> &[std::sync::atomic::AtomicU64] {
        let start = usize::from(switch) * BITMAP;
        self.plane.at_risk().all().get(start..start + BITMAP).unwrap_or_default()
    }

    /// At-risk connections seen since the daemon last looked.
    pub(super) fn at_risk_now(&self, switch: u16) -> u64 {
        estimate(self.bitmap(switch).iter().map(|word| word.load(Ordering::Relaxed).count_ones()).sum())
    }

    pub(super) fn clear_at_risk(&self, switch: u16) -> u64 {
        estimate(self.bitmap(switch).iter().map(|word| word.swap(0, Ordering::Relaxed).count_ones()).sum())
    }

    /// The drain policy of a switch: the most patient of its services'.
    pub(super) fn policy(&self, switch: &str) -> DrainPolicy {
        self.services_on(switch)
            .map(|service| {
                let drain = service.model.drain;
                // The end of a drain forgets flows: not while they may only be silent.
                let idle = if sticky(service) { service.model.idle } else { drain.quiet };
                DrainPolicy { quiet: drain.quiet.max(idle), ..drain }
            })
            .reduce(|a, b| DrainPolicy {
                quiet: a.quiet.max(b.quiet),
                deadline: a.deadline.max(b.deadline),
                pace_share: a.pace_share.min(b.pace_share),
                pace_interval: a.pace_interval.max(b.pace_interval),
            })
            .unwrap_or_default()
    }

    fn settle(&mut self, name: &str, now: Now) -> Refusal<()> {
        let policy = self.policy(name);
        let word = self.word(name)?;
        let index = self.switch(name)?.index;
        let Some(mut transition) = self.switch(name)?.transition else { return Ok(()) };
        transition.at_risk = self.clear_at_risk(index);
        let rest = || self.rest(name, word).unwrap_or(Rest::Plan);
        let step = transition.drain.step(&policy, transition.at_risk > 0, rest, now.instant);
        self.switch_mut(name)?.transition = Some(transition);
        match step {
            Step::Wait => {}
            Step::LetGo { done, steps } => self.let_go(name, word, done, steps, now)?,
            // Somebody has spoken since the bitmap was read, in the last moment of the silence.
            Step::End
                if transition.drain.quiet(now.instant) >= policy.quiet && self.at_risk_now(index) > 0 =>
            {
                transition.drain.stir(now.instant);
                self.switch_mut(name)?.transition = Some(transition);
            }
            Step::End => {
                self.rebase(name, word, now)?;
            }
        }
        Ok(())
    }

    /// What keeps connections on a switch where the plan of now would not put them.
    fn rest(&self, name: &str, word: SwitchWord) -> Refusal<Rest> {
        if word.share(Side::Base) != word.share(Side::Now) || self.slots_are_moving(name)? {
            return Ok(Rest::Plan);
        }
        let belongs = self.backends_on(name);
        let records =
            flows::count(self.plane.flows().all(), word.epoch(), |backend| belongs.contains(&backend));
        Ok(if records > 0 { Rest::Records } else { Rest::Nothing })
    }

    fn backends_on(&self, switch: &str) -> BTreeSet<u16> {
        self.services_on(switch).flat_map(|service| &service.backends).map(|backend| backend.index).collect()
    }

    /// Lets a part of the rest go, the deadline having passed. With the plans alike a forgotten connection
    /// goes where the plan of now says, so records come last.
    fn let_go(&mut self, name: &str, word: SwitchWord, done: u16, steps: u16, now: Now) -> Refusal<()> {
        tracing::info!(switch = name, done, steps, "deadline passed: letting go");
        if self.rest(name, word)? == Rest::Records {
            let belongs = self.backends_on(name);
            let flows = self.plane.flows().all();
            flows::let_go(flows, word.epoch(), |backend| belongs.contains(&backend), done, steps);
            return Ok(());
        }
        self.rebase_slots(name, done, steps)?;
        let (base, target) = (word.share(Side::Base).basis_points(), word.share(Side::Now).basis_points());
        // What is left is spread over the steps that are left, this one included.
        let left = i32::from(steps - done) + 1;
        let next = i32::from(base) + (i32::from(target) - i32::from(base)) / left;
        let share = u16::try_from(next).ok().and_then(Share::new).unwrap_or(word.share(Side::Now));
        let stored = self.store_word(name, word.with_base(share), now)?;
        self.finish(name, "paced", stored, Who::Daemon, now)?;
        Ok(())
    }

    /// Ends a transition: base becomes now.
    fn rebase(&mut self, name: &str, word: SwitchWord, now: Now) -> Refusal<()> {
        let stored = self.store_settled(name, word.rebase(), now)?;
        self.finish(name, "drained", stored, Who::Daemon, now)?;
        Ok(())
    }

    /// Stores a word that ends the transition, then does what it makes room for. Without tracking no packet
    /// reads the base side of a slot, so that it can be rewritten after the word, and no packet ever sees a
    /// plan that is half the old and half the new.
    pub(super) fn store_settled(&mut self, name: &str, word: SwitchWord, now: Now) -> Refusal<Stored> {
        let stored = self.store_word(name, word, now)?;
        self.rebase_slots(name, 1, 1)?;
        let switch = self.switch_mut(name)?;
        switch.release = switch.release.settle(word.share(Side::Now));
        switch.transition = None;
        self.remove_leavers(name)?;
        Ok(stored)
    }

    /// Forgets the backends that were removed before the transition ended. No slot leads to them any more.
    pub(super) fn remove_leavers(&mut self, switch: &str) -> Refusal<()> {
        let mut removed = false;
        for service in self.services.iter_mut().filter(|service| service.model.switch == switch) {
            let before = service.backends.len();
            service.backends.retain(|backend| !backend.leaving);
            removed |= service.backends.len() != before;
        }
        if removed {
            self.sync_endpoints()?;
        }
        // What was recorded has been forgotten by the new epoch: the entries are free for others.
        self.sweep_now(0, 0);
        Ok(())
    }

    /// Ages and counts the remembered connections, where there may be any.
    fn sweep(&mut self, now: Now) {
        let remembering = self.remembering();
        let last = self.last_sweep.replace(now.instant).unwrap_or(self.started);
        if !remembering {
            return;
        }
        let seconds = |since: std::time::Instant| now.instant.saturating_duration_since(since).as_secs();
        let tick = seconds(self.started);
        let before = last.saturating_duration_since(self.started).as_secs();
        self.sweep_now(tick, tick.saturating_sub(before));
    }

    /// Whether anything may be remembered.
    fn remembering(&self) -> bool {
        self.services.iter().any(sticky)
            || self.switches.values().any(|switch| switch.transition.is_some())
            || self.usage.used > 0
    }

    /// What is remembered now.
    pub(super) fn usage_now(&self) -> flows::Usage {
        if self.remembering() { flows::usage(self.plane.flows().all()) } else { self.usage }
    }

    pub(super) fn sweep_now(&mut self, tick: u64, elapsed: u64) {
        let mut keeping = vec![None; usize::from(self.plane.max_backends())];
        for service in &self.services {
            let Ok(word) = self.word(&service.model.switch) else { continue };
            // TCP: for as long as the transition lasts; the word forgets them all when it ends.
            let keep = Keeping {
                epoch: word.epoch(),
                idle: sticky(service).then_some(service.model.idle),
                closing: self.policy(&service.model.switch).quiet,
            };
            for backend in &service.backends {
                if let Some(place) = keeping.get_mut(usize::from(backend.index)) {
                    *place = Some(keep);
                }
            }
        }
        self.usage = flows::sweep(self.plane.flows().all(), tick, elapsed, |backend| {
            keeping.get(usize::from(backend)).copied().flatten()
        });
    }
}

fn sticky(service: &PlacedService) -> bool {
    service.model.protocol == Protocol::Udp && service.model.udp == UdpMemory::Sticky
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_grow_with_the_bits_and_have_an_end() {
        assert_eq!((estimate(0), estimate(1), estimate(10)), (0, 1, 10));
        assert!((4096..4200).contains(&estimate(2_600)) || estimate(2_600) > 4_000);
        assert!(estimate(AT_RISK_BITS) < 40_000);
        assert!((1..=AT_RISK_BITS).all(|set| estimate(set) >= estimate(set - 1)));
    }
}
