//! What the kernel program tells the daemon about a running transition.

/// Bits of the at-risk bitmap.
pub const AT_RISK_BITS: u32 = 4096;

/// A bit for every at-risk connection seen since the daemon last looked, at a place its hash gives.
///
/// No bit in a whole interval: no at-risk connection sent anything. The number of distinct connections is
/// estimated from the share of bits set (linear counting), well up to about 20,000 an interval.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AtRisk {
    /// The bitmap.
    pub bits: [u64; AT_RISK_BITS as usize / 64],
}

/// The newest word that one CPU has judged a packet by, and when it first did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Witness {
    /// The switch word.
    pub word: u64,
    /// `CLOCK_MONOTONIC` in nanoseconds.
    pub at_ns: u64,
}
