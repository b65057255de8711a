//! An entry of the flow map: one remembered connection in one word.

/// Entries in a bucket: a bucket is one cache line.
pub const BUCKET_ENTRIES: usize = 8;
/// The same, for sizes of maps.
pub const BUCKET_ENTRIES_U32: u32 = 8;
const _: () = assert!(BUCKET_ENTRIES_U32 as usize == BUCKET_ENTRIES);

/// How far a remembered connection has come, as seen from the client's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum FlowState {
    /// Opened; nothing since. The first to make room.
    Embryonic = 1,
    /// Has sent something after its opening packet. Never evicted.
    Established = 2,
    /// The client sent FIN or RST. May make room once it has been silent for a tick.
    Closing = 3,
}

/// `backend: 16 | state: 2 | epoch: 2 | age: 4 | tag: 40`, from the low end; 0 is a free entry.
///
/// The tag is the upper 40 bits of the connection hash, mixed with the switch's whole epoch: entries of an
/// earlier epoch match nothing. A stranger matches a full bucket by chance once in 2^40 / 8 look-ups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct FlowEntry(pub u64);

impl FlowEntry {
    /// A free entry.
    pub const FREE: Self = Self(0);
    /// The oldest age; the daemon frees an entry before it would pass this.
    pub const OLDEST: u8 = 15;
    /// The bits of the tag.
    pub const TAG: u64 = !0xff_ffff;

    const AGE: u64 = 0xf << 20;
    const STATE: u64 = 0x3 << 16;

    /// An entry just seen.
    #[inline(always)]
    pub const fn new(tag: u64, epoch: u16, backend: u16, state: FlowState) -> Self {
        Self(tag & Self::TAG | ((epoch & 3) as u64) << 18 | (state as u64) << 16 | backend as u64)
    }

    /// Whether nothing is remembered here.
    #[inline(always)]
    pub const fn is_free(self) -> bool {
        self.0 == 0
    }

    /// Whether the entry's tag is that of `tag`.
    #[inline(always)]
    pub const fn matches(self, tag: u64) -> bool {
        (self.0 ^ tag) & Self::TAG == 0 && self.0 != 0
    }

    /// The backend remembered.
    #[inline(always)]
    pub const fn backend(self) -> u16 {
        (self.0 & 0xffff) as u16
    }

    /// How far the connection has come.
    #[inline(always)]
    pub const fn state(self) -> FlowState {
        match (self.0 & Self::STATE) >> 16 {
            1 => FlowState::Embryonic,
            2 => FlowState::Established,
            _ => FlowState::Closing,
        }
    }

    /// The low two bits of the epoch it was recorded in: enough to tell what a rebase left behind.
    pub const fn epoch_bits(self) -> u16 {
        (self.0 >> 18 & 3) as u16
    }

    /// Ticks since the connection was last seen; the daemon counts them, a packet clears them.
    #[inline(always)]
    pub const fn age(self) -> u8 {
        ((self.0 & Self::AGE) >> 20) as u8
    }

    /// The entry one tick older, at most [`Self::OLDEST`].
    #[must_use]
    pub const fn older(self) -> Self {
        let age = if self.age() < Self::OLDEST { self.age() + 1 } else { Self::OLDEST };
        Self(self.0 & !Self::AGE | (age as u64) << 20)
    }

    /// The entry as just seen in `state`.
    #[inline(always)]
    #[must_use]
    pub const fn seen(self, state: FlowState) -> Self {
        Self(self.0 & !(Self::AGE | Self::STATE) | (state as u64) << 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_overlap() {
        let tag = 0xabcd_ef01_2300_0000;
        let entry = FlowEntry::new(tag | 0xff_ffff, 0xffff, 0x1234, FlowState::Embryonic).older();
        assert!(entry.matches(tag) && !entry.matches(tag ^ 1 << 24) && !FlowEntry::FREE.matches(0));
        assert_eq!((entry.backend(), entry.state()), (0x1234, FlowState::Embryonic));
        assert_eq!((entry.age(), entry.epoch_bits()), (1, 3));
        let seen = entry.seen(FlowState::Closing);
        assert_eq!((seen.age(), seen.state(), seen.epoch_bits()), (0, FlowState::Closing, 3));
        assert_eq!((0..20).fold(entry, |e, _| e.older()).age(), FlowEntry::OLDEST);
    }
}
