//! From arguments to an exit code.

use clap::{CommandFactory as _, Parser as _};

use super::{
    args::{Cli, Command},
    change, check,
    error::Error,
    events,
    exit::Exit,
    explain, plan, render,
    session::{Session, Terminals},
    status,
};
use crate::api::client::Client;

/// The whole command. Wrong arguments and requests for help end the process here.
pub async fn main() -> Exit {
    let cli = Cli::parse();
    anstream::ColorChoice::from(cli.global.color).write_global();
    let (mut out, mut notes) = (anstream::stdout(), anstream::stderr());
    let mut session = Session {
        client: Client::new(&cli.global.socket).with_timeout(cli.global.timeout),
        json: cli.global.json,
        out: &mut out,
        notes: &mut notes,
        terminals: Terminals::of_process(),
    };
    run(&mut session, cli.command).await
}

/// Runs one command; a failure is told on the session's standard error.
pub async fn run(session: &mut Session<'_>, command: Command) -> Exit {
    match dispatch(session, command).await {
        Ok(exit) => exit,
        Err(error) => {
            let exit = error.exit();
            if exit != Exit::Ok {
                let label = render::paint(render::BAD, "error:");
                // With the standard error closed there is nobody left to tell; the exit code remains.
                drop(writeln!(session.notes, "{label} {error}"));
            }
            exit
        }
    }
}

async fn dispatch(session: &mut Session<'_>, command: Command) -> Result<Exit, Error> {
    match command {
        Command::Status(args) => status::run(session, &args).await,
        Command::Flip(args) => change::flip(session, &args).await,
        Command::Weight(args) => change::weight(session, &args).await,
        Command::Rollback(args) => change::rollback(session, &args).await,
        Command::Drain(args) => change::drain(session, &args).await,
        Command::Explain(args) => explain::run(session, &args).await,
        Command::Check(args) => check::run(session, &args),
        Command::Apply(args) => plan::run(session, &args).await,
        Command::Events => events::run(session).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "switcher", &mut script);
            session.out.write_all(&script)?;
            Ok(Exit::Ok)
        }
    }
}
