//! What the machine has to offer before XDP programs are loaded: every lack with its fix, before anything runs.
use std::{fs, os::unix::fs::MetadataExt as _, path::Path, process};

use anyhow::{Result, bail};
use xshell::cmd;

use crate::{
    problem::{Problem, Unfit},
    workspace::{Workspace, say},
};

const OLDEST_KERNEL: (u32, u32) = (6, 1);
const BPFFS: &str = "/sys/fs/bpf";

/// Refuses anybody but root, before anything is built or installed.
pub(crate) fn require_root(verb: &str) -> Result<()> {
    say("needs root: loads XDP programs and makes network namespaces")?;
    if is_root() {
        return Ok(());
    }
    let fix = format!("sudo --preserve-env env \"PATH=$PATH\" cargo xtask {verb}");
    bail!(Unfit(vec![Problem::new("not root", fix)]))
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Checks all at once; mounts the BPF file system if that is what is missing.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let checks = [kernel(), btf(), bpffs(workspace), namespaces(workspace)];
    let problems: Vec<Problem> = checks.into_iter().filter_map(Result::err).collect();
    if problems.is_empty() {
        return Ok(());
    }
    bail!(Unfit(problems))
}

fn kernel() -> Result<(), Problem> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (major, minor) = OLDEST_KERNEL;
    match kernel_version(&release) {
        Some(version) if version >= OLDEST_KERNEL => Ok(()),
        _ => Err(Problem::new(
            format!("kernel {} is older than {major}.{minor}", release.trim()),
            format!("boot a kernel >= {major}.{minor} (Debian 12 has 6.1, Debian 13 has 6.12)"),
        )),
    }
}

fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.trim().split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn btf() -> Result<(), Problem> {
    let file = "/sys/kernel/btf/vmlinux";
    let fix = "boot a kernel with CONFIG_DEBUG_INFO_BTF=y, as Debian's are";
    Path::new(file)
        .exists()
        .then_some(())
        .ok_or_else(|| Problem::new(format!("no {file}: the kernel does not describe its types"), fix))
}

fn bpffs(workspace: &Workspace) -> Result<(), Problem> {
    if is_bpffs(&fs::read_to_string("/proc/mounts").unwrap_or_default()) {
        return Ok(());
    }
    let mount = format!("mount -t bpf bpf {BPFFS}");
    cmd!(workspace.shell, "mount -t bpf bpf {BPFFS}")
        .run()
        .map_err(|_| Problem::new(format!("no BPF file system at {BPFFS}, and it cannot be mounted"), mount))
}

fn is_bpffs(mounts: &str) -> bool {
    let mounted = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        fields.next() == Some(BPFFS) && fields.next() == Some("bpf")
    };
    mounts.lines().any(mounted)
}

fn namespaces(workspace: &Workspace) -> Result<(), Problem> {
    let name = format!("switcher-preflight-{}", process::id());
    let ip = |verb: &str| cmd!(workspace.shell, "ip netns {verb} {name}").quiet().ignore_stdout().run();
    ip("add").and_then(|()| ip("delete")).map_err(|_| {
        let fix = "run outside a container, or in one with CAP_SYS_ADMIN and CAP_NET_ADMIN (docker run --privileged)";
        Problem::new("`ip netns add` does not work", fix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_versions_compare() {
        assert_eq!(kernel_version("6.1.0-44-cloud-amd64\n"), Some((6, 1)));
        assert_eq!(kernel_version("6.18.44-fc-v595"), Some((6, 18)));
        assert_eq!(kernel_version("7.0-rc1"), Some((7, 0)));
        assert_eq!(kernel_version("6"), None);
        assert_eq!(kernel_version("next-6.1"), None);
        assert!(kernel_version("5.19.2") < Some(OLDEST_KERNEL));
        assert!(kernel_version("6.12.0") > Some(OLDEST_KERNEL));
    }

    #[test]
    fn bpffs_is_told_from_its_neighbors() {
        assert!(is_bpffs("sysfs /sys sysfs rw 0 0\nbpf /sys/fs/bpf bpf rw,nosuid,mode=700 0 0\n"));
        assert!(!is_bpffs("none /sys/fs/bpf tmpfs rw 0 0\nbpf /run/bpf bpf rw 0 0\n"));
        assert!(!is_bpffs(""));
    }
}
