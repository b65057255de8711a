//! What the command line may say.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anstream::ColorChoice;
use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use switcher_common::abi::switch::{Color, Share};

use super::exit::Exit;
use crate::model::{Percent, Protocol};

/// Shift traffic between the blue and the green backends of a service.
///
/// A flip, a weight step and a rollback are one atomic store each: no packet is judged by half of a change.
/// Established connections stay with their backends and drain; only `--cut` resets them. This command asks the
/// daemon switcherd over a unix socket and needs no privilege but access to that socket.
#[derive(Debug, Parser)]
#[command(name = "switcher", version, after_long_help = footer(), max_term_width = 100)]
pub struct Cli {
    /// What all commands understand.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What all commands understand.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The daemon's socket
    #[arg(
        long,
        global = true,
        help_heading = "Options of all commands",
        env = "SWITCHER_SOCKET",
        value_name = "PATH"
    )]
    #[arg(default_value = "/run/switcher/switcher.sock")]
    pub socket: PathBuf,

    /// Print what the daemon answers, as JSON
    #[arg(long, global = true, help_heading = "Options of all commands")]
    pub json: bool,

    /// When to use colors; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(
        long,
        global = true,
        help_heading = "Options of all commands",
        value_name = "WHEN",
        value_enum,
        default_value_t
    )]
    pub color: When,

    /// How long an answer of the daemon may take, such as 500ms or 1m
    #[arg(long, global = true, help_heading = "Options of all commands", value_name = "TIME", value_parser = humantime::parse_duration)]
    #[arg(default_value = "10s")]
    pub timeout: Duration,
}

/// When to use colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Not at all.
    Never,
}

impl From<When> for ColorChoice {
    fn from(when: When) -> Self {
        match when {
            When::Auto => Self::Auto,
            When::Always => Self::Always,
            When::Never => Self::Never,
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show switches, services, backends and what is wrong
    ///
    /// Ends with exit code 8 if the daemon reports problems.
    #[command(after_long_help = "Examples:
  switcher status                 everything, once
  switcher status web --watch     one service, again each second, with packets per second
  switcher status --json | jq '.switches[] | {name, live, green}'")]
    Status(StatusArgs),

    /// Send all new connections to one color, in one store
    ///
    /// Established connections stay with their backends and drain. All services on the same switch flip together.
    #[command(after_long_help = "Examples:
  switcher flip web                     to the color that is not live
  switcher flip web green --wait        ... and wait until the last old connection is gone
  switcher flip web blue --cut --yes    ... and reset established connections: an emergency")]
    Flip(FlipArgs),

    /// Set the share of new connections that get green (or blue)
    ///
    /// Raising a share moves only the clients in the added share; nobody who has the new color goes back.
    #[command(after_long_help = "Examples:
  switcher weight web green=1%
  switcher weight web green=12.5% --generation 41
  switcher weight web blue=100%         the same as green=0%")]
    Weight(WeightArgs),

    /// Take the last change of a switch back, in one store
    ///
    /// Connections that were opened since then stay where they are and drain.
    #[command(after_long_help = "Example:
  switcher rollback web")]
    Rollback(RollbackArgs),

    /// Show, wait for or end the drain of old connections
    #[command(after_long_help = "Examples:
  switcher drain web                    what is still draining
  switcher drain web --wait             until nothing is
  switcher drain web --cut --yes        reset what is left and end it")]
    Drain(DrainArgs),

    /// Show which backend a connection gets, and why
    ///
    /// It is the decision of the kernel program itself, computed by the daemon over the same maps.
    #[command(after_long_help = "Examples:
  switcher explain tcp 198.51.100.7:40000 192.0.2.10:443
  switcher explain udp [2001:db8::7]:40000 [2001:db8::10]:53")]
    Explain(ExplainArgs),

    /// Check a configuration file without the daemon
    #[command(after_long_help = "Example:
  switcher check /etc/switcher/switcher.toml")]
    Check(CheckArgs),

    /// Make a configuration file the running configuration
    ///
    /// The plan has a line for each thing added (+), removed (-) or changed (~). Nothing is half-applied: a
    /// configuration that is refused changes nothing.
    #[command(after_long_help = "Examples:
  switcher apply switcher.toml --dry-run        only the plan
  switcher apply switcher.toml --generation 41  refused if something has changed since")]
    Apply(ApplyArgs),

    /// Show what happens, from now on
    #[command(after_long_help = "Examples:
  switcher events
  switcher events --json | jq 'select(.event == \"changed\")'")]
    Events,

    /// Print the completions of a shell
    #[command(after_long_help = "Example:
  switcher completions bash > /etc/bash_completion.d/switcher")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only this service and its switch
    pub service: Option<String>,
    /// Show it again and again, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    /// How long between two looks
    #[arg(long, requires = "watch", value_name = "TIME", default_value = "1s")]
    #[arg(value_parser = humantime::parse_duration)]
    pub interval: Duration,
}

/// Of the commands that start a drain.
#[derive(Clone, Debug, Default, Args)]
pub struct WaitArgs {
    /// Wait until the drain has ended
    #[arg(long)]
    pub wait: bool,
    /// How long to wait at most: then exit code 7, and the drain goes on
    #[arg(long, requires = "wait", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub wait_timeout: Option<Duration>,
}

/// Of the commands that change something.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct GuardArgs {
    /// Do it only if this is still the current generation (`status` shows it)
    #[arg(long, value_name = "N")]
    pub generation: Option<u64>,
}

/// Of the commands that can reset connections.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct CutArgs {
    /// Reset established connections that would move, now
    #[arg(long)]
    pub cut: bool,
    /// Do not ask; needed for --cut without a terminal
    #[arg(long, requires = "cut")]
    pub yes: bool,
}

/// Of `flip`.
#[derive(Debug, Args)]
pub struct FlipArgs {
    /// A service on the switch
    pub service: String,
    /// The color for new connections [default: the one that is not live]
    #[arg(value_name = "COLOR", value_parser = color())]
    pub to: Option<Color>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field replaces the command's help")]
    pub cut: CutArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field replaces the command's help")]
    pub wait: WaitArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field replaces the command's help")]
    pub guard: GuardArgs,
}

/// Of `weight`.
#[derive(Debug, Args)]
pub struct WeightArgs {
    /// A service on the switch
    pub service: String,
    /// green=PERCENT, or blue=PERCENT for the rest; at most two decimals
    #[arg(value_name = "COLOR=PERCENT", value_parser = green_share)]
    pub green: Percent,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field replaces the command's help")]
    pub wait: WaitArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field replaces the command's help")]
    pub guard: GuardArgs,
}

/// Of `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// A service on the switch
    pub service: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field replaces the command's help")]
    pub wait: WaitArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field replaces the command's help")]
    pub guard: GuardArgs,
}

/// Of `drain`.
#[derive(Debug, Args)]
pub struct DrainArgs {
    /// A service on the switch
    pub service: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field replaces the command's help")]
    pub cut: CutArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field replaces the command's help")]
    pub wait: WaitArgs,
    /// Cut only if this is still the current generation (`status` shows it)
    #[arg(long, value_name = "N", requires = "cut")]
    pub generation: Option<u64>,
}

/// Of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The protocol
    #[arg(value_name = "PROTO", value_parser = protocol())]
    pub protocol: Protocol,
    /// The client's address and port
    pub client: SocketAddr,
    /// The service's virtual address and port
    pub vip: SocketAddr,
}

/// Of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration file
    pub file: PathBuf,
}

/// Of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The configuration file
    pub file: PathBuf,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment on a flattened field replaces the command's help")]
    pub guard: GuardArgs,
}

fn color() -> impl TypedValueParser<Value = Color> {
    PossibleValuesParser::new(["blue", "green"])
        .map(|name| if name == "green" { Color::Green } else { Color::Blue })
}

fn protocol() -> impl TypedValueParser<Value = Protocol> {
    PossibleValuesParser::new(["tcp", "udp"])
        .map(|name| if name == "udp" { Protocol::Udp } else { Protocol::Tcp })
}

fn green_share(text: &str) -> Result<Percent, String> {
    let (color, share) = text
        .split_once('=')
        .filter(|(color, _)| matches!(*color, "green" | "blue"))
        .ok_or("write green=PERCENT or blue=PERCENT, such as green=12.5%")?;
    let share: Percent = share.parse().map_err(|error| format!("{error}"))?;
    if color == "green" {
        return Ok(share);
    }
    let rest = Share::FULL.basis_points() - share.0.basis_points();
    Share::new(rest).map(Percent).ok_or_else(|| "the share is out of range".to_owned())
}

fn footer() -> String {
    let codes: String =
        Exit::ALL.iter().map(|exit| format!("  {}  {}\n", *exit as u8, exit.meaning())).collect();
    format!(
        "Examples:
  switcher status                     what is live, what drains, what is wrong
  switcher weight web green=5%        five percent of new connections
  switcher flip web green --wait      all of them, until the old ones are gone
  switcher rollback web               back, in one store

Exit codes:
{codes}"
    )
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, error::ErrorKind};

    use super::*;

    fn parse(line: &str) -> Result<Cli, ErrorKind> {
        Cli::try_parse_from(line.split(' ')).map_err(|error| error.kind())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_arguments_are_told_apart() {
        for (line, kind) in [
            ("switcher flop web", ErrorKind::InvalidSubcommand),
            ("switcher stat", ErrorKind::InvalidSubcommand),
            ("switcher flip", ErrorKind::MissingRequiredArgument),
            ("switcher flip web red", ErrorKind::InvalidValue),
            ("switcher flip web --yes", ErrorKind::MissingRequiredArgument),
            ("switcher flip web --wait-timeout 1h", ErrorKind::MissingRequiredArgument),
            ("switcher drain web --generation 3", ErrorKind::MissingRequiredArgument),
            ("switcher status --interval 2s", ErrorKind::MissingRequiredArgument),
            ("switcher status --timeout soon", ErrorKind::ValueValidation),
            ("switcher weight web 50", ErrorKind::ValueValidation),
            ("switcher weight web red=50", ErrorKind::ValueValidation),
            ("switcher weight web green=101", ErrorKind::ValueValidation),
            ("switcher explain icmp 192.0.2.1:1 192.0.2.2:2", ErrorKind::InvalidValue),
            ("switcher explain tcp 192.0.2.1 192.0.2.2:2", ErrorKind::ValueValidation),
        ] {
            assert_eq!(parse(line).map(|_| ()), Err(kind), "{line}");
        }
    }

    #[test]
    fn blue_is_the_complement_of_green() {
        for (text, green) in
            [("green=12.5%", 12.5), ("blue=12.5", 87.5), ("blue=100%", 0.0), ("blue=0", 100.0)]
        {
            let Ok(Command::Weight(args)) =
                parse(&format!("switcher weight web {text}")).map(|cli| cli.command)
            else {
                panic!("{text} is not understood");
            };
            assert_eq!(args.green.number(), green, "{text}");
        }
    }

    #[test]
    fn global_options_stand_anywhere() {
        let cli = parse("switcher flip web green --cut --yes --json --socket /s --timeout 2s").unwrap();
        assert!(cli.global.json);
        assert_eq!(cli.global.socket, PathBuf::from("/s"));
        assert_eq!(cli.global.timeout, Duration::from_secs(2));
        let Command::Flip(flip) = cli.command else { panic!("not a flip") };
        assert_eq!(flip.to, Some(Color::Green));
        assert!(flip.cut.cut && flip.cut.yes && !flip.wait.wait);
    }
}
