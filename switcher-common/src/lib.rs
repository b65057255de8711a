//! What the kernel program and user space share.
//!
//! - [`abi`]: every type that lies in a BPF map, with its layout asserted and versioned;
//! - [`packet`]: parsing, over any source of bytes;
//! - [`mod@hash`], [`flow`], [`decide`]: which backend a connection goes to, and what must be remembered;
//! - [`steer`]: the whole way of a packet up to what is to be done with it, over any [`steer::World`];
//! - [`checksum`]: incremental one's complement arithmetic.
//!
//! The kernel program, the unit tests and `switcher explain` run this code and no other.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod abi;
pub mod checksum;
pub mod decide;
pub mod flow;
pub mod hash;
pub mod packet;
pub mod steer;
