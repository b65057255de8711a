//! Ctrl-C, SIGTERM and SIGHUP: everything is removed, whatever the other threads are at.

use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use switcher_tests::leftovers;

/// By convention: 128 and the number of SIGINT.
const EXIT_CODE: i32 = 130;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on a thread waits for the signals; to be called before there are other threads.
///
/// # Errors
///
/// The signals cannot be blocked.
pub(crate) fn watch() -> nix::Result<()> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    signals.thread_block()?;
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        // The world is going; what others say about that is of no interest, nor is their exit code.
        while INTERRUPTED.load(Ordering::SeqCst) {
            thread::park();
        }
        report(panic);
    }));
    thread::spawn(move || {
        if signals.wait().is_ok() {
            INTERRUPTED.store(true, Ordering::SeqCst);
            end();
        }
    });
    Ok(())
}

#[expect(clippy::exit, reason = "there is no way to make the other threads return")]
fn end() -> ! {
    leftovers::cleanup();
    // What the others were about to make when the first cleanup ran.
    thread::sleep(Duration::from_millis(200));
    leftovers::cleanup();
    std::process::exit(EXIT_CODE)
}

/// Does not return if the program is being interrupted: the exit code is then not the caller's to choose.
pub(crate) fn yield_to_it() {
    while INTERRUPTED.load(Ordering::SeqCst) {
        thread::park();
    }
}
