//! Configurations for the daemon under test.

use std::fmt::Display;

use serde::Serialize;

use crate::Color;
use crate::topology::INTERFACES;

/// Makes a configuration: the topology's interfaces, and the services that are added.
///
/// The daemon's own paths are missing: [`Daemon::start`](crate::daemon::Daemon::start) puts them in.
#[derive(Clone, Debug, Serialize)]
pub struct ConfigBuilder {
    daemon: toml::Table,
    interface: Vec<Interface>,
    service: Vec<ServiceBuilder>,
}

#[derive(Clone, Debug, Serialize)]
struct Interface {
    name: String,
    mode: String,
}

impl ConfigBuilder {
    /// No service yet, native XDP on all interfaces of the edge.
    pub fn new() -> Self {
        let empty = Self { daemon: toml::Table::new(), interface: Vec::new(), service: Vec::new() };
        empty.interfaces(&INTERFACES)
    }

    /// Adds a service.
    pub fn service(mut self, service: ServiceBuilder) -> Self {
        self.service.push(service);
        self
    }

    /// Other interfaces of the edge than [`INTERFACES`], in native mode.
    pub fn interfaces(mut self, names: &[&str]) -> Self {
        let native = |name: &&str| Interface { name: (*name).into(), mode: "native".into() };
        self.interface = names.iter().map(native).collect();
        self
    }

    /// Another way to attach on all interfaces: `native`, `generic`.
    pub fn mode(mut self, mode: &str) -> Self {
        self.interface.iter_mut().for_each(|interface| interface.mode = mode.into());
        self
    }

    /// One setting of the daemon: `seed`, `flow_entries`, `max_services`, `max_backends`.
    pub fn daemon(mut self, key: &str, value: impl Into<toml::Value>) -> Self {
        self.daemon.insert(key.into(), value.into());
        self
    }

    /// The TOML.
    pub fn build(&self) -> String {
        toml::to_string(self).expect("a configuration has no value that TOML lacks")
    }
}

impl Default for ConfigBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes a service; what is not set is left to the daemon's defaults.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceBuilder {
    name: String,
    vip: String,
    protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    switch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    affinity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    udp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ring: Option<u32>,
    #[serde(skip_serializing_if = "toml::Table::is_empty")]
    drain: toml::Table,
    blue: Vec<Backend>,
    green: Vec<Backend>,
}

#[derive(Clone, Debug, Serialize)]
struct Backend {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u16>,
}

impl ServiceBuilder {
    /// A TCP service at `vip`, address and port.
    pub fn tcp(name: &str, vip: impl Display) -> Self {
        Self::new(name, "tcp", vip)
    }

    /// A UDP service at `vip`, address and port.
    pub fn udp(name: &str, vip: impl Display) -> Self {
        Self::new(name, "udp", vip)
    }

    fn new(name: &str, protocol: &str, vip: impl Display) -> Self {
        Self {
            name: name.into(),
            vip: vip.to_string(),
            protocol: protocol.into(),
            switch: None,
            affinity: None,
            udp: None,
            idle: None,
            ring: None,
            drain: toml::Table::new(),
            blue: Vec::new(),
            green: Vec::new(),
        }
    }

    /// The switch it is on.
    pub fn switch(mut self, name: &str) -> Self {
        self.switch = Some(name.into());
        self
    }

    /// `connection` or `client`.
    pub fn affinity(mut self, affinity: &str) -> Self {
        self.affinity = Some(affinity.into());
        self
    }

    /// How clients are remembered: `switch`, `sticky`.
    pub fn memory(mut self, udp: &str) -> Self {
        self.udp = Some(udp.into());
        self
    }

    /// How long a sticky flow may be silent.
    pub fn idle(mut self, idle: &str) -> Self {
        self.idle = Some(idle.into());
        self
    }

    /// Slots of the ring.
    pub fn ring(mut self, slots: u32) -> Self {
        self.ring = Some(slots);
        self
    }

    /// One setting of how its drains end: `quiet`, `deadline`, `pace`.
    pub fn drain(mut self, key: &str, value: &str) -> Self {
        self.drain.insert(key.into(), value.into());
        self
    }

    /// Adds a backend, address and port.
    pub fn backend(self, color: Color, address: impl Display) -> Self {
        self.add(color, Backend { address: address.to_string(), weight: None })
    }

    /// Adds a backend with a weight.
    pub fn weighted_backend(self, color: Color, address: impl Display, weight: u16) -> Self {
        self.add(color, Backend { address: address.to_string(), weight: Some(weight) })
    }

    fn add(mut self, color: Color, backend: Backend) -> Self {
        match color {
            Color::Blue => self.blue.push(backend),
            Color::Green => self.green.push(backend),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_what_was_set_and_nothing_else() {
        let service = ServiceBuilder::tcp("web", "192.0.2.10:80")
            .drain("quiet", "2s")
            .backend(Color::Blue, "10.0.1.2:80")
            .weighted_backend(Color::Green, "10.0.2.2:80", 3);
        let text = ConfigBuilder::new().daemon("flow_entries", 8).service(service).build();
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["daemon"], toml::Table::from_iter([("flow_entries".into(), 8.into())]).into());
        assert_eq!(table["interface"].as_array().unwrap().len(), 3);
        let web = &table["service"][0];
        assert_eq!(web["drain"]["quiet"].as_str(), Some("2s"));
        assert_eq!(web["green"][0]["weight"].as_integer(), Some(3));
        assert!(web.get("affinity").is_none() && web["blue"][0].get("weight").is_none());
    }
}
