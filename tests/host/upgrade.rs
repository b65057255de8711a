//! A daemon with another program takes over: on the same links and maps, and nobody notices.

use std::net::SocketAddr;

use aya::maps::{Array, Map, MapData};
use switcher_common::abi::meta::Meta;
use switcher_tests::{
    Color::{Blue, Green},
    address::{VIP4, VIP6},
    load::{Expectation, LongLived, ShortLived, Workload as _},
    require::{Feature, available},
};

use super::{PORT, Scene};

#[test]
fn a_program_is_replaced_on_its_links_under_load() {
    if !available(&Feature::ALL) {
        return;
    }
    let mut scene = Scene::new();
    let first = scene.daemon.get("/v1/status");
    let expectation = Expectation::of(&[Blue, Green]);
    let long = [VIP4, VIP6]
        .map(|vip| LongLived::new(SocketAddr::new(vip, PORT), 50).start(&scene.topology, &expectation));
    let short = ShortLived::new(SocketAddr::new(VIP4, PORT), 2).start(&scene.topology, &expectation);
    scene.daemon.post("/v1/services/web4/flip", &serde_json::json!({}));
    let mut programs = vec![first["program"]["id"].clone()];
    for _ in 0..5 {
        // To the next daemon the pinned program is now somebody else's build.
        pretend_another_build(&scene);
        scene.daemon.kill9();
        scene.daemon.restart();
        let status = scene.daemon.get("/v1/status");
        for what in ["interfaces", "switches"] {
            let ids = |status: &serde_json::Value| match what {
                "interfaces" => status["interfaces"].clone(),
                _ => status["switches"][0]["word"].clone(),
            };
            let before = if what == "interfaces" { ids(&first) } else { "0x0001000100002710".into() };
            assert_eq!(ids(&status), before, "{what} changed");
        }
        assert_eq!(status["program"]["map_ids"], first["program"]["map_ids"]);
        assert!(!programs.contains(&status["program"]["id"]), "the program was not replaced");
        programs.push(status["program"]["id"].clone());
        let seen = long[0].report().requests;
        long[0].wait_until(|report| report.requests > seen + 200);
    }
    for load in long.into_iter().chain([short]) {
        let report = load.stop();
        report.assert_clean();
        assert!(report.requests > 500, "{report}");
    }
}

fn pretend_another_build(scene: &Scene) {
    let pin = scene.daemon.pin_directory().join("maps/META");
    let map = Map::from_map_data(MapData::from_pin(pin).unwrap()).unwrap();
    let mut meta: Array<MapData, Meta> = map.try_into().unwrap();
    let mut entry = meta.get(&0, 0).unwrap();
    entry.digest[0] ^= 1;
    meta.set(0, entry, 0).unwrap();
}

#[test]
fn an_interface_with_a_dot_in_its_name_is_attached_and_adopted() {
    if !available(&Feature::ALL) {
        return;
    }
    let mut scene = Scene::new();
    scene.topology.edge.ip("link add name up.100 type veth peer name peer\nlink set up.100 up\n");
    let config = std::fs::read_to_string(scene.daemon.config_path()).unwrap();
    scene.daemon.configure(&format!("{config}\n[[interface]]\nname = \"up.100\"\n"));
    let mut links = vec![];
    for _ in 0..2 {
        assert!(scene.daemon.stop().success());
        scene.daemon.restart();
        let status = scene.daemon.get("/v1/status");
        links.push(status["interfaces"][3].clone());
    }
    assert_eq!((&links[0]["name"], &links[0]), (&"up.100".into(), &links[1]));
    // Taken out of the configuration it stays attached, and status says how to detach it.
    scene.daemon.configure(&config);
    assert!(scene.daemon.stop().success());
    scene.daemon.restart();
    let problems = super::problems(&scene.daemon.get("/v1/status"));
    assert!(problems.iter().any(|problem| problem.contains("up.100 is not configured but still attached")));
}
