//! The names of what the harness makes outside of the process, and its removal when the process is gone.
//!
//! Everything is named `sw<pid>-<n>...`, so that a later run knows what it may remove.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::netns::{self, Netns};

/// Below it, each daemon pins in a directory of its own.
pub(crate) const BPFFS: &str = "/sys/fs/bpf";

/// An id that is nobody else's: `sw<pid>-<n>`.
pub(crate) fn fresh_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("sw{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A temporary directory that is removed when dropped, or by a later run.
pub(crate) fn temporary_directory(id: &str) -> tempfile::TempDir {
    tempfile::Builder::new().prefix(&format!("{id}-")).tempdir().expect("a temporary directory can be made")
}

/// Removes what processes that are gone have left: namespaces with the processes in them, pins, files.
pub fn sweep() {
    remove_of(|pid| !Path::new(&format!("/proc/{pid}")).exists());
}

/// Removes everything this process has made. For a thread that waits for signals; not for the signal
/// handler itself.
pub fn cleanup() {
    remove_of(|pid| pid == std::process::id());
}

fn remove_of(chosen: impl Fn(u32) -> bool) {
    let names = |directory: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_str().and_then(owner).is_some_and(&chosen))
            .map(|entry| entry.path())
            .collect()
    };
    for path in names(Path::new(netns::DIRECTORY)) {
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            drop(Netns::adopt(name.to_owned()));
        }
    }
    for directory in [Path::new(BPFFS), &std::env::temp_dir()] {
        for path in names(directory) {
            fs::remove_dir_all(path).ok();
        }
    }
}

/// The process that a name of ours belongs to.
fn owner(name: &str) -> Option<u32> {
    let (pid, rest) = name.strip_prefix("sw")?.split_once('-')?;
    let number = rest.split('-').next()?;
    number.parse::<u32>().ok()?;
    pid.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_have_an_owner() {
        assert_eq!(owner("sw12-0-edge"), Some(12));
        assert_eq!(owner("sw12-3"), Some(12));
        for name in ["switch-0", "sw12", "sw-1", "sw12-x", "sway12-1", "12-1", "sw12-", "sw+1x-1"] {
            assert_eq!(owner(name), None, "{name}");
        }
        assert_eq!(owner(&fresh_id()), Some(std::process::id()));
    }
}
