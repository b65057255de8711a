//! The kernel program's object, built together with the daemon and carried inside it.

use sha2::{Digest as _, Sha256};

/// The ELF object.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/switcher.bpf.o"));

/// The name of the program in it.
pub const PROGRAM: &str = "switcher";

/// SHA-256 of the object: what tells whether a pinned program is this daemon's own.
pub fn digest() -> [u8; 32] {
    Sha256::digest(OBJECT).into()
}
