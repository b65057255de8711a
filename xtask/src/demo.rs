//! The demonstration: built by the profile of the tests, whose artifacts it shares, and run.
use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result};
use xshell::cmd;

use crate::{
    preflight, setup,
    workspace::{Workspace, say},
};

/// Becomes the demo: signals and the exit code are the demo's own.
pub(crate) fn demo(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    preflight::require_root("demo")?;
    setup::setup(workspace)?;
    preflight::check(workspace)?;
    let packages = ["--package", "switcher-user", "--package", "switcher-tests"];
    cmd!(workspace.shell, "cargo build {packages...} --bins").run()?;
    let program = workspace.programs("debug").join("switcher-demo");
    let command = cmd!(workspace.shell, "{program} {arguments...}");
    say(&format!("$ {command}"))?;
    Err(Command::from(command).exec()).with_context(|| program.display().to_string())
}
