//! `status`: what is live, what drains, what is wrong.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use switcher_common::abi::{outcome::Outcome, switch::Color};

use super::{
    args::StatusArgs,
    error::Error,
    exit::Exit,
    render::{BAD, BOLD, DIM, WARN, aligned, bar, bytes, color, count, nanoseconds, paint, seconds, share},
    session::Session,
    tree::Node,
    wait::progress,
    watch,
};
use crate::{
    api::message::{BackendStatus, Counts, FlowStatus, ServiceStatus, Status, SwitchStatus},
    model::{Affinity, Mode, UdpMemory},
};

/// An earlier status, for rates.
pub struct Sample<'a> {
    /// What it said.
    pub status: &'a Status,
    /// How long ago it was.
    pub elapsed: Duration,
}

/// Shows the status once, or again and again.
pub async fn run(session: &mut Session<'_>, args: &StatusArgs) -> Result<Exit, Error> {
    if args.watch {
        return watch::run(session, args).await;
    }
    let mut status = session.client.status().await?;
    if let Some(service) = &args.service {
        status = only(status, service)?;
    }
    session.show(&status, |status| render(status, unix_now(), None))?;
    Ok(if status.problems.is_empty() { Exit::Ok } else { Exit::Degraded })
}

/// The status with one service and its switch only.
pub fn only(mut status: Status, service: &str) -> Result<Status, Error> {
    let Some(switch) = status.services.iter().find(|it| it.name == service).map(|it| it.switch.clone())
    else {
        let names: Vec<_> = status.services.iter().map(|it| it.name.as_str()).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(Error::NoService { name: service.to_owned(), known });
    };
    status.services.retain(|it| it.name == service);
    status.switches.retain(|it| it.name == switch);
    Ok(status)
}

/// Seconds of Unix time.
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The whole status, with packets per second if there is an earlier one.
pub fn render(status: &Status, now: u64, before: Option<&Sample<'_>>) -> String {
    let mut text = head(status);
    for switch in &status.switches {
        let mut node = switch_line(switch, now);
        node.children.extend(
            status.services.iter().filter(|it| it.switch == switch.name).map(|it| service_line(it, before)),
        );
        text.push('\n');
        text.push_str(&node.draw());
    }
    text
}

fn head(status: &Status) -> String {
    let mut text = format!(
        "{}  generation {}  up {}\n",
        paint(BOLD, format_args!("switcherd {}", status.version)),
        status.generation,
        seconds(status.uptime_seconds)
    );
    for problem in &status.problems {
        text.push_str(&format!("{}\n", paint(BAD, format_args!("! {problem}"))));
    }
    let interfaces: Vec<_> = status
        .interfaces
        .iter()
        .map(|it| match it.mode {
            Mode::Native => format!("{} (native)", it.name),
            Mode::Generic => format!("{} {}", it.name, paint(WARN, "(generic: slow)")),
        })
        .collect();
    let interfaces = if interfaces.is_empty() { paint(WARN, "none") } else { interfaces.join(", ") };
    let digest = status.program.digest.get(..12).unwrap_or(&status.program.digest);
    let program = format!("{}, object {digest}, ABI {}", status.program.id, status.program.abi_version);
    text.push_str(&aligned(&[
        ("interfaces".to_owned(), interfaces),
        ("program".to_owned(), program),
        ("connections".to_owned(), flows(&status.flows)),
    ]));
    for warning in worth_a_look(&status.other) {
        text.push_str(&format!("{warning}\n"));
    }
    text
}

fn flows(flows: &FlowStatus) -> String {
    let suspect = |number: u64, what: &str| {
        let text = format!("{} {what}", count(number));
        if number > 0 { paint(WARN, text) } else { text }
    };
    format!(
        "{} of {} remembered, {}, {}",
        count(flows.used),
        count(flows.capacity),
        suspect(flows.evicted, "evicted"),
        suspect(flows.refused, "refused")
    )
}

/// A switch and its running transition.
pub fn switch_line(switch: &SwitchStatus, now: u64) -> Node {
    let mut text = format!(
        "{}  {}  {}  green {}  for {}",
        paint(BOLD, format_args!("switch {}", switch.name)),
        color(switch.live),
        bar(switch.green),
        share(switch.green),
        seconds(now.saturating_sub(switch.since))
    );
    match switch.rollback_to {
        Some(green) => text.push_str(&format!("  rollback to green {}", share(green))),
        None => text.push_str(&paint(DIM, "  nothing to roll back")),
    }
    if let Some(ns) = switch.first_packet_ns {
        text.push_str(&paint(DIM, format_args!("  first packet after {}", nanoseconds(ns))));
    }
    let mut node = Node::new(text);
    if let Some(transition) = &switch.transition {
        let from = share(switch.green_base);
        let since = seconds(now.saturating_sub(transition.since));
        let text = format!("from green {from}, for {since}: {}", progress(transition));
        node.children.push(Node::new(paint(WARN, text)));
    }
    node
}

fn service_line(service: &ServiceStatus, before: Option<&Sample<'_>>) -> Node {
    let affinity = match service.affinity {
        Affinity::Connection => "per connection",
        Affinity::Client => "per client",
    };
    let udp = match service.udp {
        None => "",
        Some(UdpMemory::Switch) => ", follows the switch",
        Some(UdpMemory::Sticky) => ", sticky",
    };
    let mut node = Node::new(format!(
        "{}  {} {}  {}",
        paint(BOLD, &service.name),
        service.protocol.name(),
        service.vip,
        paint(DIM, format_args!("{affinity}{udp}"))
    ));
    let then = before.and_then(|sample| {
        let service = sample.status.services.iter().find(|it| it.name == service.name)?;
        Some((service, sample.elapsed))
    });
    for hue in Color::ALL {
        node.children.push(color_line(service, hue, then));
    }
    node.children.extend(worth_a_look(&service.counts).map(Node::new));
    node
}

fn color_line(service: &ServiceStatus, hue: Color, then: Option<(&ServiceStatus, Duration)>) -> Node {
    let state = service.color(hue);
    let before = then.map(|(service, elapsed)| (service.color(hue), elapsed));
    // "blue" below "green" with the numbers below each other.
    let pad = " ".repeat(5 - hue.name().len());
    let mut node = Node::new(format!(
        "{}{pad}  in {}{}  out {}{}",
        color(hue),
        packets(state.forward.packets, before.map(|(it, elapsed)| (it.forward.packets, elapsed))),
        paint(DIM, format_args!(", {}", bytes(state.forward.bytes))),
        packets(state.reply.packets, before.map(|(it, elapsed)| (it.reply.packets, elapsed))),
        paint(DIM, format_args!(", {}", bytes(state.reply.bytes))),
    ));
    if state.backends.is_empty() {
        node.children.push(Node::new(paint(WARN, "no backends")));
    }
    let width = state.backends.iter().map(|it| it.address.len()).max().unwrap_or(0);
    for backend in &state.backends {
        let before = before.and_then(|(color, elapsed)| {
            let before = color.backends.iter().find(|it| it.address == backend.address)?;
            Some((forward_packets(before), elapsed))
        });
        let mut line = Node::new(backend_line(backend, width, before));
        line.children.extend(worth_a_look(&backend.counts).map(Node::new));
        node.children.push(line);
    }
    node
}

fn backend_line(backend: &BackendStatus, width: usize, before: Option<(u64, Duration)>) -> String {
    let way = match (&backend.problem, &backend.next_hop) {
        (Some(problem), _) => paint(BAD, problem),
        (None, Some(way)) => format!("via {way}"),
        (None, None) => paint(BAD, "next hop unknown"),
    };
    let leaving = if backend.leaving { paint(WARN, "  leaving") } else { String::new() };
    let in_packets = packets(forward_packets(backend), before);
    format!("{:width$}  weight {}  {way}  in {in_packets}{leaving}", backend.address, backend.weight)
}

/// Packets from clients: all that are not replies.
fn forward_packets(backend: &BackendStatus) -> u64 {
    backend.counts.iter().filter(|(name, _)| !name.starts_with("repl")).map(|(_, count)| count.packets).sum()
}

fn packets(now: u64, before: Option<(u64, Duration)>) -> String {
    let rate = before.and_then(|(then, elapsed)| {
        // Counters that went down are those of another life of the maps.
        let more = u128::from(now.checked_sub(then)?);
        u64::try_from(more * 1000 / elapsed.as_millis().max(1)).ok()
    });
    match rate {
        Some(rate) => format!("{} packets ({}/s)", count(now), count(rate)),
        None => format!("{} packets", count(now)),
    }
}

/// A line for each outcome that has been seen and should not have been.
fn worth_a_look(counts: &Counts) -> impl Iterator<Item = String> {
    Outcome::ALL.iter().filter(|outcome| outcome.alarming()).filter_map(|outcome| {
        let seen = counts.get(outcome.name()).filter(|seen| seen.packets > 0)?;
        let (name, meaning) = (outcome.name(), outcome.meaning());
        Some(paint(WARN, format_args!("! {} {name}: {meaning}", count(seen.packets))))
    })
}
