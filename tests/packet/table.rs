//! Tables of rows, and the services that they are about.

use switcher_tests::{
    Color,
    config::{ConfigBuilder, ServiceBuilder},
};

use crate::{
    cut, forward, malformed, reply,
    row::Row,
    site::{Site, host},
    stranger,
    world::World,
};

/// Rows that belong together, of either family.
pub(crate) struct Table {
    pub(crate) title: &'static str,
    pub(crate) rows: fn(Site) -> Vec<Row>,
}

/// All tables, in the order of the document.
pub(crate) const TABLES: [Table; 8] = [
    Table { title: "From a client to a virtual address", rows: forward::tcp },
    Table { title: "UDP from a client to a virtual address", rows: forward::udp },
    Table { title: "To a virtual address, but not sent on", rows: forward::stopped },
    Table { title: "From a backend", rows: reply::rows },
    Table { title: "Not ours", rows: stranger::not_ours },
    Table { title: "Ours, but not steered", rows: stranger::portless },
    Table { title: "Contradictory headers", rows: malformed::rows },
    Table { title: "Cut short", rows: cut::rows },
];

/// Ports of services: TCP, and UDP where there is one.
pub(crate) const WEB: u16 = 80;
pub(crate) const SAME_PORT: u16 = 443;
pub(crate) const LOST: u16 = 81;
pub(crate) const NARROW: u16 = 82;
pub(crate) const EMPTY: u16 = 83;
pub(crate) const WIDE: u16 = 84;
pub(crate) const ONE_ARMED: u16 = 85;
pub(crate) const DNS: u16 = 53;

/// The backends' port of the service at `port`.
pub(crate) const fn behind(port: u16) -> u16 {
    if port == SAME_PORT { port } else { port + 8_000 }
}

/// Every service of the tables, in both families. New connections go to blue.
pub(crate) fn config() -> ConfigBuilder {
    let mut config = ConfigBuilder::new();
    for site in Site::BOTH {
        let service =
            |build: fn(&str, std::net::SocketAddr) -> ServiceBuilder, name: &str, port, blue_host| {
                let name = format!("{name}-{}", site.family());
                build(&name, site.vip(port))
                    .backend(Color::Blue, site.backend(Color::Blue, blue_host, behind(port)))
                    .backend(Color::Green, site.green(behind(port)))
            };
        config = config
            .service(service(ServiceBuilder::tcp, "web", WEB, host::PLAIN))
            .service(service(ServiceBuilder::tcp, "same", SAME_PORT, host::PLAIN))
            .service(service(ServiceBuilder::tcp, "lost", LOST, host::LOST))
            .service(service(ServiceBuilder::tcp, "narrow", NARROW, host::NARROW))
            .service(service(ServiceBuilder::tcp, "empty", EMPTY, host::PLAIN))
            .service(service(ServiceBuilder::tcp, "wide", WIDE, host::WIDE))
            .service(service(ServiceBuilder::tcp, "one-armed", ONE_ARMED, host::ONE_ARMED))
            .service(service(ServiceBuilder::udp, "dns", DNS, host::PLAIN))
            .service(service(ServiceBuilder::udp, "lost-udp", LOST, host::LOST))
            .service(service(ServiceBuilder::udp, "narrow-udp", NARROW, host::NARROW));
    }
    config
}

#[test]
fn every_row_is_as_it_says() {
    World::with(1024, &config(), |world| {
        for table in &TABLES {
            for site in Site::BOTH {
                (table.rows)(site).iter().for_each(|row| row.check(world));
            }
        }
    });
}

#[test]
fn there_are_rows_for_every_kind() {
    let kinds: std::collections::BTreeSet<_> = TABLES
        .iter()
        .flat_map(|table| Site::BOTH.map(table.rows))
        .flatten()
        .map(|row| (row.name, row.family()))
        .collect();
    assert!(kinds.len() >= 100, "{} kinds of packets", kinds.len());
}
