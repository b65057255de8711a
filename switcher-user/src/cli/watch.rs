//! `status --watch`: again and again, in place on a terminal.

use std::{
    io::{Write as _, stdout},
    time::{Duration, Instant},
};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use super::{
    args::StatusArgs,
    error::Error,
    exit::Exit,
    render::{BAD, DIM, paint},
    session::Session,
    status::{Sample, only, render, unix_now},
};
use crate::api::{client::ClientError, message::Status};

/// Shows the status each interval until Ctrl-C. A daemon that goes away is waited for.
pub async fn run(session: &mut Session<'_>, args: &StatusArgs) -> Result<Exit, Error> {
    // The first answer is not waited for: a wrong socket is told at once.
    let mut answer = look(session, args).await;
    if let Err(error) = answer {
        return Err(error);
    }
    let screen = (session.terminals.out && !session.json).then(Screen::enter).transpose()?;
    let interrupted = interrupted();
    tokio::pin!(interrupted);
    let mut before: Option<(Status, Instant)> = None;
    loop {
        let seen = Instant::now();
        match answer {
            Ok(status) => {
                if session.json {
                    let line = serde_json::to_string(&status).map_err(std::io::Error::from)?;
                    writeln!(session.out, "{line}")?;
                    session.out.flush()?;
                } else {
                    let sample = before
                        .as_ref()
                        .map(|(status, at)| Sample { status, elapsed: seen.duration_since(*at) });
                    show(
                        session,
                        screen.as_ref(),
                        args.interval,
                        &render(&status, unix_now(), sample.as_ref()),
                    )?;
                }
                before = Some((status, seen));
            }
            Err(Error::Client(
                error @ (ClientError::Unreachable { .. }
                | ClientError::TimedOut { .. }
                | ClientError::Lost(_)),
            )) => {
                before = None;
                let text = format!("{} {error}\n", paint(BAD, "error:"));
                match &screen {
                    Some(_) => show(session, screen.as_ref(), args.interval, &text)?,
                    None => session.notes.write_all(text.as_bytes())?,
                }
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = sleep(args.interval) => {}
            () = &mut interrupted => return Ok(Exit::Ok),
        }
        answer = tokio::select! {
            answer = look(session, args) => answer,
            () = &mut interrupted => return Ok(Exit::Ok),
        };
    }
}

async fn look(session: &Session<'_>, args: &StatusArgs) -> Result<Status, Error> {
    let status = session.client.status().await?;
    match &args.service {
        Some(service) => only(status, service),
        None => Ok(status),
    }
}

fn show(
    session: &mut Session<'_>,
    screen: Option<&Screen>,
    interval: Duration,
    text: &str,
) -> Result<(), Error> {
    if screen.is_none() {
        writeln!(session.out, "{text}")?;
        return Ok(session.out.flush()?);
    }
    let rows = terminal_size::terminal_size().map_or(usize::MAX, |(_, height)| usize::from(height.0));
    let lines: Vec<_> = text.lines().collect();
    let room = rows.saturating_sub(1);
    Screen::control("\x1b[H")?;
    for line in lines.iter().take(room) {
        write!(session.out, "{line}")?;
        session.out.flush()?;
        Screen::control("\x1b[K\n")?;
    }
    let hidden = lines.len().saturating_sub(room);
    let more = if hidden > 0 { format!("{hidden} more lines, ") } else { String::new() };
    let every = humantime::format_duration(interval);
    write!(session.out, "{}", paint(DIM, format_args!("{more}every {every}, Ctrl-C ends")))?;
    session.out.flush()?;
    Screen::control("\x1b[J")?;
    Ok(())
}

/// The terminal's alternate screen, for as long as it lives.
struct Screen;

impl Screen {
    fn enter() -> std::io::Result<Self> {
        // Alternate screen, no cursor, long lines are cut off.
        Self::control("\x1b[?1049h\x1b[?25l\x1b[?7l")?;
        Ok(Self)
    }

    /// Moves the cursor, also where colors are not wanted.
    fn control(sequence: &str) -> std::io::Result<()> {
        let mut out = stdout().lock();
        out.write_all(sequence.as_bytes())?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        drop(Self::control("\x1b[?7h\x1b[?25h\x1b[?1049l"));
    }
}

/// Returns when somebody wants this process to end (SIGINT, SIGTERM or SIGHUP).
pub async fn interrupted() {
    let wait = async |kind| match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // Then the signal ends the process the hard way.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}
