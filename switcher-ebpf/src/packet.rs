//! The bytes of a frame: the only file that touches packet pointers.
//!
//! The verifier accepts an access only after a comparison of the very pointer with `data_end`, so every
//! header is checked where it is read, and again where it is written.
//!
//! Frames begin at an even address at best, so that fields of four bytes are not aligned. The BPF
//! instruction set has no alignment, and the kernel lets programs access packets at any address on the
//! architectures that can (x86-64, arm64). The compiler would split an access it knows to be unaligned into
//! bytes; plain loads and stores of the field's width are what is meant here.

use core::mem::size_of;

use aya_ebpf::programs::XdpContext;
use switcher_common::packet::{Source, View};

/// A frame's linear part.
pub(crate) struct Packet {
    start: usize,
    end: usize,
}

/// A header inside the frame.
pub(crate) struct Window(*mut u8);

impl Packet {
    #[inline(always)]
    pub(crate) fn new(context: &XdpContext) -> Self {
        Self { start: context.data(), end: context.data_end() }
    }

    /// The frame's length as counters take it.
    #[inline(always)]
    pub(crate) fn frame_length(&self) -> u64 {
        (self.end - self.start) as u64
    }
}

impl Source for Packet {
    type View = Window;

    #[inline(always)]
    fn view<H>(&self, at: usize) -> Option<Window> {
        let address = self.start + at;
        if address + size_of::<H>() > self.end { None } else { Some(Window(address as *mut u8)) }
    }

    #[inline(always)]
    fn length(&self) -> usize {
        self.end - self.start
    }
}

impl View for Window {
    #[inline(always)]
    fn u8(&self, offset: usize) -> u8 {
        // SAFETY: `view` has checked the header's end against the frame's, and the field lies inside.
        unsafe { *self.0.add(offset) }
    }

    #[inline(always)]
    fn u16(&self, offset: usize) -> u16 {
        // SAFETY: as in `u8`; for alignment see the head of the file.
        unsafe { *self.0.add(offset).cast::<u16>() }
    }

    #[inline(always)]
    fn u32(&self, offset: usize) -> u32 {
        // SAFETY: as in `u16`.
        unsafe { *self.0.add(offset).cast::<u32>() }
    }
}

impl Window {
    #[inline(always)]
    pub(crate) fn set_u8(&self, offset: usize, value: u8) {
        // SAFETY: as in `u8`; the program owns the frame.
        unsafe { *self.0.add(offset) = value };
    }

    #[inline(always)]
    pub(crate) fn set_u16(&self, offset: usize, value: u16) {
        // SAFETY: as in `u16`; the program owns the frame.
        unsafe { *self.0.add(offset).cast::<u16>() = value };
    }

    #[inline(always)]
    pub(crate) fn set_u32(&self, offset: usize, value: u32) {
        // SAFETY: as in `u16`; the program owns the frame.
        unsafe { *self.0.add(offset).cast::<u32>() = value };
    }
}
