//! `apply`: a configuration file becomes the running configuration.

use super::{
    args::ApplyArgs,
    error::Error,
    exit::Exit,
    render::{BAD, BOLD, DIM, GOOD, WARN, counted, paint},
    session::Session,
};
use crate::api::message::{Applied, Apply, PlanKind};

/// Sends the file and shows the plan and what was done.
pub async fn run(session: &mut Session<'_>, args: &ApplyArgs) -> Result<Exit, Error> {
    let config = std::fs::read_to_string(&args.file)
        .map_err(|source| Error::File { path: args.file.clone(), source })?;
    let request = Apply { config, dry_run: args.dry_run, generation: args.guard.generation };
    let applied = session.client.apply(&request).await?;
    session.show(&applied, render)?;
    session.warn(&applied.warnings)?;
    Ok(Exit::Ok)
}

/// The plan line by line, then what was done.
pub fn render(applied: &Applied) -> String {
    let mut text = String::new();
    for step in &applied.plan {
        let (style, sign) = match step.kind {
            PlanKind::Add => (GOOD, '+'),
            PlanKind::Remove => (BAD, '-'),
            PlanKind::Change => (WARN, '~'),
        };
        text.push_str(&paint(style, format_args!("{sign} {}", step.subject)));
        if !step.detail.is_empty() {
            text.push_str(&paint(DIM, format_args!("  {}", step.detail)));
        }
        text.push('\n');
    }
    let generation = applied.generation;
    let changes = counted(applied.plan.len(), "change", "changes");
    let done = if applied.plan.is_empty() {
        format!("nothing to do: this configuration is running (generation {generation})")
    } else if applied.applied {
        format!("applied: {changes}, generation {generation}")
    } else {
        format!(
            "dry run: {changes}, nothing done; apply with --generation {generation} to get exactly this plan"
        )
    };
    text + &paint(BOLD, done) + "\n"
}
