//! The published promises, on real traffic: each test tries to see one of them broken.

#![expect(clippy::expect_used, reason = "a test whose world does not behave panics")]

mod flips;
mod foreign;
mod kills;
mod pairs;
mod retransmissions;
mod tuples;
mod variants;
mod world;
