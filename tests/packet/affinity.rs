//! What is drawn: connections, or clients.

use std::collections::BTreeMap;

use switcher_tests::{
    Color::{self, Blue, Green},
    config::{ConfigBuilder, ServiceBuilder},
};
use switcher_user::{api::message::Weight, owner::Who};

use crate::{
    row::difference,
    site::{Port, Site},
    wire,
    world::World,
};

const TCP: u8 = 6;
const CLIENTS: u8 = 60;
const PORTS: [u16; 2] = [80, 90];

fn config(affinity: &str) -> ConfigBuilder {
    let mut config = ConfigBuilder::new();
    for s in Site::BOTH {
        for port in PORTS {
            config = config.service(
                ServiceBuilder::tcp(&format!("{port}-{}", s.family()), s.vip(port))
                    .switch(s.family())
                    .affinity(affinity)
                    .backend(Blue, s.blue(port))
                    .backend(Green, s.green(port)),
            );
        }
    }
    config
}

/// The color that a SYN goes to.
fn color(world: &World, s: Site, client: u8, client_port: u16, port: u16) -> Color {
    let mut source = s.client(client_port);
    source.set_ip(match source.ip() {
        std::net::IpAddr::V4(_) => [10, 128, 0, client].into(),
        std::net::IpAddr::V6(_) => [0x2001, 0xdb8, 0xc1, 0, 0, 0, 0, client.into()].into(),
    });
    let before = world.counts();
    world.run(Port::Client, &wire::tcp(source, s.vip(port)).syn().bytes());
    let counted = difference(&before, &world.counts());
    let [((place, _), _)] = Vec::from_iter(counted).try_into().expect("one counter");
    if place == world.backend(s.blue(port), TCP) {
        Blue
    } else {
        assert_eq!(place, world.backend(s.green(port), TCP));
        Green
    }
}

/// By client, how many of its connections are green, at a share.
fn greens(world: &mut World, s: Site, percent: &str) -> BTreeMap<u8, usize> {
    let request = Weight { green: percent.into(), generation: None, sample_ms: 0 };
    world.owner.weight(&format!("80-{}", s.family()), &request, Who::Daemon, world.now).unwrap();
    let connections = |client| (1..=8).flat_map(move |port| PORTS.map(|service| (client, port, service)));
    (0..CLIENTS)
        .map(|client| {
            let green = connections(client)
                .filter(|(client, port, service)| color(world, s, *client, *port, *service) == Green);
            (client, green.count())
        })
        .collect()
}

#[test]
fn a_client_sees_one_color_and_a_ramp_never_takes_it_back() {
    World::with(1 << 16, &config("client"), |world| {
        for s in Site::BOTH {
            let mut before = BTreeMap::new();
            for percent in ["10%", "50%", "90%"] {
                let greens = greens(world, s, percent);
                assert!(greens.values().all(|green| [0, 16].contains(green)), "{percent}: {greens:?}");
                let green: Vec<_> = greens.iter().filter(|(_, green)| **green > 0).collect();
                assert!(green.len() < usize::from(CLIENTS) && !green.is_empty(), "{percent}: {greens:?}");
                let lost: Vec<_> = before.iter().filter(|(client, n)| **n > greens[*client]).collect();
                assert!(lost.is_empty(), "{percent}: no longer green: {lost:?}");
                before = greens;
            }
        }
    });
}

#[test]
fn connections_are_drawn_on_their_own() {
    World::with(1 << 16, &config("connection"), |world| {
        for s in Site::BOTH {
            let greens = greens(world, s, "50%");
            let mixed = greens.values().filter(|green| ![0, 16].contains(*green)).count();
            assert!(mixed > usize::from(CLIENTS) * 9 / 10, "{greens:?}");
            let green: usize = greens.values().sum();
            let all = usize::from(CLIENTS) * 16;
            assert!((all * 2 / 5..all * 3 / 5).contains(&green), "{green} of {all}");
        }
    });
}
