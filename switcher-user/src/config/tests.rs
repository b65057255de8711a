use std::{io::Write, path::Path, time::Duration};

use proptest::prelude::*;
use switcher_common::abi::switch::Color;

use super::*;
use crate::model::{Affinity, Backend, Daemon, DrainPolicy, Interface, Mode, Protocol, Service, UdpMemory};

const FULL: &str = include_str!("testdata/full.toml");
/// Blocks of a name, the lines of the full configuration that are replaced (all, if none is written), by which
/// lines, and everything that is said then.
const MISTAKES: &str = include_str!("testdata/mistakes.txt");

const MINIMAL: &str = r#"
[[interface]]
name = "eth0"
[[service]]
name = "web"
vip = "192.0.2.10:443"
protocol = "udp"
[[service.blue]]
address = "10.0.0.11:8443"
[[service.green]]
address = "10.0.0.21:8443"
"#;

fn backend(color: Color, address: &str, weight: u16) -> Backend {
    Backend { color, address: address.parse().unwrap(), weight }
}

fn said(text: &str) -> String {
    parse(text).map_or_else(|problems| problems.to_string(), |_| "nothing".to_owned())
}

/// A block of [`MISTAKES`] with what is really said.
fn replayed(block: &str) -> String {
    let lines =
        |mark| block.lines().filter_map(move |line| line.strip_prefix(mark)).map(|line| format!("{line}\n"));
    let (from, to) = (lines('-').collect::<String>(), lines('+').collect::<String>());
    assert!(FULL.contains(&from), "not in the configuration: {block}");
    let text = if from.is_empty() { to } else { FULL.replacen(&from, &to, 1) };
    let kept = block.lines().take_while(|line| line.starts_with(['=', '-', '+']));
    kept.chain(said(&text).lines()).fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn every_field_arrives() {
    let web = Service {
        name: "web".to_owned(),
        vip: "192.0.2.10:443".parse().unwrap(),
        protocol: Protocol::Tcp,
        switch: "shop".to_owned(),
        affinity: Affinity::Client,
        udp: UdpMemory::Switch,
        idle: Duration::from_secs(60),
        drain: DrainPolicy {
            quiet: Duration::from_secs(300),
            deadline: Duration::from_secs(7200),
            pace_share: 250,
            pace_interval: Duration::from_secs(60),
        },
        ring: 251,
        backends: vec![
            backend(Color::Blue, "10.0.0.11:8443", 10),
            backend(Color::Blue, "10.0.0.12:8443", 1),
            backend(Color::Green, "10.0.0.21:8443", 0),
            backend(Color::Green, "10.0.0.22:8443", 1),
        ],
    };
    let voice = Service {
        name: "voice".to_owned(),
        vip: "[2001:db8::10]:5060".parse().unwrap(),
        protocol: Protocol::Udp,
        switch: "voice".to_owned(),
        affinity: Affinity::Connection,
        udp: UdpMemory::Sticky,
        idle: Duration::from_secs(90),
        drain: DrainPolicy::default(),
        ring: 4093,
        backends: vec![
            backend(Color::Blue, "[2001:db8:1::11]:5060", 1),
            backend(Color::Green, "[2001:db8:2::11]:5060", 1),
        ],
    };
    let daemon = Daemon {
        socket: "/run/a.sock".into(),
        state_dir: "/var/lib/a".into(),
        pin_dir: "/sys/fs/bpf/a".into(),
        seed: Some([0x0011_2233_4455_6677, 0x8899_aabb_ccdd_eeff]),
        flow_entries: 65536,
        max_services: 16,
        max_backends: 64,
    };
    let interfaces = vec![Interface { name: "eth0".to_owned(), mode: Mode::Generic }];
    assert_eq!(parse(FULL), Ok(Config { daemon, interfaces, services: vec![web, voice] }));
}

#[test]
fn every_default_is_as_documented() {
    let config = parse(MINIMAL).unwrap();
    let daemon = Daemon {
        socket: "/run/switcher/switcher.sock".into(),
        state_dir: "/var/lib/switcher".into(),
        pin_dir: "/sys/fs/bpf/switcher".into(),
        seed: None,
        flow_entries: 1_048_576,
        max_services: 256,
        max_backends: 4096,
    };
    assert_eq!(config.daemon, daemon);
    assert_eq!(config.interfaces, [Interface { name: "eth0".to_owned(), mode: Mode::Native }]);
    let [service] = &config.services[..] else { panic!("{config:?}") };
    assert_eq!(service.switch, "web");
    assert_eq!(service.affinity, Affinity::Connection);
    assert_eq!(service.udp, UdpMemory::Switch);
    assert_eq!(service.idle, Duration::from_secs(60));
    assert_eq!(service.drain, DrainPolicy::default());
    assert_eq!(service.ring, 4093);
    assert_eq!(service.backends.iter().map(|backend| backend.weight).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(parse("[[interface]]\nname = \"lo\"").unwrap().services, []);
}

#[test]
fn the_example_shows_the_defaults() {
    let with_defaults: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if key.contains(" = ") && !key.starts_with("seed") => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert_ne!(with_defaults, EXAMPLE);
    assert_eq!(parse(&with_defaults), parse(EXAMPLE));
    assert!(parse(EXAMPLE).is_ok(), "{:?}", parse(EXAMPLE));
}

#[test]
fn every_mistake_is_named_with_its_line_value_and_fix() {
    let blocks: Vec<_> = MISTAKES.split("\n\n").map(|block| format!("{}\n", block.trim_end())).collect();
    assert!(blocks.len() >= 100);
    for block in blocks {
        assert_eq!(replayed(&block), block);
    }
}

/// A service with so many blue backends of weight 1.
fn crowded(backends: u32, service: &str) -> String {
    let backends: String = (0..backends)
        .map(|n| format!("{{ address = \"{}:80\" }},", std::net::Ipv4Addr::from_bits(0x0a00_0000 + n)))
        .collect();
    let green = "green = [{ address = \"10.255.0.1:80\" }]";
    let start = &MINIMAL[..MINIMAL.find("[[service.blue]]").unwrap()];
    format!("{start}{service}\n{green}\nblue = [{backends}]")
}

#[test]
fn a_ring_has_two_slots_for_every_backend() {
    assert_eq!(said(&crowded(125, "ring = 251")), "nothing");
    assert_eq!(
        said(&crowded(126, "ring = 251")),
        "line 8: service \"web\": ring 251 has fewer than two slots for each of the 126 blue backends; \
         write ring = 257 or a larger prime"
    );
    assert_eq!(
        said(&crowded(2047, "")),
        "line 4: service \"web\": ring 4093 (the default) has fewer than two slots for each of the 2047 blue \
         backends; write ring = 4099 or a larger prime"
    );
}

#[test]
fn room_grows_with_what_is_configured_up_to_a_limit() {
    assert_eq!(parse(&crowded(3000, "ring = 65521")).unwrap().daemon.max_backends, 8192);
    assert_eq!(parse(&crowded(20_000, "ring = 65521")).unwrap().daemon.max_backends, 65535);
    assert_eq!(
        said(&crowded(65_534, "ring = 65521")),
        "daemon: max_backends has room for 65534 of 65535 backends; remove backends, 65534 are the limit\n\
         line 8: service \"web\": ring 65521 has fewer than two slots for each of the 65534 blue backends; \
         remove blue backends, 32760 are the limit"
    );
}

#[test]
fn a_socket_path_fits_a_socket_address() {
    let config = |length: usize| FULL.replace("/run/a.sock", &format!("/{}", "s".repeat(length - 1)));
    assert_eq!(said(&config(107)), "nothing");
    assert!(said(&config(108)).ends_with("\" is 108 bytes long; write a path of at most 107 bytes"));
}

#[test]
fn a_file_is_named_in_every_problem() {
    let file = |bytes: &[u8]| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    };
    assert_eq!(load(file(FULL.as_bytes()).path()).unwrap(), parse(FULL).unwrap());

    let wrong = file(b"a = 1\nb = 2");
    let path = wrong.path().display();
    let said = load(wrong.path()).unwrap_err().to_string();
    assert_eq!(said.lines().filter(|line| line.starts_with(&format!("{path}: "))).count(), 3, "{said}");

    let binary = file(b"[daemon]\n# \xff\n");
    let said = load(binary.path()).unwrap_err().to_string();
    assert!(said.ends_with(": line 2: the file is not UTF-8 text from here on; save it as UTF-8"), "{said}");

    let missing = load(Path::new("/nonexistent/switcher.toml")).unwrap_err();
    let said = "/nonexistent/switcher.toml: cannot read the configuration: No such file";
    assert!(missing.to_string().starts_with(said), "{missing}");
}

/// Nothing makes it panic, and what it says is of use: one line each, in order, within the text.
fn is_handled(text: &str) -> Result<(), TestCaseError> {
    let Err(Problems(problems)) = parse(text) else { return Ok(()) };
    prop_assert!(!problems.is_empty());
    prop_assert!(problems.is_sorted_by_key(|problem| problem.line));
    for problem in problems {
        prop_assert!(problem.line.is_none_or(|line| (1..=text.split('\n').count()).contains(&line)));
        prop_assert!(!problem.message.is_empty() && !problem.fix.is_empty());
        prop_assert_eq!(problem.to_string().lines().count(), 1, "{}", problem);
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        is_handled(&text)?;
    }

    #[test]
    fn no_damage_makes_it_panic(
        at in 0..FULL.len(),
        length in 0..40_usize,
        put in prop_oneof!["[ -~\n]{0,12}", "\\PC{0,4}", Just("\r\n".to_owned()), Just("".to_owned())],
    ) {
        let end = FULL.len().min(at + length);
        is_handled(&format!("{}{put}{}", &FULL[..at], &FULL[end..]))?;
    }

    #[test]
    fn no_value_makes_it_panic(
        line in 0..FULL.lines().count(),
        value in prop_oneof!["-?[0-9]{1,40}", "\"[0-9a-f:.\\[\\]/%]{0,24}\"", "'\\PC{0,80}'", "[0-9.]{1,5}", "\\[\\{?\\}?\\]"],
    ) {
        let text: Vec<_> = FULL
            .lines()
            .enumerate()
            .map(|(at, text)| match text.split_once(" = ") {
                Some((key, _)) if at == line => format!("{key} = {value}"),
                _ => text.to_owned(),
            })
            .collect();
        is_handled(&text.join("\n"))?;
    }
}
