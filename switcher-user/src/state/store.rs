//! The state file: replaced whole, so that a crash leaves the old one or the new one.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::owner::release::Release;

/// The version of the file's meaning.
const VERSION: u32 = 1;

/// The state file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// How many changes have been made.
    pub generation: u64,
    /// The seed made for this host, if the configuration fixes none.
    pub seed: Option<[u64; 2]>,
    /// The switches by name.
    pub switches: BTreeMap<String, SavedSwitch>,
    /// The configuration that runs, as it was applied.
    pub config: Option<String>,
    /// The text of the daemon's configuration file when it was last read: if the file still says this, what
    /// was applied since is newer; if not, the file is.
    pub file: Option<String>,
}

/// A switch as it was last changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSwitch {
    /// The green share in basis points.
    pub green: u16,
    /// The word as it was stored.
    pub word: u64,
    /// When the share was last changed, in seconds of Unix time.
    pub since: u64,
    /// When the running transition began, in seconds of Unix time.
    pub transition_since: Option<u64>,
    /// Where `rollback` leads.
    pub release: Release,
}

/// Where the state is kept.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
}

impl Store {
    /// The state file in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { path: dir.join("state.json") }
    }

    /// Reads the state; an empty one if there is no file yet.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not a state file of this version. It is left as it is.
    pub fn load(&self) -> io::Result<State> {
        let text = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
            read => read?,
        };
        let invalid = |reason: String| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "{} is damaged ({reason}); the maps say what runs: move it away",
                    self.path.display()
                ),
            )
        };
        let state: State = serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))?;
        if state.version != VERSION {
            return Err(invalid(format!("version {}, not {VERSION}", state.version)));
        }
        Ok(state)
    }

    /// Replaces the state: written beside, synced, renamed, the directory synced.
    ///
    /// # Errors
    ///
    /// What the file system says; the file is then the old one or the new one.
    pub fn save(&self, state: &State) -> io::Result<()> {
        let state = State { version: VERSION, ..state.clone() };
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        let next = self.path.with_extension("json.next");
        // The seed is a secret: who knows it can choose where connections go.
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        file.write_all(&serde_json::to_vec_pretty(&state)?)?;
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        File::open(dir)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        assert_eq!(store.load().unwrap(), State::default());
        let mut state = State { generation: 7, seed: Some([1, 2]), ..State::default() };
        state.switches.insert("shop".into(), SavedSwitch { green: 5, ..SavedSwitch::default() });
        store.save(&state).unwrap();
        let loaded = store.load().unwrap();
        assert_eq!(loaded, State { version: VERSION, ..state });
    }

    #[test]
    fn a_damaged_file_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{", "{\"version\": 99, \"generation\": 0, \"switches\": {}}"] {
            fs::write(dir.path().join("state.json"), text).unwrap();
            let error = Store::new(dir.path()).load().unwrap_err().to_string();
            assert!(error.contains("is damaged") && error.contains("move it away"), "{error}");
            assert_eq!(fs::read_to_string(dir.path().join("state.json")).unwrap(), text);
        }
    }
}
