//! A named network namespace, and what runs in it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Where iproute2 keeps namespaces by name.
pub(crate) const DIRECTORY: &str = "/run/netns";

/// A network namespace; deleted, with every process in it, when dropped.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes a namespace for each name, by one process.
    pub fn create<const N: usize>(names: [String; N]) -> [Self; N] {
        let script: String = names.iter().map(|name| format!("netns add {name}\n")).collect();
        ip_batch(Command::new("ip"), &script);
        names.map(|name| Self { name })
    }

    /// Takes charge of a namespace that is there.
    pub(crate) const fn adopt(name: String) -> Self {
        Self { name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that holds it.
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// A command that runs inside, as the very process that is spawned.
    ///
    /// Not by `ip netns exec`: that mounts a fresh /sys, which hides the BPF file system.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg("--").arg(program);
        command
    }

    /// Runs `work` on a thread inside, and waits for it.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        thread::scope(|scope| {
            let run = || {
                join(&self.path());
                work()
            };
            scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs `work` on a thread inside.
    pub fn spawn<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
        let path = self.path();
        thread::spawn(move || {
            join(&path);
            work()
        })
    }

    /// Runs lines of `ip` inside, by one process.
    pub fn ip(&self, script: &str) {
        ip_batch(self.command("ip"), script);
    }

    /// Puts a pinned XDP program on an interface, in native mode and without a link.
    pub fn attach_xdp(&self, interface: &str, pinned: &Path) {
        let mut ip = self.command("ip");
        ip.args(["link", "set", "dev", interface, "xdpdrv", "pinned"]).arg(pinned);
        let output = ip.output().expect("ip starts");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} on {interface}: {complaint}", pinned.display());
    }

    /// Sets sysctls below `net.`, given with slashes.
    pub fn sysctl(&self, settings: &[(&str, &str)]) {
        self.enter(|| {
            for (name, value) in settings {
                fs::write(Path::new("/proc/sys/net").join(name), value)
                    .unwrap_or_else(|error| panic!("{}: net/{name} = {value}: {error}", self.name));
            }
        });
    }

    /// Ends every process inside. Does nothing if that is where this process itself is.
    pub fn kill_all(&self) {
        let Some(namespace) = identity(&self.path()) else { return };
        if identity(Path::new("/proc/self/ns/net")) == Some(namespace) {
            return;
        }
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if identity(&process.path().join("ns/net")) == Some(namespace) {
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
        }
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        self.kill_all();
        umount2(&self.path(), MntFlags::MNT_DETACH).ok();
        fs::remove_file(self.path()).ok();
    }
}

/// What distinguishes a namespace from all others.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Moves the calling thread into the namespace that `path` holds.
fn join(path: &Path) {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    setns(file, CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Runs `script` by `ip -batch`, which stops at the first line that fails.
pub(crate) fn ip_batch(mut ip: Command, script: &str) {
    let mut child = ip
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ip starts");
    child.stdin.take().expect("stdin is piped").write_all(script.as_bytes()).ok();
    let output = child.wait_with_output().expect("ip ends");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip -batch: {complaint}\nof\n{script}");
}
