//! The kernel program's own messages.

#![expect(unsafe_code, reason = "tokio registers a descriptor that aya owns")]

use aya_log::EbpfLogger;
use tokio::io::{Interest, unix::AsyncFd};

/// Passes the messages of a program on to the daemon's log.
pub(super) fn forward(program: u32) -> anyhow::Result<()> {
    let logger = EbpfLogger::init_from_id(program)?;
    // SAFETY: the logger owns its descriptor, moves into the `AsyncFd`, and is closed only with it.
    let mut logger = unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE)? };
    tokio::spawn(async move {
        while let Ok(mut ready) = logger.readable_mut().await {
            ready.get_inner_mut().flush();
            ready.clear_ready();
        }
    });
    Ok(())
}
