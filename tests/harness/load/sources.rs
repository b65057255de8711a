//! The addresses that clients come from.

use std::net::{IpAddr, SocketAddr};

use crate::address;

/// Client addresses, dealt in turn.
#[derive(Debug)]
pub(super) struct Sources {
    addresses: Vec<IpAddr>,
    next: usize,
}

impl Sources {
    /// The first `count` client addresses that can reach `target`.
    pub(super) fn new(target: SocketAddr, count: u32) -> Self {
        assert!(count > 0, "a load needs a client address");
        Self { addresses: address::clients(target.ip(), count), next: 0 }
    }

    /// The next one, with any port.
    pub(super) fn deal(&mut self) -> SocketAddr {
        let address = self.addresses[self.next];
        self.next = (self.next + 1) % self.addresses.len();
        SocketAddr::new(address, 0)
    }
}
