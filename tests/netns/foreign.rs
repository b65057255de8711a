//! Somebody else's XDP program is never replaced, and stands in nobody's way.

use serde_json::Value;
use switcher_tests::Color::{Blue, Green};
use switcher_tests::config::ConfigBuilder;
use switcher_tests::daemon::Daemon;
use switcher_tests::load::{Expectation, Load, Report};
use switcher_tests::require::{Feature, available};
use switcher_tests::topology::Topology;

use crate::world::{Shape, World, await_answers, services};

/// Another installation on the same edge: it must not start, and say why. Its pins stay until it is dropped.
#[must_use]
fn refused(world: &World, config: &ConfigBuilder, interface: &str) -> Daemon {
    let config = services(config.clone(), &Shape::default()).build();
    let mut other = Daemon::prepare(&world.topology, &config);
    other.spawn();
    let status = other.wait();
    assert!(!status.success(), "{status}\n{}", other.log());
    let expected =
        format!("interface {interface}: another XDP program is attached; see `ip link show {interface}`");
    assert!(other.log().contains(&expected), "not in\n{}", other.log());
    other
}

/// The ids of the programs on the edge's interfaces.
fn programs(world: &World) -> Vec<(String, Value)> {
    let output =
        world.topology.edge.command("ip").args(["-json", "link", "show"]).output().expect("ip starts");
    let links: Value = serde_json::from_slice(&output.stdout).expect("ip writes JSON");
    let links = links.as_array().expect("a list").iter();
    links
        .filter(|link| link["ifname"] != "lo")
        .map(|link| (link["ifname"].to_string(), link["xdp"]["prog"]["id"].clone()))
        .collect()
}

#[test]
fn a_second_daemon_is_refused_and_the_first_goes_on() {
    if !available(&Feature::ALL) {
        return;
    }
    let world = World::start(Topology::new, &services(ConfigBuilder::new(), &Shape::default()));
    let expectation = Expectation::of(&[Blue]);
    let loads = world.watch(&expectation, 2);
    await_answers(&loads, 10);
    let before = programs(&world);
    for mode in ["native", "generic"] {
        let _refused = refused(&world, &ConfigBuilder::new().mode(mode), "cl0");
        await_answers(&loads, 10);
        assert_eq!(programs(&world), before, "{mode}");
    }
    world.flip(Green, &expectation);
    await_answers(&loads, 10);
    loads.into_iter().map(Load::stop).sum::<Report>().assert_clean();
}

#[test]
fn a_program_attached_by_other_means_stays() {
    if !available(&Feature::ALL) {
        return;
    }
    // The first daemon leaves one interface alone; there its program is put by hand, as anybody's would be.
    let config = ConfigBuilder::new().interfaces(&["cl0", "bl0"]);
    let world = World::start(Topology::new, &services(config, &Shape::default()));
    world.topology.edge.attach_xdp("gr0", &world.daemon.pin_directory().join("program"));
    let before = programs(&world);
    assert!(before.iter().all(|(_, program)| program.is_u64()), "{before:?}");
    let _refused = refused(&world, &ConfigBuilder::new().interfaces(&["gr0"]), "gr0");
    assert_eq!(programs(&world), before);
}

#[test]
fn a_refused_start_leaves_no_interface_half_done() {
    if !available(&Feature::ALL) {
        return;
    }
    let config = ConfigBuilder::new().interfaces(&["cl0", "bl0"]);
    let world = World::start(Topology::new, &services(config, &Shape::default()));
    let before = programs(&world);
    let _refused = refused(&world, &ConfigBuilder::new().interfaces(&["gr0", "cl0"]), "cl0");
    assert_eq!(programs(&world), before, "gr0 was free before");
}
