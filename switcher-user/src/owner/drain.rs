//! When a transition ends: a pure state machine.

use std::time::{Duration, Instant};

use crate::model::DrainPolicy;

/// A running transition, as far as its end is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    started: Instant,
    /// When an at-risk connection was last seen, or the plan last changed.
    stirred: Instant,
    paced: Option<Paced>,
}

/// How far the letting go has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Paced {
    last: Instant,
    of: Rest,
    done: u16,
}

/// What keeps connections where the plan of now would not put them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// A base plan that differs: of connections from before the transition.
    Plan,
    /// Records: of connections that began during the transition, on what has been left again.
    Records,
    /// Nothing.
    Nothing,
}

/// What is to be done about a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait.
    Wait,
    /// Let go: from here on `done` of `steps` equal parts of the rest are gone.
    LetGo {
        /// Parts.
        done: u16,
        /// Parts in all.
        steps: u16,
    },
    /// End it: base becomes now.
    End,
}

impl Drain {
    /// A transition that began at `started` and whose plan last changed `now`.
    pub fn new(started: Instant, now: Instant) -> Self {
        Self { started, stirred: now, paced: None }
    }

    /// An at-risk connection has been seen.
    pub fn stir(&mut self, now: Instant) {
        self.stirred = now;
    }

    /// How long no at-risk connection has been seen.
    pub fn quiet(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.stirred)
    }

    /// How long until the rest is moved by pacing.
    pub fn deadline_in(&self, policy: &DrainPolicy, now: Instant) -> Duration {
        policy.deadline.saturating_sub(now.saturating_duration_since(self.started))
    }

    /// What is to be done at `now`. `seen` says whether at-risk connections have sent anything since the last
    /// call; `rest` is asked after the deadline.
    pub fn step(
        &mut self,
        policy: &DrainPolicy,
        seen: bool,
        rest: impl FnOnce() -> Rest,
        now: Instant,
    ) -> Step {
        if seen {
            self.stirred = now;
        }
        if self.quiet(now) >= policy.quiet {
            return Step::End;
        }
        if !self.deadline_in(policy, now).is_zero() {
            return Step::Wait;
        }
        if self.paced.is_some_and(|paced| now.saturating_duration_since(paced.last) < policy.pace_interval) {
            return Step::Wait;
        }
        let rest = rest();
        if rest == Rest::Nothing {
            return Step::End;
        }
        let steps = 10_000_u16.div_ceil(policy.pace_share.max(1));
        let done = self.paced.filter(|paced| paced.of == rest).map_or(0, |paced| paced.done) + 1;
        if done > steps {
            return Step::End;
        }
        self.paced = Some(Paced { last: now, of: rest, done });
        Step::LetGo { done, steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: DrainPolicy = DrainPolicy {
        quiet: Duration::from_secs(10),
        deadline: Duration::from_secs(60),
        pace_share: 5_000,
        pace_interval: Duration::from_secs(5),
    };

    #[test]
    fn ends_once_it_has_been_quiet() {
        let start = Instant::now();
        let mut drain = Drain::new(start, start);
        let mut at =
            |seconds, seen| drain.step(&POLICY, seen, || Rest::Plan, start + Duration::from_secs(seconds));
        assert_eq!(at(9, false), Step::Wait);
        assert_eq!(at(12, true), Step::Wait);
        assert_eq!(at(21, false), Step::Wait);
        assert_eq!(at(22, false), Step::End);
    }

    #[test]
    fn being_seen_starts_the_silence_anew() {
        let start = Instant::now();
        let mut drain = Drain::new(start, start);
        drain.stir(start + Duration::from_secs(8));
        assert_eq!(drain.step(&POLICY, false, || Rest::Plan, start + Duration::from_secs(12)), Step::Wait);
        assert_eq!(drain.step(&POLICY, false, || Rest::Plan, start + Duration::from_secs(18)), Step::End);
    }

    #[test]
    fn from_the_deadline_on_it_lets_go_by_the_pace_first_of_the_plan_then_of_the_records() {
        let start = Instant::now();
        let mut drain = Drain::new(start, start);
        let mut left = vec![Rest::Nothing, Rest::Records, Rest::Plan];
        let mut steps = vec![];
        for second in 0..200 {
            let rest = *left.last().unwrap();
            match drain.step(&POLICY, true, || rest, start + Duration::from_secs(second)) {
                Step::Wait => {}
                Step::LetGo { done, steps: of } => {
                    steps.push((second, rest, done));
                    if done == of {
                        left.pop();
                    }
                }
                Step::End => {
                    steps.push((second, rest, 0));
                    break;
                }
            }
        }
        assert_eq!(
            steps,
            [
                (60, Rest::Plan, 1),
                (65, Rest::Plan, 2),
                (70, Rest::Records, 1),
                (75, Rest::Records, 2),
                (80, Rest::Nothing, 0)
            ]
        );
    }
}
