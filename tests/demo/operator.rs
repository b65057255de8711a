//! Who acts: says what is done, does it by the command line, and keeps account.

use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use switcher_tests::Color;

use crate::crowd::Crowd;
use crate::display::News;
use crate::ledger::{Ledger, Timing};
use crate::scene::Scene;

/// What is left at the end for everybody to leave.
const RESERVE: Duration = Duration::from_millis(500);

/// The operator.
pub(crate) struct Operator<'a> {
    pub(crate) scene: &'a mut Scene,
    pub(crate) crowd: &'a Crowd,
    pub(crate) ledger: Ledger,
    tell: Sender<News>,
    end: Instant,
}

impl<'a> Operator<'a> {
    /// An operator who wants to be done at `end`.
    pub(crate) fn new(scene: &'a mut Scene, crowd: &'a Crowd, tell: Sender<News>, end: Instant) -> Self {
        Self { scene, crowd, ledger: Ledger::new(), tell, end }
    }

    /// Announces what is done, in words, and the command it is done by.
    pub(crate) fn announce(&self, act: &'static str, words: &str, command: &str) {
        let news = News { act, words: words.to_owned(), command: command.to_owned() };
        // The display has gone only if it has panicked, which ends the demonstration when it is joined.
        self.tell.send(news).ok();
    }

    /// `part` of the time that is left when what takes `later` is still to come.
    pub(crate) fn time(&self, part: f64, later: Duration) -> Duration {
        let left = self.end.saturating_duration_since(Instant::now());
        left.saturating_sub(later + RESERVE).mul_f64(part)
    }

    /// Lets traffic flow.
    pub(crate) fn watch(&self, duration: Duration) {
        let end = Instant::now() + duration;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_secs(1)));
            self.crowd.look_away();
        }
    }

    /// Runs `switcher` with `arguments`; `new` is a color that clients did not get before.
    pub(crate) fn command(&mut self, act: &'static str, words: &str, arguments: &str, new: Option<Color>) {
        let command = format!("switcher {arguments}");
        self.announce(act, words, &format!("$ {command}"));
        self.crowd.look_away();
        let start = Instant::now();
        let output = self.scene.daemon.cli(arguments.split(' '));
        let exit = start.elapsed();
        let effect = new.and_then(|color| self.crowd.first_answer(color));
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            self.ledger.problems.push(format!("`{command}`: {}: {}", output.status, complaint.trim()));
        }
        let effect = effect.map(|at| at.saturating_duration_since(start));
        self.ledger.commands.push(Timing { command, exit, effect });
        if new.is_some() {
            self.note_first_packet();
        }
    }

    /// Takes down how long it took until a packet was judged by the last store.
    pub(crate) fn note_first_packet(&mut self) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(1) {
            if let Some(ns) = self.scene.switch().first_packet_ns {
                return self.ledger.first_packets.saturating_record(ns);
            }
        }
    }

    /// Something is not as it must be.
    pub(crate) fn complain(&mut self, problem: impl Into<String>) {
        self.ledger.problems.push(problem.into());
    }
}
