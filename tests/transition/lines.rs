//! TCP connections of lines that know where they were born.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage, setsockopt, sockopt};
use switcher_tests::Color;
use switcher_tests::netns::Netns;
use switcher_tests::topology::Topology;

/// An answer takes no longer, even on a machine with better things to do.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to [`Echo`](switcher_tests::server::Echo).
#[derive(Debug)]
pub(crate) struct Line {
    stream: BufReader<TcpStream>,
    /// Where it was born: what the server said first.
    pub(crate) color: Color,
    pub(crate) address: SocketAddr,
    /// Which stage of the test it comes from.
    pub(crate) born: &'static str,
}

impl Line {
    /// From the calling thread's namespace, and from `source` if there is one.
    pub(crate) fn open(target: SocketAddr, source: Option<IpAddr>, born: &'static str) -> io::Result<Self> {
        let stream = match source {
            Some(source) => connect_from(source, target)?,
            None => TcpStream::connect_timeout(&target, PATIENCE)?,
        };
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut stream = BufReader::new(stream);
        let mut greeting = String::new();
        stream.read_line(&mut greeting)?;
        let parsed = greeting
            .trim_end()
            .split_once(' ')
            .and_then(|(color, address)| Some((switcher_tests::color(color)?, address.parse().ok()?)));
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, format!("greeted with {greeting:?}"));
        let (color, address) = parsed.ok_or_else(invalid)?;
        Ok(Self { stream, color, address, born })
    }

    /// A question and its answer, from the color it was born with. Another address has another kernel socket
    /// behind it and answers with a reset, so a connection that lives is where it was born.
    pub(crate) fn ask(&mut self) -> io::Result<()> {
        self.stream.get_mut().write_all(b"?\n")?;
        let mut answer = String::new();
        self.stream.read_line(&mut answer)?;
        if answer == format!("{} ?\n", self.color.name()) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("answered {answer:?}")))
    }

    /// Ends with a reset, so that no port stays in TIME-WAIT.
    pub(crate) fn reset(self) {
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(self.stream.get_ref(), sockopt::Linger, &linger).expect("a socket can linger");
    }
}

fn connect_from(source: IpAddr, target: SocketAddr) -> io::Result<TcpStream> {
    let family = if source.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket::socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd.as_fd(), sockopt::SendTimeout, &nix::sys::time::TimeVal::new(20, 0))?;
    socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(source, 0)))?;
    socket::connect(fd.as_raw_fd(), &SockaddrStorage::from(target))?;
    Ok(TcpStream::from(fd))
}

/// Connections from the client, all of them, or a panic.
#[track_caller]
pub(crate) fn open(topology: &Topology, target: SocketAddr, count: usize, born: &'static str) -> Vec<Line> {
    topology.client.enter(|| {
        let open =
            |_| Line::open(target, None, born).unwrap_or_else(|error| panic!("{born}: {target}: {error}"));
        (0..count).map(open).collect()
    })
}

/// How a kept connection ended.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "the error is for the message of a failed test")]
pub(crate) struct Broken {
    /// When, in seconds of Unix time.
    pub(crate) at: f64,
    pub(crate) color: Color,
    pub(crate) born: &'static str,
    pub(crate) error: String,
}

#[derive(Debug, Default)]
struct Kept {
    lines: Mutex<Vec<Line>>,
    broken: Mutex<Vec<Broken>>,
    stop: AtomicBool,
}

/// Keeps connections busy on a thread of its own, and takes note of those that break.
#[derive(Debug)]
pub(crate) struct Keeper {
    kept: Arc<Kept>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// With `reconnect`, a broken connection is followed by another, born as "reconnected".
    pub(crate) fn new(client: &Netns, reconnect: Option<SocketAddr>) -> Self {
        let kept = Arc::<Kept>::default();
        let worker = Arc::clone(&kept);
        let work = move || {
            while !worker.stop.load(Ordering::Relaxed) {
                worker.round(reconnect);
                thread::sleep(Duration::from_millis(20));
            }
        };
        Self { kept, thread: Some(client.spawn(work)) }
    }

    pub(crate) fn keep(&self, lines: Vec<Line>) {
        self.lines().extend(lines);
    }

    /// The connections, which are idle for as long as this is held.
    pub(crate) fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.kept.lines.lock().expect("no panic while held")
    }

    pub(crate) fn broken(&self) -> Vec<Broken> {
        self.kept.broken.lock().expect("no panic while held").clone()
    }

    /// Every connection has been asked once more since this was called; none has ever broken.
    #[track_caller]
    pub(crate) fn assert_all_live(&self, when: &str) {
        for line in self.lines().iter_mut() {
            let asked = line.ask();
            assert!(asked.is_ok(), "{when}: born at {}, {}: {asked:?}", line.born, line.address);
        }
        let broken = self.broken();
        assert!(broken.is_empty(), "{when}: {} broken: {:?}", broken.len(), broken.first());
    }

    /// Stops asking; the connections are the caller's.
    pub(crate) fn end(mut self) -> Vec<Line> {
        self.join();
        std::mem::take(&mut *self.lines())
    }

    fn join(&mut self) {
        self.kept.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.join();
    }
}

impl Kept {
    fn round(&self, reconnect: Option<SocketAddr>) {
        let mut at = 0;
        loop {
            let mut lines = self.lines.lock().expect("no panic while held");
            let Some(line) = lines.get_mut(at) else { return };
            at += 1;
            let Err(error) = line.ask() else { continue };
            at -= 1;
            let line = lines.swap_remove(at);
            let broken = Broken { at: unix(), color: line.color, born: line.born, error: error.to_string() };
            self.broken.lock().expect("no panic while held").push(broken);
            drop(line);
            if let Some(target) = reconnect {
                lines.extend(Line::open(target, None, "reconnected"));
            }
        }
    }
}

/// Seconds of Unix time, as in the daemon's events.
pub(crate) fn unix() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64()
}
