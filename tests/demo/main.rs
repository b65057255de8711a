//! The demonstration: a switch under load, between namespaces of this machine, and a receipt.
//!
//! [`scene`] is the world, [`crowd`] the clients in it, [`acts`] what happens to them, by way of the
//! [`operator`]; [`display`] shows it while it happens and [`receipt`] sums it up from the [`ledger`].

mod acts;
mod crowd;
mod display;
mod interrupt;
mod ledger;
mod operator;
mod receipt;
mod scene;
mod trouble;

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use switcher_tests::require::Feature;

use crate::crowd::Crowd;
use crate::display::Display;
use crate::ledger::Ledger;
use crate::operator::Operator;
use crate::receipt::Receipt;
use crate::scene::Scene;

/// Watch a switch under load: flips, a ramp, a rollback and a crash, and what clients notice of them.
///
/// Clients, the daemon and two web servers run in network namespaces that are made for this and removed at
/// the end; nothing outside of them is touched. Ends with exit code 0 if no request failed, no connection
/// broke and no answer came from the wrong color, with 1 if any did, with 2 if it cannot run here.
#[derive(Debug, Parser)]
#[command(name = "switcher-demo", max_term_width = 100)]
struct Arguments {
    /// How long it takes, from start to end
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u64).range(10..=3600))]
    seconds: u64,

    /// Write the receipt to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let begin = Instant::now();
    let arguments = Arguments::parse();
    let outcome = run(begin, &arguments);
    interrupt::yield_to_it();
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nowhere is left to report to if the standard error is closed.
            writeln!(anstream::stderr(), "error: {error:#}").ok();
            ExitCode::from(2)
        }
    }
}

/// Whether everything went as it must.
fn run(begin: Instant, arguments: &Arguments) -> anyhow::Result<bool> {
    let missing: Vec<String> = Feature::ALL.iter().filter_map(|feature| feature.missing()).collect();
    anyhow::ensure!(missing.is_empty(), "the demo cannot run here; it needs {}", missing.join("; "));
    let mut json = None;
    if let Some(path) = &arguments.json {
        let file = File::create(path);
        let file =
            file.with_context(|| format!("--json {}: name a file that can be written", path.display()))?;
        json = Some((path, file));
    }
    interrupt::watch().context("signals cannot be watched")?;

    display::headline(arguments.seconds);
    let end = begin + Duration::from_secs(arguments.seconds);
    let mut scene = Scene::build();
    let crowd = Crowd::gather(&scene.topology);
    let ledger = play(begin, end, &mut scene, &crowd);
    let census = crowd.leave();
    let receipt = Receipt::new(begin.elapsed(), &census, &ledger, &scene.daemon.log());
    display::print(&receipt.render());
    if let Some((path, mut file)) = json {
        let text = serde_json::to_string_pretty(&receipt)?;
        writeln!(file, "{text}").with_context(|| path.display().to_string())?;
    }
    drop(scene);
    Ok(receipt.is_good())
}

/// The acts on this thread, the display on another.
fn play(begin: Instant, end: Instant, scene: &mut Scene, crowd: &Crowd) -> Ledger {
    let (tell, news) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || Display::new(begin, crowd).run(&news));
        // The display ends when the operator, and its end of the channel with it, is gone.
        acts::play(Operator::new(scene, crowd, tell, end))
    })
}
