//! Everything that drives the project: `cargo xtask --help`.
//!
//! - [`setup`]: what has to be installed; [`preflight`]: what the machine has to offer;
//! - [`verbs`]: build, lint and ci; [`demo`]: the demonstration; [`suite`]: the tests and their count;
//! - [`workspace`]: where things are and how commands run; [`problem`]: errors that name their fix.
mod demo;
mod preflight;
mod problem;
mod setup;
mod suite;
mod verbs;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Drives the project: from an empty machine to a tested build.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what building, testing and the demo take (Debian; needs root only if something is missing)
    Setup,
    /// Build the daemon and the command line
    Build {
        /// Optimize, as packages are
        #[arg(long)]
        release: bool,
    },
    /// Watch a switch under load between namespaces of this machine (needs root)
    Demo {
        /// How long it takes, from start to end; 40 if not given
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=3600))]
        seconds: Option<u64>,
        /// Write what was measured to a file
        #[arg(long, value_name = "FILE")]
        json: Option<String>,
        /// Passed on to the demo; see `cargo xtask demo -- --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        rest: Vec<String>,
    },
    /// Run the unit tests, the doc tests and the integration tests (needs root)
    Test {
        /// Only the tests whose path contains this
        name: Option<String>,
    },
    /// Check format, lints and documentation
    Lint,
    /// Lint, test and a short demo, as continuous integration runs them (needs root)
    Ci,
}

fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => problem::report(&error),
    }
}

fn run(verb: Verb) -> Result<()> {
    let workspace = Workspace::open()?;
    match verb {
        Verb::Setup => setup::setup(&workspace),
        Verb::Build { release } => verbs::build(&workspace, release),
        Verb::Demo { seconds, json, rest } => demo::demo(&workspace, &demo_arguments(seconds, json, rest)),
        Verb::Test { name } => suite::test(&workspace, name.as_deref()),
        Verb::Lint => verbs::lint(&workspace),
        Verb::Ci => verbs::ci(&workspace),
    }
}

fn demo_arguments(seconds: Option<u64>, json: Option<String>, rest: Vec<String>) -> Vec<String> {
    let seconds = seconds.map(|seconds| ["--seconds".to_owned(), seconds.to_string()]);
    let json = json.map(|json| ["--json".to_owned(), json]);
    seconds.into_iter().chain(json).flatten().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_demo_gets_its_arguments() {
        let parse = |line: &str| match Arguments::try_parse_from(line.split(' ')).unwrap().verb {
            Verb::Demo { seconds, json, rest } => demo_arguments(seconds, json, rest),
            _ => panic!("{line} is no demo"),
        };
        assert!(parse("xtask demo").is_empty());
        assert_eq!(parse("xtask demo --seconds 15 --json a.json"), ["--seconds", "15", "--json", "a.json"]);
        assert_eq!(parse("xtask demo --seconds 15 --keep x"), ["--seconds", "15", "--keep", "x"]);
        assert_eq!(parse("xtask demo -- --help"), ["--help"]);
    }
}
