//! `explain`: which backend a connection gets, and why.

use super::{
    args::ExplainArgs,
    error::Error,
    exit::Exit,
    render::{BAD, BOLD, DIM, aligned, color, paint},
    session::Session,
};
use crate::api::message::{Explain, Explanation, Judgement};

/// Asks the daemon and shows its answer.
pub async fn run(session: &mut Session<'_>, args: &ExplainArgs) -> Result<Exit, Error> {
    let question =
        Explain { protocol: args.protocol, client: args.client.to_string(), vip: args.vip.to_string() };
    let explanation = session.client.explain(&question).await?;
    session.show(&explanation, render)?;
    Ok(Exit::Ok)
}

/// The steps as an aligned list, then where a packet goes.
pub fn render(explanation: &Explanation) -> String {
    let none = || paint(BAD, "none: this address is no service's");
    let service = explanation.service.as_ref().map_or_else(none, |name| paint(BOLD, name));
    let mut rows = vec![("service".to_owned(), service)];
    rows.extend(explanation.steps.iter().map(|step| (step.what.clone(), step.value.clone())));
    let mut text = aligned(&rows);
    let judgements = [("new", &explanation.opening), ("established", &explanation.established)];
    let rows: Vec<_> = judgements
        .into_iter()
        .filter_map(|(name, judgement)| Some((name.to_owned(), sentence(judgement.as_ref()?))))
        .collect();
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&aligned(&rows));
    }
    text
}

fn sentence(judgement: &Judgement) -> String {
    let Judgement { outcome, meaning, .. } = judgement;
    let goes = match (judgement.color, &judgement.backend) {
        (Some(hue), Some(backend)) => format!("{} {}", color(hue), paint(BOLD, backend)),
        (Some(hue), None) => format!("{} {}", color(hue), paint(BAD, "no backend")),
        (None, Some(backend)) => paint(BOLD, backend),
        (None, None) => paint(BAD, "no backend"),
    };
    format!("{goes}  {}", paint(DIM, format_args!("{outcome}: {meaning}")))
}
