//! Checksums as RFC 1071 defines them, added up from nothing.

/// Asserts that every checksum of an untagged frame that was rewritten is right.
pub(crate) fn assert_checksums(name: &str, frame: &[u8]) {
    let ip = &frame[14..];
    let (pseudo, protocol, transport) = if ip[0] >> 4 == 4 {
        let words = usize::from(ip[0] & 0xf);
        assert_eq!(sum(&[&ip[..words * 4]]), 0xffff, "{name}: the IPv4 header's checksum");
        (&ip[12..20], ip[9], &ip[words * 4..usize::from(be16(ip, 2))])
    } else {
        (&ip[8..40], ip[6], &ip[40..40 + usize::from(be16(ip, 4))])
    };
    let covered = match protocol {
        17 if be16(transport, 6) == 0 => return,
        17 => &transport[..usize::from(be16(transport, 4))],
        _ => transport,
    };
    let length = u32::try_from(covered.len()).unwrap().to_be_bytes();
    let total = sum(&[pseudo, &length, &[0, protocol], covered]);
    assert_eq!(total, 0xffff, "{name}: the checksum of protocol {protocol}");
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The one's complement sum; all but the last part have an even length.
fn sum(parts: &[&[u8]]) -> u64 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    let mut total: u64 = parts.iter().flat_map(|part| part.chunks(2)).map(word).sum();
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total
}
