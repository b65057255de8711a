//! The keyed hashes that connections are remembered and drawn by.
//!
//! Every host of a fleet with the same seed computes the same hashes, so nothing here depends on indexes,
//! on order or on the byte order of the machine. The functions are keyed against accidental and simple
//! deliberate imbalance; they are not cryptographic.

use crate::abi::endpoint::Address;

/// The fleet's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub [u64; 2]);

/// The finalizer of MurmurHash3 (64 bit): a bijection in which every input bit reaches every output bit.
#[inline(always)]
const fn mix(mut word: u64) -> u64 {
    word ^= word >> 33;
    word = word.wrapping_mul(0xff51_afd7_ed55_8ccd);
    word ^= word >> 33;
    word = word.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ word >> 33
}

#[inline(always)]
fn halves(address: &Address) -> (u64, u64) {
    let [a, b, c, d] = *address;
    let pair = |low: u32, high: u32| u32::from_le(low) as u64 | (u32::from_le(high) as u64) << 32;
    (pair(a, b), pair(c, d))
}

/// The hash of a client's address and port (network order) under a salt.
///
/// The port is combined with the first bytes of the address, which routing gives a client, and not with
/// those it may choose: a client cannot trade the one against the other for the same hash.
#[inline(always)]
pub fn connection(seed: Seed, salt: u64, address: &Address, port: u16) -> u64 {
    let (upper, lower) = halves(address);
    let upper = upper ^ u16::from_le(port) as u64;
    mix(mix(upper ^ seed.0[0] ^ salt).wrapping_add(lower) ^ seed.0[1])
}

/// The hash of a client's address alone.
#[inline(always)]
pub fn client(seed: Seed, salt: u64, address: &Address) -> u64 {
    connection(seed, salt, address, 0)
}

/// A salt from a name or from an address: FNV-1a, mixed. Computed once per service, by the daemon.
pub const fn salt(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x100_0000_01b3);
        at += 1;
    }
    mix(hash)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::abi::endpoint::mapped;

    const SEED: Seed = Seed([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);

    fn v4(octets: [u8; 4]) -> Address {
        mapped(u32::from_ne_bytes(octets))
    }

    #[test]
    fn connections_of_many_clients_do_not_collide() {
        let mut seen = BTreeSet::new();
        for host in 0..=255 {
            for port in 0..1000_u16 {
                let hash = connection(SEED, 7, &v4([198, 51, 100, host]), port.to_be());
                assert!(seen.insert(hash));
            }
        }
    }

    #[test]
    fn buckets_are_even() {
        let mut buckets = [0_u32; 16];
        for n in 0..16_000_u32 {
            let hash = client(SEED, 1, &v4(n.to_be_bytes()));
            buckets[usize::try_from(hash >> 60).unwrap()] += 1;
        }
        assert!(buckets.iter().all(|count| (850..1150).contains(count)), "{buckets:?}");
    }

    #[test]
    fn hosts_of_a_fleet_agree() {
        // Fixed for ever: another value would move every connection of a fleet in a rolling upgrade.
        let v4 = connection(SEED, salt(b"web"), &v4([198, 51, 100, 7]), 40_000_u16.to_be());
        let v6 = connection(SEED, salt(b"web"), &[0x2020_2020; 4], 40_000_u16.to_be());
        assert_eq!((v4, v6), (V4, V6));
    }

    const V4: u64 = 6_320_445_878_999_934_065;
    const V6: u64 = 9_793_896_151_430_185_558;
}
