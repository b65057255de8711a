//! Where `rollback` leads: a pure state machine.

use serde::{Deserialize, Serialize};
use switcher_common::abi::switch::Share;

/// The release that runs, or ran last, on a switch.
///
/// A release begins with the first change of the share after the last one has settled at none or all, or has
/// come back to where it began; further steps away from its beginning continue it. `rollback` returns to its beginning,
/// once: a second rollback has nothing to go back to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The share in basis points that it began from, if it can be rolled back.
    began: Option<u16>,
    /// Its transition has ended, or it has come back; the next change begins another.
    settled: bool,
}

impl Release {
    /// The share that `rollback` returns to.
    pub fn rollback_to(self) -> Option<Share> {
        self.began.and_then(Share::new)
    }

    /// The share changes from `old` to `new`.
    #[must_use]
    pub fn change(self, old: Share, new: Share) -> Self {
        if old == new {
            return self;
        }
        let began = match self.began {
            Some(began) if !self.settled && same_side(began, old, new) => began,
            _ => old.basis_points(),
        };
        // Back where it began, it is over: what comes next is not a step of its way back.
        let over = !self.settled && self.began == Some(new.basis_points());
        Self { began: Some(began), settled: over }
    }

    /// It has been rolled back.
    #[must_use]
    pub fn rolled_back(self) -> Self {
        Self::default()
    }

    /// Its transition has ended at `share`. Halfway it is not over: a ramp may rest at 10 % for days.
    #[must_use]
    pub fn settle(self, share: Share) -> Self {
        Self { settled: share == Share::ZERO || share == Share::FULL, ..self }
    }
}

/// Whether `new` is still on the side of `began` that `old` is on.
fn same_side(began: u16, old: Share, new: Share) -> bool {
    let (old, new) = (old.basis_points(), new.basis_points());
    new != began && (old > began) == (new > began)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(steps: &[u16]) -> Option<u16> {
        let share = |points| Share::new(points).unwrap();
        let mut release = Release::default();
        for pair in steps.windows(2) {
            release = release.change(share(pair[0]), share(pair[1]));
        }
        release.rollback_to().map(Share::basis_points)
    }

    #[test]
    fn a_rollback_leads_to_the_beginning_of_the_release() {
        for (steps, expected) in [
            (&[0][..], None),
            (&[0, 10_000], Some(0)),
            (&[0, 1_000, 5_000, 10_000], Some(0)),
            (&[0, 5_000, 1_000], Some(0)),
            (&[10_000, 9_000, 0], Some(10_000)),
            (&[0, 10_000, 0], Some(10_000)),
            (&[0, 10_000, 0, 10_000], Some(0)),
            (&[0, 10_000, 0, 1_000, 5_000, 10_000], Some(0)),
            (&[0, 10_000, 0, 10_000, 0], Some(10_000)),
            (&[5_000, 10_000, 2_000], Some(10_000)),
            (&[0, 0], None),
        ] {
            assert_eq!(after(steps), expected, "{steps:?}");
        }
    }

    #[test]
    fn once_settled_the_next_change_begins_another() {
        let release = Release::default().change(Share::ZERO, Share::FULL).settle(Share::FULL);
        assert_eq!(release.rollback_to(), Some(Share::ZERO));
        let next = release.change(Share::FULL, Share::new(5_000).unwrap());
        assert_eq!(next.rollback_to(), Some(Share::FULL));
    }

    #[test]
    fn a_ramp_that_rests_halfway_goes_on() {
        let tenth = Share::new(1_000).unwrap();
        let release = Release::default().change(Share::ZERO, tenth).settle(tenth);
        assert_eq!(release.change(tenth, Share::FULL).rollback_to(), Some(Share::ZERO));
    }

    #[test]
    fn a_rollback_cannot_be_rolled_back() {
        assert_eq!(Release::default().change(Share::ZERO, Share::FULL).rolled_back().rollback_to(), None);
    }
}
