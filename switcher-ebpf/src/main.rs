//! The XDP program: judge a packet, carry the judgement out, count it once.
//!
//! `packet.rs` is the only file that touches packet pointers, `maps.rs` the only one that names a map, and
//! `rewrite.rs` the only one that writes to a packet.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod atomic;
mod deliver;
mod maps;
mod nexthop;
mod packet;
mod rewrite;

use aya_ebpf::{macros::xdp, programs::XdpContext};
use switcher_common::{packet::parse, steer::steer};

use crate::{maps::Maps, packet::Packet};

/// The entry: attached to every interface that clients or backends are reached by.
#[xdp]
#[expect(clippy::needless_pass_by_value, reason = "the macro calls it so")]
fn switcher(context: XdpContext) -> u32 {
    let packet = Packet::new(&context);
    let parsed = parse(&packet);
    let delivery = deliver::deliver(&context, &packet, &parsed, steer(&Maps, &parsed));
    maps::count(delivery.outcome, delivery.row, packet.frame_length());
    delivery.action
}

/// Never runs: nothing in the program can panic. Should the compiler keep a call to it all the same, the
/// verifier rejects the object for its endless loop, and a test fails instead of a packet.
#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Read by the kernel: some helpers are for GPL-compatible programs only.
// SAFETY: no other symbol of the object has this name, and the section holds nothing else.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
