//! Errors as an operator reads them: what is wrong, and what to type.
use std::{fmt, io::Write as _, process::ExitCode};

use anstyle::{AnsiColor, Style};
use anyhow::Error;

/// The machine does not offer what the verb needs; the verb itself was not tried.
pub(crate) const UNFIT: u8 = 2;
const FAILED: u8 = 1;

/// What is wrong, and its fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) what: String,
    pub(crate) fix: String,
}

impl Problem {
    pub(crate) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Problem {}

/// All that makes the machine unfit, at once: nobody likes to learn of it one by one.
#[derive(Debug)]
pub(crate) struct Unfit(pub(crate) Vec<Problem>);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this machine lacks {} of what it takes", self.0.len())
    }
}

impl std::error::Error for Unfit {}

/// Writes the error to stderr and names the exit code.
pub(crate) fn report(error: &Error) -> ExitCode {
    if let Some(Unfit(problems)) = error.downcast_ref() {
        for problem in problems {
            write_problem(&problem.what, Some(&problem.fix));
        }
        return ExitCode::from(UNFIT);
    }
    let fix = error.downcast_ref::<Problem>().map(|problem| problem.fix.as_str());
    write_problem(&format!("{error:#}"), fix);
    ExitCode::from(FAILED)
}

fn write_problem(what: &str, fix: Option<&str>) {
    let (red, green) = (bold(AnsiColor::Red), bold(AnsiColor::Green));
    let fix = fix.map(|fix| format!("{green}fix{green:#}: {fix}\n")).unwrap_or_default();
    // With stderr closed there is nobody left to tell; the exit code still does.
    drop(write!(anstream::stderr(), "{red}error{red:#}: {what}\n{fix}"));
}

fn bold(color: AnsiColor) -> Style {
    color.on_default().bold()
}
