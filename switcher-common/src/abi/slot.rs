//! A ring slot: the backend of either color, now and in the base plan, in one word.

use super::switch::{Color, Side};

/// `blue.now | blue.base | green.now | green.base`, a backend index (`u16`) each, from the low end.
///
/// One load answers every question about a slot, and one store changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Slot(pub u64);

impl Slot {
    const fn shift(color: Color, side: Side) -> u32 {
        (color as u32) * 32
            + match side {
                Side::Now => 0,
                Side::Base => 16,
            }
    }

    /// The backend of `color` on `side`; [`super::NONE`] where there is none.
    #[inline(always)]
    pub const fn backend(self, color: Color, side: Side) -> u16 {
        (self.0 >> Self::shift(color, side) & 0xffff) as u16
    }

    /// The same slot with another backend in one place.
    #[must_use]
    pub const fn with(self, color: Color, side: Side, backend: u16) -> Self {
        let shift = Self::shift(color, side);
        Self(self.0 & !(0xffff << shift) | (backend as u64) << shift)
    }

    /// The slot with its base made equal to now.
    #[must_use]
    pub const fn rebased(self) -> Self {
        let now = self.0 & 0x0000_ffff_0000_ffff;
        Self(now | now << 16)
    }

    /// Whether a color's backend differs between now and base.
    pub const fn moving(self) -> bool {
        self.rebased().0 != self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_independent() {
        let mut slot = Slot::default();
        let mut next = 1;
        for color in Color::ALL {
            for side in [Side::Now, Side::Base] {
                slot = slot.with(color, side, next);
                next += 1;
            }
        }
        assert_eq!(slot.0, 0x0004_0003_0002_0001);
        assert_eq!(slot.backend(Color::Green, Side::Now), 3);
        assert!(slot.moving());
        assert_eq!(slot.rebased().0, 0x0003_0003_0001_0001);
        assert!(!slot.rebased().moving());
    }
}
