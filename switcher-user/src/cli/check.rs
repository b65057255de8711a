//! `check`: a configuration file, without the daemon.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{args::CheckArgs, error::Error, exit::Exit, render::counted, session::Session};
use crate::config;

#[derive(Serialize)]
struct Checked {
    services: usize,
    switches: usize,
    interfaces: usize,
}

/// Says what a valid configuration holds, or what is wrong with one that is not.
pub fn run(session: &mut Session<'_>, args: &CheckArgs) -> Result<Exit, Error> {
    let config = config::load(&args.file)?;
    let switches: BTreeSet<_> = config.services.iter().map(|service| &service.switch).collect();
    let checked = Checked {
        services: config.services.len(),
        switches: switches.len(),
        interfaces: config.interfaces.len(),
    };
    session.show(&checked, |checked| {
        format!(
            "{}: ok: {} on {}, {}\n",
            args.file.display(),
            counted(checked.services, "service", "services"),
            counted(checked.switches, "switch", "switches"),
            counted(checked.interfaces, "interface", "interfaces"),
        )
    })?;
    Ok(Exit::Ok)
}
