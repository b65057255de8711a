//! The judgement carried out: rewritten, addressed, sent.

use aya_ebpf::{bindings::xdp_action, helpers::bpf_redirect, programs::XdpContext};
use aya_log_ebpf::error;
use switcher_common::{
    abi::{
        NONE,
        backend::Backend,
        outcome::{Outcome, Verdict},
        service::Service,
    },
    packet::{Parsed, Transport},
    steer::{Course, World as _},
};

use crate::{
    maps::Maps,
    nexthop::{self, Way},
    packet::Packet,
    rewrite::{self, Translation},
};

/// What happened, where it is counted, and what the kernel is told.
pub(crate) struct Delivery {
    pub(crate) outcome: Outcome,
    pub(crate) row: u16,
    pub(crate) action: u32,
}

/// Carries out a course.
#[inline(always)]
pub(crate) fn deliver(
    context: &XdpContext,
    packet: &Packet,
    parsed: &Parsed,
    course: Course<'_>,
) -> Delivery {
    let (result, row) = match (course, parsed) {
        (Course::Forward { service, backend, index, outcome }, Parsed::Transport(parsed)) => {
            (forward(context, packet, parsed, service, backend, outcome), index)
        }
        (Course::Reply { service, index }, Parsed::Transport(parsed)) => {
            (reply(context, packet, parsed, service, index), index)
        }
        (Course::Stop { outcome, service }, _) => (Err(outcome), service),
        _ => (Err(Outcome::Inconsistent), NONE),
    };
    match result {
        Ok((outcome, action)) => Delivery { outcome, row, action },
        Err(Outcome::Inconsistent) => {
            error!(context, "the maps contradict each other; row {}", row);
            Delivery { outcome: Outcome::Inconsistent, row: NONE, action: xdp_action::XDP_DROP }
        }
        Err(outcome) => Delivery {
            outcome,
            row,
            action: match outcome.verdict() {
                Verdict::Drop => xdp_action::XDP_DROP,
                _ => xdp_action::XDP_PASS,
            },
        },
    }
}

/// To a backend.
#[inline(always)]
fn forward(
    context: &XdpContext,
    packet: &Packet,
    parsed: &Transport,
    service: &Service,
    backend: &Backend,
    outcome: Outcome,
) -> Result<(Outcome, u32), Outcome> {
    expired(parsed)?;
    let hop = backend.next_hop();
    let translation = Translation::to_backend(service, backend);
    if hop.interface == 0 {
        rewrite::translate(packet, parsed, &translation, true).ok_or(Outcome::Inconsistent)?;
        return Err(Outcome::Unresolved);
    }
    if parsed.internet.length > hop.mtu {
        return Err(Outcome::TooBig);
    }
    rewrite::translate(packet, parsed, &translation, false).ok_or(Outcome::Inconsistent)?;
    let way = Way { interface: hop.interface, destination: hop.destination, source: hop.source };
    Ok((outcome, send(context, packet, &way)?))
}

/// To a client.
#[inline(always)]
fn reply(
    context: &XdpContext,
    packet: &Packet,
    parsed: &Transport,
    service: &Service,
    index: u16,
) -> Result<(Outcome, u32), Outcome> {
    let backend = Maps.backend(index).ok_or(Outcome::Inconsistent)?;
    let translation = Translation::to_service(service, backend);
    match nexthop::to_client(context, parsed, service) {
        Ok(way) => {
            expired(parsed)?;
            rewrite::translate(packet, parsed, &translation, false).ok_or(Outcome::Inconsistent)?;
            Ok((Outcome::Replied, send(context, packet, &way)?))
        }
        Err(Outcome::ReplyUnresolved) => {
            rewrite::translate(packet, parsed, &translation, true).ok_or(Outcome::Inconsistent)?;
            Err(Outcome::ReplyUnresolved)
        }
        Err(outcome) => Err(outcome),
    }
}

/// RFC 1812, 5.3.1, and RFC 8200, section 3: a packet whose last hop this is goes no further. The kernel's
/// stack says so to its sender.
#[inline(always)]
fn expired(parsed: &Transport) -> Result<(), Outcome> {
    if parsed.internet.ttl <= 1 { Err(Outcome::Expired) } else { Ok(()) }
}

#[inline(always)]
fn send(context: &XdpContext, packet: &Packet, way: &Way) -> Result<u32, Outcome> {
    rewrite::address(packet, way).ok_or(Outcome::Inconsistent)?;
    // SAFETY: the context is the kernel's.
    let ingress = unsafe { (*context.ctx).ingress_ifindex };
    if way.interface == ingress {
        return Ok(xdp_action::XDP_TX);
    }
    // SAFETY: the helper takes two integers.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an xdp_action")]
    Ok(unsafe { bpf_redirect(way.interface, 0) } as u32)
}
