//! Services on one switch flip in one store: nobody sees one after it and then another before it.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use switcher_tests::Color::{self, Blue, Green};
use switcher_tests::address::clients;
use switcher_tests::config::ConfigBuilder;
use switcher_tests::load::Expectation;
use switcher_tests::require::{Feature, available};
use switcher_tests::topology::Topology;

use crate::world::{ECHO, HTTP, Shape, World, say, services, vips};

const FLIPS: usize = 400;
const PATIENCE: Duration = Duration::from_secs(20);
/// Every observer completes so many pairs between two flips.
const PAIRS: u64 = 2;

/// A way to ask a service for its color.
#[derive(Clone, Copy, Debug)]
enum Question {
    /// A connection of its own.
    Stream(SocketAddr),
    /// A datagram from a socket of its own.
    Datagram(SocketAddr),
}

/// An answer, and the times between which it was judged.
#[derive(Clone, Copy, Debug)]
struct Seen {
    start: Instant,
    end: Instant,
    color: Color,
}

fn ask(question: Question, client: std::net::IpAddr) -> Seen {
    let start = Instant::now();
    let text = match question {
        Question::Stream(target) => {
            // The echo server greets with its color: connecting is asking.
            let stream = TcpStream::connect_timeout(&target, PATIENCE).expect("connects");
            stream.set_read_timeout(Some(PATIENCE)).expect("sockets have timeouts");
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).expect("is greeted");
            line
        }
        Question::Datagram(target) => {
            let socket = UdpSocket::bind((client, 0)).expect("binds");
            socket.set_read_timeout(Some(PATIENCE)).expect("sockets have timeouts");
            socket.connect(target).expect("connects");
            socket.send(b"?").expect("sends");
            let mut reply = [0; 64];
            let length = socket.recv(&mut reply).expect("is answered");
            String::from_utf8_lossy(&reply[..length]).into_owned()
        }
    };
    let color = text.split_once(' ').and_then(|(color, _)| switcher_tests::color(color));
    Seen { start, end: Instant::now(), color: color.expect("a color") }
}

/// The flips made: the n-th plan began to be in force at some time of the n-th of them.
#[derive(Debug, Default)]
struct History(Vec<(Instant, Instant)>);

impl History {
    /// Whether plan `n` (blue if even) may have been in force when this was judged.
    fn possible(&self, n: usize, seen: Seen) -> bool {
        let color = if n.is_multiple_of(2) { Blue } else { Green };
        let begun = n == 0 || self.0[n - 1].0 <= seen.end;
        let not_over = n == self.0.len() || self.0[n].1 >= seen.start;
        color == seen.color && begun && not_over
    }

    /// Whether some order of plans explains what was seen, the second answer asked for after the first.
    fn explains(&self, first: Seen, second: Seen) -> bool {
        // Only the plans around these times matter.
        let from = self.0.partition_point(|flip| flip.1 < first.start);
        let to = self.0.partition_point(|flip| flip.0 <= second.end);
        let earliest = (from..=to).find(|n| self.possible(*n, first));
        let latest = (from..=to).rev().find(|n| self.possible(*n, second));
        matches!((earliest, latest), (Some(earliest), Some(latest)) if earliest <= latest)
    }
}

fn together(affinity: &str) {
    let shape = Shape { affinity, ..Shape::default() };
    let world = World::start(Topology::new, &services(ConfigBuilder::new(), &shape));
    let [http, _] = vips(HTTP);
    let [v4, v6] = vips(ECHO);
    assert_ne!(http, v4);
    use Question::{Datagram, Stream};
    let kinds = [
        (Datagram(v4), Datagram(v6)),
        (Datagram(v6), Datagram(v4)),
        (Stream(v4), Stream(v6)),
        (Stream(v6), Datagram(v4)),
        (Datagram(v4), Stream(v4)),
    ];
    let observers: Vec<_> = kinds.into_iter().flat_map(|kind| [kind; 4]).collect();
    let counts: Vec<_> = observers.iter().map(|_| AtomicU64::new(0)).collect();
    let stop = AtomicBool::new(false);
    let mut history = History::default();
    let pairs: Vec<Vec<(Seen, Seen)>> = std::thread::scope(|scope| {
        let handles: Vec<_> = observers
            .iter()
            .zip(&counts)
            .enumerate()
            .map(|(index, ((first, second), count))| {
                let (world, stop) = (&world, &stop);
                scope.spawn(move || {
                    world.topology.client.enter(|| {
                        let client = |question| match question {
                            Stream(target) | Datagram(target) => clients(target.ip(), 64)[index],
                        };
                        let (one, two) = (client(*first), client(*second));
                        let mut pairs = Vec::new();
                        while !stop.load(Ordering::Relaxed) {
                            pairs.push((ask(*first, one), ask(*second, two)));
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        pairs
                    })
                })
            })
            .collect();
        let stopper = StopOnDrop(&stop);
        let mut to = Blue;
        let any = Expectation::any();
        for _ in 0..FLIPS {
            let goals: Vec<_> = counts.iter().map(|count| count.load(Ordering::Relaxed) + PAIRS).collect();
            while counts.iter().zip(&goals).any(|(count, goal)| count.load(Ordering::Relaxed) < *goal) {
                assert!(
                    !handles.iter().any(std::thread::ScopedJoinHandle::is_finished),
                    "an observer has given up"
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            to = to.other();
            let start = Instant::now();
            world.flip(to, &any);
            history.0.push((start, Instant::now()));
        }
        drop(stopper);
        handles.into_iter().map(|handle| handle.join().expect("an observer")).collect()
    });
    let all: Vec<_> = pairs.into_iter().flatten().collect();
    let changes = all.iter().filter(|(first, second)| first.color != second.color).count();
    say(&format!(
        "pairs, affinity {affinity}: {FLIPS} flips, {} pairs looked at, {changes} with a flip in between",
        all.len()
    ));
    let broken: Vec<_> = all.iter().filter(|(first, second)| !history.explains(*first, *second)).collect();
    assert!(broken.is_empty(), "{} pairs, such as {:?}", broken.len(), broken[0]);
}

/// Lets the observers go, also when something panics.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn two_services_flip_as_one_by_connection() {
    if available(&Feature::ALL) {
        together("connection");
    }
}

#[test]
fn two_services_flip_as_one_by_client() {
    if available(&Feature::ALL) {
        together("client");
    }
}

#[test]
fn the_judgement_finds_what_no_order_explains() {
    let zero = Instant::now();
    let at = |millisecond| zero + Duration::from_millis(millisecond);
    let seen = |start, end, color| Seen { start: at(start), end: at(end), color };
    // To green between 10 and 12, to blue between 20 and 22.
    let history = History(vec![(at(10), at(12)), (at(20), at(22))]);
    for (first, second, explained) in [
        (seen(1, 2, Blue), seen(3, 4, Blue), true),
        (seen(1, 2, Green), seen(3, 4, Green), false),
        (seen(9, 11, Blue), seen(11, 13, Green), true),
        (seen(9, 11, Green), seen(11, 13, Blue), false),
        (seen(13, 14, Green), seen(15, 16, Blue), false),
        (seen(11, 14, Green), seen(15, 21, Blue), true),
        (seen(13, 14, Blue), seen(15, 16, Green), false),
        (seen(9, 30, Green), seen(31, 32, Blue), true),
        (seen(23, 24, Blue), seen(25, 26, Green), false),
    ] {
        assert_eq!(history.explains(first, second), explained, "{first:?}, {second:?}");
    }
}
