//! Why a command ends without having done what was asked.

use std::{io, path::PathBuf};

use super::exit::Exit;
use crate::{
    api::{client::ClientError, message::FailureCode},
    config::LoadError,
};

/// Why a command ends without having done what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments do not fit together, or do not fit the terminal.
    #[error("{0}")]
    Usage(String),
    /// The daemon could not be asked, or said no.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The operator was asked and said no.
    #[error("not confirmed: nothing has changed")]
    NotConfirmed,
    /// There is no such service.
    #[error("there is no service \"{name}\"; there is: {known}")]
    NoService {
        /// The name that was given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A configuration is not valid.
    #[error("{0}")]
    Config(#[from] LoadError),
    /// While a drain was waited for, somebody else changed the switch.
    #[error(
        "switch {switch} was changed meanwhile: green has {now}, this command had set {wanted}; \
         `switcher events` shows who does that"
    )]
    Overtaken {
        /// The switch.
        switch: String,
        /// Its green share now.
        now: String,
        /// The green share that was set.
        wanted: String,
    },
    /// A drain lasts longer than it was waited for. It goes on.
    #[error(
        "switch {switch} still drains after {waited}: the drain goes on; \
         `switcher status` shows it, `switcher drain {service} --cut` ends it"
    )]
    StillDraining {
        /// The switch.
        switch: String,
        /// A service on it.
        service: String,
        /// How long was waited.
        waited: String,
    },
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// The exit code that tells a script.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Client(error) => of_client(error),
            // The reader has seen enough: `switcher events | head` has not failed.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
            Self::NotConfirmed
            | Self::NoService { .. }
            | Self::File { .. }
            | Self::Config(_)
            | Self::Output(_) => Exit::Failed,
            Self::Overtaken { .. } => Exit::Conflict,
            Self::StillDraining { .. } => Exit::TimedOut,
        }
    }
}

fn of_client(error: &ClientError) -> Exit {
    match error {
        ClientError::Unreachable { .. } => Exit::Unreachable,
        ClientError::Denied { .. } => Exit::Denied,
        ClientError::TimedOut { .. } | ClientError::Lost(_) => Exit::TimedOut,
        ClientError::Protocol(_) => Exit::Failed,
        ClientError::Failure(failure) => match failure.code {
            FailureCode::Invalid | FailureCode::NotFound | FailureCode::Internal => Exit::Failed,
            FailureCode::Denied => Exit::Denied,
            FailureCode::Refused => Exit::Refused,
            FailureCode::Conflict => Exit::Conflict,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::message::Failure;

    #[test]
    fn exit_codes_are_an_interface() {
        let failure = |code| Error::Client(Failure { code, message: String::new() }.into());
        let socket = |kind: io::ErrorKind| (PathBuf::from("s"), io::Error::from(kind));
        let (path, source) = socket(io::ErrorKind::NotFound);
        let unreachable = ClientError::Unreachable { path, source };
        let (path, source) = socket(io::ErrorKind::PermissionDenied);
        let denied = ClientError::Denied { path, source };
        for (error, code) in [
            (Error::Output(io::ErrorKind::BrokenPipe.into()), 0),
            (Error::Output(io::ErrorKind::StorageFull.into()), 1),
            (Error::NotConfirmed, 1),
            (Error::Client(ClientError::Protocol(String::new())), 1),
            (failure(FailureCode::Invalid), 1),
            (failure(FailureCode::NotFound), 1),
            (failure(FailureCode::Internal), 1),
            (Error::Usage(String::new()), 2),
            (unreachable.into(), 3),
            (denied.into(), 4),
            (failure(FailureCode::Denied), 4),
            (failure(FailureCode::Refused), 5),
            (failure(FailureCode::Conflict), 6),
            (ClientError::TimedOut { after: Duration::ZERO }.into(), 7),
        ] {
            assert_eq!(error.exit() as u8, code, "{error:?}");
        }
        let numbers: Vec<_> = Exit::ALL.iter().map(|exit| *exit as u8).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
