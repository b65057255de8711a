//! `flip`, `weight`, `rollback` and `drain`: a switch gets another word.

use super::{
    args::{DrainArgs, FlipArgs, RollbackArgs, WaitArgs, WeightArgs},
    error::Error,
    exit::Exit,
    render::{BOLD, aligned, bar, nanoseconds, paint, share},
    session::Session,
    status,
    tree::Node,
    wait,
};
use crate::api::message::{Change, Drain, Flip, Rollback, Weight};

/// How long the daemon watches, after a change, which connections it has put at risk.
const SAMPLE_MS: u64 = 100;

/// Sends all new connections to one color.
pub async fn flip(session: &mut Session<'_>, args: &FlipArgs) -> Result<Exit, Error> {
    if args.cut.cut {
        confirm_cut(session, &args.service, args.cut.yes)?;
    }
    let request =
        Flip { to: args.to, cut: args.cut.cut, generation: args.guard.generation, sample_ms: SAMPLE_MS };
    let change = session.client.flip(&args.service, &request).await?;
    finish(session, &args.service, &change, &args.wait).await
}

/// Sets the green share.
pub async fn weight(session: &mut Session<'_>, args: &WeightArgs) -> Result<Exit, Error> {
    let request =
        Weight { green: args.green.to_string(), generation: args.guard.generation, sample_ms: SAMPLE_MS };
    let change = session.client.weight(&args.service, &request).await?;
    finish(session, &args.service, &change, &args.wait).await
}

/// Takes the last change back.
pub async fn rollback(session: &mut Session<'_>, args: &RollbackArgs) -> Result<Exit, Error> {
    let request = Rollback { generation: args.guard.generation, sample_ms: SAMPLE_MS };
    let change = session.client.rollback(&args.service, &request).await?;
    finish(session, &args.service, &change, &args.wait).await
}

/// Ends the running transition (`--cut`), waits for its end (`--wait`), or shows it.
pub async fn drain(session: &mut Session<'_>, args: &DrainArgs) -> Result<Exit, Error> {
    let service = &args.service;
    if args.cut.cut {
        confirm_cut(session, service, args.cut.yes)?;
        let request = Drain { cut: true, generation: args.generation };
        let change = session.client.drain(service, &request).await?;
        return finish(session, service, &change, &args.wait).await;
    }
    let shown = status::only(session.client.status().await?, service)?;
    let Some(switch) = shown.switches.first() else {
        return Err(wait::not_described(service));
    };
    if args.wait.wait {
        wait::until_drained(session, service, &switch.name, None, args.wait.wait_timeout).await?;
        return Ok(Exit::Ok);
    }
    session.show(switch, |switch| {
        let mut line = status::switch_line(switch, status::unix_now());
        if switch.transition.is_none() {
            line.children.push(Node::new("nothing drains"));
        }
        line.draw()
    })?;
    Ok(Exit::Ok)
}

fn confirm_cut(session: &mut Session<'_>, service: &str, yes: bool) -> Result<(), Error> {
    let question =
        format!("--cut resets the established connections of {service}'s switch that would move. Go on?");
    session.confirm(yes, &question)
}

async fn finish(
    session: &mut Session<'_>,
    service: &str,
    change: &Change,
    args: &WaitArgs,
) -> Result<Exit, Error> {
    session.show(change, render)?;
    session.warn(&change.warnings)?;
    if args.wait && change.transition {
        wait::until_drained(session, service, &change.switch, Some(change.green_now), args.wait_timeout)
            .await?;
    }
    Ok(Exit::Ok)
}

/// What was changed, what it took, what drains, and how to take it back.
pub fn render(change: &Change) -> String {
    let shares = format!(
        "switch {}  {}  green {} -> {}",
        change.switch,
        bar(change.green_now),
        share(change.green_before),
        share(change.green_now)
    );
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
    row("services", change.services.join(", "));
    row("word", format!("{} -> {}", change.old_word, change.new_word));
    row("generation", change.generation.to_string());
    row("store", nanoseconds(change.store_ns));
    let draining = match (change.transition, change.at_risk) {
        (false, _) => "nothing".to_owned(),
        (true, at_risk) => {
            format!("connections from before stay where they are; about {at_risk} were active lately")
        }
    };
    row("draining", draining);
    let undo =
        change.rollback.as_ref().map_or_else(|| "nothing to roll back to".to_owned(), |it| paint(BOLD, it));
    row("undo", undo);
    format!("{}\n{}", paint(BOLD, shares), aligned(&rows))
}
