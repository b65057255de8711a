//! The ways to backends, by the kernel's routing and neighbor tables, kept current.
//!
//! Subscribe first, then look at everything; every message leads to another look, and so does the clock.

mod tables;

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use futures::StreamExt as _;
use rtnetlink::{MulticastGroup, new_multicast_connection};
use tokio::sync::watch;

use self::tables::Tables;
use crate::owner::{
    Hops,
    task::{Letter, Mailbox},
};

/// Messages come in bursts: this long after the first one, everything is looked at once.
const BURST: Duration = Duration::from_millis(20);
/// How often everything is looked at although nothing was heard, and neighbors are asked whether they live.
const PERIOD: Duration = Duration::from_secs(5);

/// Tells the owner about the ways to `targets` by `interfaces` until it is gone. Netlink that fails is begun
/// anew.
pub async fn watch(
    mut targets: watch::Receiver<BTreeSet<IpAddr>>,
    interfaces: BTreeSet<String>,
    owner: Mailbox,
) {
    let mut known = Hops::new();
    loop {
        match follow(&mut targets, &interfaces, &owner, &mut known).await {
            Ok(()) => return,
            Err(error) => tracing::error!("netlink: {error}; trying again"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn follow(
    targets: &mut watch::Receiver<BTreeSet<IpAddr>>,
    interfaces: &BTreeSet<String>,
    owner: &Mailbox,
    known: &mut Hops,
) -> anyhow::Result<()> {
    let (connection, handle, mut messages) = new_multicast_connection(&[
        MulticastGroup::Link,
        MulticastGroup::Neigh,
        MulticastGroup::Ipv4Route,
        MulticastGroup::Ipv6Route,
        MulticastGroup::Ipv4Ifaddr,
        MulticastGroup::Ipv6Ifaddr,
    ])?;
    let connection = tokio::spawn(connection);
    let mut clock = tokio::time::interval(PERIOD);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let result = loop {
        let due = tokio::select! {
            _ = clock.tick() => true,
            changed = targets.changed() => {
                if changed.is_err() {
                    break Ok(());
                }
                true
            }
            message = messages.next() => {
                if message.is_none() {
                    break Err(anyhow::anyhow!("the subscription ended"));
                }
                tokio::time::sleep(BURST).await;
                while let Ok(Some(_)) = tokio::time::timeout(Duration::ZERO, messages.next()).await {}
                false
            }
        };
        let wanted = targets.borrow_and_update().clone();
        let tables = match Tables::read(&handle, &wanted).await {
            Ok(tables) => tables,
            Err(error) => break Err(error.into()),
        };
        if due {
            tables.ask_neighbors(&handle).await;
        }
        let hops = tables.hops(&wanted, interfaces, known);
        if hops != *known {
            known.clone_from(&hops);
            if !owner.tell(Letter::Hops(hops)).await {
                break Ok(());
            }
        }
    };
    connection.abort();
    result
}
