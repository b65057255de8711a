//! What clients do and see: load from the client's namespace, each kind on a thread of its own.
//!
//! A client only counts what it has seen; whether that is right is the test's to say, by the [`Report`] and,
//! for colors, by an [`Expectation`].

mod connection;
mod expectation;
mod long_lived;
mod report;
mod short_lived;
mod sources;
mod udp_stream;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::watch;
use tokio::time::timeout;

pub use connection::Protocol;
pub use expectation::Expectation;
pub use long_lived::LongLived;
pub use report::{Report, Sample};
pub use short_lived::ShortLived;
pub use udp_stream::UdpStream;

use crate::netns::Netns;
use crate::topology::Topology;

/// A request without an answer for so long is counted as failed and stalled.
pub const STALL: Duration = Duration::from_secs(5);

/// A running load; stopped when dropped.
#[derive(Debug)]
pub struct Load {
    stop: watch::Sender<bool>,
    tally: Arc<Tally>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    fn start<F: Future<Output = ()>>(
        netns: &Netns,
        work: impl FnOnce(Context) -> F + Send + 'static,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let tally = Arc::<Tally>::default();
        let context = Context { stopped, tally: Arc::clone(&tally) };
        let thread = netns.spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(work(context));
        });
        Self { stop, tally, thread: Some(thread) }
    }

    /// What has been seen so far.
    pub fn report(&self) -> Report {
        self.tally.report().clone()
    }

    /// What short-lived clients have seen, connection by connection, since this was last called.
    pub fn take_samples(&self) -> Vec<Sample> {
        std::mem::take(&mut *self.tally.samples())
    }

    /// Waits until the report satisfies `condition`.
    ///
    /// # Panics
    /// With the report, if that takes longer than 30 s.
    #[track_caller]
    pub fn wait_until(&self, condition: impl Fn(&Report) -> bool) {
        let start = Instant::now();
        while !condition(&self.tally.report()) {
            assert!(start.elapsed() < Duration::from_secs(30), "waited in vain: {}", self.report());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets every client finish its request, and reports. Closing is not counted as breaking.
    pub fn stop(mut self) -> Report {
        self.end();
        self.report()
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_else(|panic| {
                if !thread::panicking() {
                    std::panic::resume_unwind(panic);
                }
            });
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

/// A kind of load that can be started.
pub trait Workload {
    /// Starts it in the client's namespace; `expectation` says which colors are right.
    fn start(self, topology: &Topology, expectation: &Expectation) -> Load;
}

#[derive(Debug, Default)]
struct Tally {
    report: Mutex<Report>,
    samples: Mutex<Vec<Sample>>,
}

impl Tally {
    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn samples(&self) -> MutexGuard<'_, Vec<Sample>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a client on the load's thread needs.
#[derive(Clone, Debug)]
struct Context {
    stopped: watch::Receiver<bool>,
    tally: Arc<Tally>,
}

impl Context {
    fn stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Waits, but not beyond the stop.
    async fn pause(&mut self, duration: Duration) {
        if !duration.is_zero() {
            timeout(duration, self.stopped.wait_for(|stopped| *stopped)).await.ok();
        }
    }

    fn count(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.tally.report());
    }
}
