//! The daemon under test, and the command line that talks to it, as processes.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::topology::Topology;
use crate::{api, leftovers};

const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// A `switcherd` in the edge; killed, and its pins and files removed, when dropped.
#[derive(Debug)]
pub struct Daemon {
    process: Option<Child>,
    netns: PathBuf,
    directory: TempDir,
    pins: PathBuf,
}

impl Daemon {
    /// Starts it with `config` (TOML), in which its socket, state and pin directories are filled in, and
    /// returns when it answers.
    ///
    /// # Panics
    /// With its log, if it ends or does not answer within 20 s.
    pub fn start(topology: &Topology, config: &str) -> Self {
        let mut daemon = Self::prepare(topology, config);
        daemon.restart();
        daemon
    }

    /// What [`Daemon::start`] starts: files and paths, and no process yet.
    pub fn prepare(topology: &Topology, config: &str) -> Self {
        let id = leftovers::fresh_id();
        let daemon = Self {
            process: None,
            netns: topology.edge.path(),
            directory: leftovers::temporary_directory(&id),
            pins: Path::new(leftovers::BPFFS).join(&id),
        };
        daemon.configure(config);
        daemon
    }

    /// Replaces the configuration file; the daemon reads it when it starts.
    pub fn configure(&self, config: &str) {
        fs::write(self.config_path(), self.complete(config)).expect("the temporary directory is writable");
    }

    /// The configuration with this daemon's paths filled in, as `apply` wants it.
    pub fn complete(&self, config: &str) -> String {
        let mut config: toml::Table = config.parse().expect("the configuration is TOML");
        let daemon = config.entry("daemon").or_insert_with(|| toml::Table::new().into());
        let daemon = daemon.as_table_mut().expect("`daemon` is a table");
        for (key, path) in
            [("socket", self.socket()), ("state_dir", self.state_directory()), ("pin_dir", self.pins.clone())]
        {
            daemon.insert(key.into(), path.to_str().expect("our paths are UTF-8").into());
        }
        config.to_string()
    }

    /// Ends it as a crash does.
    pub fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().ok();
            process.wait().ok();
        }
    }

    /// Ends it by SIGTERM.
    ///
    /// # Panics
    /// With its log, if it does not end within 20 s, or does not run.
    pub fn stop(&mut self) -> ExitStatus {
        let pid = self.pid().expect("the daemon runs").try_into().expect("a pid is an i32");
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("the daemon can be signalled");
        self.wait()
    }

    /// Starts it again, after stopping it if it runs, and returns when it answers.
    pub fn restart(&mut self) {
        if self.process.is_some() {
            self.stop();
        }
        self.spawn();
        self.await_answer();
    }

    /// Waits for its own end.
    ///
    /// # Panics
    /// With its log, if it does not end within 20 s, or was not spawned.
    pub fn wait(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the daemon was spawned");
        let start = Instant::now();
        loop {
            if let Some(status) = process.try_wait().expect("the daemon is our child") {
                return status;
            }
            if start.elapsed() > PATIENCE {
                self.process = Some(process);
                panic!("switcherd does not end\n{}", self.log());
            }
            thread::sleep(POLL);
        }
    }

    /// Starts it and does not wait for anything.
    pub fn spawn(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_path());
        let log = log.expect("the temporary directory is writable");
        let binary = binary("switcherd");
        let process = Command::new("nsenter")
            .arg(format!("--net={}", self.netns.display()))
            .arg("--")
            .arg(&binary)
            .arg("--config")
            .arg(self.config_path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be cloned"))
            .stderr(log)
            .spawn()
            .expect("nsenter starts");
        self.process = Some(process);
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// What it wrote to its standard output and error, over all its starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("switcher.sock")
    }

    /// Where it keeps its state and journal.
    pub fn state_directory(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Where it pins.
    pub fn pin_directory(&self) -> &Path {
        &self.pins
    }

    /// Its configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.directory.path().join("switcher.toml")
    }

    /// Runs the command line against it.
    pub fn cli<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        let binary = binary("switcher");
        Command::new(&binary)
            .arg("--socket")
            .arg(self.socket())
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()))
    }

    /// One request of its API: status and JSON.
    ///
    /// # Panics
    /// With its log, if it does not answer.
    pub fn api(&self, method: &str, path: &str, json: Option<&Value>) -> (u16, Value) {
        api::request(&self.socket(), method, path, json)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log()))
    }

    /// A GET that must succeed.
    pub fn get(&self, path: &str) -> Value {
        self.successful("GET", path, None)
    }

    /// A POST that must succeed.
    pub fn post(&self, path: &str, json: &Value) -> Value {
        self.successful("POST", path, Some(json))
    }

    /// Its events from now on.
    pub fn events(&self) -> mpsc::Receiver<Value> {
        api::follow(self.socket(), "/v1/events".into())
    }

    fn successful(&self, method: &str, path: &str, json: Option<&Value>) -> Value {
        let (status, value) = self.api(method, path, json);
        assert!((200..300).contains(&status), "{method} {path}: {status} {value}");
        value
    }

    fn await_answer(&mut self) {
        let binary = binary("switcherd");
        let start = Instant::now();
        while !matches!(api::request(&self.socket(), "GET", "/v1/status", None), Ok((200, _))) {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            if let Some(status) = ended {
                panic!("{} ended, {status}\n{}", binary.display(), self.log());
            }
            assert!(start.elapsed() < PATIENCE, "{} does not answer\n{}", binary.display(), self.log());
            thread::sleep(POLL);
        }
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("switcherd.log")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill9();
        fs::remove_dir_all(&self.pins).ok();
    }
}

/// The path of `switcherd` or `switcher`: `SWITCHERD` names the former and the latter lies beside it, or
/// both lie beside the current executable (a test's is in `deps` below, an example's in `examples`).
pub fn binary(name: &str) -> PathBuf {
    let daemon = std::env::var_os("SWITCHERD").map_or_else(built_daemon, PathBuf::from);
    let path = if name == "switcherd" { daemon } else { daemon.with_file_name(name) };
    assert!(path.is_file(), "{} is missing: `cargo build --package switcher-user` makes it", path.display());
    path
}

fn built_daemon() -> PathBuf {
    let own = std::env::current_exe().expect("this process has an executable");
    let directory = own.parent().expect("a file lies in a directory");
    let below = directory.ends_with("deps") || directory.ends_with("examples");
    if below { directory.with_file_name("switcherd") } else { own.with_file_name("switcherd") }
}
