//! What is wrong with a configuration, as the operator reads it.

use std::{fmt, io, path::PathBuf};

use serde::Serialize;

/// One thing that is wrong, and how to put it right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The line it is on, counted from 1; none if it is about something that is nowhere in the file.
    pub line: Option<usize>,
    /// The field, its value and what is wrong with it.
    pub message: String,
    /// What to write instead.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}; {}", self.message, self.fix)
    }
}

/// Everything that is wrong with a configuration, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// A file that is text only as far as `valid`.
    pub(super) fn not_utf8(valid: &[u8]) -> Self {
        Self(vec![Problem {
            line: Some(1 + valid.iter().filter(|&&byte| byte == b'\n').count()),
            message: "the file is not UTF-8 text from here on".to_owned(),
            fix: "save it as UTF-8".to_owned(),
        }])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lines(f, "", self)
    }
}

impl std::error::Error for Problems {}

/// Why there is no configuration from a file.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It could not be read.
    #[error("{}: cannot read the configuration: {error}; give the path of a file that can be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said; in the display, hence not a source.
        error: io::Error,
    },
    /// It could be read, and is wrong. The display has one problem per line, each with the path.
    #[error("{}", Located(path, problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problems: Problems,
    },
}

struct Located<'a>(&'a PathBuf, &'a Problems);

impl fmt::Display for Located<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lines(f, &format!("{}: ", self.0.display()), self.1)
    }
}

fn write_lines(f: &mut fmt::Formatter<'_>, before: &str, problems: &Problems) -> fmt::Result {
    for (at, problem) in problems.0.iter().enumerate() {
        let newline = if at == 0 { "" } else { "\n" };
        write!(f, "{newline}{before}{problem}")?;
    }
    Ok(())
}
