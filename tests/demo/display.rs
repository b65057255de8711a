//! What is seen while it happens: on a terminal a line that is redrawn in place, else a line a second.

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anstream::adapter::strip_str;
use switcher_user::cli::render::{BAD, BOLD, DIM, GOOD, bar, paint};
use terminal_size::{Width, terminal_size};

use crate::crowd::{Census, Crowd, FLOWS, RESIDENTS, VISITORS};
use crate::receipt::grouped;

const REDRAW: Duration = Duration::from_millis(200);
const LINE: Duration = Duration::from_secs(1);

/// What the operator does next.
pub(crate) struct News {
    /// The act, in a word or two.
    pub(crate) act: &'static str,
    /// What is done.
    pub(crate) words: String,
    /// By which command; empty if by none.
    pub(crate) command: String,
}

/// A part of the line.
struct Part {
    text: String,
    /// How soon it is left out where it is narrow; 0 never.
    dispensable: u8,
}

/// The display.
pub(crate) struct Display<'a> {
    begin: Instant,
    crowd: &'a Crowd,
    /// Whether there is a terminal that can go back to the start of a line.
    live: bool,
    act: &'static str,
    seen: (Instant, Census),
    green: f64,
    /// Columns of the line that stands there.
    drawn: usize,
}

/// Prints text; where nobody reads it, it is gone, and the demonstration goes on.
pub(crate) fn print(text: &str) {
    let mut out = anstream::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}

/// What is about to be seen.
pub(crate) fn headline(seconds: u64) {
    let about = format!(
        "{RESIDENTS} connections stay, {VISITORS} clients come and go, {FLOWS} UDP flows; IPv4, IPv6; {seconds} s"
    );
    print(&format!("{}\n{}\n", paint(BOLD, "A switch under load"), paint(DIM, about)));
}

impl<'a> Display<'a> {
    pub(crate) fn new(begin: Instant, crowd: &'a Crowd) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let live = std::io::stdout().is_terminal() && !dumb;
        let seen = (Instant::now(), crowd.census());
        Self { begin, crowd, live, act: "", seen, green: 0.0, drawn: 0 }
    }

    /// Shows the news and the traffic until there can be no more news.
    pub(crate) fn run(mut self, news: &Receiver<News>) {
        let interval = if self.live { REDRAW } else { LINE };
        let mut next = Instant::now() + interval;
        loop {
            match news.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(news) => self.announce(&news),
                Err(RecvTimeoutError::Timeout) => {
                    self.draw();
                    next = (next + interval).max(Instant::now());
                }
                Err(RecvTimeoutError::Disconnected) => return self.replace("", ""),
            }
        }
    }

    fn announce(&mut self, news: &News) {
        self.act = news.act;
        let mut line = format!("{}  {}", paint(DIM, self.elapsed()), paint(BOLD, &news.words));
        if !news.command.is_empty() {
            line += &paint(DIM, format_args!("  {}", news.command));
        }
        self.replace(&line, "\n");
    }

    fn elapsed(&self) -> String {
        format!("{:5.1}s", self.begin.elapsed().as_secs_f64())
    }

    fn draw(&mut self) {
        let mut parts = self.measure();
        let line =
            |parts: &[Part]| parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join("  ");
        if !self.live {
            return self.replace(&line(&parts), "\n");
        }
        let columns = terminal_size().map_or(80, |(Width(columns), _)| usize::from(columns));
        while width(&line(&parts)) >= columns && parts.iter().any(|part| part.dispensable > 0) {
            let most = parts.iter().map(|part| part.dispensable).max();
            parts.retain(|part| Some(part.dispensable) != most);
        }
        self.replace(&line(&parts), "");
    }

    /// What has happened since the last look, in parts of a line.
    fn measure(&mut self) -> Vec<Part> {
        let now = (Instant::now(), self.crowd.census());
        let (then, before) = std::mem::replace(&mut self.seen, now);
        let (now, census) = &self.seen;
        let seconds = (*now - then).as_secs_f64();
        let [blue, green] = [census.short.blue - before.short.blue, census.short.green - before.short.green];
        if blue + green > 0 {
            self.green = ratio(green, blue + green) * 100.0;
        }
        let faults: u64 = census.faults().iter().sum();
        let style = if faults > 0 { BAD } else { GOOD };
        let requests = per_second(census.requests() - before.requests(), seconds);
        let share = format!("{:3.0}% green", self.green);
        let part = |dispensable, text| Part { text, dispensable };
        vec![
            part(0, paint(DIM, self.elapsed())),
            part(6, format!("{:<11}", self.act)),
            part(0, if self.live { format!("{} {share}", bar(self.green)) } else { share }),
            part(1, format!("{requests:>6} req/s")),
            part(5, format!("{:>5} new/s", per_second(blue + green, seconds))),
            part(3, format!("{} open", census.open)),
            part(2, format!("UDP lost {}", census.udp.lost)),
            part(0, paint(style, format_args!("failed {faults}"))),
        ]
    }

    /// Puts a line in the place of the one that stands there. By blanks and not by an escape, which would be
    /// taken out where colors are not wanted.
    fn replace(&mut self, line: &str, end: &str) {
        let width = width(line);
        let blanks = " ".repeat(self.drawn.saturating_sub(width));
        let back = if self.live { "\r" } else { "" };
        print(&format!("{back}{line}{blanks}{}{end}", if line.is_empty() { back } else { "" }));
        self.drawn = if end.is_empty() { width } else { 0 };
    }
}

fn width(line: &str) -> usize {
    strip_str(line).to_string().chars().count()
}

/// A share of a count, to be shown; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of a few seconds, to be shown")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number, to be shown")]
fn per_second(count: u64, seconds: f64) -> String {
    grouped((ratio(count, 1) / seconds.max(0.001)) as u64)
}
