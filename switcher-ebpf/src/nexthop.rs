//! The way to a client: the kernel's own routing and neighbor tables.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{
        BPF_FIB_LKUP_RET_FRAG_NEEDED, BPF_FIB_LKUP_RET_NOT_FWDED, BPF_FIB_LKUP_RET_SUCCESS, bpf_fib_lookup,
    },
    helpers::generated::bpf_fib_lookup as fib_lookup,
    programs::XdpContext,
};
use switcher_common::{
    abi::{endpoint::Family, outcome::Outcome, service::Service},
    packet::Transport,
};

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Where a frame leaves and how it is addressed.
pub(crate) struct Way {
    pub(crate) interface: u32,
    pub(crate) destination: [u8; 6],
    pub(crate) source: [u8; 6],
}

/// The way of a reply that will have the service's address as its source.
///
/// `Err` is the reply's outcome: it is for this host, too big, or without a resolved neighbor.
#[inline(always)]
pub(crate) fn to_client(context: &XdpContext, packet: &Transport, service: &Service) -> Result<Way, Outcome> {
    let addresses = &packet.internet.addresses;
    // SAFETY: a struct of integers, for which all zeros is a value.
    let mut query: bpf_fib_lookup = unsafe { core::mem::zeroed() };
    query.l4_protocol = packet.internet.protocol;
    query.__bindgen_anon_1.tot_len = packet.internet.length;
    // SAFETY: the context is the kernel's.
    query.ifindex = unsafe { (*context.ctx).ingress_ifindex };
    match addresses.family {
        Family::V4 => {
            query.family = AF_INET;
            query.__bindgen_anon_3.ipv4_src = service.address[3];
            query.__bindgen_anon_4.ipv4_dst = addresses.destination[3];
        }
        Family::V6 => {
            query.family = AF_INET6;
            query.__bindgen_anon_3.ipv6_src = service.address;
            query.__bindgen_anon_4.ipv6_dst = addresses.destination;
        }
    }
    const SIZE: i32 = 64;
    const _: () = assert!(size_of::<bpf_fib_lookup>() == SIZE as usize);
    // SAFETY: the query is a valid one of the given size, and the context is the kernel's.
    let result = unsafe { fib_lookup(context.as_ptr(), &raw mut query, SIZE, 0) };
    match u32::try_from(result) {
        Ok(BPF_FIB_LKUP_RET_SUCCESS) => {
            Ok(Way { interface: query.ifindex, destination: query.dmac, source: query.smac })
        }
        Ok(BPF_FIB_LKUP_RET_NOT_FWDED) => Err(Outcome::ReplyLocal),
        Ok(BPF_FIB_LKUP_RET_FRAG_NEEDED) => Err(Outcome::ReplyTooBig),
        // No neighbor yet, or no way: the kernel's stack asks for the one and tells the sender of the other.
        _ => Err(Outcome::ReplyUnresolved),
    }
}
