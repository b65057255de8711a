//! What every command is given: the daemon, where to write, and whether people are watching.

use std::io::{BufRead as _, IsTerminal as _, Write, stderr, stdin, stdout};

use serde::Serialize;

use super::{error::Error, render};
use crate::api::client::Client;

/// What every command is given.
pub struct Session<'a> {
    /// The way to the daemon.
    pub client: Client,
    /// Whether to print JSON.
    pub json: bool,
    /// Where data goes.
    pub out: &'a mut dyn Write,
    /// Where everything else goes.
    pub notes: &'a mut dyn Write,
    /// Which ends are terminals.
    pub terminals: Terminals,
}

/// Which ends of the process are terminals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminals {
    /// The standard input.
    pub input: bool,
    /// The standard output.
    pub out: bool,
    /// The standard error.
    pub notes: bool,
}

impl Terminals {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self { input: stdin().is_terminal(), out: stdout().is_terminal(), notes: stderr().is_terminal() }
    }
}

impl Session<'_> {
    /// Prints an answer: as JSON, or as text for people.
    pub fn show<T: Serialize>(&mut self, answer: &T, text: impl FnOnce(&T) -> String) -> Result<(), Error> {
        if self.json {
            let json = serde_json::to_string_pretty(answer).map_err(std::io::Error::from)?;
            writeln!(self.out, "{json}")?;
        } else {
            self.out.write_all(text(answer).as_bytes())?;
        }
        Ok(self.out.flush()?)
    }

    /// Prints what went wrong beside what was asked for.
    pub fn warn(&mut self, warnings: &[String]) -> Result<(), Error> {
        for warning in warnings {
            writeln!(self.notes, "{} {warning}", render::paint(render::WARN, "warning:"))?;
        }
        Ok(())
    }

    /// Goes on only if the operator has said yes, beforehand (`yes`) or on the terminal.
    pub fn confirm(&mut self, yes: bool, question: &str) -> Result<(), Error> {
        if yes {
            return Ok(());
        }
        if !self.terminals.input || !self.terminals.notes {
            return Err(Error::Usage(
                "--cut resets established connections: without a terminal to confirm it on, add --yes"
                    .to_owned(),
            ));
        }
        write!(self.notes, "{question} [y/N] ")?;
        self.notes.flush()?;
        let mut answer = String::new();
        stdin().lock().read_line(&mut answer)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Error::NotConfirmed) }
    }
}
