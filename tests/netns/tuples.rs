//! The same addresses and ports again: a new connection, which goes where new ones go, and works.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};
use switcher_tests::Color::{self, Blue};
use switcher_tests::address::clients;
use switcher_tests::config::ConfigBuilder;
use switcher_tests::load::Expectation;
use switcher_tests::require::{Feature, available};
use switcher_tests::topology::Topology;

use crate::world::{ECHO, Shape, World, services, vips};

const PATIENCE: Duration = Duration::from_secs(20);
const PORT: u16 = 40_000;

/// How a client ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Reset,
    Close,
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    /// From exactly `source`; waits for the kernel to give the tuple free if it remembers the last one.
    fn open(source: SocketAddr, target: SocketAddr) -> (Self, String) {
        let start = Instant::now();
        let stream = loop {
            match Self::attempt(source, target) {
                Ok(stream) => break stream,
                Err(Errno::EADDRNOTAVAIL) if start.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(error) => panic!("{source} to {target}: {error}"),
            }
        };
        let mut connection = Self(BufReader::new(stream));
        let greeting = connection.line().unwrap_or_else(|error| panic!("{source}: greeting: {error}"));
        (connection, greeting)
    }

    fn attempt(source: SocketAddr, target: SocketAddr) -> nix::Result<TcpStream> {
        let family = if target.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
        bind(socket.as_raw_fd(), &SockaddrStorage::from(source))?;
        connect(socket.as_raw_fd(), &SockaddrStorage::from(target))?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).expect("sockets have timeouts");
        Ok(stream)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn ask(&mut self, word: &str) -> String {
        self.0.get_mut().write_all(format!("{word}\n").as_bytes()).expect("the connection is open");
        self.line().unwrap_or_else(|error| panic!("{word}: {error}"))
    }

    fn end(self, ending: Ending) {
        let stream = self.0.into_inner();
        if ending == Ending::Reset {
            let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            setsockopt(&stream, sockopt::Linger, &linger).expect("sockets linger");
        }
        drop(stream);
    }
}

fn reuse(ending: Ending, rounds: u16, affinity: &str) {
    let shape = Shape { affinity, ..Shape::default() };
    let world = World::start(Topology::new, &services(ConfigBuilder::new(), &shape));
    let any = Expectation::any();
    let mut live = Blue;
    let tuples: Vec<_> = vips(ECHO)
        .into_iter()
        .flat_map(|vip| clients(vip.ip(), 4).into_iter().map(move |ip| (SocketAddr::new(ip, PORT), vip)))
        .collect();
    for round in 0..rounds {
        let opened: Vec<_> =
            enter(&world, || tuples.iter().map(|(from, to)| Connection::open(*from, *to)).collect());
        let mut connections = Vec::new();
        for (connection, greeting) in opened {
            assert!(greeting.starts_with(live.name()), "round {round}: {greeting}, not {}", live.name());
            connections.push((connection, live));
        }
        talk(&mut connections, round);
        // One flip, or as many as bring back the color: then nothing tells the new connection from the old.
        for _ in 0..1 + round % 3 {
            live = live.other();
            world.flip(live, &any);
            talk(&mut connections, round);
        }
        connections.into_iter().for_each(|(connection, _)| connection.end(ending));
    }
}

fn enter<R: Send>(world: &World, work: impl FnOnce() -> R + Send) -> R {
    world.topology.client.enter(work)
}

fn talk(connections: &mut [(Connection, Color)], round: u16) {
    for (connection, color) in connections {
        for word in ["one", "two", "three"] {
            assert_eq!(connection.ask(word), format!("{} {word}", color.name()), "round {round}");
        }
    }
}

#[test]
fn a_tuple_used_again_after_a_reset_is_a_new_connection() {
    if available(&Feature::ALL) {
        reuse(Ending::Reset, 60, "connection");
    }
}

#[test]
fn a_tuple_used_again_after_a_close_is_a_new_connection() {
    if available(&Feature::ALL) {
        reuse(Ending::Close, 8, "client");
    }
}
