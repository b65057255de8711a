//! The receipt: what was sent, what went wrong, and how long everything took.

use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use switcher_user::cli::render::{BAD, DIM, GOOD, nanoseconds, paint};

use crate::crowd::Census;
use crate::ledger::{Ledger, Step, Timing};

/// The receipt, as `--json` writes it; times in nanoseconds unless their names say otherwise.
#[derive(Serialize)]
pub(crate) struct Receipt {
    seconds: f64,
    long_lived: u64,
    long_lived_open_at_end: u64,
    short_lived: u64,
    requests: u64,
    failed: u64,
    connections_broken: u64,
    wrong_color: u64,
    slowest_ms: f64,
    udp_sent: u64,
    udp_lost: u64,
    flips: u64,
    weight_steps: u64,
    rollbacks: u64,
    daemon_kills: u64,
    ramp: Vec<Step>,
    store_ns_p50: u64,
    store_ns_p99: u64,
    first_packet_ns_p50: u64,
    first_packet_ns_p99: u64,
    daemon_away_ms: Option<f64>,
    drain_ms: Option<f64>,
    commands: Vec<Command>,
    problems: Vec<String>,
    log: Option<String>,
}

/// What a command took.
#[derive(Serialize)]
struct Command {
    command: String,
    exit_ms: f64,
    first_answer_ms: Option<f64>,
}

impl Receipt {
    /// Sums up; `log` is kept in a file if something went wrong.
    pub(crate) fn new(took: Duration, census: &Census, ledger: &Ledger, log: &str) -> Self {
        let Census { long, short, udp, open } = census;
        let [failed, connections_broken, wrong_color] = census.faults();
        let errors = [long, short, udp].into_iter().flat_map(|report| report.errors.iter().cloned());
        let mut receipt = Self {
            seconds: took.as_secs_f64(),
            long_lived: long.connections,
            long_lived_open_at_end: *open,
            short_lived: short.connections,
            requests: census.requests(),
            failed,
            connections_broken,
            wrong_color,
            slowest_ms: milliseconds(long.slowest.max(short.slowest)),
            udp_sent: udp.sent,
            udp_lost: udp.lost,
            flips: ledger.flips,
            weight_steps: ledger.steps,
            rollbacks: ledger.rollbacks,
            daemon_kills: ledger.daemon_kills,
            ramp: ledger.ramp.clone(),
            store_ns_p50: ledger.stores.value_at_quantile(0.5),
            store_ns_p99: ledger.stores.value_at_quantile(0.99),
            first_packet_ns_p50: ledger.first_packets.value_at_quantile(0.5),
            first_packet_ns_p99: ledger.first_packets.value_at_quantile(0.99),
            daemon_away_ms: ledger.away.map(milliseconds),
            drain_ms: ledger.drain.map(milliseconds),
            commands: ledger.commands.iter().map(Command::from).collect(),
            problems: ledger.problems.iter().cloned().chain(errors).collect(),
            log: None,
        };
        if !receipt.is_good() {
            receipt.log = keep(log, &receipt.problems);
        }
        receipt
    }

    /// Whether nothing failed, nothing broke and every color was right. Lost datagrams are told, not judged.
    pub(crate) fn is_good(&self) -> bool {
        let faults = self.failed + self.connections_broken + self.wrong_color;
        self.requests > 0 && faults == 0 && self.problems.is_empty()
    }

    /// For people.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("\n{}\n{}\n", self.traffic(), self.commands());
        text +=
            &paint(DIM, "A change exits after watching for 100 ms which connections it has put at risk.\n");
        for problem in &self.problems {
            text += &format!("{}\n", paint(BAD, problem));
        }
        if let Some(log) = &self.log {
            text += &format!("The daemon's log, and what clients saw: {log}\n");
        }
        let verdict = if self.is_good() {
            paint(GOOD.bold(), "No request failed, no connection broke, no answer came from the wrong color.")
        } else {
            paint(BAD, "Something went wrong: see above.")
        };
        text + &verdict + "\n"
    }

    fn traffic(&self) -> Table {
        let mut table = table(["the receipt", ""]);
        let mut row = |name: &str, value: String| {
            table.add_row([name.to_owned(), value]);
        };
        row("connections that stayed", grouped(self.long_lived));
        row("connections for one request", grouped(self.short_lived));
        row("requests answered", grouped(self.requests));
        row("failed", grouped(self.failed));
        row("connections broken", grouped(self.connections_broken));
        row("answers of the wrong color", grouped(self.wrong_color));
        row("slowest answer (green was made slow)", format!("{:.0} ms", self.slowest_ms));
        row("UDP datagrams sent / lost", format!("{} / {}", grouped(self.udp_sent), grouped(self.udp_lost)));
        row(
            "flips / weight steps / rollbacks",
            format!("{} / {} / {}", grouped(self.flips), self.weight_steps, self.rollbacks),
        );
        row(
            "daemon killed / away",
            format!("{} / {:.1} s", self.daemon_kills, self.daemon_away_ms.unwrap_or_default() / 1000.0),
        );
        let steps = self
            .ramp
            .iter()
            .filter_map(|step| Some(format!("{:.1}% of {}%", step.seen_percent?, step.asked_percent)));
        row("ramp, green as seen", steps.collect::<Vec<_>>().join(", "));
        row("one flip, the store: p50 / p99", pair(self.store_ns_p50, self.store_ns_p99));
        row("store to first packet: p50 / p99", pair(self.first_packet_ns_p50, self.first_packet_ns_p99));
        table
    }

    fn commands(&self) -> Table {
        let mut table = table(["from the start of", "to the first answer", "to its exit"]);
        for command in &self.commands {
            let first = command.first_answer_ms.map(|ms| format!("{ms:.0} ms")).unwrap_or_default();
            table.add_row([command.command.clone(), first, format!("{:.0} ms", command.exit_ms)]);
        }
        table
    }
}

/// A table with the names at the left and the values at the right.
fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

impl From<&Timing> for Command {
    fn from(timing: &Timing) -> Self {
        Self {
            command: timing.command.clone(),
            exit_ms: milliseconds(timing.exit),
            first_answer_ms: timing.effect.map(milliseconds),
        }
    }
}

/// Where what is known was put.
fn keep(log: &str, problems: &[String]) -> Option<String> {
    let file = tempfile::Builder::new().prefix("switcher-demo-").suffix(".log").tempfile().ok()?;
    std::fs::write(file.path(), format!("{}\n\n{log}", problems.join("\n"))).ok()?;
    let (_, path) = file.keep().ok()?;
    Some(path.display().to_string())
}

fn pair(p50: u64, p99: u64) -> String {
    format!("{} / {}", nanoseconds(p50), nanoseconds(p99))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
