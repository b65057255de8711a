//! The tests: unit and doc tests first, then those that need root, counted over all runs.
use std::{
    io::{BufRead as _, BufReader},
    iter::Sum,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use xshell::{Cmd, cmd};

use crate::{
    preflight,
    problem::Problem,
    setup,
    workspace::{Workspace, say},
};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

impl Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        let add = |a: Self, b: Self| Self { passed: a.passed + b.passed, failed: a.failed + b.failed };
        counts.fold(Self::default(), add)
    }
}

/// Runs every test, or those whose path contains `name`; the last line is the count.
pub(crate) fn test(workspace: &Workspace, name: Option<&str>) -> Result<()> {
    preflight::require_root("test")?;
    setup::setup(workspace)?;
    preflight::check(workspace)?;

    let shell = &workspace.shell;
    let others = ["--workspace", "--exclude", "switcher-ebpf", "--exclude", "switcher-tests"];
    let unit = cmd!(shell, "cargo test {others...} --no-fail-fast");
    let build = cmd!(shell, "cargo build --package switcher-user --package switcher-tests --bins");
    let privileged = cmd!(shell, "cargo test --package switcher-tests --no-fail-fast");
    // One at a time: they load programs and share the names of namespaces and pins.
    let (unit, privileged) =
        (unit.args(filter(name, &[])), privileged.args(filter(name, &["--test-threads", "1"])));

    let mut counts = vec![run(unit)?];
    if counts[0].1.is_none() {
        build.run()?;
        counts.push(run(privileged)?);
    }
    let count: Count = counts.iter().map(|(count, _)| *count).sum();
    let failure = counts.into_iter().find_map(|(_, failure)| failure);
    if let (None, Some(name), 0) = (&failure, name, count.passed) {
        bail!(Problem::new(format!("no test has {name:?} in its path"), "cargo xtask test, for all of them"));
    }
    say(&format!("\n{} passed, {} failed", count.passed, count.failed))?;
    failure.map_or(Ok(()), |failure| bail!(failure))
}

/// What comes after the `--` of `cargo test`, which doc tests see, too.
fn filter<'a>(name: Option<&'a str>, options: &[&'a str]) -> Vec<&'a str> {
    let arguments: Vec<&str> = options.iter().copied().chain(name).collect();
    if arguments.is_empty() { arguments } else { [&["--"], arguments.as_slice()].concat() }
}

/// Runs one `cargo test`, its output passed through as it comes; how it failed, if it did.
fn run(command: Cmd<'_>) -> Result<(Count, Option<String>)> {
    let line = command.to_string();
    say(&format!("$ {line}"))?;
    let mut child = Command::from(command).stdout(Stdio::piped()).spawn().with_context(|| line.clone())?;
    let mut counts = Vec::new();
    for output in BufReader::new(child.stdout.take().context("stdout is piped")?).lines() {
        let output = output.with_context(|| line.clone())?;
        counts.extend(parse_result(&output));
        say(&output)?;
    }
    let status = child.wait().with_context(|| line.clone())?;
    Ok((counts.into_iter().sum(), (!status.success()).then(|| format!("{line}: {status}"))))
}

/// The count in a line like `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
fn parse_result(line: &str) -> Option<Count> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let of = |outcome: &str| {
        counts.split("; ").find_map(|part| part.strip_suffix(outcome)?.strip_suffix(' ')?.parse::<u64>().ok())
    };
    Some(Count { passed: of("passed")?, failed: of("failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed_over_runs() {
        let output = "\nrunning 3 tests\n...\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test prints_test_result ... ok\n\
            test result: FAILED. 40 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.20s\n";
        let count: Count = output.lines().filter_map(parse_result).sum();
        assert_eq!(count, Count { passed: 43, failed: 2 });
    }

    #[test]
    fn filters_follow_the_dashes() {
        assert!(filter(None, &[]).is_empty());
        assert_eq!(filter(Some("drain"), &["--test-threads", "1"]), ["--", "--test-threads", "1", "drain"]);
    }

    #[test]
    fn other_lines_do_not_count() {
        for line in ["3 passed; 0 failed", "test result: ok", "test result: ok. many passed; 0 failed", ""] {
            assert_eq!(parse_result(line), None, "{line}");
        }
    }
}
