//! The real object, configured by the real owner, run on single packets (`BPF_PROG_TEST_RUN`).

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya_obj::programs::XdpAttachType;
use switcher_common::{
    abi::{
        flow::{BUCKET_ENTRIES, FlowEntry},
        outcome::{Outcome, ROW},
    },
    hash::Seed,
};
use switcher_tests::{
    Color,
    config::ConfigBuilder,
    leftovers,
    netns::Netns,
    require::{Feature, available},
};
use switcher_user::{
    config,
    kernel::{Capacity, Kernel, Maps},
    model::{Interface, Mode},
    owner::{
        Hops, Now, Owner,
        address::{bare, key},
        adopt::Sources,
        hops::Hop,
        status::Facts,
    },
    plane::Plane as _,
    state::{Journal, Store},
};
use tempfile::TempDir;

use crate::site::{self, CLIENT_MAC, Port, Site, host};

const SERVICES: u16 = 32;
const BACKENDS: u16 = 64;
const RING: u32 = 251;
const SEED: Seed = Seed([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);

/// Every counter that is not zero: packets and bytes.
pub(crate) type Counts = BTreeMap<(Place, Outcome), (u64, u64)>;

/// A row of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Backend(u16),
    Service(u16),
}

/// What became of a frame.
pub(crate) struct Seen {
    pub(crate) action: u32,
    pub(crate) frame: Vec<u8>,
}

/// A host with the program on its interfaces.
pub(crate) struct World {
    pub(crate) owner: Owner,
    pub(crate) now: Now,
    maps: Maps,
    program: Xdp,
    _pins: Pins,
    _state: TempDir,
}

/// A directory of pins, removed when dropped.
struct Pins(PathBuf);

impl Drop for Pins {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

impl World {
    /// Runs `work` in a world of its own with `flow_entries` and the services of `config`, or skips it.
    ///
    /// The blue backends of services called `empty...` are given weight 0, which no file could say.
    pub(crate) fn with(flow_entries: u32, config: &ConfigBuilder, work: impl FnOnce(&mut Self) + Send) {
        if !available(&[Feature::Root, Feature::Netns, Feature::Bpffs, Feature::Programs]) {
            return;
        }
        leftovers::sweep();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = format!("sw{}-{}-packet", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let [host, wire] = Netns::create([id.clone(), format!("{id}-wire")]);
        connect(&host, &wire);
        host.enter(|| work(&mut Self::open(&id, flow_entries, config)));
    }

    fn open(id: &str, flow_entries: u32, config: &ConfigBuilder) -> Self {
        let pins = Pins(Path::new("/sys/fs/bpf").join(id));
        let capacity = Capacity {
            services: SERVICES,
            backends: BACKENDS,
            least_services: 1,
            least_backends: 1,
            slots: u32::from(SERVICES) * RING,
            flow_buckets: flow_entries / u32::try_from(BUCKET_ENTRIES).unwrap(),
        };
        let open = || Kernel::open(pins.0.clone(), capacity, SEED, None).unwrap();
        let mut kernel = open();
        let state = tempfile::Builder::new().prefix(&format!("{id}-")).tempdir().unwrap();
        let sources = Sources {
            plane: Box::new(kernel.maps),
            state: Store::new(state.path()).load().unwrap(),
            store: Store::new(state.path()),
            journal: Journal::new(state.path()),
            facts: Facts::default(),
        };
        let text = config.build();
        let mut config = config::parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        for service in &mut config.services {
            service.ring = RING;
            let starve = service.name.starts_with("empty");
            let blue = service.backends.iter_mut().filter(|backend| starve && backend.color == Color::Blue);
            blue.for_each(|backend| backend.weight = 0);
        }
        let now = Now::read();
        let mut owner = Owner::open(sources, &config, &text, now).unwrap();
        owner.set_hops(hops(), now).unwrap();
        // A device takes part in a test run only once a program is attached to it.
        let interface = |port: Port| Interface { name: port.name().into(), mode: Mode::Native };
        kernel.program.attach_all(&Port::ALL.map(interface)).unwrap();
        let program = Xdp::from_pin(pins.0.join("program"), XdpAttachType::Interface).unwrap();
        Self { owner, now, maps: open().maps, program, _pins: pins, _state: state }
    }

    /// Runs the program on a frame that arrives at `port`.
    pub(crate) fn run(&self, port: Port, frame: &[u8]) -> Seen {
        let interface = nix::net::if_::if_nametoindex(port.name()).unwrap();
        // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
        let context = [0, u32::try_from(frame.len()).unwrap(), 0, interface, 0, 0];
        let context: Vec<u8> = context.into_iter().flat_map(u32::to_ne_bytes).collect();
        let mut out = vec![0; 4096];
        let result = self
            .program
            .test_run(TestRunOptions {
                data_in: Some(frame),
                data_out: Some(&mut out),
                ctx_in: Some(&context),
                ..TestRunOptions::new()
            })
            .unwrap_or_else(|error| panic!("a frame of {} bytes cannot be run: {error:?}", frame.len()));
        out.truncate(usize::try_from(result.data_size_out).unwrap());
        Seen { action: result.return_value, frame: out }
    }

    /// All counters, every outcome number that there is room for.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        let mut add = |place, first, row: switcher_common::abi::outcome::Counters| {
            for (column, counter) in row.0.iter().enumerate() {
                if (counter.packets, counter.bytes) != (0, 0) {
                    let number = u8::try_from(first + column).unwrap();
                    let outcome = Outcome::from_number(number);
                    let outcome = outcome.unwrap_or_else(|| panic!("{place:?} counts outcome {number}"));
                    counts.insert((place, outcome), (counter.packets, counter.bytes));
                }
            }
        };
        for index in 0..BACKENDS {
            add(Place::Backend(index), 0, self.maps.backend_counters(index).unwrap());
        }
        for index in 0..SERVICES {
            add(Place::Service(index), ROW, self.maps.service_counters(index).unwrap());
        }
        counts
    }

    /// The counters of the backend at an address.
    pub(crate) fn backend(&self, address: SocketAddr, protocol: u8) -> Place {
        let endpoint = self.maps.endpoint(&key(address, protocol)).unwrap();
        Place::Backend(endpoint.unwrap_or_else(|| panic!("{address} is no backend")).backend)
    }

    /// The counters of the service at an address and port.
    pub(crate) fn service(&self, vip: SocketAddr, protocol: u8) -> Place {
        let endpoint = self.maps.endpoint(&key(vip, protocol)).unwrap();
        Place::Service(endpoint.unwrap_or_else(|| panic!("{vip} is no service")).service)
    }

    /// The counters of the service that packets without ports count with.
    pub(crate) fn bare(&self, address: IpAddr) -> Place {
        let endpoint = self.maps.endpoint(&bare(address)).unwrap();
        Place::Service(endpoint.unwrap_or_else(|| panic!("{address} is not ours")).service)
    }

    /// Lets time pass for the owner.
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now.instant += Duration::from_secs(seconds);
        self.owner.tick(self.now);
    }

    /// Remembered connections that the map holds.
    pub(crate) fn remembered(&self) -> Vec<FlowEntry> {
        let entries = self.maps.flows().all().iter().map(|word| FlowEntry(word.load(Ordering::SeqCst)));
        entries.filter(|entry| !entry.is_free()).collect()
    }
}

/// Interfaces whose peers never say anything, routes to everybody, one neighbor.
fn connect(host: &Netns, wire: &Netns) {
    wire.sysctl(&[("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")]);
    host.sysctl(&[
        ("ipv4/ip_forward", "1"),
        ("ipv6/conf/all/forwarding", "1"),
        ("ipv6/conf/default/addr_gen_mode", "1"),
        ("ipv6/conf/default/accept_dad", "0"),
    ]);
    let mac = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
    let (mut ours, mut theirs) = (String::from("link set lo up\n"), String::new());
    let networks = [("198.51.100.1", "2001:db8:c::1"), ("10.0.1.1", "fd00:1::1"), ("10.0.2.1", "fd00:2::1")];
    for (port, (v4, v6)) in Port::ALL.into_iter().zip(networks) {
        let name = port.name();
        ours += &format!(
            "link add {name} address {} mtu {} type veth peer name {name} netns {}\n\
             addr add {v4}/24 dev {name}\naddr add {v6}/64 dev {name} nodad\nlink set {name} up\n",
            mac(port.mac()),
            site::MTU,
            wire.name(),
        );
        theirs += &format!("link set {name} arp off up\n");
    }
    for site in Site::BOTH {
        let client = format!("neigh add {} lladdr {} dev cl0\n", site.client(0).ip(), mac(CLIENT_MAC));
        let unreachable = format!("route add unreachable {}\n", site.unreachable().ip());
        ours += &(client + &unreachable);
    }
    host.ip(&ours);
    wire.ip(&theirs);
}

/// What netlink would tell.
fn hops() -> Hops {
    let interface = |port: Port| nix::net::if_::if_nametoindex(port.name()).unwrap();
    let mut hops = Hops::new();
    for site in Site::BOTH {
        for color in Color::ALL {
            for host in host::ALL {
                let port = match (host, color) {
                    (host::ONE_ARMED, _) => Port::Client,
                    (_, Color::Blue) => Port::Blue,
                    (_, Color::Green) => Port::Green,
                };
                let hop = Hop {
                    interface: interface(port),
                    name: port.name().into(),
                    destination: site::backend_mac(color, host),
                    source: port.mac(),
                    mtu: match host {
                        host::NARROW => site::NARROW_MTU,
                        host::WIDE => site::WIDE_MTU,
                        _ => site::MTU,
                    },
                };
                let hop = if host == host::LOST { Err("no neighbor".into()) } else { Ok(hop) };
                hops.insert(site.backend(color, host, 0).ip(), hop);
            }
        }
    }
    hops
}
