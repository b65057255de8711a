//! Sizes of rings: primes, so that every backend's walk over a ring reaches all its slots.

use std::ops::RangeInclusive;

use toml::de::DeValue;

use super::{report::Wrong, value};

/// Slots of a ring of which nothing is written.
pub(super) const DEFAULT: u32 = 4093;

/// The sizes a ring may have. Both ends are primes.
pub(super) const SIZES: RangeInclusive<u32> = 251..=65_521;

pub(super) fn read(written: &DeValue<'_>) -> Result<u32, Wrong> {
    let size = value::integer(written, &SIZES)
        .map_err(|wrong| Wrong::new(wrong.what, "write a prime from 251 to 65521, such as 4093"))?;
    if is_prime(size) {
        Ok(size)
    } else {
        Err(Wrong::new("is not a prime", format!("write {}", nearest(size))))
    }
}

/// The smallest size with at least `slots` slots.
pub(super) fn at_least(slots: usize) -> Option<u32> {
    let slots = u32::try_from(slots).ok()?.max(*SIZES.start());
    (slots..=*SIZES.end()).find(|&size| is_prime(size))
}

/// The size closest to one that is in range; the larger of two.
fn nearest(size: u32) -> u32 {
    (0..size)
        .flat_map(|distance| [size + distance, size - distance])
        .find(|&size| SIZES.contains(&size) && is_prime(size))
        .unwrap_or(DEFAULT)
}

fn is_prime(number: u32) -> bool {
    number >= 2
        && (2..)
            .take_while(|divisor| divisor * divisor <= number)
            .all(|divisor| !number.is_multiple_of(divisor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_prime_is_prime_and_nearest() {
        assert!(is_prime(*SIZES.start()) && is_prime(*SIZES.end()) && is_prime(DEFAULT));
        assert_eq!(nearest(4092), 4093);
        assert_eq!(nearest(65_520), 65_521);
        assert_eq!(nearest(252), 251);
        assert_eq!(SIZES.filter(|&size| is_prime(size)).count(), 6542 - 53);
    }

    #[test]
    fn a_ring_for_slots_is_in_range() {
        assert_eq!(at_least(0), Some(251));
        assert_eq!(at_least(4094), Some(4099));
        assert_eq!(at_least(65_521), Some(65_521));
        assert_eq!(at_least(65_522), None);
    }
}
