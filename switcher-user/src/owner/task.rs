//! The owner's mailbox and clock.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::{Hops, Now, Owner, Refusal, Who};
use crate::{
    api::message::FailureCode,
    api::message::{
        Applied, Apply, Change, Drain, Event, Explain, Explanation, Flip, Rollback, Status, Weight,
    },
};

/// Letters that wait for the owner.
const MAILBOX: usize = 64;
/// How often transitions are looked after.
const TICK: Duration = Duration::from_secs(1);

type Answer<T> = oneshot::Sender<Refusal<T>>;

/// A letter to the owner.
#[derive(Debug)]
pub enum Letter {
    /// What runs?
    Status(Answer<Status>),
    /// Why does a connection go where it goes?
    Explain(Explain, Answer<Explanation>),
    /// At-risk connections of a service's switch seen since the owner last looked.
    AtRisk(String, Answer<u64>),
    /// Flip a service's switch.
    Flip(String, Flip, Who, Answer<Change>),
    /// Send a share to green.
    Weight(String, Weight, Who, Answer<Change>),
    /// Return to where the release began.
    Rollback(String, Rollback, Who, Answer<Change>),
    /// End the transition.
    Drain(String, Drain, Who, Answer<Change>),
    /// Another configuration.
    Apply(Apply, Who, Answer<Applied>),
    /// The ways to the backends.
    Hops(Hops),
}

/// How to write to the owner.
#[derive(Clone, Debug)]
pub struct Mailbox {
    letters: mpsc::Sender<Letter>,
    events: broadcast::Sender<Event>,
}

impl Mailbox {
    /// Asks and waits for the answer.
    ///
    /// # Errors
    ///
    /// The owner's refusal, or that it is gone because the daemon is ending.
    pub async fn ask<T>(&self, letter: impl FnOnce(Answer<T>) -> Letter) -> Refusal<T> {
        let gone = || super::failure(FailureCode::Internal, "the daemon is ending");
        let (answer, reply) = oneshot::channel();
        self.letters.send(letter(answer)).await.map_err(|_closed| gone())?;
        reply.await.map_err(|_dropped| gone())?
    }

    /// Tells without waiting for an answer; whether the owner is still there.
    pub async fn tell(&self, letter: Letter) -> bool {
        self.letters.send(letter).await.is_ok()
    }

    /// The events, from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

/// Gives the owner a task of its own. It ends when `stop` becomes true or every mailbox is gone.
///
/// The second value tells which addresses next hops are wanted for.
pub fn spawn(
    mut owner: Owner,
    mut stop: watch::Receiver<bool>,
) -> (Mailbox, watch::Receiver<BTreeSet<IpAddr>>, tokio::task::JoinHandle<()>) {
    let (letters, mut mail) = mpsc::channel(MAILBOX);
    let (targets, wanted) = watch::channel(owner.targets());
    let events = owner.events.clone();
    let task = tokio::spawn(async move {
        let mut clock = tokio::time::interval(TICK);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                stopped = stop.wait_for(|stop| *stop) => {
                    let _either: Result<(), _> = stopped.map(|_stopped| ());
                    break;
                }
                // Before the letters: a busy mailbox must not keep drains from ending.
                _ = clock.tick() => owner.tick(Now::read()),
                letter = mail.recv() => match letter {
                    Some(letter) => owner.read(letter, Now::read()),
                    None => break,
                },
            }
            targets.send_if_modified(|targets| {
                let wanted = owner.targets();
                let changed = *targets != wanted;
                *targets = wanted;
                changed
            });
        }
    });
    (Mailbox { letters, events }, wanted, task)
}

/// An asker who has gone away does not want the answer any more.
fn reply<T>(answer: Answer<T>, result: Refusal<T>) {
    let _gone: Result<(), _> = answer.send(result).map_err(|_unread| ());
}

impl Owner {
    fn read(&mut self, letter: Letter, now: Now) {
        match letter {
            Letter::Status(answer) => reply(answer, self.status(now)),
            Letter::Explain(request, answer) => reply(answer, self.explain(&request)),
            Letter::AtRisk(service, answer) => reply(answer, self.at_risk_of(&service)),
            Letter::Flip(service, request, who, answer) => {
                reply(answer, self.flip(&service, &request, who, now));
            }
            Letter::Weight(service, request, who, answer) => {
                reply(answer, self.weight(&service, &request, who, now));
            }
            Letter::Rollback(service, request, who, answer) => {
                reply(answer, self.rollback(&service, &request, who, now));
            }
            Letter::Drain(service, request, who, answer) => {
                reply(answer, self.drain(&service, &request, who, now));
            }
            Letter::Apply(request, who, answer) => reply(answer, self.apply_text(&request, who, now)),
            Letter::Hops(hops) => {
                let result = self.set_hops(hops, now);
                self.note(
                    "hops",
                    result.err().map(|failure| format!("next hops cannot be written: {failure}")),
                );
            }
        }
    }

    fn at_risk_of(&self, service: &str) -> Refusal<u64> {
        let switch = self.switch_of(service)?;
        Ok(self.at_risk_now(self.switch(&switch)?.index))
    }

    /// Interfaces and the daemon's own places are read at the start only.
    fn check_started_with(&self, config: &crate::model::Config) -> Refusal<()> {
        let Some(started) = &self.facts.started_with else { return Ok(()) };
        let (old, new) = (&started.daemon, &config.daemon);
        let fixed = [
            ("daemon.socket", old.socket == new.socket),
            ("daemon.state_dir", old.state_dir == new.state_dir),
            ("daemon.pin_dir", old.pin_dir == new.pin_dir),
            // Not to name a seed is to keep the one there is.
            ("daemon.seed", new.seed.is_none() || old.seed == new.seed),
            ("daemon.flow_entries", old.flow_entries == new.flow_entries),
            ("[[interface]]", started.interfaces == config.interfaces),
        ];
        match fixed.iter().find(|(_, same)| !same) {
            Some((key, _)) => Err(super::failure(
                FailureCode::Refused,
                format!(
                    "{key} is read when the daemon starts; set it back, or change the file and restart switcherd"
                ),
            )),
            None => Ok(()),
        }
    }

    fn apply_text(&mut self, request: &Apply, who: Who, now: Now) -> Refusal<Applied> {
        let config = crate::config::parse(&request.config)
            .map_err(|problems| super::failure(FailureCode::Invalid, problems.to_string()))?;
        self.check_generation(request.generation)?;
        self.check_started_with(&config)?;
        self.apply(&config, &request.config, request.dry_run, who, now)
    }
}
