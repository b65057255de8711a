//! Addresses of services and backends, and why what was written is none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use toml::de::DeValue;

use super::{report::Wrong, value};

pub(super) fn read(written: &DeValue<'_>, example: &str) -> Result<SocketAddr, Wrong> {
    let text = value::text(written, example)?;
    if text.contains('%') {
        return Err(Wrong::new("has a zone", "write the address without '%' and what follows it"));
    }
    let address = text.parse::<SocketAddr>().map_err(|_| why_not(text, example))?;
    usable(address)?;
    Ok(address)
}

/// Whether packets can be sent to it, and it is the only way to write it.
fn usable(address: SocketAddr) -> Result<(), Wrong> {
    let unicast = |what| Err(Wrong::new(what, "write the unicast address of one host"));
    let canonical = address.ip().to_canonical();
    match address.ip() {
        ip if ip != canonical => {
            let fix = format!("write it as IPv4, \"{}\"", SocketAddr::new(canonical, address.port()));
            Err(Wrong::new("is an IPv4 address mapped to IPv6", fix))
        }
        ip if ip.is_unspecified() => unicast("is the unspecified address"),
        ip if ip.is_multicast() => unicast("is a multicast address"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => unicast("is the broadcast address"),
        _ if address.port() == 0 => Err(Wrong::new("has port 0", "write a port from 1 to 65535")),
        _ => Ok(()),
    }
}

/// What a text that is no address with a port was probably meant to be.
fn why_not(text: &str, example: &str) -> Wrong {
    let such_as = format!("such as {example:?}");
    if let Ok(ip) = text.parse::<IpAddr>() {
        return no_port(ip, example);
    }
    if let Some(ip) = bracketed(text) {
        return no_port(ip.into(), example);
    }
    if let Some((before, after)) = text.split_once('/') {
        let before_is_address = before.parse::<IpAddr>().is_ok() || before.parse::<SocketAddr>().is_ok();
        if before_is_address
            && !after.is_empty()
            && after.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
        {
            return Wrong::new("is a prefix", format!("write one address with a port, {such_as}"));
        }
    }
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    if host != text && (host.parse::<Ipv4Addr>().is_ok() || bracketed(host).is_some()) {
        return Wrong::new("has a bad port", format!("write a port from 1 to 65535, {such_as}"));
    }
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !text.contains('/') && host.bytes().all(in_name) && host.bytes().any(|byte| byte.is_ascii_alphabetic())
    {
        return Wrong::new(
            "is a host name",
            format!("names are not resolved, write an address and a port, {such_as}"),
        );
    }
    Wrong::new("is not an address with a port", format!("write one {such_as}"))
}

fn no_port(ip: IpAddr, example: &str) -> Wrong {
    let port = example.parse::<SocketAddr>().map_or(443, |example| example.port());
    Wrong::new("has no port", format!("add it, such as \"{}\"", SocketAddr::new(ip, port)))
}

fn bracketed(text: &str) -> Option<Ipv6Addr> {
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}
