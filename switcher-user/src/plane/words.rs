//! Arrays of 64-bit words that packets are judged by while they change: memory mapped from the kernel.

#![expect(unsafe_code, reason = "the memory behind a mapped BPF array is shared with the kernel")]

use std::{io, os::fd::RawFd, sync::atomic::AtomicU64};

use memmap2::{MmapOptions, MmapRaw};

/// Words in memory that others (the kernel program, on any CPU) read and write at the same time.
pub struct Words {
    memory: Memory,
    length: usize,
}

enum Memory {
    Mapped(MmapRaw),
    #[cfg(test)]
    Own(Box<[AtomicU64]>),
}

impl Words {
    /// Maps the `length` words of a BPF array that was created with `BPF_F_MMAPABLE`.
    ///
    /// # Errors
    ///
    /// What the kernel says, such as `EPERM` if the array is not mappable.
    pub fn map(map: RawFd, length: usize) -> io::Result<Self> {
        let mapped = MmapOptions::new().len(length * size_of::<u64>()).map_raw(map)?;
        Ok(Self { memory: Memory::Mapped(mapped), length })
    }

    /// Zeroed words of our own.
    #[cfg(test)]
    pub fn own(length: usize) -> Self {
        Self { memory: Memory::Own((0..length).map(|_| AtomicU64::new(0)).collect()), length }
    }

    /// The words.
    pub fn all(&self) -> &[AtomicU64] {
        match &self.memory {
            // SAFETY: the mapping is page aligned, at least `length` words long, lives as long as `self`,
            // and is accessed through atomics only, as the kernel program accesses it by single words.
            Memory::Mapped(mapped) => unsafe {
                std::slice::from_raw_parts(mapped.as_ptr().cast::<AtomicU64>(), self.length)
            },
            #[cfg(test)]
            Memory::Own(words) => words,
        }
    }

    /// One word.
    pub fn get(&self, index: usize) -> Option<&AtomicU64> {
        self.all().get(index)
    }
}
