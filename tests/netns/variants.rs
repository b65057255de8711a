//! Flips on other wires and by other means than the usual ones.

use switcher_tests::Color::Blue;
use switcher_tests::config::ConfigBuilder;
use switcher_tests::load::{Expectation, Load, LongLived, Report, Workload};
use switcher_tests::require::{Feature, available};
use switcher_tests::topology::{ONE_ARM, Topology};

use crate::world::{HTTP, Shape, World, await_answers, defects, say, services, vips};

const FLIPS: usize = 30;

fn flips_break_nothing(world: &World) -> Report {
    let expectation = Expectation::of(&[Blue]);
    let long = || vips(HTTP).map(|vip| LongLived::new(vip, 10).start(&world.topology, &expectation));
    let mut stay = Vec::from(long());
    let short = world.watch(&expectation, 2);
    let mut to = Blue;
    for flip in 1..=FLIPS {
        to = to.other();
        world.flip(to, &expectation);
        await_answers(&short, 10);
        if flip == FLIPS / 2 {
            stay.extend(long());
        }
    }
    await_answers(&stay, 10);
    let report: Report = stay.into_iter().chain(short).map(Load::stop).sum();
    report.assert_clean();
    assert!(report.blue > 0 && report.green > 0, "{report}");
    assert_eq!(defects(&world.daemon.get("/v1/status")), []);
    report
}

fn mode(world: &World) -> Vec<String> {
    let status = world.daemon.get("/v1/status");
    let interfaces = status["interfaces"].as_array().expect("a list");
    interfaces.iter().map(|it| it["mode"].as_str().expect("a mode").to_owned()).collect()
}

#[test]
fn client_and_backends_may_be_behind_one_interface() {
    if !available(&Feature::ALL) {
        return;
    }
    let config = ConfigBuilder::new().interfaces(&[ONE_ARM]);
    let world = World::start(Topology::one_armed, &services(config, &Shape::default()));
    assert_eq!(mode(&world), ["native"]);
    // A veth delivers what its peer sends by XDP_TX only while it has a program of its own. This one passes
    // what it sees there: none of it is addressed to the service or comes from a backend.
    let router = world.topology.router.as_ref().expect("one arm leads to a router");
    router.attach_xdp("ed0", &world.daemon.pin_directory().join("program"));
    say(&format!("one-armed: {FLIPS} flips; {}", flips_break_nothing(&world)));
}

#[test]
fn generic_mode_does_the_same() {
    if !available(&Feature::ALL) {
        return;
    }
    let config = ConfigBuilder::new().mode("generic");
    let world = World::start(Topology::new, &services(config, &Shape::default()));
    assert_eq!(mode(&world), ["generic"; 3]);
    say(&format!("generic: {FLIPS} flips; {}", flips_break_nothing(&world)));
}
