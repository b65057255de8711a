//! The daemon and the command line of switcher.
//!
//! The way of a command: `cli` -> [`api`] client -> socket -> [`api`] server -> [`owner`] -> [`plane`], which
//! [`kernel`] implements. [`netlink`] tells the owner how backends are reached; [`state`] is what outlives it.

pub mod api;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod kernel;
pub mod model;
pub mod netlink;
pub mod owner;
pub mod plane;
pub mod ring;
pub mod state;
