//! The journal: one JSON line for every change, appended.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Seconds of Unix time.
    pub at: f64,
    /// The generation that the change made.
    pub generation: u64,
    /// Who made it.
    pub who: String,
    /// flip, weight, rollback, drain, drained, paced, backends, apply, adopt.
    pub verb: String,
    /// The switch that changed; nothing for a configuration.
    pub switch: Option<String>,
    /// The word before, in hexadecimal.
    pub old_word: Option<String>,
    /// The word now, in hexadecimal.
    pub new_word: Option<String>,
    /// `ok`, or what went wrong beside the change itself.
    pub result: String,
}

/// Where the journal is kept.
#[derive(Clone, Debug)]
pub struct Journal {
    path: PathBuf,
}

impl Journal {
    /// The journal in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { path: dir.join("journal.ndjson") }
    }

    /// Appends a record, in one write.
    ///
    /// # Errors
    ///
    /// What the file system says. A change is never held back by its journal.
    pub fn append(&self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.open()?.write_all(&line)
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(&self.path)
    }
}
