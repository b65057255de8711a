//! The daemon.

use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode};

use clap::Parser;
use switcher_user::daemon;
use tracing_subscriber::EnvFilter;

/// Steers the connections of virtual addresses to blue or green backends.
///
/// Everything it puts into the kernel is pinned and goes on without it; a restart adopts it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "/etc/switcher/switcher.toml")]
    config: PathBuf,
    /// Detach from all interfaces and remove everything from the kernel: established connections end.
    #[arg(long)]
    unload: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("SWITCHER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    let result =
        if arguments.unload { daemon::unload(&arguments.config) } else { daemon::run(&arguments.config) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
