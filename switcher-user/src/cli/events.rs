//! `events`: what happens, line by line.

use std::time::{Duration, UNIX_EPOCH};

use super::{
    error::Error,
    exit::Exit,
    render::{BOLD, DIM, WARN, counted, paint, share},
    session::Session,
    watch::interrupted,
};
use crate::api::message::{Event, Happening};

/// Prints events until Ctrl-C, or until the daemon ends.
pub async fn run(session: &mut Session<'_>) -> Result<Exit, Error> {
    let mut events = session.client.events().await?;
    let interrupted = interrupted();
    tokio::pin!(interrupted);
    loop {
        let line = tokio::select! {
            line = events.next_line() => line?,
            () = &mut interrupted => return Ok(Exit::Ok),
        };
        let Some(line) = line else {
            writeln!(session.notes, "switcherd has ended the stream")?;
            return Ok(Exit::Ok);
        };
        let text = if session.json { line } else { render(&line) };
        writeln!(session.out, "{text}")?;
        session.out.flush()?;
    }
}

/// One event in one line; one of a newer daemon as it came.
pub fn render(line: &str) -> String {
    let Ok(event) = serde_json::from_str::<Event>(line) else { return line.to_owned() };
    let since_epoch = Duration::try_from_secs_f64(event.at).unwrap_or_default();
    let time = UNIX_EPOCH
        .checked_add(since_epoch)
        .map_or_else(String::new, |time| humantime::format_rfc3339_millis(time).to_string());
    let head = paint(DIM, format_args!("{time} {:>5}", event.generation));
    format!("{head}  {}", happening(&event.what))
}

fn happening(what: &Happening) -> String {
    match what {
        Happening::Changed { verb, switch, old_word, new_word, green, who } => format!(
            "{} switch {switch}: green {}  {}",
            paint(BOLD, verb),
            share(*green),
            paint(DIM, format_args!("{old_word} -> {new_word}, by {who}")),
        ),
        Happening::Applied { steps, who } => format!(
            "{} a configuration: {}  {}",
            paint(BOLD, "applied"),
            counted(*steps, "change", "changes"),
            paint(DIM, format_args!("by {who}")),
        ),
        Happening::NextHop { backend, next_hop: Some(way) } => {
            format!("{} of {backend}: {way}", paint(BOLD, "next hop"))
        }
        Happening::NextHop { backend, next_hop: None } => {
            paint(WARN, format_args!("next hop of {backend}: lost"))
        }
        Happening::Missed { count } => {
            paint(WARN, format_args!("missed {}: this reader was too slow", events(*count)))
        }
    }
}

fn events(count: u64) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}
