//! Opening packets that no socket stands behind, and what of them arrives.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recv, sendto, setsockopt,
    socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::netns::Netns;

const TTL: u8 = 64;
const WINDOW: u16 = 64_240;
const SEQUENCE: u32 = 0x5eed_5eed;

/// Sends a TCP SYN from `client` to `target` out of the namespace, whoever has the client's address. The same
/// arguments make the same packet: its retransmission.
pub fn send_syn(netns: &Netns, client: SocketAddr, target: SocketAddr) {
    let mut packet = Vec::new();
    let builder = match (client.ip(), target.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), TTL),
        (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), TTL),
        _ => panic!("{client} and {target} are not of one family"),
    };
    let tcp = builder.tcp(client.port(), target.port(), SEQUENCE, WINDOW).syn();
    tcp.write(&mut packet, &[]).expect("a vector takes all");
    netns.enter(|| {
        let family = if target.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let raw = socket(family, SockType::Raw, SockFlag::empty(), SockProtocol::Raw);
        let raw = raw.expect("root may open raw sockets");
        // The kernel wants no port here: the packet says it.
        let to = SockaddrStorage::from(SocketAddr::new(target.ip(), 0));
        let sent = sendto(raw.as_raw_fd(), &packet, &to, MsgFlags::empty()).expect("there is a route");
        assert_eq!(sent, packet.len());
    });
}

/// The SYNs that a namespace receives, while it is there.
#[derive(Debug)]
pub struct SynCapture {
    seen: Arc<Mutex<Vec<SocketAddr>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SynCapture {
    /// Begins to listen on all interfaces of `netns`.
    pub fn start(netns: &Netns) -> Self {
        let packets = netns.enter(|| {
            let socket = socket(
                AddressFamily::Packet,
                SockType::Datagram,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::EthAll,
            );
            let socket = socket.expect("root may open packet sockets");
            setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(0, 100_000))
                .expect("sockets have timeouts");
            socket
        });
        let (seen, stop) = (Arc::<Mutex<Vec<SocketAddr>>>::default(), Arc::<AtomicBool>::default());
        let thread = std::thread::spawn({
            let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
            move || listen(&packets, &seen, &stop)
        });
        Self { seen, stop, thread: Some(thread) }
    }

    /// How many have come from this client so far.
    pub fn count(&self, client: SocketAddr) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|from| **from == client).count()
    }
}

impl Drop for SynCapture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn listen(packets: &OwnedFd, seen: &Mutex<Vec<SocketAddr>>, stop: &AtomicBool) {
    let mut packet = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        // Fails when nothing came in time: look at `stop` again.
        let Ok(length) = recv(packets.as_raw_fd(), &mut packet, MsgFlags::empty()) else { continue };
        if let Some(client) = opens(&packet[..length]) {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        }
    }
}

/// Who sent the packet, if it is a SYN.
fn opens(packet: &[u8]) -> Option<SocketAddr> {
    let sliced = SlicedPacket::from_ip(packet).ok()?;
    let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { return None };
    let from: IpAddr = match sliced.net? {
        NetSlice::Ipv4(ip) => ip.header().source_addr().into(),
        NetSlice::Ipv6(ip) => ip.header().source_addr().into(),
        NetSlice::Arp(_) => return None,
    };
    (tcp.syn() && !tcp.ack()).then(|| SocketAddr::new(from, tcp.source_port()))
}
