//! The switch word: which share of new connections is green, now and before the running transition.

/// A share of connections in basis points, 0 to 10,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

impl Share {
    /// No connection.
    pub const ZERO: Self = Self(0);
    /// Every connection.
    pub const FULL: Self = Self(10_000);

    /// A share of `basis_points` hundredths of a percent; none above 10,000.
    pub const fn new(basis_points: u16) -> Option<Self> {
        if basis_points <= Self::FULL.0 { Some(Self(basis_points)) } else { None }
    }

    /// The share in hundredths of a percent.
    pub const fn basis_points(self) -> u16 {
        self.0
    }

    /// Whether a connection with this drawing hash is in the share.
    ///
    /// A bucket is the hash's upper half scaled to 0..10,000, so a larger share contains every smaller one:
    /// ramps are monotone by construction.
    #[inline(always)]
    pub const fn contains(self, draw: u64) -> bool {
        ((draw >> 32) * (Self::FULL.0 as u64)) >> 32 < self.0 as u64
    }
}

/// Blue or green.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[repr(u8)]
pub enum Color {
    /// The color of a share of zero.
    Blue = 0,
    /// The color whose share a switch word gives.
    Green = 1,
}

impl Color {
    /// Both colors, blue first.
    pub const ALL: [Self; 2] = [Self::Blue, Self::Green];

    /// The color as it is written in configurations, on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }

    /// The color that this one takes turns with.
    pub const fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }
}

/// Which of two plans: the one for new connections, or the one from before the running transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// In force for new connections.
    Now,
    /// In force before the running transition.
    Base,
}

/// `green_now: u16 | green_base: u16 | flags: u16 | epoch: u16`, from the low end of one aligned 64-bit word.
///
/// The kernel program loads it once per packet and the daemon replaces it in one store, so no packet is
/// judged by parts of two words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct SwitchWord(pub u64);

impl SwitchWord {
    const TRACKING: u64 = 1 << 32;

    /// A settled word: `share` is green, nothing is in transition.
    pub const fn settled(share: Share, epoch: u16) -> Self {
        Self((share.0 as u64) | (share.0 as u64) << 16 | (epoch as u64) << 48)
    }

    /// The green share of one side.
    #[inline(always)]
    pub const fn share(self, side: Side) -> Share {
        match side {
            Side::Now => Share((self.0 & 0xffff) as u16),
            Side::Base => Share((self.0 >> 16 & 0xffff) as u16),
        }
    }

    /// Whether a transition runs: connections may be recorded and must be looked up.
    #[inline(always)]
    pub const fn tracking(self) -> bool {
        self.0 & Self::TRACKING != 0
    }

    /// Changes only when recorded connections are to be forgotten.
    #[inline(always)]
    pub const fn epoch(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// The same word with another share for new connections, and tracking on.
    #[must_use]
    pub const fn step(self, now: Share) -> Self {
        Self(self.0 & !0xffff | now.0 as u64).track()
    }

    /// The same word with another base share: a paced drain moves it towards the share of now.
    #[must_use]
    pub const fn with_base(self, base: Share) -> Self {
        Self(self.0 & !0xffff_0000 | (base.0 as u64) << 16)
    }

    /// The same word with tracking on.
    #[must_use]
    pub const fn track(self) -> Self {
        Self(self.0 | Self::TRACKING)
    }

    /// The word that ends the transition: base is now, tracking off, recorded connections forgotten.
    #[must_use]
    pub const fn rebase(self) -> Self {
        Self::settled(self.share(Side::Now), self.epoch().wrapping_add(1))
    }

    /// The color that gets more than half of the new connections (blue on a tie).
    pub const fn live(self) -> Color {
        if self.share(Side::Now).0 > Share::FULL.0 / 2 { Color::Green } else { Color::Blue }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(basis_points: u16) -> Share {
        Share::new(basis_points).unwrap()
    }

    #[test]
    fn fields_do_not_overlap() {
        let word = SwitchWord::settled(share(1234), 0xffff).step(Share::FULL);
        assert_eq!(word.share(Side::Now), Share::FULL);
        assert_eq!(word.share(Side::Base), share(1234));
        assert!(word.tracking());
        assert_eq!(word.epoch(), 0xffff);
        assert_eq!(word.with_base(share(1)).share(Side::Base), share(1));
        assert_eq!(word.with_base(share(1)).share(Side::Now), Share::FULL);
        assert_eq!(word.rebase(), SwitchWord::settled(Share::FULL, 0));
    }

    #[test]
    fn a_larger_share_contains_every_smaller_one() {
        for draw in (0..1000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            let mut inside = false;
            for points in 0..=10_000 {
                let now = share(points).contains(draw);
                assert!(now || !inside, "{draw:x} left the share at {points}");
                inside = now;
            }
            assert!(inside && !Share::ZERO.contains(draw));
        }
    }

    #[test]
    fn no_share_above_all() {
        assert_eq!(Share::new(10_001), None);
    }
}
