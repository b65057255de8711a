//! The types that lie in BPF maps. Their layout is a contract between daemons and kernel programs of
//! different builds: whoever changes one raises [`ABI_VERSION`].
//!
//! Multi-byte fields are in host byte order unless their documentation says "network order".

pub mod backend;
pub mod endpoint;
pub mod flow;
pub mod meta;
pub mod outcome;
#[cfg(feature = "user")]
mod pod;
pub mod service;
pub mod slot;
pub mod switch;
pub mod transition;

use core::mem::{align_of, offset_of, size_of};

/// Raised with every change of a layout or of a meaning below. A daemon adopts only maps of its own version.
pub const ABI_VERSION: u32 = 1;

/// Index 0 of services and backends is never given out: it means "none".
pub const NONE: u16 = 0;

/// What an array map's layout depends on, asserted at compile time for every target.
macro_rules! assert_layout {
    ($type:ty, size $size:expr, align $align:expr $(, $field:tt at $offset:expr)* $(,)?) => {
        const _: () = {
            assert!(size_of::<$type>() == $size);
            assert!(align_of::<$type>() == $align);
            $(assert!(offset_of!($type, $field) == $offset);)*
        };
    };
}

assert_layout!(switch::SwitchWord, size 8, align 8);
assert_layout!(slot::Slot, size 8, align 8);
assert_layout!(flow::FlowEntry, size 8, align 8);
assert_layout!(endpoint::EndpointKey, size 20, align 4,
    address at 0, port at 16, protocol at 18, family at 19);
assert_layout!(endpoint::Endpoint, size 8, align 2, kind at 0, service at 2, backend at 4, pad at 6);
assert_layout!(service::Service, size 64, align 8,
    connection_salt at 0, draw_salt at 8, address at 16, ring_start at 32, ring_len at 36,
    switch at 40, port at 42, address_sum at 44, memory at 46, flags at 47, index at 48);
assert_layout!(backend::NextHop, size 20, align 4,
    interface at 0, mtu at 4, destination at 6, source at 12, pad at 18);
assert_layout!(backend::Backend, size 64, align 4,
    address at 0, hops at 16, port at 56, address_sum at 58, service at 60, color at 62, hop at 63);
assert_layout!(outcome::Counter, size 16, align 8, packets at 0, bytes at 8);
assert_layout!(transition::AtRisk, size 512, align 8);
assert_layout!(transition::Witness, size 16, align 8, word at 0, at_ns at 8);
assert_layout!(meta::Meta, size 64, align 8,
    digest at 0, seed at 32, abi_version at 48, flow_buckets at 52, pad at 56);
