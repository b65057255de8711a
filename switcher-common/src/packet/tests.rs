//! Parsing over slices: every outcome, every cut, and no bytes that it could not read.

use std::vec::Vec;

use proptest::prelude::*;

use super::{Parsed, parse};
use crate::{
    abi::{
        endpoint::{Family, mapped},
        outcome::Outcome::{self, *},
    },
    decide::Signal,
};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Ethernet, IPv4 and `transport`.
fn v4(protocol: u8, transport: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(20 + transport.len()).unwrap().to_be_bytes();
    let mut frame = std::vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
    frame.extend([0x45, 0, high, low, 0xbe, 0xef, 0x40, 0, 64, protocol, 0, 0]);
    frame.extend([198, 51, 100, 2, 192, 0, 2, 10]);
    frame.extend(transport);
    frame
}

/// Ethernet, IPv6 and `transport`.
fn v6(next: u8, transport: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(transport.len()).unwrap().to_be_bytes();
    let mut frame = std::vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd];
    frame.extend([0x60, 0, 0, 0, high, low, next, 64]);
    frame.extend([0x20, 1, 0xd, 0xb8, 0, 0xc, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    frame.extend([0x20, 1, 0xd, 0xb8, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10]);
    frame.extend(transport);
    frame
}

/// From port 40,000 to port 80, with flags and four bytes of data.
fn tcp(flags: u8) -> [u8; 24] {
    let mut header = [0; 24];
    header[..4].copy_from_slice(&[0x9c, 0x40, 0, 80]);
    header[12..14].copy_from_slice(&[5 << 4, flags]);
    header
}

/// From port 40,000 to port 53, with four bytes of data.
const DATAGRAM: [u8; 12] = [0x9c, 0x40, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4];

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Frames of both families.
fn both(protocol: u8, transport: &[u8]) -> [Vec<u8>; 2] {
    [v4(protocol, transport), v6(protocol, transport)]
}

fn with(mut frame: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    frame[at] = byte;
    frame
}

fn outcome(frame: &[u8]) -> Result<Signal, Outcome> {
    match parse(&frame) {
        Parsed::Transport(transport) => Ok(transport.signal),
        Parsed::Portless(_, outcome) | Parsed::Other(outcome) => Err(outcome),
    }
}

#[test]
fn fields_are_read() {
    for (frame, family, length) in
        [(v4(TCP, &tcp(SYN)), Family::V4, 44), (v6(TCP, &tcp(SYN)), Family::V6, 64)]
    {
        let Parsed::Transport(read) = parse(&&frame[..]) else { panic!("{frame:?}") };
        assert_eq!((read.source_port.to_be(), read.destination_port.to_be()), (40_000, 80));
        let internet = read.internet;
        assert_eq!(
            (internet.ttl, internet.length, internet.payload, internet.protocol),
            (64, length, 24, TCP)
        );
        assert_eq!(internet.addresses.family, family);
        let (source, destination) = match family {
            Family::V4 => ([198, 51, 100, 2], [192, 0, 2, 10]),
            Family::V6 => ([0, 0, 0, 2], [0, 0, 0, 0x10]),
        };
        assert_eq!(internet.addresses.source[3], u32::from_ne_bytes(source));
        assert_eq!(internet.addresses.destination[3], u32::from_ne_bytes(destination));
        if family == Family::V4 {
            assert_eq!(internet.addresses.source, mapped(u32::from_ne_bytes(source)));
        }
    }
}

#[test]
fn flags_are_signals() {
    for flags in 0..=u8::MAX {
        let wanted = match flags {
            flags if flags & 0x05 != 0 => Signal::Close,
            flags if flags & (SYN | ACK) == SYN => Signal::Open,
            _ => Signal::Continue,
        };
        for frame in both(TCP, &tcp(flags)) {
            assert_eq!(outcome(&frame), Ok(wanted), "flags {flags:#04x}");
        }
    }
    for frame in both(UDP, &DATAGRAM) {
        assert_eq!(outcome(&frame), Ok(Signal::Continue));
    }
}

#[test]
fn a_cut_packet_is_truncated() {
    for frame in [both(TCP, &tcp(SYN)), both(UDP, &DATAGRAM), both(1, &[8; 8])].concat() {
        for end in 0..frame.len() {
            assert_eq!(outcome(&frame[..end]), Err(Truncated), "{end} bytes of {frame:?}");
        }
    }
}

#[test]
fn bytes_behind_a_packet_are_padding() {
    for frame in [both(TCP, &tcp(ACK)), both(UDP, &DATAGRAM)].concat() {
        let padded = [&frame[..], &[0xaa; 30]].concat();
        assert_eq!(parse(&&padded[..]), parse(&&frame[..]));
    }
}

#[test]
fn ethernet_says_what_follows() {
    for (ether_type, wanted) in [
        (0x0806_u16, NotOurs),
        (0x88cc, NotOurs),
        (46, NotOurs),
        (0x8100, Vlan),
        (0x88a8, Vlan),
        (0x86dd, Malformed),
    ] {
        let [high, low] = ether_type.to_be_bytes();
        let frame = with(with(v4(TCP, &tcp(SYN)), 12, high), 13, low);
        assert_eq!(outcome(&frame), Err(wanted), "{ether_type:#06x}");
        let bare = &frame[..14];
        let wanted = if ether_type == 0x86dd { Truncated } else { wanted };
        assert_eq!(outcome(bare), Err(wanted), "{ether_type:#06x} alone");
    }
}

#[test]
fn ipv4_header_lengths_and_versions() {
    let frame = v4(TCP, &[&tcp(SYN)[..], &[0; 40]].concat());
    for version in 0..16 {
        for words in 0..16 {
            let wanted = match (version, words) {
                (4, 5) => Ok(Signal::Open),
                (4, 6..) => Err(Options),
                _ => Err(Malformed),
            };
            let frame = with(frame.clone(), 14, version << 4 | words);
            assert_eq!(outcome(&frame), wanted, "version {version}, {words} words");
        }
    }
    // The packet ends before its header does.
    assert_eq!(outcome(&with(with(frame, 14, 0x4f), 17, 59)), Err(Malformed));
}

#[test]
fn ipv4_total_lengths() {
    let frame = v4(TCP, &tcp(SYN));
    for length in 0..=u16::MAX {
        let [high, low] = length.to_be_bytes();
        let wanted = match length {
            0..40 => Err(Malformed),
            40..=44 => Ok(Signal::Open),
            _ => Err(Truncated),
        };
        assert_eq!(outcome(&with(with(frame.clone(), 16, high), 17, low)), wanted, "length {length}");
    }
}

#[test]
fn ipv6_versions_and_payload_lengths() {
    let frame = v6(TCP, &tcp(SYN));
    for version in 0..16 {
        let wanted = if version == 6 { Ok(Signal::Open) } else { Err(Malformed) };
        assert_eq!(outcome(&with(frame.clone(), 14, version << 4)), wanted, "version {version}");
    }
    for length in 0..=u16::MAX {
        let [high, low] = length.to_be_bytes();
        let wanted = match length {
            0..20 => Err(Malformed),
            20..=24 => Ok(Signal::Open),
            _ => Err(Truncated),
        };
        assert_eq!(outcome(&with(with(frame.clone(), 18, high), 19, low)), wanted, "length {length}");
    }
}

#[test]
fn ipv4_fragments_are_told_by_offset_and_more() {
    let frame = v4(TCP, &tcp(SYN));
    for bits in 0..=u16::MAX {
        let [high, low] = bits.to_be_bytes();
        // All but "reserved" and "don't fragment".
        let wanted = if bits & 0x3fff == 0 { Ok(Signal::Open) } else { Err(Fragment) };
        assert_eq!(outcome(&with(with(frame.clone(), 20, high), 21, low)), wanted, "{bits:#06x}");
    }
}

#[test]
fn protocols() {
    for number in 0..=u8::MAX {
        // Whatever it is, its bytes are those of a TCP header: a SYN from port 40,000 to 80.
        let wanted = |family| match (number, family) {
            (TCP, _) => Ok(Signal::Open),
            // The length of the "datagram" is that of the sequence number's upper half: 0.
            (UDP, _) => Err(Malformed),
            (1 | 58, _) => Err(Icmp),
            (44, Family::V6) => Err(Fragment),
            (0 | 43 | 51 | 60 | 135 | 139 | 140 | 253 | 254, Family::V6) => Err(Extension),
            _ => Err(Protocol),
        };
        let [v4, v6] = both(number, &tcp(SYN));
        assert_eq!(outcome(&v4), wanted(Family::V4), "IPv4, {number}");
        assert_eq!(outcome(&v6), wanted(Family::V6), "IPv6, {number}");
    }
}

#[test]
fn tcp_data_offsets() {
    for frame in both(TCP, &tcp(SYN)) {
        let at = frame.len() - 24 + 12;
        for words in 0..16 {
            let wanted = if [5, 6].contains(&words) { Ok(Signal::Open) } else { Err(Malformed) };
            assert_eq!(outcome(&with(frame.clone(), at, words << 4)), wanted, "{words} words");
        }
    }
}

#[test]
fn udp_lengths() {
    for frame in both(UDP, &DATAGRAM) {
        let at = frame.len() - DATAGRAM.len() + 4;
        for length in 0..=u16::MAX {
            let [high, low] = length.to_be_bytes();
            let wanted = if (8..=12).contains(&length) { Ok(Signal::Continue) } else { Err(Malformed) };
            let frame = with(with(frame.clone(), at, high), at + 1, low);
            assert_eq!(outcome(&frame), wanted, "length {length}");
        }
    }
}

/// Frames that are right but for a few bytes: they get further than noise does.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let frames = [both(TCP, &tcp(SYN)), both(UDP, &DATAGRAM), both(58, &[128; 8])].concat();
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (prop::sample::select(frames), damage, 0_usize..80).prop_map(|(mut frame, damage, end)| {
        for (at, byte) in damage {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        frame.truncate(end);
        frame
    })
}

/// What holds for every frame.
fn assert_sound(frame: &[u8]) {
    let parsed = parse(&frame);
    match parsed {
        Parsed::Transport(transport) => {
            let internet = transport.internet;
            let header = if internet.addresses.family == Family::V4 { 20 } else { 40 };
            assert!(frame.len() >= 14 + usize::from(internet.length));
            assert_eq!(internet.length, header + internet.payload);
            let least = match internet.protocol {
                TCP => 20,
                UDP => 8,
                other => panic!("protocol {other} has no ports"),
            };
            assert!(internet.payload >= least);
        }
        Parsed::Portless(_, outcome) => {
            assert!([Fragment, Options, Extension, Icmp, Protocol].contains(&outcome));
        }
        Parsed::Other(outcome) => assert!([NotOurs, Truncated, Malformed, Vlan].contains(&outcome)),
    }
    // What is steered can be rewritten with the bytes of the packet alone.
    if let Parsed::Transport(transport) = parsed {
        let whole = &frame[..14 + usize::from(transport.internet.length)];
        assert_eq!(parse(&whole), parsed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn noise_is_read_without_a_panic(frame in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_sound(&frame);
    }

    #[test]
    fn noise_of_our_ether_types_too(v6: bool, mut frame in prop::collection::vec(any::<u8>(), 14..200)) {
        frame[12..14].copy_from_slice(if v6 { &[0x86, 0xdd] } else { &[0x08, 0x00] });
        frame[14..].iter_mut().take(1).for_each(|byte| *byte = if v6 { 0x60 } else { 0x45 });
        assert_sound(&frame);
    }

    #[test]
    fn damaged_frames_and_all_their_prefixes(frame in damaged()) {
        for end in 0..=frame.len() {
            assert_sound(&frame[..end]);
        }
    }
}
