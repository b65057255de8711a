//! Maglev rings (Eisenbud et al., NSDI 2016, section 3.4), weighted.
//!
//! A ring depends on the backends' addresses, their weights and the seed, not on their order or indexes:
//! hosts of a fleet with the same configuration and seed compute the same rings.

use switcher_common::hash::{self, Seed};

/// One backend of a color as a ring sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What the backend is known by on every host: `address:port`.
    pub identity: String,
    /// Its relative weight.
    pub weight: u16,
    /// What is written into its slots.
    pub index: u16,
}

/// A member's preference of slots: every slot once, because the ring's size is a prime.
struct Permutation {
    next: u32,
    skip: u32,
    size: u32,
}

impl Permutation {
    fn new(seed: Seed, identity: &str, size: u32) -> Self {
        let hash = hash::client(seed, hash::salt(identity.as_bytes()), &[0; 4]);
        let part = |hash: u64, of: u32| u32::try_from(hash % u64::from(of)).unwrap_or(0);
        Self { next: part(hash >> 32, size), skip: part(hash & 0xffff_ffff, size - 1) + 1, size }
    }

    fn next(&mut self) -> u32 {
        let slot = self.next;
        self.next = (self.next + self.skip) % self.size;
        slot
    }
}

/// Fills a ring of `size` slots (a prime): the index of a member for every slot, in turns by weight.
///
/// Members of weight 0 get none; without any other member all slots are [`switcher_common::abi::NONE`].
pub fn fill(size: u32, seed: Seed, members: &[Member]) -> Vec<u16> {
    let mut slots = vec![None; size as usize];
    let mut members: Vec<_> = members.iter().filter(|member| member.weight > 0).collect();
    members.sort_by(|a, b| a.identity.cmp(&b.identity));
    let Some(heaviest) = members.iter().map(|member| u32::from(member.weight)).max() else {
        return vec![switcher_common::abi::NONE; size as usize];
    };
    let mut turns: Vec<_> =
        members.iter().map(|member| (Permutation::new(seed, &member.identity, size), 0_u32)).collect();
    let mut free = size;
    while free > 0 {
        for (member, (permutation, credit)) in members.iter().zip(&mut turns) {
            // The heaviest takes a slot every round, the others as their credit allows.
            *credit += u32::from(member.weight);
            if *credit < heaviest {
                continue;
            }
            *credit -= heaviest;
            let slot = loop {
                let slot = &mut slots[permutation.next() as usize];
                if slot.is_none() {
                    break slot;
                }
            };
            *slot = Some(member.index);
            free -= 1;
            if free == 0 {
                break;
            }
        }
    }
    slots.into_iter().map(|slot| slot.unwrap_or(switcher_common::abi::NONE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed([3, 4]);

    fn members(weights: &[u16]) -> Vec<Member> {
        weights
            .iter()
            .enumerate()
            .map(|(n, weight)| Member {
                identity: format!("10.0.0.{n}:80"),
                weight: *weight,
                index: u16::try_from(n + 1).unwrap(),
            })
            .collect()
    }

    fn count(ring: &[u16], index: u16) -> usize {
        ring.iter().filter(|slot| **slot == index).count()
    }

    #[test]
    fn shares_follow_weights() {
        let ring = fill(4093, SEED, &members(&[1, 2, 5, 0]));
        for (index, ideal) in [(1, 512), (2, 1023), (3, 2558), (4, 0)] {
            assert!(count(&ring, index).abs_diff(ideal) <= 2, "{index}: {}", count(&ring, index));
        }
    }

    #[test]
    fn neither_order_nor_indexes_matter() {
        let one = members(&[1, 1, 3]);
        let mut other = one.clone();
        other.reverse();
        assert_eq!(fill(251, SEED, &one), fill(251, SEED, &other));
        assert_ne!(fill(251, SEED, &one), fill(251, Seed([5, 6]), &one));
    }

    #[test]
    fn a_new_member_takes_its_share_and_little_else_moves() {
        let before = fill(4093, SEED, &members(&[1; 10]));
        let after = fill(4093, SEED, &members(&[1; 11]));
        let moved = before.iter().zip(&after).filter(|(b, a)| b != a).count();
        let ideal = 4093 / 11;
        assert!(count(&after, 11).abs_diff(ideal) <= 1);
        assert!(moved < ideal * 3 / 2, "{moved} slots moved, {ideal} had to");
    }

    #[test]
    fn nobody_with_weight_leaves_the_ring_empty() {
        assert!(fill(251, SEED, &members(&[0, 0])).iter().all(|slot| *slot == 0));
        assert!(fill(251, SEED, &[]).iter().all(|slot| *slot == 0));
    }
}
