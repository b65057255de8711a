//! Waiting for the end of a drain.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{
    error::Error,
    render::{seconds, share},
    session::Session,
};
use crate::api::{client::ClientError, message::TransitionStatus};

const POLL: Duration = Duration::from_secs(1);
/// Shares are whole hundredths of a percent.
const SAME_SHARE: f64 = 0.005;

/// Returns when no transition of `switch` runs.
///
/// Tells the progress on the standard error: in place on a terminal, else in one line at the start and one at the
/// end. Fails if the drain lasts longer than `limit`, or if the green share is not `wanted` any more.
pub async fn until_drained(
    session: &mut Session<'_>,
    service: &str,
    switch: &str,
    wanted: Option<f64>,
    limit: Option<Duration>,
) -> Result<(), Error> {
    let started = Instant::now();
    let mut told = false;
    loop {
        let status = session.client.status().await?;
        let Some(state) = status.switches.iter().find(|state| state.name == switch) else {
            return Err(not_described(service));
        };
        if let Some(wanted) = wanted.filter(|wanted| (wanted - state.green).abs() > SAME_SHARE) {
            end_line(session, told)?;
            let (now, wanted) = (share(state.green), share(wanted));
            return Err(Error::Overtaken { switch: switch.to_owned(), now, wanted });
        }
        let waited = seconds(started.elapsed().as_secs());
        let Some(transition) = &state.transition else {
            end_line(session, told)?;
            writeln!(session.notes, "switch {switch}: drained after {waited}")?;
            return Ok(());
        };
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            end_line(session, told)?;
            return Err(Error::StillDraining {
                switch: switch.to_owned(),
                service: service.to_owned(),
                waited,
            });
        }
        if session.terminals.notes {
            // Padded and cut rather than cleared: escapes are taken out where no colors are wanted.
            let room = terminal_size::terminal_size()
                .map_or(79, |(width, _)| usize::from(width.0).saturating_sub(1));
            let line = format!("switch {switch}: {}", progress(transition));
            write!(session.notes, "\r{line:room$.room$}")?;
            session.notes.flush()?;
        } else if !told {
            writeln!(session.notes, "switch {switch}: {}", progress(transition))?;
        }
        told = true;
        let left = limit.map_or(POLL, |limit| limit.saturating_sub(started.elapsed()));
        sleep(POLL.min(left)).await;
    }
}

fn end_line(session: &mut Session<'_>, told: bool) -> Result<(), Error> {
    if told && session.terminals.notes {
        writeln!(session.notes)?;
    }
    Ok(())
}

/// The daemon lists a service but not its switch.
pub fn not_described(service: &str) -> Error {
    ClientError::Protocol(format!("the status does not describe the switch of service \"{service}\"")).into()
}

/// A running transition in one phrase.
pub fn progress(transition: &TransitionStatus) -> String {
    let deadline = match transition.deadline_in_seconds {
        0 => "past the deadline: the rest is moved step by step".to_owned(),
        left => format!("deadline in {}", seconds(left)),
    };
    format!(
        "draining, about {} at risk, quiet {} of {}, {deadline}",
        transition.at_risk,
        seconds(transition.quiet_seconds),
        seconds(transition.quiet_needed_seconds),
    )
}
