//! One look at links, neighbors and routes, and what follows from it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use futures::TryStreamExt as _;
use rtnetlink::{
    Error, Handle, RouteMessageBuilder,
    packet_route::{
        link::{LinkAttribute, LinkFlags},
        neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourState},
        route::{RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteType, RouteVia},
    },
};

use crate::owner::{Hops, hops::Hop};

/// Links, neighbors and the routes to some addresses.
pub(super) struct Tables {
    links: HashMap<u32, Link>,
    neighbors: HashMap<(u32, IpAddr), Neighbor>,
    routes: BTreeMap<IpAddr, Result<Route, String>>,
}

struct Link {
    name: String,
    address: Option<[u8; 6]>,
    mtu: u32,
    up: bool,
}

struct Neighbor {
    address: Option<[u8; 6]>,
    state: NeighbourState,
}

struct Route {
    interface: u32,
    /// Whom frames are addressed to: the gateway, or the address itself.
    neighbor: IpAddr,
    mtu: Option<u32>,
}

impl Tables {
    pub(super) async fn read(handle: &Handle, targets: &BTreeSet<IpAddr>) -> Result<Self, Error> {
        let mut links = HashMap::new();
        let mut answers = handle.link().get().execute();
        while let Some(message) = answers.try_next().await? {
            let mut link = Link {
                name: String::new(),
                address: None,
                mtu: 0,
                up: message.header.flags.contains(LinkFlags::LowerUp),
            };
            for attribute in message.attributes {
                match attribute {
                    LinkAttribute::IfName(name) => link.name = name,
                    LinkAttribute::Address(address) => link.address = address.try_into().ok(),
                    LinkAttribute::Mtu(mtu) => link.mtu = mtu,
                    _ => {}
                }
            }
            links.insert(message.header.index, link);
        }
        let mut neighbors = HashMap::new();
        let mut answers = handle.neighbours().get().execute();
        while let Some(message) = answers.try_next().await? {
            let mut destination = None;
            let mut address = None;
            for attribute in message.attributes {
                match attribute {
                    NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => {
                        destination = Some(IpAddr::V4(v4));
                    }
                    NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => {
                        destination = Some(IpAddr::V6(v6));
                    }
                    NeighbourAttribute::LinkLayerAddress(bytes) => address = bytes.try_into().ok(),
                    _ => {}
                }
            }
            if let Some(destination) = destination {
                let neighbor = Neighbor { address, state: message.header.state };
                neighbors.insert((message.header.ifindex, destination), neighbor);
            }
        }
        let mut routes = BTreeMap::new();
        for target in targets {
            routes.insert(*target, route(handle, *target).await);
        }
        Ok(Self { links, neighbors, routes })
    }

    /// Has the kernel find out about the neighbors that frames go to. XDP sends past its stack, so without
    /// this it would forget them.
    pub(super) async fn ask_neighbors(&self, handle: &Handle) {
        let wanted: BTreeSet<_> =
            self.routes.values().flatten().map(|route| (route.interface, route.neighbor)).collect();
        for (interface, neighbor) in wanted {
            let settled = self.neighbors.get(&(interface, neighbor)).is_some_and(|neighbor| {
                use NeighbourState as State;
                matches!(neighbor.state, State::Reachable | State::Permanent | State::Noarp)
            });
            if settled {
                continue;
            }
            let asked = handle
                .neighbours()
                .add(interface, neighbor)
                .state(NeighbourState::None)
                .flags(NeighbourFlags::Use)
                .replace()
                .execute()
                .await;
            if let Err(error) = asked {
                tracing::debug!(%neighbor, "cannot ask for a neighbor: {error}");
            }
        }
    }

    /// The ways to `targets` by `interfaces`, given those that were known before.
    pub(super) fn hops(
        &self,
        targets: &BTreeSet<IpAddr>,
        interfaces: &BTreeSet<String>,
        before: &Hops,
    ) -> Hops {
        targets.iter().map(|target| (*target, self.hop(*target, interfaces, before.get(target)))).collect()
    }

    fn hop(
        &self,
        target: IpAddr,
        interfaces: &BTreeSet<String>,
        before: Option<&Result<Hop, String>>,
    ) -> Result<Hop, String> {
        let route = match self.routes.get(&target) {
            Some(Ok(route)) => route,
            Some(Err(reason)) => return Err(reason.clone()),
            None => return Err("the way there is being looked up".into()),
        };
        let link = self.links.get(&route.interface).ok_or("its interface is gone")?;
        // Its answers would come in where nobody translates them, and many drivers send for XDP only where
        // a program is attached: the kernel forwards these packets.
        if !interfaces.contains(&link.name) {
            return Err(format!(
                "reached by {0}, which is not configured; add [[interface]] name = \"{0}\"",
                link.name
            ));
        }
        if !link.up {
            return Err(format!("interface {} is down", link.name));
        }
        let source = link.address.ok_or_else(|| format!("interface {} is not an Ethernet one", link.name))?;
        let mtu = route.mtu.unwrap_or(link.mtu).min(link.mtu);
        let hop = |destination| Hop {
            interface: route.interface,
            name: link.name.clone(),
            destination,
            source,
            mtu: u16::try_from(mtu).unwrap_or(u16::MAX),
        };
        let neighbor = self.neighbors.get(&(route.interface, route.neighbor));
        let silent = || Err(format!("neighbor {} does not answer on {}", route.neighbor, link.name));
        match neighbor {
            Some(Neighbor { state: NeighbourState::Failed, .. }) => silent(),
            Some(Neighbor { address: Some(address), .. }) => Ok(hop(*address)),
            // Being asked for again: until the answer is here, the last one is the best guess.
            _ => match before {
                Some(Ok(last)) if last.interface == route.interface => Ok(hop(last.destination)),
                _ => silent(),
            },
        }
    }
}

fn query(target: IpAddr) -> RouteMessage {
    match target {
        IpAddr::V4(v4) => RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(v4, 32).build(),
        IpAddr::V6(v6) => RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(v6, 128).build(),
    }
}

async fn route(handle: &Handle, target: IpAddr) -> Result<Route, String> {
    let none = |error: Error| match error {
        Error::NetlinkError(message) => format!("no route: {}", message.to_io()),
        error => format!("no route: {error}"),
    };
    let answer = handle.route().get(query(target)).execute().try_next().await.map_err(none)?;
    let answer = answer.ok_or("no route")?;
    match answer.header.kind {
        RouteType::Unicast => {}
        RouteType::Local => {
            return Err("it is an address of this host; local backends are not supported yet".into());
        }
        kind => return Err(format!("no route: the way there is {kind:?}")),
    }
    let mut found = Route { interface: 0, neighbor: target, mtu: None };
    for attribute in answer.attributes {
        match attribute {
            RouteAttribute::Oif(interface) => found.interface = interface,
            RouteAttribute::Gateway(RouteAddress::Inet(gateway)) => found.neighbor = gateway.into(),
            RouteAttribute::Gateway(RouteAddress::Inet6(gateway)) => found.neighbor = gateway.into(),
            RouteAttribute::Via(RouteVia::Inet6(gateway)) => found.neighbor = gateway.into(),
            RouteAttribute::Metrics(metrics) => {
                found.mtu = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Mtu(mtu) if *mtu > 0 => Some(*mtu),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    if found.interface == 0 { Err("no route".into()) } else { Ok(found) }
}
