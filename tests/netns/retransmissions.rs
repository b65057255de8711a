//! A SYN that is sent again belongs to the connection that the first one opened.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use switcher_tests::Color::{Blue, Green};
use switcher_tests::config::ConfigBuilder;
use switcher_tests::load::Expectation;
use switcher_tests::raw::{SynCapture, send_syn};
use switcher_tests::require::{Feature, available};
use switcher_tests::topology::Topology;

use crate::world::{ECHO, Shape, World, services, vips};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_retransmitted_syn_stays_where_the_first_one_went() {
    if !available(&Feature::ALL) {
        return;
    }
    let world = World::start(Topology::new, &services(ConfigBuilder::new(), &Shape::default()));
    // Answers to these addresses reach the client's host, which knows nothing of them and says nothing.
    world
        .topology
        .edge
        .ip("route add 203.0.113.0/24 via 198.51.100.2\nroute add 2001:db8:f::/64 via 2001:db8:c::2\n");
    let [blue, green] = [&world.topology.blue, &world.topology.green].map(SynCapture::start);
    let any = Expectation::any();
    for (client, target) in ["203.0.113.9:4000", "[2001:db8:f::9]:4000"].into_iter().zip(vips(ECHO)) {
        let client: SocketAddr = client.parse().expect("an address");
        let before = world.packets(Green, "retransmitted");
        let recorded = world.packets(Green, "recorded");
        world.flip(Green, &any);
        let mut sent = 0;
        // The first on green; then again after a flip back, after a flip forth, and so on.
        for to in [Green, Blue, Green, Blue, Blue] {
            world.flip(to, &any);
            send_syn(&world.topology.client, client, target);
            sent += 1;
            let start = Instant::now();
            while green.count(client) < sent {
                let at_blue = blue.count(client);
                assert!(start.elapsed() < PATIENCE, "SYN {sent} is not at green; {at_blue} are at blue");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        assert_eq!((green.count(client), blue.count(client)), (sent, 0));
        assert_eq!(world.packets(Green, "recorded") - recorded, 1);
        assert_eq!(world.packets(Green, "retransmitted") - before, sent as u64 - 1);
        assert_eq!(world.packets(Blue, "retransmitted"), 0);

        // Another client of the same moment is not confused with it.
        let other = SocketAddr::new(client.ip(), client.port() + 1);
        send_syn(&world.topology.client, other, target);
        let start = Instant::now();
        while blue.count(other) < 1 {
            assert!(start.elapsed() < PATIENCE, "{} at green", green.count(other));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
