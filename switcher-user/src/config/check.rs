//! What only shows across services: names, virtual addresses and backends that collide.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::SocketAddr,
};

use switcher_common::abi::switch::Color;
use toml::Spanned;

use super::{report::Report, service::Written, table::quoted};
use crate::model::Protocol;

/// What packets are told apart by.
type Endpoint = (Protocol, SocketAddr);

/// Reports every collision at the later of the two places.
pub(super) fn across(services: &[Written], report: &Report) {
    names(services, report);
    let vips = vips(services, report);
    backends(services, &vips, report);
}

fn names(services: &[Written], report: &Report) {
    let mut lines = HashMap::new();
    for (service, name) in services.iter().filter_map(|service| Some((service, service.name.as_ref()?))) {
        let at = name.span().start;
        match lines.entry(name.get_ref()) {
            Entry::Vacant(entry) => {
                entry.insert(report.line(at));
            }
            Entry::Occupied(first) => {
                let also = format!("{} is also on line {}", quoted(name.get_ref()), first.get());
                report.add(Some(at), format!("{}name {also}", service.subject), "write another name");
            }
        }
    }
}

/// A place where an endpoint is written.
#[derive(Clone, Copy)]
struct Place<'a> {
    service: &'a Written,
    at: usize,
}

impl Place<'_> {
    fn shown(self, report: &Report) -> String {
        format!("{}, line {}", self.service.subject.trim_end_matches(": "), report.line(self.at))
    }
}

fn vips<'a>(services: &'a [Written], report: &Report) -> HashMap<Endpoint, Place<'a>> {
    let mut vips = HashMap::new();
    for service in services {
        let (Some(vip), Some(protocol)) = (&service.vip, service.protocol) else { continue };
        let place = Place { service, at: vip.span().start };
        match vips.entry((protocol, *vip.get_ref())) {
            Entry::Vacant(entry) => {
                entry.insert(place);
            }
            Entry::Occupied(first) => {
                let (vip, protocol) = (vip.get_ref(), protocol.name());
                let first = first.get().shown(report);
                let message =
                    format!("{}vip \"{vip}\" ({protocol}) is also that of {first}", service.subject);
                report.add(Some(place.at), message, "write another address or port");
            }
        }
    }
    vips
}

fn backends<'a>(services: &'a [Written], vips: &HashMap<Endpoint, Place<'a>>, report: &Report) {
    let mut backends = HashMap::<Endpoint, (Color, Place<'a>)>::new();
    for (service, protocol, color, address) in endpoints(services) {
        let place = Place { service, at: address.span().start };
        let endpoint = (protocol, *address.get_ref());
        let said = format!("{}address \"{}\" ({})", service.subject, address.get_ref(), protocol.name());
        if let Some(vip) = vips.get(&endpoint) {
            let message = format!("{said} is the vip of {}", vip.shown(report));
            report.add(Some(place.at), message, "write the backend's own address");
        }
        match backends.entry(endpoint) {
            Entry::Vacant(entry) => {
                entry.insert((color, place));
            }
            Entry::Occupied(entry) => {
                let (color, first) = *entry.get();
                let message = format!("{said} is also a {} backend of {}", color.name(), first.shown(report));
                let fix = "write another address or port, a backend is of one color of one service";
                report.add(Some(place.at), message, fix);
            }
        }
    }
}

fn endpoints(
    services: &[Written],
) -> impl Iterator<Item = (&Written, Protocol, Color, &Spanned<SocketAddr>)> {
    services.iter().flat_map(|service| {
        let backends = service.backends.iter();
        backends.filter_map(move |backend| {
            Some((service, service.protocol?, backend.color, backend.address.as_ref().ok()?))
        })
    })
}
