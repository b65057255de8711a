//! The owner over maps in memory, with packets steered through them.

use std::{collections::BTreeMap, time::Duration};

use switcher_common::{
    abi::{outcome::Outcome, switch::Color},
    decide::Signal,
};

use super::{Now, Owner, Who, adopt::Sources, explain::made_up, status::Facts};
use crate::{
    api::message::{Drain, FailureCode, Flip, PlanKind, Rollback, Weight},
    config,
    model::Protocol,
    plane::{Plane, memory::MemoryPlane},
    state::{Journal, Store},
};

const CONFIG: &str = r#"
[[interface]]
name = "eth0"
[[service]]
name = "web"
vip = "192.0.2.10:443"
protocol = "tcp"
switch = "shop"
drain = { quiet = "10s", deadline = "1h" }
blue = [{ address = "10.0.0.11:8443" }, { address = "10.0.0.12:8443" }]
green = [{ address = "10.0.0.21:8443" }, { address = "10.0.0.22:8443" }]
[[service]]
name = "api"
vip = "[2001:db8::10]:443"
protocol = "tcp"
switch = "shop"
drain = { quiet = "10s", deadline = "1h" }
blue = [{ address = "[fd00::11]:8443" }]
green = [{ address = "[fd00::21]:8443" }]
"#;

/// An owner, its maps, and a clock.
struct Bench {
    owner: Owner,
    maps: MemoryPlane,
    dir: tempfile::TempDir,
    now: Now,
}

impl Bench {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let maps = MemoryPlane::new(2048);
        let now = Now::read();
        let owner = open(&maps, &dir, text, now).unwrap();
        Self { owner, maps, dir, now }
    }

    /// The daemon dies without a word, and another one starts on the same maps.
    fn restart(&mut self, text: &str) {
        self.owner = open(&self.maps, &self.dir, text, self.now).unwrap();
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.instant += Duration::from_secs(1);
            self.now.unix += 1.0;
            self.owner.tick(self.now);
        }
    }

    fn packet(&self, client: u16, signal: Signal) -> (u16, Outcome) {
        let client = format!("198.51.100.{}:{}", client % 250, 1_024 + client).parse().unwrap();
        self.maps.steer(&made_up(Protocol::Tcp, client, "192.0.2.10:443".parse().unwrap(), signal))
    }

    fn color(&self, index: u16) -> Color {
        let service = &self.owner.services;
        service.iter().flat_map(|s| &s.backends).find(|b| b.index == index).unwrap().color
    }

    fn flip(&mut self) -> crate::api::message::Change {
        self.owner.flip("web", &Flip::default(), Who::Daemon, self.now).unwrap()
    }

    fn apply(&mut self, text: &str) -> super::Refusal<crate::api::message::Applied> {
        let config = config::parse(text).unwrap();
        self.owner.apply(&config, text, false, Who::Daemon, self.now)
    }

    /// Every word of every map that packets are judged by.
    fn image(&self) -> Vec<u64> {
        let load = |words: &crate::plane::Words| -> Vec<_> {
            words.all().iter().map(|word| word.load(std::sync::atomic::Ordering::SeqCst)).collect()
        };
        [load(self.maps.switches()), load(self.maps.rings())].concat()
    }
}

fn open(maps: &MemoryPlane, dir: &tempfile::TempDir, text: &str, now: Now) -> super::Refusal<Owner> {
    let store = Store::new(dir.path());
    let sources = Sources {
        plane: Box::new(maps.clone()),
        state: store.load().unwrap(),
        store,
        journal: Journal::new(dir.path()),
        facts: Facts::default(),
    };
    Owner::open(sources, &config::parse(text).unwrap(), text, now)
}

#[test]
fn connections_stay_where_they_began_through_a_chain_of_changes() {
    let mut bench = Bench::new(CONFIG);
    let mut homes = BTreeMap::new();
    let mut client = 0;
    let fewer = CONFIG.replace(", { address = \"10.0.0.12:8443\" }", "");
    let more = CONFIG.replace(
        "{ address = \"10.0.0.22:8443\" }",
        "{ address = \"10.0.0.22:8443\" }, { address = \"10.0.0.23:8443\", weight = 3 }",
    );
    for step in 0..9 {
        match step {
            1 | 7 => drop(bench.flip()),
            2 => {
                let weight = Weight { green: "30%".into(), generation: None, sample_ms: 0 };
                bench.owner.weight("web", &weight, Who::Daemon, bench.now).map(drop).unwrap();
            }
            3 => assert!(bench.apply(&more).unwrap().applied),
            4 => assert!(bench.apply(&fewer).unwrap().applied),
            5 => drop(bench.owner.rollback("web", &Rollback::default(), Who::Daemon, bench.now).unwrap()),
            6 => bench.restart(&fewer),
            _ => {}
        }
        for _ in 0..300 {
            let (home, _) = bench.packet(client, Signal::Open);
            homes.insert(client, home);
            client += 1;
        }
        for (client, home) in &homes {
            let (backend, outcome) = bench.packet(*client, Signal::Continue);
            assert_eq!(backend, *home, "client {client} after step {step}: {outcome:?}");
        }
        bench.pass(3);
    }
    // Nobody sends any more: the transition ends, the removed backend goes, nothing is remembered.
    bench.pass(12);
    let status = bench.owner.status(bench.now).unwrap();
    assert_eq!(status.switches[0].transition, None);
    assert_eq!(status.flows.used, 0);
    assert!(status.services[0].blue.backends.iter().all(|backend| !backend.leaving));
    assert_eq!(status.services[0].blue.backends.len(), 1);
}

#[test]
fn at_risk_connections_keep_a_transition_open() {
    let mut bench = Bench::new(CONFIG);
    bench.packet(1, Signal::Open);
    bench.flip();
    for _ in 0..30 {
        bench.pass(5);
        assert_eq!(bench.packet(1, Signal::Continue).1, Outcome::Held);
    }
    assert!(bench.owner.status(bench.now).unwrap().switches[0].transition.is_some());
    bench.pass(12);
    assert!(bench.owner.status(bench.now).unwrap().switches[0].transition.is_none());
    assert_eq!(bench.color(bench.packet(1, Signal::Continue).0), Color::Green);
}

#[test]
fn after_the_deadline_connections_are_let_go_step_by_step_whatever_holds_them() {
    let text = CONFIG.replace("deadline = \"1h\"", "deadline = \"60s\", pace = \"10%/1s\"");
    let without = text.replace("{ address = \"10.0.0.11:8443\" }, ", "");
    // What holds connections: the share, the ring, or records of a release that was rolled back.
    for held_by in ["share", "ring", "records"] {
        let mut bench = Bench::new(&text);
        if held_by == "records" {
            bench.flip();
        }
        let homes: Vec<_> = (0..400).map(|client| bench.packet(client, Signal::Open).0).collect();
        match held_by {
            "ring" => drop(bench.apply(&without).unwrap()),
            _ => drop(bench.flip()),
        }
        let at_home = |bench: &Bench| {
            (0..400)
                .filter(|client| bench.packet(*client, Signal::Continue).0 == homes[usize::from(*client)])
                .count()
        };
        for _ in 0..59 {
            assert_eq!(at_home(&bench), 400, "{held_by}");
            bench.pass(1);
        }
        let mut last = 400;
        let mut losses = vec![];
        while bench.owner.switch("shop").unwrap().transition.is_some() {
            bench.pass(1);
            let now = at_home(&bench);
            losses.push(last - now);
            last = now;
            assert!(losses.len() < 40, "{held_by}: {losses:?}");
        }
        let all: usize = losses.iter().sum();
        assert!(all > 100, "{held_by}: {losses:?}");
        assert!(losses.iter().all(|step| *step < all / 4), "{held_by}: a cliff, {losses:?}");
    }
}

#[test]
fn a_flip_is_one_word_for_all_services_of_a_switch() {
    let mut bench = Bench::new(CONFIG);
    let before = bench.image();
    let change = bench.flip();
    let after = bench.image();
    let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert_eq!(changed, 1);
    assert_eq!(change.services, ["web", "api"]);
    assert_eq!((change.green_before, change.green_now), (0.0, 100.0));
    assert_eq!(change.rollback.as_deref(), Some("switcher rollback web"));
}

#[test]
fn a_reused_tuple_is_a_new_connection_and_a_retransmission_is_not() {
    let mut bench = Bench::new(CONFIG);
    bench.packet(1, Signal::Open);
    bench.flip();
    let (first, outcome) = bench.packet(1, Signal::Open);
    assert_eq!((bench.color(first), outcome), (Color::Green, Outcome::Recorded));
    bench.flip();
    assert_eq!(bench.packet(1, Signal::Open), (first, Outcome::Retransmitted));
    assert_eq!(bench.packet(1, Signal::Continue), (first, Outcome::Pinned));
    let (again, outcome) = bench.packet(1, Signal::Open);
    assert_eq!((bench.color(again), outcome), (Color::Blue, Outcome::Steered));
}

#[test]
fn a_dead_daemon_is_succeeded_by_one_that_knows_everything() {
    let mut bench = Bench::new(CONFIG);
    let change = bench.flip();
    let image = bench.image();
    bench.restart(CONFIG);
    assert_eq!(bench.image(), image);
    let status = bench.owner.status(bench.now).unwrap();
    assert_eq!(status.generation, change.generation);
    assert_eq!((status.switches[0].green, status.switches[0].rollback_to), (100.0, Some(0.0)));
    assert!(status.switches[0].transition.is_some());
}

#[test]
fn the_maps_win_over_a_state_file_that_was_not_written() {
    let mut bench = Bench::new(CONFIG);
    let saved = std::fs::read(bench.dir.path().join("state.json")).unwrap();
    let generation = bench.flip().generation;
    std::fs::write(bench.dir.path().join("state.json"), saved).unwrap();
    bench.restart(CONFIG);
    let status = bench.owner.status(bench.now).unwrap();
    assert_eq!(status.switches[0].green, 100.0);
    assert!(status.generation >= generation, "{} went backwards", status.generation);
}

#[test]
fn colors_return_after_a_reboot() {
    let mut bench = Bench::new(CONFIG);
    bench.flip();
    bench.maps = MemoryPlane::new(2048);
    bench.restart(CONFIG);
    let status = bench.owner.status(bench.now).unwrap();
    assert_eq!((status.switches[0].green, &status.switches[0].transition), (100.0, &None));
    assert_eq!(bench.color(bench.packet(1, Signal::Open).0), Color::Green);
}

#[test]
fn what_was_applied_outlives_the_daemon_until_the_file_changes() {
    let mut bench = Bench::new(CONFIG);
    let applied = CONFIG.replace("10.0.0.12", "10.0.0.13");
    bench.apply(&applied).map(drop).unwrap();
    bench.restart(CONFIG);
    let addresses = |bench: &Bench| -> Vec<_> {
        let service = &bench.owner.services[0];
        service.backends.iter().filter(|b| !b.leaving).map(|b| b.address.to_string()).collect()
    };
    assert!(addresses(&bench).contains(&"10.0.0.13:8443".into()));
    let edited = CONFIG.replace("10.0.0.12", "10.0.0.14");
    bench.restart(&edited);
    assert!(addresses(&bench).contains(&"10.0.0.14:8443".into()));
    assert!(!addresses(&bench).contains(&"10.0.0.13:8443".into()));
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut bench = Bench::new(CONFIG);
    bench.flip();
    let (image, generation) = (bench.image(), bench.owner.generation());
    let now = bench.now;
    let flip = |generation| Flip { generation: Some(generation), ..Flip::default() };
    let weight = |green: &str| Weight { green: green.into(), generation: None, sample_ms: 0 };
    let owner = &mut bench.owner;
    let codes = [
        owner.flip("nothing", &Flip::default(), Who::Daemon, now).unwrap_err().code,
        owner.flip("web", &flip(generation - 1), Who::Daemon, now).unwrap_err().code,
        owner.weight("web", &weight("101"), Who::Daemon, now).unwrap_err().code,
        owner.drain("web", &Drain::default(), Who::Daemon, now).unwrap_err().code,
    ];
    assert_eq!(
        codes,
        [FailureCode::NotFound, FailureCode::Conflict, FailureCode::Invalid, FailureCode::Refused]
    );
    for (from, to) in [
        (
            "protocol = \"tcp\"\nswitch = \"shop\"",
            "protocol = \"tcp\"\naffinity = \"client\"\nswitch = \"shop\"",
        ),
        ("switch = \"shop\"", "switch = \"other\""),
        ("switch = \"shop\"", "switch = \"shop\"\nring = 251"),
    ] {
        let failure = bench.apply(&CONFIG.replacen(from, to, 1)).unwrap_err();
        assert_eq!(failure.code, FailureCode::Refused, "{to}: {failure}");
    }
    assert_eq!((bench.image(), bench.owner.generation()), (image, generation));
}

#[test]
fn a_backend_cannot_change_sides_before_it_has_drained() {
    let mut bench = Bench::new(CONFIG);
    let without = CONFIG.replace("{ address = \"10.0.0.11:8443\" }, ", "");
    let moved = without
        .replace("{ address = \"10.0.0.21", "{ address = \"10.0.0.11:8443\" }, { address = \"10.0.0.21");
    bench.apply(&without).map(drop).unwrap();
    let failure = bench.apply(&moved).unwrap_err();
    assert!(failure.message.contains("10.0.0.11:8443 still serves connections as blue"), "{failure}");
    bench.pass(12);
    assert!(bench.apply(&moved).unwrap().applied);
}

#[test]
fn a_plan_says_what_differs_and_a_second_apply_has_nothing_to_do() {
    let mut bench = Bench::new(CONFIG);
    let other = CONFIG
        .replace("{ address = \"10.0.0.12:8443\" }", "{ address = \"10.0.0.12:8443\", weight = 5 }")
        .replace("[fd00::21]", "[fd00::22]");
    let steps = bench.apply(&other).unwrap().plan;
    let kinds: Vec<_> = steps.iter().map(|step| step.kind).collect();
    assert_eq!(kinds, [PlanKind::Change, PlanKind::Add, PlanKind::Remove]);
    assert_eq!(steps[0].detail, "weight 1 -> 5");
    let again = bench.apply(&other).unwrap();
    assert!(again.plan.is_empty() && !again.applied);
}

#[test]
fn cutting_moves_everybody_at_once() {
    let mut bench = Bench::new(CONFIG);
    bench.packet(1, Signal::Open);
    let flip = Flip { cut: true, ..Flip::default() };
    let change = bench.owner.flip("web", &flip, Who::Daemon, bench.now).unwrap();
    assert!(!change.transition);
    assert_eq!(bench.color(bench.packet(1, Signal::Continue).0), Color::Green);
    let rollback = bench.owner.rollback("web", &Rollback::default(), Who::Daemon, bench.now).unwrap();
    assert_eq!(rollback.green_now, 0.0);
}

#[test]
fn services_come_and_go() {
    let mut bench = Bench::new(CONFIG);
    let one = &CONFIG[..CONFIG.find("[[service]]\nname = \"api\"").unwrap()];
    bench.apply(one).map(drop).unwrap();
    assert_eq!(bench.owner.services.len(), 1);
    assert_eq!(bench.maps.tables.lock().unwrap().endpoints.len(), 1 + 4 + 1 + 4);
    bench.apply(CONFIG).map(drop).unwrap();
    assert_eq!(bench.owner.services.len(), 2);
    let status = bench.owner.status(bench.now).unwrap();
    assert_eq!(status.switches[0].services, ["web", "api"]);
}
