//! A server in trouble: slow, but alive.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use switcher_tests::server::Nginx;

const STUCK: Duration = Duration::from_millis(80);
const AWAKE: Duration = Duration::from_millis(20);

/// Stops and continues a server again and again, until dropped.
pub(crate) struct Trouble {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Trouble {
    pub(crate) fn of(server: &Nginx) -> Self {
        let pid = Pid::from_raw(server.pid().try_into().unwrap_or_else(|_| panic!("a pid is an i32")));
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            for (signal, lasting) in [(Signal::SIGSTOP, STUCK), (Signal::SIGCONT, AWAKE)].into_iter().cycle()
            {
                // It fails if the server has ended, which its clients notice.
                kill(pid, signal).ok();
                if stopped.recv_timeout(lasting) == Err(RecvTimeoutError::Disconnected) {
                    break;
                }
            }
            kill(pid, Signal::SIGCONT).ok();
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
