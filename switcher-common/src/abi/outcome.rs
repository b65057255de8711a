//! What became of a packet. Every packet has exactly one outcome, and every outcome has a stable number.

/// Packets and bytes (from the Ethernet header on) of one outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Outcomes in a row of counters.
pub const ROW: usize = 16;

/// One CPU's counters of a backend (outcomes 0 to 15) or of a service (16 to 31).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Counters(pub [Counter; ROW]);

/// What is done with the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Rewritten and sent on, past the kernel's stack.
    Forward,
    /// Rewritten and left to the kernel's stack.
    Hand,
    /// Left to the kernel's stack as it came.
    Pass,
    /// Dropped.
    Drop,
}

impl Verdict {
    /// The verdict in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Hand => "hand",
            Self::Pass => "pass",
            Self::Drop => "drop",
        }
    }
}

macro_rules! outcomes {
    ($($number:literal $variant:ident $name:literal $verdict:ident $weight:ident $meaning:literal,)+) => {
        /// What became of a packet. Numbers are never reused: a retired one stays reserved.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Outcome {
            $(#[doc = $meaning] $variant = $number,)+
        }

        impl Outcome {
            /// All outcomes by number.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in counters, metrics and documents.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What is done with such a packet.
            pub const fn verdict(self) -> Verdict {
                match self { $(Self::$variant => Verdict::$verdict,)+ }
            }

            /// Whether an operator should look: the counter stays at zero in a healthy installation.
            pub const fn alarming(self) -> bool {
                match self { $(Self::$variant => outcomes!(@ $weight),)+ }
            }

            /// One sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
    (@ expected) => { false };
    (@ alarming) => { true };
}

outcomes! {
    0 Steered "steered" Forward expected "To a backend on which the plans of now and base agree, or nothing is in transition.",
    1 Recorded "recorded" Forward expected "Opened a connection that the transition puts at risk; its backend is remembered.",
    2 Evicted "evicted" Forward alarming "As recorded, in the place of a connection that had never been established or was closing.",
    3 Refused "refused" Forward alarming "Opened a connection that should be remembered, but its bucket is full of established ones: sent as if it had begun before the transition, which needs no memory.",
    4 Retransmitted "retransmitted" Forward expected "An opening packet of a connection already recorded and not yet established: it stays.",
    5 Pinned "pinned" Forward expected "Of a recorded connection: to the backend remembered.",
    6 Held "held" Forward expected "Of an unrecorded connection at risk: to its backend of before the transition.",
    7 Replied "replied" Forward expected "From a backend to a client; the virtual address is restored.",
    8 Unresolved "unresolved" Hand alarming "To a backend whose next hop is not known (yet): rewritten and left to the kernel.",
    9 ReplyUnresolved "reply_unresolved" Hand expected "From a backend to a client without a resolved route: rewritten and left to the kernel.",
    10 ReplyLocal "reply_local" Pass expected "From a backend to this host itself, such as the answer to a health check, or to where no route leads.",
    11 Expired "expired" Pass expected "Its TTL or hop limit ends here; the kernel answers.",
    12 TooBig "too_big" Pass alarming "Larger than the MTU of the way out; the kernel answers.",
    13 ReplyTooBig "reply_too_big" Pass alarming "A reply larger than the MTU of the way to the client; the kernel answers.",
    16 NotOurs "not_ours" Pass expected "Neither to a virtual address nor from a backend.",
    17 Truncated "truncated" Pass alarming "Ends within a header.",
    18 Malformed "malformed" Pass alarming "A header contradicts itself or the length of the packet.",
    19 Vlan "vlan" Pass alarming "Carries a VLAN tag; not steered yet.",
    20 Fragment "fragment" Pass alarming "A fragment to or from one of our addresses; not steered yet.",
    21 Options "options" Pass alarming "An IPv4 packet with options to or from one of our addresses; not steered yet.",
    22 Extension "extension" Pass alarming "An IPv6 packet with extension headers to or from one of our addresses; not steered yet.",
    23 Icmp "icmp" Pass expected "ICMP to or from one of our addresses; not steered yet.",
    24 Protocol "protocol" Pass expected "A protocol other than TCP and UDP, to or from one of our addresses.",
    25 NoBackend "no_backend" Drop alarming "To a service whose plan has no backend for it.",
    26 Inconsistent "inconsistent" Drop alarming "The maps contradict each other: a defect; the daemon's log says where.",
}

impl Outcome {
    /// The outcome of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|outcome| *outcome as u8 == number)
    }

    /// Whether it is counted with a backend; the others are counted with a service, or with service 0.
    #[inline(always)]
    pub const fn of_backend(self) -> bool {
        (self as usize) < ROW
    }

    /// The place in its row of counters.
    #[inline(always)]
    pub const fn column(self) -> usize {
        self as usize % ROW
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_fit() {
        let numbers: BTreeSet<_> = Outcome::ALL.iter().map(|o| *o as u8).collect();
        let names: BTreeSet<_> = Outcome::ALL.iter().map(|o| o.name()).collect();
        assert_eq!((numbers.len(), names.len()), (Outcome::ALL.len(), Outcome::ALL.len()));
        assert!(numbers.iter().all(|n| usize::from(*n) < 2 * ROW));
        assert!(Outcome::ALL.iter().all(|o| Outcome::from_number(*o as u8) == Some(*o)));
    }
}
