//! The ways to backends are kept current.

use std::{net::SocketAddr, time::Duration};

use switcher_tests::{
    Color::Blue,
    address::{VIP4, VIP6},
    load::{Expectation, Load, LongLived, Report, Workload as _},
    require::{Feature, available},
};

use super::{PORT, Scene, problems};

/// Runs requests over both families until some have succeeded.
fn reachable(scene: &Scene) -> Report {
    let expectation = Expectation::of(&[Blue]);
    let loads = [VIP4, VIP6].map(|vip| {
        let load = LongLived::new(SocketAddr::new(vip, PORT), 4).start(&scene.topology, &expectation);
        load.wait_until(|report| report.requests > 100);
        load
    });
    loads.into_iter().map(Load::stop).sum()
}

#[test]
fn a_backend_whose_mac_address_changes_is_found_again() {
    if !available(&Feature::ALL) {
        return;
    }
    let scene = Scene::new();
    reachable(&scene).assert_clean();
    // As failover does it: the new address is announced. Without that it is found when the neighbor's entry
    // has aged, after half a minute or so.
    scene.topology.blue.sysctl(&[("ipv4/conf/eth0/arp_notify", "1"), ("ipv6/conf/eth0/ndisc_notify", "1")]);
    // A neighbor that was confirmed within a second is not replaced (net.ipv4.neigh.*.locktime).
    std::thread::sleep(Duration::from_millis(1_500));
    scene.topology.blue.ip("link set eth0 address 02:00:00:00:be:ef\n");
    scene.wait_for("the new address", |status| {
        let hops = ["web4", "web6"].map(|name| {
            let services = status["services"].as_array().unwrap();
            let service = services.iter().find(|service| service["name"] == name).unwrap();
            service["blue"]["backends"][0]["next_hop"].as_str().unwrap_or_default().to_owned()
        });
        hops.iter().all(|hop| hop.ends_with("02:00:00:00:be:ef"))
    });
    reachable(&scene).assert_clean();
}

#[test]
fn a_link_that_goes_down_is_named_and_comes_back() {
    if !available(&Feature::ALL) {
        return;
    }
    let scene = Scene::new();
    scene.topology.edge.ip("link set bl0 down\n");
    let status = scene.wait_for("the problem", |status| {
        problems(status).iter().filter(|problem| problem.contains("blue backend")).count() == 2
    });
    assert!(
        problems(&status).iter().any(|problem| problem.contains("no route") || problem.contains("is down"))
    );
    assert_eq!(scene.daemon.cli(["status"]).status.code(), Some(8), "degraded");
    // The kernel forgets a link's IPv6 addresses when it goes down.
    scene.topology.edge.ip("link set bl0 up\naddr replace fd00:1::1/64 dev bl0 nodad\n");
    scene.wait_for("both ways", |status| problems(status).is_empty());
    reachable(&scene).assert_clean();
    assert_eq!(scene.daemon.cli(["status"]).status.code(), Some(0));
}

#[test]
fn a_forgotten_neighbor_is_no_interruption() {
    if !available(&Feature::ALL) {
        return;
    }
    let scene = Scene::new();
    let expectation = Expectation::of(&[Blue]);
    let load = LongLived::new(SocketAddr::new(VIP4, PORT), 20).start(&scene.topology, &expectation);
    for _ in 0..20 {
        scene.topology.edge.ip("neigh flush dev bl0\n");
        std::thread::sleep(Duration::from_millis(100));
    }
    let before = load.report().requests;
    load.wait_until(|report| report.requests > before + 100);
    load.stop().assert_clean();
}
