//! `[[service]]`: each by itself.

use std::{net::SocketAddr, time::Duration};

use humantime::format_duration;
use switcher_common::abi::switch::Color;
use toml::{Spanned, de::DeValue};

use super::{
    address,
    report::{Reported, Wrong},
    ring,
    table::{Table, subject},
    value::{self, DAY, SECOND},
};
use crate::model::{Affinity, Backend, DrainPolicy, Protocol, Service, UdpMemory};

/// A service as it is written: what could be read of it, for the checks across services, and the whole.
pub(super) struct Written {
    /// What its problems begin with.
    pub(super) subject: String,
    pub(super) name: Option<Spanned<String>>,
    pub(super) vip: Option<Spanned<SocketAddr>>,
    pub(super) protocol: Option<Protocol>,
    pub(super) backends: Vec<WrittenBackend>,
    pub(super) service: Result<Service, Reported>,
}

/// A backend as it is written.
pub(super) struct WrittenBackend {
    pub(super) color: Color,
    pub(super) address: Result<Spanned<SocketAddr>, Reported>,
    weight: Result<u16, Reported>,
}

const VIP: &str = "192.0.2.10:443";

/// An address of the family of the virtual address, to be shown in fixes.
fn example(vip: Option<&Spanned<SocketAddr>>) -> &'static str {
    match vip.map(Spanned::get_ref) {
        Some(SocketAddr::V6(_)) => "[2001:db8::11]:8443",
        _ => "10.0.0.11:8443",
    }
}

pub(super) fn read_all(root: &mut Table<'_>) -> Vec<Written> {
    const HEADER: &str = "[[service]] with name = \"web\"";
    let tables = root.tables("service", HEADER, |table, index| subject("service", table, index));
    tables.into_iter().flatten().map(read).collect()
}

fn read(mut table: Table<'_>) -> Written {
    let name = table.required("name", "\"web\"", value::name);
    let vip = table.required("vip", &format!("{VIP:?}"), |value| address::read(value, VIP));
    let protocols = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp)];
    let protocol = table.required("protocol", "\"tcp\"", |value| value::choice(value, &protocols));
    let protocol = protocol.map(Spanned::into_inner);
    let switch = table.optional("switch", value::name);
    let affinities = [("connection", Affinity::Connection), ("client", Affinity::Client)];
    let affinity = table.field_or("affinity", Affinity::default(), |value| value::choice(value, &affinities));
    let memory = memory(&mut table, protocol);
    let drain = drain(&mut table);
    let ring = table.field_or("ring", ring::DEFAULT, ring::read);
    let mut backends = Vec::new();
    let mut no_backends = Ok(());
    for color in Color::ALL {
        match self::backends(&mut table, color, example(vip.as_ref().ok())) {
            Ok(of_color) => {
                weights(&table, color, &of_color, ring);
                backends.extend(of_color);
            }
            Err(reported) => no_backends = Err(reported),
        }
    }
    families(&table, vip.as_ref().ok(), &backends);

    let subject = table.subject().to_owned();
    table.finish();
    let service = (|| {
        let (name, (udp, idle)) = (name.clone()?.into_inner(), memory?);
        no_backends?;
        Ok(Service {
            vip: *vip.as_ref().map_err(|reported| *reported)?.get_ref(),
            protocol: protocol?,
            switch: switch?.map_or_else(|| name.clone(), Spanned::into_inner),
            name,
            affinity: affinity?,
            udp,
            idle,
            drain: drain?,
            ring: ring?,
            backends: backends.iter().map(WrittenBackend::whole).collect::<Result<_, _>>()?,
        })
    })();
    Written { subject, name: name.ok(), vip: vip.ok(), protocol: protocol.ok(), backends, service }
}

/// How UDP clients are treated, and for how long a silent one is remembered.
fn memory(
    table: &mut Table<'_>,
    protocol: Result<Protocol, Reported>,
) -> Result<(UdpMemory, Duration), Reported> {
    let udp = table.optional("udp", udp);
    let idle = table
        .field_or("idle", Duration::from_secs(60), |value| value::duration(value, &(SECOND..=DAY), "60s"));
    let udp = udp?.map_or_else(UdpMemory::default, Spanned::into_inner);
    let protocol = protocol?;
    let mut misplaced = Ok(());
    if protocol == Protocol::Tcp && table.has("udp") {
        misplaced = Err(table.refuse("udp", Wrong::new("is only for protocol = \"udp\"", "remove it")));
    }
    if (protocol, udp) != (Protocol::Udp, UdpMemory::Sticky) && table.has("idle") {
        let or = if protocol == Protocol::Udp { " or write udp = \"sticky\"" } else { "" };
        let wrong =
            Wrong::new("is only for protocol = \"udp\" and udp = \"sticky\"", format!("remove it{or}"));
        misplaced = Err(table.refuse("idle", wrong));
    }
    misplaced?;
    Ok((udp, idle?))
}

fn udp(value: &DeValue<'_>) -> Result<UdpMemory, Wrong> {
    if value.as_str() == Some("quic") {
        return Err(Wrong::new("is not supported yet", "write \"switch\" or \"sticky\""));
    }
    value::choice(value, &[("switch", UdpMemory::Switch), ("sticky", UdpMemory::Sticky)])
}

fn drain(service: &mut Table<'_>) -> Result<DrainPolicy, Reported> {
    const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    let mut table =
        service.table("drain", "drain = { quiet = \"10m\" }", service.subject().to_owned(), "drain.");
    let default = DrainPolicy::default();
    let quiet =
        table.field_or("quiet", default.quiet, |value| value::duration(value, &(SECOND..=DAY), "10m"));
    let deadline =
        table.field_or("deadline", default.deadline, |value| value::duration(value, &(SECOND..=MONTH), "1h"));
    let pace = table.field_or("pace", (default.pace_share, default.pace_interval), value::pace);
    if let (Ok(quiet), Ok(deadline)) = (quiet, deadline)
        && deadline < quiet
    {
        let (quiet, deadline) = (format_duration(quiet), format_duration(deadline));
        if table.has("deadline") {
            let fix = format!("write a deadline of at least {quiet}, or a shorter quiet");
            table.refuse("deadline", Wrong::new(format!("is shorter than quiet, {quiet}"), fix));
        } else {
            let fix = format!("write a quiet of at most {deadline}, or a longer deadline");
            table.refuse("quiet", Wrong::new(format!("is longer than deadline, {deadline}"), fix));
        }
    }
    table.finish();
    let (pace_share, pace_interval) = pace?;
    Ok(DrainPolicy { quiet: quiet?, deadline: deadline?, pace_share, pace_interval })
}

fn backends(service: &mut Table<'_>, color: Color, example: &str) -> Result<Vec<WrittenBackend>, Reported> {
    let (key, subject) = (color.name(), service.subject().to_owned());
    let header = format!("[[service.{key}]] with address = {example:?}");
    let tables = service.tables(key, &header, |_, _| subject.clone())?;
    if tables.is_empty() {
        return Err(service.refuse(key, Wrong::new("has no backend", format!("write {header}"))));
    }
    let read = |mut table: Table<'_>| {
        let address =
            table.required("address", &format!("{example:?}"), |value| address::read(value, example));
        let weight = table.field_or("weight", 1, |value| value::integer(value, &(0..=u16::MAX)));
        table.finish();
        WrittenBackend { color, address, weight }
    };
    Ok(tables.into_iter().map(read).collect())
}

impl WrittenBackend {
    fn whole(&self) -> Result<Backend, Reported> {
        let address = self.address.as_ref().map_err(|reported| *reported)?;
        Ok(Backend { color: self.color, address: *address.get_ref(), weight: self.weight? })
    }
}

/// A color has a backend that gets connections, and a ring that can share them out evenly.
fn weights(table: &Table<'_>, color: Color, backends: &[WrittenBackend], ring: Result<u32, Reported>) {
    let color = color.name();
    let weighted = backends.iter().filter(|backend| backend.weight.is_ok_and(|weight| weight > 0)).count();
    if weighted == 0 && backends.iter().all(|backend| backend.weight.is_ok()) {
        let wrong = Wrong::new("has only backends of weight 0", "write a weight from 1 to 65535 for one");
        table.wrong(table.place(color), color, wrong);
    }
    if let Ok(ring) = ring
        && (ring as usize) < 2 * weighted
    {
        let fix = ring::at_least(2 * weighted).map_or_else(
            || format!("remove {color} backends, {} are the limit", ring::SIZES.end() / 2),
            |ring| format!("write ring = {ring} or a larger prime"),
        );
        let what = format!("has fewer than two slots for each of the {weighted} {color} backends");
        let what = if table.has("ring") { what } else { format!("{ring} (the default) {what}") };
        table.refuse("ring", Wrong::new(what, fix));
    }
}

/// Backends are of the family of the virtual address.
fn families(table: &Table<'_>, vip: Option<&Spanned<SocketAddr>>, backends: &[WrittenBackend]) {
    let Some(vip) = vip.map(Spanned::get_ref) else { return };
    let (family, other) = if vip.is_ipv4() { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
    for address in backends.iter().filter_map(|backend| backend.address.as_ref().ok()) {
        if address.get_ref().is_ipv4() != vip.is_ipv4() {
            let what = format!("\"{}\" is {other}, but vip \"{vip}\" is {family}", address.get_ref());
            let wrong = Wrong::new(what, format!("write an {family} address"));
            table.wrong(Some(address.span().start), "address", wrong);
        }
    }
}
