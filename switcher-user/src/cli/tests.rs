//! What people see, in full, and whole commands against a daemon that answers as it is told.

mod command;
mod golden;

use std::collections::BTreeMap;

use switcher_common::abi::switch::Color;

use crate::{
    api::message::{
        BackendStatus, Change, ColorStatus, Count, Counts, FlowStatus, InterfaceStatus, ProgramStatus,
        ServiceStatus, Status, SwitchStatus, TransitionStatus,
    },
    model::{Affinity, Mode, Protocol},
};

const NOW: u64 = 1_800_000_000;

fn counts(list: &[(&str, u64)]) -> Counts {
    list.iter()
        .map(|(name, packets)| ((*name).to_owned(), Count { packets: *packets, bytes: packets * 100 }))
        .collect()
}

fn backend(address: &str, seen: &[(&str, u64)]) -> BackendStatus {
    BackendStatus {
        address: address.to_owned(),
        weight: 1,
        leaving: false,
        next_hop: Some("eth1 02:00:00:00:00:11".to_owned()),
        problem: None,
        counts: counts(seen),
    }
}

fn color(packets: u64, backends: Vec<BackendStatus>) -> ColorStatus {
    let count = |packets| Count { packets, bytes: packets * 100 };
    ColorStatus { forward: count(packets), reply: count(packets / 2), backends }
}

fn steady() -> Status {
    Status {
        version: "0.1.0".to_owned(),
        generation: 12,
        uptime_seconds: 11_100,
        problems: Vec::new(),
        interfaces: vec![InterfaceStatus {
            name: "eth0".to_owned(),
            index: 2,
            mode: Mode::Native,
            link_id: 9,
        }],
        program: ProgramStatus {
            id: 41,
            digest: "0123456789abcdef0123456789abcdef".to_owned(),
            abi_version: 1,
            map_ids: BTreeMap::new(),
        },
        flows: FlowStatus { capacity: 65_536, ..FlowStatus::default() },
        switches: vec![SwitchStatus {
            name: "shop".to_owned(),
            services: vec!["web".to_owned()],
            live: Color::Blue,
            green: 0.0,
            green_base: 0.0,
            word: "0x0".to_owned(),
            since: NOW - 720,
            rollback_to: None,
            transition: None,
            first_packet_ns: None,
        }],
        services: vec![ServiceStatus {
            name: "web".to_owned(),
            vip: "192.0.2.10:443".to_owned(),
            protocol: Protocol::Tcp,
            switch: "shop".to_owned(),
            affinity: Affinity::Connection,
            udp: None,
            blue: color(
                1_234_567,
                vec![backend("10.0.0.11:8443", &[("steered", 1_234_567), ("replied", 600_000)])],
            ),
            green: color(0, vec![backend("10.0.0.21:8443", &[])]),
            counts: Counts::new(),
        }],
        other: counts(&[("not_ours", 77)]),
    }
}

fn in_transition() -> Status {
    let mut status = steady();
    status.generation = 13;
    status.flows.used = 1_850;
    let switch = &mut status.switches[0];
    switch.live = Color::Green;
    switch.green = 62.5;
    switch.rollback_to = Some(0.0);
    switch.first_packet_ns = Some(3_120);
    switch.transition = Some(TransitionStatus {
        since: NOW - 480,
        at_risk: 37,
        quiet_seconds: 12,
        quiet_needed_seconds: 600,
        deadline_in_seconds: 3_120,
    });
    status
}

fn with_problems() -> Status {
    let mut status = in_transition();
    status.problems.push("service web: green backend 10.0.0.21:8443 cannot be reached: no route".to_owned());
    status.interfaces[0].mode = Mode::Generic;
    status.flows.evicted = 12;
    status.other.extend(counts(&[("truncated", 5)]));
    let service = &mut status.services[0];
    service.counts = counts(&[("no_backend", 3), ("icmp", 8)]);
    let green = &mut service.green.backends[0];
    green.next_hop = None;
    green.problem = Some("no route".to_owned());
    green.leaving = true;
    green.counts = counts(&[("unresolved", 2)]);
    status
}

fn change() -> Change {
    Change {
        switch: "shop".to_owned(),
        services: vec!["web".to_owned(), "web6".to_owned()],
        old_word: "0x0000000000000000".to_owned(),
        new_word: "0x0000000100002710".to_owned(),
        green_before: 0.0,
        green_now: 100.0,
        generation: 13,
        store_ns: 412,
        at_risk: 37,
        transition: true,
        rollback: Some("switcher rollback web --generation 13".to_owned()),
        warnings: vec!["the journal cannot be written: no space".to_owned()],
    }
}
