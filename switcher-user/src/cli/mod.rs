//! The `switcher` command: a client of the daemon that holds no privilege of its own.
//!
//! Every command is a function of a [`Session`](session::Session) and its arguments; what is shown comes from
//! pure `render` functions. Data goes to the standard output, everything else to the standard error.

pub mod args;
pub mod change;
pub mod check;
pub mod error;
pub mod events;
pub mod exit;
pub mod explain;
pub mod plan;
pub mod render;
pub mod run;
pub mod session;
pub mod status;
pub mod tree;
pub mod wait;
pub mod watch;

#[cfg(test)]
mod tests;

pub use self::run::main;
