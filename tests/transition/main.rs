//! What connections live through between one color and the other, on real traffic.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod chain;
mod deadline;
mod flood;
mod lines;
mod ramp;
mod scene;
mod sticky;
