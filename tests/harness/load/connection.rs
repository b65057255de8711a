//! A client's TCP connection that asks for the color.

use std::io;
use std::net::SocketAddr;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::STALL;
use crate::Color;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: switcher\r\n\r\n";

/// How a color is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 with keep-alive: [`Nginx`](crate::server::Nginx).
    #[default]
    Http,
    /// The server greets, then answers line by line: [`Echo`](crate::server::Echo).
    Lines,
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    protocol: Protocol,
    client: SocketAddr,
    line: String,
}

impl Connection {
    pub(super) async fn open(target: SocketAddr, source: SocketAddr, protocol: Protocol) -> io::Result<Self> {
        let socket = if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Only connect chooses the port, which may then be one in use towards another target.
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        socket.bind(source)?;
        within(async {
            let stream = socket.connect(target).await?;
            stream.set_nodelay(true)?;
            let client = stream.local_addr()?;
            let mut open = Self { stream: BufReader::new(stream), protocol, client, line: String::new() };
            if protocol == Protocol::Lines {
                open.read_line().await?;
            }
            Ok(open)
        })
        .await
    }

    /// The client's address and port.
    pub(super) const fn client(&self) -> SocketAddr {
        self.client
    }

    /// One request and its answer.
    pub(super) async fn ask(&mut self) -> io::Result<Color> {
        within(async {
            match self.protocol {
                Protocol::Http => self.get().await,
                Protocol::Lines => {
                    self.stream.write_all(b"ping\n").await?;
                    self.read_line().await?;
                    let color = self.line.strip_suffix(" ping").and_then(crate::color);
                    color.ok_or_else(|| unintelligible(&self.line))
                }
            }
        })
        .await
    }

    async fn get(&mut self) -> io::Result<Color> {
        self.stream.write_all(REQUEST).await?;
        self.read_line().await?;
        if self.line != "HTTP/1.1 200 OK" {
            return Err(unintelligible(&self.line));
        }
        let (mut length, mut header) = (0, None);
        while !self.line.is_empty() {
            self.read_line().await?;
            match self.line.split_once(": ") {
                Some(("Content-Length", value)) => {
                    length = value.parse().map_err(|_| unintelligible(value))?;
                }
                Some(("X-Color", value)) => header = crate::color(value),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        let body = String::from_utf8_lossy(&body);
        let color = crate::color(body.trim_end()).filter(|color| header == Some(*color));
        color.ok_or_else(|| unintelligible(&body))
    }

    /// Reads into `line`, without the line's end.
    async fn read_line(&mut self) -> io::Result<()> {
        self.line.clear();
        if self.stream.read_line(&mut self.line).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the server"));
        }
        self.line.truncate(self.line.trim_end().len());
        Ok(())
    }
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let stalled = || io::Error::new(io::ErrorKind::TimedOut, format!("nothing for {STALL:?}"));
    timeout(STALL, work).await.unwrap_or_else(|_| Err(stalled()))
}

fn unintelligible(answer: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not an answer of ours: {answer:?}"))
}
