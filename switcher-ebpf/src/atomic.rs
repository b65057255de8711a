//! Single-instruction access to words shared with other CPUs and with the daemon.
//!
//! `core::sync::atomic` does not exist for this target. Aligned 64-bit loads are single instructions;
//! what is atomic beyond that is written down (BPF_CMPXCHG and BPF_OR, kernel 5.12, in `BPF cpu v3`).

use core::arch::asm;

/// Loads a word in one instruction, once.
///
/// # Safety
///
/// `word` points to an aligned word that may be read.
#[inline(always)]
pub(crate) unsafe fn load(word: *const u64) -> u64 {
    // SAFETY: the caller's; volatile, so that the compiler neither splits nor repeats the load.
    unsafe { word.read_volatile() }
}

/// Sets bits of a word, whatever others set at the same time.
///
/// # Safety
///
/// `word` points to an aligned word of a map value that may be written.
#[inline(always)]
pub(crate) unsafe fn set_bits(word: *mut u64, bits: u64) {
    // SAFETY: the caller's.
    unsafe { asm!("lock *(u64 *)({word} + 0) |= {bits}", word = in(reg) word, bits = in(reg) bits) };
}

/// Replaces a word if it is `old`; whether it was.
///
/// # Safety
///
/// `word` points to an aligned word of a map value that may be written.
#[inline(always)]
pub(crate) unsafe fn compare_and_swap(word: *mut u64, old: u64, new: u64) -> bool {
    let found: u64;
    // SAFETY: the caller's. The instruction compares the word with r0, stores `new` if they are equal, and
    // leaves what it found in r0.
    unsafe {
        asm!(
            "r0 = cmpxchg_64({word} + 0, r0, {new})",
            word = in(reg) word,
            new = in(reg) new,
            inout("r0") old => found,
        );
    }
    found == old
}
