//! Where things are, and how commands run: echoed first, in the root of the repository.
use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use xshell::Shell;

/// The repository and the target directory this program was built to.
pub(crate) struct Workspace {
    pub(crate) shell: Shell,
    target: PathBuf,
}

impl Workspace {
    /// Changes to the root of the repository, whatever directory the command was typed in.
    pub(crate) fn open() -> Result<Self> {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is a member of a workspace")?;
        let shell = Shell::new()?;
        shell.change_dir(root);
        let program = env::current_exe().context("where is xtask?")?;
        let target =
            program.ancestors().nth(2).context("cargo puts programs at <target>/<profile>/")?.to_owned();
        Ok(Self { shell, target })
    }

    /// The directory programs of the profile are built to.
    pub(crate) fn programs(&self, profile: &str) -> PathBuf {
        self.target.join(profile)
    }

    /// The XDP program's own target directory, which switcher-user's build script shares.
    pub(crate) fn ebpf_target(&self) -> PathBuf {
        self.target.join("ebpf")
    }
}

/// Writes a line to stdout.
pub(crate) fn say(line: &str) -> Result<()> {
    writeln!(anstream::stdout(), "{line}").context("stdout")
}

/// Where a program of this name is, in `PATH`, the directories of root, or where cargo installs.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin".into(), "/sbin".into(), cargo_home().join("bin")];
    env::split_paths(&path).chain(more).map(|dir| dir.join(name)).find(|program| program.is_file())
}

fn cargo_home() -> PathBuf {
    env::var_os("CARGO_HOME")
        .map_or_else(|| env::home_dir().unwrap_or_default().join(".cargo"), PathBuf::from)
}
