//! Why a connection goes where it goes, by the code that the kernel runs.

use std::net::SocketAddr;

use switcher_common::{
    abi::{
        outcome::Outcome,
        switch::{Color, Side},
    },
    decide::{Signal, plan},
    packet::{Addresses, Internet, Parsed, Transport},
    steer::{self, Course, World as _},
};

use super::{Owner, Refusal, address, failure, switch::hex};
use crate::{
    api::message::{Explain, ExplainStep, Explanation, FailureCode, Judgement},
    model::{Percent, Protocol},
    plane::world::Snapshot,
};

impl Owner {
    /// Explains a connection.
    ///
    /// # Errors
    ///
    /// An address cannot be read, or client and virtual address are of different families.
    pub fn explain(&self, request: &Explain) -> Refusal<Explanation> {
        let parse = |name: &str, text: &str| {
            text.parse::<SocketAddr>().map_err(|_error| {
                failure(
                    FailureCode::Invalid,
                    format!("{name}: \"{text}\" is not an address with a port; write 192.0.2.1:80 or [2001:db8::1]:80"),
                )
            })
        };
        let client = parse("client", &request.client)?;
        let vip = parse("vip", &request.vip)?;
        if client.is_ipv4() != vip.is_ipv4() {
            return Err(failure(
                FailureCode::Invalid,
                format!(
                    "client {client} and vip {vip} are of different families; both must be IPv4 or both IPv6"
                ),
            ));
        }
        let services: Vec<_> = self.services.iter().map(|service| service.index).collect();
        let backends: Vec<_> = self.services.iter().flat_map(|s| &s.backends).map(|b| b.index).collect();
        let world = Snapshot::new(&*self.plane, &services, &backends);
        let packet = |signal| made_up(request.protocol, client, vip, signal);
        let established = self.judge(&world, &packet(Signal::Continue));
        let opening = match request.protocol {
            Protocol::Tcp => self.judge(&world, &packet(Signal::Open)),
            Protocol::Udp => established.clone(),
        };
        let placed =
            self.services.iter().find(|s| s.model.vip == vip && s.model.protocol == request.protocol);
        Ok(Explanation {
            service: placed.map(|placed| placed.model.name.clone()),
            steps: match placed {
                Some(placed) => self.steps(&world, placed.index, &packet(Signal::Continue))?,
                None => Vec::new(),
            },
            opening: Some(opening),
            established: Some(established),
        })
    }

    fn judge(&self, world: &Snapshot<'_>, packet: &Transport) -> Judgement {
        let (outcome, index) = match steer::steer(world, &Parsed::Transport(*packet)) {
            Course::Forward { outcome, index, .. } => (outcome, Some(index)),
            Course::Reply { index, .. } => (Outcome::Replied, Some(index)),
            Course::Stop { outcome, .. } => (outcome, None),
        };
        let backend =
            self.services.iter().flat_map(|s| &s.backends).find(|backend| Some(backend.index) == index);
        Judgement {
            color: backend.map(|backend| backend.color),
            backend: backend.map(|backend| backend.address.to_string()),
            outcome: outcome.name().into(),
            meaning: outcome.meaning().into(),
        }
    }

    /// What the decision looks at, in its order.
    fn steps(&self, world: &Snapshot<'_>, index: u16, packet: &Transport) -> Refusal<Vec<ExplainStep>> {
        let missing = || failure(FailureCode::Internal, "the maps do not know the service");
        let service = world.service(index).ok_or_else(missing)?;
        let word = world.word(service.switch).ok_or_else(missing)?;
        let hashes = steer::hashes(world.seed(), service, packet);
        let slot_index = steer::slot_index(service, hashes.draw);
        let slot = world.slot(slot_index).ok_or_else(missing)?;
        let name = |backend: u16| {
            let placed =
                self.services.iter().flat_map(|s| &s.backends).find(|placed| placed.index == backend);
            placed.map_or_else(|| "none".to_owned(), |placed| placed.address.to_string())
        };
        let bucket = (((hashes.draw >> 32) * 10_000) >> 32) as f64 / 100.0;
        let mut steps = Vec::new();
        let mut step = |what: &str, value: String| steps.push(ExplainStep { what: what.into(), value });
        step("switch word", hex(word));
        step(
            "transition",
            if word.tracking() { format!("running, epoch {}", word.epoch()) } else { "none".into() },
        );
        step("connection hash", format!("{:#018x}", hashes.connection));
        step("drawn by", format!("{:#018x}", hashes.draw));
        step("bucket", format!("{bucket:.2} % (green below the share)"));
        for (side, title) in [(Side::Now, "plan of now"), (Side::Base, "plan of base")] {
            let (color, backend) = plan(word, slot, hashes.draw, side);
            let share = Percent(word.share(side));
            step(title, format!("{}, {} (green share {share})", color.name(), name(backend)));
        }
        step("ring slot", format!("{} of {}", slot_index - service.ring_start, service.ring_len));
        for color in Color::ALL {
            let backend = |side| name(slot.backend(color, side));
            step(
                &format!("{} in that slot", color.name()),
                format!("{}, base {}", backend(Side::Now), backend(Side::Base)),
            );
        }
        Ok(steps)
    }
}

/// A packet of the connection, as the parser would have read it.
pub(super) fn made_up(protocol: Protocol, client: SocketAddr, vip: SocketAddr, signal: Signal) -> Transport {
    Transport {
        internet: Internet {
            addresses: Addresses {
                family: address::family(vip.ip()),
                source: address::words(client.ip()),
                destination: address::words(vip.ip()),
            },
            ttl: 64,
            length: 60,
            payload: 40,
            protocol: protocol.number(),
        },
        source_port: client.port().to_be(),
        destination_port: vip.port().to_be(),
        signal,
    }
}
