//! What has to be installed: Debian's packages, and the linker of the XDP program. Does nothing where all is there.
use std::{env, fs, path::Path};

use anyhow::{Result, bail};
use xshell::cmd;

use crate::{
    preflight::is_root,
    problem::Problem,
    workspace::{Workspace, find_program, say},
};

const LINKER_VERSION: &str = "0.10.3";
/// The LLVM that Debian's compiler for the XDP program was built with.
const LLVM: &str = "/usr/lib/llvm-22";

/// A compiler for the XDP program with a prebuilt `core`; not needed beside a nightly with rust-src.
const COMPILER: [&str; 4] = ["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf", "rust-web-clippy"];
/// What bpf-linker is built from.
const LINKER: [&str; 3] = ["llvm-22-dev", "zlib1g-dev", "libzstd-dev"];
/// Packages that tests and the demo run programs of, and one program of each.
const TOOLS: [(&str, &str); 7] = [
    ("iproute2", "ip"),
    ("ethtool", "ethtool"),
    ("nginx-light", "nginx"),
    ("curl", "curl"),
    ("wrk", "wrk"),
    ("iperf3", "iperf3"),
    ("jq", "jq"),
];

/// A freshly installed nginx is not to be started: Debian's packages ask this file before they start a service.
/// The guard goes away on every exit, a Ctrl-C included.
const APT_GET_INSTALL: &str = r#"set -e
guard=/usr/sbin/policy-rc.d
if [ ! -e $guard ]; then
    trap 'rm -f $guard' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' >$guard
    chmod 755 $guard
fi
apt-get install --yes --no-install-recommends --option Dpkg::Use-Pty=0 "$@"
"#;

/// Installs what is missing; quick and silent about the rest.
pub(crate) fn setup(workspace: &Workspace) -> Result<()> {
    let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !is_debian(&os_release) {
        return check_elsewhere(workspace);
    }
    let linker = linker_version(workspace).as_deref() == Some(LINKER_VERSION);
    let mut wanted: Vec<&str> = TOOLS.iter().map(|(package, _)| *package).collect();
    if !has_nightly(workspace) {
        wanted.extend(COMPILER);
    }
    if !linker {
        wanted.extend(LINKER);
    }
    install_packages(workspace, &missing_packages(&dpkg_query(workspace, &wanted)?, &wanted))?;
    if !linker {
        install_linker(workspace)?;
    }
    Ok(())
}

fn dpkg_query(workspace: &Workspace, packages: &[&str]) -> Result<String> {
    let format = "${Package} ${db:Status-Status}\\n";
    // It fails if it knows nothing of one of them; what it knows of the others is on stdout all the same.
    let query = cmd!(workspace.shell, "dpkg-query --show --showformat={format} {packages...}");
    Ok(query.quiet().ignore_stderr().ignore_status().read()?)
}

fn missing_packages<'a>(dpkg: &str, wanted: &[&'a str]) -> Vec<&'a str> {
    let installed =
        |package: &&str| dpkg.lines().any(|line| line.split_once(' ') == Some((package, "installed")));
    wanted.iter().copied().filter(|package| !installed(package)).collect()
}

fn install_packages(workspace: &Workspace, missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !is_root() {
        let fix = format!("sudo apt-get install --yes --no-install-recommends {list}");
        bail!(Problem::new(format!("not installed, and installing takes root: {list}"), fix));
    }
    say(&format!("installing Debian packages: {list}"))?;
    let shell = &workspace.shell;
    let _quiet = shell.push_env("DEBIAN_FRONTEND", "noninteractive");
    cmd!(shell, "apt-get update --quiet=2").run()?;
    say(&format!("$ apt-get install --yes --no-install-recommends {list}"))?;
    cmd!(shell, "sh -c {APT_GET_INSTALL} sh --quiet=2 {missing...}").quiet().run().map_err(|_| {
        let fix =
            "Debian 12 and 13 have them all; see /etc/apt for main and the security archive of your release";
        Problem::new(format!("apt-get cannot install all of: {list}"), fix).into()
    })
}

fn install_linker(workspace: &Workspace) -> Result<()> {
    say(&format!("installing bpf-linker {LINKER_VERSION} from crates.io (a minute or two)"))?;
    let shell = &workspace.shell;
    let path = env::var("PATH").unwrap_or_default();
    let _llvm = shell.push_env("LLVM_PREFIX", LLVM);
    let _path = shell.push_env("PATH", format!("{LLVM}/bin:{path}"));
    // Its default features bring an LLVM proxy that aborts with Debian's compiler.
    let features = ["--no-default-features", "--features", "llvm-22"];
    cmd!(shell, "cargo install --quiet --locked --force bpf-linker --version {LINKER_VERSION} {features...}")
        .run()?;
    Ok(())
}

fn linker_version(workspace: &Workspace) -> Option<String> {
    let linker = find_program("bpf-linker")?;
    let output = cmd!(workspace.shell, "{linker} --version").quiet().ignore_stderr().read().ok()?;
    output.strip_prefix("bpf-linker ").map(str::to_owned)
}

/// A nightly of rustup with the sources of `core`: switcher-user's build script prefers it.
fn has_nightly(workspace: &Workspace) -> bool {
    let query =
        cmd!(workspace.shell, "rustup run nightly rustc --print sysroot").env("RUSTUP_AUTO_INSTALL", "0");
    let sysroot = query.quiet().ignore_stderr().read();
    sysroot.is_ok_and(|root| Path::new(&root).join("lib/rustlib/src/rust/library/core").is_dir())
}

/// Debian's clippy, the only one with a `core` for the XDP program's target.
pub(crate) fn has_debian_clippy() -> bool {
    Path::new("/usr/bin/cargo-clippy").exists() && Path::new("/usr/lib/rustlib/bpfel-unknown-none").is_dir()
}

/// On other systems nothing is installed: what is missing is named, with what Debian calls it.
fn check_elsewhere(workspace: &Workspace) -> Result<()> {
    let tools = TOOLS.iter().filter(|(_, program)| find_program(program).is_none());
    let mut missing: Vec<&str> = tools.map(|(_, program)| *program).collect();
    let mut fixes = Vec::new();
    if !missing.is_empty() {
        fixes.push(format!("install {} with your package manager", missing.join(", ")));
    }
    if !has_nightly(workspace) {
        missing.push("a Rust nightly with rust-src");
        fixes.push("rustup toolchain install nightly --component rust-src".to_owned());
    }
    if linker_version(workspace).is_none() {
        missing.push("bpf-linker");
        fixes.push("cargo install bpf-linker".to_owned());
    }
    if missing.is_empty() {
        return Ok(());
    }
    let what =
        format!("this is not Debian, where setup installs what it takes; missing: {}", missing.join(", "));
    bail!(Problem::new(what, fixes.join("; ")))
}

fn is_debian(os_release: &str) -> bool {
    os_release.lines().any(|line| line == "ID=debian" || line == "ID=\"debian\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_packages_count() {
        let dpkg = "curl installed\njq config-files\nwrk not-installed\nlibzstd-dev installed";
        assert_eq!(
            missing_packages(dpkg, &["curl", "jq", "wrk", "iperf3", "libzstd-dev"]),
            ["jq", "wrk", "iperf3"]
        );
        assert_eq!(missing_packages("", &["curl"]), ["curl"]);
        assert!(missing_packages(dpkg, &["curl"]).is_empty());
        assert_eq!(missing_packages("curl-dev installed", &["curl"]), ["curl"]);
    }

    #[test]
    fn debian_is_told_from_its_children() {
        assert!(is_debian("NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n"));
        assert!(!is_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(!is_debian(""));
    }
}
