//! Incremental one's complement arithmetic (RFC 1071, RFC 1624).
//!
//! All sums are over 16-bit words as they lie in memory: one's complement addition commutes with byte
//! swapping (RFC 1071, section 2 B), so nothing is converted.

/// Adds the carries back in.
#[inline(always)]
pub const fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    #[expect(clippy::cast_possible_truncation, reason = "a sum of at most 17 bits folds into 16")]
    {
        ((sum & 0xffff) + (sum >> 16)) as u16
    }
}

/// The sum of an even number of bytes.
#[inline(always)]
pub const fn sum<const N: usize>(bytes: &[u8; N]) -> u16 {
    let mut total = 0_u32;
    let mut at = 0;
    while at + 1 < N {
        total += u16::from_ne_bytes([bytes[at], bytes[at + 1]]) as u32;
        at += 2;
    }
    fold(total)
}

/// What replacing words that sum to `old` by words that sum to `new` adds to a sum (`~m + m'` of RFC 1624).
#[inline(always)]
pub const fn delta(old: u16, new: u16) -> u32 {
    !old as u32 + new as u32
}

/// A checksum field after a change of `delta` (RFC 1624, equation 3). `delta` may be a sum of up to 16 deltas.
#[inline(always)]
pub const fn update(check: u16, delta: u32) -> u16 {
    !fold(!check as u32 + fold(delta) as u32)
}

/// As [`update`], for UDP: 0 means "no checksum" and stays, and a result of 0 is sent as 0xffff (RFC 768).
#[inline(always)]
pub const fn update_udp(check: u16, delta: u32) -> u16 {
    match check {
        0 => 0,
        check => match update(check, delta) {
            0 => 0xffff,
            updated => updated,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;

    /// RFC 1071 written the plain way: big-endian words, a wide sum, folded at the end.
    fn reference(words: &[u16]) -> u16 {
        let mut total: u64 = words.iter().map(|word| u64::from(*word)).sum();
        while total > 0xffff {
            total = (total & 0xffff) + (total >> 16);
        }
        !u16::try_from(total).unwrap()
    }

    proptest! {
        #[test]
        fn incremental_equals_full(mut words: Vec<u16>, at: prop::sample::Index, new: u16) {
            prop_assume!(words.iter().any(|word| *word != 0) && new != 0);
            let at = at.index(words.len());
            let before = reference(&words);
            let old = core::mem::replace(&mut words[at], new);
            prop_assert_eq!(update(before, delta(old, new)), reference(&words));
        }

        #[test]
        fn sums_fold_as_the_reference_does(bytes: [u8; 16]) {
            let words: Vec<u16> = bytes.chunks(2).map(|b| u16::from_ne_bytes([b[0], b[1]])).collect();
            prop_assert_eq!(sum(&bytes), !reference(&words));
        }

        #[test]
        fn udp_never_turns_a_checksum_into_none(check in 1_u16.., old: u16, new: u16) {
            prop_assert_ne!(update_udp(check, delta(old, new)), 0);
        }
    }

    #[test]
    fn absent_udp_checksum_stays_absent() {
        assert_eq!(update_udp(0, delta(1, 2)), 0);
        assert_eq!(update_udp(0xfffe, delta(0, 1)), 0xfffd);
        assert_eq!(update_udp(0x0001, delta(0, 1)), 0xffff);
    }
}
