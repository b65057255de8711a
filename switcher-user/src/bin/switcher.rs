//! The `switcher` command.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    switcher_user::cli::main().await.into()
}
