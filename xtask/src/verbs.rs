//! Build, lint and ci.
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use xshell::cmd;

use crate::{
    preflight,
    problem::Problem,
    setup,
    workspace::{Workspace, say},
};

const EBPF_TARGET: &str = "bpfel-unknown-none";

/// Builds the daemon and the command line.
pub(crate) fn build(workspace: &Workspace, release: bool) -> Result<()> {
    let profile = release.then_some("--release");
    cmd!(workspace.shell, "cargo build --package switcher-user --bins {profile...}").run()?;
    let programs = workspace.programs(if release { "release" } else { "debug" });
    say(&format!("built {0}/switcherd and {0}/switcher", programs.display()))
}

/// Format, clippy for the host and for the XDP program, and documentation: a warning is an error.
pub(crate) fn lint(workspace: &Workspace) -> Result<()> {
    setup::setup(workspace)?;
    let shell = &workspace.shell;
    cmd!(shell, "cargo fmt --check").run()?;
    let crates = ["--workspace", "--exclude", "switcher-ebpf"];
    cmd!(shell, "cargo clippy --quiet {crates...} --all-targets -- --deny warnings").run()?;
    lint_ebpf(workspace)?;
    let _deny = shell.push_env("RUSTDOCFLAGS", "--deny warnings");
    cmd!(shell, "cargo doc --quiet {crates...} --no-deps").run()?;
    Ok(())
}

/// Clippy for the XDP program, by Debian's compiler: rustup has no prebuilt `core` for the target.
fn lint_ebpf(workspace: &Workspace) -> Result<()> {
    if !setup::has_debian_clippy() {
        return say("skipped: clippy for switcher-ebpf takes Debian's rust-web-clippy");
    }
    let shell = &workspace.shell;
    let target_dir = workspace.ebpf_target();
    let _env = [
        shell.push_env("CARGO", "/usr/bin/cargo"),
        shell.push_env("RUSTC", "/usr/bin/rustc"),
        shell.push_env("RUSTC_BOOTSTRAP", "aya_ebpf,switcher"),
        shell.push_env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-cpu=v3"),
    ];
    let scope = ["--package", "switcher-ebpf", "--target", EBPF_TARGET, "--locked", "--release"];
    cmd!(
        shell,
        "/usr/bin/cargo-clippy clippy --quiet {scope...} --target-dir {target_dir} -- --deny warnings"
    )
    .run()?;
    Ok(())
}

/// What continuous integration runs: the commands a contributor types, so that these are what is tested.
pub(crate) fn ci(workspace: &Workspace) -> Result<()> {
    let stages: [(&str, &[&str]); 3] =
        [("lint", &["lint"]), ("test", &["test"]), ("demo", &["demo", "--seconds", "20"])];
    preflight::require_root("ci")?;
    let mut done = Vec::new();
    for (stage, arguments) in stages {
        say(&format!("\n== {stage}"))?;
        let start = Instant::now();
        let outcome = cmd!(workspace.shell, "cargo xtask {arguments...}").run();
        let duration = minutes(start.elapsed());
        if outcome.is_err() {
            let fix = format!("cargo xtask {}", arguments.join(" "));
            bail!(Problem::new(format!("stage {stage} failed after {duration}"), fix));
        }
        say(&format!("== {stage} passed in {duration}"))?;
        done.push(format!("{stage} {duration}"));
    }
    say(&format!("\nall stages passed: {}", done.join(", ")))
}

fn minutes(duration: Duration) -> String {
    format!("{}m{:02}s", duration.as_secs() / 60, duration.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_at_a_glance() {
        assert_eq!(minutes(Duration::from_millis(4_900)), "0m04s");
        assert_eq!(minutes(Duration::from_secs(754)), "12m34s");
    }
}
