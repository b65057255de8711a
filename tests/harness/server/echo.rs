//! A server of lines and datagrams of one color.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, UdpSocket as StdUdpSocket};
use std::sync::mpsc;
use std::thread::JoinHandle;

use nix::sys::socket::{Backlog, listen, setsockopt, sockopt};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime;
use tokio::sync::oneshot;

use crate::Color;
use crate::netns::Netns;

/// For datagrams that come while this thread waits for a CPU.
const RECEIVE_BUFFER: usize = 4 << 20;

/// A server on a thread of this process, ended when dropped.
///
/// TCP: greets with `color address`, answers each line with `color line`. UDP: answers with `color payload`.
#[derive(Debug)]
pub struct Echo {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts it inside `netns`, bound to the TCP and UDP port of every address when this returns.
    pub fn start(netns: &Netns, color: Color, addresses: &[SocketAddr]) -> Self {
        let addresses = addresses.to_vec();
        let (stop, stopped) = oneshot::channel();
        let (ready, bound) = mpsc::channel();
        let thread = netns.spawn(move || {
            let sockets: io::Result<Vec<_>> = addresses.into_iter().map(bind).collect();
            let complaint = sockets.as_ref().err().map(ToString::to_string);
            ready.send(complaint).expect("start waits");
            let Ok(sockets) = sockets else { return };
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(serve(color, sockets, stopped));
        });
        if let Some(complaint) = bound.recv().expect("the thread answers") {
            panic!("the echo server of {}: {complaint}", netns.name());
        }
        Self { stop: Some(stop), thread: Some(thread) }
    }

    /// Ends it: its connections are closed.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<(StdListener, StdUdpSocket)> {
    let explain = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    let tcp = StdListener::bind(address).map_err(explain)?;
    let udp = StdUdpSocket::bind(address).map_err(explain)?;
    // The standard library's 128 makes a crowd of clients look like a SYN flood.
    listen(&tcp, Backlog::MAXALLOWABLE)?;
    setsockopt(&udp, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
    tcp.set_nonblocking(true)?;
    udp.set_nonblocking(true)?;
    Ok((tcp, udp))
}

async fn serve(color: Color, sockets: Vec<(StdListener, StdUdpSocket)>, stopped: oneshot::Receiver<()>) {
    for (tcp, udp) in sockets {
        let tcp = TcpListener::from_std(tcp).expect("inside a runtime");
        let udp = UdpSocket::from_std(udp).expect("inside a runtime");
        tokio::spawn(accept(color, tcp));
        tokio::spawn(reply(color, udp));
    }
    stopped.await.ok();
}

async fn accept(color: Color, listener: TcpListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            // A connection that fails is the client's to report.
            tokio::spawn(async move { converse(color, stream).await.ok() });
        }
    }
}

async fn converse(color: Color, stream: TcpStream) -> io::Result<()> {
    let color = color.name();
    stream.set_nodelay(true)?;
    let greeting = format!("{color} {}\n", stream.local_addr()?);
    let mut stream = BufReader::new(stream);
    stream.write_all(greeting.as_bytes()).await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        stream.write_all(format!("{color} {line}").as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

async fn reply(color: Color, socket: UdpSocket) {
    let prefix = format!("{} ", color.name());
    let mut datagram = vec![0; 65536];
    datagram[..prefix.len()].copy_from_slice(prefix.as_bytes());
    loop {
        // A failed receive or send is an earlier datagram's ICMP error.
        if let Ok((length, client)) = socket.recv_from(&mut datagram[prefix.len()..]).await {
            socket.send_to(&datagram[..prefix.len() + length], client).await.ok();
        }
    }
}
