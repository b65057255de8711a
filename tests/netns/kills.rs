//! The daemon is killed at random moments: no packet notices, and what it had acknowledged is still so.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use switcher_tests::Color::{self, Blue};
use switcher_tests::api;
use switcher_tests::config::ConfigBuilder;
use switcher_tests::daemon::Daemon;
use switcher_tests::load::{Expectation, Load, LongLived, Report, Workload};
use switcher_tests::require::{Feature, available};
use switcher_tests::topology::Topology;

use crate::world::{ECHO, HOSTS, HTTP, Shape, World, await_answers, defects, live, say, services, vips};

const KILLS: u32 = 100;
/// Every so many kills one hits a daemon that is just starting.
const DURING_START: u32 = 4;

/// What has been promised by answers, and what has been asked for without one.
struct Known {
    live: Color,
    asked: Option<Color>,
    /// Which of the configurations runs, by index.
    applied: usize,
    applying: Option<usize>,
    generation: u64,
    flips: u32,
    applies: u32,
    lost: u32,
}

impl Known {
    /// Changes things until the daemon does not answer any more.
    fn disturb(&mut self, socket: &Path, configs: &[String], expectation: &Expectation, stop: &AtomicBool) {
        for turn in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let answer = if turn % 3 == 2 {
                let next = (self.applied + 1) % configs.len();
                self.applying = Some(next);
                let body = json!({ "config": configs[next] });
                let answer = api::request(socket, "POST", "/v1/apply", Some(&body));
                if answer.is_ok() {
                    (self.applied, self.applying) = (next, None);
                    self.applies += 1;
                }
                answer
            } else {
                let to = self.live.other();
                self.asked = Some(to);
                expectation.allow(&Color::ALL);
                let body = json!({ "to": to.name() });
                let answer = api::request(socket, "POST", "/v1/services/web/flip", Some(&body));
                if answer.is_ok() {
                    (self.live, self.asked) = (to, None);
                    self.flips += 1;
                    expectation.allow(&[to]);
                }
                answer
            };
            let Ok((status, answer)) = answer else {
                self.lost += 1;
                return;
            };
            assert_eq!(status, 200, "{answer}");
            let generation = answer["generation"].as_u64().expect("a change has a generation");
            assert!(generation >= self.generation, "{} and then {generation}", self.generation);
            self.generation = generation;
        }
    }

    /// What a restarted daemon says must agree with what was promised.
    fn check(&mut self, status: &Value) {
        let now = live(status);
        assert!(
            now == self.live || Some(now) == self.asked,
            "{} was acknowledged, {:?} asked for, {} is live",
            self.live.name(),
            self.asked,
            now.name()
        );
        (self.live, self.asked) = (now, None);
        // Either configuration, but not a part of it: with one backend for each color, or with two.
        let running = backends(status);
        let whole = running.iter().all(|backends| backends.len() == running[0].len());
        let found = running[0].len() - 1;
        assert!(
            whole && (found == self.applied || Some(found) == self.applying),
            "configuration {} was acknowledged, {:?} asked for; what runs is {running:?}",
            self.applied,
            self.applying
        );
        (self.applied, self.applying) = (found, None);
        let generation = status["generation"].as_u64().expect("a number");
        assert!(generation >= self.generation, "{} and then {generation}", self.generation);
        self.generation = generation;
    }
}

/// What must be the same over all restarts.
fn identity(status: &Value) -> Value {
    let links: Vec<_> =
        status["interfaces"].as_array().expect("a list").iter().map(|it| &it["link_id"]).collect();
    let program = &status["program"];
    assert!(program["id"].is_u64() && program["map_ids"].is_object() && links.len() == 3, "{status}");
    json!([program["id"], program["map_ids"], links])
}

/// The backends that get new connections, for each service and color.
fn backends(status: &Value) -> Vec<Vec<&str>> {
    fn list(value: &Value) -> std::slice::Iter<'_, Value> {
        value.as_array().expect("a list").iter()
    }
    let services = list(&status["services"]);
    let colors = services.flat_map(|service| Color::ALL.map(|color| &service[color.name()]["backends"]));
    let stay = colors.map(|backends| list(backends).filter(|backend| backend["leaving"] == false));
    stay.map(|backends| backends.map(|it| it["address"].as_str().expect("an address")).collect()).collect()
}

/// New connections go where status says they do.
fn probe(world: &World, status: &Value, live: Color) {
    let backends = backends(status).concat();
    for vip in vips(ECHO) {
        for _ in 0..4 {
            let stream = world.topology.client.enter(|| TcpStream::connect(vip).expect("connects"));
            let mut greeting = String::new();
            BufReader::new(stream).read_line(&mut greeting).expect("is greeted");
            let (color, address) = greeting.trim_end().split_once(' ').expect("color and address");
            assert_eq!(color, live.name());
            assert!(backends.contains(&address), "{address} is not among {backends:?}");
        }
    }
}

fn long_lived(world: &World, expectation: &Expectation) -> [Load; 2] {
    vips(HTTP).map(|vip| {
        let pause = Duration::from_millis(5);
        LongLived { pause, ..LongLived::new(vip, 20) }.start(&world.topology, expectation)
    })
}

#[test]
fn a_hundred_kills_go_unnoticed() {
    if !available(&Feature::ALL) {
        return;
    }
    let configs = [&HOSTS[..1], &HOSTS[..]].map(|hosts| {
        services(ConfigBuilder::new(), &Shape { hosts, drain: &[("quiet", "1s")], ..Shape::default() })
    });
    let mut world = World::start(Topology::new, &configs[0]);
    let configs = configs.map(|config| world.daemon.complete(&config.build()));
    let socket = world.daemon.socket();
    let seed: u64 = rand::random();
    say(&format!("kills: seed {seed}"));
    let mut random = StdRng::seed_from_u64(seed);
    let expectation = Expectation::of(&[Blue]);
    let mut long: Vec<Load> = long_lived(&world, &expectation).into();
    let short = world.watch(&expectation, 2);
    await_answers(&short, 10);
    let before = identity(&world.daemon.get("/v1/status"));
    let mut known = Known {
        live: Blue,
        asked: None,
        applied: 0,
        applying: None,
        generation: 0,
        flips: 0,
        applies: 0,
        lost: 0,
    };
    let mut kill = 0;
    while kill < KILLS {
        let delay = Duration::from_millis(random.random_range(0..250));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let disturb = scope.spawn(|| known.disturb(&socket, &configs, &expectation, &stop));
            std::thread::sleep(delay);
            world.daemon.kill9();
            stop.store(true, Ordering::Relaxed);
            disturb.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
        kill += 1;
        await_answers(&short, 4);
        if kill % DURING_START == 0 {
            world.daemon.spawn();
            std::thread::sleep(Duration::from_millis(random.random_range(0..80)));
            world.daemon.kill9();
            kill += 1;
        }
        world.daemon.restart();
        let status = world.daemon.get("/v1/status");
        assert_eq!(identity(&status), before, "after {kill} kills");
        known.check(&status);
        expectation.allow(&[known.live]);
        probe(&world, &status, known.live);
        await_answers(&short, 4);
        // On a busy machine few that race with a kill come through.
        if kill % 10 == 0 {
            known.applied = (known.applied + 1) % configs.len();
            world.daemon.post("/v1/apply", &json!({ "config": configs[known.applied] }));
            known.applies += 1;
        }
        if long.len() < 6 && kill > KILLS / 4 {
            long.extend(long_lived(&world, &expectation));
        }
    }
    await_answers(&long, 40);
    let long: Report = long.into_iter().map(Load::stop).sum();
    let short: Report = short.into_iter().map(Load::stop).sum();
    let Known { flips, applies, lost, generation, .. } = known;
    say(&format!(
        "kills: {kill}, between them {flips} flips and {applies} applies acknowledged, {lost} requests without an \
         answer, generation {generation}\n  long-lived: {long}\n  short: {short}"
    ));
    long.assert_clean();
    short.assert_clean();
    assert!(long.connections == 120 && lost > 0 && flips > 0 && applies > 0, "{long}");
    assert_eq!(defects(&world.daemon.get("/v1/status")), []);
}

#[test]
fn a_first_start_cut_short_does_not_stand_in_the_way() {
    if !available(&Feature::ALL) {
        return;
    }
    let config = services(ConfigBuilder::new(), &Shape::default());
    let mut world = World::start(Topology::new, &config);
    for round in 0..15 {
        world.daemon.kill9();
        world.daemon = Daemon::prepare(&world.topology, &config.build());
        for _ in 0..1 + round % 3 {
            world.daemon.spawn();
            std::thread::sleep(Duration::from_millis(rand::rng().random_range(0..250)));
            world.daemon.kill9();
        }
        world.daemon.restart();
        world.await_next_hops();
        let status = world.daemon.get("/v1/status");
        assert_eq!((status["problems"].clone(), live(&status)), (json!([]), Blue));
        probe(&world, &status, Blue);
        world.flip(Color::Green, &Expectation::any());
        probe(&world, &status, Color::Green);
    }
}

#[test]
fn packets_flow_while_a_stopped_daemon_is_down() {
    if !available(&Feature::ALL) {
        return;
    }
    let mut world = World::start(Topology::new, &services(ConfigBuilder::new(), &Shape::default()));
    let expectation = Expectation::of(&[Blue]);
    let mut loads = Vec::from(long_lived(&world, &expectation));
    loads.extend(world.watch(&expectation, 2));
    await_answers(&loads, 10);
    let mut live_color = Blue;
    let before = identity(&world.daemon.get("/v1/status"));
    for _ in 0..4 {
        live_color = live_color.other();
        world.flip(live_color, &expectation);
        let status = world.daemon.stop();
        assert!(status.success(), "{status}\n{}", world.daemon.log());
        assert!(!world.daemon.socket().exists(), "the socket is left behind");
        await_answers(&loads, 200);
        loads.extend(long_lived(&world, &expectation));
        await_answers(&loads, 10);
        world.daemon.restart();
        let status = world.daemon.get("/v1/status");
        assert_eq!((identity(&status), live(&status)), (before.clone(), live_color));
        await_answers(&loads, 10);
    }
    let report: Report = loads.into_iter().map(Load::stop).sum();
    report.assert_clean();
    say(&format!("stopped and started 4 times: {report}"));
}
