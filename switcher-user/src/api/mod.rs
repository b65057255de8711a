//! The unix socket: messages, server and client.

pub mod client;
pub mod message;
pub mod server;
