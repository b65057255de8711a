//! Where the bytes of a packet come from: a slice in user space, a pointer pair in the kernel.
//!
//! Headers are laid out by `network-types`, but read field by field, in the width of the field: its types
//! are arrays of bytes, and the compiler would read a BPF program's bytes one at a time.

use core::mem::size_of;

/// Bytes that headers can be read from.
pub trait Source {
    /// The bytes of one header.
    type View: View;

    /// The header `H` at `at`, or nothing if it would end behind the last byte.
    fn view<H>(&self, at: usize) -> Option<Self::View>;

    /// How many bytes there are.
    fn length(&self) -> usize;
}

/// The bytes of a header. Offsets are those of its fields: they lie inside.
pub trait View {
    /// One byte.
    fn u8(&self, offset: usize) -> u8;
    /// Two bytes as they lie in memory.
    fn u16(&self, offset: usize) -> u16;
    /// Four bytes as they lie in memory.
    fn u32(&self, offset: usize) -> u32;
}

impl<'a> Source for &'a [u8] {
    type View = &'a [u8];

    fn view<H>(&self, at: usize) -> Option<&'a [u8]> {
        self.get(at..at.checked_add(size_of::<H>())?)
    }

    fn length(&self) -> usize {
        self.len()
    }
}

impl View for &[u8] {
    fn u8(&self, offset: usize) -> u8 {
        self[offset]
    }

    fn u16(&self, offset: usize) -> u16 {
        u16::from_ne_bytes([self[offset], self[offset + 1]])
    }

    fn u32(&self, offset: usize) -> u32 {
        u32::from_ne_bytes([self[offset], self[offset + 1], self[offset + 2], self[offset + 3]])
    }
}
