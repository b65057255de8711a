//! Honest skips: a test that cannot run here says which feature is missing, and fails where it must run.

use std::path::Path;

/// What a test may need from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Being root.
    Root,
    /// Network namespaces: `ip` and a writable `/run`.
    Netns,
    /// A BPF file system to pin in.
    Bpffs,
    /// The programs the harness runs: ethtool, nsenter, nginx.
    Programs,
}

impl Feature {
    /// Everything a test with a daemon needs.
    pub const ALL: [Self; 4] = [Self::Root, Self::Netns, Self::Bpffs, Self::Programs];
    /// What a test without a daemon needs.
    pub const NETWORK: [Self; 3] = [Self::Root, Self::Netns, Self::Programs];

    /// What is missing, in words with a remedy; nothing if it is there.
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Root => (!nix::unistd::geteuid().is_root()).then(|| "root: run `cargo xtask test`".into()),
            Self::Netns => absent_program("ip").or_else(|| {
                (!Path::new("/proc/self/ns/net").exists()).then(|| "network namespaces in the kernel".into())
            }),
            Self::Bpffs => (!is_bpffs(Path::new("/sys/fs/bpf")))
                .then(|| "a BPF file system: `mount -t bpf bpf /sys/fs/bpf`".into()),
            Self::Programs => ["ethtool", "nsenter", "nginx"].into_iter().find_map(absent_program),
        }
    }
}

/// Whether a test with these needs can run. If not, says why on standard error.
///
/// # Panics
/// Instead of answering no, if the environment has `CI=true`: there, a skipped test is a failed one.
#[must_use]
pub fn available(features: &[Feature]) -> bool {
    let missing: Vec<String> = features.iter().filter_map(|feature| feature.missing()).collect();
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join("; ");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true, and this machine lacks {missing}");
    let thread = std::thread::current();
    anstream::eprintln!("skipped {}: this machine lacks {missing}", thread.name().unwrap_or("a test"));
    false
}

fn is_bpffs(path: &Path) -> bool {
    nix::sys::statfs::statfs(path)
        .is_ok_and(|found| found.filesystem_type() == nix::sys::statfs::BPF_FS_MAGIC)
}

fn absent_program(program: &str) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    (!found).then(|| format!("the program {program}: install it, or mend PATH"))
}
