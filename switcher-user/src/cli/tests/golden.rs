use std::time::Duration;

use anstream::adapter::strip_str;
use switcher_common::abi::switch::Color;

use super::{NOW, change, in_transition, steady, with_problems};
use crate::{
    api::message::{
        Applied, Event, ExplainStep, Explanation, Happening, Judgement, PlanKind, PlanStep, Status,
    },
    cli::{
        change, events, explain, plan,
        status::{Sample, render},
    },
};

fn plain(text: &str) -> String {
    strip_str(text).to_string()
}

fn shown(status: &Status) -> String {
    plain(&render(status, NOW, None))
}

#[test]
fn a_steady_status() {
    assert_eq!(
        shown(&steady()),
        "\
switcherd 0.1.0  generation 12  up 3h 5m
interfaces   eth0 (native)
program      41, object 0123456789ab, ABI 1
connections  0 of 65.5k remembered, 0 evicted, 0 refused

switch shop  blue  ░░░░░░░░░░░░░░░░░░░░  green 0%  for 12m  nothing to roll back
└─ web  tcp 192.0.2.10:443  per connection
   ├─ blue   in 1.2M packets, 123.4 MB  out 617.2k packets, 61.7 MB
   │  └─ 10.0.0.11:8443  weight 1  via eth1 02:00:00:00:00:11  in 1.2M packets
   └─ green  in 0 packets, 0 B  out 0 packets, 0 B
      └─ 10.0.0.21:8443  weight 1  via eth1 02:00:00:00:00:11  in 0 packets
"
    );
}

#[test]
fn a_status_in_transition() {
    assert_eq!(shown(&in_transition()), "\
switcherd 0.1.0  generation 13  up 3h 5m
interfaces   eth0 (native)
program      41, object 0123456789ab, ABI 1
connections  1.8k of 65.5k remembered, 0 evicted, 0 refused

switch shop  green  █████████████░░░░░░░  green 62.5%  for 12m  rollback to green 0%  first packet after 3.1 µs
├─ from green 0%, for 8m: draining, about 37 at risk, quiet 12s of 10m, deadline in 52m
└─ web  tcp 192.0.2.10:443  per connection
   ├─ blue   in 1.2M packets, 123.4 MB  out 617.2k packets, 61.7 MB
   │  └─ 10.0.0.11:8443  weight 1  via eth1 02:00:00:00:00:11  in 1.2M packets
   └─ green  in 0 packets, 0 B  out 0 packets, 0 B
      └─ 10.0.0.21:8443  weight 1  via eth1 02:00:00:00:00:11  in 0 packets
");
}

#[test]
fn a_status_with_problems() {
    assert_eq!(shown(&with_problems()), "\
switcherd 0.1.0  generation 13  up 3h 5m
! service web: green backend 10.0.0.21:8443 cannot be reached: no route
interfaces   eth0 (generic: slow)
program      41, object 0123456789ab, ABI 1
connections  1.8k of 65.5k remembered, 12 evicted, 0 refused
! 5 truncated: Ends within a header.

switch shop  green  █████████████░░░░░░░  green 62.5%  for 12m  rollback to green 0%  first packet after 3.1 µs
├─ from green 0%, for 8m: draining, about 37 at risk, quiet 12s of 10m, deadline in 52m
└─ web  tcp 192.0.2.10:443  per connection
   ├─ blue   in 1.2M packets, 123.4 MB  out 617.2k packets, 61.7 MB
   │  └─ 10.0.0.11:8443  weight 1  via eth1 02:00:00:00:00:11  in 1.2M packets
   ├─ green  in 0 packets, 0 B  out 0 packets, 0 B
   │  └─ 10.0.0.21:8443  weight 1  no route  in 2 packets  leaving
   │     └─ ! 2 unresolved: To a backend whose next hop is not known (yet): rewritten and left to the kernel.
   └─ ! 3 no_backend: To a service whose plan has no backend for it.
");
}

#[test]
fn rates_come_from_two_samples() {
    let (before, mut after) = (steady(), steady());
    after.services[0].blue.forward.packets += 5_000;
    after.services[0].blue.backends[0].counts.get_mut("steered").unwrap().packets += 5_000;
    after.services[0].blue.reply.packets = 0;
    let sample = Sample { status: &before, elapsed: Duration::from_secs(2) };
    let text = plain(&render(&after, NOW, Some(&sample)));
    assert!(text.contains("blue   in 1.2M packets (2.5k/s), 123.4 MB  out 0 packets, 61.7 MB"), "{text}");
    assert!(text.contains("in 1.2M packets (2.5k/s)\n"), "{text}");
    assert!(text.contains("green  in 0 packets (0/s)"), "{text}");
}

#[test]
fn colors_are_there_for_those_who_want_them() {
    assert!(render(&with_problems(), NOW, None).contains("\x1b["));
}

#[test]
fn a_change() {
    assert_eq!(
        plain(&change::render(&change())),
        "\
switch shop  ████████████████████  green 0% -> 100%
services    web, web6
word        0x0000000000000000 -> 0x0000000100002710
generation  13
store       412 ns
draining    connections from before stay where they are; about 37 were active lately
undo        switcher rollback web --generation 13
"
    );
    let settled = crate::api::message::Change { transition: false, rollback: None, ..change() };
    let text = plain(&change::render(&settled));
    assert!(text.contains("draining    nothing\nundo        nothing to roll back to\n"), "{text}");
}

#[test]
fn a_plan() {
    let step = |kind, subject: &str, detail: &str| PlanStep {
        kind,
        subject: subject.to_owned(),
        detail: detail.to_owned(),
    };
    let mut applied = Applied {
        plan: vec![
            step(PlanKind::Add, "service dns", "udp 192.0.2.10:53"),
            step(PlanKind::Remove, "service web: green backend 10.0.0.21:8443", ""),
            step(PlanKind::Change, "service web: blue backend 10.0.0.11:8443", "weight 1 -> 10"),
        ],
        applied: true,
        generation: 14,
        warnings: Vec::new(),
    };
    assert_eq!(
        plain(&plan::render(&applied)),
        "\
+ service dns  udp 192.0.2.10:53
- service web: green backend 10.0.0.21:8443
~ service web: blue backend 10.0.0.11:8443  weight 1 -> 10
applied: 3 changes, generation 14
"
    );
    applied.applied = false;
    assert!(plain(&plan::render(&applied)).ends_with("--generation 14 to get exactly this plan\n"));
    applied.plan.clear();
    assert_eq!(
        plain(&plan::render(&applied)),
        "nothing to do: this configuration is running (generation 14)\n"
    );
}

#[test]
fn an_explanation() {
    let step = |what: &str, value: &str| ExplainStep { what: what.to_owned(), value: value.to_owned() };
    let judgement = |color, backend: &str, outcome: &str, meaning: &str| {
        Some(Judgement {
            color: Some(color),
            backend: Some(backend.to_owned()),
            outcome: outcome.to_owned(),
            meaning: meaning.to_owned(),
        })
    };
    let explanation = Explanation {
        service: Some("web".to_owned()),
        steps: vec![step("switch", "shop: green 62.5%"), step("bucket", "1234 of 10000: green")],
        opening: judgement(Color::Green, "10.0.0.21:8443", "recorded", "Opened."),
        established: judgement(Color::Blue, "10.0.0.11:8443", "held", "Before."),
    };
    assert_eq!(
        plain(&explain::render(&explanation)),
        "\
service  web
switch   shop: green 62.5%
bucket   1234 of 10000: green

new          green 10.0.0.21:8443  recorded: Opened.
established  blue 10.0.0.11:8443  held: Before.
"
    );
    let nobody = Explanation { service: None, steps: Vec::new(), opening: None, established: None };
    assert_eq!(plain(&explain::render(&nobody)), "service  none: this address is no service's\n");
}

#[test]
fn events_are_lines() {
    let line = |what| {
        let event = Event { at: 1_800_000_000.25, generation: 13, what };
        plain(&events::render(&serde_json::to_string(&event).unwrap()))
    };
    let changed = Happening::Changed {
        verb: "flip".to_owned(),
        switch: "shop".to_owned(),
        old_word: "0x0".to_owned(),
        new_word: "0x2710".to_owned(),
        green: 100.0,
        who: "uid 0, pid 123".to_owned(),
    };
    assert_eq!(
        line(changed),
        "2027-01-15T08:00:00.250Z    13  flip switch shop: green 100%  0x0 -> 0x2710, by uid 0, pid 123"
    );
    let lost = Happening::NextHop { backend: "10.0.0.21:8443".to_owned(), next_hop: None };
    assert!(line(lost).ends_with("  next hop of 10.0.0.21:8443: lost"));
    assert!(line(Happening::Missed { count: 1 }).ends_with("  missed 1 event: this reader was too slow"));
    let newer = r#"{"at":1.0,"generation":1,"event":"of_the_future"}"#;
    assert_eq!(events::render(newer), newer);
}
