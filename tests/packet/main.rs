//! Packets as rows: each is run through the real object, and its frame, verdict and counters are compared.
//!
//! `wire` says packets in words, `site` names addresses, `world` is the program with its maps as the owner
//! configures them. `table` holds the rows that need no history, `script` those that do.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot build its world panics")]

mod affinity;
mod cut;
mod datagram;
mod document;
mod forward;
mod malformed;
mod reply;
mod row;
mod script;
mod site;
mod stranger;
mod table;
mod transition;
mod verify;
mod wire;
mod world;

use switcher_common::abi::outcome::Outcome;
