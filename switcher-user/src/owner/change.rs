//! Flip, weight, rollback, drain: one store each.

use switcher_common::abi::switch::{Color, Share, Side, SwitchWord};

use super::{
    Now, Owner, Refusal, Who, failure,
    switch::{Stored, Transition, hex, percent, store},
};
use crate::{
    api::message::{Change, Drain, FailureCode, Flip, Happening, Rollback, Weight},
    model::Percent,
    state::Record,
};

/// The share at which a color gets everything.
const fn all(color: Color) -> Share {
    match color {
        Color::Blue => Share::ZERO,
        Color::Green => Share::FULL,
    }
}

impl Owner {
    /// Sends all new connections to a color.
    ///
    /// # Errors
    ///
    /// There is no such service; the generation is stale.
    pub fn flip(&mut self, service: &str, request: &Flip, who: Who, now: Now) -> Refusal<Change> {
        let switch = self.switch_of(service)?;
        self.check_generation(request.generation)?;
        let to = match request.to {
            Some(color) => color,
            None => self.word(&switch)?.live().other(),
        };
        if request.cut {
            self.cut(&switch, "flip", Some(all(to)), who, now)
        } else {
            self.step(&switch, "flip", all(to), who, now)
        }
    }

    /// Sends a share of new connections to green.
    ///
    /// # Errors
    ///
    /// There is no such service; the share is none; the generation is stale.
    pub fn weight(&mut self, service: &str, request: &Weight, who: Who, now: Now) -> Refusal<Change> {
        let switch = self.switch_of(service)?;
        let share: Percent = request
            .green
            .parse()
            .map_err(|error| failure(FailureCode::Invalid, format!("green: {error}")))?;
        self.check_generation(request.generation)?;
        self.step(&switch, "weight", share.0, who, now)
    }

    /// Returns to where the release began.
    ///
    /// # Errors
    ///
    /// There is no such service, or nothing to roll back; the generation is stale.
    pub fn rollback(&mut self, service: &str, request: &Rollback, who: Who, now: Now) -> Refusal<Change> {
        let switch = self.switch_of(service)?;
        self.check_generation(request.generation)?;
        let Some(share) = self.switch(&switch)?.release.rollback_to() else {
            return Err(failure(
                FailureCode::Refused,
                format!(
                    "service \"{service}\" has nothing to roll back: its last release was rolled back or there \
                     was none; to change color: switcher flip {service} blue|green"
                ),
            ));
        };
        self.step(&switch, "rollback", share, who, now)
    }

    /// Ends the running transition.
    ///
    /// # Errors
    ///
    /// There is no such service or no transition; connections may still be draining and `cut` is not given.
    pub fn drain(&mut self, service: &str, request: &Drain, who: Who, now: Now) -> Refusal<Change> {
        let switch = self.switch_of(service)?;
        self.check_generation(request.generation)?;
        let Some(transition) = self.switch(&switch)?.transition else {
            return Err(failure(FailureCode::Refused, format!("service \"{service}\" is not draining")));
        };
        if !request.cut {
            return Err(failure(
                FailureCode::Refused,
                format!(
                    "service \"{service}\" is draining ({} at-risk connections seen in the last second); it ends \
                     by itself; to end it now and reset them: switcher drain {service} --cut",
                    transition.at_risk
                ),
            ));
        }
        self.cut(&switch, "drain", None, who, now)
    }

    /// Another share for new connections: one store.
    fn step(&mut self, name: &str, verb: &str, share: Share, who: Who, now: Now) -> Refusal<Change> {
        let old = self.word(name)?;
        let before = old.share(Side::Now);
        if before == share {
            return self.unchanged(name, old);
        }
        let stored = self.store_word(name, old.step(share), now)?;
        let switch = self.switch_mut(name)?;
        switch.release = if verb == "rollback" {
            switch.release.rolled_back()
        } else {
            switch.release.change(before, share)
        };
        // What is at risk has changed: silence and deadline count from here.
        switch.transition = Some(Transition::new(now.instant, now.seconds()));
        self.finish(name, verb, stored, who, now)
    }

    /// Ends the transition, with another share or as it is: everybody follows at once.
    pub(super) fn cut(
        &mut self,
        name: &str,
        verb: &str,
        share: Option<Share>,
        who: Who,
        now: Now,
    ) -> Refusal<Change> {
        let old = self.word(name)?;
        let before = old.share(Side::Now);
        let share = share.unwrap_or(before);
        if share == before && self.switch(name)?.transition.is_none() {
            return self.unchanged(name, old);
        }
        let switch = self.switch_mut(name)?;
        switch.release = switch.release.change(before, share);
        let stored = self.store_settled(name, old.step(share).rebase(), now)?;
        self.finish(name, verb, stored, who, now)
    }

    /// The one write, and what is known of it.
    pub(super) fn store_word(&mut self, name: &str, new: SwitchWord, now: Now) -> Refusal<Stored> {
        let index = self.switch(name)?.index;
        let stored = store(self.word_at(index)?, new);
        if stored.new != new {
            return Err(failure(
                FailureCode::Internal,
                format!("switch \"{name}\" reads {} after {} was stored", hex(stored.new), hex(new)),
            ));
        }
        self.clear_at_risk(index);
        let switch = self.switch_mut(name)?;
        if stored.old.share(Side::Now) != new.share(Side::Now) {
            switch.since = now.seconds();
        }
        switch.stored_at_ns = Some(stored.at_ns);
        self.generation += 1;
        Ok(stored)
    }

    /// Saves, journals and tells.
    pub(super) fn finish(
        &mut self,
        name: &str,
        verb: &str,
        stored: Stored,
        who: Who,
        now: Now,
    ) -> Refusal<Change> {
        let mut warnings: Vec<_> = self.save().into_iter().collect();
        let record = Record {
            at: now.unix,
            generation: self.generation,
            who: who.to_string(),
            verb: verb.to_owned(),
            switch: Some(name.to_owned()),
            old_word: Some(hex(stored.old)),
            new_word: Some(hex(stored.new)),
            result: warnings.first().cloned().unwrap_or_else(|| "ok".into()),
        };
        warnings.extend(self.record(&record));
        let green = percent(stored.new.share(Side::Now));
        self.emit(
            now,
            Happening::Changed {
                verb: verb.to_owned(),
                switch: name.to_owned(),
                old_word: hex(stored.old),
                new_word: hex(stored.new),
                green,
                who: who.to_string(),
            },
        );
        tracing::info!(switch = name, verb, old = hex(stored.old), new = hex(stored.new), %who, "changed");
        let mut change = self.unchanged(name, stored.new)?;
        change.old_word = hex(stored.old);
        change.green_before = percent(stored.old.share(Side::Now));
        change.store_ns = stored.took_ns;
        change.warnings = warnings;
        Ok(change)
    }

    /// The answer where nothing was to be done.
    fn unchanged(&self, name: &str, word: SwitchWord) -> Refusal<Change> {
        let switch = self.switch(name)?;
        let services: Vec<_> = self.services_on(name).map(|service| service.model.name.clone()).collect();
        let rollback = switch
            .release
            .rollback_to()
            .and_then(|_| services.first().map(|service| format!("switcher rollback {service}")));
        let green = percent(word.share(Side::Now));
        Ok(Change {
            switch: name.to_owned(),
            services,
            old_word: hex(word),
            new_word: hex(word),
            green_before: green,
            green_now: green,
            generation: self.generation,
            store_ns: 0,
            at_risk: self.at_risk_now(switch.index),
            transition: switch.transition.is_some(),
            rollback,
            warnings: Vec::new(),
        })
    }
}
