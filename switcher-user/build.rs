//! Builds the XDP program and leaves the object at `$OUT_DIR/switcher.bpf.o`, where the library embeds it.
//!
//! `SWITCHER_EBPF_OBJECT` names a prebuilt object and wins. Otherwise the first toolchain that works: rustup's
//! nightly with rust-src, then Debian's compiler, which has a prebuilt `core` for the target.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const TARGET: &str = "bpfel-unknown-none";
const NO_TOOLCHAIN: &str =
    "no toolchain for the XDP program: it takes bpf-linker and a compiler with `core` for \
bpfel-unknown-none; either of
  Debian:    cargo xtask setup
  elsewhere: rustup toolchain install nightly --component rust-src && cargo install bpf-linker
or name a prebuilt object: SWITCHER_EBPF_OBJECT=/path/to/switcher.bpf.o";

/// A cargo and a rustc that belong together, called by their paths so that no proxy chooses others.
struct Toolchain {
    root: PathBuf,
    build_std: bool,
}

impl Toolchain {
    fn nightly() -> Option<Self> {
        let output = Command::new("rustup")
            .args(["run", "nightly", "rustc", "--print", "sysroot"])
            .env("RUSTUP_AUTO_INSTALL", "0")
            .output()
            .ok()?;
        let root = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        let source = root.join("lib/rustlib/src/rust/library/core");
        (output.status.success() && source.is_dir()).then_some(Self { root, build_std: true })
    }

    fn debian() -> Option<Self> {
        let root = PathBuf::from("/usr");
        let ready = root.join("bin/cargo").exists() && root.join("lib/rustlib").join(TARGET).is_dir();
        ready.then_some(Self { root, build_std: false })
    }

    /// Builds the program with the workspace's lock file as it is.
    fn build(&self, workspace: &Path, target_dir: &Path, linker_dir: &Path) -> Result<PathBuf, String> {
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([linker_dir.to_owned()].into_iter().chain(env::split_paths(&path)));
        // Paths of this machine stay out of the object: it is the same wherever it was built.
        let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
        let flags = [
            "-Cdebuginfo=2".to_owned(),
            "-Ctarget-cpu=v3".to_owned(),
            "-Clinker=bpf-linker".to_owned(),
            "-Clink-arg=--btf".to_owned(),
            remap(workspace, "."),
            remap(&cargo_home(), "/cargo"),
            remap(&self.root.join("lib/rustlib/src/rust"), "/rust"),
        ];
        let cargo = self.root.join("bin/cargo");
        let mut command = Command::new(&cargo);
        command.current_dir(workspace).args(["build", "--locked", "--release", "--package", "switcher-ebpf"]);
        command.args(["--target", TARGET, "--target-dir"]).arg(target_dir);
        if self.build_std {
            command.arg("-Zbuild-std=core");
        } else {
            // aya-ebpf and the program use unstable features, which a stable compiler allows to named crates.
            command.env("RUSTC_BOOTSTRAP", "aya_ebpf,switcher");
        }
        // What the cargo above set for this script would choose another compiler, or clippy in its place.
        for name in ["CARGO", "RUSTDOC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
            command.env_remove(name);
        }
        command.env("RUSTC_WRAPPER", "").env("RUSTC_WORKSPACE_WRAPPER", "");
        command.env("RUSTC", self.root.join("bin/rustc")).env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        command.env("PATH", path.map_err(|error| error.to_string())?);

        let output = command.output().map_err(|error| format!("{}: {error}", cargo.display()))?;
        if output.status.success() {
            return Ok(target_dir.join(TARGET).join("release/switcher"));
        }
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("{} build --package switcher-ebpf: {}\n{log}", cargo.display(), output.status))
    }
}

fn cargo_home() -> PathBuf {
    env::var_os("CARGO_HOME")
        .map_or_else(|| env::home_dir().unwrap_or_default().join(".cargo"), PathBuf::from)
}

fn linker_dir() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain([cargo_home().join("bin")]).find(|dir| dir.join("bpf-linker").is_file())
}

/// Shared by debug and release builds: the program is the same in both.
fn target_dir(out_dir: &Path) -> PathBuf {
    let target = out_dir.ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists());
    target.unwrap_or(out_dir).join("ebpf")
}

fn object(workspace: &Path, out_dir: &Path) -> Result<PathBuf, String> {
    if let Some(object) = env::var_os("SWITCHER_EBPF_OBJECT").filter(|object| !object.is_empty()) {
        println!("cargo::rerun-if-changed={}", object.display());
        return Ok(object.into());
    }
    let linker_dir = linker_dir().ok_or(NO_TOOLCHAIN)?;
    let mut failures = Vec::new();
    for toolchain in Toolchain::nightly().into_iter().chain(Toolchain::debian()) {
        match toolchain.build(workspace, &target_dir(out_dir), &linker_dir) {
            Ok(object) => return Ok(object),
            Err(failure) => failures.push(failure),
        }
    }
    Err(if failures.is_empty() { NO_TOOLCHAIN.to_owned() } else { failures.join("\n") })
}

fn run() -> Result<(), String> {
    let dir = |name: &str| env::var_os(name).map(PathBuf::from).ok_or(format!("cargo did not set {name}"));
    let (manifest_dir, out_dir) = (dir("CARGO_MANIFEST_DIR")?, dir("OUT_DIR")?);
    let workspace = manifest_dir.parent().unwrap_or(&manifest_dir);
    for input in ["switcher-ebpf", "switcher-common", "Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }
    println!("cargo::rerun-if-env-changed=SWITCHER_EBPF_OBJECT");
    let object = object(workspace, &out_dir)?;
    let embedded = out_dir.join("switcher.bpf.o");
    fs::copy(&object, &embedded).map(drop).map_err(|error| {
        format!("cannot copy {} (named by SWITCHER_EBPF_OBJECT, or built): {error}", object.display())
    })
}

fn main() {
    if let Err(failure) = run() {
        for line in failure.lines() {
            println!("cargo::error={line}");
        }
    }
}
