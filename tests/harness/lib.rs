//! What the integration tests and the demonstration share: real namespaces, real servers, real load, and
//! the daemon as a process of its own.
//!
//! [`topology::Topology`] is the world, [`server`] fills it, [`daemon::Daemon`] switches in its middle and
//! [`load`] watches what clients see. Everything is taken down when dropped; what a killed run has left
//! behind goes when the next one starts.

#![expect(
    clippy::expect_used,
    reason = "a harness that cannot build its world panics: a test has no better answer"
)]

pub mod address;
pub mod api;
pub mod config;
pub mod daemon;
pub mod leftovers;
pub mod load;
pub mod netns;
pub mod raw;
pub mod require;
pub mod server;
pub mod topology;

pub use switcher_common::abi::switch::Color;

/// The color of that name.
pub fn color(name: &str) -> Option<Color> {
    Color::ALL.into_iter().find(|color| color.name() == name)
}
