//! Socket addresses as the maps know them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use switcher_common::{
    abi::endpoint::{Address, EndpointKey, Family, mapped},
    checksum,
};

/// The family of an address.
pub fn family(address: IpAddr) -> Family {
    match address {
        IpAddr::V4(_) => Family::V4,
        IpAddr::V6(_) => Family::V6,
    }
}

/// An address as it lies in the maps.
pub fn words(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => mapped(u32::from_ne_bytes(address.octets())),
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h] = address.segments().map(u16::to_be_bytes);
            [[a, b], [c, d], [e, f], [g, h]].map(|[[a, b], [c, d]]| u32::from_ne_bytes([a, b, c, d]))
        }
    }
}

/// The sum of an address's own four or sixteen bytes.
pub fn sum(address: IpAddr) -> u16 {
    match address {
        IpAddr::V4(address) => checksum::sum(&address.octets()),
        IpAddr::V6(address) => checksum::sum(&address.octets()),
    }
}

/// The endpoint key of an address and port.
pub fn key(address: SocketAddr, protocol: u8) -> EndpointKey {
    EndpointKey {
        address: words(address.ip()),
        port: address.port().to_be(),
        protocol,
        family: family(address.ip()) as u8,
    }
}

/// The endpoint key of a bare address.
pub fn bare(address: IpAddr) -> EndpointKey {
    EndpointKey::bare(words(address), family(address))
}

/// The address and port of a key.
pub fn of_key(key: &EndpointKey) -> SocketAddr {
    let [a, b, c, d] = key.address.map(|word| u128::from(u32::from_be(word)));
    let v6 = Ipv6Addr::from(a << 96 | b << 64 | c << 32 | d);
    let address = match v6.to_ipv4_mapped() {
        Some(v4) if key.family == Family::V4 as u8 => IpAddr::V4(v4),
        _ => IpAddr::V6(v6),
    };
    SocketAddr::new(address, u16::from_be(key.port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_addresses_are_each_other() {
        for text in ["192.0.2.1:80", "[2001:db8::1]:80", "[::ffff:192.0.2.1]:80"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(of_key(&key(address, 6)), address);
        }
    }
}
