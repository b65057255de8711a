//! Which colors are right, and when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::Color;

/// A shared statement of which colors may answer; its copies are one.
///
/// An answer is right if its color was allowed at any time between its request and itself. Around a flip,
/// allow both, flip, then allow the new one alone: whoever asks after that must get the new one.
#[derive(Clone, Debug)]
pub struct Expectation(Arc<Mutex<Vec<Epoch>>>);

#[derive(Clone, Debug)]
struct Epoch {
    since: Instant,
    allowed: Vec<Color>,
}

impl Expectation {
    /// Allows these colors, since ever.
    pub fn of(allowed: &[Color]) -> Self {
        Self(Arc::new(Mutex::new(vec![Epoch { since: Instant::now(), allowed: allowed.to_vec() }])))
    }

    /// Allows either color.
    pub fn any() -> Self {
        Self::of(&Color::ALL)
    }

    /// From now on allows these colors and no others.
    pub fn allow(&self, allowed: &[Color]) {
        let mut epochs = self.epochs();
        epochs.push(Epoch { since: Instant::now(), allowed: allowed.to_vec() });
    }

    /// How often it has been changed.
    pub fn epoch(&self) -> usize {
        self.epochs().len() - 1
    }

    /// Whether an answer of `color` at `end` to a request of `start` is right.
    pub fn permits(&self, start: Instant, end: Instant, color: Color) -> bool {
        let epochs = self.epochs();
        for (index, epoch) in epochs.iter().enumerate().rev() {
            let oldest = epoch.since <= start || index == 0;
            if (epoch.since <= end || index == 0) && epoch.allowed.contains(&color) {
                return true;
            }
            if oldest {
                return false;
            }
        }
        false
    }

    fn epochs(&self) -> MutexGuard<'_, Vec<Epoch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_color_is_right_if_allowed_at_some_time_of_the_request() {
        let zero = Instant::now();
        let at = |second| zero + Duration::from_secs(second);
        let epoch = |since, allowed: &[Color]| Epoch { since: at(since), allowed: allowed.to_vec() };
        let epochs = vec![epoch(10, &[Color::Blue]), epoch(20, &Color::ALL), epoch(30, &[Color::Green])];
        let expectation = Expectation(Arc::new(Mutex::new(epochs)));
        let permits = |start, end, color| expectation.permits(at(start), at(end), color);
        for (start, end, blue, green) in [
            (1, 2, true, false),
            (11, 19, true, false),
            (19, 21, true, true),
            (21, 22, true, true),
            (29, 31, true, true),
            (31, 32, false, true),
            (15, 35, true, true),
        ] {
            assert_eq!(permits(start, end, Color::Blue), blue, "blue, {start} to {end}");
            assert_eq!(permits(start, end, Color::Green), green, "green, {start} to {end}");
        }
        assert_eq!(expectation.epoch(), 2);
    }
}
