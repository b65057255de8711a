//! Packets in words.

mod bytes;

use std::net::{IpAddr, SocketAddr};

use etherparse::TcpHeader;

pub(crate) type Mac = [u8; 6];

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// A frame, as what is said about it. Nothing is computed before [`Packet::bytes`].
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    to_mac: Mac,
    from_mac: Mac,
    tags: Vec<[u8; 4]>,
    ether_type: Option<u16>,
    source: SocketAddr,
    destination: SocketAddr,
    ttl: u8,
    class: u8,
    dont_fragment: bool,
    fragment: Option<(u16, bool)>,
    options: Vec<u8>,
    extensions: Vec<(u8, Vec<u8>)>,
    transport: Transport,
    payload: Vec<u8>,
    length: Option<u16>,
    ip_bits: Vec<(usize, u8, u8)>,
    transport_bits: Vec<(usize, u8, u8)>,
    trailer: Vec<u8>,
    cut: Option<usize>,
}

#[derive(Clone, Debug)]
enum Transport {
    Tcp(Box<TcpHeader>),
    Udp {
        checksummed: bool,
        length: Option<u16>,
    },
    /// Another protocol; the payload is all of it.
    Other(u8),
    /// Not even IP: the payload follows the Ethernet header.
    Frame,
}

/// A TCP segment with ACK.
pub(crate) fn tcp(source: SocketAddr, destination: SocketAddr) -> Packet {
    let mut header = TcpHeader::new(0, 0, 0x1234_5678, 64_240);
    header.ack = true;
    header.acknowledgment_number = 0x8765_4321;
    Packet::new(source, destination, Transport::Tcp(Box::new(header)))
}

/// A UDP datagram with a checksum.
pub(crate) fn udp(source: SocketAddr, destination: SocketAddr) -> Packet {
    Packet::new(source, destination, Transport::Udp { checksummed: true, length: None })
}

/// A packet of another protocol.
pub(crate) fn other(protocol: u8, source: SocketAddr, destination: SocketAddr) -> Packet {
    Packet::new(source, destination, Transport::Other(protocol))
}

/// An echo request.
pub(crate) fn ping(source: SocketAddr, destination: SocketAddr) -> Packet {
    let (protocol, request) = if source.is_ipv4() { (1, 8) } else { (58, 128) };
    other(protocol, source, destination).payload(&[request, 0, 0, 0, 0, 1, 0, 1])
}

/// A frame that carries no IP.
pub(crate) fn frame(ether_type: u16, payload: &[u8]) -> Packet {
    let nobody = SocketAddr::new(IpAddr::from([0; 4]), 0);
    Packet::new(nobody, nobody, Transport::Frame).ether_type(ether_type).payload(payload)
}

impl Packet {
    fn new(source: SocketAddr, destination: SocketAddr, transport: Transport) -> Self {
        Self {
            to_mac: [2, 0, 0, 0, 0, 1],
            from_mac: [2, 0, 0, 0, 0, 2],
            tags: vec![],
            ether_type: None,
            source,
            destination,
            ttl: 64,
            class: 0,
            dont_fragment: true,
            fragment: None,
            options: vec![],
            extensions: vec![],
            transport,
            payload: vec![],
            length: None,
            ip_bits: vec![],
            transport_bits: vec![],
            trailer: vec![],
            cut: None,
        }
    }

    pub(crate) fn is_v4(&self) -> bool {
        self.source.is_ipv4()
    }

    /// Nothing but Ethernet.
    pub(crate) fn is_frame(&self) -> bool {
        matches!(self.transport, Transport::Frame)
    }

    pub(crate) fn protocol(&self) -> u8 {
        match &self.transport {
            Transport::Tcp(_) => TCP,
            Transport::Udp { .. } => UDP,
            Transport::Other(protocol) => *protocol,
            Transport::Frame => 0,
        }
    }

    pub(crate) fn hops_left(&self) -> u8 {
        self.ttl
    }

    // Ethernet

    pub(crate) fn addressed(mut self, to: Mac, from: Mac) -> Self {
        (self.to_mac, self.from_mac) = (to, from);
        self
    }

    /// Adds a VLAN tag behind those it has.
    pub(crate) fn vlan(self, id: u16) -> Self {
        self.tag(0x8100, id)
    }

    /// Adds a service VLAN tag.
    pub(crate) fn service_vlan(self, id: u16) -> Self {
        self.tag(0x88a8, id)
    }

    fn tag(mut self, protocol: u16, id: u16) -> Self {
        let ([a, b], [c, d]) = (protocol.to_be_bytes(), id.to_be_bytes());
        self.tags.push([a, b, c, d]);
        self
    }

    pub(crate) fn ether_type(mut self, ether_type: u16) -> Self {
        self.ether_type = Some(ether_type);
        self
    }

    /// Bytes behind the packet, inside the frame.
    pub(crate) fn trailer(mut self, bytes: &[u8]) -> Self {
        self.trailer = bytes.to_vec();
        self
    }

    /// Zeros behind the packet up to the length of the shortest Ethernet frame.
    pub(crate) fn padded(self) -> Self {
        let padding = 60_usize.saturating_sub(self.bytes().len());
        self.trailer(&vec![0; padding])
    }

    /// Nothing from byte `at` on.
    pub(crate) fn cut_at(mut self, at: usize) -> Self {
        self.cut = Some(at);
        self
    }

    // IP

    pub(crate) fn from(mut self, source: SocketAddr) -> Self {
        self.source = source;
        self
    }

    pub(crate) fn to(mut self, destination: SocketAddr) -> Self {
        self.destination = destination;
        self
    }

    pub(crate) fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    /// DSCP and ECN.
    pub(crate) fn class(mut self, class: u8) -> Self {
        self.class = class;
        self
    }

    pub(crate) fn may_be_fragmented(mut self) -> Self {
        self.dont_fragment = false;
        self
    }

    /// A fragment at `offset` bytes of a packet, the last one unless there is `more`.
    pub(crate) fn fragment(mut self, offset: u16, more: bool) -> Self {
        self.fragment = Some((offset / 8, more));
        self.dont_fragment = false;
        self
    }

    /// IPv4 options, a multiple of four bytes.
    pub(crate) fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self
    }

    /// An IPv6 extension header of eight bytes.
    pub(crate) fn extension(mut self, number: u8) -> Self {
        self.extensions.push((number, vec![0, 0, 1, 4, 0, 0, 0, 0]));
        self
    }

    /// What the IP header says about the length (IPv4: of the packet, IPv6: of the payload).
    pub(crate) fn length(mut self, length: u16) -> Self {
        self.length = Some(length);
        self
    }

    pub(crate) fn version(self, version: u8) -> Self {
        self.ip_bits(0, 0xf0, version << 4)
    }

    /// The length of the IPv4 header in words.
    pub(crate) fn header_words(self, words: u8) -> Self {
        self.ip_bits(0, 0x0f, words)
    }

    /// The bit of the IPv4 header that has no meaning.
    pub(crate) fn reserved_bit(self) -> Self {
        self.ip_bits(6, 0x80, 0x80)
    }

    fn ip_bits(mut self, at: usize, mask: u8, bits: u8) -> Self {
        self.ip_bits.push((at, mask, bits));
        self
    }

    // TCP and UDP

    pub(crate) fn syn(self) -> Self {
        self.header(|tcp| {
            tcp.syn = true;
            tcp.ack = false;
            tcp.acknowledgment_number = 0;
        })
    }

    pub(crate) fn syn_ack(self) -> Self {
        self.header(|tcp| tcp.syn = true)
    }

    pub(crate) fn fin(self) -> Self {
        self.header(|tcp| tcp.fin = true)
    }

    pub(crate) fn rst(self) -> Self {
        self.header(|tcp| tcp.rst = true)
    }

    /// TCP options: maximum segment size, window scale, selective acknowledgments, timestamps.
    pub(crate) fn tcp_options(self) -> Self {
        let options = [2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7];
        self.header(|tcp| tcp.set_options_raw(&options).unwrap())
    }

    fn header(mut self, change: impl FnOnce(&mut TcpHeader)) -> Self {
        match &mut self.transport {
            Transport::Tcp(header) => change(header),
            other => panic!("{other:?} is not TCP"),
        }
        self
    }

    /// What the TCP header says about its own length, in words.
    pub(crate) fn data_offset(mut self, words: u8) -> Self {
        self.transport_bits.push((12, 0xf0, words << 4));
        self
    }

    /// No UDP checksum.
    pub(crate) fn udp_checksum_zero(mut self) -> Self {
        if let Transport::Udp { checksummed, .. } = &mut self.transport {
            *checksummed = false;
        }
        self
    }

    /// What the UDP header says about the length.
    pub(crate) fn udp_length(mut self, claimed: u16) -> Self {
        if let Transport::Udp { length, .. } = &mut self.transport {
            *length = Some(claimed);
        }
        self
    }

    pub(crate) fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// A payload that makes the checksum be `checksum` after `change`.
    pub(crate) fn with_checksum(self, checksum: u16, change: impl Fn(Self) -> Self) -> Self {
        let at = if self.is_v4() { 34 } else { 54 } + if self.protocol() == TCP { 16 } else { 6 };
        (0..=u16::MAX)
            .map(|word| self.clone().payload(&word.to_be_bytes()))
            .find(|packet| change(packet.clone()).bytes()[at..at + 2] == checksum.to_be_bytes())
            .unwrap_or_else(|| panic!("no payload gives the checksum {checksum:#06x}"))
    }
}
