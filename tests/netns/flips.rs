//! A thousand flips under load: nothing fails, nobody moves, and who comes later sees the new color alone.

use switcher_tests::Color::{self, Blue, Green};
use switcher_tests::config::ConfigBuilder;
use switcher_tests::load::{Expectation, Load, LongLived, Protocol, Report, Workload};
use switcher_tests::require::{Feature, available};
use switcher_tests::topology::Topology;

use crate::world::{ECHO, HTTP, Shape, World, await_answers, defects, live, say, services, vips};

const FLIPS: usize = 1_000;
const BEFORE: u32 = 25;
const LATER: u32 = 8;
/// After which flips more long-lived connections are opened: as many while green is live as while blue is.
const BIRTHS: [usize; 4] = [101, 302, 503, 704];

/// Connections that ask back to back until the end: web pages by both families, and lines by both.
fn long_lived(world: &World, expectation: &Expectation, each: u32) -> Vec<Load> {
    let of = |port, protocol| {
        vips(port).map(|vip| {
            LongLived { protocol, ..LongLived::new(vip, each) }.start(&world.topology, expectation)
        })
    };
    [of(HTTP, Protocol::Http), of(ECHO, Protocol::Lines)].into_iter().flatten().collect()
}

#[test]
fn a_thousand_flips_break_nothing() {
    if !available(&Feature::ALL) {
        return;
    }
    let world = World::start(Topology::new, &services(ConfigBuilder::new(), &Shape::default()));
    let expectation = Expectation::of(&[Blue]);
    let mut long = long_lived(&world, &expectation, BEFORE);
    for load in &long {
        load.wait_until(|report| report.connections == u64::from(BEFORE));
    }
    let short = world.watch(&expectation, 2);
    let mut stores = Vec::new();
    let mut to = Blue;
    for flip in 1..=FLIPS {
        to = to.other();
        let change = world.flip(to, &expectation);
        assert_eq!(change["green_now"].as_f64(), Some(if to == Green { 100.0 } else { 0.0 }), "{change}");
        stores.push(change["store_ns"].as_u64().expect("a flip says how long it took"));
        // So that each flip is seen by all of them.
        await_answers(&short, 3);
        if BIRTHS.contains(&flip) {
            long.extend(long_lived(&world, &expectation, LATER));
        }
    }
    let status = world.daemon.get("/v1/status");
    assert_eq!(live(&status), Blue);
    await_answers(&long, u64::from(BEFORE));
    let long: Report = long.into_iter().map(Load::stop).sum();
    let short: Report = short.into_iter().map(Load::stop).sum();
    stores.sort_unstable();
    let percentile = |percent: usize| stores[(stores.len() * percent).div_ceil(100) - 1];
    say(&format!(
        "flips: {FLIPS}; store p50 {} ns, p99 {} ns, max {} ns\n  long-lived: {long}\n  short: {short}\n  flow map: {}",
        percentile(50),
        percentile(99),
        percentile(100),
        status["flows"]
    ));
    long.assert_clean();
    short.assert_clean();
    assert_eq!(
        long.connections,
        4 * (u64::from(BEFORE) + BIRTHS.map(|_| u64::from(LATER)).iter().sum::<u64>())
    );
    for color in Color::ALL {
        assert!(count(&long, color) > 0 && count(&short, color) > 0, "nobody saw {}", color.name());
    }
    assert_eq!(defects(&world.daemon.get("/v1/status")), []);
}

fn count(report: &Report, color: Color) -> u64 {
    match color {
        Blue => report.blue,
        Green => report.green,
    }
}
