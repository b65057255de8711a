//! Any chain of changes inside one drain: a connection stays on the backend address where it was born.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde_json::json;
use switcher_tests::Color::{self, Blue, Green};
use switcher_tests::config::ConfigBuilder;
use switcher_tests::require::{Feature, available};

use crate::lines::{Keeper, open};
use crate::scene::{Scene, VIPS, backend, draining, service, word};

/// Enough that no backend of a color is missed by chance.
const BORN: usize = 50;

fn config(affinity: &str, blue: &[u8], green: &[u8]) -> ConfigBuilder {
    let names = ["web", "web6"];
    VIPS.iter().zip(names).fold(ConfigBuilder::new(), |config, (vip, name)| {
        let service = service(name, *vip, blue, green).affinity(affinity);
        config.service(service.drain("quiet", "4s").drain("deadline", "1h"))
    })
}

struct Chain {
    scene: Scene,
    keeper: Keeper,
    born: BTreeMap<(&'static str, Color), BTreeSet<SocketAddr>>,
}

impl Chain {
    fn bear(&mut self, stage: &'static str) {
        for vip in VIPS {
            let lines = open(&self.scene.topology, vip, BORN, stage);
            for line in &lines {
                self.born.entry((stage, line.color)).or_default().insert(line.address);
            }
            self.keeper.keep(lines);
        }
        self.keeper.assert_all_live(stage);
        if stage != "steady" {
            assert!(word(&self.scene.switch()).tracking(), "{stage}: all in one transition");
        }
    }

    fn of(&self, stage: &'static str, color: Color) -> BTreeSet<SocketAddr> {
        self.born.get(&(stage, color)).cloned().unwrap_or_default()
    }
}

fn addresses(color: Color, hosts: &[u8]) -> BTreeSet<SocketAddr> {
    VIPS.iter().flat_map(|vip| hosts.iter().map(|host| backend(*vip, color, *host))).collect()
}

#[test]
fn a_connection_stays_where_it_was_born_through_any_chain() {
    if !available(&Feature::ALL) {
        return;
    }
    let scene = Scene::new(&[2, 10, 11, 12], &config("connection", &[2, 10, 11], &[2, 10, 11]));
    let keeper = Keeper::new(&scene.topology.client, None);
    let mut chain = Chain { scene, keeper, born: BTreeMap::new() };
    let nowhere = BTreeSet::new();

    chain.bear("steady");
    assert_eq!(chain.of("steady", Blue), addresses(Blue, &[2, 10, 11]));
    assert_eq!(chain.of("steady", Green), nowhere);

    chain.scene.verb("flip", &json!({ "to": "green" }));
    chain.bear("flip");
    assert_eq!(chain.of("flip", Green), addresses(Green, &[2, 10, 11]));
    assert_eq!(chain.of("flip", Blue), nowhere);

    chain.scene.verb("weight", &json!({ "green": "40%" }));
    chain.bear("weight");
    assert_ne!(chain.of("weight", Blue), nowhere);
    assert_ne!(chain.of("weight", Green), nowhere);

    chain.scene.verb("rollback", &json!({}));
    chain.bear("rollback");
    assert_eq!(chain.of("rollback", Green), nowhere, "back where the release began");

    chain.scene.verb("weight", &json!({ "green": "50%" }));
    chain.scene.apply(&config("connection", &[2, 10, 11], &[2, 10, 11, 12]));
    chain.bear("added");
    assert!(addresses(Green, &[12]).is_subset(&chain.of("added", Green)), "the new backend gets its share");

    chain.scene.apply(&config("connection", &[2, 11], &[2, 10, 11, 12]));
    chain.bear("removed");
    let leaver = addresses(Blue, &[10]);
    assert!(leaver.is_disjoint(&chain.of("removed", Blue)), "nothing new for a backend that leaves");
    assert_eq!(leavers(&chain.scene), leaver, "shown while it leaves");

    chain.scene.verb("flip", &json!({ "to": "blue" }));
    chain.bear("blue again");
    assert_eq!(chain.of("blue again", Blue), addresses(Blue, &[2, 11]));

    chain.scene.verb("flip", &json!({ "to": "green" }));
    chain.bear("green again");
    assert_eq!(chain.of("green again", Green), addresses(Green, &[2, 10, 11, 12]));
    let status = chain.scene.status();
    assert!(
        status["flows"]["used"].as_u64() > Some(0) && status["flows"]["refused"] == json!(0),
        "{status:#}"
    );

    let Chain { scene, keeper, .. } = chain;
    keeper.assert_all_live("to the end");
    let lines = keeper.end();
    assert_eq!(lines.len(), 8 * 2 * BORN);
    let mut all: BTreeSet<_> = lines.iter().map(|line| line.address).collect();
    assert!(leaver.is_subset(&all), "connections of the leaving backend were among them");
    all.retain(|address| !addresses(Blue, &[2, 10, 11]).contains(address));
    assert_eq!(all, addresses(Green, &[2, 10, 11, 12]));
    drop(lines);

    let status = scene.until("the drain has ended", |status| !draining(status));
    assert!(!word(&status["switches"][0]).tracking());
    assert_eq!(status["switches"][0]["green_base"], json!(100.0));
    assert_eq!(status["flows"]["used"], json!(0));
    for service in 0..2 {
        let blue = &status["services"][service]["blue"]["backends"];
        assert_eq!(blue.as_array().map(Vec::len), Some(2), "the leaving one is gone: {blue:#}");
    }

    scene.verb("flip", &json!({}));
    for vip in VIPS {
        let lines = open(&scene.topology, vip, 20, "afterwards");
        assert!(lines.iter().all(|line| line.color == Blue && line.address != backend(vip, Blue, 10)));
    }
}

fn leavers(scene: &Scene) -> BTreeSet<SocketAddr> {
    let status = scene.status();
    let mut leavers = BTreeSet::new();
    for service in status["services"].as_array().unwrap() {
        for color in ["blue", "green"] {
            let backends = service[color]["backends"].as_array().unwrap();
            let leaving = backends.iter().filter(|backend| backend["leaving"] == json!(true));
            leavers.extend(leaving.map(|it| it["address"].as_str().unwrap().parse::<SocketAddr>().unwrap()));
        }
    }
    leavers
}

/// A backend that was removed and comes back before it has drained has its connections still.
#[test]
fn a_backend_that_leaves_and_comes_back_keeps_its_connections() {
    if !available(&Feature::ALL) {
        return;
    }
    let scene = Scene::new(&[2, 10], &config("client", &[2, 10], &[2]));
    let keeper = Keeper::new(&scene.topology.client, None);
    let sources = switcher_tests::address::clients(VIPS[0].ip(), 60);
    let bear = |stage| {
        let lines = scene.topology.client.enter(|| {
            let open = |source| crate::lines::Line::open(VIPS[0], Some(source), stage).unwrap();
            sources.iter().copied().map(open).collect::<Vec<_>>()
        });
        let homes: Vec<_> = lines.iter().map(|line| line.address).collect();
        keeper.keep(lines);
        keeper.assert_all_live(stage);
        homes
    };
    let before = bear("steady");
    scene.apply(&config("client", &[2], &[2]));
    let meanwhile = bear("removed");
    assert!(meanwhile.iter().all(|home| *home == backend(VIPS[0], Blue, 2)));
    scene.apply(&config("client", &[2, 10], &[2]));
    assert_eq!(leavers(&scene), BTreeSet::new());
    let after = bear("back");
    assert_eq!(after, before, "the same clients, the same ring");
    drop(keeper.end());
    scene.until("the drain has ended", |status| !draining(status) && status["flows"]["used"] == json!(0));
}
