//! What a daemon needs to know of the maps before it adopts them.

/// The one entry of the map `META`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Meta {
    /// SHA-256 of the object whose program is attached.
    pub digest: [u8; 32],
    /// The hash seed that recorded connections and rings were made with.
    pub seed: [u64; 2],
    /// [`super::ABI_VERSION`] of the maps.
    pub abi_version: u32,
    /// Buckets of the flow map, a power of two.
    pub flow_buckets: u32,
    /// Zero.
    pub pad: [u8; 8],
}
