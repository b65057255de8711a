//! Waiting until packets in flight have left the kernel program.

#![expect(unsafe_code, reason = "membarrier has no safe wrapper")]

/// Linux `MEMBARRIER_CMD_GLOBAL`.
const GLOBAL: libc::c_int = 1;

/// Returns when every packet that was being judged at the time of the call has left the program.
///
/// XDP programs run with RCU held, and `membarrier(MEMBARRIER_CMD_GLOBAL)` waits for an RCU grace period
/// (kernel/sched/membarrier.c: `synchronize_rcu`). Where it is not to be had (`nohz_full` kernels), a pause
/// much longer than any program takes has to do.
pub(super) fn wait_for_packets() {
    // SAFETY: the call takes integers and touches no memory of this process.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) };
    if result != 0 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
