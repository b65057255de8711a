//! From words to bytes. Headers and checksums are etherparse's: an implementation other than the program's.

use std::net::IpAddr;

use etherparse::{
    IpDscp, IpEcn, IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, Ipv6Header, TcpHeader, UdpHeader,
    checksum::Sum16BitWords,
};

use super::{IPV4, IPV6, Packet, Transport};

impl Packet {
    /// The frame.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut frame = [self.to_mac, self.from_mac].concat();
        frame.extend(self.tags.concat());
        let ether_type = self.ether_type.unwrap_or(if self.is_v4() { IPV4 } else { IPV6 });
        frame.extend(ether_type.to_be_bytes());
        match (&self.transport, self.source.ip(), self.destination.ip()) {
            (Transport::Frame, ..) => frame.extend(&self.payload),
            (_, IpAddr::V4(source), IpAddr::V4(destination)) => {
                frame.extend(self.v4(source.octets(), destination.octets()));
            }
            (_, IpAddr::V6(source), IpAddr::V6(destination)) => {
                frame.extend(self.v6(source.octets(), destination.octets()));
            }
            _ => panic!("{} and {} are of two families", self.source, self.destination),
        }
        frame.extend(&self.trailer);
        frame.truncate(self.cut.unwrap_or(usize::MAX));
        frame
    }

    fn v4(&self, source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        let payload = self.transport(
            |tcp, data| tcp.calc_checksum_ipv4_raw(source, destination, data).unwrap(),
            |udp, data| udp.calc_checksum_ipv4_raw(source, destination, data).unwrap(),
        );
        let options = Ipv4Options::try_from(self.options.as_slice()).unwrap();
        let (offset, more) = self.fragment.unwrap_or((0, false));
        let header = Ipv4Header {
            dscp: IpDscp::try_new(self.class >> 2).unwrap(),
            ecn: IpEcn::try_new(self.class & 3).unwrap(),
            total_len: self.length.unwrap_or_else(|| size(20 + self.options.len() + payload.len())),
            identification: 0xbeef,
            dont_fragment: self.dont_fragment,
            more_fragments: more,
            fragment_offset: IpFragOffset::try_new(offset).unwrap(),
            time_to_live: self.ttl,
            protocol: IpNumber(self.protocol()),
            header_checksum: 0,
            source,
            destination,
            options,
        };
        let mut bytes = header.to_bytes().to_vec();
        set(&mut bytes, &self.ip_bits);
        // As etherparse holds a sum: in memory order.
        let checksum = Sum16BitWords::new().add_slice(&bytes).ones_complement();
        bytes[10..12].copy_from_slice(&checksum.to_ne_bytes());
        bytes.extend(payload);
        bytes
    }

    fn v6(&self, source: [u8; 16], destination: [u8; 16]) -> Vec<u8> {
        let transport = self.transport(
            |tcp, data| tcp.calc_checksum_ipv6_raw(source, destination, data).unwrap(),
            |udp, data| udp.calc_checksum_ipv6_raw(source, destination, data).unwrap(),
        );
        let mut extensions = self.extensions.clone();
        if let Some((offset, more)) = self.fragment {
            let [a, b] = (offset << 3 | u16::from(more)).to_be_bytes();
            extensions.push((44, vec![0, 0, a, b, 0, 0, 0xbe, 0xef]));
        }
        // Every header names the next one: from the last to the first.
        let mut next = self.protocol();
        let mut payload = transport;
        for (number, mut header) in extensions.into_iter().rev() {
            header[0] = next;
            next = number;
            header.extend(payload);
            payload = header;
        }
        let header = Ipv6Header {
            traffic_class: self.class,
            flow_label: 0xabcde.try_into().unwrap(),
            payload_length: self.length.unwrap_or_else(|| size(payload.len())),
            next_header: IpNumber(next),
            hop_limit: self.ttl,
            source,
            destination,
        };
        let mut bytes = header.to_bytes().to_vec();
        set(&mut bytes, &self.ip_bits);
        bytes.extend(payload);
        bytes
    }

    fn transport(
        &self,
        tcp_checksum: impl Fn(&TcpHeader, &[u8]) -> u16,
        udp_checksum: impl Fn(&UdpHeader, &[u8]) -> u16,
    ) -> Vec<u8> {
        let (source_port, destination_port) = (self.source.port(), self.destination.port());
        let mut bytes = match &self.transport {
            Transport::Tcp(header) => {
                let mut header = (**header).clone();
                (header.source_port, header.destination_port) = (source_port, destination_port);
                header.checksum = tcp_checksum(&header, &self.payload);
                header.to_bytes().to_vec()
            }
            Transport::Udp { checksummed, length } => {
                let length = length.unwrap_or_else(|| size(8 + self.payload.len()));
                let mut header = UdpHeader { source_port, destination_port, length, checksum: 0 };
                if *checksummed {
                    let covered = usize::from(length).saturating_sub(8).min(self.payload.len());
                    header.checksum = udp_checksum(&header, &self.payload[..covered]);
                }
                header.to_bytes().to_vec()
            }
            Transport::Other(_) | Transport::Frame => vec![],
        };
        set(&mut bytes, &self.transport_bits);
        bytes.extend(&self.payload);
        bytes
    }
}

fn size(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap()
}

fn set(bytes: &mut [u8], bits: &[(usize, u8, u8)]) {
    for (at, mask, value) in bits {
        bytes[*at] = bytes[*at] & !mask | value & mask;
    }
}
