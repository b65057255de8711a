//! The clients: connections that stay, connections for one request, and datagrams; half of each by IPv6.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use switcher_tests::Color;
use switcher_tests::load::{Expectation, Load, LongLived, Report, ShortLived, UdpStream, Workload};
use switcher_tests::topology::Topology;

use crate::scene::{ECHOES, WEBS};

/// Connections that live from the beginning to the end.
pub(crate) const RESIDENTS: u32 = 200;
/// Connections that are born while green is live.
pub(crate) const BORN_GREEN: u32 = 50;
/// Clients that connect, ask and close, back to back.
pub(crate) const VISITORS: u32 = 4;
/// UDP flows.
pub(crate) const FLOWS: u32 = 50;
const PACE: Duration = Duration::from_millis(10);
/// Between an answer and the next request of those who stay: without it their requests alone take all that two
/// cores give, and neither visitors nor the daemon get their turn.
const BREATH: Duration = Duration::from_millis(20);

/// The clients.
pub(crate) struct Crowd {
    /// The colors that are right for what begins now.
    pub(crate) expectation: Expectation,
    residents: Vec<Load>,
    born_green: Mutex<Vec<Load>>,
    departed: Mutex<Report>,
    visitors: Vec<Load>,
    flows: Vec<Load>,
}

/// What the clients have seen, by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census {
    /// Of connections that stay.
    pub(crate) long: Report,
    /// Of connections for one request.
    pub(crate) short: Report,
    /// Of datagrams.
    pub(crate) udp: Report,
    /// How many connections that stay are open.
    pub(crate) open: u64,
}

impl Census {
    /// HTTP requests answered.
    pub(crate) const fn requests(&self) -> u64 {
        self.long.requests + self.short.requests
    }

    /// Requests failed, connections broken, wrong colors.
    pub(crate) fn faults(&self) -> [u64; 3] {
        let sum = |of: fn(&Report) -> u64| [&self.long, &self.short, &self.udp].into_iter().map(of).sum();
        [sum(|it| it.failed), sum(|it| it.connections_broken), sum(|it| it.wrong_color)]
    }
}

impl Crowd {
    /// Starts them, and returns when all that stay are there.
    pub(crate) fn gather(topology: &Topology) -> Self {
        let expectation = Expectation::of(&[Color::Blue]);
        let residents = stay(topology, RESIDENTS, &expectation);
        let visitors = WEBS.map(|web| ShortLived::new(web, VISITORS / 2).start(topology, &expectation));
        let flows = ECHOES.map(|echo| {
            UdpStream { pace: PACE, ..UdpStream::new(echo, FLOWS / 2) }.start(topology, &expectation)
        });
        await_all(&residents, RESIDENTS);
        Self {
            expectation,
            residents,
            born_green: Mutex::default(),
            departed: Mutex::default(),
            visitors: visitors.into(),
            flows: flows.into(),
        }
    }

    /// More connections that stay, born under the colors that are right now.
    pub(crate) fn join(&self, topology: &Topology) {
        let loads = stay(topology, BORN_GREEN, &self.expectation);
        await_all(&loads, BORN_GREEN);
        lock(&self.born_green).extend(loads);
    }

    /// Those who joined close their connections.
    pub(crate) fn part(&self) {
        // Held until the last is counted as gone: a census in between would miss what they have seen.
        let mut joined = lock(&self.born_green);
        *lock(&self.departed) += joined.drain(..).map(Load::stop).sum();
    }

    /// What they have seen so far: a later census never has less.
    pub(crate) fn census(&self) -> Census {
        let joined = lock(&self.born_green);
        let staying: Report = self.residents.iter().chain(joined.iter()).map(Load::report).sum();
        let open = staying.connections - staying.connections_broken;
        let long = [staying, lock(&self.departed).clone()].into_iter().sum();
        let sum = |loads: &[Load]| loads.iter().map(Load::report).sum();
        Census { long, short: sum(&self.visitors), udp: sum(&self.flows), open }
    }

    /// When the first visitor since the last look got an answer of this color; nothing if none does for a
    /// second.
    pub(crate) fn first_answer(&self, color: Color) -> Option<Instant> {
        let start = Instant::now();
        loop {
            let samples = self.visitors.iter().flat_map(Load::take_samples);
            let first = samples.filter(|sample| sample.color == Some(color)).map(|sample| sample.end).min();
            if first.is_some() || start.elapsed() > Duration::from_secs(1) {
                return first;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Forgets what visitors have seen so far, one by one.
    pub(crate) fn look_away(&self) {
        self.visitors.iter().for_each(|load| drop(load.take_samples()));
    }

    /// All finish what they are at, and go.
    pub(crate) fn leave(mut self) -> Census {
        self.part();
        let stop = |loads: &mut Vec<Load>| loads.drain(..).map(Load::stop).sum();
        let staying: Report = stop(&mut self.residents);
        let open = staying.connections - staying.connections_broken;
        let long = [staying, lock(&self.departed).clone()].into_iter().sum();
        Census { long, short: stop(&mut self.visitors), udp: stop(&mut self.flows), open }
    }
}

fn stay(topology: &Topology, connections: u32, expectation: &Expectation) -> Vec<Load> {
    let load = |web| LongLived { pause: BREATH, ..LongLived::new(web, connections / 2) };
    WEBS.map(|web| load(web).start(topology, expectation)).into()
}

/// Waits until each of two loads has opened its half.
fn await_all(loads: &[Load], connections: u32) {
    for load in loads {
        load.wait_until(|report| report.connections + report.failed >= u64::from(connections / 2));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
